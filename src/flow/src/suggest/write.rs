//! Label rules as a policy has them: rulesets with scopes, and the file that says so.
//!
//! The role names a side, the other labels are the scope, as people write it. Where both sides share all other labels the rule is
//! one inside that scope, else an extra-scope rule of the destination's. Rules that differ in the scope alone become one rule
//! of several scopes (instances do not mix), and rules with the same scopes one ruleset.
//!
//! INVARIANT: what [`Written::apply`] puts into a policy is what the file says: both are made of the same rules.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write};

use policy::file::{free_name, name_part, quoted};
use policy::label::in_reading_order;
use policy::ruleset::{Actor, IpList, Rule, Ruleset, ScopeEntry, ScopeTarget};
use policy::{Action, AddressSet, Label, LabelSet, Name, Policy, ServicePoint, ServiceSet};

use super::{RuleEnd, SuggestedRule};
use crate::replay::Seen;

/// The label key that says which part of an application a workload plays.
const ROLE: &str = "role";

/// How rulesets are made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Scopes {
    /// One for each label rule, in their order.
    Apart,
    /// One for all rules of the same scopes.
    Joined,
}

/// A rule without its scopes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Body {
    extra_scope: bool,
    sources: Vec<String>,
    destinations: Vec<String>,
    services: BTreeSet<ServicePoint>,
}

type Scope = Vec<Label>;
type NamedRule = (String, Body, Seen);

/// Rulesets to write.
pub(super) struct Written {
    /// Name, scopes, rules by name.
    rulesets: Vec<(String, Vec<Scope>, Vec<NamedRule>)>,
    lists: BTreeMap<String, AddressSet>,
    /// Labels that the rules name and the policy does not declare.
    labels: BTreeMap<String, BTreeSet<String>>,
}

impl Written {
    pub(super) fn new(policy: &Policy, rules: &[SuggestedRule], scopes: Scopes) -> Self {
        let mut written = Self { rulesets: Vec::new(), lists: BTreeMap::new(), labels: BTreeMap::new() };
        let mut names = Names {
            rulesets: policy.rulesets.iter().map(|ruleset| ruleset.name.to_string()).collect(),
            lists: policy.ip_lists.keys().map(ToString::to_string).collect(),
        };
        let mut by_body: BTreeMap<Body, (BTreeSet<Scope>, Seen)> = BTreeMap::new();
        for rule in rules {
            let (scope, body) = written.body(rule, &mut names);
            written.declare(policy, rule);
            if scopes == Scopes::Apart {
                written.push(&mut names, vec![scope], vec![(body, rule.seen)]);
                continue;
            }
            let entry = by_body.entry(body).or_default();
            entry.0.insert(scope);
            entry.1.join(&rule.seen);
        }
        let mut by_scopes: BTreeMap<Vec<Scope>, Vec<(Body, Seen)>> = BTreeMap::new();
        for (body, (scopes, seen)) in by_body {
            // No scope covers everything, so it does not stand beside others.
            let (all, some): (Vec<Scope>, Vec<Scope>) = scopes.into_iter().partition(Vec::is_empty);
            for scopes in [all, some].into_iter().filter(|scopes| !scopes.is_empty()) {
                by_scopes.entry(scopes).or_default().push((body.clone(), seen));
            }
        }
        for (scopes, rules) in by_scopes {
            written.push(&mut names, scopes, rules);
        }
        written
    }

    fn push(&mut self, names: &mut Names, scopes: Vec<Scope>, rules: Vec<(Body, Seen)>) {
        let shared = scopes.first().into_iter().flatten();
        let shared = shared.filter(|label| scopes.iter().all(|scope| scope.contains(label)));
        let values = shared.map(|label| name_part(label.value.as_str()));
        let name: Vec<String> = std::iter::once("suggested".to_owned()).chain(values).collect();
        let name = free_name(&name.join("-"), &mut names.rulesets);
        let mut taken = BTreeSet::new();
        let named = rules.into_iter().map(|(body, seen)| {
            let name = format!("{}-to-{}", side_name(&body.sources), side_name(&body.destinations));
            (free_name(&name, &mut taken), body, seen)
        });
        let scopes = if scopes == [Vec::new()] { Vec::new() } else { scopes };
        self.rulesets.push((name, scopes, named.collect()));
    }

