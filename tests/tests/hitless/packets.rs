//! The packets that are watched: every two ends with every probe.

use mock_aws::{End, Packet, World};

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

/// Packets between any two ends of which one at least is an interface.
pub fn packets(world: &World) -> Vec<Packet> {
    let interfaces = world.state.interfaces.iter().flat_map(|(id, interface)| {
        interface.addresses.iter().map(|address| End::Interface(id.clone(), *address))
    });
    let outside = EXTERNAL.iter().map(|address| End::External(address.parse().unwrap()));
    let ends: Vec<End> = interfaces.chain(outside).collect();
    let mut packets = Vec::new();
    for source in &ends {
        for destination in ends.iter().filter(|end| may_talk(source, end)) {
            packets.extend(PROBES.map(|(protocol, detail)| Packet {
                source: source.clone(),
                destination: destination.clone(),
                protocol,
                detail,
            }));
        }
    }
    packets
}

fn may_talk(source: &End, destination: &End) -> bool {
    let (from, to) = (interface(source), interface(destination));
    from != to && source.address().is_ipv6() == destination.address().is_ipv6()
}

/// The interface at an end.
pub fn interface(end: &End) -> Option<&str> {
    match end {
        End::Interface(id, _) => Some(id),
        End::External(_) => None,
    }
}

/// A packet for people.
pub fn text(packet: &Packet) -> String {
    let end = |end: &End| format!("{} {}", interface(end).unwrap_or("external"), end.address());
    format!("{} → {} {}/{}", end(&packet.source), end(&packet.destination), packet.protocol, packet.detail)
}
