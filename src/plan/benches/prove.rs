//! How the proof grows: `cargo bench -p plan --bench prove` prints a Markdown table.
//!
//! Classes of ten interfaces in one network, each behind a list of its own and a network ACL that lets everything
//! pass; the graph is exactly the intent, so that nothing is left out early. Shapes:
//!
//! - *references*: each class takes 26 other classes and 26 addresses, each on a port of its own (the shape of
//!   `tests/benches/noop_plan.rs`), ingress only;
//! - *addresses*: a few classes, each with many addresses: the width of one end;
//! - *everybody*: one rule lets all workloads talk to all;
//! - *bare*: as *references*, and no list is ours: every comparison fails.
//!
//! A shape may be given as argument (`-- references`) to run it alone.

#![allow(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark prints")]

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use cpu_time::ProcessTime;
use plan::{Effect, Entry, FilterGraph, FilterList, GroupId, Node, NodeIndex, Owner, Peers, Stage, prove};
use policy::ruleset::{Actor, IpList, Rule, Ruleset};
use policy::{
    Action, AddressSet, CompiledPolicy, Directions, EnforcementMode, Interface, Label, Network, NetworkId,
    ServiceSet, Snapshot, Workload, compile,
};

const MEMBERS: usize = 10;
const ROUNDS: usize = 3;

/// One shape in one size.
#[derive(Clone, Copy)]
struct Size {
    classes: usize,
    /// Rules from other classes, for each class.
    references: usize,
    /// Rules from addresses, for each class.
    addresses: usize,
    /// Whether one rule lets everybody talk to everybody.
    everybody: bool,
    /// Whether the lists are ours.
    ours: bool,
}

fn main() {
    let only = std::env::args().nth(1).filter(|argument| !argument.starts_with("--"));
    println!("| shape | groups | rules each | interfaces | peers compared | proof | × time |");
    println!("|---|---:|---:|---:|---:|---:|---:|");
    let references = |classes| Size { classes, references: 26, addresses: 26, everybody: false, ours: true };
    let addresses = |addresses| Size { classes: 4, references: 0, addresses, everybody: false, ours: true };
    let everybody = |classes| Size { classes, references: 0, addresses: 1, everybody: true, ours: true };
    let bare = |classes| Size { ours: false, ..references(classes) };
    for (shape, sizes) in [
        ("references", [20, 200, 2_000].map(references)),
        ("addresses", [50, 500, 5_000].map(addresses)),
        ("everybody", [2, 20, 200].map(everybody)),
        ("bare", [20, 200, 2_000].map(bare)),
    ] {
        let mut last = None;
        for size in sizes.into_iter().filter(|_| only.as_deref().is_none_or(|only| only == shape)) {
            last = Some(row(shape, size, last));
        }
    }
}

/// Prints one line and returns the time.
fn row(shape: &str, size: Size, smaller: Option<Duration>) -> Duration {
    let snapshot = size.snapshot();
    let compiled = compile(&snapshot).policy;
    let graph = size.graph();
    let (time, peers) = measure(&graph, &compiled, &snapshot, size.ours);
    let ratio =
        smaller.map_or(String::new(), |smaller| format!("{:.1}", time.as_secs_f64() / smaller.as_secs_f64()));
    println!(
        "| {shape} | {} | {} | {} | {peers} | {:.1} ms | {ratio} |",
        size.classes,
        graph.lists.first().map_or(0, |list| list.entries.len()),
        graph.nodes.len(),
        time.as_secs_f64() * 1e3,
    );
    time
}

/// The CPU time of the best of a few rounds, and how much was compared.
fn measure(
    graph: &FilterGraph,
    compiled: &CompiledPolicy,
    snapshot: &Snapshot,
    equivalent: bool,
) -> (Duration, u64) {
    let (mut best, mut peers) = (Duration::MAX, 0);
    for _ in 0..ROUNDS {
        let start = ProcessTime::now();
        let proof = prove(graph, compiled, snapshot);
        best = best.min(start.elapsed());
        assert_eq!(proof.equivalent, equivalent, "{:?}", proof.witnesses);
        assert!(proof.obstructions.is_empty());
        peers = proof.checked_pairs;
    }
    (best, peers)
}

