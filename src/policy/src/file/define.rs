//! The definitions of a policy: labels, label groups, IP lists, services.

use std::collections::{BTreeMap, BTreeSet};

use super::error::Place;
use super::node::Node;
use super::{ANY, Loader};
use crate::address::AddressSet;
use crate::finding::{Finding, Severity};
use crate::label::Label;
use crate::name::{LabelKey, LabelValue, Name};
use crate::ruleset::{IpList, LabelGroup};
use crate::service::ServiceSet;

/// How deep label groups may nest.
const NESTING_MAX: usize = 32;

/// How many groups one label group may come to when all its nesting is written out: two groups that both
/// hold the same two groups, and so on, double it with every layer.
const EXPANSION_MAX: u64 = 100_000;

/// Words that are services by themselves and so cannot name one.
const INLINE_SERVICES: [&str; 6] = ["all", "tcp", "udp", "icmp", "icmpv6", "proto"];

/// Whether a text in a list of services is a service by itself and not the name of one.
pub(super) fn is_inline_service(text: &str) -> bool {
    text.contains('/') || INLINE_SERVICES.contains(&text)
}

/// Whether a file can declare the label: tags of a cloud hold more than labels may.
pub fn can_declare(label: &Label) -> bool {
    is_label_key(label.key.as_str()) && is_label_value(label.value.as_str())
}

fn is_label_key(key: &str) -> bool {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    !key.is_empty() && key.chars().all(legal)
}

fn is_label_value(value: &str) -> bool {
    let illegal = |c: char| c.is_control() || matches!(c, '=' | ',');
    !value.is_empty() && value.trim() == value && !value.chars().any(illegal)
}

