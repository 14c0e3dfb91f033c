//! What a plan was computed from, as one digest: if it moved, the plan is refused.

use std::collections::BTreeSet;

use policy::InterfaceId;

use crate::state::{GroupId, Observed, Peer};
use crate::step::{Step, StepAction};

/// Digest of the policy, the objects that the steps touch, and the members of the groups among them.
pub fn base_digest(policy_digest: &str, domain: &[&Observed], steps: &[Step]) -> String {
    let (groups, interfaces) = touched(steps);
    let mut hasher = blake3::Hasher::new();
    let mut add = |text: String| {
        hasher.update(&(text.len() as u64).to_le_bytes());
        hasher.update(text.as_bytes());
    };
    add(policy_digest.to_owned());
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
