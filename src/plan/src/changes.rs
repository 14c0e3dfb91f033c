//! Who may talk to whom before and after, by labels: what opens and what closes.
//!
//! Works on two filter graphs of the same interfaces. Only ends whose entries differ are looked at, and of
//! their peers only those that a differing entry names; each flow is then judged at both ends. Interfaces that
//! are alike are judged once.

mod alike;
mod protected;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use policy::compiled::essential_services;
use policy::{AddressSet, ClassId, InterfaceId, ServiceSet};

use crate::graph::{Effect, Entry, FilterGraph, NodeIndex, Peers, Stage};
use crate::plan::Change;
use crate::prove::{Context, address_outside, first_match, universe};
use crate::scope::Direction;
use alike::{AtomIndex, Atoms};

pub use protected::cut_example;

/// What changes between two states.
#[derive(Clone, Debug, Default)]
pub struct Reach {
    /// By labels, sorted: closing lines first.
    pub lines: Vec<Change>,
    /// Interfaces that lose an allowed peer.
    pub losers: BTreeSet<InterfaceId>,
    /// Interfaces that had ingress and have none.
    pub isolated: BTreeSet<InterfaceId>,
}

/// One line before it is counted.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    opens: bool,
    source: String,
    destination: String,
    services: ServiceSet,
}

/// Compares two states. Linear in differing entries × what is alike behind them, not × interfaces.
pub fn compare<'a>(before: &'a Context<'a>, after: &'a Context<'a>) -> Reach {
    let mut reach = Reach::default();
    let mut atoms = Atoms::new(before, after);
    let mut flows: BTreeSet<(AtomIndex, AtomIndex)> = BTreeSet::new();
    let mut outside = Outside::new();
    let mut known = Known::new(before);
    for own in atoms.all() {
        for direction in [Direction::Ingress, Direction::Egress] {
            let differing = Differing::at(before.graph, after.graph, atoms.members(own)[0], direction);
            if differing.is_nowhere() {
                continue;
            }
            let peers = match &differing {
                Differing::Entries(entries) => atoms.named(entries),
                Differing::Everywhere => atoms.all().collect(),
            };
            for peer in peers {
                flows.insert(if direction == Direction::Ingress { (peer, own) } else { (own, peer) });
            }
            let owns = atoms.members(own);
            compare_outside(before, after, (owns, direction), (&differing, &mut known), &mut outside);
            if direction == Direction::Ingress && lost_all_ingress(before, after, owns[0]) {
                reach.isolated.extend(interfaces(before, owns));
            }
        }
    }
    let mut counted: BTreeMap<Key, u64> = BTreeMap::new();
    for (source, destination) in flows {
        let ends = (atoms.members(source), atoms.members(destination));
        compare_flow(before, after, ends, &mut counted, &mut reach.losers);
    }
    for ((opens, direction, class, services), (addresses, owns)) in outside {
        if !opens {
            reach.losers.extend(interfaces(before, owns.iter()));
        }
        let own = before.compiled.class(class).description.clone();
        let peer = name_addresses(before, &addresses.difference(&known.held), &known.held);
        let (source, destination) = if direction == Direction::Ingress { (peer, own) } else { (own, peer) };
        *counted.entry(Key { opens, source, destination, services }).or_default() += owns.len() as u64;
    }
    reach.lines = counted
        .into_iter()
        .map(|(key, pairs)| {
            let services = key.services.words();
            Change {
                opens: key.opens,
                source: key.source,
                destination: key.destination,
                services,
                pairs,
                rules: Vec::new(),
            }
        })
        .collect();
    reach
}

/// The interfaces behind some nodes.
fn interfaces<'a>(
    context: &'a Context<'_>,
    nodes: impl IntoIterator<Item = &'a NodeIndex>,
) -> impl Iterator<Item = InterfaceId> {
    nodes.into_iter().map(|node| context.graph.nodes[node.0 as usize].interface.clone())
}

