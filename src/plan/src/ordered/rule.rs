//! What the rules of ordered lists match, as they are read in one network.

use std::sync::Arc;

use policy::{AddressSet, NetworkId, ServiceSet};
use rustc_hash::FxHashMap;

use super::reach::Reach;
use crate::graph::{Effect, Entry, NodeIndex, Peers};
use crate::state::{PathEffect, PathRule, Peer};

/// Far ends that are written out for people; of longer lists the rest is counted.
const PEERS_TEXT_MAX: usize = 3;

/// About the length of the text of a rule.
const TEXT_BYTES: usize = 192;

/// Index into [`Rules`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) struct RuleIndex(u32);

/// How far ends count that this version does not read.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Reading {
    /// The most that may pass: any address in what permits, nobody in what blocks. For what foreign rules admit.
    Most,
    /// The least that passes for certain: nobody in what permits, any address in what blocks. For what ours admit,
    /// and for what foreign rules stop.
    Least,
}

/// What a rule matches.
#[derive(Clone, Debug, Default)]
pub(super) struct Match {
    pub(super) addresses: AddressSet,
    pub(super) members: Arc<[NodeIndex]>,
    /// Whether it also matches far ends that this version does not read.
    pub(super) unread: bool,
    pub(super) services: ServiceSet,
}

impl Match {
    fn everything() -> Self {
        Self { addresses: AddressSet::any(), services: ServiceSet::all(), ..Self::default() }
    }

    /// Whether it matches nothing, whatever is not read.
    pub(super) fn is_nothing(&self) -> bool {
        self.services.is_empty() || self.addresses.is_empty() && self.members.is_empty() && !self.unread
    }

    /// The entries that say so; none if nothing matches.
    pub(super) fn entries(&self, text: &str, effect: Effect, reading: Reading) -> Vec<Entry> {
        let anybody = self.unread
            && matches!((reading, effect), (Reading::Most, Effect::Permit) | (Reading::Least, Effect::Block));
        let addresses = if anybody { AddressSet::any() } else { self.addresses.clone() };
        let mut peers = Vec::new();
        if !self.services.is_empty() && !addresses.is_empty() {
            peers.push(Peers::Addresses(addresses));
        }
        if !self.services.is_empty() && !self.members.is_empty() {
            peers.push(Peers::Members(self.members.clone()));
        }
        let entry = |peers| Entry { rule: text.to_owned(), effect, peers, services: self.services.clone() };
        peers.into_iter().map(entry).collect()
    }
}

/// Rules as they are read in the networks that they are in force in.
pub(super) struct Rules<'a> {
    reach: Reach<'a>,
    known: FxHashMap<(*const PathRule, &'a NetworkId), RuleIndex>,
    read: Vec<(String, Match)>,
    members: FxHashMap<Vec<NodeIndex>, Arc<[NodeIndex]>>,
}

impl<'a> Rules<'a> {
    /// The rule that matches everything, which stands in no object.
    pub(super) const EVERYTHING: RuleIndex = RuleIndex(0);

    pub(super) fn new(reach: Reach<'a>) -> Self {
        let everything = ("everything".to_owned(), Match::everything());
        Self { reach, known: FxHashMap::default(), read: vec![everything], members: FxHashMap::default() }
    }

    /// Reads a rule in a network.
    pub(super) fn read(&mut self, rule: &'a PathRule, here: &'a NetworkId) -> RuleIndex {
        let key = (std::ptr::from_ref(rule), here);
        if let Some(&index) = self.known.get(&key) {
            return index;
        }
        let index = RuleIndex(self.read.len() as u32);
        let matched = self.matched(rule, here);
        self.read.push((text(rule), matched));
        self.known.insert(key, index);
        index
    }

    /// The rule for people.
    pub(super) fn text(&self, rule: RuleIndex) -> &str {
        &self.read[rule.0 as usize].0
    }

    /// What a rule matches.
    pub(super) fn get(&self, rule: RuleIndex) -> &Match {
        &self.read[rule.0 as usize].1
    }

    fn matched(&mut self, rule: &PathRule, here: &NetworkId) -> Match {
        let services = rule.services.iter().map(|service| service.to_set()).collect();
        if rule.peers.is_empty() {
            return Match { services, ..Match::everything() };
        }
        let groups = rule.peers.iter().filter_map(|peer| match peer {
            Peer::Group(group) => Some(group),
            Peer::Cidr(_) | Peer::Opaque(_) => None,
        });
        let members = self.reach.named(groups, here);
        let shared = self.members.entry(members).or_insert_with_key(|members| members.as_slice().into());
        let blocks = rule.peers.iter().filter_map(|peer| match peer {
            Peer::Cidr(block) => Some(*block),
            Peer::Group(_) | Peer::Opaque(_) => None,
        });
        let addresses = blocks.collect();
        let unread = rule.peers.iter().any(|peer| matches!(peer, Peer::Opaque(_)));
        Match { addresses, members: shared.clone(), unread, services }
    }
}

/// Every rule of every list is written out, in as few pieces as there can be.
fn text(rule: &PathRule) -> String {
    use std::fmt::Write;
    let comma = |number: usize| if number == 0 { "" } else { ", " };
    let mut text = String::with_capacity(TEXT_BYTES);
    let effect = match rule.effect {
        PathEffect::Allow => "allows",
        PathEffect::Deny => "denies",
        PathEffect::Next => "leaves to the next list",
    };
    let mut write = |arguments: std::fmt::Arguments<'_>| {
        // Writing to a text cannot fail.
        let _ = text.write_fmt(arguments);
    };
    write(format_args!("rule {} {effect} ", rule.name));
    for (number, peer) in rule.peers.iter().take(PEERS_TEXT_MAX).enumerate() {
        write(format_args!("{}{peer}", comma(number)));
    }
    match rule.peers.len().checked_sub(PEERS_TEXT_MAX) {
        None if rule.peers.is_empty() => write(format_args!("everybody")),
        None | Some(0) => {}
        Some(more) => write(format_args!(", {more} more")),
    }
    for (number, service) in rule.services.iter().enumerate() {
        write(format_args!("{}{service}", if number == 0 { " " } else { ", " }));
    }
    if rule.services.is_empty() {
        write(format_args!(" "));
    }
    text
}
