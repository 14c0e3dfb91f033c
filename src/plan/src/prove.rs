//! The proof: what the objects admit and what the policy intends, compared over sets of packets (DESIGN 6).
//!
//! Shares nothing with a driver's lowering but the set types of `policy`.
//!
//! ```text
//! graph, compiled, snapshot ─ends─▶ End: interfaces with the same network, class, direction and lists
//!                                    │ peers (on the address line, cut by every set of the end)
//!                                    ▼
//!                          Kind: peers that look alike, their intent, one packet that stands for them
//!                                    ├─ours──▶ 1. our lists alone admit exactly the intent
//!                                    └─foreign▶ 2. exposure, 3. obstruction
//! ```
//!
//! The universe: ICMP exists only between IPv4 addresses and ICMPv6 only between IPv6 addresses; an address that
//! one interface in reach holds comes from nobody else; nobody sends to himself.

mod bulk;
mod ends;
mod foreign;
mod intent;
mod line;
mod ours;
mod peers;
mod translated;

use std::net::IpAddr;

use policy::compiled::essential_services;
use policy::service::protocol;
use policy::{AddressDirectory, AddressSet, CompiledPolicy, InterfaceId, Place, ServiceSet, Snapshot};
use rustc_hash::FxHashMap;

use crate::graph::{FilterGraph, NodeIndex};
use crate::plan::ProofSummary;
use bulk::{Bulk, LONG_MIN};
pub(crate) use ends::first_match;
use peers::Seat;

/// At most this many witnesses are kept; one is enough to refuse a plan.
pub const WITNESSES_MAX: usize = 10;

/// Proves a state of the world against the policy. Linear in ends × the interfaces and address sets that an end
/// names (times the logarithm of those).
pub fn prove(graph: &FilterGraph, compiled: &CompiledPolicy, snapshot: &Snapshot) -> ProofSummary {
    prove_with_long(graph, compiled, snapshot, LONG_MIN)
}

/// The same with another length from which on member lists are long; for tests on small graphs.
#[doc(hidden)]
pub fn prove_with_long(
    graph: &FilterGraph,
    compiled: &CompiledPolicy,
    snapshot: &Snapshot,
    long_min: usize,
) -> ProofSummary {
    let context = Context::with_long(graph, compiled, snapshot, long_min);
    let mut summary = ProofSummary { equivalent: true, ..ProofSummary::default() };
    for end in ends::ends(&context) {
        let (kinds, peers) = peers::kinds(&context, &end);
        let interfaces = end.interfaces.len() as u64;
        summary.checked_ends += interfaces;
        summary.checked_pairs += peers * interfaces;
        let room = WITNESSES_MAX.saturating_sub(summary.witnesses.len());
        let witnesses = ours::compare(&context, &end, &kinds, room);
        summary.equivalent &= witnesses.is_empty();
        summary.witnesses.extend(witnesses.into_iter().take(room));
        foreign::report(&context, &end, &kinds, &mut summary);
    }
    summary
}

/// Everything that the comparison looks things up in.
pub struct Context<'a> {
    pub(crate) graph: &'a FilterGraph,
    pub(crate) compiled: &'a CompiledPolicy,
    pub(crate) snapshot: &'a Snapshot,
    pub(crate) directory: AddressDirectory<'a>,
    pub(crate) places: FxHashMap<&'a InterfaceId, Place>,
    pub(crate) nodes: FxHashMap<&'a InterfaceId, NodeIndex>,
    /// The place of each node, if the snapshot knows it.
    place_of: Vec<Option<Place>>,
    bulk: Bulk<'a>,
    translated: translated::ByNetwork<'a>,
    universes: [Universe; 2],
}

impl<'a> Context<'a> {
    /// Indexes a graph and what it is compared with.
    pub fn new(graph: &'a FilterGraph, compiled: &'a CompiledPolicy, snapshot: &'a Snapshot) -> Self {
        Self::with_long(graph, compiled, snapshot, LONG_MIN)
    }

    fn with_long(
        graph: &'a FilterGraph,
        compiled: &'a CompiledPolicy,
        snapshot: &'a Snapshot,
        long_min: usize,
    ) -> Self {
        let mut places = FxHashMap::default();
        for (w, workload) in snapshot.workloads.iter().enumerate() {
            for (i, interface) in workload.interfaces.iter().enumerate() {
                places.insert(&interface.id, Place { workload: w as u32, interface: i as u32 });
            }
        }
        let numbered = graph.nodes.iter().enumerate();
        let nodes = numbered.map(|(n, node)| (&node.interface, NodeIndex(n as u32))).collect();
        let place_of: Vec<Option<Place>> =
            graph.nodes.iter().map(|node| places.get(&node.interface).copied()).collect();
        let universes = [protocol::ICMPV6, protocol::ICMP].map(Universe::without);
        let directory = AddressDirectory::new(snapshot);
        let bulk = Bulk::new(graph, &place_of, &directory, long_min);
        let translated = translated::ByNetwork::new(compiled, snapshot, &directory);
        Self { graph, compiled, snapshot, directory, places, nodes, place_of, bulk, translated, universes }
    }

    /// The services of the family of an address.
    pub(crate) fn universe(&self, address: IpAddr) -> &Universe {
        &self.universes[usize::from(address.is_ipv6())]
    }

    /// The id of the interface in a seat, or `external`.
    pub(crate) fn name(&self, seat: Seat) -> &'a str {
        seat.place.map_or("external", |place| self.directory.interface(place).id.as_str())
    }

    pub(crate) fn seat_text(&self, seat: Seat) -> String {
        format!("{} {}", self.name(seat), seat.address)
    }
}

/// The services that exist between addresses of one family.
pub(crate) struct Universe {
    /// All of them.
    pub(crate) services: ServiceSet,
    /// Those that pass whatever the rules say.
    pub(crate) essential: ServiceSet,
}

impl Universe {
    fn without(absent: u8) -> Self {
        let services = ServiceSet::all().difference(&ServiceSet::protocol(absent));
        let essential = essential_services().intersection(&services);
        Self { services, essential }
    }
}

/// The services that exist between addresses of a family.
pub(crate) fn universe(address: IpAddr) -> ServiceSet {
    let absent = if address.is_ipv6() { protocol::ICMP } else { protocol::ICMPV6 };
    ServiceSet::all().difference(&ServiceSet::protocol(absent))
}

/// One address of a region that is not among `taken`.
pub fn address_outside(region: &AddressSet, taken: &AddressSet) -> Option<IpAddr> {
    region.difference(taken).first()
}
