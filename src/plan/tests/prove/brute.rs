//! The proof once more, by trying packets: slow, obvious, and written from the documents of the filter graph.
//!
//! What should pass is asked of the oracle, `policy::decide`; what passes is read off the graph entry by entry.
//! Both are constant between the edges of the sets that a world and its graph hold, so it is enough to try the
//! first and the last member of every range and their neighbours.

use std::collections::BTreeSet;
use std::net::IpAddr;

use plan::graph::{Effect, Entry, FilterGraph, FilterList, NodeIndex, Peers, Stage};
use plan::plan::Witness;
use plan::{Direction, Owner};
use policy::compiled::essential_services;
use policy::service::{has_icmp_type, has_ports, protocol};
use policy::{
    AddressSet, End, EnforcementMode, Flow, Interface, InterfaceId, ServicePoint, ServiceSet, Snapshot,
    decide,
};

use crate::graphs::{neighbours, stages};

/// One packet at one filter.
#[derive(Clone, Debug)]
pub struct Packet {
    /// Where the filter is.
    pub at: NodeIndex,
    pub direction: Direction,
    /// The address of the filtered interface.
    pub own: IpAddr,
    /// Who really is at the other end, with the address as seen at the filter.
    pub peer: End,
    pub service: ServicePoint,
}

/// A world with its graph.
pub struct Brute<'a> {
    pub snapshot: &'a Snapshot,
    pub graph: &'a FilterGraph,
}

/// What trying every packet shows: whether there is one that…
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Found {
    /// …our lists and the intent treat differently.
    pub differs: bool,
    /// …a foreign list beside ours lets pass against the intent.
    pub exposed: bool,
    /// …a later stage stops against the intent.
    pub obstructed: bool,
}

