//! What our lists may do wrong, one kind a test.

use super::check;

/// Two webs and a database of which only the ingress is enforced, with one rule between them.
const SHOP: [&str; 5] = [
    "network a: 10.0.0.0/24 2001:db8:a::/64",
    "web-1: role=web @10.0.0.1 vpc=a enforces=none",
    "web-2: role=web @10.0.0.2 vpc=a enforces=none",
    "db: role=db @10.0.0.9 vpc=a enforces=ingress",
    "rule shop/web-to-db: role=web -> role=db : tcp/5432",
];

/// The database behind one list of ours with these entries, besides what is essential.
fn check_entries(entries: &str, expected: &[&str]) {
    check_more(&[], entries, expected);
}

/// The same with more lines of the world.
fn check_more(more: &[&str], entries: &str, expected: &[&str]) {
    let world: Vec<&str> = SHOP.iter().chain(more).copied().collect();
    check(&world, &[&format!("ours g-db: {entries}, essential"), "at db ingress: g-db"], expected);
}

#[test]
fn what_the_policy_says_is_proven() {
    check_entries("web-1+web-2 tcp/5432", &[]);
    check_entries("web-1 tcp/5432, web-2 tcp/5432, web-2+web-1 tcp/5432", &[]);
    check_entries("10.0.0.1-10.0.0.2 tcp/5432", &[]);
}

#[test]
fn our_lists_are_a_union() {
    let union = ["ours g-1: web-1 tcp/5432", "ours g-2: web-2 tcp/5432, essential", "at db ingress: g-1 g-2"];
    check(&SHOP, &union, &[]);
}

#[test]
fn no_list_of_ours_lets_nothing_pass() {
    let missing = [
        "lacks web-1 10.0.0.1 -> db 10.0.0.9 tcp/5432 at db ingress: rule shop/web-to-db",
        "lacks external 192.0.2.1 -> db 10.0.0.9 icmp/3/4 at db ingress: essential",
    ];
    check(&SHOP, &["at db ingress:"], &missing);
    check(&SHOP, &[], &missing);
}

#[test]
fn no_filter_at_all_lets_everything_pass() {
    let open = [
        "admits web-1 10.0.0.1 -> db 10.0.0.9 proto/0 at db ingress: nothing filters here",
        "admits external 192.0.2.1 -> db 10.0.0.9 proto/0 at db ingress: nothing filters here",
    ];
    check(&SHOP, &["at db ingress: open"], &open);
}

#[test]
fn one_witness_stands_for_peers_that_look_alike() {
    let member_left_out = "lacks web-2 10.0.0.2 -> db 10.0.0.9 tcp/5432 at db ingress: rule shop/web-to-db";
    check_entries("web-1 tcp/5432", &[member_left_out]);
    let neither = "lacks web-1 10.0.0.1 -> db 10.0.0.9 tcp/5432 at db ingress: rule shop/web-to-db";
    check_entries(
        "web-1+web-2 udp/53",
        &[
            "admits web-1 10.0.0.1 -> db 10.0.0.9 udp/53 at db ingress: g-db allows web-1+web-2 udp/53",
            neither,
        ],
    );
}

#[test]
fn an_interface_too_many() {
    let other = "app: role=app @10.0.0.5 vpc=a enforces=none";
    check_more(
        &[other],
        "web-1+web-2+app tcp/5432",
        &["admits app 10.0.0.5 -> db 10.0.0.9 tcp/5432 at db ingress: g-db allows web-1+web-2+app tcp/5432"],
    );
}

