//! What Azure cannot say is said to people, and blocks.

use policy::Severity;
use provider_azure::{AzureSettings, band};

use crate::estate::{Estate, INSTALLATION, network_id};
use crate::text::text;

fn policy(mode: &str, rule: &str) -> String {
    format!(
        "labels: {{ role: [web, db] }}\n\
         ip_lists: {{ six: {{ addresses: [\"2001:db8::/32\"] }} }}\n\
         enforcement: [{{ match: [role=web], mode: {mode} }}]\n\
         rulesets: [{{ name: set, scopes: [], rules: [{{ name: r, {rule} }}] }}]\n"
    )
}

const V4: &str = "vnet a: 10.0.0.0/16
    nic w1: vnet=a nsg=all role=web @10.0.0.4
    nic d1: vnet=a nsg=all role=db @10.0.0.5";
const V6: &str = "vnet a: 10.0.0.0/16 2001:db8:a::/48
    nic w1: vnet=a nsg=all role=web @10.0.0.4 @2001:db8:a::4
    nic d1: vnet=a nsg=all role=db @10.0.0.5 @2001:db8:a::5";

/// Codes of findings that block.
fn blocking(policy: &str, lines: &str) -> Vec<String> {
    let desired = Estate::new(policy, lines).lower();
    let blocking = desired.findings.iter().filter(|finding| finding.severity == Severity::Blocking);
    blocking.map(|finding| format!("{} {finding}", finding.code)).collect()
}

fn service(service: &str, lines: &str) -> Vec<String> {
    let rule = format!("sources: [role=db], destinations: [role=web], services: [{service}]");
    blocking(&policy("full", &rule), lines)
}

#[test]
fn services_without_words_block_with_their_rule() {
    for fine in ["tcp/80", "udp", "all", "icmp", "proto/50", "proto/51", "tcp/1-9", "icmp/3/4"] {
        assert_eq!(service(fine, V6), [""; 0], "{fine}");
    }
    for bad in ["icmp/8", "proto/47", "icmp/3", "icmpv6/128", "icmpv6"] {
        let found = service(bad, V6);
        assert!(
            found
                .iter()
                .all(|line| line.starts_with("service-on-cloud set/r: no rule of a network security group"))
                && !found.is_empty(),
            "{bad}: {found:?}"
        );
    }
}

#[test]
fn a_network_without_ipv6_needs_no_word_for_icmpv6() {
    assert_eq!(service("icmpv6", V4), [""; 0]);
    assert_eq!(service("icmpv6/128", V4), [""; 0]);
    // Also where the far ends are a group, or addresses that the network cannot reach.
    for sources in ["role=web", "list:six"] {
        let rule = format!("sources: [{sources}], destinations: [role=web], services: [icmpv6]");
        assert_eq!(blocking(&policy("full", &rule), V4), [""; 0], "{sources}");
        assert_ne!(blocking(&policy("full", &rule), V6), [""; 0], "{sources}");
    }
}

#[test]
fn selective_and_denies_block_with_the_reason() {
    let rule = "sources: [role=db], destinations: [role=web], services: [tcp/80]";
    assert_eq!(
        blocking(&policy("selective", rule), V4),
        [
            "selective-on-cloud role=web: selective enforcement needs deny rules of the policy, and this version lowers allow rules only"
        ]
    );
    for action in ["deny", "override-deny"] {
        assert_eq!(
            blocking(&policy("full", &format!("{rule}, action: {action}")), V4),
            [
                "deny-on-cloud set/r: a deny rule matters here, and this version does not lower deny rules to network security groups"
            ]
        );
    }
}

#[test]
fn what_others_let_pass_before_an_exclusive_scope_blocks_with_the_way_out() {
    let rule = "sources: [role=db], destinations: [role=web], services: [tcp/80]";
    let of = |mode: &str, more: &str| blocking(&policy(mode, rule), &format!("scope: {more}\n{V4}"));
    assert_eq!(of("full", "exclusive"), [""; 0], "what comes by default is behind ours");
    let in_front = "exclusive\n rule all: 900 tcp/22 from 203.0.113.0/24";
    let expected = [
        "exclusive-in-front all: ingress rule `theirs-900` of somebody else (priority 900) comes before our denies and lets \
         something pass to w1",
    ];
    assert_eq!(of("full", in_front), expected);
    assert_eq!(of("visibility_only", in_front), [""; 0], "nobody is enforced");
    assert_eq!(of("full", &in_front.replace("exclusive\n", "additive\n")), [""; 0]);
    // Within our band, before and behind the first deny; and far behind.
    let at = |priority: u32| of("full", &in_front.replace(" 900 ", &format!(" {priority} "))).len();
    // A deny takes the first priority that is free.
    assert_eq!([3950, 3951, 3952, 4000, 4096].map(at), [1, 1, 0, 0, 0]);
    // A list whose end of the band is full of rules of others.
    let many: String = (3951..4000).map(|n| format!("\n rule all: {n} tcp/22 from 203.0.113.0/24")).collect();
    let expected = [
        "exclusive-full all: no deny of an exclusive scope can be written: 50 priorities of denies are needed, and 49 are \
         there",
    ];
    assert_eq!(of("full", &format!("exclusive{many}")), expected);
}

