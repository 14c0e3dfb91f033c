//! Who a far end is: by identity where the networks carry it, by address elsewhere.

use super::check;

/// Three networks of which the first two are peered; whoever is in the third is seen by address.
const NETWORKS: [&str; 4] = [
    "network a: 10.0.0.0/24 peers=b",
    "network b: 10.0.1.0/24",
    "network c: 10.0.2.0/24",
    "db: role=db @10.0.0.9 vpc=a enforces=ingress",
];

/// The database with one rule from the webs, and what else the world holds.
fn check_db(webs: &[&str], entries: &str, expected: &[&str]) {
    let rule = ["rule shop/web-to-db: role=web -> role=db : tcp/5432"];
    let world: Vec<&str> = NETWORKS.iter().chain(webs).chain(&rule).copied().collect();
    check(&world, &[&format!("ours g-db: {entries}essential"), "at db ingress: g-db"], expected);
}

const LACKS: &str = "at db ingress: rule shop/web-to-db";

#[test]
fn identity_carries_every_address() {
    let web = ["web: role=web @10.0.0.1 @10.0.0.2 vpc=a enforces=none"];
    check_db(&web, "web tcp/5432, ", &[]);
    check_db(&web, "10.0.0.1 tcp/5432, ", &[&format!("lacks web 10.0.0.2 -> db 10.0.0.9 tcp/5432 {LACKS}")]);
    check_db(
        &web,
        "web tcp/5432, 10.0.0.2 tcp/22, ",
        &["admits web 10.0.0.2 -> db 10.0.0.9 tcp/22 at db ingress: g-db allows 10.0.0.2 tcp/22"],
    );
}

#[test]
fn every_interface_of_a_workload_has_its_labels() {
    let web = ["web: role=web @10.0.0.1 vpc=a enforces=none ; @10.0.1.1 vpc=b enforces=none"];
    check_db(&web, "web+web.1 tcp/5432, ", &[]);
    check_db(&web, "web tcp/5432, ", &[&format!("lacks web.1 10.0.1.1 -> db 10.0.0.9 tcp/5432 {LACKS}")]);
}

#[test]
fn a_reference_works_over_a_peering() {
    let web = ["web: role=web @10.0.1.1 vpc=b enforces=none"];
    check_db(&web, "web tcp/5432, ", &[]);
    check_db(&web, "", &[&format!("lacks web 10.0.1.1 -> db 10.0.0.9 tcp/5432 {LACKS}")]);
}

#[test]
fn a_reference_to_an_unconnected_network_admits_nobody() {
    let web = ["web: role=web @10.0.2.1 vpc=c enforces=none"];
    check_db(&web, "web tcp/5432, ", &[&format!("lacks web 10.0.2.1 -> db 10.0.0.9 tcp/5432 {LACKS}")]);
    check_db(&web, "10.0.2.1 tcp/5432, ", &[]);
    // Nor too much: nobody in reach of the database is named.
    check_db(&["app: role=app @10.0.2.1 vpc=c enforces=none"], "app tcp/5432, ", &[]);
}

#[test]
fn peering_does_not_pass_through() {
    let world = [
        "network a: 10.0.0.0/24 peers=b",
        "network b: 10.0.1.0/24 peers=c",
        "network c: 10.0.2.0/24",
        "db: role=db @10.0.0.9 vpc=a enforces=ingress",
        "web: role=web @10.0.2.1 vpc=c enforces=none",
        "rule r/web: role=web -> role=db : tcp/80",
    ];
    check(
        &world,
        &["ours g-db: web tcp/80, essential", "at db ingress: g-db"],
        &["lacks web 10.0.2.1 -> db 10.0.0.9 tcp/80 at db ingress: rule r/web"],
    );
}

#[test]
fn an_address_of_ours_in_a_connected_network_is_that_interface() {
    let world = [
        "network a: 10.0.0.0/24",
        "db: role=db @10.0.0.9 vpc=a enforces=ingress",
        "app: role=app @10.0.0.5 vpc=a enforces=none",
        "list l: 10.0.0.4/31",
        "rule r/l: list:l -> role=db : tcp/80",
    ];
    // Who it is is said, though only the address counts.
    check(
        &world,
        &["ours g-db: 10.0.0.4 tcp/80, essential", "at db ingress: g-db"],
        &["lacks app 10.0.0.5 -> db 10.0.0.9 tcp/80 at db ingress: rule r/l"],
    );
    check(
        &world,
        &["ours g-db: 10.0.0.5 tcp/80, essential", "at db ingress: g-db"],
        &["lacks external 10.0.0.4 -> db 10.0.0.9 tcp/80 at db ingress: rule r/l"],
    );
}

#[test]
fn an_address_inside_our_blocks_that_nobody_holds_is_nobody() {
    // The web in `c` has an address that `a` routes to itself: from there it is not the web.
    let web = ["web: role=web @10.0.0.1 vpc=c enforces=none"];
    check_db(&web, "", &[]);
    check_db(
        &web,
        "10.0.0.1 tcp/5432, ",
        &["admits external 10.0.0.1 -> db 10.0.0.9 tcp/5432 at db ingress: g-db allows 10.0.0.1 tcp/5432"],
    );
}

#[test]
fn an_address_that_two_hold_elsewhere_is_nobody() {
    let webs = ["web-1: role=web @192.0.2.1", "web-2: role=web @192.0.2.1 @192.0.2.2"];
    check_db(&webs, "192.0.2.2 tcp/5432, ", &[]);
    check_db(
        &webs,
        "192.0.2.1-192.0.2.2 tcp/5432, ",
        &[
            "admits external 192.0.2.1 -> db 10.0.0.9 tcp/5432 at db ingress: g-db allows 192.0.2.1-192.0.2.2 tcp/5432",
        ],
    );
}

#[test]
fn an_unmanaged_workload_is_seen_by_address() {
    let web = ["web: role=web @192.0.2.1"];
    check_db(&web, "192.0.2.1 tcp/5432, ", &[]);
    check_db(&web, "", &[&format!("lacks web 192.0.2.1 -> db 10.0.0.9 tcp/5432 {LACKS}")]);
}

#[test]
fn of_two_that_claim_an_address_in_reach_each_is_himself() {
    let both = ["web: role=web @10.0.0.1 vpc=a enforces=none", "app: role=app @10.0.0.1 vpc=a enforces=none"];
    check_db(&both, "web tcp/5432, ", &[]);
    check_db(
        &both,
        "10.0.0.1 tcp/5432, ",
        &["admits external 10.0.0.1 -> db 10.0.0.9 tcp/5432 at db ingress: g-db allows 10.0.0.1 tcp/5432"],
    );
}

#[test]
fn ends_in_two_networks_are_compared_apart() {
    let world = [
        "network a: 10.0.0.0/24",
        "network c: 10.0.2.0/24",
        "db: role=db @10.0.0.9 vpc=a enforces=ingress ; @10.0.2.9 vpc=c enforces=ingress",
        "web: role=web @10.0.2.1 vpc=c enforces=none",
        "rule r/web: role=web -> role=db : tcp/80",
    ];
    let graph = ["ours g: web tcp/80, essential", "at db ingress: g", "at db.1 ingress: g"];
    check(&world, &graph, &["lacks web 10.0.2.1 -> db 10.0.0.9 tcp/80 at db ingress: rule r/web"]);
}