/// The addresses that interfaces hold.
struct Known {
    held: AddressSet,
    /// The first address of a set that nobody holds, as asked so far.
    outside: BTreeMap<AddressSet, Option<IpAddr>>,
}

impl Known {
    fn new(context: &Context<'_>) -> Self {
        let held = context.snapshot.interfaces().flat_map(|(_, _, i)| i.addresses.iter().copied()).collect();
        Self { held, outside: BTreeMap::new() }
    }

    fn outside(&mut self, set: &AddressSet) -> Option<IpAddr> {
        if let Some(&known) = self.outside.get(set) {
            return known;
        }
        let first = address_outside(set, &self.held);
        self.outside.insert(set.clone(), first);
        first
    }
}

fn class_of(context: &Context<'_>, node: NodeIndex) -> Option<ClassId> {
    let place = context.places.get(&context.graph.nodes[node.0 as usize].interface)?;
    Some(context.compiled.class_of[place.workload as usize])
}

fn stages_at(graph: &FilterGraph, own: NodeIndex, direction: Direction) -> &[Stage] {
    let node = &graph.nodes[own.0 as usize];
    if direction == Direction::Ingress { &node.ingress } else { &node.egress }
}

fn entries_of<'a>(graph: &'a FilterGraph, stage: &'a Stage) -> impl Iterator<Item = &'a Entry> {
    stage.lists.iter().flat_map(|&list| &graph.lists[list as usize].entries)
}

fn entries_at(graph: &FilterGraph, own: NodeIndex, direction: Direction) -> impl Iterator<Item = &Entry> {
    stages_at(graph, own, direction).iter().flat_map(|stage| entries_of(graph, stage))
}

/// Where an end may treat packets differently in two states.
enum Differing<'a> {
    /// Wherever one of these entries matches.
    Entries(Vec<&'a Entry>),
    /// Anywhere.
    Everywhere,
}

impl<'a> Differing<'a> {
    fn at(before: &'a FilterGraph, after: &'a FilterGraph, own: NodeIndex, direction: Direction) -> Self {
        let (old, new) = (stages_at(before, own, direction), stages_at(after, own, direction));
        if old.len() != new.len() {
            return Self::Everywhere;
        }
        let mut differing = Vec::new();
        for (old, new) in old.iter().zip(new) {
            let lists = |graph: &'a FilterGraph, stage: &Stage| -> Vec<&'a [Entry]> {
                stage.lists.iter().map(|&list| graph.lists[list as usize].entries.as_slice()).collect()
            };
            if lists(before, old) == lists(after, new) {
                continue;
            }
            let (old, new): (Vec<_>, Vec<_>) =
                (entries_of(before, old).collect(), entries_of(after, new).collect());
            // Where something blocks, order counts and what stays the same may come to decide.
            if old.iter().chain(&new).any(|entry| entry.effect == Effect::Block) {
                return Self::Everywhere;
            }
            differing.extend(one_sided(&old, &new));
        }
        Self::Entries(differing)
    }

    fn is_nowhere(&self) -> bool {
        matches!(self, Self::Entries(entries) if entries.is_empty())
    }

    fn addresses(&self) -> AddressSet {
        match self {
            Self::Everywhere => AddressSet::any(),
            Self::Entries(entries) => {
                let sets = entries.iter().filter_map(|entry| match &entry.peers {
                    Peers::Addresses(set) => Some(set),
                    Peers::Members(_) => None,
                });
                sets.fold(AddressSet::empty(), |sum, set| sum.union(set))
            }
        }
    }
}

