//! Packets through a generated world: near the edges of what the rules name, between all kinds of ends.
//!
//! Left out, because no network delivers them: a packet from an interface to itself, and one whose address
//! belongs, where it is judged, to an interface that did not send or will not receive it.

use std::net::IpAddr;

use fastrand::Rng;
use policy::service::protocol;
use policy::{
    AddressDirectory, AddressSet, End, Flow, InterfaceId, RangeSet, ServicePoint, Snapshot, Verdict, View,
    decide,
};

use crate::rules::{LISTS, addresses};

/// How often a packet with the wanted answer is looked for.
const TRIES: usize = 8;

/// Packets of which about half pass.
pub fn flows(rng: &mut Rng, snapshot: &Snapshot, count: u64) -> Vec<Flow> {
    let maker = Maker::new(snapshot);
    (0..count)
        .map(|_| {
            let (wanted, enforced) = (rng.u8(..20) < 11, rng.u8(..4) > 0);
            let mut flow = maker.flow(rng);
            for _ in 0..TRIES {
                let decision = decide(snapshot, &flow);
                let judged = [&decision.egress, &decision.ingress];
                let judged = judged.iter().any(|end| **end != policy::EndDecision::NotEnforced);
                if (decision.verdict != Verdict::Blocked) == wanted && (judged || !enforced) {
                    break;
                }
                flow = maker.flow(rng);
            }
            flow
        })
        .collect()
}

struct Maker<'a> {
    snapshot: &'a Snapshot,
    directory: AddressDirectory<'a>,
    /// Interfaces in a network, and every known end, by family.
    inside: [Vec<End>; 2],
    known: [Vec<End>; 2],
    /// Interfaces under the addresses that theirs are translated to.
    translated: [Vec<End>; 2],
    outside: [Vec<IpAddr>; 2],
    services: Vec<ServicePoint>,
}

impl<'a> Maker<'a> {
    fn new(snapshot: &'a Snapshot) -> Self {
        let (mut inside, mut known) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
        for (_, _, interface) in snapshot.interfaces() {
            for &address in &interface.addresses {
                let end = End { interface: Some(interface.id.clone()), address };
                if interface.network.is_some() {
                    inside[usize::from(address.is_ipv6())].push(end.clone());
                }
                known[usize::from(address.is_ipv6())].push(end);
            }
        }
        let directory = AddressDirectory::new(snapshot);
        let mut translated = [Vec::new(), Vec::new()];
        for address in directory.translated() {
            let behind = directory.behind_anywhere(address).into_iter();
            let end = |place| End { interface: Some(directory.interface(place).id.clone()), address };
            translated[usize::from(address.is_ipv6())].extend(behind.map(end));
        }
        let mut outside = [Vec::new(), Vec::new()];
        for (_, held, taken_off) in LISTS {
            for set in [addresses(held), addresses(taken_off)] {
                outside[0].extend(edges_v4(set.v4()));
                outside[1].extend(edges_v6(&set));
            }
        }
        let services = services(snapshot);
        Self { snapshot, directory, inside, known, translated, outside, services }
    }

    fn flow(&self, rng: &mut Rng) -> Flow {
        loop {
            let v6 = usize::from(rng.u8(..3) == 0 && !self.inside[1].is_empty());
            let here = self.inside[v6][rng.usize(..self.inside[v6].len())].clone();
            let translated = &self.translated[v6];
            let there = if !translated.is_empty() && rng.u8(..4) == 0 {
                translated[rng.usize(..translated.len())].clone()
            } else if rng.u8(..4) > 0 {
                self.known[v6][rng.usize(..self.known[v6].len())].clone()
            } else {
                let place = rng.usize(..self.outside[v6].len());
                End { interface: None, address: self.outside[v6][place] }
            };
            let service = self.service(rng, v6 == 1);
            let (source, destination) = if rng.bool() { (here, there) } else { (there, here) };
            let flow = Flow { source, destination, service };
            if self.exists(&flow) {
                return flow;
            }
        }
    }