impl Loader<'_> {
    pub(super) fn read_labels(&mut self, sections: &[&Node]) {
        for section in sections {
            for (key, place, values) in self.problems.entries(section, "`labels`").unwrap_or_default() {
                self.read_label_key(key, place, values);
            }
        }
    }

    /// Values of one key may come from several files; each is written once.
    fn read_label_key(&mut self, key: &str, place: Place, values: &Node) {
        if !is_label_key(key) {
            let hint = "a key has letters, digits, `.`, `_` or `-`";
            self.problems.report(place, format!("`{key}` cannot be a label key"), hint);
            return;
        }
        self.loaded.policy.labels.entry(key.into()).or_default();
        for (value, place) in self.problems.texts(values, "the values of a label") {
            if !is_label_value(value) {
                let hint = "a value has no `=`, no comma, and no space at its ends";
                self.problems.report(place, format!("`{value}` cannot be a label value"), hint);
            } else if self.define("label", &format!("{key}={value}"), place) {
                self.loaded.policy.labels.entry(key.into()).or_default().insert(value.into());
            }
        }
    }

    pub(super) fn read_label_groups(&mut self, sections: &[&Node]) {
        let mut nested = BTreeMap::new();
        for section in sections {
            for (name, place, node) in self.problems.entries(section, "`label_groups`").unwrap_or_default() {
                if let Some(name) = self.name(name, place)
                    && self.define("label group", name.as_str(), place)
                    && let Some((group, subs)) = self.read_label_group(node)
                {
                    nested.insert(name.clone(), subs);
                    self.loaded.policy.label_groups.insert(name, group);
                }
            }
        }
        for (name, subs) in &nested {
            for (sub, place) in subs {
                self.check_nested(name, sub, *place);
            }
        }
        self.refuse_cycles();
    }

    fn read_label_group<'n>(&mut self, node: &'n Node) -> Option<(LabelGroup, Vec<(&'n str, Place)>)> {
        let fields =
            self.problems.fields(node, "a label group", &["key", "labels", "groups", "description"])?;
        let key_node = self.problems.required(&fields, "key")?;
        let key: LabelKey = self.problems.text(key_node, "a label key")?.into();
        if !self.loaded.policy.labels.contains_key(&key) {
            let known: Vec<LabelKey> = self.loaded.policy.labels.keys().cloned().collect();
            let known = known.iter().map(LabelKey::as_str);
            self.unknown("label key", key.as_str(), key_node.place, known, "declare it under `labels:`");
            return None;
        }
        let mut labels = BTreeSet::new();
        let written = fields.get("labels").map(|node| self.problems.texts(node, "the labels of a group"));
        for (value, place) in written.unwrap_or_default() {
            if self.check_member(&key, value, place) {
                labels.insert(LabelValue::from(value));
            }
        }
        let subs = fields.get("groups").map(|node| self.problems.texts(node, "the groups of a group"));
        let subs = subs.unwrap_or_default();
        let sub_groups = subs.iter().map(|(sub, _)| Name::from(*sub)).collect();
        Some((LabelGroup { key, labels, sub_groups }, subs))
    }

    fn check_member(&mut self, key: &LabelKey, value: &str, place: Place) -> bool {
        let labels = &self.loaded.policy.labels;
        let values = labels.get(key).cloned().unwrap_or_default();
        if values.contains(value) {
            return true;
        }
        let bare = value.split_once('=').map_or(value, |(_, bare)| bare);
        let elsewhere = labels.iter().find(|(_, values)| values.contains(bare)).map(|(key, _)| key.clone());
        match elsewhere {
            Some(other) if other != *key => {
                let message = format!("`{bare}` is a label of key `{other}`, the group is of key `{key}`");
                self.problems.report(place, message, "a label group holds labels of one key");
            }
            Some(_) => {
                let hint = format!("write `{bare}`: the key is given once for the group");
                self.problems.report(place, format!("`{value}` is not a value of `{key}`"), hint);
            }
            None => {
                let known = values.iter().map(LabelValue::as_str);
                let hint = format!("declare it under `labels:` `{key}:`");
                self.unknown(&format!("value of label key `{key}`"), value, place, known, &hint);
            }
        }
        false
    }

    fn check_nested(&mut self, name: &Name, sub: &str, place: Place) {
        let groups = &self.loaded.policy.label_groups;
        let Some(inner) = groups.get(sub) else {
            if self.seen.contains_key(&("label group", sub.to_owned())) {
                return; // It exists, and what is wrong with it has been reported.
            }
            let known: Vec<Name> = groups.keys().cloned().collect();
            let known = known.iter().map(Name::as_str);
            self.unknown("label group", sub, place, known, "define it under `label_groups:`");
            return;
        };
        let key = groups.get(name).map(|group| group.key.clone());
        if key.as_ref() != Some(&inner.key) {
            let message = format!("group `{sub}` is of key `{}`, group `{name}` is not", inner.key);
            self.problems.report(place, message, "groups nest within one key");
        }
    }

    /// Finds every cycle once and prints it as `a → b → a`.
    fn refuse_cycles(&mut self) {
        let groups = self.loaded.policy.label_groups.clone();
        let mut done = BTreeMap::new();
        for name in groups.keys() {
            let mut path = Vec::new();
            if let Err(bad) = walk(&groups, name, &mut path, &mut done) {
                let place = self.seen.get(&("label group", bad.first.as_str().to_owned())).copied();
                self.problems.report(place.unwrap_or_default(), bad.message, bad.hint);
            }
        }
    }

    pub(super) fn read_ip_lists(&mut self, sections: &[&Node]) {
        for section in sections {
            for (name, place, node) in self.problems.entries(section, "`ip_lists`").unwrap_or_default() {
                if name == ANY {
                    let hint = "it is built in: 0.0.0.0/0 and ::/0; choose another name";
                    self.problems.report(place, "IP list `any` cannot be defined", hint);
                    continue;
                }
                let Some(name) = self.name(name, place) else { continue };
                if self.define("IP list", name.as_str(), place) {
                    let addresses = self.read_ip_list(name.as_str(), node).unwrap_or_default();
                    self.loaded.policy.ip_lists.insert(name, IpList { addresses });
                }
            }
        }
    }

    fn read_ip_list(&mut self, name: &str, node: &Node) -> Option<AddressSet> {
        let fields = self.problems.fields(node, "an IP list", &["addresses", "except", "description"])?;
        let written = self.problems.required(&fields, "addresses")?;
        let (listed, right) = self.read_addresses(written);
        let (except, also_right) =
            fields.get("except").map_or((AddressSet::empty(), true), |node| self.read_addresses(node));
        let left = listed.difference(&except);
        if right && also_right && left.is_empty() {
            self.loaded.findings.push(Finding::new(
                Severity::Warning,
                "ip-list-empty",
                name,
                if listed.is_empty() { "the IP list is empty" } else { "the exclusions leave nothing" },
                "a rule with it grants nothing; correct `addresses` and `except`, or delete the list",
            ));
        }
        Some(left)
    }

    /// The union of a list of addresses, blocks and ranges, and whether all of them could be read.
    fn read_addresses(&mut self, node: &Node) -> (AddressSet, bool) {
        let mut sets: Vec<AddressSet> = Vec::new();
        let mut right = true;
        for (text, place) in self.problems.texts(node, "a list of addresses") {
            match text.trim().parse() {
                Ok(set) => sets.push(set),
                Err(error) => {
                    right = false;
                    let hint = "write `203.0.113.7`, `203.0.113.0/24`, `203.0.113.7-203.0.113.9`, or the like in IPv6";
                    self.problems.report(place, error.to_string(), hint);
                }
            }
        }
        let v4 = sets.iter().flat_map(|set| set.v4().ranges().iter().copied()).collect();
        let v6 = sets.iter().flat_map(|set| set.v6().ranges().iter().copied()).collect();
        (AddressSet::from_parts(v4, v6), right)
    }

    pub(super) fn read_services(&mut self, sections: &[&Node]) {
        for section in sections {
            for (name, place, node) in self.problems.entries(section, "`services`").unwrap_or_default() {
                if is_inline_service(name) {
                    let hint = "the word is a service by itself; choose another name";
                    self.problems.report(place, format!("service `{name}` cannot be defined"), hint);
                    continue;
                }
                let Some(name) = self.name(name, place) else { continue };
                if !self.define("service", name.as_str(), place) {
                    continue;
                }
                let written = self.problems.texts(node, "a service");
                if written.is_empty() {
                    let hint = "write at least one, such as `[tcp/443]`";
                    self.problems.report(place, format!("service `{name}` is empty"), hint);
                }
                let sets = written.into_iter().map(|(text, place)| self.inline_service(text, place));
                let set = sets.collect();
                self.loaded.policy.services.insert(name, set);
            }
        }
    }

    /// A service written out; empty (and reported) if it is wrong.
    pub(super) fn inline_service(&mut self, text: &str, place: Place) -> ServiceSet {
        text.parse().unwrap_or_else(|error: crate::service::ServiceError| {
            let hint = "write `tcp/443`, `udp/1000-2000`, `tcp`, `icmp/8`, `icmp/3/4`, `proto/50` or `all`";
            self.problems.report(place, error.to_string(), hint);
            ServiceSet::empty()
        })
    }
}

