//! Whether a rule matches at one end: scope instances, actors of a side, services.
//!
//! Exclusions take workloads off what labels, label groups and `AllWorkloads` include; a workload named by
//! itself and the addresses of an IP list are neither narrowed by a scope nor taken off by an exclusion.

use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::decide::Point;
use crate::label::Label;
use crate::name::{LabelKey, LabelValue, Name};
use crate::ruleset::{Actor, Policy, Rule, Ruleset, ScopeEntry, ScopeTarget};
use crate::workload::Workload;

/// On which side of a rule the deciding end stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum LocalSide {
    /// The end opens the connection: egress.
    Source,
    /// The end is connected to: ingress.
    Destination,
}

/// One scope with one member chosen for every included label group: a workload is in it when it carries
/// every required label and none that is taken off.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Instance {
    pub required: Vec<Label>,
    pub taken_off: Vec<Label>,
}

impl Instance {
    /// Whether the workload is in the scope instance (S1). A workload without a key is not taken off by it.
    pub fn covers(&self, workload: &Workload) -> bool {
        self.required.iter().all(|label| carries(workload, label))
            && !self.taken_off.iter().any(|label| carries(workload, label))
    }
}

/// Whether the rule matches in any scope instance, enabled or not.
pub(crate) fn rule_matches(point: &Point<'_>, ruleset: &Ruleset, rule: &Rule) -> bool {
    rule.services.contains(point.flow.service)
        && instances(&point.snapshot.policy, ruleset)
            .iter()
            .any(|instance| sides_match(point, rule, Some(instance)) == (true, true))
}

/// Whether the source side and the destination side match, in one scope instance or in none.
pub(crate) fn sides_match(point: &Point<'_>, rule: &Rule, instance: Option<&Instance>) -> (bool, bool) {
    let policy = &point.snapshot.policy;
    // S5, S6: a rule across scopes leaves its sources global.
    let source_scope = if rule.extra_scope { None } else { instance };
    let local: Vec<&Workload> = point.local.iter().map(|(workload, _)| *workload).collect();
    let peer = point.peer.workloads();
    let by_identity = |actors: &[Actor], scope: Option<&Instance>, workloads: &[&Workload]| {
        workloads.iter().any(|workload| side_selects(policy, actors, scope, workload))
    };
    let by_address = |actors: &[Actor]| side_holds(policy, actors, point.other_end().address);
    match point.side {
        LocalSide::Destination => (
            by_identity(&rule.sources, source_scope, peer) || by_address(&rule.sources),
            by_identity(&rule.destinations, instance, &local),
        ),
        LocalSide::Source => (
            by_identity(&rule.sources, source_scope, &local),
            by_identity(&rule.destinations, instance, peer) || by_address(&rule.destinations),
        ),
    }
}

/// The scopes of a ruleset, label groups expanded (S3). No scope at all is one that covers everything (S2).
pub(crate) fn instances(policy: &Policy, ruleset: &Ruleset) -> Vec<Instance> {
    if ruleset.scopes.is_empty() {
        return vec![Instance::default()];
    }
    ruleset.scopes.iter().flat_map(|scope| expand(policy, scope)).collect()
}

/// One instance for each way of choosing one label for every included entry.
fn expand(policy: &Policy, scope: &[ScopeEntry]) -> Vec<Instance> {
    let mut instances = vec![Instance::default()];
    for entry in scope {
        let labels = match &entry.target {
            ScopeTarget::Label(label) => vec![label.clone()],
            ScopeTarget::LabelGroup(group) => group_labels(policy, group),
        };
        if entry.exclusion {
            // A group that is taken off takes all its members off, in every instance.
            for instance in &mut instances {
                instance.taken_off.extend(labels.iter().cloned());
            }
            continue;
        }
        let mut expanded = Vec::new();
        for instance in &instances {
            for label in &labels {
                let mut one = instance.clone();
                one.required.push(label.clone());
                expanded.push(one);
            }
        }
        instances = expanded;
    }
    instances
}

