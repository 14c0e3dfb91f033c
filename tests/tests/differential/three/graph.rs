//! What a filter graph says of a packet, read entry by entry: not as the proof reads it.

use plan::{Effect, FilterGraph, NodeIndex, Observed, Peers, Stage};
use policy::{End, Flow, InterfaceId, Snapshot};
use provider::{CloudReader, DomainReader};
use std::collections::BTreeMap;

/// A graph with its interfaces by name.
pub struct Graph {
    graph: FilterGraph,
    nodes: BTreeMap<InterfaceId, usize>,
}

impl Graph {
    pub fn new(reader: &DomainReader, observed: &[Observed]) -> Self {
        let graph = reader.semantics(&observed.iter().collect::<Vec<_>>());
        let nodes = graph.nodes.iter().enumerate().map(|(n, node)| (node.interface.clone(), n)).collect();
        Self { graph, nodes }
    }

    /// Whether the flow passes at its source and at its destination.
    pub fn passes(&self, snapshot: &Snapshot, flow: &Flow) -> [bool; 2] {
        [(&flow.source, &flow.destination, true), (&flow.destination, &flow.source, false)].map(
            |(here, there, egress)| {
                let Some(node) = self.node(here) else { return true };
                let node = &self.graph.nodes[node];
                let stages = if egress { &node.egress } else { &node.ingress };
                stages.iter().all(|stage| self.stage_passes(snapshot, stage, here, there, flow))
            },
        )
    }

    fn node(&self, end: &End) -> Option<usize> {
        end.interface.as_ref().and_then(|id| self.nodes.get(id)).copied()
    }

    fn stage_passes(&self, snapshot: &Snapshot, stage: &Stage, here: &End, there: &End, flow: &Flow) -> bool {
        stage.lists.iter().any(|&list| {
            let first = self.graph.lists[list as usize].entries.iter().find(|entry| {
                entry.services.contains(flow.service)
                    && match &entry.peers {
                        Peers::Addresses(set) => set.contains(there.address),
                        Peers::Members(members) => self.is_member(snapshot, members, here, there),
                    }
            });
            first.is_some_and(|entry| entry.effect == Effect::Permit)
        })
    }

    fn is_member(&self, snapshot: &Snapshot, members: &[NodeIndex], here: &End, there: &End) -> bool {
        let (Some(own), Some(far)) = (self.node(here), self.node(there)) else { return false };
        let network = |node: usize| &self.graph.nodes[node].network;
        members.contains(&NodeIndex(far as u32)) && snapshot.connected(network(own), network(far))
    }
}