/// What is wrong with the nesting of a label group.
struct BadNesting {
    first: Name,
    message: String,
    hint: &'static str,
}

/// Walks down from one group and counts what it comes to when written out; `done` holds the counts of groups
/// that lead to no mistake, or to one that is reported.
fn walk(
    groups: &BTreeMap<Name, LabelGroup>,
    name: &Name,
    path: &mut Vec<Name>,
    done: &mut BTreeMap<Name, u64>,
) -> Result<u64, BadNesting> {
    if let Some(start) = path.iter().position(|above| above == name) {
        let cycle: Vec<&str> = path.iter().skip(start).chain([name]).map(Name::as_str).collect();
        let message = format!("label groups contain each other: {}", cycle.join(" → "));
        let hint = "take one of them out of the other";
        return Err(bad(path, done, name.clone(), message, hint));
    }
    if let Some(count) = done.get(name) {
        return Ok(*count);
    }
    if path.len() >= NESTING_MAX {
        let first = path.first().unwrap_or(name).clone();
        let message = format!("label group `{first}` nests deeper than {NESTING_MAX}");
        return Err(bad(path, done, first, message, "list the labels in fewer layers of groups"));
    }
    path.push(name.clone());
    let mut count = 1_u64;
    for sub in groups.get(name).into_iter().flat_map(|group| &group.sub_groups) {
        count = count.saturating_add(walk(groups, sub, path, done)?);
    }
    if count > EXPANSION_MAX {
        let message =
            format!("label group `{name}` comes to more than {EXPANSION_MAX} groups when written out");
        return Err(bad(path, done, name.clone(), message, "list the labels instead of so many groups"));
    }
    path.pop();
    done.insert(name.clone(), count);
    Ok(count)
}

/// A mistake that is reported once: nothing on the way to it is walked again.
fn bad(
    path: &[Name],
    done: &mut BTreeMap<Name, u64>,
    first: Name,
    message: String,
    hint: &'static str,
) -> BadNesting {
    done.extend(path.iter().map(|above| (above.clone(), 0)));
    BadNesting { first, message, hint }
}
