//! Whether a protected flow passes before and not after. Every address of a list and every pair of ends counts; those
//! that no entry tells apart are asked about once.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use policy::{Actor, AddressSet, ServicePoint, ServiceSet};

use super::alike::{AtomIndex, Atoms};
use super::{Known, addresses, admitted, alike_addresses, flow_services};
use crate::graph::NodeIndex;
use crate::prove::Context;
use crate::scope::Direction;

/// One flow of a protected rule that passes before and not after, for people.
pub fn cut_example<'a>(
    rule: &policy::Rule,
    before: &'a Context<'a>,
    after: &'a Context<'a>,
) -> Option<String> {
    let guard = Protected { rule, before, after };
    guard.inside().or_else(|| guard.outside())
}

struct Protected<'a> {
    rule: &'a policy::Rule,
    before: &'a Context<'a>,
    after: &'a Context<'a>,
}

impl Protected<'_> {
    fn cut(&self, old: &ServiceSet, new: &ServiceSet) -> Option<ServicePoint> {
        old.intersection(&self.rule.services).difference(new).first()
    }

    fn name(&self, node: NodeIndex) -> String {
        self.before.graph.nodes[node.0 as usize].interface.to_string()
    }

    /// Between interfaces, named by label or by an address that they hold.
    fn inside(&self) -> Option<String> {
        let atoms = Atoms::new(self.before, self.after);
        let sources = by_atom(&atoms, self.named(&self.rule.sources));
        let destinations = by_atom(&atoms, self.named(&self.rule.destinations));
        for source in sources.values() {
            for destination in destinations.values() {
                let Some(flow) = pair(source, destination) else { continue };
                let (old, new) = (flow_services(self.before, flow), flow_services(self.after, flow));
                if let Some(service) = self.cut(&old, &new) {
                    return Some(format!("{} → {} {service}", self.name(flow.0), self.name(flow.1)));
                }
            }
        }
        None
    }

    /// Between interfaces and addresses that nobody known holds.
    fn outside(&self) -> Option<String> {
        let mut known = Known::new(self.before);
        let atoms = Atoms::new(self.before, self.after);
        for (owns, far, direction) in [
            (&self.rule.destinations, &self.rule.sources, Direction::Ingress),
            (&self.rule.sources, &self.rule.destinations, Direction::Egress),
        ] {
            let listed = self.listed(far);
            for own in by_atom(&atoms, self.selected(owns)).into_values().map(|alike| alike[0]) {
                for piece in alike_addresses(self.before, self.after, (own, direction), listed.clone()) {
                    let Some(address) = known.outside(&piece) else { continue };
                    let at = |context| admitted(context, own, direction, None, address);
                    if let Some(service) = self.cut(&at(self.before), &at(self.after)) {
                        return Some(format!("{address} and {} on {service} ({direction})", self.name(own)));
                    }
                }
            }
        }
        None
    }

    /// The interfaces of one side, by label or by an address that they hold.
    fn named(&self, actors: &[Actor]) -> BTreeSet<NodeIndex> {
        let listed = self.listed(actors);
        let holds = |node: &NodeIndex| {
            addresses(self.before, *node).iter().any(|address: &IpAddr| listed.contains(*address))
        };
        let all = (0..self.before.graph.nodes.len() as u32).map(NodeIndex);
        let by_address = all.filter(|node| !listed.is_empty() && holds(node));
        self.selected(actors).into_iter().chain(by_address).collect()
    }

    fn listed(&self, actors: &[Actor]) -> AddressSet {
        let lists = actors.iter().filter_map(|actor| match actor {
            Actor::IpList(name) => self.before.snapshot.policy.ip_lists.get(name),
            _ => None,
        });
        lists.fold(AddressSet::empty(), |sum, list| sum.union(&list.addresses))
    }

    /// The interfaces that one side names by label or identity.
    fn selected(&self, actors: &[Actor]) -> Vec<NodeIndex> {
        let context = self.before;
        let named = policy::compile::selects(&context.snapshot.policy, actors);
        let nodes = context.graph.nodes.iter().enumerate().filter(|(_, node)| {
            let place = context.places.get(&node.interface);
            place.is_some_and(|place| {
                named.iter().any(|s| s.matches(&context.snapshot.workloads[place.workload as usize]))
            })
        });
        nodes.map(|(number, _)| NodeIndex(number as u32)).collect()
    }
}

/// Interfaces by what is alike, in each at least one: two are enough for every pair.
fn by_atom(
    atoms: &Atoms<'_>,
    nodes: impl IntoIterator<Item = NodeIndex>,
) -> BTreeMap<AtomIndex, Vec<NodeIndex>> {
    const ENOUGH: usize = 2;
    let mut by_atom: BTreeMap<AtomIndex, Vec<NodeIndex>> = BTreeMap::new();
    for node in nodes {
        let members = by_atom.entry(atoms.of(node)).or_default();
        if members.len() < ENOUGH {
            members.push(node);
        }
    }
    by_atom
}

/// Two different interfaces, one of each side.
fn pair(sources: &[NodeIndex], destinations: &[NodeIndex]) -> Option<(NodeIndex, NodeIndex)> {
    let pairs = sources.iter().flat_map(|&s| destinations.iter().map(move |&d| (s, d)));
    pairs.into_iter().find(|(source, destination)| source != destination)
}