#[test]
fn the_end_itself_is_no_peer() {
    check_entries("web-1+web-2+db tcp/5432", &[]);
    // Only the database itself has the address.
    check_entries("web-1+web-2 tcp/5432, 10.0.0.9 tcp/22", &[]);
    check_entries(
        "web-1+web-2 tcp/5432, 10.0.0.9-10.0.0.10 tcp/22",
        &[
            "admits external 10.0.0.10 -> db 10.0.0.9 tcp/22 at db ingress: g-db allows 10.0.0.9-10.0.0.10 tcp/22",
        ],
    );
    let twin = "db-2: role=db @10.0.0.10 vpc=a enforces=none";
    check_more(
        &[twin],
        "web-1+web-2+db+db-2 tcp/5432",
        &[
            "admits db-2 10.0.0.10 -> db 10.0.0.9 tcp/5432 at db ingress: g-db allows web-1+web-2+db+db-2 tcp/5432",
        ],
    );
}

#[test]
fn a_port_too_many_or_too_few() {
    let admits = |port: &str, rule: &str| {
        format!(
            "admits web-1 10.0.0.1 -> db 10.0.0.9 tcp/{port} at db ingress: g-db allows web-1+web-2 {rule}"
        )
    };
    check_entries("web-1+web-2 tcp/5431-5432", &[&admits("5431", "tcp/5431-5432")]);
    check_entries("web-1+web-2 tcp/5432-5433", &[&admits("5433", "tcp/5432-5433")]);
    check_entries("web-1+web-2 tcp", &[&admits("0", "tcp")]);
    let range = ["rule shop/range: role=web -> role=db : tcp/100-200"];
    let lacks =
        |port: &str| format!("lacks web-1 10.0.0.1 -> db 10.0.0.9 tcp/{port} at db ingress: rule shop/range");
    check_more(&range, "web-1+web-2 tcp/5432+tcp/101-200", &[&lacks("100")]);
    check_more(&range, "web-1+web-2 tcp/5432+tcp/100-199", &[&lacks("200")]);
    check_more(&range, "web-1+web-2 tcp/5432+tcp/100-149+tcp/151-200", &[&lacks("150")]);
    check_more(&range, "web-1+web-2 tcp/5432+tcp/100-149+tcp/150-200", &[]);
}

#[test]
fn a_protocol_too_many_or_too_few() {
    check_entries(
        "web-1+web-2 tcp/5432+proto/50",
        &[
            "admits web-1 10.0.0.1 -> db 10.0.0.9 proto/50 at db ingress: g-db allows web-1+web-2 tcp/5432+proto/50",
        ],
    );
    check_entries(
        "web-1+web-2 tcp/5432+udp/5432",
        &[
            "admits web-1 10.0.0.1 -> db 10.0.0.9 udp/5432 at db ingress: g-db allows web-1+web-2 tcp/5432+udp/5432",
        ],
    );
    let esp = ["rule shop/esp: role=web -> role=db : proto/50"];
    check_more(
        &esp,
        "web-1+web-2 tcp/5432+proto/51",
        &[
            "admits web-1 10.0.0.1 -> db 10.0.0.9 proto/51 at db ingress: g-db allows web-1+web-2 tcp/5432+proto/51",
            "lacks web-1 10.0.0.1 -> db 10.0.0.9 proto/50 at db ingress: rule shop/esp",
        ],
    );
}

#[test]
fn icmp_goes_by_type_and_code() {
    let admits = |service: &str, entry: &str| {
        format!(
            "admits web-1 10.0.0.1 -> db 10.0.0.9 {service} at db ingress: g-db allows web-1+web-2 {entry}"
        )
    };
    let lacks = |service: &str| {
        format!("lacks web-1 10.0.0.1 -> db 10.0.0.9 {service} at db ingress: rule shop/icmp")
    };
    let any_code = ["rule shop/icmp: role=web -> role=db : icmp/8"];
    check_more(&any_code, "web-1+web-2 tcp/5432+icmp/8", &[]);
    check_more(&any_code, "web-1+web-2 tcp/5432+icmp/8/0", &[&lacks("icmp/8/1")]);
    check_more(
        &any_code,
        "web-1+web-2 tcp/5432+icmp/8, web-1+web-2 icmp/9/0",
        &[&admits("icmp/9/0", "icmp/9/0")],
    );
    let one_code = ["rule shop/icmp: role=web -> role=db : icmp/3/1"];
    check_more(&one_code, "web-1+web-2 tcp/5432+icmp/3/1", &[]);
    check_more(
        &one_code,
        "web-1+web-2 tcp/5432, web-1+web-2 icmp/3/2",
        &[&admits("icmp/3/2", "icmp/3/2"), &lacks("icmp/3/1")],
    );
    // The ICMP of the other family does not exist between these addresses.
    check_more(&one_code, "web-1+web-2 tcp/5432+icmp/3/1+icmpv6", &[]);
}

