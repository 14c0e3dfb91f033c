//! What everything but our rules lets pass, and which of it an interface is in unless it is closed.

use std::collections::BTreeMap;

use plan::{DesiredGroup, Direction, GroupId, GroupState, InterfaceState, Owner, RuleSpec};
use policy::InterfaceId;
use provider::lowering::{Lowering, as_observed};
use rustc_hash::FxHashMap;

use crate::band::Band;
use crate::ids::{self, GroupKind};
use crate::observed::derive;

/// The rests of a scope.
pub(super) struct Rests<'a> {
    groups: BTreeMap<&'a GroupId, &'a GroupState>,
    /// The rests of interfaces that are closed, as if they were not.
    opened: FxHashMap<InterfaceId, Vec<GroupId>>,
}

impl<'a> Rests<'a> {
    pub(super) fn new(lowering: &Lowering<'a>, band: &Band) -> Self {
        let observed = lowering.observed();
        let ours = observed.groups.iter().filter(|group| group.owner == Owner::Ours);
        let rests = ours.filter(|group| matches!(ids::kind_of(&group.id), GroupKind::Rest { .. }));
        let groups = rests.map(|group| (&group.id, group)).collect();
        let mut rests = Self { groups, opened: FxHashMap::default() };
        let is_closed = |interface: &InterfaceState| {
            [Direction::Ingress, Direction::Egress].iter().any(|&d| rests.held(interface, d).is_none())
        };
        if observed.interfaces.iter().any(is_closed) {
            rests.opened = opened(lowering, band);
        }
        rests
    }

    fn held<'i>(&self, interface: &'i InterfaceState, direction: Direction) -> Option<&'i GroupId> {
        interface.groups.iter().find(|id| is_rest(id, direction) && self.groups.contains_key(id))
    }

    /// The rest that an interface is in, or comes to be in when it is opened.
    pub(super) fn of(&self, interface: &InterfaceState, direction: Direction) -> Option<GroupId> {
        let opened = || self.opened.get(&interface.id)?.iter().find(|id| is_rest(id, direction));
        let id = self.held(interface, direction).or_else(opened)?;
        self.groups.contains_key(id).then(|| id.clone())
    }

    /// What lets packets in to an interface that is not closed; nothing if it is.
    pub(super) fn open_to(&self, interface: &InterfaceState) -> &'a [RuleSpec] {
        let held = self.held(interface, Direction::Ingress).and_then(|id| self.groups.get(id));
        held.map(|group| group.ingress.as_slice()).unwrap_or_default()
    }

    /// Every rest as it is.
    pub(super) fn as_they_are(&self) -> impl Iterator<Item = DesiredGroup> + '_ {
        self.groups.values().map(|group| as_observed(group, "not enforced"))
    }
}

fn is_rest(id: &GroupId, direction: Direction) -> bool {
    matches!(ids::kind_of(id), GroupKind::Rest { direction: its, .. } if its == direction)
}

/// The rests of every interface if nobody were closed.
fn opened(lowering: &Lowering<'_>, band: &Band) -> FxHashMap<InterfaceId, Vec<GroupId>> {
    let mut observed = derive::strip(lowering.observed().clone());
    for interface in &mut observed.interfaces {
        interface.groups.retain(|id| !matches!(ids::kind_of(id), GroupKind::Closed { .. }));
    }
    let observed = derive::derive(band, observed);
    observed.interfaces.into_iter().map(|interface| (interface.id, interface.groups)).collect()
}