#[test]
fn a_driver_that_was_not_told_that_a_scope_is_exclusive_blocks() {
    let rule = "sources: [role=db], destinations: [role=web], services: [tcp/80]";
    let estate = Estate::new(&policy("full", rule), &format!("scope: exclusive\n{V4}"));
    let settings = AzureSettings::new(INSTALLATION);
    let desired = estate.with_input(|input| provider_azure::lower::lower(&settings, input));
    let blocking: Vec<&str> =
        desired.findings.iter().filter(|f| f.is_blocking()).map(|finding| finding.code.as_str()).collect();
    assert_eq!(blocking, ["exclusive-on-cloud"]);
}

#[test]
fn probes_that_will_be_cut_are_a_warning() {
    let rule = "sources: [role=db], destinations: [role=web], services: [tcp/80]";
    let estate = Estate::new(&policy("full", rule), V4);
    let warnings = |desired: &plan::Desired| -> Vec<String> {
        let warned = desired.findings.iter().filter(|finding| finding.severity == Severity::Warning);
        warned.map(ToString::to_string).collect()
    };
    assert_eq!(warnings(&estate.lower()), [""; 0], "they are kept unless the policy is asked");
    let by_policy = AzureSettings { keeps_probes: false, ..AzureSettings::new(INSTALLATION) };
    let desired = estate.with_input(|input| provider_azure::lower::lower(&by_policy, input));
    assert_eq!(warnings(&desired), ["azure: health probes of a load balancer will not reach role=web"]);
    // Once it is closed nothing is cut any more.
    let closed = estate.after(&estate.steps(&desired));
    let desired = closed.with_input(|input| provider_azure::lower::lower(&by_policy, input));
    assert_eq!(warnings(&desired), [""; 0]);
}

#[test]
fn an_interface_without_a_list_is_uncovered_and_named_by_address() {
    let rule = "sources: [role=web], destinations: [role=web], services: [tcp/80]";
    let lines = "vnet a: 10.0.0.0/16
        nic w1: vnet=a nsg=all role=web @10.0.0.4
        nic w2: vnet=a role=web @10.0.0.5
        nic w3: vnet=a nsg=all role=web @10.0.0.6 attach=locked";
    let desired = text(&Estate::new(&policy("full", rule), lines).lower());
    for line in [
        "  in (role=web @a) tcp/80 [r]",
        "  in 10.0.0.5/32 tcp/80 [r]",
        "  in 10.0.0.6/32 tcp/80 [r]",
        "uncovered w2 (role=web): no network security group is on its path",
        "uncovered w3 (role=web): locked",
    ] {
        assert!(desired.contains(line), "{line} in\n{desired}");
    }
    assert!(!desired.contains("member w2") && !desired.contains("member w3"), "{desired}");
}

#[test]
fn an_interface_that_leaves_enforcement_gets_its_rests_back() {
    let rule = "sources: [role=db], destinations: [role=web], services: [tcp/80]";
    let before = Estate::new(&policy("full", rule), V4);
    let closed = before.after(&before.steps(&before.lower()));
    let files = Estate::new(&policy("visibility_only", rule), V4).files;
    let next = Estate::seen(files, closed.scope.clone(), closed.observed.clone());
    let desired = text(&next.lower());
    assert!(desired.contains("member w1: rest-in:all rest-out:all"), "{desired}");
    let again = next.after(&next.steps(&next.lower()));
    assert_eq!(again.steps(&again.lower()).steps, []);
}

#[test]
fn denies_that_stay_behind_a_security_group_of_somebody_else_block() {
    let lines = "vnet a: 10.0.0.0/16
        nic w1: vnet=a nsg=subnet nsg=own role=web @10.0.0.4
        nic w2: vnet=a nsg=subnet nsg=own role=web @10.0.0.5";
    let policy = policy("full", "sources: [role=db], destinations: [role=web], services: [tcp/80]");
    let found = |closed_in: &str| {
        let mut estate = Estate::new(&policy, lines);
        let band = AzureSettings::new(INSTALLATION).band_of(None);
        let network = provider_azure::resources::ArmId::new(network_id("a").as_str());
        let list = estate.observed.path_filters.iter_mut().find(|list| list.name == closed_in).unwrap();
        let change = band::close(&band, &list.rules, &network, plan::Direction::Ingress).unwrap();
        list.rules.extend(change.put.clone());
        list.rules.sort_by_key(|rule| rule.priority);
        let closed = change.put[0].targets[0].clone();
        estate.observed.interfaces[0].groups.push(closed);
        let blocking = estate.lower().findings.into_iter().filter(|one| one.severity == Severity::Blocking);
        blocking.map(|finding| format!("{} {finding}", finding.code)).collect::<Vec<_>>()
    };
    assert_eq!(found("subnet"), [""; 0], "that is where they belong");
    let expected = "closed-elsewhere own: denies of ours in it close w1, whose rules belong into subnet on the subnet by now";
    let found = found("own");
    assert!(found.len() == 1 && found[0].starts_with(expected), "{found:?}");
}
