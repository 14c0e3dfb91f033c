//! What was read from the clouds, and unmanaged workloads, as the snapshot that policy is compiled from.

use std::collections::{BTreeMap, BTreeSet};

use plan::{AttachClass, Observed, Scope};
use policy::file::PolicyFiles;
use policy::{
    Directions, EnforcementMode, Finding, Interface, LabelKey, LabelSet, LabelValue, Network, NetworkId,
    Policy, ScopeTarget, Severity, Snapshot, Workload, WorkloadId,
};
use rustc_hash::FxHashMap;

use crate::mapping::Mapping;

/// The snapshot of a domain. Pure; sorted by identity.
pub fn snapshot(files: &PolicyFiles, mapping: &Mapping, domain: &[(&Scope, &Observed)]) -> Snapshot {
    let mut workloads: FxHashMap<WorkloadId, Workload> = FxHashMap::default();
    for (scope, observed) in domain {
        for interface in &observed.interfaces {
            let workload = workloads.entry(interface.workload.clone()).or_insert_with(|| Workload {
                id: interface.workload.clone(),
                labels: LabelSet::new(),
                mode: EnforcementMode::default(),
                interfaces: Vec::new(),
            });
            for (key, value) in mapping.labels(&interface.tags) {
                if !workload.labels.contains_key(&key) {
                    workload.labels.insert(key, value);
                }
            }
            let enforces = match interface.attach {
                AttachClass::Direct => Directions { ingress: true, egress: scope.egress },
                AttachClass::ThroughService(_) | AttachClass::Never(_) => Directions::NONE,
            };
            workload.interfaces.push(Interface {
                id: interface.id.clone(),
                network: Some(interface.network.clone()),
                addresses: interface.addresses.clone(),
                enforces,
            });
        }
    }
    workloads.values_mut().for_each(|workload| workload.mode = mode_of(&files.policy, &workload.labels));
    let mut workloads: Vec<Workload> =
        workloads.into_values().chain(files.workloads.iter().cloned()).collect();
    workloads.sort_by(|a, b| a.id.cmp(&b.id));
    let mut policy = files.policy.clone();
    policy.rulesets.shrink_to_fit();
    Snapshot { policy, workloads, networks: networks(domain), translations: Vec::new() }
}

/// What is odd about what was read.
pub fn findings(mapping: &Mapping, domain: &[(&Scope, &Observed)]) -> Vec<Finding> {
    let mut findings = empty_scopes(domain);
    findings.extend(different_labels(mapping, domain));
    findings
}

/// Workloads whose interfaces say different things about a label. The interface that comes first by id wins, so that the
/// answer does not depend on the order of a list.
fn different_labels(mapping: &Mapping, domain: &[(&Scope, &Observed)]) -> Vec<Finding> {
    let mut said: BTreeMap<(&WorkloadId, LabelKey), BTreeSet<LabelValue>> = BTreeMap::new();
    for interface in domain.iter().flat_map(|(_, observed)| &observed.interfaces) {
        for (key, value) in mapping.labels(&interface.tags) {
            said.entry((&interface.workload, key)).or_default().insert(value);
        }
    }
    let differ = said.into_iter().filter(|(_, values)| values.len() > 1);
    let finding = |((workload, key), values): ((&WorkloadId, LabelKey), BTreeSet<LabelValue>)| {
        let values: Vec<&str> = values.iter().map(LabelValue::as_str).collect();
        let message = format!(
            "the tags of its interfaces say different things about `{key}`: {}; the first interface by id counts",
            values.join(", ")
        );
        let hint = "a workload has one value for each label: give its interfaces the same tag, or none";
        Finding::new(Severity::Warning, "labels-differ", workload, message, hint)
    };
    differ.map(finding).collect()
}

fn networks(domain: &[(&Scope, &Observed)]) -> BTreeMap<NetworkId, Network> {
    let states = domain.iter().flat_map(|(_, observed)| &observed.networks);
    states
        .map(|state| {
            let peers = state.peerings.iter().map(|peering| peering.peer.clone()).collect();
            (state.id.clone(), Network { id: state.id.clone(), cidrs: state.cidrs.clone(), peers })
        })
        .collect()
}

fn empty_scopes(domain: &[(&Scope, &Observed)]) -> Vec<Finding> {
    let empty = domain.iter().filter(|(_, observed)| observed.networks.is_empty());
    let finding = |(scope, _): &(&Scope, &Observed)| {
        let message =
            format!("no network found in region {}: nothing is enforced in this scope", scope.region);
        let hint = "check `region` of the scope, and whose credentials these are";
        Finding::new(Severity::Warning, "scope-empty", format!("scope {}", scope.id), message, hint)
    };
    empty.map(finding).collect()
}

/// The mode of a workload with these labels: the first entry of `enforcement:` that matches decides.
pub fn mode_of(policy: &Policy, labels: &LabelSet) -> EnforcementMode {
    let matches = |entry: &policy::ScopeEntry| {
        let carries = match &entry.target {
            ScopeTarget::Label(label) => labels.get(&label.key) == Some(&label.value),
            ScopeTarget::LabelGroup(name) => in_group(policy, name, labels),
        };
        carries != entry.exclusion
    };
    let rule = policy.enforcement.iter().find(|rule| rule.scope.iter().all(matches));
    rule.map(|rule| rule.mode).unwrap_or_default()
}

fn in_group(policy: &Policy, name: &policy::Name, labels: &LabelSet) -> bool {
    let Some(group) = policy.label_groups.get(name) else { return false };
    let own = labels.get(&group.key).is_some_and(|value| group.labels.contains(value));
    own || group.sub_groups.iter().any(|sub| in_group(policy, sub, labels))
}
