//! Flattening against first match, packet by packet.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use plan::{Direction, Owner, RuleService};
use policy::ServicePoint;

use super::*;

/// `allow|deny PEER[,PEER] SERVICE`; a peer is a block, `*`, `@group` or a tag.
fn rule(short: &str) -> PathRule {
    let [effect, peers, service] = short.split(' ').collect::<Vec<_>>().try_into().unwrap();
    let peer = |word: &str| match (word.strip_prefix('@'), word.parse()) {
        (Some(group), _) => Peer::Group(GroupId::from(group)),
        (None, Ok(block)) => Peer::Cidr(block),
        (None, Err(_)) => Peer::Opaque(word.to_owned()),
    };
    PathRule {
        name: short.to_owned(),
        priority: 100,
        owner: Owner::Foreign,
        direction: Direction::Ingress,
        effect: if effect == "allow" { PathEffect::Allow } else { PathEffect::Deny },
        targets: Vec::new(),
        peers: if peers == "*" { Vec::new() } else { peers.split(',').map(peer).collect() },
        services: vec![match service {
            "all" => RuleService::All,
            "icmp" => RuleService::Protocol(1),
            port => RuleService::ports(6, port.parse().unwrap(), port.parse().unwrap()),
        }],
    }
}

fn members(id: &GroupId) -> AddressSet {
    match id.as_str() {
        "web" => "10.0.0.5/32".parse::<ipnet::IpNet>().map(AddressSet::from).unwrap(),
        _ => AddressSet::empty(),
    }
}

fn check(rules: &[&str], expected: &[&str]) {
    let rules: Vec<PathRule> = rules.iter().map(|short| rule(short)).collect();
    let found: Vec<String> = flatten(rules.iter(), &members).iter().map(ToString::to_string).collect();
    assert_eq!(found, expected);
}

#[test]
fn the_first_match_decides() {
    check(&["allow 10.0.0.0/8 443"], &["10.0.0.0/8 tcp/443"]);
    check(&["deny 10.0.0.0/9 443", "allow 10.0.0.0/8 443"], &["10.128.0.0/9 tcp/443"]);
    check(&["allow 10.0.0.0/8 443", "deny 10.0.0.0/9 443"], &["10.0.0.0/8 tcp/443"]);
    check(&["deny * 443", "allow 10.0.0.0/8 443", "allow * 80"], &["0.0.0.0/0 tcp/80", "::/0 tcp/80"]);
    check(&["deny * all", "allow * all"], &[]);
}

#[test]
fn groups_stay_groups_where_no_deny_meets_them() {
    check(&["allow @web 443"], &["web tcp/443"]);
    check(&["deny 10.1.0.0/16 443", "allow @web 443"], &["web tcp/443"]);
    check(&["deny 10.0.0.0/16 all", "allow @web 443"], &[]);
    check(&["deny 10.0.0.0/16 80", "allow @web 443"], &["web tcp/443"]);
    check(&["deny @web 443", "allow 10.0.0.4/31 443"], &["10.0.0.4/32 tcp/443"]);
    check(&["allow @none 443"], &["none tcp/443"]);
}

#[test]
fn tags_that_are_not_known_stay_tags() {
    check(&["allow sql 443"], &["sql (not read) tcp/443"]);
    check(&["deny sql 443", "allow 10.0.0.0/8 443"], &["10.0.0.0/8 tcp/443"]);
    check(&["deny * 443", "allow sql 443"], &[]);
}

/// Facts against first match, packet by packet.
#[test]
fn facts_are_exact_over_blocks() {
    let mut random = fastrand::Rng::with_seed(7);
    let (mut passed, mut asked) = (0, 0);
    for _ in 0..400 {
        let rules: Vec<PathRule> = (0..random.usize(1..7))
            .map(|_| {
                let effect = if random.bool() { "allow" } else { "deny" };
                let length = random.u32(28..=32);
                let block: ipnet::Ipv4Net = format!("10.0.0.{}/{length}", random.u8(..16)).parse().unwrap();
                let service = ["all", "443", "80", "icmp"][random.usize(..4)];
                let peer = if random.u32(..5) == 0 { "*".to_owned() } else { block.trunc().to_string() };
                rule(&format!("{effect} {peer} {service}"))
            })
            .collect();
        let facts = flatten(rules.iter(), &members);
        for last in 0..16 {
            for point in [
                ServicePoint::port(6, 443),
                ServicePoint::port(6, 80),
                ServicePoint::icmp(1, 8, 0),
                ServicePoint::port(17, 53),
            ] {
                let address = std::net::IpAddr::from([10, 0, 0, last]);
                let matches = |peer: &Peer| matches!(peer, Peer::Cidr(block) if block.contains(&address));
                let first = rules.iter().find(|rule| {
                    (rule.peers.is_empty() || rule.peers.iter().any(matches))
                        && rule.services.iter().any(|service| service.to_set().contains(point))
                });
                let expected = first.is_some_and(|rule| rule.effect == PathEffect::Allow);
                let found =
                    facts.iter().any(|fact| matches(&fact.peer) && fact.service.to_set().contains(point));
                assert_eq!(found, expected, "{address} {point} {rules:?}");
                (asked, passed) = (asked + 1, passed + usize::from(found));
            }
        }
    }
    println!("{asked} packets, {passed} pass");
    assert!(passed > asked / 10 && passed < asked * 9 / 10);
}
