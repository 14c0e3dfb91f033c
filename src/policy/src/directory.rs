//! Who holds an address, as seen from a network: the view rules of [`crate::snapshot`], indexed.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use rustc_hash::FxHashMap;

use crate::address::AddressSet;
use crate::directory::translations::Translations;
use crate::name::NetworkId;
use crate::snapshot::Snapshot;
use crate::workload::Interface;

mod translations;

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
    /// One of several interfaces, whose addresses are translated to this one: [`AddressDirectory::behind`].
    Translated,
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
    translations: Translations<'a>,
    /// Who is behind each translated address, by the network that sees it.
    behind: FxHashMap<NetworkId, FxHashMap<IpAddr, Vec<Place>>>,
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
        let local_blocks = local_blocks.collect();
        let (translations, behind) = (Translations::new(snapshot), FxHashMap::default());
        let mut directory = Self { snapshot, first, others, local_blocks, translations, behind };
        if !directory.translations.are_none() {
            let seen_from = |network: &NetworkId| {
                let seen = directory.translated().map(|at| (at, directory.look_behind(Some(network), at)));
                (network.clone(), seen.collect())
            };
            directory.behind = snapshot.networks.keys().map(seen_from).collect();
        }
        directory
    }

    /// The interface at a place.
    pub fn interface(&self, place: Place) -> &'a Interface {
        &self.snapshot.workloads[place.workload as usize].interfaces[place.interface as usize]
    }

    /// What `address` is taken for, seen from `network` (`None`: from outside every network).
    pub fn holder(&self, network: Option<&NetworkId>, address: IpAddr) -> View {
        let is_seen_instead = self.translations.is_seen(address);
        let Some(&first) = self.first.get(&address).filter(|_| !is_seen_instead) else {
            return self.elsewhere(network, address);
        };
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
        if !self.translations.are_none() {
            return self.elsewhere(network, address);
        }
        if others.is_empty() { View::Interface(first) } else { View::Ambiguous }
    }

    /// The same with everything looked at: for an address that few hold, or that is seen instead of others.
    fn elsewhere(&self, network: Option<&NetworkId>, address: IpAddr) -> View {
        let holders =
            self.first.get(&address).into_iter().chain(self.others.get(&address).into_iter().flatten());
        let (near, far): (Vec<Place>, Vec<Place>) =
            holders.copied().partition(|&place| self.is_near(network, place));
        match near.as_slice() {
            [] => {}
            [only] => return View::Interface(*only),
            _ => return View::Ambiguous,
        }
        if network.is_some_and(|network| self.is_local(network, address)) {
            return View::Shadowed;
        }
        let as_it_is: Vec<Place> =
            far.into_iter().filter(|&place| !self.is_translated(network, place, address)).collect();
        let behind = self.behind(network, address);
        match (as_it_is.as_slice(), behind.as_ref()) {
            ([], []) => View::External,
            ([only], []) | ([], [only]) => View::Interface(*only),
            ([], _) => View::Translated,
            _ => View::Ambiguous,
        }
    }

    fn is_near(&self, network: Option<&NetworkId>, place: Place) -> bool {
        let there = self.interface(place).network.as_ref();
        matches!((network, there), (Some(here), Some(there)) if self.snapshot.connected(here, there))
    }

    /// Whether packets that an interface sends with one of its addresses carry another one when they come to a network
    /// that its own is not connected to.
    fn is_translated(&self, network: Option<&NetworkId>, place: Place, address: IpAddr) -> bool {
        let there = self.interface(place).network.as_ref();
        there.is_some_and(|there| self.translations.change(network, there, address))
    }

    /// The interfaces whose addresses are translated to `address`, as seen from `network`; sorted.
    pub fn behind(&self, network: Option<&NetworkId>, address: IpAddr) -> Cow<'_, [Place]> {
        match network.and_then(|network| self.behind.get(network)?.get(&address)) {
            Some(places) => Cow::Borrowed(places),
            None => Cow::Owned(self.look_behind(network, address)),
        }
    }

    fn look_behind(&self, network: Option<&NetworkId>, address: IpAddr) -> Vec<Place> {
        let mut places: Vec<Place> = self.translations.members(network, address).collect();
        places.retain(|&place| !self.is_near(network, place));
        places.sort_unstable();
        places.dedup();
        places
    }

    /// The same as seen from anywhere.
    pub fn behind_anywhere(&self, address: IpAddr) -> Vec<Place> {
        let mut places: Vec<Place> = self.translations.all_members(address).collect();
        places.sort_unstable();
        places.dedup();
        places
    }

    /// Every address that is seen instead of others, once.
    pub fn translated(&self) -> impl Iterator<Item = IpAddr> + '_ {
        self.translations.seen()
    }

    fn is_local(&self, network: &NetworkId, address: IpAddr) -> bool {
        self.local_blocks.get(network).is_some_and(|blocks| blocks.contains(address))
    }

    /// The addresses that are seen as an interface from `network`, those that it shares by translation among them.
    pub fn visible_addresses(&self, network: Option<&NetworkId>, place: Place) -> Vec<IpAddr> {
        let seen = |address: &&IpAddr| self.holder(network, **address) == View::Interface(place);
        let mut visible: Vec<IpAddr> = self.interface(place).addresses.iter().filter(seen).copied().collect();
        if self.translations.are_none() {
            return visible;
        }
        let instead = self.translations.of(self.interface(place)).filter(|address| {
            let is_known = matches!(self.holder(network, *address), View::Interface(_) | View::Translated);
            is_known && self.behind(network, *address).binary_search(&place).is_ok()
        });
        visible.extend(instead);
        visible.sort_unstable();
        visible.dedup();
        visible
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
