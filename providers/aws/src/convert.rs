//! EC2's permissions and flat records ↔ rules. One permission holds many sources; a record and a rule hold one.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ec2::types::{
    IpPermission, IpRange, Ipv6Range, PrefixListId, SecurityGroupRule, UserIdGroupPair,
};
use ipnet::IpNet;
use plan::state::is_icmp;
use plan::{GroupId, Peer, RuleService, RuleSpec};
use policy::service::{has_ports, protocol};

/// What references are read against.
#[derive(Clone, Copy, Debug)]
pub struct Reach<'a> {
    /// The account of the group that is read; empty if it is not known.
    pub account: &'a str,
    /// The peerings that are active.
    pub peerings: &'a BTreeSet<String>,
}

/// Every rule of a group's permissions, sorted.
pub fn rules_from(permissions: &[IpPermission], reach: Reach<'_>) -> Vec<RuleSpec> {
    let mut rules: Vec<RuleSpec> =
        permissions.iter().flat_map(|permission| rules_of(permission, reach)).collect();
    rules.sort();
    rules.dedup();
    rules
}

fn rules_of(permission: &IpPermission, reach: Reach<'_>) -> Vec<RuleSpec> {
    let service =
        service_from(permission.ip_protocol().unwrap_or("-1"), permission.from_port(), permission.to_port());
    let v4 = permission.ip_ranges().iter().filter_map(|range| block_peer(range.cidr_ip()));
    let v6 = permission.ipv6_ranges().iter().filter_map(|range| block_peer(range.cidr_ipv6()));
    let lists = permission.prefix_list_ids().iter().filter_map(|list| list_peer(list.prefix_list_id()));
    let groups = permission.user_id_group_pairs().iter().filter_map(|pair| {
        let over = Over { peering: pair.vpc_peering_connection_id(), status: pair.peering_status() };
        group_peer(pair.group_id(), pair.user_id(), over, reach)
    });
    v4.chain(v6).chain(lists).chain(groups).map(|peer| RuleSpec { peer, service }).collect()
}

/// A record of `DescribeSecurityGroupRules` as a rule: one source each.
pub fn rule_from(record: &SecurityGroupRule, reach: Reach<'_>) -> Option<RuleSpec> {
    let service = service_from(record.ip_protocol().unwrap_or("-1"), record.from_port(), record.to_port());
    let group = || {
        let info = record.referenced_group_info()?;
        let over = Over { peering: info.vpc_peering_connection_id(), status: info.peering_status() };
        group_peer(info.group_id(), info.user_id(), over, reach)
    };
    let peer = block_peer(record.cidr_ipv4())
        .or_else(|| block_peer(record.cidr_ipv6()))
        .or_else(|| list_peer(record.prefix_list_id()))
        .or_else(group)?;
    Some(RuleSpec { peer, service })
}

fn block_peer(text: Option<&str>) -> Option<Peer> {
    text.and_then(|text| text.parse::<IpNet>().ok()).map(|block| Peer::Cidr(block.trunc()))
}

fn list_peer(id: Option<&str>) -> Option<Peer> {
    id.map(|id| Peer::Opaque(id.to_owned()))
}

/// The peering over which a reference was made, and what the cloud says of it.
struct Over<'a> {
    peering: Option<&'a str>,
    status: Option<&'a str>,
}

/// A referenced group. A reference that was made over a peering that is gone is stale for ever: it matches nobody, and
/// a new peering does not revive it. So it is another peer than the group itself, and one that nobody is a member of.
fn group_peer(id: Option<&str>, user: Option<&str>, over: Over<'_>, reach: Reach<'_>) -> Option<Peer> {
    let id = id?;
    if user.is_some_and(|user| !reach.account.is_empty() && user != reach.account) {
        return Some(Peer::Opaque(id.to_owned()));
    }
    let is_active = |peering: &str| {
        over.status.map_or_else(|| reach.peerings.contains(peering), |status| status == "active")
    };
    Some(match over.peering {
        Some(peering) if !is_active(peering) => Peer::Group(stale_reference(id, peering)),
        _ => Peer::Group(GroupId::from(id)),
    })
}