/// Entries of one stage that only one of the two states has; those that only let essential services pass tell nobody
/// anything.
fn one_sided<'a>(old: &[&'a Entry], new: &[&'a Entry]) -> Vec<&'a Entry> {
    let same = |a: &Entry, b: &Entry| a.services == b.services && a.peers == b.peers;
    let missing = |entry: &&&Entry, others: &[&Entry]| !others.iter().any(|other| same(entry, other));
    let gone = old.iter().filter(|entry| missing(entry, new)).copied();
    let come = new.iter().filter(|entry| missing(entry, old)).copied();
    gone.chain(come).filter(|entry| !entry.services.is_subset(&essential_services())).collect()
}

fn addresses<'a>(context: &Context<'a>, node: NodeIndex) -> &'a [IpAddr] {
    let place = context.places.get(&context.graph.nodes[node.0 as usize].interface);
    place.map(|&place| context.directory.interface(place).addresses.as_slice()).unwrap_or_default()
}

/// What every stage of an end lets pass to or from a peer.
fn admitted(
    context: &Context<'_>,
    own: NodeIndex,
    direction: Direction,
    peer: Option<NodeIndex>,
    address: IpAddr,
) -> ServiceSet {
    let node = &context.graph.nodes[own.0 as usize];
    let matches = |entry: &&Entry| match (&entry.peers, peer) {
        (Peers::Addresses(set), _) => set.contains(address),
        (Peers::Members(nodes), Some(peer)) => {
            let there = &context.graph.nodes[peer.0 as usize].network;
            nodes.binary_search(&peer).is_ok() && context.snapshot.connected(&node.network, there)
        }
        (Peers::Members(_), None) => false,
    };
    stages_at(context.graph, own, direction).iter().fold(universe(address), |passed, stage| {
        let lists = stage.lists.iter().map(|&list| &context.graph.lists[list as usize].entries);
        let union =
            lists.fold(ServiceSet::empty(), |sum, list| sum.union(&first_match(list.iter().filter(matches))));
        passed.intersection(&union)
    })
}

fn flow_services(context: &Context<'_>, flow: (NodeIndex, NodeIndex)) -> ServiceSet {
    let mut total = ServiceSet::empty();
    for &from in addresses(context, flow.0) {
        for &to in addresses(context, flow.1).iter().filter(|to| to.is_ipv6() == from.is_ipv6()) {
            let egress = admitted(context, flow.0, Direction::Egress, Some(flow.1), to);
            let ingress = admitted(context, flow.1, Direction::Ingress, Some(flow.0), from);
            total = total.union(&egress.intersection(&ingress));
        }
    }
    total.difference(&essential_services())
}

/// Compares the flows between the interfaces of two atoms, by one of them.
fn compare_flow(
    before: &Context<'_>,
    after: &Context<'_>,
    (sources, destinations): (&[NodeIndex], &[NodeIndex]),
    counted: &mut BTreeMap<Key, u64>,
    losers: &mut BTreeSet<InterfaceId>,
) {
    let within = sources == destinations;
    let Some(&other) = (if within { destinations.get(1) } else { destinations.first() }) else { return };
    let flow = (sources[0], other);
    let (Some(source), Some(destination)) = (class_of(before, flow.0), class_of(before, flow.1)) else {
        return;
    };
    let pairs = sources.len() as u64 * (destinations.len() - usize::from(within)) as u64;
    let (old, new) = (flow_services(before, flow), flow_services(after, flow));
    for (opens, services) in [(false, old.difference(&new)), (true, new.difference(&old))] {
        if services.is_empty() {
            continue;
        }
        if !opens {
            losers.extend(interfaces(before, sources.iter().chain(destinations)));
        }
        let describe = |class: ClassId| before.compiled.class(class).description.clone();
        let key = Key { opens, source: describe(source), destination: describe(destination), services };
        *counted.entry(key).or_default() += pairs;
    }
}

type Outside = BTreeMap<(bool, Direction, ClassId, ServiceSet), (AddressSet, BTreeSet<NodeIndex>)>;

