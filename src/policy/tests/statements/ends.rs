//! S15, S16 and the address view: which end a rule programs, and who the other end is.

use crate::{check, check_shop};

#[test]
fn s15_a_rule_programs_both_ends() {
    check_shop(
        &["role=web -> role=db : tcp/1"],
        &[
            "web-prod -> db-prod : tcp/1 => allowed, egress allowed by r1/rule, ingress allowed by r1/rule",
            "web-prod -> erp : tcp/1 => allowed, egress allowed by r1/rule, ingress not enforced",
        ],
    );
}

#[test]
fn s15_an_address_set_programs_nothing_at_the_holder_of_the_address() {
    check_shop(
        &["list:ten -> role=db : tcp/1", "role=web -> list:ten : tcp/2", "list:ten -> list:ten : tcp/3"],
        &[
            "web-prod -> db-prod : tcp/1 => blocked, egress default denied, ingress allowed by r1/rule",
            "web-prod -> db-prod : tcp/2 => blocked, egress allowed by r2/rule, ingress default denied",
            "web-prod -> db-prod : tcp/3 => blocked, egress default denied, ingress default denied",
            "10.9.9.9 -> db-prod : tcp/1 => allowed, egress not enforced",
        ],
    );
}

#[test]
fn s15_an_address_set_matches_whoever_holds_the_address() {
    check_shop(
        &["role=web -> role=db : tcp/1", "override-deny list:ten -> role=db env=dev : tcp/1"],
        &[
            "web-prod -> db-prod : tcp/1 => allowed",
            "web-dev -> db-dev : tcp/1 => blocked, egress allowed by r1/rule, ingress override denied by r2/rule",
        ],
    );
}

#[test]
fn s15_an_end_that_enforces_one_direction_judges_that_one_only() {
    check(
        &[
            "in: role=web @10.0.0.1 vpc=a enforces=ingress",
            "out: role=db @10.0.0.2 vpc=a enforces=egress",
            "both: role=db @10.0.0.3 vpc=a",
            "never: role=lb @10.0.0.4 vpc=a enforces=none",
            "role=web -> role=db : tcp/1",
        ],
        &[
            "in -> out : tcp/9 => allowed, egress not enforced, ingress not enforced",
            "out -> in : tcp/9 => blocked, egress default denied, ingress default denied",
            "in -> both : tcp/1 => allowed, egress not enforced, ingress allowed by r1/rule",
            "in -> both : tcp/9 => blocked, egress not enforced, ingress default denied",
            "never -> both : tcp/1 => blocked, egress not enforced, ingress default denied",
            "both -> never : tcp/1 => blocked, egress default denied, ingress not enforced",
        ],
    );
}

#[test]
fn s16_every_interface_and_address_of_a_workload_counts() {
    check(
        &[
            "web: role=web @10.0.0.1 @10.0.0.2 @2001:db8::1 vpc=a ; @10.1.0.1 vpc=b",
            "db: role=db @10.0.0.9 @2001:db8::9 vpc=a ; @10.1.0.9 vpc=b enforces=ingress",
            "role=web -> role=db : tcp/1",
        ],
        &[
            "web@10.0.0.2 -> db : tcp/1 => allowed, egress allowed by r1/rule, ingress allowed by r1/rule",
            "web@2001:db8::1 -> db@2001:db8::9 : tcp/1 => allowed",
            "web.1 -> db.1 : tcp/1 => allowed",
            "db.1 -> web.1 : tcp/1 => blocked, egress not enforced",
            // From an unconnected network the address alone tells who it is.
            "web.1 -> db : tcp/1 => allowed, ingress allowed by r1/rule",
        ],
    );
}

#[test]
fn s16_addresses_of_unmanaged_workloads_are_peers_and_receive_no_rules() {
    check(
        &[
            "web: role=web @10.0.0.1 vpc=a",
            "erp: role=db @192.0.2.10 @2001:db8:9::10",
            "role=web -> role=db : tcp/1",
            "role=db -> role=web : tcp/2",
        ],
        &[
            "web -> erp : tcp/1 => allowed, egress allowed by r1/rule, ingress not enforced",
            "web -> erp : tcp/9 => blocked, egress default denied, ingress not enforced",
            "erp -> web : tcp/2 => allowed, egress not enforced, ingress allowed by r2/rule",
            // The address is what the enforcement point sees, known interface or not.
            "192.0.2.10 -> web : tcp/2 => allowed, ingress allowed by r2/rule",
            "192.0.2.11 -> web : tcp/2 => blocked",
        ],
    );
}

#[test]
fn view_peered_networks_carry_identity_and_peering_is_not_transitive() {
    check(
        &[
            "network a: 10.1.0.0/16 peers=b",
            "network b: 10.2.0.0/16 peers=c",
            "network c: 10.3.0.0/16",
            "web: role=web @10.1.0.1 vpc=a",
            "db: role=db @10.2.0.1 vpc=b",
            "log: role=db @10.3.0.1 vpc=c",
            "role=web -> role=db : tcp/1",
        ],
        &["web -> db : tcp/1 => allowed", "web -> log : tcp/1 => allowed", "db -> web : tcp/1 => blocked"],
    );
}

