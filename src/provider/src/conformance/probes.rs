//! Packets: every pair of ends with every service near an edge of the policy; what the policy says of them, and what
//! the data plane did at every moment.

use std::collections::BTreeSet;
use std::net::IpAddr;

use plan::Observed;
use plan::plan::Transient;
use policy::service::protocol::{ICMP, ICMPV6, TCP, UDP};
use policy::{End, Flow, InterfaceId, ServicePoint, ServiceSet, Snapshot, Verdict, decide};

use super::world::World;

/// Ends outside: two that a list of the policy names, two that nobody names.
const OUTSIDE: [&str; 4] = ["203.0.113.7", "198.51.100.9", "2001:db8:ffff::7", "2001:db8:eeee::9"];

/// What is shown of a list of packets.
const SHOWN_MAX: usize = 5;

/// A family of addresses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Family {
    V4,
    V6,
}

impl Family {
    fn has(self, address: IpAddr) -> bool {
        address.is_ipv6() == (self == Self::V6)
    }

    fn services(self) -> Vec<ServicePoint> {
        let ports = [443, 444, 873, 5432, 5433, 6379, 7000, 8079, 8080, 8090, 8091, 9000];
        let tcp = ports.map(|port| ServicePoint::port(TCP, port));
        let udp = [7000, 5432].map(|port| ServicePoint::port(UDP, port));
        // Echo, and the path MTU message that passes everywhere.
        let icmp = match self {
            Self::V4 => [ServicePoint::icmp(ICMP, 8, 0), ServicePoint::icmp(ICMP, 3, 4)],
            Self::V6 => [ServicePoint::icmp(ICMPV6, 128, 0), ServicePoint::icmp(ICMPV6, 2, 0)],
        };
        tcp.into_iter().chain(udp).chain(icmp).collect()
    }
}

/// Every packet of a family between the workloads that the policy enforces, and between them and the outside.
pub(super) fn flows(snapshot: &Snapshot, family: Family) -> Vec<Flow> {
    let enforced = snapshot.interfaces().filter(|(_, workload, _)| workload.labels.contains_key("role"));
    let inside = enforced.flat_map(|(_, _, interface)| {
        let addresses = interface.addresses.iter().filter(|address| family.has(**address));
        addresses.map(|&address| End { interface: Some(interface.id.clone()), address })
    });
    let outside = OUTSIDE.iter().filter_map(|text| text.parse().ok());
    let outside = outside.filter(|address| family.has(*address));
    let ends: Vec<End> = inside.chain(outside.map(|address| End { interface: None, address })).collect();
    let services = family.services();
    let mut flows = Vec::new();
    for source in &ends {
        for destination in ends.iter().filter(|end| end.interface != source.interface) {
            for &service in &services {
                flows.push(Flow { source: source.clone(), destination: destination.clone(), service });
            }
        }
    }
    flows
}

/// Packets of a family that pass now and should not, or the other way round; how many were looked at.
///
/// # Errors
/// What is different.
pub(super) fn compare_with_policy(
    world: &dyn World,
    snapshot: &Snapshot,
    family: Family,
) -> Result<(usize, usize), String> {
    let (flows, now) = (flows(snapshot, family), world.now_ms());
    let wanted = |flow: &Flow| decide(snapshot, flow).verdict != Verdict::Blocked;
    let wrong = flows.iter().filter(|flow| world.passes_at(flow, now) != wanted(flow));
    let wrong: Vec<String> = wrong
        .map(|flow| format!("{} should {}", text(flow), if wanted(flow) { "pass" } else { "stop" }))
        .collect();
    if !wrong.is_empty() {
        return Err(format!("{} of {} packets are wrong: {}", wrong.len(), flows.len(), few(&wrong)));
    }
    Ok((flows.len(), flows.iter().filter(|flow| wanted(flow)).count()))
}

/// Judges a change (DESIGN 7.1): what passed before and passes after never stopped; what passed at some moment passed
/// before or passes after, unless a plan named it. Returns how many packets the change moved.
///
/// # Errors
/// What was outside its bounds.
pub(super) fn watch(
    world: &dyn World,
    observed: &Observed,
    flows: &[Flow],
    from_ms: u64,
    transients: &[Transient],
) -> Result<usize, String> {
    let end = world.now_ms();
    let moments = |id: &InterfaceId| (id.clone(), world.moments(id, from_ms));
    let moments: std::collections::BTreeMap<_, _> =
        observed.interfaces.iter().map(|interface| moments(&interface.id)).collect();
    let (mut moved, mut wrong) = (0, Vec::new());
    for flow in flows {
        let (old, new) = (world.passes_at(flow, from_ms), world.passes_at(flow, end));
        moved += usize::from(old != new);
        let ends = [&flow.source.interface, &flow.destination.interface];
        let own: BTreeSet<u64> =
            ends.into_iter().flatten().filter_map(|id| moments.get(id)).flatten().copied().collect();
        let outside = |at: &&u64| {
            let passes = world.passes_at(flow, **at);
            let is_outside = if passes { !old && !new } else { old && new };
            is_outside && !is_named(transients, flow, passes)
        };
        if let Some(at) = own.iter().filter(|at| **at <= end).find(outside) {
            let word = if world.passes_at(flow, *at) { "open" } else { "cut" };
            wrong.push(format!("{} is {word} at {} ms", text(flow), at - from_ms));
        }
    }
    if wrong.is_empty() {
        Ok(moved)
    } else {
        Err(format!("{} packets were outside their bounds: {}", wrong.len(), few(&wrong)))
    }
}

/// Whether a plan named this packet's pair, in this sense.
fn is_named(transients: &[Transient], flow: &Flow, opens: bool) -> bool {
    let matches = |end: &End, named: &str| {
        end.interface.as_ref().is_some_and(|id| id.as_str() == named)
            || named
                .split(", ")
                .any(|block| block.parse::<policy::AddressSet>().is_ok_and(|set| set.contains(end.address)))
    };
    transients.iter().any(|transient| {
        let services: ServiceSet =
            transient.services.split(", ").filter_map(|text| text.parse::<ServiceSet>().ok()).collect();
        transient.opens == opens
            && services.contains(flow.service)
            && matches(&flow.source, &transient.source)
            && matches(&flow.destination, &transient.destination)
    })
}

/// A packet for people.
pub(super) fn text(flow: &Flow) -> String {
    let end = |end: &End| {
        let name = end.interface.as_ref().map_or("outside", InterfaceId::as_str);
        format!("{name} {}", end.address)
    };
    format!("{} → {} {}", end(&flow.source), end(&flow.destination), flow.service)
}

/// The first of a list.
pub(super) fn few(texts: &[String]) -> String {
    texts.iter().take(SHOWN_MAX).map(String::as_str).collect::<Vec<_>>().join("; ")
}
