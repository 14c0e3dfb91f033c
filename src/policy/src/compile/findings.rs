//! What is wrong with a snapshot, found while compiling it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

use rustc_hash::FxHashSet;

use crate::compiled::{ClassId, CompiledPolicy, CompiledRule, CompiledRuleId, SelectorId, Side};
use crate::directory::AddressDirectory;
use crate::finding::{Finding, Severity};
use crate::label::Label;
use crate::name::{LabelKey, LabelValue};
use crate::ruleset::{Action, RuleRef};
use crate::selector::Selector;
use crate::snapshot::Snapshot;

pub(super) fn findings(snapshot: &Snapshot, policy: &CompiledPolicy) -> Vec<Finding> {
    let mut findings = twice_named(snapshot);
    findings.extend(shared_addresses(snapshot));
    findings.extend(rules_that_select_nothing(snapshot, policy));
    findings.extend(shadowed_rules(policy));
    findings.extend(unknown_labels(snapshot));
    findings
}

fn twice_named(snapshot: &Snapshot) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut twice = |code: &str, id: &dyn Display, message: &str| {
        let hint =
            "every workload and interface needs an id of its own; check the inventory and the policy files";
        findings.push(Finding::new(Severity::Blocking, code, id, message, hint));
    };
    let (mut workloads, mut interfaces) = (FxHashSet::default(), FxHashSet::default());
    for workload in &snapshot.workloads {
        if !workloads.insert(&workload.id) {
            twice("duplicate-workload", &workload.id, "two workloads have this id");
        }
    }
    for (_, _, interface) in snapshot.interfaces() {
        if !interfaces.insert(&interface.id) {
            twice("duplicate-interface", &interface.id, "two interfaces have this id");
        }
    }
    findings
}

fn shared_addresses(snapshot: &Snapshot) -> Vec<Finding> {
    let directory = AddressDirectory::new(snapshot);
    let count = directory.ambiguous_count();
    let ambiguous = (count > 0).then(|| {
        let held = if count == 1 { "one address is".to_owned() } else { format!("{count} addresses are") };
        let message = format!(
            "{held} held in networks that are not connected; from elsewhere nobody can tell whose they are"
        );
        let hint = "normal for overlapping networks; peer them, or give the workloads that must be reached \
                    from elsewhere addresses of their own";
        Finding::new(Severity::Note, "address-ambiguous", "networks", message, hint)
    });
    let clash = |(address, a, b)| {
        let (a, b) = (directory.interface(a), directory.interface(b));
        let place = |network: &Option<_>| {
            network.as_ref().map_or("no network".to_owned(), |n| format!("network {n}"))
        };
        let message = format!(
            "the same address is on interface {} ({}) and on interface {} ({}), which are connected",
            a.id,
            place(&a.network),
            b.id,
            place(&b.network)
        );
        let hint = "one of the two must lose the address: no rule by address could tell them apart";
        Finding::new(Severity::Blocking, "address-claimed-twice", address, message, hint)
    };
    directory.claimed_twice().into_iter().map(clash).chain(ambiguous).collect()
}

fn rules_that_select_nothing(snapshot: &Snapshot, policy: &CompiledPolicy) -> Vec<Finding> {
    let alive: FxHashSet<&RuleRef> =
        policy.rules.iter().filter(|rule| is_alive(policy, rule)).map(|rule| &rule.origin).collect();
    let rulesets = snapshot.policy.rulesets.iter().filter(|ruleset| ruleset.enabled);
    let written = rulesets.flat_map(|ruleset| {
        let enabled = ruleset.rules.iter().filter(|rule| rule.enabled);
        enabled.map(|rule| RuleRef { ruleset: ruleset.name.clone(), rule: rule.name.clone() })
    });
    let dead = written.filter(|origin| !alive.contains(origin));
    dead.map(|origin| {
        let message =
            "the rule selects nothing: no workload has the labels of one of its sides inside the scope";
        let hint = "check the labels of the rule and of its scope against the inventory";
        Finding::new(Severity::Warning, "rule-selects-nothing", origin, message, hint)
    })
    .collect()
}

/// Whether a rule programs any enforcement point: both sides select something, one of them a workload (S15).
fn is_alive(policy: &CompiledPolicy, rule: &CompiledRule) -> bool {
    let (sources, destinations) =
        (first_class(policy, &rule.sources), first_class(policy, &rule.destinations));
    let selects = |class: Option<_>, side: &Side| class.is_some() || !side.addresses.is_empty();
    (sources.is_some() || destinations.is_some())
        && selects(sources, &rule.sources)
        && selects(destinations, &rule.destinations)
}

