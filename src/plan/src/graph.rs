//! The neutral filter graph: what a cloud's objects let pass, in a form that no cloud owns.
//!
//! A driver's `semantics` reads observed objects into it; the proof works on the graph alone.
//! Each node (an interface) has stages for each direction; a packet must pass **every** stage. A stage
//! is a union of lists: one list that lets it pass is enough. A list is ordered: the first entry that matches
//! decides, and what none matches does not pass through that list. (Security groups: one stage, one list
//! each, only `Permit` entries. A network ACL: a stage of its own with one list. NSGs: one stage each.)
//! All filtering is stateful: replies pass.

use std::sync::Arc;

use policy::{AddressSet, InterfaceId, NetworkId, ServiceSet};
use rustc_hash::FxHashMap;

use crate::state::{GroupId, Owner};

/// Index into [`FilterGraph::nodes`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct NodeIndex(pub u32);

/// What the objects of a domain let pass.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct FilterGraph {
    /// Every interface of the domain.
    pub nodes: Vec<Node>,
    /// The lists, shared by the nodes behind them.
    pub lists: Vec<FilterList>,
}

impl FilterGraph {
    /// Adds the graph of another cloud: no rule of one names an interface of the other by identity.
    pub fn append(&mut self, other: FilterGraph) {
        let (nodes, lists) = (self.nodes.len() as u32, self.lists.len() as u32);
        let moved = |stages: Vec<Stage>| -> Vec<Stage> {
            let moved =
                |stage: Stage| Stage { lists: stage.lists.into_iter().map(|list| list + lists).collect() };
            stages.into_iter().map(moved).collect()
        };
        self.nodes.extend(other.nodes.into_iter().map(|node| Node {
            ingress: moved(node.ingress),
            egress: moved(node.egress),
            ..node
        }));
        // Member lists are shared by many entries, and stay shared.
        let mut shared: FxHashMap<*const NodeIndex, Arc<[NodeIndex]>> = FxHashMap::default();
        self.lists.extend(other.lists.into_iter().map(|mut list| {
            for entry in &mut list.entries {
                if let Peers::Members(members) = &mut entry.peers {
                    let of = shared.entry(members.as_ptr());
                    *members = of
                        .or_insert_with(|| members.iter().map(|node| NodeIndex(node.0 + nodes)).collect())
                        .clone();
                }
            }
            list
        }));
    }
}

/// One interface with what it sits behind.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Node {
    /// The interface.
    pub interface: InterfaceId,
    /// Its network.
    pub network: NetworkId,
    /// Stages for traffic towards it; each must pass. No stage at all: everything passes.
    pub ingress: Vec<Stage>,
    /// Stages for traffic from it.
    pub egress: Vec<Stage>,
}

/// Lists of which one must let the packet pass, by index into [`FilterGraph::lists`].
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Stage {
    /// The lists; none of them: nothing passes.
    pub lists: Vec<u32>,
}

/// An ordered list of entries: the rules of one object in one direction.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FilterList {
    /// The object: a group id, an ACL id.
    pub id: GroupId,
    /// The object's name for people.
    pub name: String,
    /// Whose it is.
    pub owner: Owner,
    /// In order of evaluation.
    pub entries: Vec<Entry>,
}

/// One entry of a list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// The rule for people: `10.0.0.0/8 tcp/22`, `sg-1 tcp/5432`.
    pub rule: String,
    /// What it does.
    pub effect: Effect,
    /// The far end: source of ingress, destination of egress.
    pub peers: Peers,
    /// The services.
    pub services: ServiceSet,
}

/// What an entry does with what it matches.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Effect {
    /// Lets it pass.
    Permit,
    /// Stops it.
    Block,
}

/// Which far ends an entry matches.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Peers {
    /// Addresses, whoever holds them, as seen at this end.
    Addresses(AddressSet),
    /// Interfaces by identity, with all their addresses; sorted. A reference whose network is not connected
    /// to the node's matches nobody *at that node*: evaluation must check that the two networks are the same
    /// or peered.
    Members(Arc<[NodeIndex]>),
}

#[cfg(test)]
#[allow(clippy::panic, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    /// Two interfaces behind one list, which names some of them twice.
    fn cloud(name: &str, members: &[u32]) -> FilterGraph {
        let members: Arc<[NodeIndex]> = members.iter().map(|&node| NodeIndex(node)).collect();
        let entry = || Entry {
            rule: name.to_owned(),
            effect: Effect::Permit,
            peers: Peers::Members(members.clone()),
            services: ServiceSet::all(),
        };
        let list = FilterList {
            id: name.into(),
            name: name.to_owned(),
            owner: Owner::Ours,
            entries: vec![entry(), entry()],
        };
        let stages = || vec![Stage { lists: vec![0] }];
        let node = |number: u32| Node {
            interface: format!("{name}-{number}").as_str().into(),
            network: name.into(),
            ingress: stages(),
            egress: stages(),
        };
        FilterGraph { nodes: (0..2).map(node).collect(), lists: vec![list] }
    }

    #[test]
    fn graphs_side_by_side_keep_who_is_meant() {
        let mut graph = cloud("a", &[0, 1]);
        graph.append(cloud("b", &[1]));
        let of = |number: usize| {
            let node = &graph.nodes[number];
            let list = &graph.lists[node.ingress[0].lists[0] as usize];
            assert_eq!(node.ingress, node.egress);
            let Peers::Members(members) = &list.entries[0].peers else { panic!("members were written") };
            let names: Vec<&str> =
                members.iter().map(|member| graph.nodes[member.0 as usize].interface.as_str()).collect();
            (node.interface.as_str(), list.name.as_str(), names)
        };
        assert_eq!(of(1), ("a-1", "a", vec!["a-0", "a-1"]));
        assert_eq!(of(2), ("b-0", "b", vec!["b-1"]));
        let peers = |entry: usize| match &graph.lists[1].entries[entry].peers {
            Peers::Members(members) => members.as_ptr(),
            Peers::Addresses(_) => panic!("members were written"),
        };
        assert_eq!(peers(0), peers(1), "a shared list stays shared");
    }
}
