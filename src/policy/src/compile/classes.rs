//! Workloads → classes: by the selectors that match and the mode.

use std::collections::{BTreeMap, BTreeSet};

use rustc_hash::FxHashMap;

use super::unclassified;
use crate::compiled::{Class, ClassId, CompiledPolicy, CompiledRule, CompiledRuleId, SelectorId, Side};
use crate::label::{LabelSet, describe};
use crate::name::{LabelKey, LabelValue, WorkloadId};
use crate::selector::Selector;
use crate::snapshot::Snapshot;
use crate::workload::{EnforcementMode, Workload};

pub(super) fn classify(
    snapshot: &Snapshot,
    selectors: Vec<Selector>,
    rules: Vec<CompiledRule>,
) -> CompiledPolicy {
    let index = SelectorIndex::new(&selectors);
    let mut policy = unclassified(selectors, rules);
    let mut by_signature: BTreeMap<(Vec<SelectorId>, EnforcementMode), Vec<u32>> = BTreeMap::new();
    let mut known: FxHashMap<Vec<(&LabelKey, &LabelValue)>, Vec<SelectorId>> = FxHashMap::default();
    for (number, workload) in snapshot.workloads.iter().enumerate() {
        let named = workload.labels.iter().filter(|(key, _)| index.keys.contains(*key));
        let projection: Vec<_> = named.collect();
        let by_labels = known.entry(projection).or_insert_with(|| index.matching(&policy, workload));
        let mut signature = by_labels.clone();
        if let Some(named) = index.by_workload.get(&workload.id) {
            signature.extend(named);
            signature.sort_unstable();
        }
        by_signature.entry((signature, workload.mode)).or_default().push(number as u32);
    }
    let by_source = rules_by_selector(&policy, |rule| &rule.sources);
    let by_destination = rules_by_selector(&policy, |rule| &rule.destinations);
    policy.class_of = vec![ClassId(0); snapshot.workloads.len()];
    for (number, ((selectors, mode), members)) in by_signature.into_iter().enumerate() {
        let id = ClassId(number as u32);
        for &member in &members {
            policy.class_of[member as usize] = id;
        }
        for selector in &selectors {
            policy.selectors[selector.0 as usize].classes.push(id);
        }
        let gather = |by_selector: &[Vec<CompiledRuleId>]| -> Vec<CompiledRuleId> {
            let rules: BTreeSet<_> =
                selectors.iter().flat_map(|s| by_selector[s.0 as usize].iter().copied()).collect();
            rules.into_iter().collect()
        };
        let (ingress, egress) = (gather(&by_destination), gather(&by_source));
        let description = shared_labels(snapshot, &members, &index.keys);
        policy.classes.push(Class { description, mode, members, ingress, egress, selectors });
    }
    policy
}

/// The labels that all members share, of the keys that rules name.
fn shared_labels(snapshot: &Snapshot, members: &[u32], keys: &BTreeSet<LabelKey>) -> String {
    let mut workloads = members.iter().map(|&member| &snapshot.workloads[member as usize].labels);
    let Some(first) = workloads.next() else { return describe(&LabelSet::new()) };
    let named = first.iter().filter(|(key, _)| keys.contains(*key));
    let mut shared: LabelSet = named.map(|(key, value)| (key.clone(), value.clone())).collect();
    for labels in workloads {
        shared.retain(|key, value| labels.get(key) == Some(value));
    }
    describe(&shared)
}

/// Selector → the rules that have it on one side, in order.
fn rules_by_selector(policy: &CompiledPolicy, side: fn(&CompiledRule) -> &Side) -> Vec<Vec<CompiledRuleId>> {
    let mut lists = vec![Vec::new(); policy.selectors.len()];
    for (number, rule) in policy.rules.iter().enumerate() {
        for selector in &side(rule).selectors {
            lists[selector.0 as usize].push(CompiledRuleId(number as u32));
        }
    }
    lists
}

/// Finds the selectors of a label set without trying them all: each selector is filed under the values of
/// its rarest included key, or under "any".
struct SelectorIndex {
    keys: BTreeSet<LabelKey>,
    by_label: FxHashMap<LabelKey, FxHashMap<LabelValue, Vec<SelectorId>>>,
    any: Vec<SelectorId>,
    by_workload: FxHashMap<WorkloadId, Vec<SelectorId>>,
}

impl SelectorIndex {
    fn new(selectors: &[Selector]) -> Self {
        let mut index = Self {
            keys: BTreeSet::new(),
            by_label: FxHashMap::default(),
            any: Vec::new(),
            by_workload: FxHashMap::default(),
        };
        let mut uses: FxHashMap<(&LabelKey, &LabelValue), usize> = FxHashMap::default();
        for selector in selectors {
            let Selector::Labels(terms) = selector else { continue };
            for (key, value) in
                terms.iter().flat_map(|(k, term)| term.included.iter().flatten().map(move |v| (k, v)))
            {
                *uses.entry((key, value)).or_default() += 1;
            }
        }
        for (number, selector) in selectors.iter().enumerate() {
            let id = SelectorId(number as u32);
            let terms = match selector {
                Selector::Workload(workload) => {
                    index.by_workload.entry(workload.clone()).or_default().push(id);
                    continue;
                }
                Selector::Labels(terms) => terms,
            };
            index.keys.extend(terms.keys().cloned());
            let weight = |key: &LabelKey, values: &BTreeSet<LabelValue>| -> usize {
                values.iter().map(|value| uses.get(&(key, value)).copied().unwrap_or(0)).sum()
            };
            let included = terms.iter().filter_map(|(key, term)| Some((key, term.included.as_ref()?)));
            match included.min_by_key(|(key, values)| weight(key, values)) {
                None => index.any.push(id),
                Some((key, values)) => {
                    let filed = index.by_label.entry(key.clone()).or_default();
                    for value in values {
                        filed.entry(value.clone()).or_default().push(id);
                    }
                }
            }
        }
        index
    }

    fn matching(&self, policy: &CompiledPolicy, workload: &Workload) -> Vec<SelectorId> {
        let filed =
            workload.labels.iter().filter_map(|(key, value)| self.by_label.get(key)?.get(value)).flatten();
        let candidates = filed.chain(&self.any).copied();
        let mut matching: Vec<SelectorId> =
            candidates.filter(|id| policy.selectors[id.0 as usize].selector.matches(workload)).collect();
        matching.sort_unstable();
        matching
    }
}
