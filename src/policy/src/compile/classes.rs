//! Workloads → classes: by the selectors that match and the mode.
//!
//! Cost is labels of workloads + matches between distinct label sets and selectors + rules of classes: every
//! label that a rule names is a small number here, and a selector is tried only on label sets that have a
//! label of its rarest included key ([`SelectorIndex`]).

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use rustc_hash::{FxHashMap, FxHashSet};

use super::ahead::{self, ahead};
use super::lists::Lists;
use super::unclassified;
use crate::compiled::{Class, ClassId, CompiledPolicy, CompiledRule, CompiledRuleId, SelectorId, Side};
use crate::few::Few;
use crate::label::{Label, LabelSet, describe_pairs};
use crate::name::{LabelKey, LabelValue, WorkloadId};
use crate::selector::{Selector, Term};
use crate::snapshot::Snapshot;
use crate::sorted::SortedSet;
use crate::workload::EnforcementMode;

type Signature = (Few<SelectorId>, EnforcementMode);

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

/// The classes to be, sorted by what makes them one. Equal label sets are found by sorting, and so are members of
/// one class: mostly both come nearly sorted, and a table would miss the cache at every workload.
fn by_signature<'a>(
    snapshot: &'a Snapshot,
    index: &SelectorIndex<'_>,
    census: &mut Census<'a>,
) -> Vec<(Signature, Few<u32>)> {
    let count = snapshot.workloads.len();
    let mut label_sets = Lists::with_capacity(count, 2 * count);
    for workload in ahead(&snapshot.workloads, ahead::labels) {
        label_sets.push(index.project(&workload.labels, census));
    }
    let mut by_labels: Vec<u32> = (0..count as u32).collect();
    by_labels.sort_by(|&a, &b| label_sets.get(a).cmp(label_sets.get(b)));
    let mut signatures = Lists::with_capacity(count, 2 * count);
    let mut members: Vec<Member> = Vec::with_capacity(count);
    for alike in by_labels.chunk_by(|&a, &b| label_sets.get(a) == label_sets.get(b)) {
        let place = signatures.push_sorted(index.matching(label_sets.get(alike[0])));
        for &number in alike {
            let workload = &snapshot.workloads[number as usize];
            let named = index.by_workload.get(&workload.id);
            let place = named.map_or(place, |named| {
                let both = [signatures.get(place), named].concat();
                signatures.push_sorted(both)
            });
            members.push(Member { head: head(signatures.get(place)), place, mode: workload.mode, number });
        }
    }
    let same = |a: &Member, b: &Member| a.head == b.head && a.place == b.place;
    members.sort_unstable_by(|a, b| {
        let by_signature = || {
            if same(a, b) { Ordering::Equal } else { signatures.get(a.place).cmp(signatures.get(b.place)) }
        };
        a.head.cmp(&b.head).then_with(by_signature).then((a.mode, a.number).cmp(&(b.mode, b.number)))
    });
    let alike = |a: &Member, b: &Member| {
        a.head == b.head
            && a.mode == b.mode
            && (same(a, b) || signatures.get(a.place) == signatures.get(b.place))
    };
    let class = |members: &[Member]| {
        let signature = signatures.get(members[0].place).iter().copied().collect();
        let signature = (signature, members[0].mode);
        (signature, members.iter().map(|member| member.number).collect())
    };
    members.chunk_by(alike).map(class).collect()
}

/// A workload on its way into a class.
struct Member {
    head: u64,
    /// Number of its signature.
    place: u32,
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

/// Selector → the rules that have it on one side, in order.
struct RulesOfSelectors(Lists<CompiledRuleId>);

impl RulesOfSelectors {
    fn new(policy: &CompiledPolicy, side: fn(&CompiledRule) -> &Side) -> Self {
        Self(Lists::filed(policy.selectors.len(), || {
            let numbered = policy.rules.iter().enumerate();
            numbered.flat_map(|(number, rule)| {
                side(rule).selectors.iter().map(move |id| (id.0, CompiledRuleId(number as u32)))
            })
        }))
    }

