//! What the policy intends at one end, peer by peer.

use std::collections::BTreeMap;
use std::net::IpAddr;

use policy::compiled::essential_services;
use policy::{Action, AddressSet, ClassId, CompiledPolicy, CompiledRule, RuleRef, ServiceSet};

use super::universe;
use crate::scope::Direction;

/// The rules that count at an end, as sets.
pub(crate) struct Intent<'a> {
    allow: Part<'a>,
    override_deny: Part<'a>,
}

/// Rules of one action: by class of the peer, and by its address.
#[derive(Default)]
struct Part<'a> {
    classes: BTreeMap<ClassId, ServiceSet>,
    addresses: Vec<(&'a AddressSet, &'a ServiceSet, &'a RuleRef)>,
    rules: Vec<&'a CompiledRule>,
}

impl<'a> Intent<'a> {
    /// The intent at a full-mode end of a class. A plain deny changes nothing there (E4).
    pub(crate) fn new(compiled: &'a CompiledPolicy, class: ClassId, direction: Direction) -> Self {
        let rules: Vec<&CompiledRule> = match direction {
            Direction::Ingress => compiled.ingress_rules(class).collect(),
            Direction::Egress => compiled.egress_rules(class).collect(),
        };
        let part = |action: Action| {
            let mut part = Part::default();
            for rule in rules.iter().filter(|rule| rule.action == action) {
                let peer = if direction == Direction::Ingress { &rule.sources } else { &rule.destinations };
                for class in compiled.classes_of(peer) {
                    let known = part.classes.entry(class).or_default();
                    *known = known.union(&rule.services);
                }
                if !peer.addresses.is_empty() {
                    part.addresses.push((&peer.addresses, &rule.services, &rule.origin));
                }
                part.rules.push(rule);
            }
            part
        };
        Self { allow: part(Action::Allow), override_deny: part(Action::OverrideDeny) }
    }

    /// Every class that the intent names.
    pub(crate) fn classes(&self) -> impl Iterator<Item = ClassId> + '_ {
        self.allow.classes.keys().chain(self.override_deny.classes.keys()).copied()
    }

    /// Every address set that the intent names.
    pub(crate) fn address_sets(&self) -> impl Iterator<Item = &'a AddressSet> + '_ {
        self.allow.addresses.iter().chain(&self.override_deny.addresses).map(|(set, _, _)| *set)
    }

    /// What may pass to or from a peer: seen as a workload of a class, or as nobody known.
    pub(crate) fn at(&self, class: Option<ClassId>, address: IpAddr) -> ServiceSet {
        let allowed = self.allow.at(class, address);
        let denied = self.override_deny.at(class, address);
        allowed.difference(&denied).union(&essential_services()).intersection(&universe(address))
    }

    /// The allow rules behind a service, for people.
    pub(crate) fn reasons(&self, services: &ServiceSet) -> String {
        let behind = self.allow.rules.iter().filter(|rule| !rule.services.intersection(services).is_empty());
        let names: std::collections::BTreeSet<String> =
            behind.map(|rule| format!("rule {}", rule.origin)).collect();
        if names.is_empty() {
            "essential".to_owned()
        } else {
            names.into_iter().collect::<Vec<_>>().join(", ")
        }
    }
}

impl Part<'_> {
    fn at(&self, class: Option<ClassId>, address: IpAddr) -> ServiceSet {
        let by_class = class.and_then(|class| self.classes.get(&class)).cloned().unwrap_or_default();
        let covering = self.addresses.iter().filter(|(set, _, _)| set.contains(address));
        covering.fold(by_class, |sum, (_, services, _)| sum.union(services))
    }
}
