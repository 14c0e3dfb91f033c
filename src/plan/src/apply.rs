//! Steps as functions on observed state: the end state that the proof looks at, and whether a step's effect
//! is visible in a fresh read.

use std::collections::BTreeMap;

use crate::scope::Direction;
use crate::state::{GroupId, GroupState, Observed, Owner, Peer, RuleSpec, allow_everything};
use crate::step::{Step, StepAction};

/// The observed state with the steps applied; planned groups appear under their planned ids.
pub fn after<'a>(observed: &Observed, steps: impl IntoIterator<Item = &'a Step>) -> Observed {
    let mut state = observed.clone();
    let mut groups: BTreeMap<GroupId, GroupState> =
        state.groups.drain(..).map(|g| (g.id.clone(), g)).collect();
    let places: BTreeMap<_, usize> =
        state.interfaces.iter().enumerate().map(|(place, i)| (i.id.clone(), place)).collect();
    for step in steps.into_iter().filter(|step| state.scope.as_ref() == Some(&step.scope)) {
        match &step.action {
            StepAction::CreateGroup { group, network, name, open_egress, .. } => {
                let egress = if *open_egress { allow_everything().to_vec() } else { Vec::new() };
                let created = GroupState {
                    id: group.clone(),
                    network: network.clone(),
                    name: name.clone(),
                    owner: Owner::Ours,
                    ingress: Vec::new(),
                    egress,
                    tag_drift: BTreeMap::new(),
                };
                groups.insert(group.clone(), created);
            }
            StepAction::Mark { group } => {
                groups.entry(group.clone()).and_modify(|g| g.tag_drift.clear());
            }
            StepAction::AddRules { group, direction, rules } => {
                groups.entry(group.clone()).and_modify(|g| {
                    let list = list_of(g, *direction);
                    list.extend(rules.iter().cloned());
                    list.sort();
                    list.dedup();
                });
            }
            StepAction::RemoveRules { group, direction, rules } => {
                groups
                    .entry(group.clone())
                    .and_modify(|g| list_of(g, *direction).retain(|rule| !rules.contains(rule)));
            }
            StepAction::Attach { interface, add } => {
                if let Some(&place) = places.get(interface) {
                    let held = &mut state.interfaces[place].groups;
                    held.extend(add.iter().cloned());
                    held.sort();
                    held.dedup();
                }
            }
            StepAction::Detach { interface, remove } => {
                if let Some(&place) = places.get(interface) {
                    state.interfaces[place].groups.retain(|group| !remove.contains(group));
                }
            }
            StepAction::DeleteGroup { group, .. } => {
                groups.remove(group);
            }
        }
    }
    state.groups = groups.into_values().collect();
    state
}

fn list_of(group: &mut GroupState, direction: Direction) -> &mut Vec<RuleSpec> {
    match direction {
        Direction::Ingress => &mut group.ingress,
        Direction::Egress => &mut group.egress,
    }
}

/// Whether a step's effect is visible in a fresh read; `ids` maps planned groups to what they became.
pub fn holds(step: &Step, observed: &Observed, ids: &BTreeMap<GroupId, GroupId>) -> bool {
    let real = |id: &GroupId| ids.get(id).unwrap_or(id).clone();
    let group = |id: &GroupId| {
        let id = real(id);
        observed.groups.iter().find(move |g| g.id == id)
    };
    let has = |id: &GroupId, direction: Direction, rule: &RuleSpec| {
        let peer = match &rule.peer {
            Peer::Group(peer) => Peer::Group(real(peer)),
            other => other.clone(),
        };
        let wanted = RuleSpec { peer, service: rule.service };
        group(id).is_some_and(|g| match direction {
            Direction::Ingress => g.ingress.contains(&wanted),
            Direction::Egress => g.egress.contains(&wanted),
        })
    };
    let attached = |interface: &policy::InterfaceId, id: &GroupId| {
        let id = real(id);
        observed.interfaces.iter().any(|i| i.id == *interface && i.groups.contains(&id))
    };
    match &step.action {
        // A cloud puts egress into a new group by itself: that it is gone is a part of the step.
        StepAction::CreateGroup { group: id, open_egress, .. } => group(id).is_some_and(|g| {
            let open = allow_everything();
            if *open_egress {
                open.iter().all(|rule| g.egress.contains(rule))
            } else {
                !open.iter().any(|rule| g.egress.contains(rule))
            }
        }),
        StepAction::Mark { group: id } => group(id).is_some_and(|g| g.tag_drift.is_empty()),
        StepAction::AddRules { group: id, direction, rules } => {
            rules.iter().all(|rule| has(id, *direction, rule))
        }
        StepAction::RemoveRules { group: id, direction, rules } => {
            !rules.iter().any(|rule| has(id, *direction, rule))
        }
        StepAction::Attach { interface, add } => add.iter().all(|id| attached(interface, id)),
        StepAction::Detach { interface, remove } => !remove.iter().any(|id| attached(interface, id)),
        StepAction::DeleteGroup { group: id, .. } => group(id).is_none(),
    }
}
