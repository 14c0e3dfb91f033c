//! What steps do to memberships and lists, by the same code that writes them; what follows from these is derived anew.
//! What does not fit is predicted as if it did: what a state needs is counted ([`crate::usage`]), and blocks the plan.

use std::collections::{BTreeMap, BTreeSet};

use plan::state::allow_everything;
use plan::{
    Direction, GroupId, GroupState, Observed, Owner, PathFilter, PathRule, RuleSpec, Step, StepAction,
};
use policy::{InterfaceId, NetworkId};

use crate::band::{self, Band, Change, Refusal, Target};
use crate::ids::{self, GroupKind};
use crate::observed::{derive, lists};
use crate::settings::GcpSettings;

/// The observed state with the steps of its scope applied; planned groups appear under their planned ids. A step that
/// cannot be done changes nothing.
pub fn after(settings: &GcpSettings, observed: &Observed, steps: &[&Step]) -> Observed {
    let mut work = Work { band: settings.band(), state: derive::strip(observed.clone()) };
    for step in steps.iter().filter(|step| observed.scope.as_ref() == Some(&step.scope)) {
        work.apply(&step.action);
    }
    derive::derive(&work.band, work.state)
}

struct Work {
    band: Band,
    state: Observed,
}

impl Work {
    fn apply(&mut self, action: &StepAction) {
        match action {
            StepAction::CreateGroup { group, network, name, open_egress, .. } => {
                self.create(group, network, name);
                if *open_egress {
                    self.change_facts(group, |band, rules, target| {
                        band::add(band, rules, target, Direction::Egress, &allow_everything())
                    });
                }
            }
            StepAction::Mark { .. } => {}
            StepAction::AddRules { group, direction, rules } => {
                self.change_facts(group, |band, held, target| {
                    band::add(band, held, target, *direction, rules)
                });
            }
            StepAction::RemoveRules { group, direction, rules } => {
                self.change_facts(group, |band, held, target| {
                    band::remove(band, held, target, *direction, rules)
                });
            }
            StepAction::Attach { interface, add } => add.iter().for_each(|id| self.attach(interface, id)),
            StepAction::Detach { interface, remove } => {
                remove.iter().for_each(|id| self.detach(interface, id));
            }
            StepAction::DeleteGroup { group, .. } => self.delete(group),
        }
    }

    fn create(&mut self, id: &GroupId, network: &NetworkId, name: &str) {
        if !self.state.groups.iter().any(|group| group.id == *id) {
            self.state.groups.push(GroupState {
                id: id.clone(),
                network: network.clone(),
                name: name.to_owned(),
                owner: Owner::Ours,
                ingress: Vec::new(),
                egress: Vec::new(),
                tag_drift: BTreeMap::new(),
            });
        }
        self.our_list(network);
    }