fn compare_outside(
    before: &Context<'_>,
    after: &Context<'_>,
    (owns, direction): (&[NodeIndex], Direction),
    (differing, known): (&Differing<'_>, &mut Known),
    outside: &mut Outside,
) {
    let own = owns[0];
    let Some(class) = class_of(before, own) else { return };
    for piece in alike_addresses(before, after, (own, direction), differing.addresses()) {
        let Some(address) = known.outside(&piece) else { continue };
        let of = |context: &Context<'_>| {
            admitted(context, own, direction, None, address).difference(&essential_services())
        };
        let (old, new) = (of(before), of(after));
        for (opens, services) in [(false, old.difference(&new)), (true, new.difference(&old))] {
            if !services.is_empty() {
                let entry = outside.entry((opens, direction, class, services)).or_default();
                entry.0 = entry.0.union(&piece);
                entry.1.extend(owns);
            }
        }
    }
}

/// A set cut into pieces of one family, in each of which no entry of an end tells addresses apart.
fn alike_addresses(
    before: &Context<'_>,
    after: &Context<'_>,
    (own, direction): (NodeIndex, Direction),
    whole: AddressSet,
) -> Vec<AddressSet> {
    let entries = [before, after].into_iter().flat_map(|context| entries_at(context.graph, own, direction));
    let cuts: BTreeSet<&AddressSet> = entries
        .filter_map(|entry| match &entry.peers {
            Peers::Addresses(set) => Some(set),
            Peers::Members(_) => None,
        })
        .collect();
    let mut pieces = vec![whole];
    for cut in cuts {
        let halves = |piece: AddressSet| [piece.intersection(cut), piece.difference(cut)];
        pieces = pieces.into_iter().flat_map(halves).filter(|p| !p.is_empty()).collect();
    }
    pieces.iter().flat_map(split_families).collect()
}

fn split_families(set: &AddressSet) -> Vec<AddressSet> {
    let v4 = AddressSet::from_parts(set.v4().clone(), policy::RangeSet::default());
    let v6 = AddressSet::from_parts(policy::RangeSet::default(), set.v6().clone());
    [v4, v6].into_iter().filter(|part| !part.is_empty()).collect()
}

/// Whether an end let anything in before, essential services aside, and lets nothing in after.
fn lost_all_ingress(before: &Context<'_>, after: &Context<'_>, own: NodeIndex) -> bool {
    lets_in(before, own) && !lets_in(after, own)
}

/// Whether every stage of an end lets something in: one that lets nothing in is enough to be cut off.
fn lets_in(context: &Context<'_>, own: NodeIndex) -> bool {
    let permits = |entry: &Entry| {
        let peers = match &entry.peers {
            Peers::Addresses(set) => !set.is_empty(),
            Peers::Members(nodes) => nodes.iter().any(|node| *node != own),
        };
        entry.effect == Effect::Permit && peers && !entry.services.is_subset(&essential_services())
    };
    stages_at(context.graph, own, Direction::Ingress)
        .iter()
        .all(|stage| entries_of(context.graph, stage).any(permits))
}

/// An address set by the name of the IP list that it equals (known interfaces aside), or by its blocks.
fn name_addresses(context: &Context<'_>, addresses: &AddressSet, known: &AddressSet) -> String {
    const BLOCKS_MAX: usize = 3;
    if *addresses == AddressSet::any().difference(known) {
        return "anywhere outside".to_owned();
    }
    let lists = &context.snapshot.policy.ip_lists;
    if let Some((name, _)) = lists.iter().find(|(_, list)| list.addresses.difference(known) == *addresses) {
        return format!("list {name}");
    }
    let blocks = addresses.to_cidrs();
    let shown: Vec<String> = blocks.iter().take(BLOCKS_MAX).map(ToString::to_string).collect();
    let rest = blocks.len().saturating_sub(BLOCKS_MAX);
    if rest == 0 { shown.join(", ") } else { format!("{} and {rest} more blocks", shown.join(", ")) }
}