/// The database with one rule from the office, whose edges are written in the list.
fn check_office(entries: &str, expected: &[&str]) {
    let office = ["list office: 192.0.2.16-192.0.2.31", "rule shop/office: list:office -> role=db : tcp/22"];
    check_more(&office, &format!("web-1+web-2 tcp/5432, {entries}"), expected);
}

#[test]
fn address_ranges_end_where_they_should() {
    let admits = |address: &str, entry: &str| {
        format!("admits external {address} -> db 10.0.0.9 tcp/22 at db ingress: g-db allows {entry} tcp/22")
    };
    let lacks = |address: &str| {
        format!("lacks external {address} -> db 10.0.0.9 tcp/22 at db ingress: rule shop/office")
    };
    check_office("192.0.2.16/28 tcp/22", &[]);
    check_office("192.0.2.16-192.0.2.20 tcp/22, 192.0.2.21-192.0.2.31 tcp/22", &[]);
    check_office("192.0.2.15-192.0.2.31 tcp/22", &[&admits("192.0.2.15", "192.0.2.15-192.0.2.31")]);
    check_office("192.0.2.16-192.0.2.32 tcp/22", &[&admits("192.0.2.32", "192.0.2.16-192.0.2.32")]);
    check_office("192.0.2.17-192.0.2.31 tcp/22", &[&lacks("192.0.2.16")]);
    check_office("192.0.2.16-192.0.2.30 tcp/22", &[&lacks("192.0.2.31")]);
    check_office(
        "192.0.2.0/24 tcp/22",
        &[&admits("192.0.2.0", "192.0.2.0/24"), &admits("192.0.2.32", "192.0.2.0/24")],
    );
}

#[test]
fn the_ends_of_the_address_space_count() {
    let everywhere = ["list all: 0.0.0.0/0", "rule shop/all: list:all -> role=db : tcp/443"];
    let lacks = |address: &str| {
        format!("lacks external {address} -> db 10.0.0.9 tcp/443 at db ingress: rule shop/all")
    };
    check_more(&everywhere, "web-1+web-2 tcp/5432, 0.0.0.0/0 tcp/443", &[]);
    check_more(&everywhere, "web-1+web-2 tcp/5432, 0.0.0.1-255.255.255.255 tcp/443", &[&lacks("0.0.0.0")]);
    check_more(
        &everywhere,
        "web-1+web-2 tcp/5432, 0.0.0.0-255.255.255.254 tcp/443",
        &[&lacks("255.255.255.255")],
    );
}

