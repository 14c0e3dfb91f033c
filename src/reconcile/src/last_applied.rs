//! What we last left in the cloud: the third side of the comparison that tells drift from a change of policy.
//!
//! Object by object: what somebody else changed and nobody repaired stays remembered as we left it; what a failed or an
//! interrupted step touched is not remembered at all, because nobody knows what we left.

use std::collections::{BTreeMap, BTreeSet};

use plan::plan::DriftItem;
use plan::{
    Direction, Drift, GroupId, GroupState, InterfaceState, Observed, Owner, Plan, RuleSpec, Scope, ScopeId,
    Step, StepAction, StepId,
};
use policy::InterfaceId;
use serde::{Deserialize, Serialize};

use crate::applying::{StepOutcome, StepStatus};

/// Our objects as we left them.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct LastApplied {
    /// By scope.
    pub scopes: BTreeMap<ScopeId, ScopeMemory>,
}

/// Our objects in one scope.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct ScopeMemory {
    /// Groups of ours.
    pub groups: BTreeMap<GroupId, GroupMemory>,
    /// Groups of ours on each interface.
    pub members: BTreeMap<InterfaceId, Vec<GroupId>>,
}

/// One group of ours.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct GroupMemory {
    /// Its name.
    pub name: String,
    /// Its rules for traffic towards members.
    pub ingress: Vec<RuleSpec>,
    /// Its rules for traffic from members.
    pub egress: Vec<RuleSpec>,
}

/// An object of ours.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Object {
    /// A group.
    Group(GroupId),
    /// The groups of an interface.
    Interface(InterfaceId),
}

impl LastApplied {
    /// What is remembered while steps are sent: nothing of what they touch, in case that we die half-way.
    pub fn without(&self, steps: &[Step]) -> Self {
        let mut rest = self.clone();
        for step in steps {
            let Some(scope) = rest.scopes.get_mut(&step.scope) else { continue };
            match object_of(&step.action) {
                Object::Group(id) => drop(scope.groups.remove(&id)),
                Object::Interface(id) => drop(scope.members.remove(&id)),
            }
        }
        rest
    }

    /// What is remembered after a pass: `statuses` is empty if nothing was sent.
    pub fn after(&self, plan: &Plan, statuses: &[StepStatus], observed: &[Observed]) -> Self {
        let mut next = self.clone();
        for state in observed {
            let Some(scope) = plan.scopes.iter().find(|scope| state.scope.as_ref() == Some(&scope.id)) else {
                continue;
            };
            let known = self.scopes.get(&scope.id).cloned().unwrap_or_default();
            let touched = Touched::new(plan, statuses, &scope.id);
            let mut left_alone = self.drifted_and_left(scope, state);
            left_alone.retain(|object| !touched.done.contains(object));
            let mut memory = ScopeMemory::of(state);
            memory.groups.retain(|id, group| touched.is_known(&Object::Group(id.clone()), &group.name));
            memory.members.retain(|id, _| touched.is_known(&Object::Interface(id.clone()), ""));
            let keep = |object: &Object| left_alone.contains(object) || touched.not_sent.contains(object);
            for (id, group) in known.groups.into_iter().filter(|(id, _)| keep(&Object::Group(id.clone()))) {
                memory.groups.insert(id, group);
            }
            for (id, held) in known.members.into_iter().filter(|(id, _)| keep(&Object::Interface(id.clone())))
            {
                memory.members.insert(id, held);
            }
            next.scopes.insert(scope.id.clone(), memory);
        }
        next
    }

    fn drifted_and_left(&self, scope: &Scope, observed: &Observed) -> BTreeSet<Object> {
        let drift = self.compare(scope, observed).into_iter();
        drift.filter(|(_, item)| !item.repaired).map(|(object, _)| object).collect()
    }

