//! How many calls steps need, and how long the limits make them take.

use std::collections::{BTreeMap, BTreeSet};

use plan::{GroupId, Step, StepAction};
use provider::CallEstimate;

use crate::ids::{self, GroupKind};
use crate::rest::pace::{Group, Rates, predict_ms};

/// Calls to Resource Manager for a change there: the look before, the change, the look at its operation.
const CALLS_OF_A_TAG: u32 = 3;
/// Reads around a change in Compute Engine: before, and the version after.
const READS_OF_A_PATCH: u32 = 2;

const PATCH: &str = "compute.networkFirewallPolicies.patch";

/// The calls that steps need, from above: what the first step of a network makes besides (a policy, its association, the
/// tag of closed interfaces) is counted whether it is there or not, which is not known here.
pub(crate) fn estimate(steps: &[&Step], share: f64, rates: Rates) -> CallEstimate {
    let mut calls: BTreeMap<String, u32> = BTreeMap::new();
    for action in steps.iter().flat_map(|step| calls_of(&step.action)).chain(first_calls(steps)) {
        *calls.entry(action.to_owned()).or_default() += 1;
    }
    let count = |of_compute: bool| {
        let found = calls.iter().filter(|(action, _)| action.starts_with("compute.") == of_compute);
        found.map(|(_, count)| *count).sum::<u32>()
    };
    let (of_tags, patches) = (count(false), count(true));
    let instances = steps
        .iter()
        .filter(|step| matches!(step.action, StepAction::Attach { .. } | StepAction::Detach { .. }));
    let groups = BTreeMap::from([
        (Group::Manager, of_tags * CALLS_OF_A_TAG),
        (Group::Queries, patches),
        (Group::Reads, patches * READS_OF_A_PATCH + instances.count() as u32),
        (Group::OperationReads, patches),
    ]);
    CallEstimate { duration_ms: predict_ms(&groups, share, rates), calls }
}

/// What is made once for each network in which a class is made, and for each direction of it that is closed.
fn first_calls(steps: &[&Step]) -> Vec<&'static str> {
    let (mut networks, mut closing) = (BTreeSet::new(), BTreeSet::new());
    for step in steps {
        match &step.action {
            StepAction::CreateGroup { network, .. } => drop(networks.insert(network)),
            StepAction::Detach { remove, .. } => {
                closing.extend(remove.iter().filter_map(|id| match ids::kind_of(id) {
                    GroupKind::Rest { network, direction } => Some((network, direction)),
                    _ => None,
                }));
            }
            _ => {}
        }
    }
    let policies =
        ["compute.networkFirewallPolicies.insert", "compute.networkFirewallPolicies.addAssociation"];
    let tags = ["cloudresourcemanager.tagKeys.create", "cloudresourcemanager.tagValues.create", PATCH];
    let of_networks = networks.iter().flat_map(|_| policies);
    of_networks.chain(closing.iter().flat_map(|_| tags)).collect()
}

fn calls_of(action: &StepAction) -> Vec<&'static str> {
    match action {
        StepAction::CreateGroup { open_egress, .. } => {
            let tags = ["cloudresourcemanager.tagKeys.create", "cloudresourcemanager.tagValues.create"];
            tags.into_iter().chain(open_egress.then_some(PATCH)).collect()
        }
        StepAction::Mark { .. } => Vec::new(),
        StepAction::AddRules { .. } | StepAction::RemoveRules { .. } => vec![PATCH],
        StepAction::Attach { add, .. } => add.iter().map(|id| of_membership(id, true)).collect(),
        StepAction::Detach { remove, .. } => remove.iter().map(|id| of_membership(id, false)).collect(),
        StepAction::DeleteGroup { group, .. } => match ids::kind_of(group) {
            GroupKind::Damaged(_) => vec![PATCH],
            GroupKind::Key(_) => vec!["cloudresourcemanager.tagKeys.delete"],
            // Rules that somebody has written for it since go first.
            _ => vec![PATCH, "cloudresourcemanager.tagValues.delete", "cloudresourcemanager.tagKeys.delete"],
        },
    }
}

/// To take an interface out of a rest is to bind the tag of closed ones.
fn of_membership(id: &GroupId, is_attached: bool) -> &'static str {
    match (ids::kind_of(id), is_attached) {
        (GroupKind::NetworkTag { .. }, _) => "compute.instances.setTags",
        (GroupKind::Rest { .. }, true) => "cloudresourcemanager.tagBindings.delete",
        (GroupKind::Rest { .. }, false) | (_, true) => "cloudresourcemanager.tagBindings.create",
        (_, false) => "cloudresourcemanager.tagBindings.delete",
    }
}
