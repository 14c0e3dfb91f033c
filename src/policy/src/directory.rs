//! Who holds an address, as seen from a network: the view rules of [`crate::snapshot`], indexed.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use rustc_hash::FxHashMap;

use crate::address::AddressSet;
use crate::name::NetworkId;
use crate::snapshot::Snapshot;
use crate::workload::Interface;

/// An interface by its place in the snapshot.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Place {
    /// Index into [`Snapshot::workloads`].
    pub workload: u32,
    /// Index into the workload's interfaces.
    pub interface: u32,
}

/// What an address is taken for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum View {
    /// This interface.
    Interface(Place),
    /// An address inside the blocks of the viewing network or its peers that nobody known holds.
    Shadowed,
    /// Held more than once in reach, or more than once elsewhere: nobody can tell which is meant.
    Ambiguous,
    /// Outside everything known.
    External,
}

/// Every address with its holders, for lookups in hash time.
pub struct AddressDirectory<'a> {
    snapshot: &'a Snapshot,
    /// The first holder of each address: most have one.
    first: FxHashMap<IpAddr, Place>,
    /// The further ones.
    others: FxHashMap<IpAddr, Vec<Place>>,
    local_blocks: FxHashMap<&'a NetworkId, AddressSet>,
}

impl<'a> AddressDirectory<'a> {
    /// Indexes a snapshot; linear in addresses.
    pub fn new(snapshot: &'a Snapshot) -> Self {
        let mut first: FxHashMap<IpAddr, Place> = FxHashMap::default();
        let mut others: FxHashMap<IpAddr, Vec<Place>> = FxHashMap::default();
        first.reserve(snapshot.workloads.len());
        for (w, workload) in snapshot.workloads.iter().enumerate() {
            for (i, interface) in workload.interfaces.iter().enumerate() {
                let place = Place { workload: w as u32, interface: i as u32 };
                for &address in &interface.addresses {
                    // An inventory may name the same address of an interface twice.
                    let known = *first.entry(address).or_insert(place);
                    if known != place && others.get(&address).and_then(|places| places.last()) != Some(&place)
                    {
                        others.entry(address).or_default().push(place);
                    }
                }
            }
        }
        let local_blocks = snapshot.networks.values().map(|network| {
            let reached = network.peers.iter().filter_map(|peer| snapshot.networks.get(peer));
            let blocks = std::iter::once(network).chain(reached).flat_map(|n| n.cidrs.iter().copied());
            (&network.id, blocks.collect())
        });
        Self { snapshot, first, others, local_blocks: local_blocks.collect() }
    }

    /// The interface at a place.
    pub fn interface(&self, place: Place) -> &'a Interface {
        &self.snapshot.workloads[place.workload as usize].interfaces[place.interface as usize]
    }

    /// What `address` is taken for, seen from `network` (`None`: from outside every network).
    pub fn holder(&self, network: Option<&NetworkId>, address: IpAddr) -> View {
        let Some(&first) = self.first.get(&address) else { return self.unheld(network, address) };
        let others = self.others.get(&address).map_or(&[][..], Vec::as_slice);
        if let Some(network) = network {
            let reached = |place: &Place| {
                let there = self.interface(*place).network.as_ref();
                there.is_some_and(|there| self.snapshot.connected(network, there))
            };
            let mut in_reach = std::iter::once(first).chain(others.iter().copied()).filter(reached);
            match (in_reach.next(), in_reach.next()) {
                (Some(only), None) => return View::Interface(only),
                // A clash that blocks the plan; until it is solved no identity rule matches.
                (Some(_), Some(_)) => return View::Ambiguous,
                (None, _) => {}
            }
            if self.is_local(network, address) {
                return View::Shadowed;
            }
        }
        if others.is_empty() { View::Interface(first) } else { View::Ambiguous }
    }

    fn unheld(&self, network: Option<&NetworkId>, address: IpAddr) -> View {
        let is_local = network.is_some_and(|network| self.is_local(network, address));
        if is_local { View::Shadowed } else { View::External }
    }

    fn is_local(&self, network: &NetworkId, address: IpAddr) -> bool {
        self.local_blocks.get(network).is_some_and(|blocks| blocks.contains(address))
    }

    /// The addresses of an interface that are seen as that interface from `network`.
    pub fn visible_addresses(&self, network: Option<&NetworkId>, place: Place) -> Vec<IpAddr> {
        let seen = |address: &&IpAddr| self.holder(network, **address) == View::Interface(place);
        self.interface(place).addresses.iter().filter(seen).copied().collect()
    }

    /// Addresses that two interfaces claim inside one network or two connected ones, with the claimants. Of
    /// many claimants of one address in one network the first is paired with each other one.
    pub fn claimed_twice(&self) -> BTreeSet<(IpAddr, Place, Place)> {
        let mut clashes = BTreeSet::new();
        for (address, by_network) in self.shared() {
            for (&network, places) in &by_network {
                let Some((&first, others)) = places.split_first() else { continue };
                clashes.extend(others.iter().map(|&other| (address, first, other)));
                let peers = network.and_then(|id| self.snapshot.networks.get(id)).map(|n| &n.peers);
                for peer in peers.into_iter().flatten().filter(|peer| network < Some(*peer)) {
                    let there = by_network.get(&Some(peer)).and_then(|places| places.first());
                    clashes.extend(there.map(|&there| (address, first.min(there), first.max(there))));
                }
            }
        }
        clashes
    }

    /// How many addresses are held in two networks that are not connected: seen from a third network nobody
    /// can tell which holder is meant.
    pub fn ambiguous_count(&self) -> usize {
        let connected = |a: &Option<&NetworkId>, b: &Option<&NetworkId>| match (a, b) {
            (Some(a), Some(b)) => self.snapshot.connected(a, b),
            _ => false,
        };
        let apart = |networks: &[Option<&NetworkId>]| {
            let rest = |n: usize| networks.iter().skip(n + 1);
            networks.iter().enumerate().any(|(n, a)| rest(n).any(|b| !connected(a, b)))
        };
        let networks = self.shared().map(|(_, by_network)| by_network.into_keys().collect::<Vec<_>>());
        networks.filter(|networks| apart(networks)).count()
    }

    /// Addresses with more than one holder, holders by network.
    fn shared(&self) -> impl Iterator<Item = (IpAddr, BTreeMap<Option<&'a NetworkId>, Vec<Place>>)> {
        self.others.iter().map(|(&address, others)| {
            let mut by_network: BTreeMap<_, Vec<Place>> = BTreeMap::new();
            for place in self.first.get(&address).copied().into_iter().chain(others.iter().copied()) {
                by_network.entry(self.interface(place).network.as_ref()).or_default().push(place);
            }
            (address, by_network)
        })
    }
}
