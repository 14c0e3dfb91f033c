//! Workloads → classes: by the selectors that match and the mode.
//!
//! Cost is labels of workloads + matches between distinct label sets and selectors + rules of classes: every
//! label that a rule names is a small number here, and a selector is tried only on label sets that have a
//! label of its rarest included key ([`SelectorIndex`]).

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use rustc_hash::{FxHashMap, FxHashSet};

use super::unclassified;
use crate::compiled::{Class, ClassId, CompiledPolicy, CompiledRule, CompiledRuleId, SelectorId, Side};
use crate::label::{Label, LabelSet, describe_pairs};
use crate::name::{LabelKey, LabelValue, WorkloadId};
use crate::selector::{Selector, Term};
use crate::snapshot::Snapshot;
use crate::sorted::SortedSet;
use crate::workload::EnforcementMode;

type Signature = (Vec<SelectorId>, EnforcementMode);

pub(super) fn classify(
    snapshot: &Snapshot,
    selectors: Vec<Selector>,
    rules: Vec<CompiledRule>,
) -> (CompiledPolicy, UnknownLabels) {
    let index = SelectorIndex::new(&selectors);
    let mut census = Census::new(snapshot, &index);
    let groups = by_signature(snapshot, &index, &mut census);
    let unknown = census.unknown();
    let named: BTreeSet<LabelKey> = index.labels.keys().map(|&key| key.clone()).collect();
    let mut policy = unclassified(selectors, rules);
    let by_source = RulesOfSelectors::new(&policy, |rule| &rule.sources);
    let by_destination = RulesOfSelectors::new(&policy, |rule| &rule.destinations);
    policy.class_of = vec![ClassId(0); snapshot.workloads.len()];
    policy.classes.reserve_exact(groups.len());
    for (number, ((selectors, mode), members)) in groups.into_iter().enumerate() {
        let id = ClassId(number as u32);
        for &member in &members {
            policy.class_of[member as usize] = id;
        }
        for selector in &selectors {
            policy.selectors[selector.0 as usize].classes.push(id);
        }
        let (ingress, egress) = (by_destination.gather(&selectors), by_source.gather(&selectors));
        let description = shared_labels(snapshot, &members, &named);
        policy.classes.push(Class { description, mode, members, ingress, egress, selectors });
    }
    (policy, unknown)
}

/// The classes to be, sorted by what makes them one. Equal label sets are found by hash, once; then members
/// are sorted in one list, because a table of lists would miss the cache at every workload.
fn by_signature<'a>(
    snapshot: &'a Snapshot,
    index: &SelectorIndex<'_>,
    census: &mut Census<'a>,
) -> Vec<(Signature, Vec<u32>)> {
    let mut signatures: Vec<Vec<SelectorId>> = Vec::new();
    let mut known: FxHashMap<Vec<u32>, usize> = FxHashMap::default();
    known.reserve(snapshot.workloads.len());
    let mut members: Vec<Member> = Vec::with_capacity(snapshot.workloads.len());
    for (number, workload) in snapshot.workloads.iter().enumerate() {
        let mut place = *known.entry(index.project(&workload.labels, census)).or_insert_with_key(|labels| {
            signatures.push(index.matching(labels));
            signatures.len() - 1
        });
        if let Some(named) = index.by_workload.get(&workload.id) {
            let mut signature = [&signatures[place][..], named].concat();
            signature.sort_unstable();
            signatures.push(signature);
            place = signatures.len() - 1;
        }
        let head = head(&signatures[place]);
        members.push(Member { head, place, mode: workload.mode, number: number as u32 });
    }
    let same = |a: &Member, b: &Member| a.head == b.head && a.place == b.place;
    members.sort_unstable_by(|a, b| {
        let by_signature =
            || if same(a, b) { Ordering::Equal } else { signatures[a.place].cmp(&signatures[b.place]) };
        a.head.cmp(&b.head).then_with(by_signature).then((a.mode, a.number).cmp(&(b.mode, b.number)))
    });
    let alike = |a: &Member, b: &Member| {
        a.head == b.head && a.mode == b.mode && (same(a, b) || signatures[a.place] == signatures[b.place])
    };
    let class = |members: &[Member]| {
        let signature = (signatures[members[0].place].clone(), members[0].mode);
        (signature, members.iter().map(|member| member.number).collect())
    };
    members.chunk_by(alike).map(class).collect()
}

