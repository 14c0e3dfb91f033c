//! Rules as people write them → rules over selectors, one for each scope instance.

use std::collections::{BTreeMap, BTreeSet};

use super::Interner;
use crate::address::AddressSet;
use crate::compiled::{CompiledRule, Side};
use crate::name::{LabelKey, LabelValue, Name};
use crate::ruleset::{Actor, Policy, Rule, RuleRef, Ruleset, ScopeEntry, ScopeTarget};
use crate::selector::{Selector, Term};

type Terms = BTreeMap<LabelKey, Term>;

/// Expands every enabled rule of every enabled ruleset (S14), in the order of writing.
pub(super) fn expand(policy: &Policy, interner: &mut Interner) -> Vec<CompiledRule> {
    let mut compiled = Vec::new();
    for ruleset in policy.rulesets.iter().filter(|ruleset| ruleset.enabled) {
        let instances = scope_instances(policy, ruleset);
        for rule in ruleset.rules.iter().filter(|rule| rule.enabled) {
            for instance in &instances {
                compiled.extend(expand_rule(policy, ruleset, rule, instance, interner));
            }
        }
    }
    compiled
}

fn expand_rule(
    policy: &Policy,
    ruleset: &Ruleset,
    rule: &Rule,
    instance: &Terms,
    interner: &mut Interner,
) -> Option<CompiledRule> {
    // S6: the sources of an extra-scope rule are global.
    let unscoped = Terms::new();
    let source_scope = if rule.extra_scope { &unscoped } else { instance };
    let sources = side(policy, &rule.sources, source_scope, interner)?;
    let destinations = side(policy, &rule.destinations, instance, interner)?;
    let origin = RuleRef { ruleset: ruleset.name.clone(), rule: rule.name.clone() };
    Some(CompiledRule { origin, action: rule.action, sources, destinations, services: rule.services.clone() })
}

/// Every instance of a ruleset's scopes: label groups expand, their members do not mix (S3).
pub(super) fn scope_instances(policy: &Policy, ruleset: &Ruleset) -> Vec<Terms> {
    if ruleset.scopes.is_empty() {
        return vec![Terms::new()];
    }
    ruleset.scopes.iter().flat_map(|scope| instances_of(policy, scope)).collect()
}

fn instances_of(policy: &Policy, scope: &[ScopeEntry]) -> Vec<Terms> {
    let mut instances = vec![Terms::new()];
    for entry in scope.iter().filter(|entry| !entry.exclusion) {
        let (key, values) = target_values(policy, &entry.target);
        instances = instances
            .iter()
            .flat_map(|instance| {
                values.iter().map(|value| narrowed_to(instance, &key, BTreeSet::from([value.clone()])))
            })
            .collect();
    }
    for entry in scope.iter().filter(|entry| entry.exclusion) {
        let (key, values) = target_values(policy, &entry.target);
        for instance in &mut instances {
            instance.entry(key.clone()).or_default().excluded.extend(values.iter().cloned());
        }
    }
    instances
}

fn target_values(policy: &Policy, target: &ScopeTarget) -> (LabelKey, BTreeSet<LabelValue>) {
    match target {
        ScopeTarget::Label(label) => (label.key.clone(), BTreeSet::from([label.value.clone()])),
        ScopeTarget::LabelGroup(name) => group_values(policy, name),
    }
}

/// The members of a label group with everything nested in it (S10). The loader has refused cycles.
pub(super) fn group_values(policy: &Policy, name: &Name) -> (LabelKey, BTreeSet<LabelValue>) {
    let Some(group) = policy.label_groups.get(name) else {
        return ("".into(), BTreeSet::new());
    };
    let nested = group.sub_groups.iter().flat_map(|sub| group_values(policy, sub).1);
    (group.key.clone(), group.labels.iter().cloned().chain(nested).collect())
}

fn narrowed_to(terms: &Terms, key: &LabelKey, values: BTreeSet<LabelValue>) -> Terms {
    let mut terms = terms.clone();
    let term = terms.entry(key.clone()).or_default();
    term.included = Some(match &term.included {
        Some(included) => included.intersection(&values).cloned().collect(),
        None => values,
    });
    terms
}

/// One side of a rule inside a scope instance; `None` if it selects nothing whatever exists.
fn side(policy: &Policy, actors: &[Actor], scope: &Terms, interner: &mut Interner) -> Option<Side> {
    let mut side = Side::default();
    let labels = label_terms(policy, actors, scope);
    let all = actors.contains(&Actor::AllWorkloads).then(|| scope.clone());
    let explicit = actors.iter().filter_map(|actor| match actor {
        Actor::Workload(id) => Some(Selector::Workload(id.clone())),
        _ => None,
    });
    let selectors = all.into_iter().chain(labels).filter(satisfiable).map(Selector::Labels);
    for selector in selectors.chain(explicit) {
        let id = interner.intern(selector);
        if !side.selectors.contains(&id) {
            side.selectors.push(id);
        }
    }
    for actor in actors {
        if let Actor::IpList(name) = actor {
            let list =
                policy.ip_lists.get(name).map_or_else(AddressSet::empty, |list| list.addresses.clone());
            side.addresses = side.addresses.union(&list);
        }
    }
    (!side.selectors.is_empty() || !side.addresses.is_empty()).then_some(side)
}

/// The label part of a side: OR inside a key, AND over keys (S8), exclusions taken off (S4), then the scope.
fn label_terms(policy: &Policy, actors: &[Actor], scope: &Terms) -> Option<Terms> {
    let (mut included, mut excluded) = (Terms::new(), Vec::new());
    for actor in actors {
        let (key, values, exclusion) = match actor {
            Actor::Label { label, exclusion } => {
                (label.key.clone(), BTreeSet::from([label.value.clone()]), *exclusion)
            }
            Actor::LabelGroup { group, exclusion } => {
                let (key, values) = group_values(policy, group);
                (key, values, *exclusion)
            }
            _ => continue,
        };
        if exclusion {
            excluded.push((key, values));
        } else {
            included.entry(key).or_default().included.get_or_insert_default().extend(values);
        }
    }
    if included.is_empty() && excluded.is_empty() {
        return None;
    }
    let mut terms = scope.clone();
    for (key, term) in included {
        terms = narrowed_to(&terms, &key, term.included.unwrap_or_default());
    }
    for (key, values) in excluded {
        terms.entry(key).or_default().excluded.extend(values);
    }
    Some(terms)
}

fn satisfiable(terms: &Terms) -> bool {
    let possible =
        |term: &Term| term.included.as_ref().is_none_or(|values| !values.is_subset(&term.excluded));
    terms.values().all(possible)
}
