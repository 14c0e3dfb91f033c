//! What security groups and network ACLs let pass, as a neutral filter graph (`providers.md` 1.1).
//!
//! INVARIANT: uses nothing of `lower`; a test reads this file and says so.
//!
//! - All groups of an interface are a union; rules only allow; replies pass (stateful).
//! - A group reference matches the private addresses of the interfaces in that group, in the same VPC or over
//!   an active peering. Anywhere else it is stale and matches nobody.
//! - A network ACL is a second stage: ordered, first match wins, what nothing matches is denied.
//! - What this version does not read (prefix lists) counts as every address in a foreign group, so that exposure
//!   is never understated, and as nothing in a group of ours, so that the proof never leans on it.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::Arc;

use plan::graph::{Effect, Entry, FilterGraph, FilterList, Node, NodeIndex, Peers, Stage};
use plan::{Direction, GroupId, GroupState, Observed, Owner, PathEffect, PathFilter, Peer, RuleSpec};
use policy::{AddressSet, NetworkId};
use rustc_hash::FxHashMap;

/// Reads a domain into a filter graph. Linear in rules, interfaces and memberships.
pub fn semantics(domain: &[&Observed]) -> FilterGraph {
    let mut graph = FilterGraph::default();
    let world = World::new(domain);
    let mut lists: FxHashMap<(&str, Direction), u32> = FxHashMap::default();
    for observed in domain {
        for group in &observed.groups {
            for direction in [Direction::Ingress, Direction::Egress] {
                lists.insert((group.id.as_str(), direction), graph.lists.len() as u32);
                graph.lists.push(world.group_list(group, direction));
            }
        }
        for filter in &observed.path_filters {
            for direction in [Direction::Ingress, Direction::Egress] {
                lists.insert((filter.id.as_str(), direction), graph.lists.len() as u32);
                graph.lists.push(acl_list(filter, direction));
            }
        }
    }
    for interface in domain.iter().flat_map(|observed| &observed.interfaces) {
        let stages = |direction: Direction| {
            let find = |id: &str| lists.get(&(id, direction)).copied();
            let mut groups: Vec<u32> = interface.groups.iter().filter_map(|id| find(id.as_str())).collect();
            groups.sort_unstable();
            let acls = interface
                .path_filters
                .iter()
                .filter_map(|id| find(id))
                .map(|list| Stage { lists: vec![list] });
            std::iter::once(Stage { lists: groups }).chain(acls).collect()
        };
        graph.nodes.push(Node {
            interface: interface.id.clone(),
            network: interface.network.clone(),
            ingress: stages(Direction::Ingress),
            egress: stages(Direction::Egress),
        });
    }
    graph
}

/// Who is in which group, and which VPCs a reference may reach.
struct World<'a> {
    members: FxHashMap<&'a GroupId, Vec<(NodeIndex, &'a NetworkId)>>,
    peered: BTreeSet<(&'a NetworkId, &'a NetworkId)>,
    reached: RefCell<FxHashMap<(&'a NetworkId, &'a GroupId), Arc<[NodeIndex]>>>,
}

impl<'a> World<'a> {
    fn new(domain: &[&'a Observed]) -> Self {
        let mut members: FxHashMap<&GroupId, Vec<(NodeIndex, &NetworkId)>> = FxHashMap::default();
        for (number, interface) in domain.iter().flat_map(|observed| &observed.interfaces).enumerate() {
            for group in &interface.groups {
                members.entry(group).or_default().push((NodeIndex(number as u32), &interface.network));
            }
        }
        let mut peered = BTreeSet::new();
        for network in domain.iter().flat_map(|observed| &observed.networks) {
            for peering in &network.peerings {
                peered.insert((&network.id, &peering.peer));
                peered.insert((&peering.peer, &network.id));
            }
        }
        Self { members, peered, reached: RefCell::default() }
    }

    fn group_list(&self, group: &'a GroupState, direction: Direction) -> FilterList {
        let rules = if direction == Direction::Ingress { &group.ingress } else { &group.egress };
        let entries = rules.iter().map(|rule| self.entry(group, rule)).collect();
        FilterList { id: group.id.clone(), name: group.name.clone(), owner: group.owner.clone(), entries }
    }

    fn entry(&self, group: &'a GroupState, rule: &'a RuleSpec) -> Entry {
        let peers = match &rule.peer {
            Peer::Cidr(block) => Peers::Addresses(AddressSet::from(*block)),
            Peer::Opaque(_) if group.owner == Owner::Ours => Peers::Addresses(AddressSet::empty()),
            Peer::Opaque(_) => Peers::Addresses(AddressSet::any()),
            Peer::Group(named) => Peers::Members(self.reached(&group.network, named)),
        };
        Entry { rule: rule.to_string(), effect: Effect::Permit, peers, services: rule.service.to_set() }
    }

    /// The members of a group that a reference from a network matches, worked out once for all rules.
    fn reached(&self, from: &'a NetworkId, named: &'a GroupId) -> Arc<[NodeIndex]> {
        let work_out = || {
            let members = self.members.get(named).map(Vec::as_slice).unwrap_or_default();
            let reached =
                members.iter().filter(|(_, there)| *there == from || self.peered.contains(&(from, *there)));
            reached.map(|(node, _)| *node).collect()
        };
        self.reached.borrow_mut().entry((from, named)).or_insert_with(work_out).clone()
    }
}

fn acl_list(filter: &PathFilter, direction: Direction) -> FilterList {
    let rules = filter.rules.iter().filter(|rule| rule.direction == direction);
    let entries = rules.map(|rule| {
        let blocks = rule.peers.iter().filter_map(|peer| match peer {
            Peer::Cidr(block) => Some(*block),
            Peer::Group(_) | Peer::Opaque(_) => None,
        });
        let text = |parts: Vec<String>| parts.join(", ");
        let peers = text(rule.peers.iter().map(ToString::to_string).collect());
        let services = text(rule.services.iter().map(ToString::to_string).collect());
        Entry {
            rule: format!("rule {} {peers} {services}", rule.name),
            effect: if rule.effect == PathEffect::Allow { Effect::Permit } else { Effect::Block },
            peers: Peers::Addresses(blocks.collect()),
            services: rule.services.iter().map(|service| service.to_set()).collect(),
        }
    });
    FilterList {
        id: GroupId::from(filter.id.as_str()),
        name: filter.name.clone(),
        owner: filter.owner.clone(),
        entries: entries.collect(),
    }
}
