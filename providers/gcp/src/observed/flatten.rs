//! Ordered lists one after the other, first match wins, as the facts that they come to: exact over address blocks.
//!
//! A rule that leaves packets to the next list takes them past the rest of its own. A group that is allowed stays a group
//! where nothing before meets its members; else its members' addresses are what is left of it. Lists of addresses that
//! are not known here stay what they are where they are allowed, and are overlooked elsewhere: facts may say too much
//! there, never too little.

use std::collections::{BTreeMap, BTreeSet};

use plan::{GroupId, PathEffect, PathRule, Peer, RuleSpec};
use policy::{AddressSet, ServiceSet};

use crate::services::pieces;

/// Addresses with services.
pub(crate) type Region = (AddressSet, ServiceSet);

/// The facts of the rules that apply, list by list in their order. `members` gives the addresses of a group.
pub fn flatten<'a>(
    lists: impl Iterator<Item = Vec<&'a PathRule>>,
    members: &dyn Fn(&GroupId) -> AddressSet,
) -> Vec<RuleSpec> {
    let mut work = Work {
        members,
        denied: Vec::new(),
        left_to_next: Vec::new(),
        allowed: BTreeMap::new(),
        facts: BTreeSet::new(),
    };
    for list in lists {
        work.left_to_next.clear();
        list.into_iter().for_each(|rule| work.judge(rule));
    }
    work.facts()
}

struct Work<'a> {
    members: &'a dyn Fn(&GroupId) -> AddressSet,
    denied: Vec<Region>,
    /// What the rules of this list so far leave to the next one.
    left_to_next: Vec<Region>,
    /// Allowed addresses by their services.
    allowed: BTreeMap<ServiceSet, AddressSet>,
    facts: BTreeSet<RuleSpec>,
}

impl Work<'_> {
    fn judge(&mut self, rule: &PathRule) {
        let services: ServiceSet = rule.services.iter().map(|service| service.to_set()).collect();
        if services.is_empty() {
            return;
        }
        match rule.effect {
            PathEffect::Deny => {
                let denied = left((self.addresses(rule), services), [&self.left_to_next]);
                self.denied.extend(denied);
            }
            PathEffect::Allow => self.allow(rule, &services),
            PathEffect::Next => self.left_to_next.push((self.addresses(rule), services)),
        }
    }

    /// The addresses of the peers of a rule that are known.
    fn addresses(&self, rule: &PathRule) -> AddressSet {
        if rule.peers.is_empty() {
            return AddressSet::any();
        }
        let groups = rule.peers.iter().filter_map(|peer| match peer {
            Peer::Group(id) => Some((self.members)(id)),
            Peer::Cidr(_) | Peer::Opaque(_) => None,
        });
        groups.fold(blocks(rule).collect(), |all: AddressSet, group| all.union(&group))
    }

    fn allow(&mut self, rule: &PathRule, services: &ServiceSet) {
        let mut addressed = if rule.peers.is_empty() { AddressSet::any() } else { blocks(rule).collect() };
        for peer in &rule.peers {
            match peer {
                Peer::Group(id) => {
                    let members = (self.members)(id);
                    if self.is_met(&members, services) {
                        addressed = addressed.union(&members);
                    } else {
                        self.say(peer, services);
                    }
                }
                Peer::Opaque(_) => {
                    let before = self.denied.iter().chain(&self.left_to_next);
                    let everywhere = before.filter(|(addresses, _)| *addresses == AddressSet::any());
                    let left = everywhere.fold(services.clone(), |left, (_, gone)| left.difference(gone));
                    self.say(peer, &left);
                }
                Peer::Cidr(_) => {}
            }
        }
        for (addresses, services) in left((addressed, services.clone()), [&self.denied, &self.left_to_next]) {
            let known = self.allowed.entry(services).or_default();
            *known = known.union(&addresses);
        }
    }

    fn say(&mut self, peer: &Peer, services: &ServiceSet) {
        let facts = pieces(services).into_iter().map(|service| RuleSpec { peer: peer.clone(), service });
        self.facts.extend(facts);
    }

    fn is_met(&self, addresses: &AddressSet, services: &ServiceSet) -> bool {
        let mut before = self.denied.iter().chain(&self.left_to_next);
        before.any(|(gone, what)| gone.intersects(addresses) && what.intersects(services))
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

fn blocks(rule: &PathRule) -> impl Iterator<Item = ipnet::IpNet> {
    rule.peers.iter().filter_map(|peer| match peer {
        Peer::Cidr(block) => Some(*block),
        Peer::Group(_) | Peer::Opaque(_) => None,
    })
}

/// What earlier rules leave of a region.
pub(crate) fn left<const N: usize>(region: Region, before: [&Vec<Region>; N]) -> Vec<Region> {
    let is_something = |(addresses, services): &Region| !addresses.is_empty() && !services.is_empty();
    let mut left = vec![region];
    for (gone, what) in before.into_iter().flatten() {
        let mut next = Vec::with_capacity(left.len());
        for (addresses, services) in left {
            if !gone.intersects(&addresses) || !what.intersects(&services) {
                next.push((addresses, services));
                continue;
            }
            next.push((addresses.intersection(gone), services.difference(what)));
            next.push((addresses.difference(gone), services));
        }
        next.retain(is_something);
        left = next;
    }
    left.retain(is_something);
    left
}

#[cfg(test)]
mod tests;