/// The far end of a reference that is stale.
fn stale_reference(group: &str, peering: &str) -> GroupId {
    GroupId::from(format!("{group}{STALE}{peering}"))
}

/// Whether a rule is a stale form of another one: the cloud takes the two for the same rule.
pub fn is_stale_form(stale: &RuleSpec, of: &RuleSpec) -> bool {
    let (Peer::Group(found), Peer::Group(wanted)) = (&stale.peer, &of.peer) else { return false };
    let group = found.as_str().split_once(STALE).map(|(group, _)| group);
    stale.service == of.service && group == Some(wanted.as_str())
}

/// Between the group and the peering of a reference that is stale.
const STALE: &str = " over ";

/// A protocol by number, from EC2's name or number; `None` for all.
pub fn protocol_from(text: &str) -> Option<u8> {
    match text {
        "tcp" => Some(protocol::TCP),
        "udp" => Some(protocol::UDP),
        "icmp" => Some(protocol::ICMP),
        "icmpv6" => Some(protocol::ICMPV6),
        number => number.parse().ok(),
    }
}

/// EC2's protocol, from and to port (ICMP: type and code, −1 for all) as a service.
pub fn service_from(text: &str, from: Option<i32>, to: Option<i32>) -> RuleService {
    let Some(number) = protocol_from(text) else { return RuleService::All };
    let (from, to) = (from.unwrap_or(-1), to.unwrap_or(-1));
    if is_icmp(number) {
        return match (u8::try_from(from), u8::try_from(to)) {
            (Err(_), _) => RuleService::Protocol(number),
            (Ok(kind), code) => RuleService::Icmp { protocol: number, kind, code: code.ok() },
        };
    }
    match (u16::try_from(from), u16::try_from(to)) {
        (Ok(first), Ok(last)) if has_ports(number) => RuleService::ports(number, first, last),
        _ => RuleService::Protocol(number),
    }
}

/// A service as EC2 says it: protocol, from, to.
pub fn service_to(service: RuleService) -> (String, Option<i32>, Option<i32>) {
    let name = |number: u8| match number {
        protocol::TCP => "tcp".to_owned(),
        protocol::UDP => "udp".to_owned(),
        protocol::ICMP => "icmp".to_owned(),
        protocol::ICMPV6 => "icmpv6".to_owned(),
        other => other.to_string(),
    };
    match service {
        RuleService::All => ("-1".to_owned(), None, None),
        RuleService::Protocol(number) if has_ports(number) => {
            (name(number), Some(0), Some(i32::from(u16::MAX)))
        }
        RuleService::Protocol(number) if is_icmp(number) => (name(number), Some(-1), Some(-1)),
        // EC2 and its emulators differ on whether other protocols need ports; −1 is accepted by all.
        RuleService::Protocol(number) => (name(number), Some(-1), Some(-1)),
        RuleService::Ports { protocol, first, last } => {
            (name(protocol), Some(i32::from(first)), Some(i32::from(last)))
        }
        RuleService::Icmp { protocol, kind, code } => {
            (name(protocol), Some(i32::from(kind)), Some(code.map_or(-1, i32::from)))
        }
    }
}

/// How a group of another network is referred to.
#[derive(Clone, Debug, Default)]
pub struct Reference {
    /// The peering over which it is reached; `None` inside the network.
    pub peering: Option<String>,
    /// Its network.
    pub vpc: Option<String>,
}

