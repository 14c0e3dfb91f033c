//! What opens and what closes between two graphs, against asking every pair of interfaces and every edge of every set.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use fastrand::Rng;
use plan::graph::{Effect, Entry, FilterGraph, Node, NodeIndex, Peers};
use plan::prove::Context;
use plan::{Direction, changes};
use policy::compiled::essential_services;
use policy::service::protocol;
use policy::{AddressSet, CompiledPolicy, InterfaceId, Rule, ServiceSet, Snapshot};

use crate::graphs::{neighbours, stages};
use crate::{brute, dsl, graphs, intended, random};

const CASES: u64 = 400;

/// Two graphs of one world, read entry by entry.
struct Twice<'a> {
    snapshot: &'a Snapshot,
    compiled: &'a CompiledPolicy,
    graphs: [&'a FilterGraph; 2],
}

/// What changes, by asking everybody.
#[derive(PartialEq, Eq, Debug, Default)]
struct Found {
    /// Between interfaces: (opens, source, destination, services) → pairs.
    inside: BTreeMap<(bool, String, String, String), u64>,
    losers: BTreeSet<InterfaceId>,
    opens_outside: bool,
}

impl Twice<'_> {
    fn addresses(&self, node: &Node) -> Vec<IpAddr> {
        let mut all = self.snapshot.interfaces();
        all.find(|(_, _, i)| i.id == node.interface).map(|(_, _, i)| i.addresses.clone()).unwrap_or_default()
    }

    fn class(&self, node: &Node) -> String {
        let mut all = self.snapshot.interfaces();
        let (workload, ..) = all.find(|(_, _, i)| i.id == node.interface).unwrap();
        self.compiled.class(self.compiled.class_of[workload]).description.clone()
    }

    /// What one end lets pass to or from an address, and from whom if it is an interface.
    fn end(
        &self,
        state: usize,
        own: usize,
        direction: Direction,
        peer: Option<usize>,
        at: IpAddr,
    ) -> ServiceSet {
        let graph = self.graphs[state];
        let node = &graph.nodes[own];
        let matches = |entry: &&Entry| match (&entry.peers, peer) {
            (Peers::Addresses(set), _) => set.contains(at),
            (Peers::Members(nodes), Some(peer)) => {
                nodes.contains(&NodeIndex(peer as u32))
                    && self.snapshot.connected(&node.network, &graph.nodes[peer].network)
            }
            (Peers::Members(_), None) => false,
        };
        let absent = if at.is_ipv6() { protocol::ICMP } else { protocol::ICMPV6 };
        let mut passed =
            ServiceSet::all().difference(&ServiceSet::protocol(absent)).difference(&essential_services());
        for stage in stages(node, direction) {
            let mut union = ServiceSet::empty();
            for &list in &stage.lists {
                let mut left = ServiceSet::all();
                for entry in graph.lists[list as usize].entries.iter().filter(matches) {
                    if entry.effect == Effect::Permit {
                        union = union.union(&entry.services.intersection(&left));
                    }
                    left = left.difference(&entry.services);
                }
            }
            passed = passed.intersection(&union);
        }
        passed
    }

    fn flow(&self, state: usize, source: usize, destination: usize) -> ServiceSet {
        let nodes = &self.graphs[state].nodes;
        let mut total = ServiceSet::empty();
        for from in self.addresses(&nodes[source]) {
            for to in self.addresses(&nodes[destination]) {
                if from.is_ipv6() == to.is_ipv6() {
                    let egress = self.end(state, source, Direction::Egress, Some(destination), to);
                    let ingress = self.end(state, destination, Direction::Ingress, Some(source), from);
                    total = total.union(&egress.intersection(&ingress));
                }
            }
        }
        total
    }

    /// Every edge of every set of both graphs that nobody holds, with its neighbours.
    fn outside(&self) -> BTreeSet<IpAddr> {
        let entries = self.graphs.iter().flat_map(|graph| &graph.lists).flat_map(|list| &list.entries);
        let sets = entries.filter_map(|entry| match &entry.peers {
            Peers::Addresses(set) => Some(set),
            Peers::Members(_) => None,
        });
        let any = AddressSet::any();
        let edges: BTreeSet<IpAddr> = sets.chain([&any]).flat_map(brute::edges_of).collect();
        let beside: Vec<IpAddr> = edges.iter().flat_map(|&edge| neighbours(edge)).flatten().collect();
        let held: BTreeSet<IpAddr> =
            self.snapshot.interfaces().flat_map(|(_, _, i)| i.addresses.clone()).collect();
        edges.into_iter().chain(beside).filter(|address| !held.contains(address)).collect()
    }

    fn found(&self) -> Found {
        let mut found = Found::default();
        let nodes = &self.graphs[0].nodes;
        for (s, source) in nodes.iter().enumerate() {
            for (d, destination) in nodes.iter().enumerate().filter(|(d, _)| *d != s) {
                let (old, new) = (self.flow(0, s, d), self.flow(1, s, d));
                for (opens, services) in [(false, old.difference(&new)), (true, new.difference(&old))] {
                    if !services.is_empty() {
                        let key = (opens, self.class(source), self.class(destination), services.words());
                        *found.inside.entry(key).or_default() += 1;
                        let ends = [source, destination].map(|node| node.interface.clone());
                        found.losers.extend(ends.into_iter().filter(|_| !opens));
                    }
                }
            }
        }
        let outside = self.outside();
        for (own, node) in nodes.iter().enumerate() {
            for (&at, direction) in
                outside.iter().flat_map(|at| [(at, Direction::Ingress), (at, Direction::Egress)])
            {
                let [old, new] = [0, 1].map(|state| self.end(state, own, direction, None, at));
                if !old.is_subset(&new) {
                    found.losers.insert(node.interface.clone());
                }
                found.opens_outside |= !new.is_subset(&old);
            }
        }
        found
    }
}

