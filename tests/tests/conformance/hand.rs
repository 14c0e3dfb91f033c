//! What people do by hand, and how quotas are used up.

use ipnet::IpNet;
use mock_aws::World;
use mock_aws::state::Source;
use plan::{GroupId, Peer, RuleService, RuleSpec};
use policy::InterfaceId;
use provider::conformance::{Meddling, Unsupported};

use crate::seed::{call, group};

/// What AWS lets a region have, as the driver takes it.
const GROUPS_MAX: usize = 2_500;

pub fn meddle(world: &mut World, meddling: &Meddling) -> Result<(), Unsupported> {
    match meddling {
        Meddling::AddRule { group, rule } => change(world, "AuthorizeSecurityGroupIngress", group, rule),
        Meddling::RemoveRule { group, rule } => change(world, "RevokeSecurityGroupIngress", group, rule),
        Meddling::TakeOut { interface, group } => take_out(world, interface, group.as_str()),
        Meddling::Delete { group } => delete(world, group.as_str()),
    }
    Ok(())
}

fn change(world: &mut World, action: &str, group: &GroupId, rule: &RuleSpec) {
    let (protocol, from, to) = words(rule.service);
    let (key, peer) = match &rule.peer {
        Peer::Cidr(IpNet::V4(block)) => ("IpPermissions.1.IpRanges.1.CidrIp", block.to_string()),
        Peer::Cidr(IpNet::V6(block)) => ("IpPermissions.1.Ipv6Ranges.1.CidrIpv6", block.to_string()),
        Peer::Group(id) => ("IpPermissions.1.Groups.1.GroupId", id.to_string()),
        Peer::Opaque(id) => ("IpPermissions.1.PrefixListIds.1.PrefixListId", id.clone()),
    };
    let params = [
        ("GroupId", group.as_str()),
        ("IpPermissions.1.IpProtocol", protocol.as_str()),
        ("IpPermissions.1.FromPort", from.as_str()),
        ("IpPermissions.1.ToPort", to.as_str()),
        (key, peer.as_str()),
    ];
    call(world, action, &params);
}

/// Protocol, first and last port, or ICMP type and code.
fn words(service: RuleService) -> (String, String, String) {
    let word = |protocol: u8| match protocol {
        1 => "icmp".to_owned(),
        6 => "tcp".to_owned(),
        17 => "udp".to_owned(),
        58 => "icmpv6".to_owned(),
        other => other.to_string(),
    };
    let (protocol, from, to) = match service {
        RuleService::All => ("-1".to_owned(), -1, -1),
        RuleService::Protocol(protocol @ (6 | 17)) => (word(protocol), 0, 65_535),
        RuleService::Protocol(protocol) => (word(protocol), -1, -1),
        RuleService::Ports { protocol, first, last } => (word(protocol), i64::from(first), i64::from(last)),
        RuleService::Icmp { protocol, kind, code } => {
            (word(protocol), i64::from(kind), code.map_or(-1, i64::from))
        }
    };
    (protocol, from.to_string(), to.to_string())
}

fn take_out(world: &mut World, interface: &InterfaceId, group: &str) {
    let held = &world.state.interfaces[interface.as_str()].groups;
    let left: Vec<String> = held.iter().filter(|id| *id != group).cloned().collect();
    let keys: Vec<String> = (1..=left.len()).map(|number| format!("SecurityGroupId.{number}")).collect();
    let mut params = vec![("NetworkInterfaceId", interface.as_str())];
    params.extend(keys.iter().map(String::as_str).zip(left.iter().map(String::as_str)));
    call(world, "ModifyNetworkInterfaceAttribute", &params);
}

/// Deletes a group, after its members are out and no rule names it.
fn delete(world: &mut World, group: &str) {
    let members: Vec<String> = world
        .state
        .interfaces
        .iter()
        .filter(|(_, interface)| interface.groups.contains(group))
        .map(|(id, _)| id.clone())
        .collect();
    for member in members {
        take_out(world, &InterfaceId::from(member), group);
    }
    let named = Source::Group(group.to_owned());
    let naming: Vec<(String, String, bool)> = world
        .state
        .groups
        .iter()
        .flat_map(|(id, held)| {
            let rules = held.rules.iter().filter(|(_, rule)| rule.key.source == named);
            rules.map(|(rule, held)| (id.clone(), rule.clone(), held.key.egress))
        })
        .collect();
    for (id, rule, egress) in naming {
        let side = if egress { "Egress" } else { "Ingress" };
        let params = [("GroupId", id.as_str()), ("SecurityGroupRuleId.1", rule.as_str())];
        call(world, &format!("RevokeSecurityGroup{side}"), &params);
    }
    call(world, "DeleteSecurityGroup", &[("GroupId", group)]);
}

pub fn relabel(world: &mut World, workload: &str, key: &str, value: &str) {
    let mut interfaces = world.state.interfaces.iter();
    let named = |tags: &mock_aws::state::Tags| tags.get("Name").is_some_and(|name| name == workload);
    let (id, _) = interfaces.find(|(_, interface)| named(&interface.tags)).unwrap();
    let id = id.clone();
    call(world, "CreateTags", &[("ResourceId.1", &id), ("Tag.1.Key", key), ("Tag.1.Value", value)]);
}

/// Makes groups of somebody else until no more go; how many there may be.
pub fn use_up_groups(world: &mut World) -> u32 {
    let vpc = world.state.vpcs.keys().next().unwrap().clone();
    world.settings.limits.groups_per_region = GROUPS_MAX;
    for spare in world.state.groups.len()..GROUPS_MAX {
        group(world, &vpc, &format!("spare-{spare}"));
    }
    GROUPS_MAX as u32
}
