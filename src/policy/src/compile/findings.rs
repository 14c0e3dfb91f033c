//! What is wrong with a snapshot, found while compiling it.

use std::collections::{BTreeMap, BTreeSet};

use crate::compiled::CompiledPolicy;
use crate::directory::AddressDirectory;
use crate::finding::{Finding, Severity};
use crate::label::Label;
use crate::ruleset::{Action, RuleRef};
use crate::snapshot::Snapshot;

pub(super) fn findings(snapshot: &Snapshot, policy: &CompiledPolicy) -> Vec<Finding> {
    let mut findings = twice_named(snapshot);
    findings.extend(addresses_claimed_twice(snapshot));
    findings.extend(rules_that_select_nothing(snapshot, policy));
    findings.extend(shadowed_rules(policy));
    findings.extend(unknown_labels(snapshot));
    findings
}

fn twice_named(snapshot: &Snapshot) -> Vec<Finding> {
    let mut findings = Vec::new();
    let (mut workloads, mut interfaces) = (BTreeSet::new(), BTreeSet::new());
    let hint =
        "every workload and interface needs an id of its own; check the inventory and the policy files";
    for workload in &snapshot.workloads {
        if !workloads.insert(&workload.id) {
            let message = "two workloads have this id";
            findings.push(Finding::new(
                Severity::Blocking,
                "duplicate-workload",
                &workload.id,
                message,
                hint,
            ));
        }
    }
    for (_, _, interface) in snapshot.interfaces() {
        if !interfaces.insert(&interface.id) {
            let message = "two interfaces have this id";
            findings.push(Finding::new(
                Severity::Blocking,
                "duplicate-interface",
                &interface.id,
                message,
                hint,
            ));
        }
    }
    findings
}

fn addresses_claimed_twice(snapshot: &Snapshot) -> Vec<Finding> {
    let directory = AddressDirectory::new(snapshot);
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
    directory.claimed_twice().into_iter().map(clash).collect()
}

fn rules_that_select_nothing(snapshot: &Snapshot, policy: &CompiledPolicy) -> Vec<Finding> {
    let mut alive: BTreeSet<&RuleRef> = BTreeSet::new();
    for rule in &policy.rules {
        let sources = policy.classes_of(&rule.sources);
        let destinations = policy.classes_of(&rule.destinations);
        let source = !sources.is_empty() || !rule.sources.addresses.is_empty();
        let destination = !destinations.is_empty() || !rule.destinations.addresses.is_empty();
        if source && destination && (!sources.is_empty() || !destinations.is_empty()) {
            alive.insert(&rule.origin);
        }
    }
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

/// Allow rules that one earlier allow rule covers. Only rules over the same selectors or wider addresses are
/// compared, so the check stays linear in the rules that share a destination selector.
fn shadowed_rules(policy: &CompiledPolicy) -> Vec<Finding> {
    const COMPARED_MAX: usize = 64;
    let mut by_destination: BTreeMap<_, Vec<usize>> = BTreeMap::new();
    let mut covered: BTreeMap<&RuleRef, Option<&RuleRef>> = BTreeMap::new();
    for (number, rule) in policy.rules.iter().enumerate().filter(|(_, rule)| rule.action == Action::Allow) {
        let earlier = by_destination.entry(rule.destinations.selectors.first()).or_default();
        let by = earlier.iter().rev().take(COMPARED_MAX).map(|&n| &policy.rules[n]).find(|wide| {
            let selectors = |narrow: &[_], wide: &[_]| narrow.iter().all(|id| wide.contains(id));
            wide.origin != rule.origin
                && selectors(&rule.sources.selectors, &wide.sources.selectors)
                && selectors(&rule.destinations.selectors, &wide.destinations.selectors)
                && rule.sources.addresses.is_subset(&wide.sources.addresses)
                && rule.destinations.addresses.is_subset(&wide.destinations.addresses)
                && rule.services.is_subset(&wide.services)
        });
        earlier.push(number);
        let by = by.map(|wide| &wide.origin);
        covered.entry(&rule.origin).and_modify(|known| *known = known.and(by)).or_insert(by);
    }
    let shadowed = covered.into_iter().filter_map(|(rule, by)| Some((rule, by?)));
    shadowed
        .map(|(rule, by)| {
            let message = format!("everything that the rule allows is allowed by {by} already");
            Finding::new(Severity::Note, "shadowed-rule", rule, message, "delete one of the two")
        })
        .collect()
}

/// One note for each label that workloads carry and the policy does not declare.
fn unknown_labels(snapshot: &Snapshot) -> Vec<Finding> {
    let mut unknown: BTreeMap<Label, usize> = BTreeMap::new();
    for workload in &snapshot.workloads {
        for (key, value) in &workload.labels {
            if !snapshot.policy.labels.get(key).is_some_and(|values| values.contains(value)) {
                *unknown.entry(Label { key: key.clone(), value: value.clone() }).or_default() += 1;
            }
        }
    }
    let note = |(label, count): (Label, usize)| {
        let message = format!("{count} workloads carry a label that the policy does not declare");
        let hint = "add it under `labels:` of the policy, or correct the tag or the mapping";
        Finding::new(Severity::Note, "unknown-label", label, message, hint)
    };
    unknown.into_iter().map(note).collect()
}
