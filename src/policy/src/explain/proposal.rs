//! The missing rules of a flow as one policy file, with every label and list that they name and the policy lacks.
//!
//! INVARIANT: the text loads beside the files that the policy was loaded from, and the flow passes then: no name is
//! taken, every label is declared. The test of the explanations loads every text that it sees.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use crate::explain::MissingRule;
use crate::explain::text::actor_text;
use crate::file::{free_name, name_part, quoted};
use crate::label::Label;
use crate::ruleset::{Actor, Policy};

/// The text of the file; empty if no rule is missing.
pub(super) fn proposal(policy: &Policy, missing: &[&MissingRule]) -> String {
    let mut text = String::new();
    let labels = undeclared_labels(policy, missing);
    if !labels.is_empty() {
        text.push_str("labels:\n");
        for (key, values) in labels {
            let values: Vec<String> = values.into_iter().map(quoted).collect();
            line(&mut text, format_args!("  {}: [{}]", quoted(key), values.join(", ")));
        }
    }
    let lists: BTreeMap<_, _> = missing.iter().filter_map(|rule| rule.new_list.as_ref()).cloned().collect();
    if !lists.is_empty() {
        text.push_str("ip_lists:\n");
        for (name, addresses) in lists {
            let blocks: Vec<String> =
                addresses.to_cidrs().iter().map(|block| quoted(&block.to_string())).collect();
            line(
                &mut text,
                format_args!("  {}: {{ addresses: [{}] }}", quoted(name.as_str()), blocks.join(", ")),
            );
        }
    }
    if !missing.is_empty() {
        text.push_str("rulesets:\n");
    }
    let mut taken: BTreeSet<String> =
        policy.rulesets.iter().map(|ruleset| ruleset.name.to_string()).collect();
    for rule in missing {
        let name = free_name(&ruleset_name(rule), &mut taken);
        ruleset_text(&mut text, &name, rule);
    }
    text
}

fn ruleset_text(text: &mut String, name: &str, rule: &MissingRule) {
    let side = |actors: &[Actor]| {
        let texts: Vec<String> = actors.iter().map(|actor| quoted(&actor_text(actor))).collect();
        format!("[{}]", texts.join(", "))
    };
    line(text, format_args!("  - name: {}", quoted(name)));
    if !rule.scope.is_empty() {
        let labels: Vec<String> = rule.scope.iter().map(|label| quoted(&label.to_string())).collect();
        line(text, format_args!("    scopes: [[{}]]", labels.join(", ")));
    }
    let extra = if rule.extra_scope { "scope: extra, " } else { "" };
    line(text, format_args!("    rules:"));
    line(
        text,
        format_args!(
            "      - {{ name: {}, {extra}sources: {}, destinations: {}, services: [{}] }}",
            quoted(&name_part(&rule.services.to_string())),
            side(&rule.sources),
            side(&rule.destinations),
            rule.services
        ),
    );
}

/// The labels of the rules that no file declares, values by key.
fn undeclared_labels<'r>(
    policy: &Policy,
    missing: &[&'r MissingRule],
) -> BTreeMap<&'r str, BTreeSet<&'r str>> {
    let of_actors = |actor: &'r Actor| match actor {
        Actor::Label { label, .. } => Some(label),
        _ => None,
    };
    let of_rule = |rule: &&'r MissingRule| {
        let rule: &'r MissingRule = rule;
        let actors = rule.sources.iter().chain(&rule.destinations).filter_map(of_actors);
        rule.scope.iter().chain(actors)
    };
    let is_declared =
        |label: &Label| policy.labels.get(&label.key).is_some_and(|values| values.contains(&label.value));
    let mut undeclared: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for label in missing.iter().flat_map(of_rule).filter(|label| !is_declared(label)) {
        undeclared.entry(label.key.as_str()).or_default().insert(label.value.as_str());
    }
    undeclared
}

/// `web-to-db`: the first thing that each side names.
fn ruleset_name(rule: &MissingRule) -> String {
    let part = |actors: &[Actor]| match actors.first() {
        Some(Actor::Label { label, .. }) => name_part(label.value.as_str()),
        Some(Actor::Workload(id)) => name_part(id.as_str()),
        Some(Actor::IpList(name) | Actor::LabelGroup { group: name, .. }) => name_part(name.as_str()),
        Some(Actor::AllWorkloads) | None => "all".to_owned(),
    };
    format!("{}-to-{}", part(&rule.sources), part(&rule.destinations))
}

fn line(text: &mut String, what: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{what}");
}
