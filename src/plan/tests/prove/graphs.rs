//! Filter graphs in one line each, for tests; the worlds that they belong to are lines of the policy language.
//!
//! - `ours g-db: web+app tcp/5432, 10.0.0.0/8+192.0.2.7 tcp/22+udp/53, block ::/0 all, essential`: a list with its
//!   entries in order. Far ends are interfaces, or addresses; `essential` is what every exact graph lets pass.
//!   `foreign` and `suspect` are the other owners.
//! - `at db ingress: g-db x | acl`: what an interface sits behind, stages parted by `|`. `open` is no stage at
//!   all, nothing is one stage without a list. An end that has no line has one stage without a list.
//!
//! Every interface that sits in a network is a node.

use std::net::IpAddr;
use std::sync::Arc;

use plan::plan::ProofSummary;
use plan::{
    Direction, Effect, Entry, FilterGraph, FilterList, GroupId, Node, NodeIndex, Owner, Peers, Stage,
};
use policy::{AddressSet, ServiceSet, Snapshot};

/// Reads the graph of a world.
pub fn graph(snapshot: &Snapshot, lines: &[&str]) -> FilterGraph {
    let mut graph = bare(snapshot);
    for line in lines {
        let (head, rest) = line.split_once(':').unwrap_or_else(|| panic!("no `:` in `{line}`"));
        match head.split(' ').collect::<Vec<_>>().as_slice() {
            ["at", interface, direction] => read_stages(&mut graph, interface, direction, rest),
            [owner, name] => {
                let owner = match *owner {
                    "ours" => Owner::Ours,
                    "foreign" => Owner::Foreign,
                    "suspect" => Owner::Suspect("no name".to_owned()),
                    _ => panic!("whose is `{line}`?"),
                };
                let entries = rest.split(',').flat_map(|text| read_entries(&graph, text.trim())).collect();
                graph.lists.push(list(name, owner, entries));
            }
            _ => panic!("what is `{line}`?"),
        }
    }
    graph
}

/// The nodes of a world, each behind one stage without a list.
pub fn bare(snapshot: &Snapshot) -> FilterGraph {
    let nodes = snapshot.interfaces().filter_map(|(_, _, interface)| {
        let nothing = || vec![Stage::default()];
        let network = interface.network.clone()?;
        Some(Node { interface: interface.id.clone(), network, ingress: nothing(), egress: nothing() })
    });
    FilterGraph { nodes: nodes.collect(), lists: Vec::new() }
}

/// A list with its name as id.
pub fn list(name: &str, owner: Owner, entries: Vec<Entry>) -> FilterList {
    FilterList { id: GroupId::from(name), name: name.to_owned(), owner, entries }
}

/// An entry that lets pass.
pub fn permit(rule: &str, peers: Peers, services: ServiceSet) -> Entry {
    Entry { rule: rule.to_owned(), effect: Effect::Permit, peers, services }
}

fn read_stages(graph: &mut FilterGraph, interface: &str, direction: &str, rest: &str) {
    let number = |name: &str| {
        let found = graph.lists.iter().position(|list| list.name == name);
        found.unwrap_or_else(|| panic!("no list `{name}`")) as u32
    };
    let stages = match rest.trim() {
        "open" => Vec::new(),
        rest => {
            let stage = |text: &str| Stage { lists: text.split_whitespace().map(number).collect() };
            rest.split('|').map(stage).collect()
        }
    };
    let node = node_of(graph, interface).unwrap_or_else(|| panic!("no interface `{interface}`"));
    let node = &mut graph.nodes[node.0 as usize];
    match direction {
        "ingress" => node.ingress = stages,
        "egress" => node.egress = stages,
        _ => panic!("no direction `{direction}`"),
    }
}

fn node_of(graph: &FilterGraph, interface: &str) -> Option<NodeIndex> {
    let found = graph.nodes.iter().position(|node| node.interface.as_str() == interface);
    found.map(|number| NodeIndex(number as u32))
}

fn read_entries(graph: &FilterGraph, text: &str) -> Vec<Entry> {
    match text {
        "" => Vec::new(),
        "essential" => {
            let of = |text| read_entries(graph, text).into_iter();
            of("0.0.0.0/0 icmp/3/4").chain(of("::/0 icmpv6/2")).collect()
        }
        _ => vec![read_entry(graph, text)],
    }
}

fn read_entry(graph: &FilterGraph, text: &str) -> Entry {
    let (effect, rule) = match text.strip_prefix("block ") {
        Some(rule) => (Effect::Block, rule),
        None => (Effect::Permit, text),
    };
    let (peers, services) = rule.split_once(' ').unwrap_or_else(|| panic!("no services in `{text}`"));
    let nodes: Option<Vec<NodeIndex>> = peers.split('+').map(|name| node_of(graph, name)).collect();
    let peers = match nodes {
        Some(mut nodes) => {
            nodes.sort();
            Peers::Members(Arc::from(nodes))
        }
        None => {
            let parts = peers.split('+').map(|part| part.parse().unwrap_or_else(|error| panic!("{error}")));
            Peers::Addresses(parts.fold(AddressSet::empty(), |sum, part| sum.union(&part)))
        }
    };
    let services = services.split('+').map(|part| part.parse().unwrap_or_else(|error| panic!("{error}")));
    Entry { rule: rule.to_owned(), effect, peers, services: services.collect::<ServiceSet>() }
}

/// A proof in words, one line for each difference.
pub fn show(proof: &ProofSummary) -> Vec<String> {
    let mut lines = Vec::new();
    for witness in &proof.witnesses {
        let word = if witness.admitted { "admits" } else { "lacks" };
        lines.push(format!(
            "{word} {} -> {} {} at {} {}: {}",
            witness.source,
            witness.destination,
            witness.service,
            witness.at,
            witness.direction,
            witness.because
        ));
    }
    for (word, found) in [("exposes", &proof.exposures), ("obstructs", &proof.obstructions)] {
        lines.extend(found.iter().map(|found| {
            let text = format!("{word} {} {} to {}", found.at, found.direction, found.peer);
            format!("{text} {}: {}, as {}", found.services, found.because, found.witness)
        }));
    }
    lines
}

/// The other family's numbers never matter: the neighbour of an address in its own family.
pub fn neighbours(address: IpAddr) -> [Option<IpAddr>; 2] {
    match address {
        IpAddr::V4(v4) => {
            let bits = v4.to_bits();
            let of = |bits: Option<u32>| bits.map(|bits| IpAddr::V4(bits.into()));
            [of(bits.checked_sub(1)), of(bits.checked_add(1))]
        }
        IpAddr::V6(v6) => {
            let bits = v6.to_bits();
            let of = |bits: Option<u128>| bits.map(|bits| IpAddr::V6(bits.into()));
            [of(bits.checked_sub(1)), of(bits.checked_add(1))]
        }
    }
}

/// `Ingress` and `Egress` with the stages of a node.
pub fn stages(node: &Node, direction: Direction) -> &[Stage] {
    match direction {
        Direction::Ingress => &node.ingress,
        Direction::Egress => &node.egress,
    }
}
