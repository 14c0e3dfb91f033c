//! What becomes of addresses on the way between networks that are not connected, indexed.

use std::net::IpAddr;

use rustc_hash::FxHashMap;

use super::Place;
use crate::name::NetworkId;
use crate::snapshot::Snapshot;
use crate::workload::{Interface, Translation};

/// The translations of a snapshot.
pub(super) struct Translations<'a> {
    all: &'a [Translation],
    /// By the network that is left.
    by_network: FxHashMap<&'a NetworkId, Vec<usize>>,
    /// By what is seen instead.
    by_seen: FxHashMap<IpAddr, Vec<usize>>,
    /// For each translation the interfaces with an IPv4 and with an IPv6 address that it changes.
    members: Vec<[Vec<Place>; 2]>,
}

impl<'a> Translations<'a> {
    pub(super) fn new(snapshot: &'a Snapshot) -> Self {
        let all = snapshot.translations.as_slice();
        let mut index = Self {
            all,
            by_network: FxHashMap::default(),
            by_seen: FxHashMap::default(),
            members: vec![Default::default(); all.len()],
        };
        if all.is_empty() {
            return index;
        }
        for (number, one) in all.iter().enumerate() {
            index.by_network.entry(&one.network).or_default().push(number);
            for &address in &one.addresses {
                index.by_seen.entry(address).or_default().push(number);
            }
        }
        for (w, workload) in snapshot.workloads.iter().enumerate() {
            for (i, interface) in workload.interfaces.iter().enumerate() {
                let place = Place { workload: w as u32, interface: i as u32 };
                for number in index.of_network(interface.network.as_ref()).to_vec() {
                    for is_v6 in [false, true] {
                        let own = interface.addresses.iter().filter(|address| address.is_ipv6() == is_v6);
                        if own.into_iter().any(|address| changes(&all[number], *address)) {
                            index.members[number][usize::from(is_v6)].push(place);
                        }
                    }
                }
            }
        }
        index
    }

    pub(super) fn are_none(&self) -> bool {
        self.all.is_empty()
    }

    /// Whether an address is seen instead of others by anybody.
    pub(super) fn is_seen(&self, address: IpAddr) -> bool {
        !self.are_none() && self.by_seen.contains_key(&address)
    }

    /// Every address that is seen instead of others.
    pub(super) fn seen(&self) -> impl Iterator<Item = IpAddr> + '_ {
        self.by_seen.keys().copied()
    }

    /// Whether an address in network `there` looks otherwise to `here`.
    pub(super) fn change(&self, here: Option<&NetworkId>, there: &NetworkId, address: IpAddr) -> bool {
        let mut own = self.of_network(Some(there)).iter().map(|&number| &self.all[number]);
        own.any(|one| is_towards(one, here) && changes(one, address))
    }

    /// The interfaces that look like an address to `here`, unless their networks are connected.
    pub(super) fn members(
        &self,
        here: Option<&NetworkId>,
        address: IpAddr,
    ) -> impl Iterator<Item = Place> + '_ {
        let numbers: Vec<usize> = self.numbers(address).filter(|&n| is_towards(&self.all[n], here)).collect();
        let family = usize::from(address.is_ipv6());
        numbers.into_iter().flat_map(move |number| self.members[number][family].iter().copied())
    }

    /// The interfaces that look like an address to somebody.
    pub(super) fn all_members(&self, address: IpAddr) -> impl Iterator<Item = Place> + '_ {
        let family = usize::from(address.is_ipv6());
        self.numbers(address).flat_map(move |number| self.members[number][family].iter().copied())
    }

    fn numbers(&self, address: IpAddr) -> impl Iterator<Item = usize> + '_ {
        self.by_seen.get(&address).map(Vec::as_slice).unwrap_or_default().iter().copied()
    }

    /// What may be seen instead of the addresses of an interface.
    pub(super) fn of(&self, interface: &Interface) -> impl Iterator<Item = IpAddr> + '_ {
        let own = self.of_network(interface.network.as_ref());
        own.iter().flat_map(|&number| self.all[number].addresses.iter().copied())
    }

    fn of_network(&self, network: Option<&NetworkId>) -> &[usize] {
        let own = network.filter(|_| !self.are_none()).and_then(|network| self.by_network.get(network));
        own.map(Vec::as_slice).unwrap_or_default()
    }
}

fn is_towards(one: &Translation, here: Option<&NetworkId>) -> bool {
    one.towards.is_empty() || here.is_some_and(|here| one.towards.contains(here))
}

fn changes(one: &Translation, address: IpAddr) -> bool {
    let is_from = one.from.is_empty() || one.from.iter().any(|block| block.contains(&address));
    is_from && one.addresses.iter().any(|seen| seen.is_ipv6() == address.is_ipv6())
}