#[test]
fn the_families_are_apart() {
    let world = [
        "network a: 10.0.0.0/24 2001:db8:a::/64",
        "web: role=web @10.0.0.1 @2001:db8:a::1 vpc=a enforces=none",
        "db: role=db @10.0.0.9 @2001:db8:a::9 vpc=a enforces=ingress",
        "list v4: 192.0.2.0/24",
        "list v6: 2001:db8:f::/48",
        "rule r/v4: list:v4 -> role=db : tcp/22",
        "rule r/v6: list:v6 -> role=db : tcp/22 icmpv6/128",
    ];
    let check = |entries: &str, expected: &[&str]| {
        check(&world, &[&format!("ours g-db: {entries}, essential"), "at db ingress: g-db"], expected);
    };
    check("192.0.2.0/24 tcp/22, 2001:db8:f::/48 tcp/22+icmpv6/128", &[]);
    check(
        "192.0.2.0/24 tcp/22, 2001:db8:f::/49 tcp/22+icmpv6/128",
        &["lacks external 2001:db8:f:8000:: -> db 2001:db8:a::9 tcp/22 at db ingress: rule r/v6"],
    );
    check("192.0.2.0/24 tcp/22, 2001:db8:f::/48 tcp/22+icmpv6/128+icmp/8", &[]);
    check(
        "192.0.2.0/24 tcp/22, 2001:db8:f::/48 tcp/22+icmpv6/128+icmpv6/129",
        &["admits external 2001:db8:f:: -> db 2001:db8:a::9 icmpv6/129/0 at db ingress: \
         g-db allows 2001:db8:f::/48 tcp/22+icmpv6/128+icmpv6/129"],
    );
    check(
        "192.0.2.0/24 tcp/22+icmp/8, ::/0 tcp/22+icmpv6/128",
        &[
            "admits external 192.0.2.0 -> db 10.0.0.9 icmp/8/0 at db ingress: g-db allows 192.0.2.0/24 tcp/22+icmp/8",
            "admits external 2001:db8::1 -> db 2001:db8:a::9 tcp/22 at db ingress: g-db allows ::/0 tcp/22+icmpv6/128",
            "admits external 2001:db8:10:: -> db 2001:db8:a::9 tcp/22 at db ingress: g-db allows ::/0 tcp/22+icmpv6/128",
        ],
    );
}

#[test]
fn what_is_essential_may_not_be_missing() {
    check(
        &SHOP,
        &["ours g-db: web-1+web-2 tcp/5432, ::/0 icmpv6/2", "at db ingress: g-db"],
        &[
            "lacks web-1 10.0.0.1 -> db 10.0.0.9 icmp/3/4 at db ingress: essential",
            "lacks external 192.0.2.1 -> db 10.0.0.9 icmp/3/4 at db ingress: essential",
        ],
    );
}

#[test]
fn an_override_deny_takes_off_what_a_rule_allows() {
    let deny = [
        "rule shop/all: all-workloads -> role=db : tcp/22",
        "rule shop/not: override-deny workload:web-2 -> role=db : tcp/22",
    ];
    check_more(&deny, "web-1+web-2 tcp/5432, web-1 tcp/22", &[]);
    check_more(
        &deny,
        "web-1+web-2 tcp/5432, web-1+web-2 tcp/22",
        &["admits web-2 10.0.0.2 -> db 10.0.0.9 tcp/22 at db ingress: g-db allows web-1+web-2 tcp/22"],
    );
    let addresses =
        ["list bad: 10.0.0.2", "rule shop/not: override-deny list:bad -> role=db : tcp/5000-6000"];
    check_more(&addresses, "web-1 tcp/5432", &[]);
    check_more(
        &addresses,
        "web-1+web-2 tcp/5432",
        &["admits web-2 10.0.0.2 -> db 10.0.0.9 tcp/5432 at db ingress: g-db allows web-1+web-2 tcp/5432"],
    );
    // A plain deny changes nothing in full mode.
    check_more(&["rule shop/not: deny role=web -> role=db : tcp/5432"], "web-1+web-2 tcp/5432", &[]);
}

#[test]
fn the_first_match_of_a_list_decides() {
    check_entries("block web-2 udp, web-1+web-2 tcp/5432", &[]);
    check_entries(
        "web-1+web-2 tcp/5432, block web-2 all",
        &["lacks web-2 10.0.0.2 -> db 10.0.0.9 icmp/3/4 at db ingress: essential"],
    );
    check_entries(
        "web-1 tcp/5432, web-2 tcp/5000-5432, block web-2 tcp/5000-5431",
        &["admits web-2 10.0.0.2 -> db 10.0.0.9 tcp/5000 at db ingress: g-db allows web-2 tcp/5000-5432"],
    );
    check_entries("block 10.0.0.2 tcp/5000-5431, web-1 tcp/5432, web-2 tcp/5000-5432", &[]);
    check_entries(
        "block 10.0.0.2 tcp, web-1+web-2 tcp/5432",
        &["lacks web-2 10.0.0.2 -> db 10.0.0.9 tcp/5432 at db ingress: rule shop/web-to-db"],
    );
}