/// Rules as the fewest permissions: one for each service.
pub fn permissions_to(rules: &[RuleSpec], reference: impl Fn(&GroupId) -> Reference) -> Vec<IpPermission> {
    const DESCRIPTION: &str = "managed by bulkhead";
    let mut by_service: BTreeMap<RuleService, Vec<&Peer>> = BTreeMap::new();
    for rule in rules {
        by_service.entry(rule.service).or_default().push(&rule.peer);
    }
    let permission = |(service, peers): (RuleService, Vec<&Peer>)| {
        let (protocol, from, to) = service_to(service);
        let mut built = IpPermission::builder().ip_protocol(protocol).set_from_port(from).set_to_port(to);
        for peer in peers {
            built = match peer {
                Peer::Cidr(IpNet::V4(block)) => built.ip_ranges(
                    IpRange::builder().cidr_ip(block.to_string()).description(DESCRIPTION).build(),
                ),
                Peer::Cidr(IpNet::V6(block)) => built.ipv6_ranges(
                    Ipv6Range::builder().cidr_ipv6(block.to_string()).description(DESCRIPTION).build(),
                ),
                Peer::Opaque(id) => built.prefix_list_ids(PrefixListId::builder().prefix_list_id(id).build()),
                Peer::Group(id) => {
                    let Reference { peering, vpc } = reference(id);
                    let pair = UserIdGroupPair::builder().group_id(id.as_str()).description(DESCRIPTION);
                    built.user_id_group_pairs(
                        pair.set_vpc_peering_connection_id(peering).set_vpc_id(vpc).build(),
                    )
                }
            };
        }
        built.build()
    };
    by_service.into_iter().map(permission).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_survive_the_round_trip() {
        let services = [
            RuleService::All,
            RuleService::Protocol(6),
            RuleService::Protocol(1),
            RuleService::Protocol(58),
            RuleService::Protocol(50),
            RuleService::Ports { protocol: 17, first: 53, last: 53 },
            RuleService::Icmp { protocol: 1, kind: 3, code: Some(4) },
            RuleService::Icmp { protocol: 58, kind: 2, code: None },
        ];
        for service in services {
            let (name, from, to) = service_to(service);
            assert_eq!(service_from(&name, from, to), service);
        }
        assert_eq!(
            service_from("58", Some(2), Some(-1)),
            RuleService::Icmp { protocol: 58, kind: 2, code: None }
        );
        assert_eq!(service_from("-1", Some(-1), Some(-1)), RuleService::All);
    }

    #[test]
    fn rules_survive_the_round_trip() {
        let rule = |peer: Peer, service| RuleSpec { peer, service };
        let tcp = RuleService::Ports { protocol: 6, first: 443, last: 443 };
        let mut rules = vec![
            rule(Peer::Group("sg-1".into()), tcp),
            rule(Peer::Cidr(IpNet::V4(ipnet::Ipv4Net::default())), tcp),
            rule(Peer::Cidr(IpNet::V6(ipnet::Ipv6Net::default())), RuleService::All),
        ];
        rules.sort();
        let permissions = permissions_to(&rules, |_| Reference::default());
        assert_eq!(permissions.len(), 2, "one permission for each service");
        assert_eq!(rules_from(&permissions, Reach { account: "", peerings: &BTreeSet::new() }), rules);
    }

    #[test]
    fn a_reference_over_a_peering_that_is_gone_is_another_peer() {
        let reach = Reach { account: "1", peerings: &BTreeSet::from(["pcx-2".to_owned()]) };
        let check = |peering: Option<&str>, status: Option<&str>, expected: &str| {
            let pair = UserIdGroupPair::builder().group_id("sg-1").user_id("1");
            let pair = pair
                .set_vpc_peering_connection_id(peering.map(str::to_owned))
                .set_peering_status(status.map(str::to_owned));
            let permission =
                IpPermission::builder().ip_protocol("-1").user_id_group_pairs(pair.build()).build();
            let found = rules_from(&[permission], reach);
            assert_eq!(found[0].peer, Peer::Group(expected.into()), "{peering:?} {status:?}");
        };
        check(None, None, "sg-1");
        check(Some("pcx-2"), Some("active"), "sg-1");
        check(Some("pcx-2"), None, "sg-1");
        check(Some("pcx-1"), None, "sg-1 over pcx-1");
        check(Some("pcx-1"), Some("deleted"), "sg-1 over pcx-1");
        let rule = |peer: &str| RuleSpec { peer: Peer::Group(peer.into()), service: RuleService::All };
        assert!(is_stale_form(&rule("sg-1 over pcx-1"), &rule("sg-1")));
        assert!(!is_stale_form(&rule("sg-1 over pcx-1"), &rule("sg-2")));
        assert!(!is_stale_form(&rule("sg-1"), &rule("sg-1")));
    }
}
