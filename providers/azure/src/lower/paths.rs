//! The security groups in force, by their ids: where carriers stand, and which rests there are.

use std::collections::BTreeSet;

use plan::{DesiredGroup, Direction, GroupId, GroupState, InterfaceState, Owner, PathFilter, RuleSpec};
use policy::{ClassId, NetworkId};
use provider::lowering::{Lowering, as_observed};
use rustc_hash::FxHashMap;

use crate::band::Band;
use crate::ids;
use crate::observed::derive;

/// What is on the paths of a scope.
pub(super) struct Paths<'a> {
    band: Band,
    filters: FxHashMap<&'a str, &'a PathFilter>,
    /// In order of their ids, as all groups.
    rests: Vec<&'a GroupState>,
    rests_by_id: FxHashMap<&'a GroupId, &'a GroupState>,
    /// The security groups with an enforced interface of a class behind them.
    occupied: FxHashMap<(&'a NetworkId, ClassId), BTreeSet<&'a str>>,
}

impl<'a> Paths<'a> {
    pub(super) fn new(band: Band, lowering: &Lowering<'a>) -> Self {
        let observed = lowering.observed();
        let is_rest =
            |group: &&GroupState| group.owner == Owner::Ours && ids::direction_of_rest(&group.id).is_some();
        let rests: Vec<&GroupState> = observed.groups.iter().filter(is_rest).collect();
        let mut paths = Self {
            band,
            filters: observed.path_filters.iter().map(|filter| (filter.id.as_str(), filter)).collect(),
            rests_by_id: rests.iter().map(|group| (&group.id, *group)).collect(),
            rests,
            occupied: FxHashMap::default(),
        };
        for interface in &observed.interfaces {
            let Some(nsg) = ids::managed(&interface.path_filters) else { continue };
            if let Some(class) = lowering.enforced_class(interface) {
                paths.occupied.entry((&interface.network, class)).or_default().insert(nsg);
            }
        }
        paths
    }

    /// Our places in every list.
    pub(super) fn band(&self) -> &Band {
        &self.band
    }

    /// The security groups with an enforced interface of a class behind them, sorted.
    pub(super) fn occupied(&self, network: &'a NetworkId, class: ClassId) -> Vec<&'a str> {
        self.occupied.get(&(network, class)).into_iter().flatten().copied().collect()
    }

    /// The security groups with an enforced interface behind them, sorted by id.
    pub(super) fn all_occupied(&self) -> Vec<&'a PathFilter> {
        let ids: BTreeSet<&str> = self.occupied.values().flatten().copied().collect();
        ids.into_iter().filter_map(|id| self.filter(id)).collect()
    }

    /// A list by its id.
    pub(super) fn filter(&self, id: &str) -> Option<&'a PathFilter> {
        self.filters.get(id).copied()
    }

    /// The name of a security group, as carriers have it.
    pub(super) fn name<'n>(&self, nsg: &'n str) -> &'n str
    where
        'a: 'n,
    {
        let listed = self.filters.get(nsg).map(|filter| filter.name.as_str());
        listed.unwrap_or_else(|| nsg.rsplit('/').next().unwrap_or(nsg))
    }

    /// The planned id of the carrier of a class group.
    pub(super) fn carrier(&self, nsg: &str, group: &GroupId, network: &NetworkId) -> GroupId {
        ids::carrier(nsg, self.name(nsg), group, network)
    }

    /// The rest that an interface is in, or comes to be in when it is opened.
    pub(super) fn rest_of(&self, interface: &InterfaceState, direction: Direction) -> Option<GroupId> {
        let held = self.held_rest(interface, direction);
        if let Some(held) = held.filter(|held| !ids::is_closed_otherwise(held)) {
            return Some(held.clone());
        }
        let filter = self.filters.get(ids::managed(&interface.path_filters)?)?;
        let id = derive::rest_of(&self.band, filter, interface, direction);
        self.rests_by_id.contains_key(&id).then_some(id)
    }

    /// The rest that an interface is in; none if it is closed.
    pub(super) fn held_rest<'i>(
        &self,
        interface: &'i InterfaceState,
        direction: Direction,
    ) -> Option<&'i GroupId> {
        let is_rest = |id: &&GroupId| {
            ids::direction_of_rest(id) == Some(direction) && self.rests_by_id.contains_key(id)
        };
        interface.groups.iter().find(is_rest)
    }

    /// What a rest lets pass towards its members.
    pub(super) fn ingress_of(&self, rest: &GroupId) -> &'a [RuleSpec] {
        self.rests_by_id.get(rest).map(|group| group.ingress.as_slice()).unwrap_or_default()
    }

    /// Every rest as it is.
    pub(super) fn rests(&self) -> impl Iterator<Item = DesiredGroup> + '_ {
        self.rests.iter().map(|group| as_observed(group, "not enforced"))
    }
}
