//! Near misses: allow rules that would match at an end if exactly one thing were different.

use crate::decide::Point;
use crate::decide::matching::{Instance, instances, sides_match};
use crate::explain::text::{actors_text, scopes_text};
use crate::ruleset::{Action, Rule, RuleRef, Ruleset};

/// The one thing that keeps a rule from matching, nearest first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Difference {
    /// The rule or its ruleset is disabled.
    Disabled,
    /// The rule is about other services.
    Service,
    /// The sides match, but not inside one scope.
    Scope,
    /// The source is not on the rule's source side.
    Sources,
    /// The destination is not on the rule's destination side.
    Destinations,
}

/// An allow rule that nearly matches.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NearMiss {
    /// The rule.
    pub rule: RuleRef,
    /// What keeps it from matching.
    pub difference: Difference,
    /// What the rule wants there, in the words of policy files; empty for a disabled rule.
    pub wanted: String,
}

/// The near misses at an end: nearest kind first, then in the order of writing.
pub(super) fn near_misses(point: &Point<'_>) -> Vec<NearMiss> {
    let mut misses = Vec::new();
    for ruleset in &point.snapshot.policy.rulesets {
        for rule in ruleset.rules.iter().filter(|rule| rule.action == Action::Allow) {
            let Some(difference) = only_difference(point, ruleset, rule) else { continue };
            let wanted = match difference {
                Difference::Disabled => String::new(),
                Difference::Service => rule.services.to_string(),
                Difference::Scope => scopes_text(&ruleset.scopes),
                Difference::Sources => actors_text(&rule.sources),
                Difference::Destinations => actors_text(&rule.destinations),
            };
            let rule = RuleRef { ruleset: ruleset.name.clone(), rule: rule.name.clone() };
            misses.push(NearMiss { rule, difference, wanted });
        }
    }
    misses.sort_by_key(|miss| miss.difference);
    misses
}

/// The single difference between the rule and the flow, in the scope instance where there is one only.
fn only_difference(point: &Point<'_>, ruleset: &Ruleset, rule: &Rule) -> Option<Difference> {
    let instances = instances(&point.snapshot.policy, ruleset);
    let in_no_instance = instances.is_empty().then(|| differences(point, ruleset, rule, None));
    let mut found = instances.iter().map(|one| differences(point, ruleset, rule, Some(one)));
    let single = |differences: Vec<Difference>| match differences.as_slice() {
        [one] => Some(*one),
        _ => None,
    };
    found.find_map(single).or_else(|| in_no_instance.and_then(single))
}

/// Everything that keeps the rule from matching in one scope instance; no instance is a scope of nobody.
fn differences(
    point: &Point<'_>,
    ruleset: &Ruleset,
    rule: &Rule,
    instance: Option<&Instance>,
) -> Vec<Difference> {
    let mut differences = Vec::new();
    if !(ruleset.enabled && rule.enabled) {
        differences.push(Difference::Disabled);
    }
    if !rule.services.contains(point.flow.service) {
        differences.push(Difference::Service);
    }
    let anywhere = sides_match(point, rule, None);
    if !anywhere.0 {
        differences.push(Difference::Sources);
    }
    if !anywhere.1 {
        differences.push(Difference::Destinations);
    }
    let inside = instance.map_or((false, false), |one| sides_match(point, rule, Some(one)));
    if (anywhere.0 && !inside.0) || (anywhere.1 && !inside.1) {
        differences.push(Difference::Scope);
    }
    differences
}
