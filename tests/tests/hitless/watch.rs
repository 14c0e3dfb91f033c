//! Judges what the data plane did: every pair, every probe, every moment.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use mock_aws::{End, Packet, World};

use crate::shop::Shop;

/// What was seen.
pub struct Verdict {
    /// Moments in which a pair was outside its bounds.
    pub violations: BTreeSet<String>,
    /// Transients that the plans named.
    pub transients: usize,
    /// The same for people.
    pub named: Vec<String>,
    /// Packets watched.
    pub packets: usize,
    /// Moments looked at.
    pub moments: usize,
    /// Packets that pass before and not after, or the other way round.
    pub moved: usize,
    /// Whether the planned crash happened.
    pub crashed: bool,
    /// How often a fault struck.
    pub faults: u64,
}

const PROBES: [(u8, u16); 11] = [
    (6, 22),
    (6, 443),
    (6, 5000),
    (6, 5432),
    (6, 5433),
    (6, 6000),
    (6, 6100),
    (6, 7000),
    (6, 8080),
    (6, 9000),
    (1, 8 << 8),
];
const EXTERNAL: [&str; 3] = ["203.0.113.7", "203.0.113.200", "198.51.100.9"];

/// Watches from `from_ms` until now.
pub fn judge(shop: &Shop, from_ms: u64) -> Verdict {
    let world = shop.front.world();
    let packets = packets(&world);
    // An interface's view changes at its own moments only.
    let moments: BTreeMap<&str, Vec<u64>> = world
        .state
        .interfaces
        .keys()
        .map(|id| (id.as_str(), world.plane.moments(std::iter::once(id.as_str()), from_ms)))
        .collect();
    let end = world.now_ms();
    let mut violations = BTreeSet::new();
    let mut moved = 0;
    for packet in &packets {
        let (old, new) = (world.allows_at(packet, from_ms), world.allows_at(packet, end));
        moved += usize::from(old != new);
        let ends = [parts(&packet.source).0, parts(&packet.destination).0];
        let own: BTreeSet<u64> =
            ends.into_iter().flatten().flat_map(|id| moments[id].iter().copied()).collect();
        for moment in own.into_iter().filter(|moment| *moment <= end) {
            let passes = world.allows_at(packet, moment);
            let wrong = (passes && !old && !new) || (!passes && old && new);
            if wrong && !named(shop, packet, passes) {
                let word = if passes { "open" } else { "cut" };
                violations.insert(format!("{} is {word} at {} ms", text(packet), moment - from_ms));
                break;
            }
        }
    }
    Verdict {
        violations,
        transients: shop.transients.len(),
        named: shop
            .transients
            .iter()
            .map(|t| {
                format!(
                    "{} → {} {} open {} in steps {}–{}",
                    t.source, t.destination, t.services, t.opens, t.from.0, t.until.0
                )
            })
            .collect(),
        packets: packets.len(),
        moments: moments.values().map(Vec::len).sum(),
        moved,
        crashed: shop.crashed,
        faults: world.faults.fired.values().sum(),
    }
}

fn packets(world: &World) -> Vec<Packet> {
    let ends: Vec<End> = world
        .state
        .interfaces
        .iter()
        .flat_map(|(id, i)| i.addresses.iter().map(move |address| End::Interface(id.clone(), *address)))
        .collect();
    let outside: Vec<End> = EXTERNAL.iter().map(|address| End::External(address.parse().unwrap())).collect();
    let mut packets = Vec::new();
    for source in ends.iter().chain(&outside) {
        for destination in ends.iter().chain(&outside) {
            let (from, to) = (parts(source), parts(destination));
            let inside = from.0.is_some() || to.0.is_some();
            if !inside || from.0 == to.0 || from.1.is_ipv6() != to.1.is_ipv6() {
                continue;
            }
            for (protocol, detail) in PROBES {
                let (source, destination) = (source.clone(), destination.clone());
                packets.push(Packet { source, destination, protocol, detail });
            }
        }
    }
    packets
}

fn parts(end: &End) -> (Option<&str>, IpAddr) {
    match end {
        End::Interface(id, address) => (Some(id), *address),
        End::External(address) => (None, *address),
    }
}

fn text(packet: &Packet) -> String {
    let end = |end: &End| match parts(end) {
        (Some(id), address) => format!("{id} {address}"),
        (None, address) => format!("external {address}"),
    };
    format!("{} → {} {}/{}", end(&packet.source), end(&packet.destination), packet.protocol, packet.detail)
}

/// Whether a plan named this packet's pair, in this sense.
fn named(shop: &Shop, packet: &Packet, opens: bool) -> bool {
    let matches = |end: &End, named: &str| match parts(end) {
        (Some(id), _) if id == named => true,
        (_, address) => {
            named.split(", ").any(|block| block.parse::<ipnet::IpNet>().is_ok_and(|b| b.contains(&address)))
        }
    };
    shop.transients.iter().any(|transient| {
        let service = policy::ServicePoint { protocol: packet.protocol, detail: packet.detail };
        let services: policy::ServiceSet = transient
            .services
            .split(", ")
            .filter_map(|text| text.parse::<policy::ServiceSet>().ok())
            .collect();
        transient.opens == opens
            && services.contains(service)
            && matches(&packet.source, &transient.source)
            && matches(&packet.destination, &transient.destination)
    })
}
