//! Explanations: golden texts for the cases that people meet, and that a proposed rule really opens the flow.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod dsl;

use policy::ruleset::{Action, IpList, Rule, Ruleset, ScopeEntry, ScopeTarget};
use policy::{EndDecision, Flow, Snapshot, Verdict, decide, explain};

const SHOP: [&str; 12] = [
    "network a: 10.0.0.0/16",
    "network b: 10.0.0.0/16",
    "web: role=web app=shop env=prod @10.0.0.1 vpc=a",
    "db: role=db app=shop env=prod @10.0.0.2 vpc=a",
    "dev: role=web app=shop env=dev @10.0.0.3 vpc=a",
    "erp: role=api app=erp env=prod @10.0.0.4 vpc=a enforces=ingress",
    "bare: @10.0.0.5 vpc=a",
    "far: role=web app=shop env=prod @10.0.0.99 vpc=b enforces=none",
    "watched: role=db app=blog env=prod @10.0.0.6 vpc=a mode=visibility",
    "list office: 203.0.113.0/24",
    "list desk: 203.0.113.64/26",
    "list internet: 0.0.0.0/0",
];

fn check(rules: &[&str], flow: &str, expected: &str) {
    let snapshot = dsl::world(&[&SHOP, rules].concat());
    let found = explain(&snapshot, &dsl::flow(&snapshot, flow)).to_text();
    let expected: String =
        expected.trim().lines().map(|line| format!("{}\n", without_margin(line))).collect();
    assert_eq!(found, expected, "\n--- found\n{found}--- expected\n{expected}");
}

/// Expected texts are written behind a `|`, so that their own indent shows.
fn without_margin(line: &str) -> &str {
    line.trim_start().strip_prefix('|').unwrap()
}

#[test]
fn a_flow_that_passes_names_the_rules() {
    check(
        &[
            "rule shop/web-to-db: [app=shop env=prod] role=web -> role=db : tcp/5432",
            "role=web -> role=db : tcp",
        ],
        "web -> db : tcp/5432",
        "|role=web app=shop env=prod (10.0.0.1) → role=db app=shop env=prod (10.0.0.2) on tcp/5432: allowed
         |egress at the source: allowed by shop/web-to-db
         |  also matches: r2/rule (allow)
         |ingress at the destination: allowed by shop/web-to-db
         |  also matches: r2/rule (allow)",
    );
}

#[test]
fn a_wrong_port_is_a_near_miss_and_both_ends_lack_one_rule() {
    check(
        &["rule shop/web-to-db: [app=shop env=prod] role=web -> role=db : tcp/5432"],
        "web -> db : tcp/5433",
        "|role=web app=shop env=prod (10.0.0.1) → role=db app=shop env=prod (10.0.0.2) on tcp/5433: blocked
         |egress at the source: blocked, no rule allows it
         |  almost: shop/web-to-db allows tcp/5432, not tcp/5433
         |ingress at the destination: blocked, no rule allows it
         |  almost: shop/web-to-db allows tcp/5432, not tcp/5433
         |to let it pass, add to a ruleset with scope [app=shop, env=prod]:
         |  sources: [role=web], destinations: [role=db], services: [tcp/5433]",
    );
}