fn first_class(policy: &CompiledPolicy, side: &Side) -> Option<ClassId> {
    side.selectors.iter().find_map(|id| policy.selectors[id.0 as usize].classes.first().copied())
}

/// Allow rules that earlier allow rules cover, each instance by a single one. It may miss one (both limits
/// below keep it linear in rules), it never names a rule that is not covered.
fn shadowed_rules(policy: &CompiledPolicy) -> Vec<Finding> {
    // `None` as soon as one live instance of the written rule is not covered.
    let mut covered: BTreeMap<&RuleRef, Option<BTreeSet<&RuleRef>>> = BTreeMap::new();
    for (number, rule) in policy.rules.iter().enumerate() {
        if rule.action != Action::Allow || !is_alive(policy, rule) {
            continue;
        }
        let by = covering_rule(policy, CompiledRuleId(number as u32), rule);
        let known = covered.entry(&rule.origin).or_insert_with(|| Some(BTreeSet::new()));
        match (by, known.as_mut()) {
            (Some(by), Some(known)) => drop(known.insert(by)),
            _ => *known = None,
        }
    }
    let shadowed = covered.into_iter().filter_map(|(rule, by)| Some((rule, by?)));
    let note = |(rule, by): (&RuleRef, BTreeSet<&RuleRef>)| {
        let by: Vec<String> = by.into_iter().map(ToString::to_string).collect();
        let message = format!("everything that the rule allows is allowed by {} already", by.join(", "));
        let hint = "delete the rule, or narrow the earlier one";
        Finding::new(Severity::Note, "shadowed-rule", rule, message, hint)
    };
    shadowed.map(note).collect()
}

fn covering_rule<'a>(
    policy: &'a CompiledPolicy,
    id: CompiledRuleId,
    rule: &CompiledRule,
) -> Option<&'a RuleRef> {
    const COMPARED_MAX: usize = 64;
    // A rule that covers this one selects each of its classes, so the rules of one class are enough to search.
    let candidates = match first_class(policy, &rule.destinations) {
        Some(class) => &policy.class(class).ingress,
        None => &policy.class(first_class(policy, &rule.sources)?).egress,
    };
    let earlier = candidates.iter().take_while(|&&candidate| candidate < id).map(|&id| policy.rule(id));
    let others = earlier.filter(|wide| wide.action == Action::Allow && wide.origin != rule.origin);
    let covers = |wide: &&CompiledRule| {
        rule.services.is_subset(&wide.services)
            && is_side_covered(policy, &rule.destinations, &wide.destinations)
            && is_side_covered(policy, &rule.sources, &wide.sources)
    };
    others.take(COMPARED_MAX).find(covers).map(|wide| &wide.origin)
}

fn is_side_covered(policy: &CompiledPolicy, narrow: &Side, wide: &Side) -> bool {
    const CLASSES_COMPARED_MAX: usize = 256;
    let selects_all = |id: &SelectorId| {
        let selector = &policy.selectors[id.0 as usize].selector;
        matches!(selector, Selector::Labels(terms) if terms.is_empty())
    };
    let is_covered = |id: &SelectorId| {
        let classes = &policy.selectors[id.0 as usize].classes;
        wide.selectors.contains(id)
            || classes.len() <= CLASSES_COMPARED_MAX
                && classes.iter().all(|&class| policy.selects(wide, class))
    };
    narrow.addresses.is_subset(&wide.addresses)
        && (wide.selectors.iter().any(selects_all) || narrow.selectors.iter().all(is_covered))
}

/// One note for each label that workloads carry and the policy does not declare.
fn unknown_labels(snapshot: &Snapshot) -> Vec<Finding> {
    let declared = snapshot.policy.labels.iter();
    let known: FxHashSet<(&LabelKey, &LabelValue)> =
        declared.flat_map(|(key, values)| values.iter().map(move |value| (key, value))).collect();
    let mut unknown: BTreeMap<(&LabelKey, &LabelValue), usize> = BTreeMap::new();
    let carried = snapshot.workloads.iter().flat_map(|workload| &workload.labels);
    for label in carried.filter(|label| !known.contains(label)) {
        *unknown.entry(label).or_default() += 1;
    }
    let note = |((key, value), count): ((&LabelKey, &LabelValue), usize)| {
        let carriers =
            if count == 1 { "one workload carries".to_owned() } else { format!("{count} workloads carry") };
        let message = format!("{carriers} a label that the policy does not declare");
        let hint = "add it under `labels:` of the policy, or correct the tag or the mapping";
        let label = Label { key: key.clone(), value: value.clone() };
        Finding::new(Severity::Note, "unknown-label", label, message, hint)
    };
    unknown.into_iter().map(note).collect()
}
