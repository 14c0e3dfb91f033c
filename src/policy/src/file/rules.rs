//! Rulesets with scopes and rules, the enforcement table, and the flows that a guard protects.

use std::collections::BTreeMap;

use super::Loader;
use super::define::is_inline_service;
use super::error::Place;
use super::node::{Node, Value};
use super::read::Fields;
use crate::label::Label;
use crate::name::{LabelKey, Name};
use crate::ruleset::{Action, Actor, EnforcementRule, Rule, Ruleset, ScopeEntry, ScopeTarget};
use crate::service::ServiceSet;
use crate::workload::EnforcementMode;

const MODES: [(&str, EnforcementMode); 4] = [
    ("visibility_only", EnforcementMode::VisibilityOnly),
    ("full", EnforcementMode::Full),
    ("selective", EnforcementMode::Selective),
    ("idle", EnforcementMode::Idle),
];
const ACTIONS: [(&str, Action); 3] =
    [("allow", Action::Allow), ("deny", Action::Deny), ("override-deny", Action::OverrideDeny)];
const RULE_KEYS: [&str; 8] =
    ["name", "sources", "destinations", "services", "scope", "action", "enabled", "description"];
const ACTOR_SHAPES: &str = "write `role=web`, `group:NAME`, `list:NAME`, `workload:NAME` or `all-workloads`";

/// How many combinations of labels one scope may come to.
const INSTANCES_MAX: usize = 10_000;