/// What the library says, in the same form.
fn stated(twice: &Twice<'_>) -> Found {
    let [before, after] = twice.graphs.map(|graph| Context::new(graph, twice.compiled, twice.snapshot));
    let reach = changes::compare(&before, &after);
    let classes: BTreeSet<String> = twice.graphs[0].nodes.iter().map(|node| twice.class(node)).collect();
    let mut found = Found { losers: reach.losers, ..Found::default() };
    for line in reach.lines {
        if classes.contains(&line.source) && classes.contains(&line.destination) {
            let key = (line.opens, line.source, line.destination, line.services);
            *found.inside.entry(key).or_default() += line.pairs;
        } else {
            found.opens_outside |= line.opens;
        }
    }
    found
}

/// Opens most ends that nothing filters: flows have two ends, and few would pass.
fn open_unfiltered(rng: &mut Rng, graph: &mut FilterGraph) {
    let ends = graph.nodes.iter_mut().flat_map(|node| [&mut node.ingress, &mut node.egress]);
    for stages in ends.filter(|stages| stages.iter().all(|stage| stage.lists.is_empty())) {
        if rng.u8(..4) > 0 {
            stages.clear();
        }
    }
}

#[test]
fn what_changes_agrees_with_asking_everybody() {
    let (mut losing, mut opening, mut outside) = (0, 0, 0);
    for seed in 0..CASES {
        let mut rng = Rng::with_seed(seed);
        let lines = random::world(&mut rng);
        let snapshot = dsl::world(&lines.iter().map(String::as_str).collect::<Vec<_>>());
        let mut before = intended::intended_graph(&snapshot);
        open_unfiltered(&mut rng, &mut before);
        (0..rng.usize(..2)).for_each(|_| drop(random::change(&mut rng, &mut before)));
        let mut after = before.clone();
        let changes: Vec<String> =
            (0..rng.usize(1..4)).map(|_| random::change(&mut rng, &mut after)).collect();
        if rng.bool() {
            std::mem::swap(&mut before, &mut after);
        }
        let compiled = policy::compile(&snapshot).policy;
        let twice = Twice { snapshot: &snapshot, compiled: &compiled, graphs: [&before, &after] };
        let found = twice.found();
        assert_eq!(stated(&twice), found, "seed {seed}\n{}\n{changes:?}", lines.join("\n"));
        losing += u64::from(!found.losers.is_empty());
        opening += u64::from(found.inside.keys().any(|key| key.0));
        outside += u64::from(found.opens_outside);
    }
    println!("{CASES} cases: {losing} lose, {opening} open inside, {outside} open outside");
    assert!([losing, opening, outside].into_iter().all(|count| count * 10 >= CASES), "too few of one kind");
}

