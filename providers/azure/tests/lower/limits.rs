//! Every limit of the cloud, one below and one above.

use std::fmt::Write;

use policy::Severity;

use crate::estate::Estate;

fn quota(policy: &str, lines: &str) -> Vec<String> {
    let desired = Estate::new(policy, lines).lower();
    let blocking = desired.findings.iter().filter(|finding| finding.severity == Severity::Blocking);
    blocking.map(|finding| finding.to_string()).collect()
}

fn policy(lists: &str, rules: &str) -> String {
    format!(
        "labels: {{ role: [web, db] }}\nip_lists:\n  some: {{ addresses: [10.0.0.5] }}\n{lists}\
         enforcement: [{{ match: [], mode: full }}]\n\
         rulesets:\n  - name: set\n    scopes: []\n    rules:\n{rules}"
    )
}

/// Rules to one class, one for each second port: none can be merged.
fn rules(count: usize) -> String {
    let mut text = String::new();
    for number in 0..count {
        let port = 1000 + number * 2;
        let _ = writeln!(
            text,
            "      - {{ name: r{number}, sources: [list:some], destinations: [role=web], services: [tcp/{port}] }}"
        );
    }
    text
}

const ONE: &str = "vnet a: 10.0.0.0/16
    nic w1: vnet=a nsg=front role=web @10.0.0.4";

#[test]
fn a_thousand_rules_with_those_of_others_and_the_one_that_closes() {
    assert_eq!(quota(&policy("", &rules(999)), ONE), [""; 0]);
    assert_eq!(quota(&policy("", &rules(1000)), ONE), ["front: 1001 rules are needed, 1000 are allowed"]);
    let theirs = format!("{ONE}\nrule front: 200 tcp/22 from 203.0.113.0/24");
    assert_eq!(
        quota(&policy("", &rules(999)), &theirs),
        ["front: 1001 rules are needed, 1000 are allowed, 1 of them not ours"]
    );
}

#[test]
fn four_thousand_prefixes_after_exact_merging() {
    let list = |count: usize| {
        let blocks = (0..count).map(|n| format!("172.16.{}.{}", n / 128, n % 128 * 2));
        format!("  many: {{ addresses: [{}] }}\n", blocks.collect::<Vec<_>>().join(", "))
    };
    let rule = "      - { name: r, sources: [list:many], destinations: [role=web], services: [tcp/80] }\n";
    assert_eq!(quota(&policy(&list(4000), rule), ONE), [""; 0]);
    assert_eq!(
        quota(&policy(&list(4001), rule), ONE),
        ["front: 4001 source prefixes are needed, 4000 are allowed"]
    );
    let whole = "  many: { addresses: [172.16.0.0-172.16.200.1] }\n";
    assert_eq!(quota(&policy(whole, rule), ONE), [""; 0]);
}

/// A policy with a role of its own for each of many classes, all of which reach the first.
fn many_classes(count: usize) -> (String, String) {
    let roles: Vec<String> = (0..count).map(|n| format!("r{n}")).collect();
    let mut policy = format!(
        "labels: {{ role: [{}] }}\nenforcement: [{{ match: [], mode: full }}]\nrulesets:\n  - name: set\n    scopes: []\n    rules:\n",
        roles.join(", ")
    );
    let mut lines = "vnet a: 10.0.0.0/16\n".to_owned();
    for (number, role) in roles.iter().enumerate() {
        // The service tells the classes apart, the peers of the others stand behind another list.
        let _ = writeln!(
            policy,
            "      - {{ name: n{number}, sources: [role={role}], destinations: [role=r0], services: [tcp/80] }}"
        );
        let nsg = if number == 0 { "first" } else { "others" };
        let _ = writeln!(
            lines,
            "nic n{number}: vnet=a nsg={nsg} role={role} @10.0.{}.{}",
            number / 250,
            number % 250 + 4
        );
    }
    (policy, lines)
}

#[test]
fn a_hundred_groups_in_one_list() {
    // The class itself, which is a peer too, and the group of what is closed.
    let (policy, lines) = many_classes(99);
    assert_eq!(quota(&policy, &lines), [""; 0]);
    let (policy, lines) = many_classes(100);
    assert_eq!(
        quota(&policy, &lines),
        ["first: 101 application security groups in rules are needed, 100 are allowed"]
    );
}

#[test]
fn more_than_ten_groups_on_a_side_are_more_rules() {
    let (mut policy, lines) = many_classes(21);
    let other = rules(996).replace("list:some", "role=r1").replace("role=web", "role=r0");
    policy.push_str(&other);
    // Three rules for 21 groups, 996, and the one that closes.
    assert_eq!(quota(&policy, &lines), [""; 0]);
    policy
        .push_str("      - { name: last, sources: [role=r2], destinations: [role=r0], services: [udp/1] }\n");
    assert_eq!(quota(&policy, &lines), ["first: 1001 rules are needed, 1000 are allowed"]);
}

#[test]
fn twenty_groups_on_an_interface() {
    let with = |count: usize| {
        let theirs: Vec<String> =
            (0..count).map(|n| format!("asg=/s/applicationsecuritygroups/x{n}")).collect();
        format!("{ONE} {}", theirs.join(" "))
    };
    assert_eq!(quota(&policy("", &rules(1)), &with(18)), [""; 0]);
    let found = quota(&policy("", &rules(1)), &with(19));
    assert_eq!(found.len(), 1);
    assert!(
        found[0].ends_with(
            ": 21 application security groups on an interface are needed, 20 are allowed, 19 of them not ours"
        ),
        "{found:?}"
    );
}