#[test]
fn every_kind_of_near_miss_says_what_differs() {
    check(
        &[
            "rule n/destinations: all-workloads -> role=db : tcp/1",
            "rule n/sources: role=lb -> role=api : tcp/1",
            "rule s/scope: [app=shop env=prod] [app=erp not env=dev] role=web -> role=api : tcp/1",
            "rule s/two: role=web -> role=api : tcp/2",
            "rule n/off: disabled role=web -> role=api : tcp/1",
            "rule n/deny: deny role=web -> role=api : tcp/2",
        ],
        "dev -> erp : tcp/1",
        "|role=web app=shop env=dev (10.0.0.3) → role=api app=erp env=prod (10.0.0.4) on tcp/1: blocked
         |egress at the source: blocked, no rule allows it
         |  almost: n/off would allow it, but is disabled
         |  almost: s/scope, but the ends are not together in its scope [app=shop, env=prod] or [app=erp, not env=dev]
         |  almost: n/sources wants sources [role=lb]; the source is role=web app=shop env=dev (10.0.0.3)
         |  almost: n/destinations wants destinations [role=db]; the destination is role=api app=erp env=prod
         |ingress at the destination: blocked, no rule allows it
         |  almost: n/off would allow it, but is disabled
         |  almost: s/scope, but the ends are not together in its scope [app=shop, env=prod] or [app=erp, not env=dev]
         |  almost: n/sources wants sources [role=lb]; the source is role=web app=shop env=dev
         |  almost: n/destinations wants destinations [role=db]; the destination is role=api app=erp env=prod (10.0.0.4)
         |to let it pass, add to a ruleset with scope [app=erp, env=prod]:
         |  sources: [role=web, app=shop, env=dev], destinations: [role=api], services: [tcp/1], extra_scope: true",
    );
}

#[test]
fn an_override_deny_leaves_nothing_to_propose() {
    check(
        &["role=web -> role=db : all", "rule never/ssh: override-deny all-workloads -> role=db : tcp/22"],
        "web -> db : tcp/22",
        "|role=web app=shop env=prod (10.0.0.1) → role=db app=shop env=prod (10.0.0.2) on tcp/22: blocked
         |egress at the source: blocked by override deny never/ssh
         |  also matches: r1/rule (allow)
         |ingress at the destination: blocked by override deny never/ssh
         |  also matches: r1/rule (allow)
         |no rule can let it pass while never/ssh stands",
    );
}

#[test]
fn an_outside_address_is_proposed_by_its_narrowest_list_never_by_a_whole_family() {
    check(
        &[],
        "203.0.113.70 -> bare : udp/53",
        "|203.0.113.70 → workload bare (10.0.0.5) on udp/53: blocked
         |egress at the source: not enforced, it is outside
         |ingress at the destination: blocked, no rule allows it
         |to let it pass, add to a ruleset with no scope:
         |  sources: [list:desk], destinations: [workload:bare], services: [udp/53]",
    );
    check(
        &[],
        "web -> 198.51.100.7 : tcp/443",
        "|role=web app=shop env=prod (10.0.0.1) → 198.51.100.7 on tcp/443: blocked
         |egress at the source: blocked, no rule allows it
         |ingress at the destination: not enforced, it is outside
         |to let it pass, add to a ruleset with scope [app=shop, env=prod]:
         |  sources: [role=web], destinations: [list:host-198.51.100.7], services: [tcp/443]
         |  with a new list host-198.51.100.7: 198.51.100.7/32",
    );
}

#[test]
fn a_shadowed_peer_is_nobody_and_the_text_says_why() {
    check(
        &["role=web -> role=db : tcp/5432"],
        "far -> db : tcp/5432",
        "|role=web app=shop env=prod (10.0.0.99) → role=db app=shop env=prod (10.0.0.2) on tcp/5432: blocked
         |egress at the source: not enforced, nothing filters this direction there
         |ingress at the destination: blocked, no rule allows it
         |  the source is nobody known here: 10.0.0.99 lies in an address block of this network or a peered one, and \
nobody known holds it there
         |  almost: r1/rule wants sources [role=web]; the source is not a known workload
         |to let it pass, add to a ruleset with scope [app=shop, env=prod]:
         |  sources: [list:host-10.0.0.99], destinations: [role=db], services: [tcp/5432]
         |  with a new list host-10.0.0.99: 10.0.0.99/32",
    );
}

#[test]
fn a_watched_end_says_what_full_mode_would_do() {
    check(
        &["[app=shop] role=web -> role=db : tcp/1", "extra role=web -> role=db env=prod app=blog : tcp/2"],
        "erp -> watched : tcp/2",
        "|role=api app=erp env=prod (10.0.0.4) → role=db app=blog env=prod (10.0.0.6) on tcp/2: passes today, full \
enforcement would block it
         |egress at the source: not enforced, nothing filters this direction there
         |ingress at the destination: passes, the workload is only watched; full mode: blocked, no rule allows it
         |  almost: r2/rule wants sources [role=web]; the source is role=api app=erp env=prod
         |to let it pass, add to a ruleset with scope [app=blog, env=prod]:
         |  sources: [role=api, app=erp, env=prod], destinations: [role=db], services: [tcp/2], extra_scope: true",
    );
}