const WORLD: [&str; 6] = [
    "network a: 10.0.0.0/24",
    "list office: 203.0.113.0/24",
    "list everywhere: 0.0.0.0/0 ::/0",
    "web-1: role=web @10.0.0.1 vpc=a enforces=ingress",
    "web-2: role=web @10.0.0.2 vpc=a enforces=ingress",
    "db: role=db @10.0.0.9 vpc=a enforces=ingress",
];

/// Whether a flow that is protected by a rule is cut, with an example.
fn check_protected(rule: &str, before: &[&str], after: &[&str], expected: Option<&str>) {
    let mut lines = WORLD.to_vec();
    lines.push(rule);
    let snapshot = dsl::world(&lines);
    let rule: &Rule = &snapshot.policy.rulesets[0].rules[0];
    let compiled = policy::compile(&snapshot).policy;
    let open = ["at web-1 egress: open", "at web-2 egress: open", "at db egress: open"];
    let read = |lines: &[&str]| graphs::graph(&snapshot, &[lines, &open].concat());
    let (before, after) = (read(before), read(after));
    let [before, after] = [&before, &after].map(|graph| Context::new(graph, &compiled, &snapshot));
    assert_eq!(changes::cut_example(rule, &before, &after).as_deref(), expected);
}

#[test]
fn a_protected_list_is_protected_to_its_last_address() {
    let rule = "list:office -> role=db : tcp/22";
    let list = |text: &'static str| [text, "at db ingress: g"];
    let whole = list("ours g: 203.0.113.0/24 tcp/22");
    check_protected(rule, &whole, &whole, None);
    check_protected(rule, &whole, &list("ours g: 203.0.113.0/25+203.0.113.128/25 tcp/22"), None);
    let lost = Some("203.0.113.128 and db on tcp/22 (ingress)");
    check_protected(rule, &whole, &list("ours g: 203.0.113.0/25 tcp/22"), lost);
    let last = Some("203.0.113.255 and db on tcp/22 (ingress)");
    check_protected(rule, &whole, &list("ours g: 203.0.113.0-203.0.113.254 tcp/22"), last);
}

#[test]
fn a_protected_pair_is_protected_whoever_of_a_class_it_is() {
    let rule = "role=web -> role=db : tcp/5432";
    let both = ["ours g: web-1+web-2 tcp/5432", "at db ingress: g"];
    check_protected(rule, &both, &both, None);
    let lost = ["ours g: web-1 tcp/5432", "at db ingress: g"];
    check_protected(rule, &both, &lost, Some("web-2 → db tcp/5432"));
    // Nothing that did not pass before is cut.
    check_protected(rule, &lost, &lost, None);
}

#[test]
fn a_protected_list_covers_interfaces_that_hold_its_addresses() {
    let lines = ["ours g: web-1+web-2 tcp/22", "at db ingress: g"];
    let lost = ["ours g: web-2 tcp/22", "at db ingress: g"];
    check_protected("list:everywhere -> role=db : tcp/22", &lines, &lost, Some("web-1 → db tcp/22"));
}

/// The interfaces that lose all ingress.
fn check_isolated(before: &[&str], after: &[&str], expected: &[&str]) {
    let snapshot = dsl::world(&WORLD);
    let compiled = policy::compile(&snapshot).policy;
    let (before, after) = (graphs::graph(&snapshot, before), graphs::graph(&snapshot, after));
    let [before, after] = [&before, &after].map(|graph| Context::new(graph, &compiled, &snapshot));
    let isolated = changes::compare(&before, &after).isolated;
    assert_eq!(isolated.iter().map(InterfaceId::as_str).collect::<Vec<_>>(), expected);
}

#[test]
fn an_open_network_acl_does_not_hide_that_all_ingress_is_lost() {
    let acl = "foreign acl: 0.0.0.0/0 all";
    let open = ["ours g: web-1 tcp/80", acl, "at db ingress: g | acl"];
    check_isolated(&open, &["ours g: essential", acl, "at db ingress: g | acl"], &["db"]);
    check_isolated(&open, &["ours g: web-2 tcp/80", acl, "at db ingress: g | acl"], &[]);
    let shut = ["ours g: web-1 tcp/80", "foreign acl: block 0.0.0.0/0 all", "at db ingress: g | acl"];
    check_isolated(&open, &shut, &["db"]);
    check_isolated(&shut, &["ours g: essential", acl, "at db ingress: g | acl"], &[]);
}
