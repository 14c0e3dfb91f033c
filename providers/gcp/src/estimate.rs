//! How many calls steps need, and how long the limits make them take.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use plan::{GroupId, Observed, Step, StepAction};
use provider::CallEstimate;

use crate::after;
use crate::ids::{self, GroupKind};
use crate::rest::pace::{Group, Rates, predict_ms};
use crate::settings::{GcpSettings, Identity};

/// Calls to Resource Manager for a change there: the look before, the change, the look at its operation.
const CALLS_OF_A_TAG: u32 = 3;
/// Reads around a change in Compute Engine: of what is changed.
const READS_OF_A_PATCH: u32 = 1;

const PATCH: &str = "compute.networkFirewallPolicies.patch";

/// The calls that steps need, from above: what the first step of a network makes besides (a policy, its association, the
/// tag of closed interfaces) is counted whether it is there or not, which is not known here. What one batch changes in
/// the rules of one network is one call.
pub(crate) fn estimate(
    settings: &GcpSettings,
    observed: &Observed,
    batches: &[Vec<&Step>],
    share: f64,
    rates: Rates,
) -> CallEstimate {
    if settings.identity == Identity::NetworkTags {
        return of_network_tags(settings, observed, batches, share, rates);
    }
    let mut calls: BTreeMap<String, u32> = BTreeMap::new();
    let patches: usize = batches.iter().map(|batch| networks_of_rules(observed, batch).len()).sum();
    if patches > 0 {
        calls.insert(PATCH.to_owned(), patches as u32);
    }
    let steps: Vec<&Step> = batches.iter().flatten().copied().collect();
    for action in steps.iter().flat_map(|step| calls_of(&step.action)).chain(first_calls(&steps)) {
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

/// The networks whose rules steps change; a group that is not known is one of its own.
fn networks_of_rules<'a>(observed: &'a Observed, steps: &[&'a Step]) -> BTreeSet<Cow<'a, str>> {
    let network = |group: &'a GroupId| match ids::kind_of(group) {
        GroupKind::Planned { network, .. } => Cow::Owned(network.as_str().to_owned()),
        _ => {
            let held = observed.groups.iter().find(|held| held.id == *group);
            Cow::Borrowed(held.map_or(group.as_str(), |held| held.network.as_str()))
        }
    };
    let groups = steps.iter().filter_map(|step| match &step.action {
        StepAction::AddRules { group, .. } | StepAction::RemoveRules { group, .. } => Some(group),
        _ => None,
    });
    groups.map(network).collect()
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
        StepAction::Mark { .. } | StepAction::AddRules { .. } | StepAction::RemoveRules { .. } => Vec::new(),
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

/// Where network tags stand for classes: a call for each classic rule that changes, and one for the tags of an instance. What
/// a step does depends on what is there, so the steps are done in thought.
fn of_network_tags(
    settings: &GcpSettings,
    observed: &Observed,
    batches: &[Vec<&Step>],
    share: f64,
    rates: Rates,
) -> CallEstimate {
    let steps: Vec<&Step> = batches.iter().flatten().copied().collect();
    let calls = after::tagged_calls(settings, observed, &steps);
    let total: u32 = calls.values().sum();
    // A list for each step, and a look at each thing before it changes.
    let groups = BTreeMap::from([
        (Group::Queries, total),
        (Group::Reads, total + steps.len() as u32),
        (Group::OperationReads, total),
    ]);
    let calls = calls.into_iter().map(|(action, count)| (action.to_owned(), count)).collect();
    CallEstimate { duration_ms: predict_ms(&groups, share, rates), calls }
}
