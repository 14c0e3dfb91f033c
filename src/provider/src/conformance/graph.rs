//! What a filter graph says of one packet: stages, unions and first match, read slowly and obviously.

use plan::graph::{Effect, Entry, FilterGraph, Node, NodeIndex, Peers, Stage};
use policy::{End, Flow, ServicePoint, Snapshot};

/// Whether every stage at both ends lets the packet pass.
pub(super) fn passes(graph: &FilterGraph, snapshot: &Snapshot, flow: &Flow) -> bool {
    let (source, destination) = (node_of(graph, &flow.source), node_of(graph, &flow.destination));
    let out = source.is_none_or(|(_, node)| {
        let peer = Far { node: destination, end: &flow.destination };
        stages_pass(graph, snapshot, node, &node.egress, &peer, flow.service)
    });
    out && destination.is_none_or(|(_, node)| {
        let peer = Far { node: source, end: &flow.source };
        stages_pass(graph, snapshot, node, &node.ingress, &peer, flow.service)
    })
}

/// The far end.
struct Far<'a> {
    node: Option<(NodeIndex, &'a Node)>,
    end: &'a End,
}

fn node_of<'a>(graph: &'a FilterGraph, end: &End) -> Option<(NodeIndex, &'a Node)> {
    let id = end.interface.as_ref()?;
    let place = graph.nodes.iter().position(|node| node.interface == *id)?;
    Some((NodeIndex(place as u32), graph.nodes.get(place)?))
}

fn stages_pass(
    graph: &FilterGraph,
    snapshot: &Snapshot,
    own: &Node,
    stages: &[Stage],
    far: &Far<'_>,
    service: ServicePoint,
) -> bool {
    let matches = |entry: &&Entry| {
        entry.services.contains(service)
            && match (&entry.peers, far.node) {
                (Peers::Addresses(set), _) => set.contains(far.end.address),
                // Identity works inside a network and over a peering, nowhere else.
                (Peers::Members(members), Some((index, node))) => {
                    members.contains(&index) && snapshot.connected(&own.network, &node.network)
                }
                (Peers::Members(_), None) => false,
            }
    };
    let list_passes = |list: &u32| {
        let list = graph.lists.get(*list as usize);
        let first = list.and_then(|list| list.entries.iter().find(matches));
        first.is_some_and(|entry| entry.effect == Effect::Permit)
    };
    stages.iter().all(|stage| stage.lists.iter().any(list_passes))
}
