//! What we last left in the cloud: the third side of the comparison that tells drift from a change of policy.

use std::collections::BTreeMap;

use plan::plan::DriftItem;
use plan::{Drift, GroupId, Observed, Owner, RuleSpec, Scope, StepAction};
use policy::InterfaceId;
use serde::{Deserialize, Serialize};

/// Our objects as they were after the last pass that converged.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct LastApplied {
    /// Groups of ours: name, ingress, egress.
    pub groups: BTreeMap<GroupId, (String, Vec<RuleSpec>, Vec<RuleSpec>)>,
    /// Groups of ours on each interface.
    pub members: BTreeMap<InterfaceId, Vec<GroupId>>,
}

/// An object that drifted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Drifted {
    /// A group.
    Group(GroupId),
    /// The groups of an interface.
    Interface(InterfaceId),
}

impl LastApplied {
    /// Takes note of our objects in a state.
    pub fn of<'a>(domain: impl IntoIterator<Item = &'a Observed>) -> Self {
        let mut last = Self::default();
        for observed in domain {
            let ours: Vec<_> = observed.groups.iter().filter(|group| group.owner == Owner::Ours).collect();
            for group in &ours {
                last.groups.insert(
                    group.id.clone(),
                    (group.name.clone(), group.ingress.clone(), group.egress.clone()),
                );
            }
            for interface in &observed.interfaces {
                let held = interface.groups.iter().filter(|id| ours.iter().any(|group| group.id == **id));
                last.members.insert(interface.id.clone(), held.cloned().collect());
            }
        }
        last
    }

    /// A state as it was before somebody else changed our objects.
    pub fn restore(&self, observed: &Observed) -> Observed {
        let mut state = observed.clone();
        for group in &mut state.groups {
            if let Some((_, ingress, egress)) = self.groups.get(&group.id) {
                group.ingress.clone_from(ingress);
                group.egress.clone_from(egress);
            }
        }
        for interface in &mut state.interfaces {
            if let Some(held) = self.members.get(&interface.id) {
                interface.groups.retain(|group| !self.groups.contains_key(group));
                interface.groups.extend(held.iter().cloned());
                interface.groups.sort();
            }
        }
        state
    }

    /// What is different now, object by object.
    pub fn compare(&self, scope: &Scope, observed: &Observed) -> Vec<(Drifted, DriftItem)> {
        let repaired = scope.drift == Drift::Repair;
        let item = |object: String, difference: String| DriftItem {
            scope: scope.id.clone(),
            object,
            difference,
            repaired,
        };
        let mut items = Vec::new();
        for group in &observed.groups {
            let Some((name, ingress, egress)) = self.groups.get(&group.id) else { continue };
            let mut differences = rule_differences("ingress", ingress, &group.ingress);
            differences.extend(rule_differences("egress", egress, &group.egress));
            differences.extend(group.tag_drift.keys().map(|key| format!("tag `{key}` changed")));
            let object = format!("group {name} ({})", group.id);
            items.extend(
                differences
                    .into_iter()
                    .map(|difference| (Drifted::Group(group.id.clone()), item(object.clone(), difference))),
            );
        }
        for interface in &observed.interfaces {
            let Some(before) = self.members.get(&interface.id) else { continue };
            let known = |id: &&GroupId| self.groups.contains_key(*id);
            let now: Vec<&GroupId> = interface.groups.iter().filter(known).collect();
            let object = format!("interface {} ({})", interface.name, interface.id);
            let gone = before
                .iter()
                .filter(|id| !now.contains(id))
                .map(|id| format!("our group {id} was taken off"));
            let come =
                now.iter().filter(|id| !before.contains(id)).map(|id| format!("our group {id} was put on"));
            items.extend(gone.chain(come).map(|difference| {
                (Drifted::Interface(interface.id.clone()), item(object.clone(), difference))
            }));
        }
        items
    }
}

fn rule_differences(direction: &str, before: &[RuleSpec], now: &[RuleSpec]) -> Vec<String> {
    let gone = before
        .iter()
        .filter(|rule| !now.contains(rule))
        .map(|rule| format!("{direction} rule {rule} was removed"));
    let come = now
        .iter()
        .filter(|rule| !before.contains(rule))
        .map(|rule| format!("{direction} rule {rule} was added"));
    gone.chain(come).collect()
}

/// Whether a step works on a drifted object.
pub(crate) fn concerns(action: &StepAction, object: &Drifted) -> bool {
    match (action, object) {
        (
            StepAction::Mark { group }
            | StepAction::AddRules { group, .. }
            | StepAction::RemoveRules { group, .. }
            | StepAction::DeleteGroup { group, .. },
            Drifted::Group(drifted),
        ) => group == drifted,
        (
            StepAction::Attach { interface, .. } | StepAction::Detach { interface, .. },
            Drifted::Interface(drifted),
        ) => interface == drifted,
        _ => false,
    }
}
