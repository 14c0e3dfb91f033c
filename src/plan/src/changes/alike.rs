//! Interfaces that behave alike, so that flows are judged once for all of them.
//!
//! Two interfaces are alike between two states if they have the same class, network and stages in both, are named by the
//! same member lists in both, and the same address sets contain their addresses. Then every flow of one is a flow of
//! the other. What an interface is named by is kept as a sum of well-mixed 128-bit numbers: a collision would
//! take about 2^64 different lists.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use policy::{AddressSet, ClassId, NetworkId};

use super::{addresses, class_of};
use crate::graph::{Entry, FilterGraph, NodeIndex, Peers, Stage};
use crate::prove::Context;

/// Index of a set of interfaces that are alike.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct AtomIndex(u32);

/// The interfaces of two states, by likeness.
pub(super) struct Atoms<'a> {
    before: &'a Context<'a>,
    members: Vec<Vec<NodeIndex>>,
    of: Vec<AtomIndex>,
    /// The atoms that an address set contains an address of, as asked so far.
    named: BTreeMap<&'a AddressSet, Vec<AtomIndex>>,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Key<'a> {
    class: Option<ClassId>,
    network: &'a NetworkId,
    stages: [&'a [Stage]; 4],
    named_by: u128,
    cells: BTreeSet<(bool, u128)>,
}

impl<'a> Atoms<'a> {
    /// Sorts the interfaces of two states of the same estate.
    pub(super) fn new(before: &'a Context<'a>, after: &'a Context<'a>) -> Self {
        let named_by = named_by([before.graph, after.graph]);
        let cells = Cells::new([before.graph, after.graph]);
        let mut by_key: BTreeMap<Key<'_>, Vec<NodeIndex>> = BTreeMap::new();
        for (number, (old, new)) in before.graph.nodes.iter().zip(&after.graph.nodes).enumerate() {
            let node = NodeIndex(number as u32);
            let key = Key {
                class: class_of(before, node),
                network: &old.network,
                stages: [&old.ingress, &old.egress, &new.ingress, &new.egress],
                named_by: named_by[number],
                cells: addresses(before, node).iter().map(|&a| (a.is_ipv6(), cells.of(a))).collect(),
            };
            by_key.entry(key).or_default().push(node);
        }
        let members: Vec<Vec<NodeIndex>> = by_key.into_values().collect();
        let mut of = vec![AtomIndex(0); before.graph.nodes.len()];
        for (atom, nodes) in members.iter().enumerate() {
            nodes.iter().for_each(|node| of[node.0 as usize] = AtomIndex(atom as u32));
        }
        Self { before, members, of, named: BTreeMap::new() }
    }

    /// Every atom.
    pub(super) fn all(&self) -> impl Iterator<Item = AtomIndex> + use<> {
        (0..self.members.len() as u32).map(AtomIndex)
    }

    /// The interfaces of an atom; at least one.
    pub(super) fn members(&self, atom: AtomIndex) -> &[NodeIndex] {
        &self.members[atom.0 as usize]
    }

    /// The atom of an interface.
    pub(super) fn of(&self, node: NodeIndex) -> AtomIndex {
        self.of[node.0 as usize]
    }

    /// The atoms that entries name.
    pub(super) fn named(&mut self, entries: &[&'a Entry]) -> BTreeSet<AtomIndex> {
        let mut named = BTreeSet::new();
        for entry in entries {
            match &entry.peers {
                Peers::Members(nodes) => named.extend(nodes.iter().map(|node| self.of[node.0 as usize])),
                Peers::Addresses(set) => named.extend(self.inside(set)),
            }
        }
        named
    }

    fn inside(&mut self, set: &'a AddressSet) -> &[AtomIndex] {
        let (members, before) = (&self.members, self.before);
        self.named.entry(set).or_insert_with(|| {
            let holds = |nodes: &[NodeIndex]| {
                addresses(before, nodes[0]).iter().any(|address| set.contains(*address))
            };
            let atoms = members.iter().enumerate().filter(|(_, nodes)| holds(nodes));
            atoms.map(|(atom, _)| AtomIndex(atom as u32)).collect()
        })
    }
}

/// For each interface a number that says which member lists name it.
fn named_by(graphs: [&FilterGraph; 2]) -> Vec<u128> {
    let mut sums = vec![0_u128; graphs[0].nodes.len()];
    let mut salt = 0;
    for graph in graphs {
        let lists: BTreeSet<&[NodeIndex]> = entries(graph)
            .filter_map(|entry| match &entry.peers {
                Peers::Members(nodes) => Some(&**nodes),
                Peers::Addresses(_) => None,
            })
            .collect();
        for list in lists {
            salt += 1;
            for node in list {
                let sum = &mut sums[node.0 as usize];
                *sum = sum.wrapping_add(mixed(salt));
            }
        }
    }
    sums
}

fn entries(graph: &FilterGraph) -> impl Iterator<Item = &Entry> {
    graph.lists.iter().flat_map(|list| &list.entries)
}

/// The address line of each family, cut along every address set; each piece with a number that says which sets contain it.
struct Cells {
    v4: Vec<(u32, u128)>,
    v6: Vec<(u128, u128)>,
}

impl Cells {
    fn new(graphs: [&FilterGraph; 2]) -> Self {
        let sets: BTreeSet<&AddressSet> = graphs
            .into_iter()
            .flat_map(entries)
            .filter_map(|entry| match &entry.peers {
                Peers::Addresses(set) => Some(set),
                Peers::Members(_) => None,
            })
            .collect();
        let (mut v4, mut v6) = (BTreeMap::new(), BTreeMap::new());
        for (salt, set) in sets.into_iter().enumerate() {
            let number = mixed(salt as u128 + 1);
            for &(first, last) in set.v4().ranges() {
                note(&mut v4, first, last.checked_add(1), number);
            }
            for &(first, last) in set.v6().ranges() {
                note(&mut v6, first, last.checked_add(1), number);
            }
        }
        Self { v4: summed(v4), v6: summed(v6) }
    }

    fn of(&self, address: IpAddr) -> u128 {
        match address {
            IpAddr::V4(address) => at(&self.v4, address.to_bits()),
            IpAddr::V6(address) => at(&self.v6, address.to_bits()),
        }
    }
}

fn note<T: Ord>(deltas: &mut BTreeMap<T, u128>, first: T, end: Option<T>, number: u128) {
    let start = deltas.entry(first).or_default();
    *start = start.wrapping_add(number);
    if let Some(end) = end {
        let stop = deltas.entry(end).or_default();
        *stop = stop.wrapping_sub(number);
    }
}

fn summed<T>(deltas: BTreeMap<T, u128>) -> Vec<(T, u128)> {
    let mut sum = 0_u128;
    let running = deltas.into_iter().map(|(at, delta)| {
        sum = sum.wrapping_add(delta);
        (at, sum)
    });
    running.collect()
}

fn at<T: Ord + Copy>(pieces: &[(T, u128)], point: T) -> u128 {
    let after = pieces.partition_point(|(start, _)| *start <= point);
    after.checked_sub(1).and_then(|piece| pieces.get(piece)).map_or(0, |(_, sum)| *sum)
}

/// A 128-bit number for each salt (twice the finaliser of SplitMix64, Steele and others 2014).
fn mixed(salt: u128) -> u128 {
    let finalise = |mut z: u64| {
        z = z.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    let salt = salt as u64;
    u128::from(finalise(salt)) << 64 | u128::from(finalise(!salt))
}
