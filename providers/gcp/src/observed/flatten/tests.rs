//! Lists as one-line texts.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use super::*;
use plan::{Direction, Owner, RuleService};

/// `allow tcp/443 10.0.0.0/8`, `next all *`, `deny tcp web`.
fn rule(text: &str) -> PathRule {
    let words: Vec<&str> = text.split(' ').collect();
    let [effect, service, peer] = words.as_slice() else { panic!("{text}") };
    let service = match service.split_once('/') {
        Some((_, port)) => RuleService::ports(6, port.parse().unwrap(), port.parse().unwrap()),
        None if *service == "tcp" => RuleService::Protocol(6),
        None => RuleService::All,
    };
    let peers = match (*peer, peer.parse()) {
        ("*", _) => Vec::new(),
        (_, Ok(block)) => vec![Peer::Cidr(block)],
        (group, Err(_)) => vec![Peer::Group(GroupId::from(group))],
    };
    PathRule {
        name: text.to_owned(),
        priority: 0,
        owner: Owner::Foreign,
        direction: Direction::Ingress,
        effect: match *effect {
            "allow" => PathEffect::Allow,
            "deny" => PathEffect::Deny,
            _ => PathEffect::Next,
        },
        targets: Vec::new(),
        peers,
        services: vec![service],
    }
}

/// Lists apart by `|`, rules by `; `. The group `web` is 10.0.0.1.
fn check(lists: &str, expected: &str) {
    let lists: Vec<Vec<PathRule>> =
        lists.split(" | ").map(|list| list.split("; ").map(rule).collect()).collect();
    let members = |_: &GroupId| AddressSet::from("10.0.0.1/32".parse::<ipnet::IpNet>().unwrap());
    let found = flatten(lists.iter().map(|list| list.iter().collect()), &members);
    let words: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert_eq!(words.join(", "), expected, "{lists:?}");
}

#[test]
fn the_first_match_decides() {
    check("allow tcp/443 10.0.0.0/8; deny all *", "10.0.0.0/8 tcp/443");
    check("deny all *; allow tcp/443 10.0.0.0/8", "");
    check("deny tcp/443 10.0.0.0/9; allow tcp/443 10.0.0.0/8", "10.128.0.0/9 tcp/443");
    check("allow all *", "0.0.0.0/0 all, ::/0 all");
}

#[test]
fn what_is_left_to_the_next_list_skips_the_rest_of_its_own() {
    check("next all *; deny all * | allow tcp/443 10.0.0.0/8", "10.0.0.0/8 tcp/443");
    check(
        "next tcp/443 10.0.0.0/9; deny all 10.0.0.0/8; next all * | allow tcp 10.0.0.0/8",
        "10.0.0.0/9 tcp/443",
    );
    check("next all 10.0.0.0/9; allow tcp/1 10.0.0.0/8; next all * | deny all *", "10.128.0.0/9 tcp/1");
}

#[test]
fn a_group_stays_one_where_nothing_before_meets_it() {
    check("allow tcp/443 web", "web tcp/443");
    check("deny tcp/22 *; allow tcp/443 web", "web tcp/443");
    check("deny tcp/443 10.0.0.0/24; allow tcp web", "10.0.0.1/32 tcp/0-442, 10.0.0.1/32 tcp/444-65535");
    check("deny tcp/443 web; allow tcp/443 10.0.0.0/31", "10.0.0.0/32 tcp/443");
}