#[test]
fn view_an_address_of_the_own_blocks_shadows_a_holder_elsewhere() {
    let world = [
        "network a: 10.1.0.0/16",
        "network b: 10.1.0.0/16",
        "network c: 10.3.0.0/16 peers=d",
        "network d: 10.1.0.0/16",
        "db-a: role=db @10.1.0.1 vpc=a",
        "web-b: role=web @10.1.0.2 vpc=b enforces=none",
        "db-c: role=db @10.3.0.1 vpc=c",
        "web-c: role=web @10.3.0.2 vpc=c enforces=none",
        "role=web -> role=db : tcp/1",
    ];
    check(
        &world,
        &[
            "web-b -> db-a : tcp/1 => blocked, ingress default denied",
            "web-c -> db-a : tcp/1 => allowed, ingress allowed by r1/rule",
            // Network c reaches 10.1.0.0/16 over its peering: what comes from there is in d.
            "web-b -> db-c : tcp/1 => blocked, ingress default denied",
        ],
    );
}

#[test]
fn view_an_address_with_two_holders_in_unconnected_networks_is_nobody() {
    check(
        &[
            "network a: 10.1.0.0/16",
            "network b: 10.1.0.0/16",
            "network c: 10.3.0.0/16",
            "web-a: role=web @10.1.0.1 vpc=a enforces=none",
            "web-b: role=web @10.1.0.1 vpc=b enforces=none",
            "db-a: role=db @10.1.0.9 vpc=a",
            "db-c: role=db @10.3.0.9 vpc=c",
            "list ten: 10.1.0.0/16",
            "role=web -> role=db : tcp/1",
            "list:ten -> role=db : tcp/2",
        ],
        &[
            "web-a -> db-c : tcp/1 => blocked, ingress default denied",
            "web-b -> db-c : tcp/1 => blocked, ingress default denied",
            "web-a -> db-a : tcp/1 => allowed",
            // To a, 10.1.0.1 is its own web, even when it comes from the other network.
            "web-b -> db-a : tcp/1 => allowed",
            // An address set does not ask who it is.
            "web-a -> db-c : tcp/2 => allowed",
        ],
    );
}

#[test]
fn view_an_unmanaged_workload_has_no_network_and_sees_by_address() {
    check(
        &[
            "network a: 10.1.0.0/16",
            "web: role=web @10.1.0.1 vpc=a enforces=none",
            "host: role=db @192.0.2.1 enforces=both",
            "role=web -> role=db : tcp/1",
        ],
        &[
            "web -> host : tcp/1 => allowed, ingress allowed by r1/rule",
            "10.1.0.7 -> host : tcp/1 => blocked, ingress default denied",
        ],
    );
}

#[test]
fn view_identity_over_a_peering_stands_where_the_address_alone_is_ambiguous() {
    check(
        &[
            "network hub: 10.0.0.0/16 peers=a,b",
            "web: role=web @10.1.0.1 vpc=a enforces=none",
            "log: role=log @10.1.0.1 vpc=b enforces=none",
            "db: role=db @10.0.0.1 vpc=hub",
            "role=web -> role=db : tcp/1",
        ],
        &[
            "web -> db : tcp/1 => allowed, ingress allowed by r1/rule",
            "log -> db : tcp/1 => blocked",
            "10.1.0.1 -> db : tcp/1 => blocked",
        ],
    );
}

const NAT: [&str; 8] = [
    "network a: 10.0.0.0/16",
    "network b: 10.1.0.0/16 peers=a",
    "network c: 10.2.0.0/16",
    "web: role=web @10.0.0.1 vpc=a enforces=none",
    "batch: role=batch @10.0.0.2 vpc=a enforces=none",
    "db: role=db @10.2.0.1 vpc=c",
    "near: role=db @10.1.0.1 vpc=b",
    "role=web -> role=db : tcp/1",
];

#[test]
fn a_translated_address_is_one_of_those_behind_it() {
    let nat = "nat a: 203.0.113.1";
    check(
        &[&NAT[..], &[nat]].concat(),
        &[
            "203.0.113.1 -> db : tcp/1 => allowed, ingress allowed by r1/rule",
            "203.0.113.1 -> db : tcp/2 => blocked",
            // Nobody comes from there any more, and whoever does is not the workload.
            "10.0.0.1 -> db : tcp/1 => blocked",
            // Connected networks see addresses as they are.
            "web -> near : tcp/1 => allowed",
            "203.0.113.1 -> near : tcp/1 => blocked",
        ],
    );
    // A deny for one of them is a deny for the address.
    let deny = "override-deny role=batch -> role=db : tcp/1";
    check(&[&NAT[..], &[nat, deny]].concat(), &["203.0.113.1 -> db : tcp/1 => blocked"]);
}

#[test]
fn a_translation_is_of_some_addresses_and_towards_some_networks() {
    let lines = ["nat a: 203.0.113.1 from=10.0.0.2/32", "nat a: 203.0.113.2 towards=d"];
    check(
        &[&NAT[..], &lines].concat(),
        &[
            "203.0.113.1 -> db : tcp/1 => blocked",
            "10.0.0.1 -> db : tcp/1 => allowed",
            "203.0.113.2 -> db : tcp/1 => blocked",
        ],
    );
}

#[test]
fn an_address_that_is_held_and_translated_to_is_nobody() {
    let lines = ["nat a: 203.0.113.1", "other: role=web @203.0.113.1"];
    check(&[&NAT[..], &lines].concat(), &["203.0.113.1 -> db : tcp/1 => blocked"]);
}
