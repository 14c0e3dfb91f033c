//! The proof: what the objects admit and what the policy intends, compared over sets of packets (DESIGN 6).
//!
//! Shares nothing with a driver's lowering but the set types of `policy`. Each end (interface and
//! direction) is compared on its own. Its peers fall into *points* that neither side can tell apart:
//! interfaces that a class or a member list names, with each address; and the regions into which all address
//! sets at that end cut the rest of the address space.
//!
//! The universe: ICMP exists only between IPv4 addresses and ICMPv6 only between IPv6 addresses.

mod ends;
pub(crate) mod foreign;
mod intent;

use std::collections::BTreeMap;
use std::net::IpAddr;

use policy::service::protocol;
use policy::{AddressDirectory, AddressSet, CompiledPolicy, InterfaceId, ServiceSet, Snapshot};

use crate::graph::{FilterGraph, NodeIndex};
use crate::plan::{ProofSummary, Witness};
use crate::scope::Direction;
use ends::End;

/// At most this many witnesses are kept; one is enough to refuse a plan.
pub const WITNESSES_MAX: usize = 10;

/// Proves a state of the world against the policy.
pub fn prove(graph: &FilterGraph, compiled: &CompiledPolicy, snapshot: &Snapshot) -> ProofSummary {
    let context = Context::new(graph, compiled, snapshot);
    let mut summary = ProofSummary { equivalent: true, ..ProofSummary::default() };
    for (end, interfaces) in ends::ends(&context) {
        summary.checked_ends += interfaces.len() as u64;
        let witnesses = end.compare(&context, &interfaces, &mut summary.checked_pairs);
        summary.equivalent &= witnesses.is_empty();
        let room = WITNESSES_MAX.saturating_sub(summary.witnesses.len());
        summary.witnesses.extend(witnesses.into_iter().take(room));
        foreign::report(&context, &end, &interfaces, &mut summary);
    }
    summary
}

/// Everything that the comparison looks things up in.
pub struct Context<'a> {
    pub(crate) graph: &'a FilterGraph,
    pub(crate) compiled: &'a CompiledPolicy,
    pub(crate) snapshot: &'a Snapshot,
    pub(crate) directory: AddressDirectory<'a>,
    pub(crate) places: BTreeMap<&'a InterfaceId, policy::Place>,
    pub(crate) nodes: BTreeMap<&'a InterfaceId, NodeIndex>,
}

impl<'a> Context<'a> {
    /// Indexes a graph and what it is compared with.
    pub fn new(graph: &'a FilterGraph, compiled: &'a CompiledPolicy, snapshot: &'a Snapshot) -> Self {
        let mut places = BTreeMap::new();
        for (w, workload) in snapshot.workloads.iter().enumerate() {
            for (i, interface) in workload.interfaces.iter().enumerate() {
                places.insert(&interface.id, policy::Place { workload: w as u32, interface: i as u32 });
            }
        }
        let nodes =
            graph.nodes.iter().enumerate().map(|(n, node)| (&node.interface, NodeIndex(n as u32))).collect();
        Self { graph, compiled, snapshot, directory: AddressDirectory::new(snapshot), places, nodes }
    }
}

/// The services that exist between addresses of a family.
pub(crate) fn universe(address: IpAddr) -> ServiceSet {
    let absent = if address.is_ipv6() { protocol::ICMP } else { protocol::ICMPV6 };
    ServiceSet::all().difference(&ServiceSet::protocol(absent))
}

/// One address of a region that is not among `taken`.
pub(crate) fn address_outside(region: &AddressSet, taken: &AddressSet) -> Option<IpAddr> {
    region.difference(taken).first()
}

pub(crate) fn end_text(interface: Option<&InterfaceId>, address: IpAddr) -> String {
    interface.map_or_else(|| format!("external {address}"), |id| format!("{id} {address}"))
}

impl End<'_> {
    /// A witness, with source and destination in the order of the packet.
    pub(crate) fn witness(
        &self,
        own: (&InterfaceId, IpAddr),
        peer: (Option<&InterfaceId>, IpAddr),
        excess: &ServiceSet,
        admitted: bool,
        because: String,
    ) -> Witness {
        let (own_text, peer_text) = (end_text(Some(own.0), own.1), end_text(peer.0, peer.1));
        let (source, destination) = match self.direction {
            Direction::Ingress => (peer_text, own_text),
            Direction::Egress => (own_text, peer_text),
        };
        let service = excess.first().map(|point| point.to_string()).unwrap_or_default();
        Witness {
            admitted,
            at: own.0.to_string(),
            direction: self.direction,
            source,
            destination,
            service,
            because,
        }
    }
}
