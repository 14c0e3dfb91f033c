//! The calls that steps need, and how long the limits of calls make them take.

use std::collections::{BTreeMap, BTreeSet};

use plan::{Attachment, Direction, GroupId, Observed, RuleService, RuleSpec, Scope, Step, StepAction};
use provider::CallEstimate;

use crate::after::find_list;
use crate::arm::pace::{Class, Plane, predict_ms};
use crate::ids::{self, GroupKind};
use crate::marks;
use crate::resources::{ArmId, kind};
use crate::settings::AzureSettings;

/// Reads around one write: the resource, a group that is made once more, a look at the operation.
const READS_PER_WRITE: u32 = 3;

/// Counts from above: closing an interface counts the group and the rule of its list once, whether or not they are there.
/// What one batch changes in one security group is one call. Security groups that are made settle at one time.
pub fn estimate(
    settings: &AzureSettings,
    scope: &Scope,
    observed: &Observed,
    batches: &[Vec<&Step>],
    share: f64,
) -> CallEstimate {
    let band = settings.band_of(Some(&scope.id));
    let mut calls: BTreeMap<String, u32> = BTreeMap::new();
    let mut closing: BTreeSet<&GroupId> = BTreeSet::new();
    let mut count = |action: String| *calls.entry(action).or_default() += 1;
    for (list, facts) in batches.iter().flat_map(|batch| by_list(observed, batch)) {
        let is_one =
            list.is_some() && facts.len() == 1 && facts.iter().all(|facts| written_rules(facts) == 1);
        count(if is_one { kind::RULE.writing() } else { kind::SECURITY_GROUP.writing() });
    }
    for step in batches.iter().flatten() {
        match &step.action {
            StepAction::CreateGroup { group, open_egress, .. } => match ids::kind_of(group) {
                GroupKind::PlannedAsg { .. } => count(kind::APPLICATION_GROUP.writing()),
                _ if *open_egress => count(kind::SECURITY_GROUP.writing()),
                _ => {}
            },
            StepAction::Mark { .. } => count(kind::APPLICATION_GROUP.writing()),
            StepAction::AddRules { .. } | StepAction::RemoveRules { .. } => {}
            StepAction::Attach { .. } => count(kind::INTERFACE.writing()),
            StepAction::Detach { remove, .. } => {
                count(kind::INTERFACE.writing());
                for rest in remove {
                    let GroupKind::Rest { direction, .. } = ids::kind_of(rest) else { continue };
                    if !closing.insert(rest) {
                        continue;
                    }
                    count(kind::APPLICATION_GROUP.writing());
                    let has_probes = settings.keeps_probes && direction == Direction::Ingress;
                    if band.attachment == Attachment::Exclusive {
                        count(kind::APPLICATION_GROUP.writing());
                        count(kind::SECURITY_GROUP.writing());
                    } else {
                        count(if has_probes { kind::SECURITY_GROUP.writing() } else { kind::RULE.writing() });
                    }
                }
            }
            StepAction::DeleteGroup { group, .. } => match ids::kind_of(group) {
                GroupKind::Asg(_) | GroupKind::PlannedAsg { .. } => count(kind::APPLICATION_GROUP.deleting()),
                _ => count(kind::SECURITY_GROUP.writing()),
            },
        }
    }
    let places = places_to_make(observed, batches);
    for place in &places {
        count(kind::SECURITY_GROUP.writing());
        let is_subnet = place.key().contains("/subnets/");
        count(if is_subnet { kind::SUBNET.writing() } else { kind::INTERFACE.writing() });
    }
    let of_class = |class: &(Class, Plane)| {
        let is_delete = class.0 == Class::Delete;
        calls.iter().filter(|(action, _)| action.ends_with("/delete") == is_delete).map(|(_, n)| n).sum()
    };
    let (write, delete) = ((Class::Write, Plane::Network), (Class::Delete, Plane::Network));
    let (writes, deletes): (u32, u32) = (of_class(&write), of_class(&delete));
    let reads = ((Class::Read, Plane::Network), READS_PER_WRITE * (writes + deletes));
    let settles_ms = if places.is_empty() { 0 } else { scope.settle_ms };
    let calls_ms = predict_ms(&BTreeMap::from([(write, writes), (delete, deletes), reads]), share);
    let duration_ms = calls_ms + settles_ms;
    CallEstimate { calls, duration_ms }
}

/// The places of security groups that steps make.
fn places_to_make(observed: &Observed, batches: &[Vec<&Step>]) -> Vec<ArmId> {
    let mut written: BTreeSet<String> = BTreeSet::new();
    for step in batches.iter().flatten() {
        match &step.action {
            StepAction::CreateGroup { group, .. } | StepAction::AddRules { group, .. } => {
                written.extend(list_of(observed, group));
            }
            StepAction::Detach { remove, .. } => {
                written.extend(remove.iter().filter_map(|rest| match ids::kind_of(rest) {
                    GroupKind::Rest { nsg, .. } => Some(nsg.key().to_owned()),
                    _ => None,
                }));
            }
            _ => {}
        }
    }
    let lists = observed.path_filters.iter().filter(|list| written.contains(&list.id));
    lists.filter_map(|list| marks::place_to_make(&list.owner)).collect()
}

/// The facts that steps change, by the security group that they are written in.
fn by_list<'a>(observed: &Observed, steps: &[&'a Step]) -> BTreeMap<Option<String>, Vec<&'a [RuleSpec]>> {
    let mut found: BTreeMap<Option<String>, Vec<&[RuleSpec]>> = BTreeMap::new();
    for step in steps {
        if let StepAction::AddRules { group, rules, .. } | StepAction::RemoveRules { group, rules, .. } =
            &step.action
        {
            found.entry(list_of(observed, group)).or_default().push(rules);
        }
    }
    found
}

fn list_of(observed: &Observed, carrier: &GroupId) -> Option<String> {
    match ids::kind_of(carrier) {
        GroupKind::Carrier { nsg, .. } => Some(nsg.key().to_owned()),
        GroupKind::PlannedCarrier { network, nsg, .. } => {
            find_list(observed, &network, &nsg).map(|list| list.id.clone())
        }
        _ => None,
    }
}

/// Rules that hold these facts at least.
fn written_rules(facts: &[RuleSpec]) -> usize {
    let key = |fact: &RuleSpec| -> (RuleService, u8) {
        let kind = match &fact.peer {
            plan::Peer::Group(_) => 0,
            plan::Peer::Cidr(ipnet::IpNet::V4(_)) => 1,
            plan::Peer::Cidr(ipnet::IpNet::V6(_)) => 2,
            plan::Peer::Opaque(_) => 3,
        };
        (fact.service, kind)
    };
    facts.iter().map(key).collect::<BTreeSet<_>>().len()
}
