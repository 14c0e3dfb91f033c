//! A filter graph as its documentation says it: every stage passes; a stage passes if the first match of any of its
//! lists permits. For the tests of the drivers whose rules stand in ordered lists.

use std::net::IpAddr;

use plan::{Direction, Effect, Entry, FilterGraph, FilterList, Observed, Owner, Peers, Stage};
use policy::ServicePoint;

/// A packet as one end sees it, by places in the list of interfaces.
#[derive(Clone, Copy, Debug)]
pub struct Packet {
    pub own: usize,
    pub direction: Direction,
    /// The interface at the far end, if it has one.
    pub peer: Option<usize>,
    /// The address at the far end.
    pub address: IpAddr,
    pub service: ServicePoint,
}

/// Whether a packet passes.
pub fn passes(graph: &FilterGraph, packet: Packet) -> bool {
    stages(graph, packet).iter().all(|stage| stage_passes(graph, stage, packet))
}

/// Whether one of our lists in the first stage lets a packet pass.
pub fn ours_pass(graph: &FilterGraph, packet: Packet) -> bool {
    first_stage(graph, packet).any(|list| list.owner == Owner::Ours && list_passes(list, packet))
}

/// Whether another list in the first stage does.
pub fn foreign_pass(graph: &FilterGraph, packet: Packet) -> bool {
    first_stage(graph, packet).any(|list| list.owner != Owner::Ours && list_passes(list, packet))
}

/// Whether a stage after the first stops a packet.
pub fn is_obstructed(graph: &FilterGraph, packet: Packet) -> bool {
    stages(graph, packet).iter().skip(1).any(|stage| !stage_passes(graph, stage, packet))
}

/// The stages that a packet has to pass.
pub fn stages(graph: &FilterGraph, packet: Packet) -> &[Stage] {
    let node = &graph.nodes[packet.own];
    if packet.direction == Direction::Ingress { &node.ingress } else { &node.egress }
}

fn first_stage(graph: &FilterGraph, packet: Packet) -> impl Iterator<Item = &FilterList> {
    let lists = stages(graph, packet).first().map(|stage| stage.lists.as_slice()).unwrap_or_default();
    lists.iter().map(|&list| &graph.lists[list as usize])
}

fn stage_passes(graph: &FilterGraph, stage: &Stage, packet: Packet) -> bool {
    stage.lists.iter().any(|&list| list_passes(&graph.lists[list as usize], packet))
}

fn list_passes(list: &FilterList, packet: Packet) -> bool {
    let first = list.entries.iter().find(|entry| matches(entry, packet));
    first.is_some_and(|entry| entry.effect == Effect::Permit)
}

fn matches(entry: &Entry, packet: Packet) -> bool {
    let far = match &entry.peers {
        Peers::Addresses(set) => set.contains(packet.address),
        Peers::Members(nodes) => nodes.iter().any(|node| packet.peer == Some(node.0 as usize)),
    };
    far && entry.services.contains(packet.service)
}

/// A packet by words: who filters, which way, the far end (an interface or an address), the service.
pub fn packet(observed: &Observed, own: &str, direction: Direction, far: &str, service: &str) -> Packet {
    let place = |name: &str| observed.interfaces.iter().position(|one| one.id.as_str() == name);
    let peer = place(far);
    let address = peer.map_or_else(|| far.parse().unwrap(), |peer| observed.interfaces[peer].addresses[0]);
    let (protocol, port) = service.split_once('/').unwrap_or((service, "0"));
    let protocol = match protocol {
        "tcp" => 6,
        "udp" => 17,
        "icmp" => 1,
        other => other.parse().unwrap(),
    };
    let service = match protocol {
        1 => {
            let (kind, code) = port.split_once('/').unwrap_or((port, "0"));
            ServicePoint::icmp(1, kind.parse().unwrap(), code.parse().unwrap())
        }
        _ => ServicePoint::port(protocol, port.parse().unwrap()),
    };
    Packet { own: place(own).unwrap(), direction, peer, address, service }
}
