//! What a scope looks like when steps are done: the same decisions as when they are written.
//!
//! Planned groups stand under their planned ids; the names and priorities of rules are those that the write will give.
//! What does not fit is predicted as if it did: what a state needs is counted ([`crate::usage`]), and blocks the plan. What
//! else a write would refuse changes nothing here.

use std::collections::BTreeMap;

use plan::state::allow_everything;
use plan::{
    Direction, GroupId, GroupState, InterfaceState, Observed, Owner, PathFilter, Peer, RuleSpec, Step,
    StepAction,
};
use policy::{InterfaceId, NetworkId};

use crate::band::{self, Band, Change};
use crate::ids::{self, Closed, GroupKind};
use crate::marks;
use crate::observed::derive::{derive, strip};
use crate::resources::ArmId;
use crate::settings::AzureSettings;

/// The observed state with the steps of its scope applied.
pub fn after(settings: &AzureSettings, observed: &Observed, steps: &[&Step]) -> Observed {
    let mut state =
        State { band: settings.band_of(observed.scope.as_ref()), observed: strip(observed.clone()) };
    for step in steps.iter().filter(|step| observed.scope.as_ref() == Some(&step.scope)) {
        state.apply(&step.action);
    }
    derive(&state.band, state.observed)
}

struct State {
    band: Band,
    observed: Observed,
}

impl State {
    fn apply(&mut self, action: &StepAction) {
        match action {
            StepAction::CreateGroup { group, open_egress, .. } => self.create(group, *open_egress),
            StepAction::Mark { group } => {
                if let Some(held) = self.observed.groups.iter_mut().find(|held| held.id == *group) {
                    held.tag_drift = BTreeMap::new();
                }
            }
            StepAction::AddRules { group, direction, rules } => self.add_rules(group, *direction, rules),
            StepAction::RemoveRules { group, direction, rules } => {
                let Some((filter, target)) = self.carried(group) else { return };
                let rules = self.resolved(rules);
                let change = band::remove(&self.band, &filter.rules, &target, *direction, &rules);
                self.change(&filter.id.clone(), &change);
            }
            StepAction::Attach { interface, add } => {
                add.iter().for_each(|group| self.join(interface, group));
            }
            StepAction::Detach { interface, remove } => {
                remove.iter().for_each(|group| self.leave(interface, group));
            }
            StepAction::DeleteGroup { group, .. } => self.delete(group),
        }
    }

    fn create(&mut self, group: &GroupId, open_egress: bool) {
        match ids::kind_of(group) {
            GroupKind::PlannedAsg { network, name } => self.create_asg(&network, &name),
            GroupKind::PlannedCarrier { network, asg, .. } => {
                self.create_asg(&network, &asg);
                if let Some(list) = self.carried(group).map(|(filter, _)| filter.id.clone()) {
                    self.change(&list, &Change::default());
                }
                if open_egress {
                    self.add_rules(group, Direction::Egress, &allow_everything());
                }
            }
            _ => {}
        }
    }

    fn create_asg(&mut self, network: &NetworkId, name: &str) {
        let is_same = |held: &GroupState| held.network == *network && held.name.eq_ignore_ascii_case(name);
        if self.observed.groups.iter().any(is_same) {
            return;
        }
        self.observed.groups.push(GroupState {
            id: GroupId::planned(network, name),
            network: network.clone(),
            name: name.to_owned(),
            owner: Owner::Ours,
            ingress: Vec::new(),
            egress: Vec::new(),
            tag_drift: BTreeMap::new(),
        });
    }

    fn add_rules(&mut self, group: &GroupId, direction: Direction, rules: &[RuleSpec]) {
        let Some((filter, target)) = self.carried(group) else { return };
        let rules = self.resolved(rules);
        if let Ok(change) = band::add(&self.band, &filter.rules, &target, direction, &rules) {
            self.change(&filter.id.clone(), &change);
        }
    }

    /// Facts with the groups that are there for those that a plan names.
    fn resolved(&self, rules: &[RuleSpec]) -> Vec<RuleSpec> {
        let resolve = |rule: &RuleSpec| match &rule.peer {
            Peer::Group(id) => match ids::kind_of(id) {
                GroupKind::PlannedAsg { network, name } => {
                    RuleSpec { peer: Peer::Group(self.asg(&network, &name)), service: rule.service }
                }
                _ => rule.clone(),
            },
            _ => rule.clone(),
        };
        rules.iter().map(resolve).collect()
    }

    /// The list and the application security group of a carrier.
    fn carried(&self, group: &GroupId) -> Option<(&PathFilter, GroupId)> {
        match ids::kind_of(group) {
            GroupKind::Carrier { nsg, asg } => Some((self.filter(nsg.key())?, ids::of_asg(&asg))),
            GroupKind::PlannedCarrier { network, asg, nsg } => {
                let filter = find_list(&self.observed, &network, &nsg)?;
                Some((filter, self.asg(&network, &asg)))
            }
            _ => None,
        }
    }

    /// An application security group by its name: there, or planned.
    fn asg(&self, network: &NetworkId, name: &str) -> GroupId {
        let named = |held: &&GroupState| held.network == *network && held.name.eq_ignore_ascii_case(name);
        let held = self.observed.groups.iter().find(named).map(|held| held.id.clone());
        held.unwrap_or_else(|| GroupId::planned(network, name))
    }

    fn filter(&self, id: &str) -> Option<&PathFilter> {
        self.observed.path_filters.iter().find(|filter| filter.id == id)
    }

    fn change(&mut self, list: &str, change: &Change) {
        if let Some(filter) = self.observed.path_filters.iter_mut().find(|filter| filter.id == list) {
            // What is written in a security group of ours brings it to its place.
            if marks::place_to_make(&filter.owner).is_some() {
                filter.owner = Owner::Ours;
            }
            change.apply_to(&mut filter.rules);
        }
    }

