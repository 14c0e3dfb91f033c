//! Which workloads form a class, and what the class is called.

use crate::dsl;

/// Checks the classes of a world as `description: members`.
fn check(lines: &[&str], expected: &[&str]) {
    let snapshot = dsl::world(lines);
    let policy = policy::compile(&snapshot).policy;
    let show = |class: &policy::Class| {
        let members: Vec<&str> =
            class.members.iter().map(|&number| snapshot.workloads[number as usize].id.as_str()).collect();
        format!("{}: {}", class.description, members.join(" "))
    };
    let mut found: Vec<String> = policy.classes.iter().map(show).collect();
    found.sort();
    assert_eq!(found, expected, "classes of {lines:#?}");
}

const SHOP: [&str; 4] = [
    "web-1: role=web env=prod",
    "web-2: role=web env=dev",
    "db-1: role=db env=prod",
    "db-2: role=db env=dev",
];

fn check_shop(rules: &[&str], expected: &[&str]) {
    check(&[&SHOP, rules].concat(), expected);
}

#[test]
fn without_rules_everybody_is_alike() {
    check_shop(&[], &["(no labels): db-1 db-2 web-1 web-2"]);
}

#[test]
fn labels_that_no_rule_names_do_not_split_a_class() {
    check_shop(&["role=web -> role=db : tcp/1"], &["role=db: db-1 db-2", "role=web: web-1 web-2"]);
}

#[test]
fn a_scope_splits_what_it_covers_from_what_it_does_not() {
    check_shop(
        &["[env=prod] role=web -> role=db : tcp/1"],
        &["env=dev: db-2 web-2", "role=db env=prod: db-1", "role=web env=prod: web-1"],
    );
}

#[test]
fn values_that_every_rule_treats_alike_share_a_class() {
    check_shop(&["role=web role=db -> all-workloads : tcp/1"], &["(no labels): db-1 db-2 web-1 web-2"]);
}

#[test]
fn a_rule_that_can_select_nobody_splits_nothing() {
    check_shop(&["[env=prod] role=web -> env=dev : tcp/1"], &["(no labels): db-1 db-2 web-1 web-2"]);
    check_shop(&["disabled role=web -> role=db : tcp/1"], &["(no labels): db-1 db-2 web-1 web-2"]);
}

#[test]
fn a_workload_by_name_is_a_class_of_its_own() {
    check_shop(
        &["workload:web-1 -> role=db : tcp/1"],
        &["role=db: db-1 db-2", "role=web: web-1", "role=web: web-2"],
    );
}

#[test]
fn modes_do_not_mix_in_a_class() {
    check(&["w1: mode=idle", "w2:", "w3: mode=idle"], &["(no labels): w1 w3", "(no labels): w2"]);
}
