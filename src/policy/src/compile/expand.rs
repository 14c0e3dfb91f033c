//! Rules as people write them → rules over selectors, one for each scope instance.
//!
//! INVARIANT: only selectors of rules that come out are interned, so that a rule that can match nothing never
//! splits a class.

use std::collections::{BTreeMap, BTreeSet};

use super::Interner;
use super::ahead::{self, ahead};
use crate::address::AddressSet;
use crate::compiled::{CompiledRule, Side};
use crate::name::{LabelKey, LabelValue, Name, WorkloadId};
use crate::ruleset::{Actor, Policy, Rule, RuleRef, Ruleset, ScopeEntry, ScopeTarget};
use crate::selector::{Selector, Term};
use crate::sorted::{SortedMap, SortedSet};

type Terms = SortedMap<LabelKey, Term>;
type Values = SortedSet<LabelValue>;

/// Expands every enabled rule of every enabled ruleset (S14), in the order of writing.
pub(super) fn expand(policy: &Policy, interner: &mut Interner) -> Vec<CompiledRule> {
    let groups = Groups::new(policy);
    let enabled = || policy.rulesets.iter().filter(|ruleset| ruleset.enabled);
    // To grow a list of this length step by step costs as much as to fill it.
    let least: usize = enabled().map(|ruleset| ruleset.rules.len() * ruleset.scopes.len().max(1)).sum();
    let mut compiled = Vec::with_capacity(least);
    interner.reserve(least);
    for ruleset in ahead(&policy.rulesets, ahead::rules).filter(|ruleset| ruleset.enabled) {
        let instances = scope_instances(&groups, ruleset);
        for rule in ruleset.rules.iter().filter(|rule| rule.enabled) {
            let origin = RuleRef { ruleset: ruleset.name.clone(), rule: rule.name.clone() };
            let sources = SideParts::new(policy, &groups, &rule.sources);
            let destinations = SideParts::new(policy, &groups, &rule.destinations);
            for instance in &instances {
                compiled.extend(expand_rule(rule, &origin, (&sources, &destinations), instance, interner));
            }
        }
    }
    compiled
}

/// The selectors of one side of a rule outside every scope.
pub(super) fn selectors(policy: &Policy, actors: &[Actor]) -> Vec<Selector> {
    let parts = SideParts::new(policy, &Groups::new(policy), actors);
    parts.inside(&Terms::new()).map(|(selectors, _)| selectors).unwrap_or_default()
}

fn expand_rule(
    rule: &Rule,
    origin: &RuleRef,
    (sources, destinations): (&SideParts, &SideParts),
    instance: &Terms,
    interner: &mut Interner,
) -> Option<CompiledRule> {
    // S6: the sources of an extra-scope rule are global.
    let unscoped = Terms::new();
    let sources = sources.inside(if rule.extra_scope { &unscoped } else { instance })?;
    let destinations = destinations.inside(instance)?;
    let mut intern = |(selectors, addresses): (Vec<Selector>, AddressSet)| Side {
        selectors: selectors.into_iter().map(|selector| interner.intern(selector)).collect(),
        addresses,
    };
    Some(CompiledRule {
        origin: origin.clone(),
        action: rule.action,
        sources: intern(sources),
        destinations: intern(destinations),
        services: rule.services.clone(),
    })
}

/// Every label group with its members, nested groups flattened (S10), each worked out once.
struct Groups<'a>(BTreeMap<&'a Name, Values>, &'a Policy);

impl<'a> Groups<'a> {
    fn new(policy: &'a Policy) -> Self {
        let flattened =
            policy.label_groups.keys().map(|name| (name, flattened(policy, name).into_iter().collect()));
        Self(flattened.collect(), policy)
    }

    /// The key and the members. A group that does not exist has a key that nobody carries and no member.
    fn get(&self, name: &Name) -> (LabelKey, Values) {
        let key = self.1.label_groups.get(name).map_or_else(|| "".into(), |group| group.key.clone());
        (key, self.0.get(name).cloned().unwrap_or_default())
    }

    fn target(&self, target: &ScopeTarget) -> (LabelKey, Values) {
        match target {
            ScopeTarget::Label(label) => (label.key.clone(), Values::from([label.value.clone()])),
            ScopeTarget::LabelGroup(name) => self.get(name),
        }
    }
}

/// The members of a group and of all groups below it. Each group is visited once, so that a cycle, which the
/// loader refuses, could not hang compile.
pub(super) fn flattened(policy: &Policy, name: &Name) -> BTreeSet<LabelValue> {
    let (mut members, mut seen, mut open) = (BTreeSet::new(), BTreeSet::from([name]), vec![name]);
    while let Some(name) = open.pop() {
        let Some(group) = policy.label_groups.get(name) else { continue };
        members.extend(group.labels.iter().cloned());
        open.extend(group.sub_groups.iter().filter(|sub| seen.insert(sub)));
    }
    members
}

/// Every instance of a ruleset's scopes, each once: label groups expand, their members do not mix (S3). Those of
/// one scope are sorted, so that the order of its entries changes nothing.
fn scope_instances(groups: &Groups<'_>, ruleset: &Ruleset) -> Vec<Terms> {
    if ruleset.scopes.is_empty() {
        return vec![Terms::new()];
    }
    let mut seen = BTreeSet::new();
    let instances = ruleset.scopes.iter().flat_map(|scope| {
        let mut instances = instances_of(groups, scope);
        instances.sort_unstable();
        instances
    });
    instances.filter(|instance| seen.insert(instance.clone())).collect()
}