impl Size {
    fn snapshot(self) -> Snapshot {
        let cidrs = vec!["10.0.0.0/8".parse().unwrap()];
        let network = Network { id: "net".into(), cidrs, peers: BTreeSet::new() };
        let networks = BTreeMap::from([(NetworkId::from("net"), network)]);
        let mut snapshot = Snapshot { networks, ..Snapshot::default() };
        snapshot.workloads = (0..self.classes * MEMBERS).map(|number| self.workload(number)).collect();
        for list in 0..self.addresses {
            let addresses = AddressSet::from(outside(list));
            snapshot.policy.ip_lists.insert(format!("l{list}").into(), IpList { addresses });
        }
        let role = |class: usize| vec![Actor::Label { label: label(class), exclusion: false }];
        let mut rules = Vec::new();
        for class in 0..self.classes {
            for (reference, peer) in self.peers(class).enumerate() {
                rules.push(rule(rules.len(), role(peer), role(class), port(1000 + reference)));
            }
            for list in 0..self.addresses {
                let from = vec![Actor::IpList(format!("l{list}").into())];
                rules.push(rule(rules.len(), from, role(class), port(2000 + list)));
            }
        }
        if self.everybody {
            let all = || vec![Actor::AllWorkloads];
            rules.push(rule(rules.len(), all(), all(), port(9100)));
        }
        let ruleset = Ruleset { name: "bench".into(), enabled: true, scopes: Vec::new(), rules };
        snapshot.policy.rulesets.push(ruleset);
        snapshot
    }

    fn workload(self, number: usize) -> Workload {
        let label = label(number / MEMBERS);
        let interface = Interface {
            id: format!("eni-{number:06}").into(),
            network: Some("net".into()),
            addresses: vec![IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0001 + number as u32))],
            enforces: Directions::INGRESS,
        };
        Workload {
            id: format!("i-{number:06}").into(),
            labels: [(label.key, label.value)].into_iter().collect(),
            mode: EnforcementMode::Full,
            interfaces: vec![interface],
        }
    }

    /// The classes that a class takes connections from.
    fn peers(self, class: usize) -> impl Iterator<Item = usize> {
        (0..self.references.min(self.classes)).map(move |step| (class + step + 1) % self.classes)
    }

    /// A list for each class, then the network ACL, and the nodes in the order of the workloads.
    fn graph(self) -> FilterGraph {
        let members: Vec<Arc<[NodeIndex]>> =
            (0..self.classes).map(|class| nodes(class * MEMBERS..(class + 1) * MEMBERS)).collect();
        let everybody = nodes(0..self.classes * MEMBERS);
        let owner = if self.ours { Owner::Ours } else { Owner::Foreign };
        let mut lists: Vec<FilterList> = Vec::new();
        for class in 0..self.classes {
            let named = self.peers(class).enumerate();
            let mut entries: Vec<Entry> = named
                .map(|(n, peer)| permit(Peers::Members(members[peer].clone()), port(1000 + n)))
                .collect();
            entries
                .extend((0..self.addresses).map(|list| {
                    permit(Peers::Addresses(AddressSet::from(outside(list))), port(2000 + list))
                }));
            if self.everybody {
                entries.push(permit(Peers::Members(everybody.clone()), port(9100)));
            }
            entries.push(permit(block("0.0.0.0/0"), "icmp/3/4".parse().unwrap()));
            entries.push(permit(block("::/0"), "icmpv6/2".parse().unwrap()));
            lists.push(list(format!("g{class}"), owner.clone(), entries));
        }
        let all = ["0.0.0.0/0", "::/0"].map(|text| permit(block(text), ServiceSet::all()));
        lists.push(list("acl".to_owned(), Owner::Foreign, all.into()));
        let node = |number: usize| Node {
            interface: format!("eni-{number:06}").into(),
            network: "net".into(),
            ingress: [number / MEMBERS, self.classes].map(|list| Stage { lists: vec![list as u32] }).into(),
            egress: Vec::new(),
        };
        FilterGraph { nodes: (0..self.classes * MEMBERS).map(node).collect(), lists }
    }
}

fn nodes(numbers: std::ops::Range<usize>) -> Arc<[NodeIndex]> {
    numbers.map(|number| NodeIndex(number as u32)).collect()
}

fn outside(number: usize) -> IpAddr {
    IpAddr::V4(Ipv4Addr::from_bits(0xc000_0201 + 2 * number as u32))
}

fn block(text: &str) -> Peers {
    Peers::Addresses(text.parse().unwrap())
}

fn port(number: usize) -> ServiceSet {
    ServiceSet::range(policy::service::protocol::TCP, number as u16, number as u16)
}

fn permit(peers: Peers, services: ServiceSet) -> Entry {
    Entry { rule: String::new(), effect: Effect::Permit, peers, services }
}

fn list(name: String, owner: Owner, entries: Vec<Entry>) -> FilterList {
    FilterList { id: GroupId::from(name.as_str()), name, owner, entries }
}

fn label(class: usize) -> Label {
    Label { key: "role".into(), value: format!("r{class}").into() }
}

fn rule(number: usize, sources: Vec<Actor>, destinations: Vec<Actor>, services: ServiceSet) -> Rule {
    let name = format!("rule-{number}").into();
    Rule { name, enabled: true, action: Action::Allow, sources, destinations, services, extra_scope: false }
}
