//! Who may talk to whom before and after, by labels: what opens and what closes.
//!
//! Works on two filter graphs of the same interfaces. Only ends whose entries differ are looked at, and of
//! their peers only those that a differing entry names; each flow is then judged at both ends. Interfaces that
//! are alike are judged once.

mod alike;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use policy::compiled::essential_services;
use policy::{AddressSet, ClassId, InterfaceId, ServiceSet};

use crate::graph::{Effect, Entry, FilterGraph, NodeIndex, Peers};
use crate::plan::Change;
use crate::prove::foreign::passes;
use crate::prove::{Context, address_outside, universe};
use crate::scope::Direction;
use alike::{AtomIndex, Atoms};

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
            let differing = differing_entries(before.graph, after.graph, atoms.members(own)[0], direction);
            if differing.is_empty() {
                continue;
            }
            for peer in atoms.named(&differing) {
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
            let services = key.services.to_string();
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

fn entries_at(graph: &FilterGraph, own: NodeIndex, direction: Direction) -> Vec<&Entry> {
    let node = &graph.nodes[own.0 as usize];
    let stages = if direction == Direction::Ingress { &node.ingress } else { &node.egress };
    let lists = stages.iter().flat_map(|stage| &stage.lists).map(|&list| &graph.lists[list as usize]);
    lists.flat_map(|list| &list.entries).collect()
}

/// Entries that only one of the two states has at an end; those that only let essential services pass tell nobody anything.
fn differing_entries<'a>(
    before: &'a FilterGraph,
    after: &'a FilterGraph,
    own: NodeIndex,
    direction: Direction,
) -> Vec<&'a Entry> {
    let (old, new) = (entries_at(before, own, direction), entries_at(after, own, direction));
    let same = |a: &Entry, b: &Entry| a.effect == b.effect && a.services == b.services && a.peers == b.peers;
    let missing = |entry: &&&Entry, others: &[&Entry]| !others.iter().any(|other| same(entry, other));
    let gone = old.iter().filter(|entry| missing(entry, &new)).copied();
    let come = new.iter().filter(|entry| missing(entry, &old)).copied();
    let telling =
        |entry: &&Entry| entry.effect == Effect::Block || !entry.services.is_subset(&essential_services());
    gone.chain(come).filter(telling).collect()
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
    let stages = if direction == Direction::Ingress { &node.ingress } else { &node.egress };
    let mut passed = universe(address);
    for stage in stages {
        let union = stage.lists.iter().map(|&list| &context.graph.lists[list as usize]).fold(ServiceSet::empty(), |sum, list| {
            let by_address = passes(list, address);
            let by_member = list.entries.iter().filter(|entry| {
                entry.effect == Effect::Permit
                    && matches!((&entry.peers, peer), (Peers::Members(nodes), Some(peer)) if nodes.binary_search(&peer).is_ok())
            });
            by_member.fold(sum.union(&by_address), |sum, entry| sum.union(&entry.services))
        });
        passed = passed.intersection(&union);
    }
    passed
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
    (differing, known): (&[&Entry], &mut Known),
    outside: &mut Outside,
) {
    let own = owns[0];
    let Some(class) = class_of(before, own) else { return };
    let sets: Vec<&AddressSet> = differing
        .iter()
        .filter_map(|entry| match &entry.peers {
            Peers::Addresses(set) => Some(set),
            Peers::Members(_) => None,
        })
        .collect();
    let whole = sets.iter().fold(AddressSet::empty(), |sum, set| sum.union(set));
    let mut pieces = vec![whole];
    let all =
        entries_at(before.graph, own, direction).into_iter().chain(entries_at(after.graph, own, direction));
    let cuts: BTreeSet<&AddressSet> = all
        .filter_map(|entry| match &entry.peers {
            Peers::Addresses(set) => Some(set),
            Peers::Members(_) => None,
        })
        .collect();
    for cut in cuts {
        pieces = pieces
            .into_iter()
            .flat_map(|piece| [piece.intersection(cut), piece.difference(cut)])
            .filter(|p| !p.is_empty())
            .collect();
    }
    for piece in pieces.iter().flat_map(split_families) {
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

fn split_families(set: &AddressSet) -> Vec<AddressSet> {
    let v4 = AddressSet::from_parts(set.v4().clone(), policy::RangeSet::default());
    let v6 = AddressSet::from_parts(policy::RangeSet::default(), set.v6().clone());
    [v4, v6].into_iter().filter(|part| !part.is_empty()).collect()
}

/// Whether an end let anything in before, essential services aside, and lets nothing in after.
fn lost_all_ingress(before: &Context<'_>, after: &Context<'_>, own: NodeIndex) -> bool {
    let lets_in = |context: &Context<'_>| {
        entries_at(context.graph, own, Direction::Ingress).iter().any(|entry| {
            let peers = match &entry.peers {
                Peers::Addresses(set) => !set.is_empty(),
                Peers::Members(nodes) => nodes.iter().any(|node| *node != own),
            };
            entry.effect == Effect::Permit && peers && !entry.services.is_subset(&essential_services())
        })
    };
    lets_in(before) && !lets_in(after)
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

/// One flow of a protected rule that passes before and not after, for people.
pub fn cut_example(rule: &policy::Rule, before: &Context<'_>, after: &Context<'_>) -> Option<String> {
    let policy = &before.snapshot.policy;
    let (sources, destinations) =
        (sides(rule, &rule.sources, before), sides(rule, &rule.destinations, before));
    let cut = |old: ServiceSet, new: ServiceSet| old.intersection(&rule.services).difference(&new).first();
    let name = |node: &NodeIndex| before.graph.nodes[node.0 as usize].interface.to_string();
    for source in &sources {
        for destination in destinations.iter().filter(|destination| *destination != source) {
            let flow = (*source, *destination);
            if let Some(service) = cut(flow_services(before, flow), flow_services(after, flow)) {
                return Some(format!("{} → {} {service}", name(source), name(destination)));
            }
        }
    }
    let listed = |actors: &[policy::Actor]| -> AddressSet {
        let lists = actors.iter().filter_map(|actor| match actor {
            policy::Actor::IpList(name) => policy.ip_lists.get(name),
            _ => None,
        });
        lists.fold(AddressSet::empty(), |sum, list| sum.union(&list.addresses))
    };
    for (owns, addresses, direction) in [
        (&destinations, listed(&rule.sources), Direction::Ingress),
        (&sources, listed(&rule.destinations), Direction::Egress),
    ] {
        for (own, piece) in
            owns.iter().flat_map(|own| split_families(&addresses).into_iter().map(move |piece| (own, piece)))
        {
            let Some(address) = piece.first() else { continue };
            let at = |context: &Context<'_>| admitted(context, *own, direction, None, address);
            if let Some(service) = cut(at(before), at(after)) {
                return Some(format!("{address} and {} on {service} ({direction})", name(own)));
            }
        }
    }
    None
}

/// The interfaces that one side of a protected rule names by label or identity.
fn sides(rule: &policy::Rule, actors: &[policy::Actor], context: &Context<'_>) -> Vec<NodeIndex> {
    let named = policy::compile::selects(&context.snapshot.policy, actors);
    let nodes = context.graph.nodes.iter().enumerate().filter(|(_, node)| {
        let place = context.places.get(&node.interface);
        place.is_some_and(|place| {
            named.iter().any(|s| s.matches(&context.snapshot.workloads[place.workload as usize]))
        })
    });
    debug_assert!(!rule.services.is_empty());
    nodes.map(|(number, _)| NodeIndex(number as u32)).collect()
}