    fn change_facts(
        &mut self,
        id: &GroupId,
        change: impl FnOnce(&Band, &[PathRule], Target<'_>) -> Result<Change, Refusal>,
    ) {
        let group = self.state.groups.iter().find(|group| group.id == *id && derive::is_class(group));
        let Some((network, name)) = group.map(|group| (group.network.clone(), group.name.clone())) else {
            return;
        };
        let band = self.band.clone();
        let Some(list) = self.our_list(&network) else { return };
        if let Ok(change) = change(&band, &list.rules, Target { id, name: &name }) {
            apply_to(&change, list);
        }
    }

    fn attach(&mut self, interface: &InterfaceId, id: &GroupId) {
        match ids::kind_of(id) {
            GroupKind::Rest { network, direction } => {
                let closed = ids::closed(&network, direction);
                self.groups_of(interface, |groups| groups.retain(|held| *held != closed));
            }
            _ => self.groups_of(interface, |groups| groups.push(id.clone())),
        }
    }

    fn detach(&mut self, interface: &InterfaceId, id: &GroupId) {
        let GroupKind::Rest { network, direction } = ids::kind_of(id) else {
            return self.groups_of(interface, |groups| groups.retain(|held| held != id));
        };
        let band = self.band.clone();
        let Some(list) = self.our_list(&network) else { return };
        let Ok(change) = band::close(&band, &list.rules, &network, direction) else { return };
        apply_to(&change, list);
        self.groups_of(interface, |groups| groups.push(ids::closed(&network, direction)));
    }

    fn groups_of(&mut self, interface: &InterfaceId, change: impl FnOnce(&mut Vec<GroupId>)) {
        // INVARIANT: interfaces are sorted by id, as every list of an observation is.
        let place = self.state.interfaces.binary_search_by(|found| found.id.cmp(interface));
        if let Some(found) = place.ok().and_then(|place| self.state.interfaces.get_mut(place)) {
            change(&mut found.groups);
        }
    }

    fn delete(&mut self, id: &GroupId) {
        let held = self.state.groups.iter().find(|group| group.id == *id).map(|group| group.network.clone());
        let band = self.band.clone();
        match (ids::kind_of(id), held) {
            (GroupKind::Damaged(policy), _) => {
                let classes = self.state.groups.iter().filter(|group| derive::is_class(group));
                let classes: BTreeSet<GroupId> = classes.map(|group| group.id.clone()).collect();
                let list = self.state.path_filters.iter_mut().find(|list| list.id == policy.as_str());
                if let Some(list) = list {
                    let is_class = |id: &GroupId| classes.contains(id);
                    apply_to(&band::clear_damaged(&band, &list.rules, &is_class), list);
                }
            }
            (_, Some(network)) => {
                self.state.groups.retain(|group| group.id != *id);
                let policy = ids::policy(&band.installation, &network);
                let list = self.state.path_filters.iter_mut().find(|list| list.id == policy.as_str());
                if let Some(list) = list {
                    apply_to(&band::clear(&band, &list.rules, id), list);
                }
            }
            (_, None) => {}
        }
    }

    /// The list of our policy of a network, made where there is none; none where somebody else's is in its place.
    fn our_list(&mut self, network: &NetworkId) -> Option<&mut PathFilter> {
        let policy = ids::policy(&self.band.installation, network);
        let has = self.state.path_filters.iter().any(|list| list.id == policy.as_str());
        if !has {
            self.make_list(network, policy.as_str())?;
        }
        let mut all = self.state.path_filters.iter_mut();
        all.find(|list| list.id == policy.as_str() && list.owner == Owner::Ours)
    }

    fn make_list(&mut self, network: &NetworkId, policy: &str) -> Option<()> {
        let here = || self.state.interfaces.iter().filter(|interface| interface.network == *network);
        if here().flat_map(|interface| &interface.path_filters).any(|list| ids::is_global_policy(list)) {
            return None;
        }
        let name = policy.rsplit('/').next().unwrap_or_default().to_owned();
        let list =
            PathFilter { id: policy.to_owned(), name, owner: Owner::Ours, rules: lists::rest().into() };
        let place = self.state.path_filters.partition_point(|held| held.id < list.id);
        self.state.path_filters.insert(place, list);
        for interface in self.state.interfaces.iter_mut().filter(|found| found.network == *network) {
            let place = ids::place_of_policy(&interface.path_filters);
            interface.path_filters.insert(place, policy.to_owned());
        }
        Some(())
    }
}

/// Changes the rules of our policy; its open end stays.
fn apply_to(change: &Change, list: &mut PathFilter) {
    change.apply_to(&mut list.rules);
    list.rules.sort_by(lists::in_order);
}

/// Facts that a step names, with the groups that stand for planned ones.
pub(crate) fn resolved(rules: &[RuleSpec], real: &dyn Fn(&GroupId) -> GroupId) -> Vec<RuleSpec> {
    rules
        .iter()
        .map(|rule| match &rule.peer {
            plan::Peer::Group(id) => RuleSpec { peer: plan::Peer::Group(real(id)), service: rule.service },
            _ => rule.clone(),
        })
        .collect()
}
