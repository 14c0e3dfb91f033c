//! What the policy intends at one end, peer by peer.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use policy::{Action, AddressSet, ClassId, CompiledPolicy, CompiledRule, ServicePoint, ServiceSet, Side};

use super::Universe;
use super::line::Line;
use crate::scope::Direction;

/// The rules that count at an end, as sets.
pub(crate) struct Intent<'a> {
    allow: Part<'a>,
    override_deny: Part<'a>,
}

/// What the rules say about an address, whoever holds it: the same for every address of a cell.
pub(crate) struct CellIntent {
    allowed: ServiceSet,
    denied: ServiceSet,
}

/// Rules of one action, each with the side of the peer.
struct Part<'a> {
    rules: Vec<(&'a Side, &'a CompiledRule)>,
    /// By class of the peer.
    classes: BTreeMap<ClassId, ServiceSet>,
}

impl<'a> Intent<'a> {
    /// The intent at a full-mode end of a class. A plain deny changes nothing there (E4).
    pub(crate) fn new(compiled: &'a CompiledPolicy, class: ClassId, direction: Direction) -> Self {
        let rules: Vec<(&Side, &CompiledRule)> = match direction {
            Direction::Ingress => compiled.ingress_rules(class).map(|rule| (&rule.sources, rule)).collect(),
            Direction::Egress => {
                compiled.egress_rules(class).map(|rule| (&rule.destinations, rule)).collect()
            }
        };
        let part = |action: Action| {
            let rules = rules.iter().filter(|(_, rule)| rule.action == action);
            Part::new(compiled, rules.copied().collect())
        };
        Self { allow: part(Action::Allow), override_deny: part(Action::OverrideDeny) }
    }

    /// Every class that the intent names; one may come twice.
    pub(crate) fn classes(&self) -> impl Iterator<Item = ClassId> + '_ {
        self.allow.classes.keys().chain(self.override_deny.classes.keys()).copied()
    }

    /// Whether the intent names a class.
    pub(crate) fn names(&self, class: ClassId) -> bool {
        self.allow.classes.contains_key(&class) || self.override_deny.classes.contains_key(&class)
    }

    /// Every address set that the intent names.
    pub(crate) fn address_sets(&self) -> impl Iterator<Item = &'a AddressSet> + '_ {
        self.allow.rules.iter().chain(&self.override_deny.rules).map(|(side, _)| &side.addresses)
    }

    /// What the rules say about each cell of a line that was cut by [`Self::address_sets`].
    pub(crate) fn by_cell(&self, line: &Line) -> Vec<CellIntent> {
        let (allowed, denied) = (self.allow.by_cell(line), self.override_deny.by_cell(line));
        allowed.into_iter().zip(denied).map(|(allowed, denied)| CellIntent { allowed, denied }).collect()
    }

    /// What may pass to or from a peer in a cell: seen as one of the workloads of some classes, or as nobody known.
    pub(crate) fn at(&self, classes: &[ClassId], cell: &CellIntent, universe: &Universe) -> ServiceSet {
        let with_classes = |part: &Part<'_>, by_address: &ServiceSet| {
            let by_class = classes.iter().filter_map(|class| part.classes.get(class));
            by_class.fold(by_address.clone(), |known, by_class| known.union(by_class))
        };
        let allowed = with_classes(&self.allow, &cell.allowed);
        let denied = with_classes(&self.override_deny, &cell.denied);
        allowed.difference(&denied).union(&universe.essential).intersection(&universe.services)
    }

    /// The allow rules behind a service that passes, for people.
    pub(crate) fn reasons(
        &self,
        compiled: &CompiledPolicy,
        classes: &[ClassId],
        address: IpAddr,
        service: ServicePoint,
    ) -> String {
        let behind = self.allow.rules.iter().filter(|(peer, rule)| {
            let by_class = classes.iter().any(|class| compiled.selects(peer, *class));
            (by_class || peer.addresses.contains(address)) && rule.services.contains(service)
        });
        let names: BTreeSet<String> = behind.map(|(_, rule)| format!("rule {}", rule.origin)).collect();
        if names.is_empty() {
            "essential".to_owned()
        } else {
            names.into_iter().collect::<Vec<_>>().join(", ")
        }
    }
}

impl<'a> Part<'a> {
    fn new(compiled: &CompiledPolicy, rules: Vec<(&'a Side, &'a CompiledRule)>) -> Self {
        let mut classes: BTreeMap<ClassId, ServiceSet> = BTreeMap::new();
        for (peer, rule) in &rules {
            let selectors = peer.selectors.iter().map(|id| &compiled.selectors[id.0 as usize]);
            for &class in selectors.flat_map(|selector| &selector.classes) {
                let known = classes.entry(class).or_default();
                *known = known.union(&rule.services);
            }
        }
        Self { rules, classes }
    }

    fn by_cell(&self, line: &Line) -> Vec<ServiceSet> {
        let sets = self.rules.iter().enumerate().map(|(n, (peer, _))| (n as u32, &peer.addresses));
        let sum = |rules: Vec<u32>| {
            rules.iter().map(|&rule| self.rules[rule as usize].1.services.clone()).collect::<ServiceSet>()
        };
        line.covered_by(sets).into_iter().map(sum).collect()
    }
}
