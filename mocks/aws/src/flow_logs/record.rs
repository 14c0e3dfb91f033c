//! What an interface records: packets of one direction of one five-tuple, summed up over an interval.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use mock_cloud::Passage;
use mock_cloud::traffic::{Conversation, Count, Ending, Fate, Share, Side, Sight};

use crate::state::Interface;
use crate::world::World;

/// What is summed up into one record.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Key {
    /// The interface.
    pub interface: String,
    /// Whether it leaves the interface.
    pub is_egress: bool,
    /// Whether it passes.
    pub accepted: bool,
    /// The addresses of the packets.
    pub packet: (IpAddr, IpAddr),
    /// The same, but at the interface's own end its primary IPv4 address.
    pub shown: (IpAddr, IpAddr),
    /// Ports; 0 for protocols without.
    pub ports: (u16, u16),
    /// IANA number.
    pub protocol: u8,
}

/// One record.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record {
    /// Packets and bytes.
    pub count: Count,
    /// When the first packet was seen, in milliseconds since 1970.
    pub first_ms: u64,
    /// When the last one was.
    pub last_ms: u64,
    /// TCP flags, all of them together; ACK only counts beside SYN.
    pub flags: u8,
}

const FIN: u8 = 1;
const SYN: u8 = 2;
const RST: u8 = 4;
const ACK: u8 = 16;

/// Adds what some interfaces of this cloud see of a passage to the intervals.
pub(super) fn note(
    world: &World,
    passage: &Passage,
    length_ms: u64,
    of: &BTreeSet<String>,
    windows: &mut BTreeMap<u64, BTreeMap<Key, Record>>,
) {
    for side in [Side::Source, Side::Destination] {
        let Some(id) = passage.interface(side).filter(|id| of.contains(*id)) else { continue };
        let Some(interface) = world.state.interfaces.get(id) else { continue };
        if is_unlogged(world, interface, &passage.conversation, side) {
            continue;
        }
        for sight in passage.sights(side) {
            let key = key(id, interface, &passage.conversation, side, &sight);
            for begin in sight.burst.windows(length_ms) {
                let Some(share) = sight.burst.between(begin, begin + length_ms) else { continue };
                let flags = flags(passage, &sight, &share);
                let held = windows.entry(begin).or_default().entry(key.clone()).or_insert(Record {
                    count: Count::default(),
                    first_ms: share.first_ms,
                    last_ms: share.last_ms,
                    flags: 0,
                });
                held.count += share.count;
                held.first_ms = held.first_ms.min(share.first_ms);
                held.last_ms = held.last_ms.max(share.last_ms);
                held.flags |= flags;
            }
        }
    }
}

fn key(id: &str, interface: &Interface, of: &Conversation, side: Side, sight: &Sight) -> Key {
    let (from, to) = of.addresses(side);
    let (source, destination) = of.ports().unwrap_or((0, 0));
    let (packet, ports) = if sight.is_answer {
        ((to, from), (destination, source))
    } else {
        ((from, to), (source, destination))
    };
    let primary = |own: IpAddr| {
        let first = interface.addresses.iter().find(|address| address.is_ipv4());
        first.copied().filter(|_| own.is_ipv4()).unwrap_or(own)
    };
    let shown = if sight.is_egress { (primary(packet.0), packet.1) } else { (packet.0, primary(packet.1)) };
    Key {
        interface: id.to_owned(),
        is_egress: sight.is_egress,
        accepted: sight.accepted,
        packet,
        shown,
        ports,
        protocol: of.protocol,
    }
}

fn flags(passage: &Passage, sight: &Sight, share: &Share) -> u8 {
    if passage.conversation.protocol != 6 {
        return 0;
    }
    let opens = if sight.is_answer { SYN | ACK } else { SYN };
    // Attempts are opening packets, all of them.
    if passage.fate != Fate::Delivered {
        return opens;
    }
    let closes = match passage.conversation.ending {
        Ending::Finished => FIN,
        Ending::Reset if !sight.is_answer => RST,
        Ending::Reset | Ending::Silent => 0,
    };
    (if share.has_first { opens } else { 0 }) | (if share.has_last { closes } else { 0 })
}

/// Traffic to and from the platform is in no flow log: its resolver, metadata, time, DHCP, the router of the subnet.
fn is_unlogged(world: &World, interface: &Interface, of: &Conversation, side: Side) -> bool {
    /// Resolver, time, metadata.
    const LINK_LOCAL: [Ipv4Addr; 3] = [
        Ipv4Addr::new(169, 254, 169, 253),
        Ipv4Addr::new(169, 254, 169, 123),
        Ipv4Addr::new(169, 254, 169, 254),
    ];
    const PLATFORM_V6: [Ipv6Addr; 3] = [
        Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x253),
        Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x123),
        Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
    ];
    let (from, to) = of.addresses(side);
    let peer = if side == Side::Source { to } else { from };
    let (_, port) = of.ports().unwrap_or((0, 0));
    let dhcp = of.protocol == 17 && matches!(port, 67 | 68 | 546 | 547);
    let platform = match peer {
        IpAddr::V4(v4) => LINK_LOCAL.contains(&v4),
        IpAddr::V6(v6) => PLATFORM_V6.contains(&v6),
    };
    // Of every block of the VPC the address after the router's is the resolver's.
    let blocks = world.state.vpcs.get(&interface.vpc).map(|vpc| vpc.cidrs.as_slice()).unwrap_or_default();
    let resolver = port == 53 && blocks.iter().any(|block| nth(block, 2) == Some(peer));
    let subnet = world.state.subnets.get(&interface.subnet);
    let router = subnet.is_some_and(|subnet| nth(&subnet.cidr, 1) == Some(peer));
    dhcp || platform || resolver || router
}

fn nth(block: &IpNet, number: u32) -> Option<IpAddr> {
    match block.network() {
        IpAddr::V4(base) => Some(IpAddr::V4(Ipv4Addr::from(u32::from(base).checked_add(number)?))),
        IpAddr::V6(_) => None,
    }
}
