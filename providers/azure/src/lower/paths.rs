//! The security groups in force, by their ids: where carriers stand, and which rests there are.

use std::collections::{BTreeMap, BTreeSet};

use plan::{DesiredGroup, Direction, GroupId, GroupState, InterfaceState, Owner, PathFilter, RuleSpec};
use policy::{ClassId, NetworkId};
use provider::lowering::{Lowering, as_observed};
use rustc_hash::FxHashMap;

use crate::band::Band;
use crate::ids::{self, GroupKind};
use crate::observed::derive;

/// What is on the paths of a scope.
pub(super) struct Paths<'a> {
    band: Band,
    filters: FxHashMap<&'a str, &'a PathFilter>,
    rests: BTreeMap<&'a GroupId, &'a GroupState>,
    /// The security groups of which a network has carriers.
    in_force: BTreeMap<&'a NetworkId, BTreeSet<&'a str>>,
    /// Those with an enforced interface of a class behind them.
    occupied: BTreeMap<(&'a NetworkId, ClassId), BTreeSet<&'a str>>,
}

impl<'a> Paths<'a> {
    pub(super) fn new(band: Band, lowering: &Lowering<'a>) -> Self {
        let observed = lowering.observed();
        let mut paths = Self {
            band,
            filters: observed.path_filters.iter().map(|filter| (filter.id.as_str(), filter)).collect(),
            rests: BTreeMap::new(),
            in_force: BTreeMap::new(),
            occupied: BTreeMap::new(),
        };
        let ours = observed.groups.iter().filter(|group| group.owner == Owner::Ours);
        for group in ours {
            match ids::kind_of(&group.id) {
                GroupKind::Rest { .. } => {
                    paths.rests.insert(&group.id, group);
                }
                // A security group on a subnet without interfaces is known by the carriers that are there already.
                GroupKind::Carrier { .. } => {
                    let nsg = group.id.as_str().split_once('|').map(|(nsg, _)| nsg);
                    paths.in_force.entry(&group.network).or_default().extend(nsg);
                }
                _ => {}
            }
        }
        for interface in &observed.interfaces {
            let Some(nsg) = ids::managed(&interface.path_filters) else { continue };
            paths.in_force.entry(&interface.network).or_default().insert(nsg);
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

    /// The security groups of which a network has carriers, sorted.
    pub(super) fn in_force(&self, network: &NetworkId) -> impl Iterator<Item = &'a str> + '_ {
        self.in_force.get(network).into_iter().flatten().copied()
    }

    /// Whether an enforced interface of a class is behind a security group.
    pub(super) fn is_occupied(&self, network: &NetworkId, class: ClassId, nsg: &str) -> bool {
        self.occupied.get(&(network, class)).is_some_and(|behind| behind.contains(nsg))
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
        let is_rest = |id: &&GroupId| {
            self.rests.contains_key(id)
                && matches!(ids::kind_of(id), GroupKind::Rest { direction: its, .. } if its == direction)
        };
        if let Some(held) = interface.groups.iter().find(is_rest) {
            return Some(held.clone());
        }
        let filter = self.filters.get(ids::managed(&interface.path_filters)?)?;
        let id = derive::rest_of(&self.band, filter, interface, direction);
        self.rests.contains_key(&id).then_some(id)
    }

    /// What a rest lets pass towards its members.
    pub(super) fn ingress_of(&self, rest: &GroupId) -> &'a [RuleSpec] {
        self.rests.get(rest).map(|group| group.ingress.as_slice()).unwrap_or_default()
    }

    /// Every rest as it is.
    pub(super) fn rests(&self) -> impl Iterator<Item = DesiredGroup> + '_ {
        self.rests.values().map(|group| as_observed(group, "not enforced"))
    }
}