fn instances_of(groups: &Groups<'_>, scope: &[ScopeEntry]) -> Vec<Terms> {
    let mut instances = vec![Terms::new()];
    for entry in scope.iter().filter(|entry| !entry.exclusion) {
        let (key, values) = groups.target(&entry.target);
        let per_value = |instance: &Terms| -> Vec<Terms> {
            let one = |value: &LabelValue| {
                let mut terms = instance.clone();
                narrow(&mut terms, &key, &Values::from([value.clone()]));
                terms
            };
            values.iter().map(one).collect()
        };
        instances = instances.iter().flat_map(per_value).collect();
    }
    for entry in scope.iter().filter(|entry| entry.exclusion) {
        let (key, values) = groups.target(&entry.target);
        for instance in &mut instances {
            take_off(instance, &key, &values);
        }
    }
    instances
}

fn narrow(terms: &mut Terms, key: &LabelKey, values: &Values) {
    let term = terms.or_default(key);
    match &mut term.included {
        Some(included) => included.retain(|value| values.contains(value)),
        None => term.included = Some(values.clone()),
    }
}

/// Taking off nothing leaves no term behind: equal selectors are equal values.
fn take_off(terms: &mut Terms, key: &LabelKey, values: &Values) {
    if !values.is_empty() {
        terms.or_default(key).excluded.extend(values.iter().cloned());
    }
}

/// One side of a rule as it is outside every scope.
struct SideParts {
    labels: LabelPart,
    /// Taken off whatever `labels` includes (S4); not off workloads by name.
    excluded: Vec<(LabelKey, Values)>,
    workloads: BTreeSet<WorkloadId>,
    addresses: AddressSet,
}

/// What a side includes by label.
enum LabelPart {
    /// Every workload of the scope (S9), or exclusions and nothing else (S4).
    All,
    /// OR inside a key, AND over keys (S8).
    Of(Vec<(LabelKey, Values)>),
    /// Only lists or workloads by name; exclusions beside them include nobody.
    Nobody,
}

impl SideParts {
    fn new(policy: &Policy, groups: &Groups<'_>, actors: &[Actor]) -> Self {
        // Few keys: a list is quicker than a tree.
        let (mut included, mut excluded) =
            (Vec::<(LabelKey, Values)>::new(), Vec::<(LabelKey, Values)>::new());
        let (mut workloads, mut addresses) = (BTreeSet::new(), AddressSet::empty());
        let mut file = |exclusion: bool, key: LabelKey, values: Values| {
            let part = if exclusion { &mut excluded } else { &mut included };
            match part.iter_mut().find(|(known, _)| *known == key) {
                Some((_, known)) => known.extend(values.iter().cloned()),
                None => part.push((key, values)),
            }
        };
        let (mut all, mut exclusions_only) = (false, !actors.is_empty());
        for actor in actors {
            match actor {
                Actor::AllWorkloads => all = true,
                Actor::Label { label, exclusion } => {
                    file(*exclusion, label.key.clone(), Values::from([label.value.clone()]));
                }
                Actor::LabelGroup { group, exclusion } => {
                    let (key, values) = groups.get(group);
                    file(*exclusion, key, values);
                }
                Actor::IpList(name) => {
                    let list = policy.ip_lists.get(name).map(|list| &list.addresses);
                    addresses = list.map_or(addresses.clone(), |list| addresses.union(list));
                }
                Actor::Workload(id) => {
                    workloads.insert(id.clone());
                }
            }
            exclusions_only &= is_exclusion(actor);
        }
        let labels = match (all || exclusions_only, included.is_empty()) {
            (true, _) => LabelPart::All,
            (false, false) => LabelPart::Of(included),
            (false, true) => LabelPart::Nobody,
        };
        Self { labels, excluded, workloads, addresses }
    }

    /// The side inside a scope instance; `None` if it selects nothing, whatever exists. Lists and workloads by
    /// name are not narrowed (S7).
    fn inside(&self, scope: &Terms) -> Option<(Vec<Selector>, AddressSet)> {
        let by_labels = self.terms_inside(scope).filter(satisfiable).map(Selector::Labels);
        let by_name = self.workloads.iter().cloned().map(Selector::Workload);
        let selectors: Vec<Selector> = by_labels.into_iter().chain(by_name).collect();
        let selects = !selectors.is_empty() || !self.addresses.is_empty();
        selects.then(|| (selectors, self.addresses.clone()))
    }

    fn terms_inside(&self, scope: &Terms) -> Option<Terms> {
        let mut terms = scope.clone();
        match &self.labels {
            LabelPart::Nobody => return None,
            LabelPart::All => {}
            LabelPart::Of(included) => {
                included.iter().for_each(|(key, values)| narrow(&mut terms, key, values));
            }
        }
        for (key, values) in &self.excluded {
            take_off(&mut terms, key, values);
        }
        Some(terms)
    }
}

fn is_exclusion(actor: &Actor) -> bool {
    matches!(actor, Actor::Label { exclusion: true, .. } | Actor::LabelGroup { exclusion: true, .. })
}

/// Whether some workload could match: no term includes only what it takes off.
fn satisfiable(terms: &Terms) -> bool {
    let possible =
        |term: &Term| term.included.as_ref().is_none_or(|values| !values.is_subset(&term.excluded));
    terms.values().all(possible)
}