/// Every pair of ends of the shop, under a few rules: what is proposed opens exactly what was blocked.
#[test]
fn a_proposed_rule_opens_the_flow_and_a_passing_flow_gets_no_proposal() {
    let rules = [
        "[app=shop] [env=prod] role=web -> role=db : tcp/1",
        "list:office -> role=web : tcp/1-2",
        "deny role=web -> role=db : tcp/3",
        "override-deny list:desk -> role=web : tcp/2",
    ];
    let ends =
        ["web", "db", "dev", "erp", "bare", "far", "watched", "203.0.113.9", "203.0.113.70", "198.51.100.7"];
    let (mut opened, mut stood, mut passed) = (0, 0, 0);
    for mode in ["full", "selective"] {
        let shop: Vec<String> = SHOP.iter().map(|line| with_mode(line, mode)).collect();
        let lines: Vec<&str> = shop.iter().map(String::as_str).chain(rules).collect();
        let snapshot = dsl::world(&lines);
        for source in ends {
            for destination in ends {
                for service in ["tcp/1", "tcp/2", "tcp/3", "icmp/8/0", "icmp/3/4", "proto/50"] {
                    let text = format!("{source} -> {destination} : {service}");
                    let flow = dsl::flow(&snapshot, &text);
                    match check_proposal(&snapshot, &flow, &text) {
                        Proposal::Opened => opened += 1,
                        Proposal::OverrideStands => stood += 1,
                        Proposal::NotNeeded => passed += 1,
                    }
                }
            }
        }
    }
    assert!(opened > 300 && stood >= 4 && passed > 300, "{opened} opened, {stood} stood, {passed} passed");
}

enum Proposal {
    Opened,
    OverrideStands,
    NotNeeded,
}

fn with_mode(line: &str, mode: &str) -> String {
    if line.contains('@') && !line.contains("mode=") {
        format!("{line} mode={mode}")
    } else {
        line.to_owned()
    }
}

fn check_proposal(snapshot: &Snapshot, flow: &Flow, text: &str) -> Proposal {
    let explanation = explain(snapshot, flow);
    assert_eq!(explanation.decision, decide(snapshot, flow), "{text}");
    let ends = [&explanation.egress, &explanation.ingress];
    let missing: Vec<_> = ends.iter().filter_map(|end| end.missing.clone()).collect();
    if explanation.decision.verdict == Verdict::Allowed {
        assert!(missing.is_empty(), "{text} passes and gets a proposal");
        return Proposal::NotNeeded;
    }
    if ends.iter().any(|end| matches!(end.judged(), EndDecision::OverrideDenied(_))) {
        return Proposal::OverrideStands;
    }
    let mut opened = snapshot.clone();
    for (index, rule) in missing.iter().enumerate() {
        if let Some((name, addresses)) = rule.new_list.clone() {
            opened.policy.ip_lists.insert(name, IpList { addresses });
        }
        let entry = |label: &policy::Label| ScopeEntry {
            target: ScopeTarget::Label(label.clone()),
            exclusion: false,
        };
        opened.policy.rulesets.push(Ruleset {
            name: format!("proposed-{index}").into(),
            enabled: true,
            scopes: vec![rule.scope.iter().map(entry).collect()],
            rules: vec![Rule {
                name: "rule".into(),
                enabled: true,
                action: Action::Allow,
                sources: rule.sources.clone(),
                destinations: rule.destinations.clone(),
                services: rule.services.clone(),
                extra_scope: rule.extra_scope,
            }],
        });
    }
    let found = decide(&opened, flow);
    assert_eq!(found.verdict, Verdict::Allowed, "{text}: {}\n{}", dsl::show(&found), explanation.to_text());
    Proposal::Opened
}