    fn service(&self, rng: &mut Rng, v6: bool) -> ServicePoint {
        let own = if v6 { protocol::ICMPV6 } else { protocol::ICMP };
        match rng.u8(..8) {
            0 => {
                let kinds: &[u8] = if v6 { &[1, 2, 128, 129] } else { &[3, 8, 11, 0] };
                ServicePoint::icmp(own, kinds[rng.usize(..kinds.len())], [0, 1, 3, 4, 255][rng.usize(..5)])
            }
            1 => ServicePoint { protocol: [50, 47, 0, 255][rng.usize(..4)], detail: 0 },
            2 => ServicePoint::port(if rng.bool() { protocol::TCP } else { protocol::UDP }, rng.u16(..)),
            _ => {
                let foreign = if v6 { protocol::ICMP } else { protocol::ICMPV6 };
                let point = self.services[rng.usize(..self.services.len())];
                if point.protocol == foreign { ServicePoint { protocol: own, ..point } } else { point }
            }
        }
    }

    /// Whether a network could deliver such a packet to each end that judges it.
    fn exists(&self, flow: &Flow) -> bool {
        flow.source.interface != flow.destination.interface
            && self.seen(&flow.source, &flow.destination)
            && self.seen(&flow.destination, &flow.source)
    }

    fn seen(&self, here: &End, there: &End) -> bool {
        let Some(network) = self.network(here.interface.as_ref()) else { return true };
        let is_translated = self.directory.translated().any(|address| address == there.address);
        if is_translated && there.interface.is_some() {
            let behind = self.directory.behind(Some(network), there.address);
            return behind
                .iter()
                .any(|place| Some(&self.directory.interface(*place).id) == there.interface.as_ref());
        }
        let reached = self.network(there.interface.as_ref());
        if reached.is_some_and(|reached| self.snapshot.connected(network, reached)) {
            return true;
        }
        match self.directory.holder(Some(network), there.address) {
            View::Interface(place) => {
                let holder = self.directory.interface(place).network.as_ref();
                !holder.is_some_and(|holder| self.snapshot.connected(network, holder))
            }
            _ => true,
        }
    }

    fn network(&self, id: Option<&InterfaceId>) -> Option<&'a policy::NetworkId> {
        let id = id?;
        let mut found = self.snapshot.interfaces().filter(|(_, _, interface)| interface.id == *id);
        found.next().and_then(|(_, _, interface)| interface.network.as_ref())
    }
}

fn edges_v4(set: &RangeSet<u32>) -> Vec<IpAddr> {
    let edges = set.ranges().iter().flat_map(|&(first, last)| {
        [first, last, first.saturating_sub(1), last.saturating_add(1), first + (last - first) / 2]
    });
    edges.map(|bits| IpAddr::V4(bits.into())).collect()
}

fn edges_v6(set: &AddressSet) -> Vec<IpAddr> {
    let edges = set.v6().ranges().iter().flat_map(|&(first, last)| {
        [first, last, first.saturating_sub(1), last.saturating_add(1), first + (last - first) / 2]
    });
    edges.map(|bits| IpAddr::V6(bits.into())).collect()
}

/// The first and last service of every range that a rule names, and their neighbours.
fn services(snapshot: &Snapshot) -> Vec<ServicePoint> {
    let rules = snapshot.policy.rulesets.iter().flat_map(|ruleset| &ruleset.rules);
    let pieces = rules.flat_map(|rule| rule.services.by_protocol().take(8).collect::<Vec<_>>());
    let points = pieces.flat_map(|(number, first, last)| {
        let details = if policy::service::has_ports(number) || policy::service::has_icmp_type(number) {
            vec![first, last, first.saturating_sub(1), last.saturating_add(1)]
        } else {
            vec![0]
        };
        details.into_iter().map(move |detail| ServicePoint { protocol: number, detail })
    });
    points.collect()
}
