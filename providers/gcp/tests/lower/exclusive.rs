//! What stands in front of our denies, in a scope that wants to be let pass by its own rules alone.

use policy::Severity;

use crate::estate::Estate;

const POLICY: &str = "
labels: { role: [web, db] }
enforcement: [{ match: [role=web], mode: full }]
rulesets: [{ name: set, scopes: [], rules: [{ name: r, sources: [role=db], destinations: [role=web], services: [tcp/80] }] }]
";
const TWO: &str = "net a: 10.0.0.0/16
    vm w1: net=a role=web @10.0.0.4 tag=tagValues/7
    vm d1: net=a role=db @10.0.0.5";

/// The rules in front, as `DIRECTION PRIORITY LIST`.
fn in_front(scope: &str, lines: &str) -> Vec<String> {
    let desired = Estate::new(POLICY, &format!("scope: {scope}\n{TWO}\n{lines}")).lower();
    let blocking = desired.findings.iter().filter(|finding| finding.severity == Severity::Blocking);
    let front = blocking.filter(|finding| finding.code != "policy-taken").map(|finding| {
        assert_eq!(finding.code, "exclusive-in-front");
        assert!(finding.hint.contains("`attachment: additive`"), "{}", finding.hint);
        let words: Vec<&str> = finding.message.split(' ').collect();
        let direction = words[words.iter().position(|word| *word == "lets").unwrap() + 1];
        format!("{direction} {} {}", words[3], words[5])
    });
    front.collect()
}

#[track_caller]
fn check(lines: &str, expected: &[&str]) {
    assert_eq!(in_front("egress exclusive", lines), expected, "{lines}");
}

const ORDER: &str = "order a: policy-first\n";

#[test]
fn a_classic_allow_is_in_front_in_one_order_only() {
    let rule = "rule a: 1000 tcp/22 from 203.0.113.0/24";
    let desired = Estate::new(POLICY, &format!("scope: exclusive\n{TWO}\n{rule}")).lower();
    let found = desired.findings.iter().find(|finding| finding.code == "exclusive-in-front").unwrap();
    assert_eq!(
        found.to_string(),
        "gcp: rule `theirs` at 1000 of classic lets ingress pass at role=web, in front of our denies"
    );
    assert!(found.hint.contains("BEFORE_CLASSIC_FIREWALL"), "{}", found.hint);
    check(rule, &["ingress 1000 classic"]);
    check(&format!("{ORDER}{rule}"), &[]);
    check(&format!("{ORDER}{rule}\nrule a: 1 all from 0.0.0.0/0 list=near"), &[]);
    assert_eq!(in_front("egress", rule), [""; 0], "an additive scope has no such wish");
}

#[test]
fn only_directions_and_interfaces_that_are_enforced_count() {
    let egress = "rule a: 1000 all to 0.0.0.0/0";
    check(egress, &["egress 1000 classic"]);
    assert_eq!(in_front("exclusive", egress), [""; 0], "egress is not filtered");
    check("rule a: 1000 all from 0.0.0.0/0 for=tagValues/7", &["ingress 1000 classic"]);
    check("rule a: 1000 all from 0.0.0.0/0 for=tagValues/8", &[]);
    let nobody = POLICY.replace("mode: full", "mode: visibility_only");
    let lines = format!("scope: exclusive\n{TWO}\nrule a: 1000 all from 0.0.0.0/0");
    let findings = Estate::new(&nobody, &lines).lower().findings;
    assert!(!findings.iter().any(|finding| finding.code == "exclusive-in-front"));
}

#[test]
fn what_lets_nothing_pass_is_not_in_front() {
    let rule = "rule a: 1000 tcp/22 from 203.0.113.0/24";
    check(&format!("{rule}\nrule a: 900 tcp from 203.0.0.0/16 deny"), &[]);
    check(&format!("{rule}\nrule a: 900 tcp from 203.0.113.0/25 deny"), &["ingress 1000 classic"]);
    check(&format!("{rule}\nrule a: 900 udp from 203.0.0.0/16 deny"), &["ingress 1000 classic"]);
    check(&format!("{rule}\nrule a: 5 all from 0.0.0.0/0 deny list=inherited"), &[]);
    check(&format!("{rule}\nrule a: 5 all from 0.0.0.0/0 list=inherited"), &[]);
    check(&format!("{rule}\nrule a: 5 all from 0.0.0.0/0 next list=inherited"), &["ingress 1000 classic"]);
    check("rule a: 5 all from 0.0.0.0/0 list=inherited", &[]);
}

#[test]
fn what_is_not_known_counts_and_stops_nothing() {
    for peer in ["?threats", "tag:projects/p/global/networks/a/nobody"] {
        check(&format!("rule a: 1000 tcp/22 from {peer}"), &["ingress 1000 classic"]);
    }
    let rule = "rule a: 1000 tcp/22 from 203.0.113.0/24";
    check(&format!("{rule}\nrule a: 900 tcp from ?threats deny"), &["ingress 1000 classic"]);
    check(
        "rule a: 900 tcp from ?threats\nrule a: 800 all from 0.0.0.0/0 deny\nrule a: 801 all from ::/0 deny",
        &[],
    );
}

#[test]
fn rules_in_our_policy_count_before_our_denies() {
    let rule = |priority: u32| format!("{ORDER}rule a: {priority} tcp/22 from 203.0.113.0/24 list=ours");
    check(&rule(7), &["ingress 7 ours"]);
    check(&rule(1_500_000), &["ingress 1500000 ours"]);
    check(&rule(2_000_000), &["ingress 2000000 ours"]);
    check(&rule(2_000_050), &[]);
    check(&format!("{ORDER}rule a: 9 all from 0.0.0.0/0 list=theirs"), &["ingress 9 theirs"]);
    let both = "rule a: 9 all from 0.0.0.0/0 list=a-theirs\nrule a: 2000050 all to ::/0 list=ours";
    check(&format!("{ORDER}{both}"), &["ingress 9 a-theirs"]);
}

#[test]
fn what_is_taken_past_our_denies_counts_where_something_lets_it_pass() {
    let next = format!("{ORDER}rule a: 7 tcp from 10.0.0.0/8 next list=ours");
    check(&next, &[]);
    check(&format!("{next}\nrule a: 1000 tcp/22 from 10.9.0.0/16"), &["ingress 7 ours"]);
    check(&format!("{next}\nrule a: 1000 tcp/22 from 11.0.0.0/8"), &[]);
    check(
        &format!("{next}\nrule a: 1000 all from 10.9.0.0/16\nrule a: 1 tcp from 10.0.0.0/8 deny list=near"),
        &[],
    );
    check(&format!("{ORDER}rule a: 7 tcp to 10.0.0.0/8 next list=ours"), &["egress 7 ours"]);
    check(
        &format!(
            "{ORDER}rule a: 7 tcp to 10.0.0.0/8 next list=ours\nrule a: 6 tcp to 10.0.0.0/8 deny list=ours"
        ),
        &[],
    );
}
