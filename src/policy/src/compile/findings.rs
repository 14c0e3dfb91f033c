//! What is wrong with a snapshot, found while compiling it.

use std::collections::BTreeSet;
use std::fmt::Display;

use super::classes::UnknownLabels;
use crate::compiled::{ClassId, CompiledPolicy, CompiledRule, CompiledRuleId, SelectorId, Side};
use crate::directory::AddressDirectory;
use crate::finding::{Finding, Severity};
use crate::name::Name;
use crate::ruleset::{Action, RuleRef};
use crate::selector::Selector;
use crate::snapshot::Snapshot;

pub(super) fn findings(snapshot: &Snapshot, policy: &CompiledPolicy, unknown: UnknownLabels) -> Vec<Finding> {
    let mut findings = twice_named(snapshot);
    findings.extend(shared_addresses(snapshot));
    findings.extend(super::translations::findings(snapshot));
    findings.extend(rules_that_select_nothing(snapshot, policy));
    findings.extend(shadowed_rules(policy));
    findings.extend(unknown_labels(unknown));
    findings
}

fn twice_named(snapshot: &Snapshot) -> Vec<Finding> {
    let hint =
        "every workload and interface needs an id of its own; check the inventory and the policy files";
    let blocking = |code: &str, id: &dyn Display, message: &str| {
        Finding::new(Severity::Blocking, code, id, message, hint)
    };
    let workloads = twice(snapshot.workloads.iter().map(|workload| &workload.id));
    let interfaces = twice(snapshot.interfaces().map(|(_, _, interface)| &interface.id));
    let workloads =
        workloads.into_iter().map(|id| blocking("duplicate-workload", id, "two workloads have this id"));
    let interfaces =
        interfaces.into_iter().map(|id| blocking("duplicate-interface", id, "two interfaces have this id"));
    workloads.chain(interfaces).collect()
}

/// Every repetition of a value. A snapshot comes sorted: then one look at each value is all there is to do.
fn twice<'a, T: Ord + 'a>(values: impl Iterator<Item = &'a T> + Clone) -> Vec<&'a T> {
    if values.clone().is_sorted_by(|a, b| a < b) {
        return Vec::new();
    }
    let mut values: Vec<&T> = values.collect();
    values.sort();
    values.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[0]).collect()
}

fn shared_addresses(snapshot: &Snapshot) -> Vec<Finding> {
    let addresses = snapshot.interfaces().flat_map(|(_, _, interface)| &interface.addresses);
    if twice(addresses).is_empty() {
        return Vec::new();
    }
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
    // Compiled rules stand in the order of writing, so one look at the head finds those of a written rule.
    let mut rest = policy.rules.as_slice();
    let rulesets = snapshot.policy.rulesets.iter().filter(|ruleset| ruleset.enabled);
    let written = rulesets.flat_map(|ruleset| {
        ruleset.rules.iter().filter(|rule| rule.enabled).map(|rule| (&ruleset.name, &rule.name))
    });
    let dead = written.filter(|&(ruleset, rule)| {
        let own =
            |compiled: &CompiledRule| compiled.origin.rule == *rule && compiled.origin.ruleset == *ruleset;
        let (instances, others) = rest.split_at(rest.iter().take_while(|rule| own(rule)).count());
        rest = others;
        !instances.iter().any(|rule| is_alive(policy, rule))
    });
    let origin = |(ruleset, rule): (&Name, &Name)| RuleRef { ruleset: ruleset.clone(), rule: rule.clone() };
    let dead = dead.map(origin);
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
    let mut findings = Vec::new();
    let mut number = 0;
    for instances in policy.rules.chunk_by(|a, b| a.origin == b.origin) {
        let first = number;
        number += instances.len() as u32;
        let ids = (first..number).map(CompiledRuleId);
        let alive = ids.filter(|&id| is_alive(policy, policy.rule(id)));
        // `None` as soon as one live instance is not covered.
        let by: Option<BTreeSet<&RuleRef>> = alive.map(|id| covering_rule(policy, id)).collect();
        let Some(by) = by.filter(|by| !by.is_empty()) else { continue };
        let by: Vec<String> = by.into_iter().map(ToString::to_string).collect();
        let message = format!("everything that the rule allows is allowed by {} already", by.join(", "));
        let hint = "delete the rule, or narrow the earlier one";
        findings.push(Finding::new(Severity::Note, "shadowed-rule", &instances[0].origin, message, hint));
    }
    findings
}

/// The first earlier allow rule that covers an allow rule.
fn covering_rule(policy: &CompiledPolicy, id: CompiledRuleId) -> Option<&RuleRef> {
    const COMPARED_MAX: usize = 64;
    let rule = policy.rule(id);
    if rule.action != Action::Allow {
        return None;
    }
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
fn unknown_labels(unknown: UnknownLabels) -> impl Iterator<Item = Finding> {
    unknown.into_iter().map(|(label, count)| {
        let carriers =
            if count == 1 { "one workload carries".to_owned() } else { format!("{count} workloads carry") };
        let message = format!("{carriers} a label that the policy does not declare");
        let hint = "add it under `labels:` of the policy, or correct the tag or the mapping";
        Finding::new(Severity::Note, "unknown-label", label, message, hint)
    })
}
