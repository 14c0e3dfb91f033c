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