    /// Steps that would bring back what somebody else changed in objects of ours that are still there; they are only
    /// imagined. A driver says what the state would be (`CloudReader::after`), because more than groups may hang on it.
    pub fn undo(&self, observed: &Observed) -> Vec<Step> {
        let scope = observed.scope.as_ref().and_then(|id| Some((id, self.scopes.get(id)?)));
        let Some((scope, memory)) = scope else { return Vec::new() };
        let groups = observed.groups.iter().filter_map(|group| Some((group, memory.groups.get(&group.id)?)));
        let rules = groups.clone().flat_map(|(group, known)| known.undo(group));
        let there: BTreeSet<&GroupId> = groups.map(|(group, _)| &group.id).collect();
        let joined: BTreeSet<&GroupId> =
            observed.interfaces.iter().flat_map(|interface| &interface.groups).collect();
        // Ours by its mark, nobody's by its members, and we did not leave it: what hangs on it is somebody's.
        let is_strange = |group: &&GroupState| {
            group.owner == Owner::Ours && !there.contains(&group.id) && !joined.contains(&group.id)
        };
        let strange = observed
            .groups
            .iter()
            .filter(is_strange)
            .map(|group| StepAction::DeleteGroup { group: group.id.clone(), name: group.name.clone() });
        let members = observed.interfaces.iter().filter_map(|interface| {
            Some(undo_members(interface, memory.members.get(&interface.id)?, &there))
        });
        let actions = rules.chain(members.flatten()).chain(strange);
        actions.enumerate().map(|(number, action)| imagined(number, scope, action)).collect()
    }

    /// What is different now, object by object.
    pub fn compare(&self, scope: &Scope, observed: &Observed) -> Vec<(Object, DriftItem)> {
        let Some(memory) = self.scopes.get(&scope.id) else { return Vec::new() };
        let mut found = Vec::new();
        for (id, known) in &memory.groups {
            let group = observed.groups.iter().find(|group| group.id == *id);
            let text = format!("group {} ({id})", known.name);
            let object = Object::Group(id.clone());
            found.extend(known.differences(group).into_iter().map(|d| (object.clone(), text.clone(), d)));
        }
        for interface in &observed.interfaces {
            let Some(before) = memory.members.get(&interface.id) else { continue };
            let known = |ids: &'_ [GroupId]| -> Vec<GroupId> {
                ids.iter().filter(|id| memory.groups.contains_key(*id)).cloned().collect()
            };
            let (before, now) = (known(before), known(&interface.groups));
            let text = format!("interface {} ({})", interface.name, interface.id);
            let object = Object::Interface(interface.id.clone());
            let gone = before.iter().filter(|id| !now.contains(id)).map(|id| (id, "was taken off"));
            let come = now.iter().filter(|id| !before.contains(id)).map(|id| (id, "was put on"));
            let differences = gone.chain(come).map(|(id, what)| format!("our group {id} {what}"));
            found.extend(differences.map(|d| (object.clone(), text.clone(), d)));
        }
        let repaired = scope.drift == Drift::Repair;
        let item = |object, difference| DriftItem { scope: scope.id.clone(), object, difference, repaired };
        found.into_iter().map(|(object, text, difference)| (object, item(text, difference))).collect()
    }
}

impl ScopeMemory {
    fn of(observed: &Observed) -> Self {
        let ours = observed.groups.iter().filter(|group| group.owner == Owner::Ours);
        let groups: BTreeMap<_, _> = ours.map(|group| (group.id.clone(), GroupMemory::of(group))).collect();
        let held = |ids: &[GroupId]| ids.iter().filter(|id| groups.contains_key(*id)).cloned().collect();
        let members = observed.interfaces.iter().map(|i| (i.id.clone(), held(&i.groups))).collect();
        Self { groups, members }
    }
}

impl GroupMemory {
    fn of(group: &GroupState) -> Self {
        Self { name: group.name.clone(), ingress: group.ingress.clone(), egress: group.egress.clone() }
    }

    /// What brings the rules of a group back.
    fn undo(&self, now: &GroupState) -> Vec<StepAction> {
        let id = &now.id;
        let without = |some: &[RuleSpec], others: &[RuleSpec]| -> Vec<RuleSpec> {
            some.iter().filter(|rule| !others.contains(rule)).cloned().collect()
        };
        let mut actions = Vec::new();
        for (direction, known, now) in [
            (Direction::Ingress, &self.ingress, &now.ingress),
            (Direction::Egress, &self.egress, &now.egress),
        ] {
            if known == now {
                continue;
            }
            let (group, rules) = (id.clone(), without(known, now));
            actions.extend((!rules.is_empty()).then_some(StepAction::AddRules { group, direction, rules }));
            let (group, rules) = (id.clone(), without(now, known));
            actions.extend((!rules.is_empty()).then_some(StepAction::RemoveRules {
                group,
                direction,
                rules,
            }));
        }
        actions
    }

