//! An ordered list, first match wins, as the facts that it comes to: exact over address blocks.
//!
//! A group that is allowed stays a group where no earlier deny meets its members; else its members' addresses are what
//! is left of it. A deny for a group takes its members' addresses away. Tags that are not known here stay tags where they
//! are allowed, and are overlooked where they are denied: facts may say too much there, never too little.

use std::collections::{BTreeMap, BTreeSet};

use plan::{GroupId, PathEffect, PathRule, Peer, RuleSpec};
use policy::{AddressSet, ServiceSet};

use crate::observed::services::pieces;

/// Addresses with services.
type Region = (AddressSet, ServiceSet);

/// The facts of the rules that apply, in their order. `members` gives the addresses of a group.
pub fn flatten<'a>(
    rules: impl Iterator<Item = &'a PathRule>,
    members: &dyn Fn(&GroupId) -> AddressSet,
) -> Vec<RuleSpec> {
    let mut work = Work { members, denied: Vec::new(), allowed: BTreeMap::new(), facts: BTreeSet::new() };
    for rule in rules {
        let services: ServiceSet = rule.services.iter().map(|service| service.to_set()).collect();
        match rule.effect {
            PathEffect::Deny => work.denied.push((work.addresses(rule), services)),
            PathEffect::Allow => work.allow(rule, &services),
            PathEffect::Next => {}
        }
    }
    work.facts()
}

struct Work<'a> {
    members: &'a dyn Fn(&GroupId) -> AddressSet,
    denied: Vec<Region>,
    /// Allowed addresses by their services.
    allowed: BTreeMap<ServiceSet, AddressSet>,
    facts: BTreeSet<RuleSpec>,
}

impl Work<'_> {
    /// The addresses of the peers of a rule that are known.
    fn addresses(&self, rule: &PathRule) -> AddressSet {
        if rule.peers.is_empty() {
            return AddressSet::any();
        }
        let blocks = rule.peers.iter().filter_map(|peer| match peer {
            Peer::Cidr(block) => Some(*block),
            Peer::Group(_) | Peer::Opaque(_) => None,
        });
        let groups = rule.peers.iter().filter_map(|peer| match peer {
            Peer::Group(id) => Some((self.members)(id)),
            Peer::Cidr(_) | Peer::Opaque(_) => None,
        });
        groups.fold(blocks.collect(), |all: AddressSet, group| all.union(&group))
    }

    fn allow(&mut self, rule: &PathRule, services: &ServiceSet) {
        let mut named = AddressSet::empty();
        for peer in &rule.peers {
            let Peer::Group(id) = peer else { continue };
            let members = (self.members)(id);
            if self.is_met(&members, services) {
                named = named.union(&members);
            } else {
                self.say(peer, services);
            }
        }
        for peer in rule.peers.iter().filter(|peer| matches!(peer, Peer::Opaque(_))) {
            let everywhere = self.denied.iter().filter(|(addresses, _)| *addresses == AddressSet::any());
            let left = everywhere.fold(services.clone(), |left, (_, denied)| left.difference(denied));
            self.say(peer, &left);
        }
        let blocks = PathRule {
            peers: rule.peers.iter().filter(|peer| matches!(peer, Peer::Cidr(_))).cloned().collect(),
            ..rule.clone()
        };
        let addressed = if rule.peers.is_empty() || !blocks.peers.is_empty() {
            self.addresses(&blocks)
        } else {
            AddressSet::empty()
        };
        for (addresses, services) in self.left((addressed.union(&named), services.clone())) {
            let known = self.allowed.entry(services).or_default();
            *known = known.union(&addresses);
        }
    }

    fn say(&mut self, peer: &Peer, services: &ServiceSet) {
        let facts = pieces(services).into_iter().map(|service| RuleSpec { peer: peer.clone(), service });
        self.facts.extend(facts);
    }

    fn is_met(&self, addresses: &AddressSet, services: &ServiceSet) -> bool {
        self.denied.iter().any(|(denied, what)| denied.intersects(addresses) && what.intersects(services))
    }

    /// What no earlier deny takes away.
    fn left(&self, region: Region) -> Vec<Region> {
        let mut left = vec![region];
        for (denied, what) in &self.denied {
            let mut next = Vec::with_capacity(left.len());
            for (addresses, services) in left {
                if !denied.intersects(&addresses) || !what.intersects(&services) {
                    next.push((addresses, services));
                    continue;
                }
                next.push((addresses.intersection(denied), services.difference(what)));
                next.push((addresses.difference(denied), services));
            }
            next.retain(|(addresses, services)| !addresses.is_empty() && !services.is_empty());
            left = next;
        }
        left.retain(|(addresses, services)| !addresses.is_empty() && !services.is_empty());
        left
    }

    fn facts(mut self) -> Vec<RuleSpec> {
        for (services, addresses) in std::mem::take(&mut self.allowed) {
            for block in addresses.to_cidrs() {
                self.say(&Peer::Cidr(block), &services);
            }
        }
        self.facts.into_iter().collect()
    }
}

#[cfg(test)]
mod tests;
