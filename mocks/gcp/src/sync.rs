//! What interfaces are told of a change: the facts that a resource comes to.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::compute::{firewall, policy_rule};
use crate::link;
use crate::plane::{Held, Key, Plane};
use crate::state::{Kind, State, text_of, texts_of};

/// Something that a change touched.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Touch {
    /// A classic rule: its network and its path.
    Firewall(String, String),
    /// A network: its order and the peerings of all.
    Network(String),
    /// A policy with its rules and associations.
    Policy(String),
    /// One rule of a policy: the policy and the priority.
    PolicyRule(String, u64),
    /// An instance: its network tags, service account and tag values.
    Instance(String),
    /// A tag value.
    TagValue(u64),
}

type Note = (Key, Option<Held>);

impl Plane {
    /// Notes everything that was touched, as one change.
    pub(crate) fn sync(&mut self, state: &State, touched: &[Touch], now_ms: u64) {
        let mut notes = Vec::new();
        for touch in touched {
            match touch {
                Touch::Firewall(network, path) => notes.push(classic(state, network, path)),
                Touch::Network(path) => self.network(state, path, &mut notes),
                Touch::Policy(path) => self.policy(state, path, &mut notes),
                Touch::PolicyRule(path, priority) => notes.push(policy_rule_at(state, path, *priority)),
                Touch::Instance(path) => self.instance(state, path, &mut notes),
                Touch::TagValue(value) => notes.push(tag_value(state, *value)),
            }
        }
        self.change(notes, now_ms);
    }

    fn network(&self, state: &State, path: &str, notes: &mut Vec<Note>) {
        let found = state.get_kind(path, Kind::Network);
        let order = found.and_then(|found| text_of(&found.body, "networkFirewallPolicyEnforcementOrder"));
        let before = (order == Some("BEFORE_CLASSIC_FIREWALL")).then_some(Held::BeforeClassic);
        notes.push((Key::Order(path.to_owned()), before));
        // The other sides of peerings change with a network: all are looked at, few are.
        let mut networks: BTreeSet<String> =
            state.of_kind(Kind::Network).map(|(path, _)| path.clone()).collect();
        networks.insert(path.to_owned());
        for network in networks {
            let peers = state.peers(&network);
            let held = (!peers.is_empty()).then_some(Held::Networks(peers));
            notes.push((Key::Peers(network), held));
        }
        // Tags for a network that goes are ineffective.
        for value in state.tag_values.keys() {
            notes.push(tag_value(state, *value));
        }
    }

    fn policy(&self, state: &State, path: &str, notes: &mut Vec<Note>) {
        let found = state.get_kind(path, Kind::FirewallPolicy);
        let items = |field: &str| {
            let array = found.and_then(|found| found.body.get(field)).and_then(Value::as_array);
            array.cloned().unwrap_or_default()
        };
        let all = Key::PolicyRule(path.to_owned(), 0)..=Key::PolicyRule(path.to_owned(), u32::MAX);
        let mut live: Vec<Note> = items("rules")
            .iter()
            .filter_map(|rule| policy_rule::read(rule).ok())
            .map(|rule| (Key::PolicyRule(path.to_owned(), rule.priority), Some(Held::Rule(Box::new(rule)))))
            .collect();
        for association in items("associations") {
            let text = |field: &str| association.get(field).and_then(Value::as_str).unwrap_or_default();
            let target = link::own_path(text("attachmentTarget")).to_owned();
            let priority = association.get("priority").and_then(Value::as_u64).unwrap_or(1000) as u32;
            let held = Held::Attached(priority, text("name").to_owned());
            live.push((Key::Attached(target, path.to_owned()), Some(held)));
        }
        let attached = Key::Attached(String::new(), String::new())..Key::Order(String::new());
        let known = self.known(all).chain(
            self.known(attached).filter(|key| matches!(key, Key::Attached(_, policy) if policy == path)),
        );
        let alive: BTreeSet<&Key> = live.iter().map(|(key, _)| key).collect();
        let gone: Vec<Note> =
            known.filter(|key| !alive.contains(key)).map(|key| (key.clone(), None)).collect();
        notes.extend(live);
        notes.extend(gone);
    }

    fn instance(&self, state: &State, path: &str, notes: &mut Vec<Note>) {
        let body = state.get_kind(path, Kind::Instance).map(|found| &found.body);
        let tags: BTreeSet<String> = body
            .and_then(|body| body.get("tags")?.as_object())
            .map(|tags| texts_of(tags, "items").into_iter().collect())
            .unwrap_or_default();
        let account = body
            .and_then(|body| body.get("serviceAccounts")?.as_array()?.first()?.get("email")?.as_str())
            .map(|email| Held::Account(email.to_owned()));
        notes.push((Key::Tags(path.to_owned()), (!tags.is_empty()).then_some(Held::Tags(tags))));
        notes.push((Key::Account(path.to_owned()), account));
        let all = Key::Bound(path.to_owned(), 0)..=Key::Bound(path.to_owned(), u64::MAX);
        let known = self.known(all).filter_map(|key| match key {
            Key::Bound(_, value) => Some(*value),
            _ => None,
        });
        let live: BTreeSet<u64> = state.bound(path).collect();
        let values: BTreeSet<u64> = known.chain(live.iter().copied()).collect();
        for value in values {
            notes.push((Key::Bound(path.to_owned(), value), live.contains(&value).then_some(Held::Yes)));
        }
    }
}

fn classic(state: &State, network: &str, path: &str) -> Note {
    let found = state.get_kind(path, Kind::Firewall);
    let rule = found.and_then(|found| firewall::read(&found.body).ok());
    (
        Key::Classic(network.to_owned(), link::name_of(path).to_owned()),
        rule.map(|rule| Held::Rule(Box::new(rule))),
    )
}

fn policy_rule_at(state: &State, path: &str, priority: u64) -> Note {
    let found = state.get_kind(path, Kind::FirewallPolicy).and_then(|found| found.body.get("rules"));
    let mut rules = found.and_then(Value::as_array).into_iter().flatten();
    let rule = rules.find(|rule| rule.get("priority").and_then(Value::as_u64) == Some(priority));
    let held = rule.and_then(|rule| policy_rule::read(rule).ok());
    (Key::PolicyRule(path.to_owned(), priority as u32), held.map(|rule| Held::Rule(Box::new(rule))))
}

fn tag_value(state: &State, value: u64) -> Note {
    let held = state.effective_tag(value).map(|key| Held::For(key.network.clone()));
    (Key::TagValue(value), held)
}
