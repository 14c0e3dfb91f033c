//! What compile reports about its input.

use crate::dsl;

/// Checks the findings of a world as `severity code subject: message`, message by its first words.
fn check(lines: &[&str], expected: &[&str]) {
    check_snapshot(&dsl::world(lines), expected);
}

fn check_snapshot(snapshot: &policy::Snapshot, expected: &[&str]) {
    let show = |finding: &policy::Finding| {
        format!("{:?} {} {}: {}", finding.severity, finding.code, finding.subject, finding.message)
            .to_lowercase()
    };
    let found: Vec<String> = policy::compile(snapshot).findings.iter().map(show).collect();
    let fits = found.len() == expected.len()
        && found.iter().zip(expected).all(|(found, expected)| found.starts_with(expected));
    assert!(fits, "expected {expected:#?}, found {found:#?}");
}

#[test]
fn a_clean_world_has_no_finding() {
    check(&["w: role=web @10.0.0.1 vpc=a", "d: role=db @10.0.0.2 vpc=a", "role=web -> role=db : tcp/1"], &[]);
}

#[test]
fn the_same_address_twice_inside_connected_networks_blocks() {
    let message =
        "blocking address-claimed-twice 10.0.0.1: the same address is on interface v (network a) and on";
    check(&["v: @10.0.0.1 vpc=a", "w: @10.0.0.1 vpc=a"], &[message]);
    check(&["network a: peers=b", "v: @10.0.0.1 vpc=a", "w: @10.0.0.1 vpc=b"], &[message]);
    check(&["v: @10.0.0.1 vpc=a", "w: @10.0.0.1 vpc=a", "x: @10.0.0.1 vpc=a"], &[message, message]);
}

#[test]
fn the_same_address_in_unconnected_networks_is_a_note() {
    check(
        &["v: @10.0.0.1 vpc=a", "w: @10.0.0.1 vpc=b"],
        &["note address-ambiguous networks: one address is"],
    );
    check(
        &["v: @10.0.0.1 @10.0.0.2 vpc=a", "w: @10.0.0.1 @10.0.0.2 vpc=b"],
        &["note address-ambiguous networks: 2 addresses are"],
    );
}

#[test]
fn an_interface_that_names_its_address_twice_is_no_clash() {
    check(&["v: @10.0.0.1 @10.0.0.1 vpc=a"], &[]);
}

#[test]
fn a_rule_whose_side_is_empty_selects_nothing() {
    let world = ["w: role=web", "role=web -> role=db : tcp/1"];
    check(&world, &["warning rule-selects-nothing r1/rule"]);
    check(
        &["w: role=web", "[env=prod] role=web -> env=dev : tcp/1"],
        &["warning rule-selects-nothing r1/rule"],
    );
    check(
        &["list l: 10.0.0.0/8", "w: role=web", "list:l -> list:l : tcp/1"],
        &["warning rule-selects-nothing"],
    );
    check(&["list l: 10.0.0.0/8", "w: role=web", "list:l -> role=web : tcp/1"], &[]);
    check(&["w: role=web", "disabled role=web -> role=db : tcp/1"], &[]);
}

#[test]
fn a_rule_that_an_earlier_one_covers_is_shadowed() {
    let shop = ["w: role=web env=prod", "d: role=db env=prod", "x: role=db env=dev", "list l: 10.0.0.0/8"];
    let check_rules = |rules: &[&str], expected: &[&str]| check(&[&shop, rules].concat(), expected);
    let wide = "role=web -> all-workloads : tcp/1-9";
    check_rules(
        &[wide, "role=web -> role=db : tcp/5"],
        &["note shadowed-rule r2/rule: everything that the rule allows is allowed by r1/rule already"],
    );
    // By what it selects, not by how it is written.
    check_rules(&[wide, "role=web env=prod -> env=prod : tcp/5"], &["note shadowed-rule r2/rule"]);
    check_rules(
        &["role=db -> role=web : tcp/1", "env=dev -> role=web : tcp/1"],
        &["note shadowed-rule r2/rule"],
    );
    check_rules(&[wide, "role=web -> role=db : tcp/5-10"], &[]);
    check_rules(&[wide, "role=web list:l -> role=db : tcp/5"], &[]);
    check_rules(&[wide, "env=prod -> role=db : tcp/5"], &[]);
    check_rules(&["role=web -> role=db : tcp/5", wide], &[]);
    check_rules(&["deny role=web -> all-workloads : tcp", "role=web -> role=db : tcp/5"], &[]);
    check_rules(&["role=web -> all-workloads : tcp", "deny role=web -> role=db : tcp/5"], &[]);
    check_rules(&["list:l -> role=db : tcp/5", "role=web -> role=db : tcp/5"], &[]);
}

#[test]
fn a_rule_is_shadowed_only_in_all_its_instances() {
    let shop = ["w: role=web env=prod", "x: role=web env=dev", "group all: env=prod env=dev"];
    let check_rules = |rules: &[&str], expected: &[&str]| check(&[&shop, rules].concat(), expected);
    let (prod, dev) = ("env=prod -> env=prod : tcp/1", "env=dev -> env=dev : tcp/1");
    let both = "[group:all] role=web -> role=web : tcp/1";
    check_rules(&[prod, both], &[]);
    check_rules(
        &[prod, dev, both],
        &[
            "note shadowed-rule r3/rule: everything that the rule allows is allowed by r1/rule, r2/rule already",
        ],
    );
}

#[test]
fn a_label_that_the_policy_does_not_declare_is_a_note() {
    let mut snapshot = dsl::world(&["v: role=web", "w: role=web"]);
    snapshot.policy.labels.clear();
    check_snapshot(&snapshot, &["note unknown-label role=web: 2 workloads carry a label"]);
}

#[test]
fn an_id_that_two_things_have_blocks() {
    let mut snapshot = dsl::world(&["v: @10.0.0.1 vpc=a"]);
    let mut copy = snapshot.workloads[0].clone();
    copy.interfaces[0].addresses.clear();
    snapshot.workloads.push(copy);
    check_snapshot(&snapshot, &["blocking duplicate-workload v", "blocking duplicate-interface v"]);
}

#[test]
fn a_cycle_of_groups_hangs_nothing() {
    let mut snapshot = dsl::world(&["w: env=dev", "group a: env=dev", "group:a -> group:a : tcp/1"]);
    snapshot.policy.label_groups.get_mut("a").unwrap().sub_groups.insert("a".into());
    check_snapshot(&snapshot, &[]);
}

#[test]
fn translated_addresses_that_tell_less_than_labels_are_said() {
    let lines = [
        "network a: 10.0.0.0/16",
        "w: role=web @10.0.0.1 vpc=a",
        "d: role=db @10.0.0.2 vpc=a",
        "x: role=web @198.51.100.1",
        "role=web -> role=db : tcp/1",
        "nat a: 203.0.113.1",
        "nat a: 198.51.100.1 from=10.0.0.1/32",
        "nat b: 203.0.113.9 towards=c",
    ];
    let expected = [
        "warning nat-unknown-network b: a translation names",
        "warning nat-unknown-network c: a translation names",
        "warning nat-address-held 198.51.100.1: the address is translated to",
        "warning nat-shared 203.0.113.1: 2 interfaces with 2 different sets of labels look like",
    ];
    check(&lines, &expected);
    check(&[&lines[..5], &["nat a: 203.0.113.1 from=10.0.0.1/32"]].concat(), &[]);
}
