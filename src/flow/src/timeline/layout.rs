//! Networks and translations as they were for some time, by number.

use std::collections::BTreeMap;
use std::net::IpAddr;

use policy::{AddressSet, Network, NetworkId, Translation};
use rustc_hash::FxHashMap;

use super::holders::{NetworkNumber, Period};

/// What networks looked like from one change of them to the next.
pub(super) struct Layout {
    pub(super) period: Period,
    pub(super) networks: BTreeMap<NetworkId, Network>,
    pub(super) translations: Vec<Translation>,
    /// By the number of the network: what it reaches by identity, and the blocks that are local to it (its own and those
    /// of what it reaches).
    reached: Vec<Vec<NetworkNumber>>,
    local: Vec<AddressSet>,
}

impl Layout {
    pub(super) fn new(
        networks: BTreeMap<NetworkId, Network>,
        translations: Vec<Translation>,
        numbers: &FxHashMap<NetworkId, NetworkNumber>,
        period: Period,
    ) -> Self {
        let mut reached = vec![Vec::new(); numbers.len() + 1];
        let mut local = vec![AddressSet::empty(); numbers.len() + 1];
        for network in networks.values() {
            let Some(number) = numbers.get(&network.id) else { continue };
            let peers = network.peers.iter().filter_map(|peer| networks.get(peer));
            let place = number.0 as usize;
            reached[place] = network.peers.iter().filter_map(|peer| numbers.get(peer)).copied().collect();
            let all = std::iter::once(network).chain(peers);
            local[place] = all.flat_map(|network| network.cidrs.iter().copied()).collect();
        }
        Self { period, networks, translations, reached, local }
    }

    /// Whether a holder in network `there` is seen from `here` by its own address.
    pub(super) fn is_near(&self, here: NetworkNumber, there: NetworkNumber) -> bool {
        let known = here != NetworkNumber::NONE && there != NetworkNumber::NONE;
        known && (here == there || self.reached_from(here).contains(&there))
    }

    /// The networks whose holders are seen by their own addresses, but for the network itself.
    pub(super) fn reached_from(&self, here: NetworkNumber) -> &[NetworkNumber] {
        self.reached.get(here.0 as usize).map(|reached| &**reached).unwrap_or_default()
    }

    pub(super) fn is_local(&self, here: NetworkNumber, address: IpAddr) -> bool {
        self.local.get(here.0 as usize).is_some_and(|blocks| blocks.contains(address))
    }
}
