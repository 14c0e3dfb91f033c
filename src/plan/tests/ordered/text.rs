//! Estates with ordered lists, written as lines: for the tests of the drivers whose rules stand in such lists.
//!
//! ```text
//! net v1 ~v2                                   a network with a peering, `=v2` with one that carries identity
//! nic a v1 10.0.0.1 fd00::1 in web behind n1   an interface, its groups, its lists (outermost first)
//! list n1                                      a list; the test says what its id is
//! 100 ours in allow web <- app,10.0.0.0/8 tcp/80,udp
//! ```
//!
//! A rule is priority, owner, direction, effect, targets, far ends and services; `*` is nobody in particular, `?x`
//! something that is not read.

use plan::{
    AttachClass, Direction, GroupId, InterfaceState, NetworkState, Observed, Owner, PathEffect, PathFilter,
    PathRule, Peer, Peering, RuleService,
};
use policy::{InterfaceId, NetworkId, WorkloadId};

/// Reads an estate; `id` says what the id of a list with a name is.
pub fn estate(text: &str, id: fn(&str) -> String) -> Observed {
    let mut observed = Observed::default();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[0] {
            "net" => observed.networks.push(network(&words)),
            "nic" => observed.interfaces.push(interface(&words, id)),
            "list" => observed.path_filters.push(list(id(words[1]), words[1], Vec::new())),
            _ => observed.path_filters.last_mut().unwrap().rules.push(rule(&words)),
        }
    }
    observed
}

/// A list of somebody else.
pub fn list(id: String, name: &str, rules: Vec<PathRule>) -> PathFilter {
    PathFilter { id, name: name.to_owned(), owner: Owner::Foreign, rules }
}

fn network(words: &[&str]) -> NetworkState {
    let peering = |word: &&str| Peering {
        peer: NetworkId::from(&word[1..]),
        handle: String::new(),
        identity: word.starts_with('='),
    };
    NetworkState {
        id: NetworkId::from(words[1]),
        name: String::new(),
        cidrs: Vec::new(),
        peerings: words[2..].iter().map(peering).collect(),
    }
}

fn interface(words: &[&str], id: fn(&str) -> String) -> InterfaceState {
    let mut parts = words[3..].split(|word| *word == "in" || *word == "behind");
    let addresses = parts.next().unwrap().iter().map(|word| word.parse().unwrap()).collect();
    let after = |mark: &str| -> Vec<&str> {
        let from = words.iter().position(|word| *word == mark);
        let rest = from.map(|from| &words[from + 1..]).unwrap_or_default();
        rest.iter().copied().take_while(|word| *word != "behind" && *word != "in").collect()
    };
    InterfaceState {
        id: InterfaceId::from(words[1]),
        network: NetworkId::from(words[2]),
        workload: WorkloadId::from(words[1]),
        name: words[1].to_owned(),
        addresses,
        groups: after("in").into_iter().map(GroupId::from).collect(),
        attach: AttachClass::Direct,
        tags: Default::default(),
        path_filters: after("behind").into_iter().map(id).collect(),
        mac: None,
    }
}

fn rule(words: &[&str]) -> PathRule {
    let many = |word: &str| -> Vec<String> {
        word.split(',').filter(|part| *part != "*").map(str::to_owned).collect()
    };
    PathRule {
        name: words[0].to_owned(),
        priority: words[0].parse().unwrap(),
        owner: if words[1] == "ours" { Owner::Ours } else { Owner::Foreign },
        direction: if words[2] == "in" { Direction::Ingress } else { Direction::Egress },
        effect: match words[3] {
            "allow" => PathEffect::Allow,
            "deny" => PathEffect::Deny,
            "next" => PathEffect::Next,
            other => panic!("no effect: {other}"),
        },
        targets: many(words[4]).iter().map(|name| GroupId::from(name.as_str())).collect(),
        peers: many(words[6]).iter().map(|word| peer(word)).collect(),
        services: words[7].split(',').map(service).collect(),
    }
}

fn peer(word: &str) -> Peer {
    match (word.strip_prefix('?'), word.parse()) {
        (Some(unread), _) => Peer::Opaque(unread.to_owned()),
        (None, Ok(block)) => Peer::Cidr(block),
        (None, Err(_)) => Peer::Group(GroupId::from(word)),
    }
}

/// A service: `all`, `tcp`, `tcp/80`, `tcp/80-90`, `icmp/8`.
pub fn service(word: &str) -> RuleService {
    let (protocol, ports) = word.split_once('/').unwrap_or((word, ""));
    let number = match protocol {
        "all" => return RuleService::All,
        "tcp" => 6,
        "udp" => 17,
        "icmp" => 1,
        other => other.parse().unwrap(),
    };
    let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
    match (first.parse(), number) {
        (Err(_), _) => RuleService::Protocol(number),
        (Ok(kind), 1) => RuleService::Icmp { protocol: 1, kind: kind as u8, code: None },
        (Ok(first), _) => RuleService::ports(number, first, last.parse().unwrap()),
    }
}
