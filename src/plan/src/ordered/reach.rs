//! Who is in which group, and from where a rule may name him.

use policy::NetworkId;
use rustc_hash::{FxHashMap, FxHashSet};

use crate::graph::NodeIndex;
use crate::state::{GroupId, Observed};

/// The members of groups, by the interfaces that list them, and the networks that identity reaches.
pub(super) struct Reach<'a> {
    members: FxHashMap<&'a GroupId, Vec<(NodeIndex, &'a NetworkId)>>,
    peered: FxHashSet<(&'a NetworkId, &'a NetworkId)>,
    over_peerings: FxHashSet<&'a GroupId>,
}

impl<'a> Reach<'a> {
    /// Reads a domain; `over_peerings` says which groups can be named from networks with a peering.
    pub(super) fn new(domain: &[&'a Observed], over_peerings: impl Fn(&GroupId) -> bool) -> Self {
        let mut members: FxHashMap<&GroupId, Vec<(NodeIndex, &NetworkId)>> = FxHashMap::default();
        for (number, interface) in domain.iter().flat_map(|observed| &observed.interfaces).enumerate() {
            for group in &interface.groups {
                members.entry(group).or_default().push((NodeIndex(number as u32), &interface.network));
            }
        }
        let mut peered = FxHashSet::default();
        for network in domain.iter().flat_map(|observed| &observed.networks) {
            for peering in network.peerings.iter().filter(|peering| peering.identity) {
                peered.insert((&network.id, &peering.peer));
                peered.insert((&peering.peer, &network.id));
            }
        }
        let over_peerings = members.keys().copied().filter(|group| over_peerings(group)).collect();
        Self { members, peered, over_peerings }
    }

    /// The members of any of some groups that a rule in force in a network names; sorted.
    pub(super) fn named<'g>(
        &self,
        groups: impl Iterator<Item = &'g GroupId>,
        here: &NetworkId,
    ) -> Vec<NodeIndex> {
        let mut named = Vec::new();
        for group in groups {
            let far = self.over_peerings.contains(group);
            let members = self.members.get(group).map(Vec::as_slice).unwrap_or_default();
            let reached = members
                .iter()
                .filter(|(_, there)| *there == here || (far && self.peered.contains(&(here, *there))));
            named.extend(reached.map(|(node, _)| *node));
        }
        named.sort_unstable();
        named.dedup();
        named
    }
}