    fn interface(&mut self, id: &InterfaceId) -> Option<&mut InterfaceState> {
        self.observed.interfaces.iter_mut().find(|interface| interface.id == *id)
    }

    /// The application security group of a group that an interface can be put into, with its carrier here.
    fn membership(&self, interface: &InterfaceId, group: &GroupId) -> Option<(GroupId, Option<GroupId>)> {
        let held = self.observed.interfaces.iter().find(|held| held.id == *interface)?;
        let asg = match ids::kind_of(group) {
            GroupKind::Asg(_) => group.clone(),
            GroupKind::PlannedAsg { network, name } => self.asg(&network, &name),
            GroupKind::Carrier { .. } | GroupKind::PlannedCarrier { .. } => self.carried(group)?.1,
            _ => return None,
        };
        let is_ours = |group: &&GroupState| group.id == asg && group.owner == Owner::Ours;
        let is_class = self.observed.groups.iter().any(|group| is_ours(&group));
        let list = ids::managed(&held.path_filters).and_then(|id| self.filter(id)).filter(|_| is_class);
        let carrier = list.map(|list| ids::carrier(&list.id, &list.name, &asg, &held.network));
        Some((asg, carrier))
    }

    fn join(&mut self, interface: &InterfaceId, group: &GroupId) {
        if let GroupKind::Rest { direction, .. } = ids::kind_of(group) {
            let band = self.band.clone();
            let Some(held) = self.interface(interface) else { return };
            let closed = all_closed(&band, held, direction);
            held.groups.retain(|id| !closed.contains(id));
            return;
        }
        let Some((asg, carrier)) = self.membership(interface, group) else { return };
        if let Some(held) = self.interface(interface) {
            held.groups.extend([Some(asg), carrier].into_iter().flatten());
        }
    }

    fn leave(&mut self, interface: &InterfaceId, group: &GroupId) {
        if let GroupKind::Rest { nsg, direction, closed } = ids::kind_of(group) {
            self.close(interface, &nsg, direction, closed);
            return;
        }
        let Some((asg, carrier)) = self.membership(interface, group) else { return };
        if let Some(held) = self.interface(interface) {
            held.groups.retain(|id| *id != asg && Some(id) != carrier.as_ref());
        }
    }

    fn close(&mut self, interface: &InterfaceId, nsg: &ArmId, direction: Direction, now: Closed) {
        let band = self.band.clone();
        let Some(held) = self.interface(interface) else { return };
        let network = ArmId::new(held.network.as_str());
        let all = all_closed(&band, held, direction);
        // Who was opened meanwhile has left.
        if now == Closed::Otherwise && !held.groups.iter().any(|id| all.contains(id)) {
            return;
        }
        let Some(filter) = self.filter(nsg.key()) else { return };
        let Ok(change) = band::close(&band, &filter.rules, &network, direction) else { return };
        self.change(nsg.key(), &change);
        if let Some(held) = self.interface(interface) {
            held.groups.retain(|id| !all.contains(id));
            let wanted = band::closed_groups(&band, &network, direction);
            held.groups.extend(wanted.iter().map(ids::of_asg));
        }
    }

    fn delete(&mut self, group: &GroupId) {
        match ids::kind_of(group) {
            GroupKind::Asg(_) => self.delete_asg(group.clone()),
            GroupKind::PlannedAsg { network, name } => self.delete_asg(self.asg(&network, &name)),
            GroupKind::Carrier { .. } | GroupKind::PlannedCarrier { .. } => {
                let Some((filter, target)) = self.carried(group) else { return };
                let change = band::clear(&self.band, &filter.rules, &target);
                self.change(&filter.id.clone(), &change);
            }
            GroupKind::Damaged { nsg } => {
                let Some(filter) = self.filter(nsg.key()) else { return };
                let change = band::clear_damaged(&self.band, &filter.rules);
                self.change(nsg.key(), &change);
            }
            GroupKind::Rest { .. } | GroupKind::Places => {}
        }
    }

    fn delete_asg(&mut self, asg: GroupId) {
        if self.observed.interfaces.iter().any(|interface| interface.groups.contains(&asg)) {
            return;
        }
        let band = self.band.clone();
        for filter in &mut self.observed.path_filters {
            let change = band::clear(&band, &filter.rules, &asg);
            change.apply_to(&mut filter.rules);
        }
        let peer = Peer::Group(asg.clone());
        let rules = || self.observed.path_filters.iter().flat_map(|filter| &filter.rules);
        if !rules().any(|rule| rule.targets.contains(&asg) || rule.peers.contains(&peer)) {
            self.observed.groups.retain(|group| group.id != asg);
        }
    }
}

/// A list by its name, in force in a network.
pub(crate) fn find_list<'a>(
    observed: &'a Observed,
    network: &NetworkId,
    name: &str,
) -> Option<&'a PathFilter> {
    let named =
        |filter: &&PathFilter| filter.name.eq_ignore_ascii_case(name) && !filter.id.starts_with("admin:");
    let in_force = |filter: &&PathFilter| {
        let mut own = observed.interfaces.iter().filter(|interface| interface.network == *network);
        own.any(|interface| ids::managed(&interface.path_filters) == Some(filter.id.as_str()))
    };
    let found = observed.path_filters.iter().filter(named);
    found.clone().find(in_force).or_else(|| found.clone().next())
}

/// The groups of closed interfaces of scopes of either kind, in the network of an interface.
fn all_closed(band: &Band, interface: &InterfaceState, direction: Direction) -> [GroupId; 2] {
    let network = ArmId::new(interface.network.as_str());
    band::all_closed_groups(band, &network, direction).map(|group| ids::of_asg(&group))
}