    fn differences(&self, now: Option<&GroupState>) -> Vec<String> {
        let Some(now) = now else { return vec!["was deleted".to_owned()] };
        let mut differences = rule_differences("ingress", &self.ingress, &now.ingress);
        differences.extend(rule_differences("egress", &self.egress, &now.egress));
        differences.extend(now.tag_drift.keys().map(|key| format!("tag `{key}` changed")));
        differences
    }
}

/// What brings back which of our groups an interface is in.
fn undo_members(
    interface: &InterfaceState,
    before: &[GroupId],
    there: &BTreeSet<&GroupId>,
) -> impl Iterator<Item = StepAction> {
    let now = &interface.groups;
    let add: Vec<GroupId> =
        before.iter().filter(|id| there.contains(id) && !now.contains(id)).cloned().collect();
    let remove: Vec<GroupId> =
        now.iter().filter(|id| there.contains(id) && !before.contains(id)).cloned().collect();
    let id = || interface.id.clone();
    let attach = (!add.is_empty()).then(|| StepAction::Attach { interface: id(), add });
    let detach = (!remove.is_empty()).then(|| StepAction::Detach { interface: id(), remove });
    attach.into_iter().chain(detach)
}

fn imagined(number: usize, scope: &ScopeId, action: StepAction) -> Step {
    Step {
        id: StepId(number as u32),
        scope: scope.clone(),
        action,
        title: String::new(),
        reasons: Vec::new(),
        after: Vec::new(),
        settled_after: Vec::new(),
    }
}

fn rule_differences(direction: &str, before: &[RuleSpec], now: &[RuleSpec]) -> Vec<String> {
    let only = |some: &[RuleSpec], others: &[RuleSpec], what: &str| -> Vec<String> {
        let apart = some.iter().filter(|rule| !others.contains(rule));
        apart.map(|rule| format!("{direction} rule {rule} was {what}")).collect()
    };
    [only(before, now, "removed"), only(now, before, "added")].concat()
}

/// What the steps of a pass did to the objects of a scope.
struct Touched {
    /// Objects for which every step did its work.
    done: BTreeSet<Object>,
    /// Objects that a step was meant for and that none was sent for.
    not_sent: BTreeSet<Object>,
    /// Objects that a step was sent for without being seen to have done its work.
    unclear: BTreeSet<Object>,
    /// Names of planned groups among those.
    unclear_names: BTreeSet<String>,
}

impl Touched {
    fn new(plan: &Plan, statuses: &[StepStatus], scope: &ScopeId) -> Self {
        let (mut not_sent, mut done, mut unclear) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        let outcomes: BTreeMap<_, _> = statuses.iter().map(|status| (status.id, &status.outcome)).collect();
        for step in plan.steps.iter().filter(|step| step.scope == *scope) {
            let object = object_of(&step.action);
            match outcomes.get(&step.id) {
                None | Some(StepOutcome::Blocked { .. } | StepOutcome::Stopped) => not_sent.insert(object),
                Some(StepOutcome::Done | StepOutcome::AlreadyTrue) => done.insert(object),
                Some(StepOutcome::Failed { .. } | StepOutcome::Unverified) => unclear.insert(object),
            };
        }
        // Half of what was meant for it was done: it is neither as it was nor as it should be.
        unclear.extend(not_sent.intersection(&done).cloned().collect::<Vec<_>>());
        not_sent.retain(|object| !unclear.contains(object));
        done.retain(|object| !unclear.contains(object));
        let name = |object: &Object| match object {
            Object::Group(id) => id.planned_name().map(str::to_owned),
            Object::Interface(_) => None,
        };
        let unclear_names = unclear.iter().filter_map(name).collect();
        Self { done, not_sent, unclear, unclear_names }
    }

    fn is_known(&self, object: &Object, name: &str) -> bool {
        !self.unclear.contains(object)
            && !self.not_sent.contains(object)
            && !self.unclear_names.contains(name)
    }
}

/// The object that a step works on.
pub(crate) fn object_of(action: &StepAction) -> Object {
    match action {
        StepAction::CreateGroup { group, .. }
        | StepAction::Mark { group }
        | StepAction::AddRules { group, .. }
        | StepAction::RemoveRules { group, .. }
        | StepAction::DeleteGroup { group, .. } => Object::Group(group.clone()),
        StepAction::Attach { interface, .. } | StepAction::Detach { interface, .. } => {
            Object::Interface(interface.clone())
        }
    }
}

#[cfg(test)]
mod tests;
