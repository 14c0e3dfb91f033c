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
use crate::settings::{GcpSettings, Identity};

/// The observed state with the steps of its scope applied; planned groups appear under their planned ids. A step that
/// cannot be done changes nothing.
pub fn after(settings: &GcpSettings, observed: &Observed, steps: &[&Step]) -> Observed {
    let mut work = Work::new(settings, observed);
    for step in steps.iter().filter(|step| observed.scope.as_ref() == Some(&step.scope)) {
        work.apply(&step.action);
    }
    derive::derive(&work.band, work.state)
}

/// The calls that steps make where network tags stand for classes, each step on what those before it leave.
pub(crate) fn tagged_calls(
    settings: &GcpSettings,
    observed: &Observed,
    steps: &[&Step],
) -> BTreeMap<&'static str, u32> {
    let mut work = Work::new(settings, observed);
    for step in steps {
        work.apply(&step.action);
        if matches!(step.action, StepAction::Attach { .. } | StepAction::Detach { .. }) {
            *work.calls.entry("compute.instances.setTags").or_default() += 1;
        }
    }
    work.calls
}

struct Work {
    band: Band,
    state: Observed,
    /// Calls on classic rules.
    calls: BTreeMap<&'static str, u32>,
}

impl Work {
    fn new(settings: &GcpSettings, observed: &Observed) -> Self {
        Self { band: settings.band(), state: derive::strip(observed.clone()), calls: BTreeMap::new() }
    }

    /// Changes the rules of ours of a network; whether that can be done.
    fn change(
        &mut self,
        network: &NetworkId,
        decide: impl FnOnce(&Band, &[PathRule]) -> Option<Change>,
    ) -> bool {
        let band = self.band.clone();
        let Some(list) = self.our_list(network) else { return false };
        let Some(change) = decide(&band, &list.rules) else { return false };
        let is_held = |rule: &&PathRule| list.rules.iter().any(|held| held.name == rule.name);
        let classic = &change.classic;
        let new = classic.grow.iter().filter(|rule| !is_held(rule)).count();
        let calls = [
            ("compute.firewalls.insert", new),
            ("compute.firewalls.patch", classic.grow.len() - new + classic.shrink.len()),
            ("compute.firewalls.delete", classic.delete.len()),
        ];
        apply_to(&change, list);
        for (action, count) in calls.into_iter().filter(|(_, count)| *count > 0) {
            *self.calls.entry(action).or_default() += count as u32;
        }
        true
    }

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
        if self.band.identity == Identity::NetworkTags {
            return;
        }
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
        let Some((network, name)) = self.class(id) else { return };
        self.change(&network, |band, rules| change(band, rules, Target { id, name: &name }).ok());
    }

    /// The network and the name of a class. One that a network tag stands for need not be anywhere to be named.
    fn class(&self, id: &GroupId) -> Option<(NetworkId, String)> {
        if self.band.identity == Identity::NetworkTags {
            return ids::tag_of_class(&self.band.installation, id);
        }
        let group = self.state.groups.iter().find(|group| group.id == *id && derive::is_class(group))?;
        Some((group.network.clone(), group.name.clone()))
    }

    /// What an interface is in when it is in a class: that, and what rules know it by as a source.
    fn memberships(&self, interface: &InterfaceId, id: &GroupId) -> Vec<GroupId> {
        let is_tagged = self.band.identity == Identity::NetworkTags && ids::is_first(interface);
        let source = ids::source_of(&self.band.installation, id).filter(|_| is_tagged);
        [Some(id.clone()), source].into_iter().flatten().collect()
    }

    fn attach(&mut self, interface: &InterfaceId, id: &GroupId) {
        match ids::kind_of(id) {
            GroupKind::Rest { network, direction } => {
                let closed = ids::closed(&network, direction);
                self.groups_of(interface, |groups| groups.retain(|held| *held != closed));
            }
            _ => {
                let joined = self.memberships(interface, id);
                self.groups_of(interface, |groups| groups.extend(joined));
            }
        }
    }

    fn detach(&mut self, interface: &InterfaceId, id: &GroupId) {
        let GroupKind::Rest { network, direction } = ids::kind_of(id) else {
            let left = self.memberships(interface, id);
            return self.groups_of(interface, |groups| groups.retain(|held| !left.contains(held)));
        };
        if self.change(&network, |band, rules| band::close(band, rules, &network, direction).ok()) {
            self.groups_of(interface, |groups| groups.push(ids::closed(&network, direction)));
        }
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
        let held = held.or_else(|| self.class(id).map(|(network, _)| network));
        match (ids::kind_of(id), held) {
            (GroupKind::Damaged(place), _) if self.band.identity == Identity::NetworkTags => {
                let network = NetworkId::from(place.as_str());
                self.change(&network, |band, rules| Some(band::clear_damaged(band, rules, &|_| true)));
            }
            (GroupKind::Damaged(policy), _) => {
                let classes = self.state.groups.iter().filter(|group| derive::is_class(group));
                let classes: BTreeSet<GroupId> = classes.map(|group| group.id.clone()).collect();
                let list = self.state.path_filters.iter_mut().find(|list| list.id == policy.as_str());
                if let Some(list) = list {
                    let is_class = |id: &GroupId| classes.contains(id);
                    apply_to(&band::clear_damaged(&self.band, &list.rules, &is_class), list);
                }
            }
            (_, Some(network)) => {
                self.state.groups.retain(|group| group.id != *id);
                if self.held_list(&network).is_some() {
                    self.change(&network, |band, rules| Some(band::clear(band, rules, id)));
                }
            }
            (_, None) => {}
        }
    }

    /// The list in which rules of ours are, if it is there.
    fn held_list(&mut self, network: &NetworkId) -> Option<&mut PathFilter> {
        let filters = &self.state.path_filters;
        let id =
            derive::our_list(&self.band, network, |id| filters.iter().find(|list| list.id == id))?.id.clone();
        self.state.path_filters.iter_mut().find(|list| list.id == id)
    }

    /// The list in which rules of ours are, our policy made where there is none; none where somebody else's is in its place.
    fn our_list(&mut self, network: &NetworkId) -> Option<&mut PathFilter> {
        if self.band.identity == Identity::NetworkTags {
            return self.held_list(network);
        }
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