/// Whether a side selects the workload by what it is; addresses are [`side_holds`].
pub(crate) fn side_selects(
    policy: &Policy,
    actors: &[Actor],
    scope: Option<&Instance>,
    workload: &Workload,
) -> bool {
    // S7: a workload named by itself is never narrowed.
    if actors.iter().any(|actor| matches!(actor, Actor::Workload(id) if *id == workload.id)) {
        return true;
    }
    scope.is_none_or(|scope| scope.covers(workload))
        && includes(policy, actors, workload)
        && !actors.iter().any(|actor| is_exclusion(actor) && names(policy, actor, workload))
}

/// The inclusion part of a side: OR inside a key, AND over keys, OR with all workloads (S8, S9).
fn includes(policy: &Policy, actors: &[Actor], workload: &Workload) -> bool {
    // S4: exclusions only mean everything except them.
    if !actors.is_empty() && actors.iter().all(is_exclusion) {
        return true;
    }
    if actors.contains(&Actor::AllWorkloads) {
        return true;
    }
    let included: Vec<&Actor> = actors.iter().filter(|actor| !is_exclusion(actor)).collect();
    let keys: BTreeSet<&LabelKey> = included.iter().filter_map(|actor| key_of(policy, actor)).collect();
    let one_of_key = |key: &LabelKey| {
        let of_key = |actor: &&&Actor| key_of(policy, actor) == Some(key);
        included.iter().filter(of_key).any(|actor| names(policy, actor, workload))
    };
    !keys.is_empty() && keys.into_iter().all(one_of_key)
}

/// Whether an IP list of the side holds the address, whoever has it.
pub(crate) fn side_holds(policy: &Policy, actors: &[Actor], address: IpAddr) -> bool {
    actors.iter().any(|actor| match actor {
        Actor::IpList(name) => policy.ip_lists.get(name).is_some_and(|list| list.addresses.contains(address)),
        _ => false,
    })
}

fn is_exclusion(actor: &Actor) -> bool {
    matches!(actor, Actor::Label { exclusion: true, .. } | Actor::LabelGroup { exclusion: true, .. })
}

/// The key that a label actor speaks of.
fn key_of<'a>(policy: &'a Policy, actor: &'a Actor) -> Option<&'a LabelKey> {
    match actor {
        Actor::Label { label, .. } => Some(&label.key),
        Actor::LabelGroup { group, .. } => policy.label_groups.get(group).map(|group| &group.key),
        Actor::AllWorkloads | Actor::IpList(_) | Actor::Workload(_) => None,
    }
}

/// Whether the workload carries the label, or one of the group's, whether included or taken off.
fn names(policy: &Policy, actor: &Actor, workload: &Workload) -> bool {
    match actor {
        Actor::Label { label, .. } => carries(workload, label),
        Actor::LabelGroup { group, .. } => {
            group_labels(policy, group).iter().any(|label| carries(workload, label))
        }
        Actor::AllWorkloads | Actor::IpList(_) | Actor::Workload(_) => false,
    }
}

fn carries(workload: &Workload, label: &Label) -> bool {
    workload.labels.get(&label.key) == Some(&label.value)
}

/// The labels of a group and of all groups inside it (S10), each once.
pub(crate) fn group_labels(policy: &Policy, group: &Name) -> Vec<Label> {
    let (mut visited, mut open) = (BTreeSet::new(), vec![group]);
    let mut values: BTreeSet<(&LabelKey, &LabelValue)> = BTreeSet::new();
    while let Some(name) = open.pop() {
        // The loader refuses cycles; a policy made by hand must not hang the oracle.
        if !visited.insert(name) {
            continue;
        }
        if let Some(group) = policy.label_groups.get(name) {
            values.extend(group.labels.iter().map(|value| (&group.key, value)));
            open.extend(&group.sub_groups);
        }
    }
    values.into_iter().map(|(key, value)| Label { key: key.clone(), value: value.clone() }).collect()
}