/// A workload on its way into a class.
struct Member {
    head: u64,
    /// Index of its signature.
    place: usize,
    mode: EnforcementMode,
    /// Index of the workload.
    number: u32,
}

/// The first two selectors of a signature, in its order: most comparisons then need no look at the rest, which is
/// somewhere else in memory.
fn head(signature: &[SelectorId]) -> u64 {
    let at = |place: usize| signature.get(place).map_or(0, |id| u64::from(id.0) + 1);
    at(0) << 32 | at(1)
}

/// Selector → the rules that have it on one side, in order: one list, with the start of each selector's part.
struct RulesOfSelectors {
    starts: Vec<u32>,
    rules: Vec<CompiledRuleId>,
}

impl RulesOfSelectors {
    fn new(policy: &CompiledPolicy, side: fn(&CompiledRule) -> &Side) -> Self {
        let pairs = || {
            let numbered = policy.rules.iter().enumerate();
            numbered.flat_map(|(number, rule)| side(rule).selectors.iter().map(move |id| (id.0, number)))
        };
        let mut starts = vec![0; policy.selectors.len() + 1];
        pairs().for_each(|(selector, _)| starts[selector as usize + 1] += 1);
        for selector in 1..starts.len() {
            starts[selector] += starts[selector - 1];
        }
        let mut rules = vec![CompiledRuleId(0); starts.last().map_or(0, |&all| all as usize)];
        let mut next = starts.clone();
        for (selector, number) in pairs() {
            let place = &mut next[selector as usize];
            rules[*place as usize] = CompiledRuleId(number as u32);
            *place += 1;
        }
        Self { starts, rules }
    }

    fn of(&self, selector: SelectorId) -> &[CompiledRuleId] {
        let selector = selector.0 as usize;
        &self.rules[self.starts[selector] as usize..self.starts[selector + 1] as usize]
    }

    /// The rules of any of the selectors, sorted.
    fn gather(&self, selectors: &[SelectorId]) -> Vec<CompiledRuleId> {
        let lists = || selectors.iter().map(|&selector| self.of(selector));
        let mut rules = Vec::with_capacity(lists().map(<[_]>::len).sum());
        lists().for_each(|list| rules.extend_from_slice(list));
        if selectors.len() > 1 {
            rules.sort_unstable();
            rules.dedup();
        }
        rules
    }
}

/// The labels that all members share, of the keys that rules name.
fn shared_labels(snapshot: &Snapshot, members: &[u32], keys: &BTreeSet<LabelKey>) -> String {
    let mut workloads = members.iter().map(|&member| &snapshot.workloads[member as usize].labels);
    let Some(first) = workloads.next() else { return describe_pairs(Vec::new()) };
    let mut shared: Vec<_> = first.iter().filter(|(key, _)| keys.contains(*key)).collect();
    for labels in workloads {
        shared.retain(|&(key, value)| labels.get(key) == Some(value));
    }
    describe_pairs(shared)
}

/// Finds the selectors of a label set without trying them all: each selector is filed under the values of
/// its rarest included key, or under "any".
struct SelectorIndex<'a> {
    /// Every label that a selector names, numbered. A value that none names matches like no value at all.
    labels: FxHashMap<&'a LabelKey, FxHashMap<&'a LabelValue, u32>>,
    /// The terms of each selector, by number of label.
    terms: Vec<Vec<NumberedTerm>>,
    by_label: Vec<Vec<SelectorId>>,
    any: Vec<SelectorId>,
    by_workload: FxHashMap<&'a WorkloadId, Vec<SelectorId>>,
}

/// Labels that workloads carry and the policy does not declare, with the number of carriers.
pub(super) type UnknownLabels = BTreeMap<Label, usize>;

/// Counts carriers of unknown labels while labels are looked up anyway.
struct Census<'s> {
    declared: FxHashSet<(&'s LabelKey, &'s LabelValue)>,
    /// Of the labels that selectors name, by number.
    is_declared: Vec<bool>,
    /// Of every other label that was seen, and of those that are not declared.
    carriers: FxHashMap<(&'s LabelKey, &'s LabelValue), usize>,
}

