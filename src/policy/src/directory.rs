//! Who holds an address, as seen from a network: the view rules of [`crate::snapshot`], indexed.

use std::collections::BTreeSet;
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
    /// Held in more than one unconnected network: nobody can tell which is meant.
    Ambiguous,
    /// Outside everything known.
    External,
}

/// Every address with its holders, for lookups in hash time.
pub struct AddressDirectory<'a> {
    snapshot: &'a Snapshot,
    holders: FxHashMap<IpAddr, Vec<Place>>,
    local_blocks: FxHashMap<&'a NetworkId, AddressSet>,
}

impl<'a> AddressDirectory<'a> {
    /// Indexes a snapshot; linear in addresses.
    pub fn new(snapshot: &'a Snapshot) -> Self {
        let mut holders: FxHashMap<IpAddr, Vec<Place>> = FxHashMap::default();
        for (w, workload) in snapshot.workloads.iter().enumerate() {
            for (i, interface) in workload.interfaces.iter().enumerate() {
                for &address in &interface.addresses {
                    holders
                        .entry(address)
                        .or_default()
                        .push(Place { workload: w as u32, interface: i as u32 });
                }
            }
        }
        let local_blocks = snapshot.networks.values().map(|network| {
            let reached = network.peers.iter().filter_map(|peer| snapshot.networks.get(peer));
            let blocks = std::iter::once(network).chain(reached).flat_map(|n| n.cidrs.iter().copied());
            (&network.id, blocks.collect())
        });
        Self { snapshot, holders, local_blocks: local_blocks.collect() }
    }

    /// The interface at a place.
    pub fn interface(&self, place: Place) -> &'a Interface {
        &self.snapshot.workloads[place.workload as usize].interfaces[place.interface as usize]
    }

    /// What `address` is taken for, seen from `network` (`None`: from outside every network).
    pub fn holder(&self, network: Option<&NetworkId>, address: IpAddr) -> View {
        let holders = self.holders.get(&address).map_or(&[][..], Vec::as_slice);
        if let Some(network) = network {
            let reached = |place: &&Place| {
                let there = self.interface(**place).network.as_ref();
                there.is_some_and(|there| self.snapshot.connected(network, there))
            };
            if let Some(&place) = holders.iter().find(reached) {
                return View::Interface(place);
            }
            if self.local_blocks.get(network).is_some_and(|blocks| blocks.contains(address)) {
                return View::Shadowed;
            }
        }
        match holders {
            [] => View::External,
            [only] => View::Interface(*only),
            _ => View::Ambiguous,
        }
    }

    /// The addresses of an interface that are seen as that interface from `network`.
    pub fn visible_addresses(&self, network: Option<&NetworkId>, place: Place) -> Vec<IpAddr> {
        let seen = |address: &&IpAddr| self.holder(network, **address) == View::Interface(place);
        self.interface(place).addresses.iter().filter(seen).copied().collect()
    }

    /// Addresses that two interfaces claim inside one network or two connected ones, with the claimants.
    pub fn claimed_twice(&self) -> BTreeSet<(IpAddr, Place, Place)> {
        let mut clashes = BTreeSet::new();
        for (&address, holders) in &self.holders {
            for (n, &a) in holders.iter().enumerate() {
                for &b in &holders[n + 1..] {
                    let networks = (&self.interface(a).network, &self.interface(b).network);
                    let clash = match networks {
                        (Some(here), Some(there)) => self.snapshot.connected(here, there),
                        (None, None) => true,
                        _ => false,
                    };
                    if clash {
                        clashes.insert((address, a, b));
                    }
                }
            }
        }
        clashes
    }
}