impl Brute<'_> {
    /// Tries every packet at every end that should be enforced.
    pub fn try_all(&self) -> Found {
        let mut found = Found::default();
        let (addresses, services) = (self.addresses(), self.services());
        for (at, direction) in self.ends() {
            for packet in self.packets(at, direction, &addresses, &services) {
                let intended = self.intended(&packet);
                found.differs |= self.passes_ours(&packet) != intended;
                found.exposed |= !intended && self.passes_foreign(&packet);
                found.obstructed |= intended && !self.passes_path(&packet);
            }
        }
        found
    }

    /// Why a witness is not a packet on which objects and policy differ as it says; `None` if it is.
    pub fn refute(&self, witness: &Witness) -> Option<String> {
        let (own, peer) = match witness.direction {
            Direction::Ingress => (&witness.destination, &witness.source),
            Direction::Egress => (&witness.source, &witness.destination),
        };
        let (own, peer) = (read_end(own), read_end(peer));
        let at = self.graph.nodes.iter().position(|node| node.interface.as_str() == witness.at)?;
        let service: ServiceSet = witness.service.parse().ok()?;
        let packet = Packet {
            at: NodeIndex(at as u32),
            direction: witness.direction,
            own: own.address,
            peer,
            service: service.first()?,
        };
        if own.interface.as_ref() != Some(&self.graph.nodes[at].interface) || !self.holds(&own) {
            return Some("the filter is not at its end".to_owned());
        }
        if !self.ends().contains(&(packet.at, packet.direction)) {
            return Some("nobody wants this end enforced".to_owned());
        }
        if !self.is_delivered(&packet) {
            return Some("no network delivers it".to_owned());
        }
        let (passes, intended) = (self.passes_ours(&packet), self.intended(&packet));
        let real = passes == witness.admitted && intended != witness.admitted;
        (!real).then(|| format!("passes: {passes}, intended: {intended}"))
    }

    /// Every filter that should enforce: full mode, in a network, in that direction.
    fn ends(&self) -> Vec<(NodeIndex, Direction)> {
        let mut ends = Vec::new();
        for (number, node) in self.graph.nodes.iter().enumerate() {
            let mut all = self.snapshot.interfaces();
            let (_, workload, interface) = all.find(|(_, _, i)| i.id == node.interface).unwrap();
            if workload.mode == EnforcementMode::Full {
                let at = NodeIndex(number as u32);
                ends.extend(interface.enforces.ingress.then_some((at, Direction::Ingress)));
                ends.extend(interface.enforces.egress.then_some((at, Direction::Egress)));
            }
        }
        ends
    }

    /// Every packet to try at an end: from every interface with each of its addresses, and from outside.
    fn packets(
        &self,
        at: NodeIndex,
        direction: Direction,
        addresses: &BTreeSet<IpAddr>,
        services: &BTreeSet<ServicePoint>,
    ) -> Vec<Packet> {
        let inside = self.snapshot.interfaces().flat_map(|(_, _, interface)| {
            let id = Some(interface.id.clone());
            interface.addresses.iter().map(move |&address| End { interface: id.clone(), address })
        });
        let outside = addresses.iter().map(|&address| End { interface: None, address });
        let own = &self.interface(&self.graph.nodes[at.0 as usize].interface).addresses;
        let mut packets = Vec::new();
        for peer in inside.chain(outside) {
            // Which of its own addresses the filtered interface uses makes no difference to anybody.
            let Some(&own) = own.iter().find(|own| own.is_ipv6() == peer.address.is_ipv6()) else { continue };
            let packet = |service| Packet { at, direction, own, peer: peer.clone(), service };
            packets.extend(services.iter().map(|&service| packet(service)).filter(|p| self.is_delivered(p)));
        }
        packets
    }

    /// Left out is what no network delivers: a packet to its own sender; ICMP of the other family; an address
    /// that one interface in reach holds, from anybody else.
    fn is_delivered(&self, packet: &Packet) -> bool {
        let own = self.interface(&self.graph.nodes[packet.at.0 as usize].interface);
        let absent = if packet.own.is_ipv6() { protocol::ICMP } else { protocol::ICMPV6 };
        if packet.own.is_ipv6() != packet.peer.address.is_ipv6() || packet.service.protocol == absent {
            return false;
        }
        if packet.peer.interface.as_ref() == Some(&own.id) || !self.holds(&packet.peer) {
            return false;
        }
        let in_reach = |interface: &Interface| match (&own.network, &interface.network) {
            (Some(here), Some(there)) => self.snapshot.connected(here, there),
            _ => false,
        };
        let holders = self.snapshot.interfaces().map(|(_, _, interface)| interface);
        let holders = holders.filter(|i| i.addresses.contains(&packet.peer.address) && in_reach(i));
        match holders.collect::<Vec<_>>().as_slice() {
            [only] => packet.peer.interface.as_ref() == Some(&only.id),
            _ => true,
        }
    }

    fn holds(&self, end: &End) -> bool {
        end.interface.as_ref().is_none_or(|id| self.interface(id).addresses.contains(&end.address))
    }

    fn interface(&self, id: &InterfaceId) -> &Interface {
        let mut all = self.snapshot.interfaces();
        all.find(|(_, _, interface)| interface.id == *id).map(|(_, _, interface)| interface).unwrap()
    }

    /// What the oracle says at this end.
    fn intended(&self, packet: &Packet) -> bool {
        let id = &self.graph.nodes[packet.at.0 as usize].interface;
        let own = End { interface: Some(id.clone()), address: packet.own };
        let (service, peer) = (packet.service, packet.peer.clone());
        match packet.direction {
            Direction::Ingress => {
                decide(self.snapshot, &Flow { source: peer, destination: own, service }).ingress.passes()
            }
            Direction::Egress => {
                decide(self.snapshot, &Flow { source: own, destination: peer, service }).egress.passes()
            }
        }
    }

    /// Whether our objects alone let it pass: lists of ours in the first stage, or no filter at all.
    fn passes_ours(&self, packet: &Packet) -> bool {
        match self.stages(packet) {
            [] => true,
            [first, ..] => self.passes_stage(first, packet, |list| list.owner == Owner::Ours),
        }
    }

    fn passes_foreign(&self, packet: &Packet) -> bool {
        let first = self.stages(packet).first();
        first.is_some_and(|first| self.passes_stage(first, packet, |list| list.owner != Owner::Ours))
    }

    fn passes_path(&self, packet: &Packet) -> bool {
        self.stages(packet).iter().skip(1).all(|stage| self.passes_stage(stage, packet, |_| true))
    }

    fn stages(&self, packet: &Packet) -> &[Stage] {
        stages(&self.graph.nodes[packet.at.0 as usize], packet.direction)
    }

    fn passes_stage(&self, stage: &Stage, packet: &Packet, counts: impl Fn(&FilterList) -> bool) -> bool {
        let mut lists = stage.lists.iter().map(|&list| &self.graph.lists[list as usize]);
        lists.any(|list| counts(list) && self.passes_list(list, packet))
    }

    fn passes_list(&self, list: &FilterList, packet: &Packet) -> bool {
        let first = list.entries.iter().find(|entry| self.matches(entry, packet));
        first.is_some_and(|entry| entry.effect == Effect::Permit)
    }

    fn matches(&self, entry: &Entry, packet: &Packet) -> bool {
        let peer = match &entry.peers {
            Peers::Addresses(set) => set.contains(packet.peer.address),
            Peers::Members(nodes) => nodes.iter().any(|node| {
                let (own, node) =
                    (&self.graph.nodes[packet.at.0 as usize], &self.graph.nodes[node.0 as usize]);
                packet.peer.interface.as_ref() == Some(&node.interface)
                    && self.snapshot.connected(&own.network, &node.network)
            }),
        };
        peer && entry.services.contains(packet.service)
    }

    /// The edges of every address set, and every address of an interface, each with its neighbours.
    fn addresses(&self) -> BTreeSet<IpAddr> {
        let lists = self.snapshot.policy.ip_lists.values().map(|list| &list.addresses);
        let entries = self.graph.lists.iter().flat_map(|list| &list.entries);
        let named = entries.filter_map(|entry| match &entry.peers {
            Peers::Addresses(set) => Some(set),
            Peers::Members(_) => None,
        });
        let mut edges: BTreeSet<IpAddr> = lists.chain(named).flat_map(edges_of).collect();
        edges.extend(self.snapshot.interfaces().flat_map(|(_, _, interface)| interface.addresses.clone()));
        let beside: Vec<IpAddr> = edges.iter().flat_map(|&edge| neighbours(edge)).flatten().collect();
        edges.extend(beside);
        edges.extend(edges_of(&AddressSet::any()));
        edges
    }

    /// The edges of every service set with their neighbours, and what follows the ICMP that a family has not.
    fn services(&self) -> BTreeSet<ServicePoint> {
        let rules = self.snapshot.policy.rulesets.iter().flat_map(|ruleset| &ruleset.rules);
        let entries = self.graph.lists.iter().flat_map(|list| &list.entries);
        let sets = rules.map(|rule| &rule.services).chain(entries.map(|entry| &entry.services));
        let icmp = [ServiceSet::protocol(protocol::ICMP), ServiceSet::protocol(protocol::ICMPV6)];
        let more = [essential_services(), ServiceSet::all()].into_iter().chain(icmp);
        let sets: Vec<ServiceSet> = sets.cloned().chain(more).collect();
        let ranges = sets.iter().flat_map(|set| set.points().ranges());
        let edges = ranges.flat_map(|&(a, b)| [a.checked_sub(1), Some(a), Some(b), Some(b + 1)]).flatten();
        edges.filter(|&bits| bits >> 24 == 0).map(point).collect()
    }
}

/// The first and the last address of every range.
pub fn edges_of(set: &AddressSet) -> Vec<IpAddr> {
    let v4 = set.v4().ranges().iter().flat_map(|&(a, b)| [IpAddr::V4(a.into()), IpAddr::V4(b.into())]);
    let v6 = set.v6().ranges().iter().flat_map(|&(a, b)| [IpAddr::V6(a.into()), IpAddr::V6(b.into())]);
    v4.chain(v6).collect()
}

fn point(bits: u32) -> ServicePoint {
    let protocol = (bits >> 16) as u8;
    let detail = if has_ports(protocol) || has_icmp_type(protocol) { bits as u16 } else { 0 };
    ServicePoint { protocol, detail }
}

/// `web-1 10.0.0.1` or `external 192.0.2.1`.
fn read_end(text: &str) -> End {
    let (name, address) = text.split_once(' ').unwrap();
    let interface = (name != "external").then(|| InterfaceId::from(name));
    End { interface, address: address.parse().unwrap() }
}