impl Loader<'_> {
    pub(super) fn read_enforcement(&mut self, sections: &[&Node]) {
        for node in self.items(sections, "`enforcement`") {
            let keys = ["match", "mode", "description"];
            let Some(fields) = self.problems.fields(node, "an enforcement entry", &keys) else { continue };
            let written = self.problems.required(&fields, "match");
            let scope = written.map(|node| self.read_scope(node)).unwrap_or_default();
            if self.problems.required(&fields, "mode").is_some() {
                let mode = self.problems.choice(&fields, "mode", &MODES, EnforcementMode::default());
                self.loaded.policy.enforcement.push(EnforcementRule { scope, mode });
            }
        }
    }

    pub(super) fn read_rulesets(&mut self, sections: &[&Node]) {
        for node in self.items(sections, "`rulesets`") {
            let keys = ["name", "enabled", "description", "scopes", "rules"];
            let Some(fields) = self.problems.fields(node, "a ruleset", &keys) else { continue };
            let Some((name, place)) = self.read_name(&fields) else { continue };
            self.define("ruleset", name.as_str(), place);
            let enabled = self.problems.flag(&fields, "enabled", true);
            let scopes = fields.get("scopes").map(|node| self.read_scopes(node)).unwrap_or_default();
            let rules = fields.get("rules").map(|node| self.read_rules(node)).unwrap_or_default();
            self.loaded.policy.rulesets.push(Ruleset { name, enabled, scopes, rules });
        }
    }

    pub(super) fn read_protect(&mut self, sections: &[&Node]) {
        for (number, node) in self.items(sections, "`protect`").into_iter().enumerate() {
            let keys = ["name", "sources", "destinations", "services", "description"];
            let Some(fields) = self.problems.fields(node, "a protected flow", &keys) else { continue };
            let name = match fields.get("name") {
                Some(_) => self.read_name(&fields).map(|(name, _)| name),
                None => Some(format!("protect-{}", number + 1).into()),
            };
            let Some(name) = name else { continue };
            if self.define("protected flow", name.as_str(), node.place)
                && let Some(mut rule) = self.read_traffic(&fields, name)
            {
                rule.extra_scope = true;
                self.loaded.protect.push(rule);
            }
        }
    }

    /// The items of a section that is a list, over all files.
    fn items<'n>(&mut self, sections: &[&'n Node], what: &str) -> Vec<&'n Node> {
        sections.iter().flat_map(|section| self.problems.list(section, what)).collect()
    }

    pub(super) fn read_name(&mut self, fields: &Fields<'_>) -> Option<(Name, Place)> {
        let node = self.problems.required(fields, "name")?;
        let text = self.problems.text(node, "a name")?;
        Some((self.name(text, node.place)?, node.place))
    }

    fn read_rules(&mut self, node: &Node) -> Vec<Rule> {
        let mut rules = Vec::new();
        let mut names: BTreeMap<Name, Place> = BTreeMap::new();
        for node in self.problems.list(node, "`rules`") {
            let Some(fields) = self.problems.fields(node, "a rule", &RULE_KEYS) else { continue };
            let Some((name, place)) = self.read_name(&fields) else { continue };
            if let Some(first) = names.get(&name) {
                self.problems.report_duplicate(&format!("rule `{name}` of the ruleset"), place, *first);
                continue;
            }
            names.insert(name.clone(), place);
            if let Some(rule) = self.read_traffic(&fields, name) {
                rules.push(rule);
            }
        }
        rules
    }

    /// Sources, destinations and services, with what else a rule may say.
    fn read_traffic(&mut self, fields: &Fields<'_>, name: Name) -> Option<Rule> {
        let extra_scope = self.problems.choice(fields, "scope", &[("intra", false), ("extra", true)], false);
        let action = self.problems.choice(fields, "action", &ACTIONS, Action::Allow);
        let enabled = self.problems.flag(fields, "enabled", true);
        let sources = self.read_side(fields, "sources");
        let destinations = self.read_side(fields, "destinations");
        let services = self.read_rule_services(fields);
        let (sources, destinations, services) = (sources?, destinations?, services?);
        let lists = |side: &[Actor]| side.iter().all(|actor| matches!(actor, Actor::IpList(_)));
        if lists(&sources) && lists(&destinations) {
            let message = format!("rule `{name}` has IP lists on both sides: there is nothing to program");
            let hint = "name workloads on one side at least: a label, a group, `all-workloads`";
            self.problems.report(fields.place, message, hint);
        }
        Some(Rule { name, enabled, action, sources, destinations, services, extra_scope })
    }

    fn read_side(&mut self, fields: &Fields<'_>, key: &str) -> Option<Vec<Actor>> {
        let node = self.problems.required(fields, key)?;
        let written = self.problems.texts(node, &format!("`{key}`"));
        if matches!(&node.value, Value::List(items) if items.is_empty()) {
            let hint = "write at least one actor; `all-workloads` means every workload";
            self.problems.report(node.place, format!("`{key}` is empty"), hint);
        }
        let actors = written.into_iter().filter_map(|(text, place)| self.read_actor(text, place));
        let actors: Vec<Actor> = actors.collect();
        (!actors.is_empty()).then_some(actors)
    }

    fn read_rule_services(&mut self, fields: &Fields<'_>) -> Option<ServiceSet> {
        let node = self.problems.required(fields, "services")?;
        let written = self.problems.texts(node, "`services`");
        if matches!(&node.value, Value::List(items) if items.is_empty()) {
            let hint = "write at least one; `all` means every service";
            self.problems.report(node.place, "`services` is empty", hint);
        }
        let sets: Vec<ServiceSet> =
            written.into_iter().map(|(text, place)| self.read_service(text, place)).collect();
        (!sets.is_empty()).then(|| sets.into_iter().collect())
    }

    fn read_service(&mut self, text: &str, place: Place) -> ServiceSet {
        if is_inline_service(text) {
            return self.inline_service(text, place);
        }
        if let Some(set) = self.loaded.policy.services.get(text) {
            return set.clone();
        }
        if !self.is_seen("service", text) {
            let known: Vec<Name> = self.loaded.policy.services.keys().cloned().collect();
            let otherwise = "define it under `services:`, or write it out, such as `tcp/443`";
            self.unknown("service", text, place, known.iter().map(Name::as_str), otherwise);
        }
        ServiceSet::empty()
    }

    fn read_actor(&mut self, text: &str, place: Place) -> Option<Actor> {
        let (exclusion, rest) = without_not(text);
        let actor = match rest.split_once(':') {
            None if rest == "all-workloads" => Actor::AllWorkloads,
            None if rest.contains('=') => Actor::Label { label: self.known_label(rest, place)?, exclusion },
            // A value may hold a colon, as in `version=2:1.0`.
            Some((head, _)) if head.contains('=') => {
                Actor::Label { label: self.known_label(rest, place)?, exclusion }
            }
            Some(("group", name)) => {
                Actor::LabelGroup { group: self.known_group(name.trim(), place)?.0, exclusion }
            }
            Some(("list", name)) => Actor::IpList(self.known_list(name.trim(), place)?),
            Some(("workload", name)) => self.known_workload(name.trim(), place)?,
            _ => return self.bad_actor(rest, place),
        };
        let excludable = matches!(actor, Actor::Label { .. } | Actor::LabelGroup { .. });
        if exclusion && !excludable {
            let hint = "only a label or a label group can be taken off; an IP list has `except:`";
            self.problems.report(place, format!("`{text}` cannot be excluded"), hint);
            return None;
        }
        Some(actor)
    }

    fn bad_actor(&mut self, text: &str, place: Place) -> Option<Actor> {
        let policy = &self.loaded.policy;
        let hint = if policy.ip_lists.contains_key(text) {
            format!("did you mean `list:{text}`?")
        } else if policy.label_groups.contains_key(text) {
            format!("did you mean `group:{text}`?")
        } else if let Some((key, _)) = policy.labels.iter().find(|(_, values)| values.contains(text)) {
            format!("did you mean `{key}={text}`?")
        } else if super::nearest(text, ["all-workloads"]).is_some() || text == "all" {
            "did you mean `all-workloads`?".to_owned()
        } else {
            ACTOR_SHAPES.to_owned()
        };
        self.problems.report(place, format!("`{text}` is no source or destination"), hint);
        None
    }

    fn read_scopes(&mut self, node: &Node) -> Vec<Vec<ScopeEntry>> {
        let mut scopes = Vec::new();
        for scope in self.problems.list(node, "`scopes`") {
            if matches!(scope.value, Value::Text(_)) {
                let hint = "write a list of lists: `[[app=shop, env=prod], [app=crm]]`";
                self.problems.report(scope.place, "a scope is a list, not a text", hint);
                continue;
            }
            let is_empty = match &scope.value {
                Value::Nothing => true,
                Value::List(entries) => entries.is_empty(),
                _ => false,
            };
            if is_empty {
                let hint = "it would cover every workload; write `scopes: []` if that is meant";
                self.problems.report(scope.place, "a scope is empty", hint);
                continue;
            }
            scopes.push(self.read_scope(scope));
        }
        scopes
    }

    /// The entries of one scope: included entries are of distinct keys (S1).
    fn read_scope(&mut self, node: &Node) -> Vec<ScopeEntry> {
        let mut entries = Vec::new();
        let mut keys: BTreeMap<LabelKey, &str> = BTreeMap::new();
        for (text, place) in self.problems.texts(node, "a scope") {
            let Some((entry, key)) = self.read_scope_entry(text, place) else { continue };
            if !entry.exclusion
                && let Some(other) = keys.insert(key.clone(), text)
            {
                let message = format!("`{other}` and `{text}` are of one key `{key}` in one scope");
                let hint = "nothing can have both: write two scopes, or a label group";
                self.problems.report(place, message, hint);
            }
            entries.push(entry);
        }
        self.refuse_vast(node.place, &entries);
        entries
    }

    /// Groups of different keys multiply: each combination of their members is a scope of its own (S3).
    fn refuse_vast(&mut self, place: Place, entries: &[ScopeEntry]) {
        let members = |entry: &ScopeEntry| match &entry.target {
            ScopeTarget::Label(_) => 1,
            ScopeTarget::LabelGroup(name) => crate::compile::members(&self.loaded.policy, name).len(),
        };
        let included = entries.iter().filter(|entry| !entry.exclusion);
        let combinations = included.map(members).fold(1_usize, usize::saturating_mul);
        if combinations > INSTANCES_MAX {
            let message = format!(
                "the groups of this scope make {combinations} combinations; {INSTANCES_MAX} are the most"
            );
            let hint = "leave a group out where the rules mean every value anyway, or write narrower groups";
            self.problems.report(place, message, hint);
        }
    }

    fn read_scope_entry(&mut self, text: &str, place: Place) -> Option<(ScopeEntry, LabelKey)> {
        let (exclusion, rest) = without_not(text);
        if let Some(name) = rest.strip_prefix("group:") {
            let (group, key) = self.known_group(name.trim(), place)?;
            return Some((ScopeEntry { target: ScopeTarget::LabelGroup(group), exclusion }, key));
        }
        if rest.contains('=') {
            let label = self.known_label(rest, place)?;
            let key = label.key.clone();
            return Some((ScopeEntry { target: ScopeTarget::Label(label), exclusion }, key));
        }
        let hint = "write `env=prod` or `group:NAME`, with `not ` before it to take it off";
        self.problems.report(place, format!("`{text}` is no scope entry"), hint);
        None
    }

    /// A label that is declared.
    pub(super) fn known_label(&mut self, text: &str, place: Place) -> Option<Label> {
        let label: Label = match text.parse() {
            Ok(label) => label,
            Err(error) => {
                let error: crate::label::NotALabel = error;
                self.problems.report(place, error.to_string(), "write `key=value`, such as `role=web`");
                return None;
            }
        };
        let labels = &self.loaded.policy.labels;
        if labels.get(&label.key).is_some_and(|values| values.contains(&label.value)) {
            return Some(label);
        }
        let known: Vec<String> = if self.problems.is_full() {
            Vec::new()
        } else {
            labels.iter().flat_map(|(key, values)| values.iter().map(move |v| format!("{key}={v}"))).collect()
        };
        let otherwise = "declare it under `labels:`";
        self.unknown("label", &label.to_string(), place, known.iter().map(String::as_str), otherwise);
        None
    }

    fn known_group(&mut self, name: &str, place: Place) -> Option<(Name, LabelKey)> {
        if let Some(group) = self.loaded.policy.label_groups.get(name) {
            return Some((name.into(), group.key.clone()));
        }
        if !self.is_seen("label group", name) {
            let known: Vec<Name> = self.loaded.policy.label_groups.keys().cloned().collect();
            let known = known.iter().map(Name::as_str);
            self.unknown("label group", name, place, known, "define it under `label_groups:`");
        }
        None
    }

    fn known_list(&mut self, name: &str, place: Place) -> Option<Name> {
        if self.loaded.policy.ip_lists.contains_key(name) {
            return Some(name.into());
        }
        let known: Vec<Name> = self.loaded.policy.ip_lists.keys().cloned().collect();
        let known = known.iter().map(Name::as_str);
        self.unknown("IP list", name, place, known, "define it under `ip_lists:`");
        None
    }

    /// Workloads of a cloud are not known to the files: any name that could be one is taken, and compile
    /// reports a rule that selects nothing.
    fn known_workload(&mut self, name: &str, place: Place) -> Option<Actor> {
        let legal = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | ':' | '/');
        let is_declared = self.loaded.workloads.iter().any(|workload| workload.id.as_str() == name);
        if is_declared || (!name.is_empty() && name.chars().all(legal)) {
            return Some(Actor::Workload(name.into()));
        }
        let known: Vec<String> =
            self.loaded.workloads.iter().map(|workload| workload.id.to_string()).collect();
        let otherwise = "write the id of an instance, or the name of an entry under `workloads:`";
        self.unknown("workload", name, place, known.iter().map(String::as_str), otherwise);
        None
    }

    /// Whether something is defined, if only wrongly: then its own error has been reported.
    fn is_seen(&self, kind: &'static str, name: &str) -> bool {
        self.seen.contains_key(&(kind, name.to_owned()))
    }
}

/// Splits `not role=web` into the exclusion and the rest.
fn without_not(text: &str) -> (bool, &str) {
    let text = text.trim();
    text.strip_prefix("not ").map_or((false, text), |rest| (true, rest.trim()))
}