    fn body(&mut self, rule: &SuggestedRule, names: &mut Names) -> (Scope, Body) {
        let (source, destination) = (&rule.source, &rule.destination);
        let scope_of = |end: &RuleEnd| match end {
            RuleEnd::Labels(labels) => Some(scope(labels)),
            _ => None,
        };
        let (from, to) = (scope_of(source), scope_of(destination));
        let is_workload = |end: &RuleEnd| matches!(end, RuleEnd::Labels(_) | RuleEnd::Any);
        // A scope does not narrow lists, so a rule with one lies in the scope of the other side.
        let scope = match (is_workload(source), is_workload(destination)) {
            (true, false) => from.clone().unwrap_or_default(),
            _ => to.clone().unwrap_or_default(),
        };
        let is_inside = !is_workload(source) || !is_workload(destination) || from == to;
        let extra_scope = !is_inside && !scope.is_empty();
        let short = |end: &RuleEnd, inside: bool| match end {
            RuleEnd::Labels(labels) => actors(labels, inside),
            RuleEnd::Any => vec!["all-workloads".to_owned()],
            RuleEnd::List(name) => vec![format!("list:{name}")],
            RuleEnd::Hosts(_) => Vec::new(),
        };
        let (mut sources, mut destinations) = (short(source, is_inside), short(destination, true));
        for (end, side, other) in
            [(source, &mut sources, destination), (destination, &mut destinations, source)]
        {
            if let RuleEnd::Hosts(hosts) = end {
                *side = vec![format!("list:{}", self.new_list(names, hosts, other))];
            }
        }
        (scope, Body { extra_scope, sources, destinations, services: rule.services.clone() })
    }

    fn new_list(&mut self, names: &mut Names, hosts: &BTreeSet<ipnet::IpNet>, other: &RuleEnd) -> String {
        let addresses: AddressSet = hosts.iter().copied().collect();
        let other = match other {
            RuleEnd::Labels(labels) => {
                let values =
                    in_reading_order(labels).into_iter().map(|label| name_part(label.value.as_str()));
                values.collect::<Vec<_>>().join("-")
            }
            _ => "all".to_owned(),
        };
        let name = free_name(&format!("seen-with-{other}"), &mut names.lists);
        self.lists.insert(name.clone(), addresses);
        name
    }

    fn declare(&mut self, policy: &Policy, rule: &SuggestedRule) {
        for end in [&rule.source, &rule.destination] {
            let RuleEnd::Labels(labels) = end else { continue };
            for (key, value) in labels.iter() {
                if !policy.labels.get(key).is_some_and(|values| values.contains(value)) {
                    self.labels.entry(key.to_string()).or_default().insert(value.to_string());
                }
            }
        }
    }

    /// Puts the rulesets into a policy; the name of each with its place.
    pub(super) fn apply(&self, policy: &mut Policy) -> BTreeMap<Name, usize> {
        for (name, addresses) in &self.lists {
            policy.ip_lists.insert(name.as_str().into(), IpList { addresses: addresses.clone() });
        }
        let mut names = BTreeMap::new();
        for (at, (name, scopes, rules)) in self.rulesets.iter().enumerate() {
            let entry =
                |label: &Label| ScopeEntry { target: ScopeTarget::Label(label.clone()), exclusion: false };
            let rules = rules.iter().map(|(name, body, _)| Rule {
                name: name.as_str().into(),
                enabled: true,
                action: Action::Allow,
                sources: body.sources.iter().map(|text| actor(text)).collect(),
                destinations: body.destinations.iter().map(|text| actor(text)).collect(),
                services: services(body),
                extra_scope: body.extra_scope,
            });
            names.insert(Name::from(name.as_str()), at);
            policy.rulesets.push(Ruleset {
                name: name.as_str().into(),
                enabled: true,
                scopes: scopes.iter().map(|scope| scope.iter().map(entry).collect()).collect(),
                rules: rules.collect(),
            });
        }
        names
    }

