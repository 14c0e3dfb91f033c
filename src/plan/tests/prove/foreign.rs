//! What foreign lists add to the intent, and what the path takes from it. Neither is a witness.

use super::check;

const SHOP: [&str; 6] = [
    "network a: 10.0.0.0/24",
    "web-1: role=web @10.0.0.1 vpc=a enforces=none",
    "web-2: role=web @10.0.0.2 vpc=a enforces=none",
    "db-1: role=db @10.0.0.9 vpc=a enforces=ingress",
    "db-2: role=db @10.0.0.10 vpc=a enforces=ingress",
    "rule shop/web-to-db: role=web -> role=db : tcp/5432",
];

/// Both databases behind our list and one more beside it, then one more on the path.
fn check_with(lists: &[&str], behind: &str, expected: &[&str]) {
    let ours = "ours g-db: web-1+web-2 tcp/5432, essential";
    let at = ["db-1", "db-2"].map(|db| format!("at {db} ingress: g-db {behind}"));
    let graph: Vec<&str> =
        std::iter::once(ours).chain(lists.iter().copied()).chain(at.iter().map(String::as_str)).collect();
    check(&SHOP, &graph, expected);
}

#[test]
fn a_foreign_list_beside_ours_is_exposure() {
    for owner in ["foreign", "suspect"] {
        check_with(
            &[&format!("{owner} x: 192.0.2.0/24 tcp/22")],
            "x",
            &["exposes role=db (2 interfaces) ingress to 192.0.2.0/24 tcp/22: x (x): 192.0.2.0/24 tcp/22, \
             as external 192.0.2.0 on tcp/22"],
        );
    }
}

#[test]
fn what_the_intent_allows_is_no_exposure() {
    check_with(&["foreign x: web-1+web-2 tcp/5432, 10.0.0.1 tcp/5432, essential"], "x", &[]);
    // The databases themselves are peers of each other.
    check_with(
        &["foreign x: web-1+db-1+db-2 tcp/5000-5432"],
        "x",
        &["exposes role=db (2 interfaces) ingress to 3 members of a group tcp/5000-5432: \
         x (x): web-1+db-1+db-2 tcp/5000-5432, as db-1 10.0.0.9 on tcp/5000"],
    );
}

#[test]
fn each_rule_of_a_foreign_list_is_named() {
    check_with(
        &["foreign x: 0.0.0.0/0 tcp/22, web-1 tcp/80, ::/0 tcp/22"],
        "x",
        &[
            "exposes role=db (2 interfaces) ingress to 0.0.0.0/0 tcp/22: x (x): 0.0.0.0/0 tcp/22, \
         as external 192.0.2.1 on tcp/22",
            "exposes role=db (2 interfaces) ingress to 1 members of a group tcp/80: x (x): web-1 tcp/80, \
         as web-1 10.0.0.1 on tcp/80",
        ],
    );
}

#[test]
fn exposure_is_found_behind_an_address_that_may() {
    // The first address of the block is a web's, which may; the rest may not.
    check_with(
        &["foreign x: 10.0.0.2-10.0.0.3 tcp/5432"],
        "x",
        &[
            "exposes role=db (2 interfaces) ingress to 10.0.0.2/31 tcp/5432: x (x): 10.0.0.2-10.0.0.3 tcp/5432, \
         as external 10.0.0.3 on tcp/5432",
        ],
    );
}

#[test]
fn a_block_before_it_takes_exposure_away() {
    check_with(&["foreign x: block 0.0.0.0/0 tcp/0-1023, 192.0.2.0/24 tcp/22"], "x", &[]);
    check_with(
        &["foreign x: block 0.0.0.0/0 tcp/0-21, 192.0.2.0/24 tcp/20-22"],
        "x",
        &["exposes role=db (2 interfaces) ingress to 192.0.2.0/24 tcp/22: x (x): 192.0.2.0/24 tcp/20-22, \
         as external 192.0.2.0 on tcp/22"],
    );
}

#[test]
fn a_path_that_lets_everything_pass_obstructs_nothing() {
    check_with(&["foreign acl: 0.0.0.0/0 all, block 0.0.0.0/0 all"], "| acl", &[]);
    // What the intent does not allow may be stopped.
    check_with(&["foreign acl: block 192.0.2.0/24 tcp, 0.0.0.0/0 all"], "| acl", &[]);
}

#[test]
fn a_path_that_stops_what_the_intent_allows_is_obstruction() {
    check_with(
        &["foreign acl: block 10.0.0.2 tcp/5000-6000, 0.0.0.0/0 all"],
        "| acl",
        &["obstructs role=db (2 interfaces) ingress to web-2 10.0.0.2 tcp/5432: acl (acl), \
         as web-2 10.0.0.2 on tcp/5432"],
    );
    // What no entry matches does not pass.
    check_with(
        &["foreign acl: 10.0.0.0/24 all"],
        "| acl",
        &["obstructs role=db (2 interfaces) ingress to external 0.0.0.0 icmp/3/4: acl (acl), \
         as external 0.0.0.0 on icmp/3/4"],
    );
}

#[test]
fn the_first_match_on_the_path_decides() {
    check_with(&["foreign acl: 10.0.0.2 tcp/5432, block 10.0.0.2 tcp, 0.0.0.0/0 all"], "| acl", &[]);
    check_with(
        &["foreign acl: 0.0.0.0/0 tcp/0-5431, block 10.0.0.0/24 tcp, 0.0.0.0/0 all"],
        "| acl",
        &["obstructs role=db (2 interfaces) ingress to web-1 10.0.0.1 tcp/5432: acl (acl), \
         as web-1 10.0.0.1 on tcp/5432"],
    );
}

#[test]
fn every_stage_of_the_path_must_let_it_pass() {
    let lists = ["foreign open: 0.0.0.0/0 all", "foreign shut: 0.0.0.0/0 icmp"];
    check_with(
        &lists,
        "| open | shut",
        &["obstructs role=db (2 interfaces) ingress to web-1 10.0.0.1 tcp/5432: shut (shut), \
         as web-1 10.0.0.1 on tcp/5432"],
    );
    // Of one stage one list is enough.
    check_with(&lists, "| open shut", &[]);
}
