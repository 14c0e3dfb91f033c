//! Rules of the plan and grants of a pond, there and back.

use ipnet::IpNet;
use plan::{Direction, GroupId, Peer, RuleService, RuleSpec};
use policy::service::{has_ports, protocol};

use super::Flaw;
use super::cloud::{Far, Grant};

/// A rule as a grant.
pub fn to_grant(direction: Direction, rule: &RuleSpec, flaw: Flaw) -> Grant {
    let (protocol, first, last) = match rule.service {
        RuleService::All => (None, 0, u16::MAX),
        RuleService::Protocol(number) => (Some(number), 0, u16::MAX),
        RuleService::Ports { protocol, first, last } => (Some(protocol), first, last),
        RuleService::Icmp { protocol, kind, code } => {
            let base = u16::from(kind) << 8;
            let (low, high) = code.map_or((0, 0xff), |code| (code, code));
            (Some(protocol), base | u16::from(low), base | u16::from(high))
        }
    };
    let far = match &rule.peer {
        Peer::Group(id) => Far::Team(id.to_string()),
        Peer::Cidr(block) => Far::Block(narrowed(*block, flaw)),
        Peer::Opaque(id) => unreachable!("a pond has nothing that is not read: {id}"),
    };
    let inbound = direction == Direction::Ingress;
    Grant { inbound, far, protocol: protocol.map(|number| swapped(number, flaw)), first, last }
}

/// A grant as a rule.
pub fn from_grant(grant: &Grant, flaw: Flaw) -> RuleSpec {
    let whole = (grant.first, grant.last) == (0, u16::MAX);
    let service = match grant.protocol.map(|number| swapped(number, flaw)) {
        None => RuleService::All,
        Some(number) if whole => RuleService::Protocol(number),
        Some(number) if has_ports(number) => RuleService::ports(number, grant.first, grant.last),
        Some(number) => {
            let kind = (grant.first >> 8) as u8;
            let code = (grant.first == grant.last).then_some(grant.first as u8);
            RuleService::Icmp { protocol: number, kind, code }
        }
    };
    let peer = match &grant.far {
        Far::Team(id) => Peer::Group(GroupId::from(id.as_str())),
        Far::Block(block) => Peer::Cidr(widened(*block, flaw)),
    };
    RuleSpec { peer, service }
}

fn swapped(number: u8, flaw: Flaw) -> u8 {
    match number {
        protocol::TCP if flaw == Flaw::SwapsTcpAndUdp => protocol::UDP,
        protocol::UDP if flaw == Flaw::SwapsTcpAndUdp => protocol::TCP,
        other => other,
    }
}

fn narrowed(block: IpNet, flaw: Flaw) -> IpNet {
    let is_narrowed = flaw == Flaw::NarrowsIpv6 && block.prefix_len() == 48 && block.addr().is_ipv6();
    if is_narrowed { IpNet::from(block.addr()) } else { block }
}

fn widened(block: IpNet, flaw: Flaw) -> IpNet {
    let blocks = IpNet::new(block.addr(), 48).map(|wide| wide.trunc());
    let is_widened = flaw == Flaw::NarrowsIpv6 && block.prefix_len() == 128;
    blocks.ok().filter(|wide| is_widened && wide.addr() == block.addr()).unwrap_or(block)
}
