//! What a plan was computed from, as one digest: if it moved, the plan is refused.

use std::collections::BTreeSet;

use policy::InterfaceId;

use crate::plan::Plan;
use crate::state::{GroupId, Observed, Peer};
use crate::step::{Step, StepAction};

/// Digest of what a plan is and was computed from: installation, policy, settings of the scopes, its steps with their order,
/// the objects that they touch, and the members of the groups among them. If it is the same, applying a fresh plan is
/// applying the one that was reviewed.
pub fn base_digest(plan: &Plan, domain: &[&Observed]) -> String {
    let (groups, interfaces) = touched(&plan.steps);
    let mut hasher = blake3::Hasher::new();
    let mut add = |text: String| {
        hasher.update(&(text.len() as u64).to_le_bytes());
        hasher.update(text.as_bytes());
    };
    add(plan.installation.clone());
    add(plan.policy_digest.clone());
    plan.scopes.iter().for_each(|scope| add(format!("{scope:?}")));
    for step in &plan.steps {
        add(format!("{:?} {:?} {:?} {:?}", step.scope, step.action, step.after, step.settled_after));
    }
    for observed in domain {
        for group in observed.groups.iter().filter(|group| groups.contains(&group.id)) {
            add(format!("{group:?}"));
        }
        for interface in &observed.interfaces {
            let member = interface.groups.iter().any(|group| groups.contains(group));
            if member || interfaces.contains(&interface.id) {
                add(format!("{} {:?} {:?}", interface.id, interface.groups, interface.addresses));
            }
        }
    }
    hasher.finalize().to_hex().to_string()
}

fn touched(steps: &[Step]) -> (BTreeSet<GroupId>, BTreeSet<InterfaceId>) {
    let (mut groups, mut interfaces) = (BTreeSet::new(), BTreeSet::new());
    for step in steps {
        match &step.action {
            StepAction::CreateGroup { group, .. }
            | StepAction::Mark { group }
            | StepAction::DeleteGroup { group, .. } => {
                groups.insert(group.clone());
            }
            StepAction::AddRules { group, rules, .. } | StepAction::RemoveRules { group, rules, .. } => {
                groups.insert(group.clone());
                groups.extend(rules.iter().filter_map(|rule| match &rule.peer {
                    Peer::Group(peer) => Some(peer.clone()),
                    _ => None,
                }));
            }
            StepAction::Attach { interface, add: named }
            | StepAction::Detach { interface, remove: named } => {
                interfaces.insert(interface.clone());
                groups.extend(named.iter().cloned());
            }
        }
    }
    (groups, interfaces)
}
