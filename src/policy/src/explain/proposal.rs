//! The missing rules of a flow as one policy file, with every label and list that they name and the policy lacks.
//!
//! INVARIANT: the text loads beside the files that the policy was loaded from, and the flow passes then: no name is
//! taken, every label is declared. The test of the explanations loads every text that it sees.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use crate::explain::MissingRule;
use crate::explain::text::actor_text;
use crate::file::is_in_names;
use crate::label::Label;
use crate::ruleset::{Actor, Policy};

/// The longest part of a name that is made from labels and ids, in characters.
const PART_MAX: usize = 40;

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

/// A text as a part of a name: what names may not hold becomes `-`.
fn name_part(text: &str) -> String {
    text.chars().take(PART_MAX).map(|c| if is_in_names(c) && c != ' ' { c } else { '-' }).collect()
}

/// The name, or with a number behind it if it is taken; taken from now on.
fn free_name(name: &str, taken: &mut BTreeSet<String>) -> String {
    let numbered = (2_u32..).map(|number| format!("{name}-{number}"));
    let free = std::iter::once(name.to_owned()).chain(numbered).find(|name| !taken.contains(name));
    let free = free.unwrap_or_default();
    taken.insert(free.clone());
    free
}

/// The text as a YAML scalar inside brackets: plain where nothing in it means something to YAML.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/' | '=' | ':');
    // A colon that does not stand before a letter or digit ends a key.
    let has_key = text.split(':').skip(1).any(|rest| !rest.starts_with(|c: char| c.is_ascii_alphanumeric()));
    let is_plain = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(plain)
        && !has_key
        && !text.eq_ignore_ascii_case("null");
    if is_plain {
        return text.to_owned();
    }
    let mut quoted = "\"".to_owned();
    for c in text.chars() {
        // Writing to a string cannot fail.
        let _ = match c {
            '"' | '\\' => write!(quoted, "\\{c}"),
            c if c.is_alphanumeric() || c.is_ascii_graphic() || c == ' ' => write!(quoted, "{c}"),
            c => write!(quoted, "\\U{:08X}", u32::from(c)),
        };
    }
    quoted.push('"');
    quoted
}

fn line(text: &mut String, what: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{what}");
}