    /// The file; empty if there is nothing to write.
    pub(super) fn file(&self) -> String {
        let mut text = String::new();
        if self.rulesets.is_empty() {
            return text;
        }
        line(&mut text, format_args!("# Suggested from flows that were seen. Read it before you keep it."));
        if !self.labels.is_empty() {
            line(&mut text, format_args!("labels:"));
            for (key, values) in &self.labels {
                line(&mut text, format_args!("  {}: {}", quoted(key), bracketed(values)));
            }
        }
        if !self.lists.is_empty() {
            line(&mut text, format_args!("ip_lists:"));
            for (name, addresses) in &self.lists {
                let blocks = addresses.to_cidrs().into_iter().map(|block| block.to_string());
                let blocks = bracketed(&blocks.collect::<Vec<_>>());
                line(&mut text, format_args!("  {}: {{ addresses: {blocks} }}", quoted(name)));
            }
        }
        line(&mut text, format_args!("rulesets:"));
        for (name, scopes, rules) in &self.rulesets {
            line(&mut text, format_args!("  - name: {}", quoted(name)));
            let scope = |scope: &Scope| bracketed(&scope.iter().map(ToString::to_string).collect::<Vec<_>>());
            let scopes: Vec<String> = scopes.iter().map(scope).collect();
            line(&mut text, format_args!("    scopes: [{}]", scopes.join(", ")));
            line(&mut text, format_args!("    rules:"));
            rules.iter().for_each(|rule| rule_text(&mut text, rule));
        }
        text
    }
}

fn rule_text(text: &mut String, (name, body, seen): &NamedRule) {
    line(text, format_args!("      - name: {}", quoted(name)));
    if body.extra_scope {
        line(text, format_args!("        scope: extra"));
    }
    line(text, format_args!("        sources: {}", bracketed(&body.sources)));
    line(text, format_args!("        destinations: {}", bracketed(&body.destinations)));
    line(text, format_args!("        services: [{}]", services(body)));
    line(text, format_args!("        description: {}", quoted(&seen.to_string())));
}

/// Names that are taken.
struct Names {
    rulesets: BTreeSet<String>,
    lists: BTreeSet<String>,
}

/// The labels that are not the role.
fn scope(labels: &LabelSet) -> Scope {
    in_reading_order(labels).into_iter().filter(|label| label.key.as_str() != ROLE).collect()
}

/// A side: the role inside a scope, all labels outside. Without a role the labels of the scope once more: they mean the
/// same as everybody in it, and say it.
fn actors(labels: &LabelSet, inside: bool) -> Vec<String> {
    let all = in_reading_order(labels);
    let role = all.iter().filter(|label| label.key.as_str() == ROLE).map(ToString::to_string);
    let role: Vec<String> = role.collect();
    if inside && !role.is_empty() { role } else { all.iter().map(ToString::to_string).collect() }
}

/// What an entry of a side means.
fn actor(text: &str) -> Actor {
    if let Some(name) = text.strip_prefix("list:") {
        return Actor::IpList(name.into());
    }
    match text.parse::<Label>() {
        Ok(label) => Actor::Label { label, exclusion: false },
        Err(_) => Actor::AllWorkloads,
    }
}

fn services(body: &Body) -> ServiceSet {
    body.services.iter().map(|&service| ServiceSet::point(service)).collect()
}

/// `web`: the value of the first thing that a side names.
fn side_name(side: &[String]) -> String {
    let Some(first) = side.first() else { return "all".to_owned() };
    let name = first.strip_prefix("list:").or_else(|| first.split_once('=').map(|(_, value)| value));
    name_part(name.unwrap_or("all"))
}

fn bracketed<'t>(texts: impl IntoIterator<Item = &'t String>) -> String {
    let texts: Vec<String> = texts.into_iter().map(|text| quoted(text)).collect();
    format!("[{}]", texts.join(", "))
}

fn line(text: &mut String, what: fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{what}");
}
