//! The allow rules at one end of a class as the rules of its group, with the policy rules behind each.

use std::collections::BTreeMap;

use plan::{Direction, Peer, RuleSpec};
use policy::compiled::essential_services;
use policy::{Action, AddressSet, ClassId, CompiledRule, RuleRef, ServiceSet, Side};
use rustc_hash::FxHashMap;

use super::merge::{Grant, address_rules, by_family, pieces};
use super::{ClassGroups, Lowering, Reaches};

/// Rules with the policy rules that each comes from.
pub type Rules = BTreeMap<RuleSpec, Vec<RuleRef>>;

/// What one peer may do, with the rules that say so.
struct Peers<'a> {
    /// By number of the group.
    groups: FxHashMap<u32, Vec<&'a CompiledRule>>,
    addresses: Vec<Grant>,
}

/// Path MTU messages from and to everywhere, each in the family in which its protocol exists.
pub fn essential() -> Vec<Grant> {
    let (everywhere, services) = (AddressSet::any(), essential_services());
    let parts = by_family(&everywhere, &services);
    parts.map(|(block, services)| (block, services, None)).collect()
}

impl<'a> Lowering<'a> {
    /// The allow rules of a class in one direction, and what is granted `always`.
    pub fn rules(
        &self,
        reaches: &Reaches<'_>,
        class: ClassId,
        direction: Direction,
        always: Vec<Grant>,
    ) -> Rules {
        let compiled = self.input.compiled;
        let mut peers = Peers { groups: FxHashMap::default(), addresses: always };
        let rules: Vec<(&CompiledRule, &Side)> = match direction {
            Direction::Ingress => compiled.ingress_rules(class).map(|rule| (rule, &rule.sources)).collect(),
            Direction::Egress => {
                compiled.egress_rules(class).map(|rule| (rule, &rule.destinations)).collect()
            }
        };
        for (rule, side) in rules.into_iter().filter(|(rule, _)| rule.action == Action::Allow) {
            for class in compiled.classes_of(side) {
                let reach = reaches.of(direction, class);
                for &group in &reach.groups {
                    peers.groups.entry(group).or_default().push(rule);
                }
                peers.add_addresses(&reach.addresses, rule);
            }
            peers.add_addresses(&side.addresses, rule);
        }
        peers.into_rules(&self.groups)
    }
}

impl Peers<'_> {
    fn add_addresses(&mut self, addresses: &AddressSet, rule: &CompiledRule) {
        if !addresses.is_empty() {
            self.addresses.push((addresses.clone(), rule.services.clone(), Some(rule.origin.clone())));
        }
    }

    fn into_rules(self, groups: &ClassGroups<'_>) -> Rules {
        let mut rules = address_rules(&self.addresses);
        for (group, grants) in self.groups {
            let services: ServiceSet = grants.iter().map(|rule| rule.services.clone()).collect();
            for service in pieces(&services) {
                let set = service.to_set();
                let reasons = grants.iter().filter(|rule| rule.services.intersects(&set));
                let mut reasons: Vec<RuleRef> = reasons.map(|rule| rule.origin.clone()).collect();
                reasons.sort_unstable();
                reasons.dedup();
                rules.insert(RuleSpec { peer: Peer::Group(groups.id(group).clone()), service }, reasons);
            }
        }
        rules
    }
}