    /// The rules of any of the selectors, sorted.
    fn gather(&self, selectors: &[SelectorId]) -> Few<CompiledRuleId> {
        if let [selector] = selectors {
            return self.0.get(selector.0).iter().copied().collect();
        }
        let lists = || selectors.iter().map(|&selector| self.0.get(selector.0));
        let mut rules = Vec::with_capacity(lists().map(<[_]>::len).sum());
        lists().for_each(|list| rules.extend_from_slice(list));
        rules.sort_unstable();
        rules.dedup();
        rules.into()
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
    labels_count: u32,
    /// The terms of each selector.
    terms: Lists<NumberedTerm>,
    /// What the terms hold, by number of label.
    numbers: Vec<u32>,
    by_label: Lists<SelectorId>,
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
        let mut is_declared = vec![false; index.labels_count as usize];
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

/// A term over numbered labels: parts of [`SelectorIndex::numbers`], each sorted.
#[derive(Clone, Copy)]
struct NumberedTerm {
    included: Option<Run>,
    excluded: Run,
}

/// From where to where.
type Run = (u32, u32);

impl<'a> SelectorIndex<'a> {
    fn new(selectors: &'a [Selector]) -> Self {
        let mut index = Self {
            labels: FxHashMap::default(),
            labels_count: 0,
            terms: Lists::with_capacity(selectors.len(), 2 * selectors.len()),
            numbers: Vec::with_capacity(2 * selectors.len()),
            by_label: Lists::filed(0, std::iter::empty),
            any: Vec::new(),
            by_workload: FxHashMap::default(),
        };
        for (number, selector) in ahead(selectors, ahead::values).enumerate() {
            match selector {
                Selector::Labels(terms) => {
                    for (key, term) in terms {
                        let term = index.numbered(key, term);
                        index.terms.extend([term]);
                    }
                }
                Selector::Workload(workload) => {
                    index.by_workload.entry(workload).or_default().push(SelectorId(number as u32));
                }
            }
            index.terms.close();
        }
        index.file(selectors);
        index
    }

    /// Files each selector by labels under the values of its rarest included key.
    fn file(&mut self, selectors: &[Selector]) {
        let ids = || (0..selectors.len() as u32).map(SelectorId);
        let included = |id: SelectorId| self.terms.get(id.0).iter().filter_map(|term| term.included);
        let mut uses = vec![0_usize; self.labels_count as usize];
        for run in ids().flat_map(included) {
            self.run(run).iter().for_each(|&label| uses[label as usize] += 1);
        }
        let weight = |&run: &Run| self.run(run).iter().map(|&label| uses[label as usize]).sum::<usize>();
        let rarest: Vec<Option<Run>> = ids().map(|id| included(id).min_by_key(weight)).collect();
        let filed = Lists::filed(uses.len(), || {
            let runs = ids().filter_map(|id| Some((id, rarest[id.0 as usize]?)));
            runs.flat_map(|(id, run)| self.run(run).iter().map(move |&label| (label, id)))
        });
        let by_any_labels = |id: &SelectorId| {
            rarest[id.0 as usize].is_none() && matches!(selectors[id.0 as usize], Selector::Labels(_))
        };
        self.any = ids().filter(by_any_labels).collect();
        self.by_label = filed;
    }

    fn run(&self, (start, end): Run) -> &[u32] {
        &self.numbers[start as usize..end as usize]
    }

    fn numbered(&mut self, key: &'a LabelKey, term: &'a Term) -> NumberedTerm {
        let Self { labels, labels_count, numbers, .. } = self;
        let values = labels.entry(key).or_default();
        let mut sorted = |set: &'a SortedSet<LabelValue>| {
            let start = numbers.len();
            numbers.extend(set.iter().map(|value| {
                *values.entry(value).or_insert_with(|| {
                    *labels_count += 1;
                    *labels_count - 1
                })
            }));
            numbers[start..].sort_unstable();
            (start as u32, numbers.len() as u32)
        };
        NumberedTerm { included: term.included.as_ref().map(&mut sorted), excluded: sorted(&term.excluded) }
    }

    /// The numbers of those labels that a selector names; what decides which selectors match.
    fn project<'s>(&self, labels: &'s LabelSet, census: &mut Census<'s>) -> impl Iterator<Item = u32> {
        labels.iter().filter_map(move |(key, value)| {
            let number = self.labels.get(key).and_then(|values| values.get(value)).copied();
            census.count(key, value, number);
            number
        })
    }

    /// The selectors that match a label set, each once.
    fn matching(&self, labels: &[u32]) -> impl Iterator<Item = SelectorId> {
        let any_of = |run: Run| labels.iter().any(|label| self.run(run).binary_search(label).is_ok());
        let matches = move |term: &NumberedTerm| term.included.is_none_or(any_of) && !any_of(term.excluded);
        let filed = labels.iter().flat_map(|&label| self.by_label.get(label));
        let fits = move |id: &SelectorId| self.terms.get(id.0).iter().all(matches);
        filed.chain(&self.any).copied().filter(fits)
    }
}