#[test]
fn a_block_stops_nothing_of_another_list() {
    let graph = ["ours g-1: block 0.0.0.0/0 all", "ours g-2: web-1+web-2 tcp/5432, essential"];
    check(&SHOP, &[graph[0], graph[1], "at db ingress: g-1 g-2"], &[]);
}

#[test]
fn egress_is_compared_like_ingress() {
    let world = [
        "network a: 10.0.0.0/24 2001:db8:a::/64",
        "web: role=web @10.0.0.1 vpc=a enforces=egress",
        "db: role=db @10.0.0.9 vpc=a enforces=none",
        "list updates: 192.0.2.0/24",
        "rule shop/web-to-db: role=web -> role=db : tcp/5432",
        "rule shop/updates: role=web -> list:updates : tcp/443",
    ];
    let check = |entries: &str, expected: &[&str]| {
        check(&world, &[&format!("ours g-web: {entries}, essential"), "at web egress: g-web"], expected);
    };
    check("db tcp/5432, 192.0.2.0/24 tcp/443", &[]);
    check(
        "db tcp/5432-5433, 192.0.2.0/25 tcp/443",
        &[
            "admits web 10.0.0.1 -> db 10.0.0.9 tcp/5433 at web egress: g-web allows db tcp/5432-5433",
            "lacks web 10.0.0.1 -> external 192.0.2.128 tcp/443 at web egress: rule shop/updates",
        ],
    );
}

#[test]
fn only_what_the_policy_wants_enforced_is_compared() {
    let world = |db: &'static str| {
        vec!["network a: 10.0.0.0/24", db, "rule r/all: all-workloads -> all-workloads : all"]
    };
    check(&world("db: @10.0.0.9 vpc=a mode=visibility"), &[], &[]);
    check(&world("db: @10.0.0.9 vpc=a mode=selective"), &[], &[]);
    check(&world("db: @10.0.0.9 vpc=a enforces=none"), &[], &[]);
    check(&world("db: @10.0.0.9"), &[], &[]);
    check(
        &world("db: @10.0.0.9 vpc=a enforces=ingress"),
        &[],
        &["lacks external 192.0.2.1 -> db 10.0.0.9 icmp/3/4 at db ingress: essential"],
    );
}

#[test]
fn only_a_list_with_our_whole_mark_is_ours() {
    for owner in ["foreign", "suspect"] {
        let list = format!("{owner} x: web-1+web-2 tcp/5432, essential");
        check(
            &SHOP,
            &[&list, "at db ingress: x"],
            &[
                "lacks web-1 10.0.0.1 -> db 10.0.0.9 tcp/5432 at db ingress: rule shop/web-to-db",
                "lacks external 192.0.2.1 -> db 10.0.0.9 icmp/3/4 at db ingress: essential",
            ],
        );
    }
}

#[test]
fn at_most_ten_witnesses_are_kept() {
    let lists: Vec<String> = (0..12).map(|n| format!("list l{n}: 192.0.2.{}", n * 2)).collect();
    let rules: Vec<String> =
        (0..12).map(|n| format!("rule r/l{n}: list:l{n} -> role=db : tcp/{n}")).collect();
    let world: Vec<&str> =
        SHOP.iter().copied().chain(lists.iter().chain(&rules).map(String::as_str)).collect();
    let snapshot = crate::dsl::world(&world);
    let graph = crate::graphs::graph(&snapshot, &[]);
    let proof = plan::prove(&graph, &policy::compile(&snapshot).policy, &snapshot);
    assert_eq!((proof.equivalent, proof.witnesses.len()), (false, plan::prove::WITNESSES_MAX));
}