impl<'s> Census<'s> {
    fn new(snapshot: &'s Snapshot, index: &SelectorIndex<'_>) -> Self {
        let labels = snapshot.policy.labels.iter();
        let declared: FxHashSet<_> =
            labels.flat_map(|(key, values)| values.iter().map(move |value| (key, value))).collect();
        let mut is_declared = vec![false; index.by_label.len()];
        for (&key, values) in &index.labels {
            for (&value, &number) in values {
                is_declared[number as usize] = declared.contains(&(key, value));
            }
        }
        Self { declared, is_declared, carriers: FxHashMap::default() }
    }

    fn count(&mut self, key: &'s LabelKey, value: &'s LabelValue, number: Option<u32>) {
        if !number.is_some_and(|number| self.is_declared[number as usize]) {
            *self.carriers.entry((key, value)).or_default() += 1;
        }
    }

    fn unknown(self) -> UnknownLabels {
        let carriers = self.carriers.into_iter().filter(|(label, _)| !self.declared.contains(label));
        carriers.map(|((key, value), n)| (Label { key: key.clone(), value: value.clone() }, n)).collect()
    }
}

/// A term over numbered labels, sorted.
struct NumberedTerm {
    included: Option<Vec<u32>>,
    excluded: Vec<u32>,
}

impl NumberedTerm {
    fn matches(&self, labels: &[u32]) -> bool {
        let any_of = |numbers: &[u32]| labels.iter().any(|label| numbers.binary_search(label).is_ok());
        self.included.as_deref().is_none_or(any_of) && !any_of(&self.excluded)
    }
}

impl<'a> SelectorIndex<'a> {
    fn new(selectors: &'a [Selector]) -> Self {
        let mut index = Self {
            labels: FxHashMap::default(),
            terms: Vec::with_capacity(selectors.len()),
            by_label: Vec::new(),
            any: Vec::new(),
            by_workload: FxHashMap::default(),
        };
        let mut uses: Vec<usize> = Vec::new();
        for (number, selector) in selectors.iter().enumerate() {
            let terms = match selector {
                Selector::Labels(terms) => {
                    terms.iter().map(|(key, term)| index.numbered(key, term)).collect()
                }
                Selector::Workload(workload) => {
                    index.by_workload.entry(workload).or_default().push(SelectorId(number as u32));
                    Vec::new()
                }
            };
            uses.resize(index.by_label.len(), 0);
            let included = terms.iter().filter_map(|term| term.included.as_ref());
            included.flatten().for_each(|&label| uses[label as usize] += 1);
            index.terms.push(terms);
        }
        let weight = |labels: &&Vec<u32>| labels.iter().map(|&label| uses[label as usize]).sum::<usize>();
        for (number, selector) in selectors.iter().enumerate() {
            let id = SelectorId(number as u32);
            let included = index.terms[number].iter().filter_map(|term| term.included.as_ref());
            match included.min_by_key(weight) {
                Some(labels) => labels.iter().for_each(|&label| index.by_label[label as usize].push(id)),
                None if matches!(selector, Selector::Labels(_)) => index.any.push(id),
                None => {}
            }
        }
        index
    }

    fn numbered(&mut self, key: &'a LabelKey, term: &'a Term) -> NumberedTerm {
        let values = self.labels.entry(key).or_default();
        let mut number = |value| {
            *values.entry(value).or_insert_with(|| {
                self.by_label.push(Vec::new());
                self.by_label.len() as u32 - 1
            })
        };
        let mut sorted = |values: &'a SortedSet<LabelValue>| {
            let mut numbers: Vec<u32> = values.iter().map(&mut number).collect();
            numbers.sort_unstable();
            numbers
        };
        NumberedTerm { included: term.included.as_ref().map(&mut sorted), excluded: sorted(&term.excluded) }
    }

    /// The numbers of those labels that a selector names; what decides which selectors match.
    fn project<'s>(&self, labels: &'s LabelSet, census: &mut Census<'s>) -> Vec<u32> {
        let mut numbers = Vec::with_capacity(labels.len());
        for (key, value) in labels {
            let number = self.labels.get(key).and_then(|values| values.get(value)).copied();
            census.count(key, value, number);
            numbers.extend(number);
        }
        numbers
    }

    fn matching(&self, labels: &[u32]) -> Vec<SelectorId> {
        let filed = labels.iter().flat_map(|&label| &self.by_label[label as usize]);
        let fits = |id: &SelectorId| self.terms[id.0 as usize].iter().all(|term| term.matches(labels));
        let mut matching: Vec<SelectorId> = filed.chain(&self.any).copied().filter(fits).collect();
        matching.sort_unstable();
        matching
    }
}
