//! Long member lists, such as a VPC's default group: their members are not looked at one by one at every end.
//!
//! Interfaces of one network that the same long lists name form a *crowd*. At an end whoever is in a crowd, and is named by
//! nothing else there, looks like everybody of it with an address in the same cell: two of each cell stand for all.

use std::collections::BTreeMap;
use std::net::IpAddr;

use policy::{AddressDirectory, NetworkId, Place};
use rustc_hash::FxHashMap;

use crate::graph::{FilterGraph, NodeIndex, Peers};

/// Lists with fewer members are read member by member.
pub(crate) const LONG_MIN: usize = 64;

/// The crowds of a graph.
#[derive(Default)]
pub(crate) struct Bulk<'a> {
    /// By where the members are: entries share a list of members, and to hash a long one at every end would cost its length.
    lists: FxHashMap<*const NodeIndex, u32>,
    crowds: Vec<Crowd<'a>>,
    of: FxHashMap<Place, u32>,
}

/// Interfaces of one network that the same long lists name.
pub(crate) struct Crowd<'a> {
    pub(crate) network: &'a NetworkId,
    /// The lists, sorted.
    pub(crate) lists: Vec<u32>,
    /// Their addresses, sorted.
    seats: Vec<(IpAddr, Place)>,
}

impl<'a> Bulk<'a> {
    /// Finds the lists with at least so many members. Linear in them.
    pub(crate) fn new(
        graph: &'a FilterGraph,
        place_of: &[Option<Place>],
        directory: &AddressDirectory<'_>,
        long_min: usize,
    ) -> Self {
        let mut bulk = Self::default();
        let mut named_by: BTreeMap<NodeIndex, Vec<u32>> = BTreeMap::new();
        let mut numbers: FxHashMap<&[NodeIndex], u32> = FxHashMap::default();
        for entry in graph.lists.iter().flat_map(|list| &list.entries) {
            let Peers::Members(nodes) = &entry.peers else { continue };
            if nodes.len() < long_min || bulk.lists.contains_key(&nodes.as_ptr()) {
                continue;
            }
            let next = numbers.len() as u32;
            let number = *numbers.entry(nodes).or_insert_with(|| {
                nodes.iter().for_each(|node| named_by.entry(*node).or_default().push(next));
                next
            });
            bulk.lists.insert(nodes.as_ptr(), number);
        }
        let mut crowds: BTreeMap<(&NetworkId, Vec<u32>), Vec<Place>> = BTreeMap::new();
        for (node, lists) in named_by {
            let network = &graph.nodes[node.0 as usize].network;
            crowds.entry((network, lists)).or_default().extend(place_of[node.0 as usize]);
        }
        for ((network, lists), places) in crowds {
            let number = bulk.crowds.len() as u32;
            bulk.of.extend(places.iter().map(|place| (*place, number)));
            let mut seats: Vec<(IpAddr, Place)> = Vec::new();
            for place in places {
                seats.extend(directory.interface(place).addresses.iter().map(|address| (*address, place)));
            }
            seats.sort_unstable();
            bulk.crowds.push(Crowd { network, lists, seats });
        }
        bulk
    }

    /// The number of a list of the graph, if it is a long one.
    pub(crate) fn list(&self, nodes: &[NodeIndex]) -> Option<u32> {
        self.lists.get(&nodes.as_ptr()).copied()
    }

    pub(crate) fn crowds(&self) -> &[Crowd<'a>] {
        &self.crowds
    }

    /// The number of the crowd that an interface is in.
    pub(crate) fn crowd_of(&self, place: Place) -> Option<usize> {
        self.of.get(&place).map(|&number| number as usize)
    }
}

impl Crowd<'_> {
    /// The seats from the first address on, before the end.
    pub(crate) fn between(
        &self,
        first: IpAddr,
        end: Option<IpAddr>,
    ) -> impl Iterator<Item = (IpAddr, Place)> + '_ {
        let from = self.seats.partition_point(|(address, _)| *address < first);
        let seats = self.seats.get(from..).unwrap_or_default().iter().copied();
        seats.take_while(move |(address, _)| end.is_none_or(|end| *address < end))
    }
}
