//! Every limit of the cloud, one below and one above.

use std::fmt::Write;

use policy::Severity;

use crate::estate::Estate;

fn quota(policy: &str, lines: &str) -> Vec<String> {
    let desired = Estate::new(policy, lines).lower();
    let blocking = desired.findings.iter().filter(|finding| finding.severity == Severity::Blocking);
    blocking.map(ToString::to_string).collect()
}

const ONE: &str = "net a: 10.0.0.0/16
    vm w1: net=a role=web @10.0.0.4";

/// One rule for a list of blocks that cannot be merged.
fn blocks(count: usize) -> String {
    let blocks = (0..count).map(|n| format!("172.16.{}.{}", n / 128, n % 128 * 2));
    format!(
        "labels: {{ role: [web, db] }}\nip_lists: {{ many: {{ addresses: [{}] }} }}\n\
         enforcement: [{{ match: [], mode: full }}]\n\
         rulesets: [{{ name: set, scopes: [], rules: [{{ name: r, sources: [list:many], destinations: [role=web], services: [tcp/80] }}] }}]\n",
        blocks.collect::<Vec<_>>().join(", ")
    )
}

#[test]
fn four_thousand_attributes_of_a_policy() {
    // A target, a protocol, a port; and six that close.
    assert_eq!(quota(&blocks(3991), ONE), [""; 0]);
    assert_eq!(
        quota(&blocks(3992), ONE),
        ["projects/p/global/networks/a: 4001 attributes of the firewall policy are needed, 4000 are allowed"]
    );
}

#[test]
fn three_hundred_tags_on_a_side_are_split_and_fit() {
    let roles: Vec<String> = (0..300).map(|n| format!("r{n}")).collect();
    let mut policy = format!(
        "labels: {{ role: [{}] }}\nenforcement: [{{ match: [], mode: full }}]\nrulesets:\n  - name: set\n    scopes: []\n    rules:\n",
        roles.join(", ")
    );
    let mut lines = "net a: 10.0.0.0/16\n".to_owned();
    for (number, role) in roles.iter().enumerate() {
        // The port tells the classes apart; each peer has an attribute, and each class a rule of its own.
        let _ = writeln!(
            policy,
            "      - {{ name: n{number}, sources: [role={role}], destinations: [role=r0], services: [tcp/80] }}"
        );
        let _ =
            writeln!(lines, "vm n{number}: net=a role={role} @10.0.{}.{}", number / 250, number % 250 + 4);
    }
    assert_eq!(quota(&policy, &lines), [""; 0]);
}

#[test]
fn ten_tags_on_an_interface() {
    let with = |count: usize| {
        let theirs: Vec<String> = (0..count).map(|n| format!("tag=tagValues/{n}")).collect();
        format!("{ONE} {}", theirs.join(" "))
    };
    assert_eq!(quota(&blocks(1), &with(8)), [""; 0]);
    let found = quota(&blocks(1), &with(9));
    assert_eq!(found.len(), 1);
    assert!(
        found[0].ends_with(": 11 tag values on an interface are needed, 10 are allowed, 9 of them not ours"),
        "{found:?}"
    );
}
