//! What teams let pass, as a filter graph. Uses nothing of `lower`.

use std::collections::BTreeMap;
use std::sync::Arc;

use plan::graph::{Effect, Entry, FilterGraph, FilterList, Node, NodeIndex, Peers, Stage};
use plan::{Direction, GroupId, GroupState, Observed, Owner, Peer};
use policy::AddressSet;

use super::Flaw;

/// One stage for each direction of a port: the union of its teams.
pub fn semantics(domain: &[&Observed], flaw: Flaw) -> FilterGraph {
    let interfaces = || domain.iter().flat_map(|observed| &observed.interfaces);
    let mut members: BTreeMap<&GroupId, Vec<NodeIndex>> = BTreeMap::new();
    for (number, interface) in interfaces().enumerate() {
        for group in &interface.groups {
            members.entry(group).or_default().push(NodeIndex(number as u32));
        }
    }
    let mut graph = FilterGraph::default();
    let mut lists: BTreeMap<(&GroupId, Direction), u32> = BTreeMap::new();
    let groups = domain.iter().flat_map(|observed| &observed.groups);
    for group in groups.filter(|group| flaw != Flaw::ForgetsForeignTeams || group.owner == Owner::Ours) {
        for direction in [Direction::Ingress, Direction::Egress] {
            lists.insert((&group.id, direction), graph.lists.len() as u32);
            graph.lists.push(list(group, direction, &members));
        }
    }
    for interface in interfaces() {
        let stage = |direction: Direction| {
            let held = interface.groups.iter().filter_map(|id| lists.get(&(id, direction)).copied());
            vec![Stage { lists: held.collect() }]
        };
        graph.nodes.push(Node {
            interface: interface.id.clone(),
            network: interface.network.clone(),
            ingress: stage(Direction::Ingress),
            egress: stage(Direction::Egress),
        });
    }
    graph
}

fn list(
    group: &GroupState,
    direction: Direction,
    members: &BTreeMap<&GroupId, Vec<NodeIndex>>,
) -> FilterList {
    let rules = if direction == Direction::Ingress { &group.ingress } else { &group.egress };
    let entry = |rule: &plan::RuleSpec| Entry {
        rule: rule.to_string(),
        effect: Effect::Permit,
        peers: match &rule.peer {
            Peer::Cidr(block) => Peers::Addresses(AddressSet::from(*block)),
            Peer::Group(id) => Peers::Members(Arc::from(members.get(id).cloned().unwrap_or_default())),
            Peer::Opaque(_) => Peers::Addresses(AddressSet::empty()),
        },
        services: rule.service.to_set(),
    };
    FilterList {
        id: group.id.clone(),
        name: group.name.clone(),
        owner: group.owner.clone(),
        entries: rules.iter().map(entry).collect(),
    }
}
