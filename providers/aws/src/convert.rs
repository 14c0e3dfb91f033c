//! EC2's permissions ↔ rules. One permission holds many sources; a rule holds one.

use std::collections::BTreeMap;

use aws_sdk_ec2::types::{IpPermission, IpRange, Ipv6Range, PrefixListId, UserIdGroupPair};
use ipnet::IpNet;
use plan::state::is_icmp;
use plan::{GroupId, Peer, RuleService, RuleSpec};
use policy::service::{has_ports, protocol};

/// Every rule of a group's permissions, sorted. `account` is the owner of the group that holds them.
pub fn rules_from(permissions: &[IpPermission], account: &str) -> Vec<RuleSpec> {
    let mut rules: Vec<RuleSpec> =
        permissions.iter().flat_map(|permission| rules_of(permission, account)).collect();
    rules.sort();
    rules.dedup();
    rules
}

fn rules_of(permission: &IpPermission, account: &str) -> Vec<RuleSpec> {
    let service =
        service_from(permission.ip_protocol().unwrap_or("-1"), permission.from_port(), permission.to_port());
    let block = |text: Option<&str>| {
        text.and_then(|text| text.parse::<IpNet>().ok()).map(|block| Peer::Cidr(block.trunc()))
    };
    let v4 = permission.ip_ranges().iter().filter_map(|range| block(range.cidr_ip()));
    let v6 = permission.ipv6_ranges().iter().filter_map(|range| block(range.cidr_ipv6()));
    let lists = permission
        .prefix_list_ids()
        .iter()
        .filter_map(|list| list.prefix_list_id().map(|id| Peer::Opaque(id.to_owned())));
    let groups = permission.user_id_group_pairs().iter().filter_map(|pair| {
        let id = pair.group_id()?;
        let foreign = pair.user_id().is_some_and(|user| !account.is_empty() && user != account);
        Some(if foreign { Peer::Opaque(id.to_owned()) } else { Peer::Group(GroupId::from(id)) })
    });
    v4.chain(v6).chain(lists).chain(groups).map(|peer| RuleSpec { peer, service }).collect()
}

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
        assert_eq!(rules_from(&permissions, ""), rules);
    }
}
