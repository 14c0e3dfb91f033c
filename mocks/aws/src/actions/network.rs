//! VPCs, subnets, interfaces, instances, peerings: what an estate is seeded with, and membership writes.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use super::describe::{instance_xml, interface_xml, not_found};
use super::{Answer, Call};
use crate::state::{Acl, AclEntry, Ec2Error, Group, Instance, Interface, Peering, Subnet, Tags, Vpc, refuse};
use crate::world::Fact;
use crate::xml::{items, node, tag_set, text};

pub(crate) fn create_vpc(call: &mut Call<'_>) -> Answer {
    let block = block(call.params.text("CidrBlock"))?;
    let id = call.state.new_id("vpc");
    let mut cidrs = vec![block];
    if call.params.flag("AmazonProvidedIpv6CidrBlock") {
        cidrs.extend(next_ipv6(call.state.vpcs.len()));
    }
    let tags = call.params.tags_for("vpc");
    add_vpc(call, &id, Vpc { cidrs, is_default: false, tags: tags.clone() });
    Ok(node(
        "vpc",
        text("vpcId", &id) + &text("cidrBlock", block) + &text("state", "available") + &tag_set(&tags),
    ))
}

/// A VPC with its default group and its default, open, ACL.
pub(crate) fn add_vpc(call: &mut Call<'_>, id: &str, vpc: Vpc) {
    call.state.vpcs.insert(id.to_owned(), vpc);
    let group = call.state.new_id("sg");
    let default = Group {
        vpc: id.to_owned(),
        name: "default".to_owned(),
        description: "default VPC security group".to_owned(),
        tags: Tags::new(),
        rules: Default::default(),
    };
    call.state.groups.insert(group, default);
    let acl_id = call.state.new_id("acl");
    let mut acl = Acl { vpc: id.to_owned(), is_default: true, ..Acl::default() };
    for egress in [false, true] {
        for (number, block) in [(100, "0.0.0.0/0"), (101, "::/0")] {
            if let Ok(block) = block.parse() {
                acl.entries.insert(
                    (egress, number),
                    AclEntry { protocol: "-1".to_owned(), allow: true, block, ports: None },
                );
            }
        }
    }
    call.state.acls.insert(acl_id, acl);
}

fn next_ipv6(number: usize) -> Option<IpNet> {
    format!("2600:1f18:{:x}:{:x}00::/56", number / 256 + 1, number % 256).parse().ok()
}

fn block(text: &str) -> Result<IpNet, Ec2Error> {
    text.parse::<IpNet>().map_err(|_| {
        refuse("InvalidParameterValue", format!("Value ({text}) for parameter cidrBlock is invalid."))
    })
}

pub(crate) fn associate_cidr(call: &mut Call<'_>) -> Answer {
    let number = call.state.vpcs.len();
    let id = call.params.text("VpcId").to_owned();
    let added = if call.params.flag("AmazonProvidedIpv6CidrBlock") {
        next_ipv6(number + 100)
    } else {
        call.params.get("CidrBlock").or(call.params.get("Ipv6CidrBlock")).and_then(|text| text.parse().ok())
    };
    let vpc = call.state.vpcs.get_mut(&id).ok_or_else(|| not_found("InvalidVpcID", &id))?;
    vpc.cidrs.extend(added);
    Ok(text("vpcId", &id))
}

pub(crate) fn create_subnet(call: &mut Call<'_>) -> Answer {
    let vpc = call.params.text("VpcId").to_owned();
    if !call.state.vpcs.contains_key(&vpc) {
        return Err(not_found("InvalidVpcID", &vpc));
    }
    let cidr = block(call.params.text("CidrBlock"))?;
    let ipv6 = call.params.get("Ipv6CidrBlock").and_then(|text| text.parse().ok());
    let id = call.state.new_id("subnet");
    let tags = call.params.tags_for("subnet");
    call.state
        .subnets
        .insert(id.clone(), Subnet { vpc: vpc.clone(), cidr, ipv6, tags: tags.clone(), next_host: 4 });
    if let Some(acl) = call.state.acls.values_mut().find(|acl| acl.vpc == vpc && acl.is_default) {
        acl.subnets.insert(id.clone());
    }
    Ok(node(
        "subnet",
        text("subnetId", &id)
            + &text("vpcId", &vpc)
            + &text("cidrBlock", cidr)
            + &text("state", "available")
            + &tag_set(&tags),
    ))
}

/// The next free addresses of a subnet.
fn next_addresses(subnet: &mut Subnet, want_ipv6: bool) -> Vec<IpAddr> {
    let host = subnet.next_host;
    subnet.next_host += 1;
    let mut addresses = Vec::new();
    if let IpNet::V4(block) = subnet.cidr {
        addresses.push(IpAddr::V4(Ipv4Addr::from_bits(block.network().to_bits() + host)));
    }
    if let (true, Some(IpNet::V6(block))) = (want_ipv6, subnet.ipv6) {
        addresses.push(IpAddr::V6(Ipv6Addr::from_bits(block.network().to_bits() + u128::from(host))));
    }
    addresses
}

pub(crate) fn create_interface(call: &mut Call<'_>) -> Answer {
    let groups = call.params.list("SecurityGroupId");
    let id = new_interface(call, "", &groups, None)?;
    let tags = call.params.tags_for("network-interface");
    if let Some(interface) = call.state.interfaces.get_mut(&id) {
        interface.tags = tags;
        interface.description = call.params.text("Description").to_owned();
    }
    Ok(node("networkInterface", interface_xml(call.account, call.state, &id, &call.state.interfaces[&id])))
}

/// Makes an interface from `PREFIXSubnetId` and friends.
fn new_interface(
    call: &mut Call<'_>,
    prefix: &str,
    groups: &[String],
    instance: Option<&str>,
) -> Result<String, Ec2Error> {
    let params = call.params;
    let at = |name: &str| format!("{prefix}{name}");
    let subnet_id = params.text(&at("SubnetId")).to_owned();
    let subnet =
        call.state.subnets.get_mut(&subnet_id).ok_or_else(|| not_found("InvalidSubnetID", &subnet_id))?;
    let vpc = subnet.vpc.clone();
    let want_ipv6 = params.number(&at("Ipv6AddressCount")).unwrap_or(0) > 0
        || !params.members(&at("Ipv6Addresses")).is_empty();
    let mut addresses = next_addresses(subnet, want_ipv6);
    if let Some(chosen) = params.get(&at("PrivateIpAddress")).and_then(|text| text.parse().ok()) {
        addresses[0] = chosen;
    }
    let listed = params.members(&at("PrivateIpAddresses")).into_iter().filter_map(|entry| {
        params.get(&format!("{entry}.PrivateIpAddress")).and_then(|text| text.parse().ok())
    });
    let listed: Vec<IpAddr> = listed.collect();
    if !listed.is_empty() {
        addresses.retain(IpAddr::is_ipv6);
        addresses = listed.into_iter().chain(addresses).collect();
    }
    let groups = checked_groups(call, &vpc, groups)?;
    let id = call.state.new_id("eni");
    let interface = Interface {
        vpc,
        subnet: subnet_id,
        addresses,
        kind: "interface".to_owned(),
        instance: instance.map(str::to_owned),
        ..Interface::default()
    };
    call.state.interfaces.insert(id.clone(), interface);
    set_groups(call, &id, groups);
    Ok(id)
}

/// The groups for an interface of a VPC; the default group if none is named.
fn checked_groups(call: &Call<'_>, vpc: &str, groups: &[String]) -> Result<BTreeSet<String>, Ec2Error> {
    for id in groups {
        let group = call.state.groups.get(id).ok_or_else(|| {
            refuse("InvalidGroup.NotFound", format!("The security group '{id}' does not exist"))
        })?;
        if group.vpc != vpc {
            return Err(refuse(
                "InvalidParameter",
                format!("Security group {id} and the interface belong to different networks."),
            ));
        }
    }
    let mut chosen: BTreeSet<String> = groups.iter().cloned().collect();
    if chosen.is_empty() {
        chosen.extend(
            call.state
                .groups
                .iter()
                .find(|(_, group)| group.vpc == vpc && group.name == "default")
                .map(|(id, _)| id.clone()),
        );
    }
    if chosen.len() > call.limits.groups_per_interface {
        return Err(refuse(
            "SecurityGroupsPerInterfaceLimitExceeded",
            format!(
                "The maximum number of security groups per interface has been reached: {}",
                call.limits.groups_per_interface
            ),
        ));
    }
    Ok(chosen)
}

/// Replaces the groups of an interface; the data plane hears of the difference.
pub(crate) fn set_groups(call: &mut Call<'_>, id: &str, groups: BTreeSet<String>) {
    let Some(interface) = call.state.interfaces.get_mut(id) else { return };
    let old = std::mem::replace(&mut interface.groups, groups.clone());
    call.facts
        .extend(old.difference(&groups).map(|group| (Fact::Member(id.to_owned(), group.clone()), false)));
    call.facts
        .extend(groups.difference(&old).map(|group| (Fact::Member(id.to_owned(), group.clone()), true)));
}

pub(crate) fn modify_interface(call: &mut Call<'_>) -> Answer {
    let id = call.params.text("NetworkInterfaceId").to_owned();
    let interface =
        call.state.interfaces.get(&id).ok_or_else(|| not_found("InvalidNetworkInterfaceID", &id))?;
    let groups = call.params.list("SecurityGroupId");
    if groups.is_empty() {
        return Err(refuse("InvalidParameterValue", "You must specify at least one security group"));
    }
    if interface.requester.is_some() || interface.kind != "interface" {
        return Err(refuse(
            "OperationNotPermitted",
            format!(
                "You do not have permission to modify the groups of the interface '{id}', which a service manages"
            ),
        ));
    }
    let groups = checked_groups(call, &interface.vpc.clone(), &groups)?;
    set_groups(call, &id, groups);
    Ok(text("return", true))
}

pub(crate) fn delete_interface(call: &mut Call<'_>) -> Answer {
    let id = call.params.text("NetworkInterfaceId").to_owned();
    if !call.state.interfaces.contains_key(&id) {
        return Err(not_found("InvalidNetworkInterfaceID", &id));
    }
    set_groups(call, &id, BTreeSet::new());
    call.state.interfaces.remove(&id);
    Ok(text("return", true))
}

pub(crate) fn run_instances(call: &mut Call<'_>) -> Answer {
    let id = call.state.new_id("i");
    let params = call.params;
    let specs = params.members("NetworkInterface");
    let plain = specs.is_empty();
    let prefixes =
        if plain { vec![String::new()] } else { specs.iter().map(|spec| format!("{spec}.")).collect() };
    let mut vpc = String::new();
    for prefix in prefixes {
        let attached = params.get(&format!("{prefix}NetworkInterfaceId")).map(str::to_owned);
        let interface = match attached {
            Some(existing) => {
                let found = call
                    .state
                    .interfaces
                    .get_mut(&existing)
                    .ok_or_else(|| not_found("InvalidNetworkInterfaceID", &existing))?;
                found.instance = Some(id.clone());
                existing
            }
            None => {
                let groups = params.list(&format!("{prefix}SecurityGroupId"));
                new_interface(call, &prefix, &groups, Some(&id))?
            }
        };
        vpc.clone_from(&call.state.interfaces[&interface].vpc);
    }
    let instance = Instance { vpc, tags: params.tags_for("instance"), terminated: false };
    call.state.instances.insert(id.clone(), instance);
    let body = instance_xml(call.account, call.state, &id, &call.state.instances[&id]);
    Ok(text("reservationId", id.replacen("i-", "r-", 1))
        + &text("ownerId", call.account)
        + &items("instancesSet", [body]))
}

pub(crate) fn terminate_instances(call: &mut Call<'_>) -> Answer {
    for id in call.params.list("InstanceId") {
        let instance =
            call.state.instances.get_mut(&id).ok_or_else(|| not_found("InvalidInstanceID", &id))?;
        instance.terminated = true;
        let own: Vec<String> = call
            .state
            .interfaces
            .iter()
            .filter(|(_, i)| i.instance.as_deref() == Some(&id))
            .map(|(id, _)| id.clone())
            .collect();
        for interface in own {
            set_groups(call, &interface, BTreeSet::new());
            call.state.interfaces.remove(&interface);
        }
    }
    Ok(items("instancesSet", []))
}

pub(crate) fn create_peering(call: &mut Call<'_>) -> Answer {
    let (requester, accepter) =
        (call.params.text("VpcId").to_owned(), call.params.text("PeerVpcId").to_owned());
    for vpc in [&requester, &accepter] {
        if !call.state.vpcs.contains_key(vpc) {
            return Err(not_found("InvalidVpcID", vpc));
        }
    }
    let id = call.state.new_id("pcx");
    call.state
        .peerings
        .insert(id.clone(), Peering { requester, accepter, status: "pending-acceptance".to_owned() });
    Ok(node(
        "vpcPeeringConnection",
        text("vpcPeeringConnectionId", &id) + &node("status", text("code", "pending-acceptance")),
    ))
}

pub(crate) fn accept_peering(call: &mut Call<'_>) -> Answer {
    let id = call.params.text("VpcPeeringConnectionId").to_owned();
    let peering =
        call.state.peerings.get_mut(&id).ok_or_else(|| not_found("InvalidVpcPeeringConnectionID", &id))?;
    peering.status = "active".to_owned();
    Ok(node(
        "vpcPeeringConnection",
        text("vpcPeeringConnectionId", &id) + &node("status", text("code", "active")),
    ))
}

pub(crate) fn delete_peering(call: &mut Call<'_>) -> Answer {
    let id = call.params.text("VpcPeeringConnectionId").to_owned();
    let peering =
        call.state.peerings.get_mut(&id).ok_or_else(|| not_found("InvalidVpcPeeringConnectionID", &id))?;
    peering.status = "deleted".to_owned();
    Ok(text("return", true))
}

pub(crate) fn create_acl_entry(call: &mut Call<'_>) -> Answer {
    let params = call.params;
    let id = params.text("NetworkAclId");
    let entry = AclEntry {
        protocol: params.text("Protocol").to_owned(),
        allow: params.text("RuleAction") == "allow",
        block: block(params.get("CidrBlock").or(params.get("Ipv6CidrBlock")).unwrap_or_default())?,
        ports: params
            .number("PortRange.From")
            .zip(params.number("PortRange.To"))
            .map(|(from, to)| (from as u16, to as u16)),
    };
    let number = params.number("RuleNumber").unwrap_or_default() as u32;
    let acl = call.state.acls.get_mut(id).ok_or_else(|| not_found("InvalidNetworkAclID", id))?;
    acl.entries.insert((params.flag("Egress"), number), entry);
    Ok(text("return", true))
}

pub(crate) fn delete_acl_entry(call: &mut Call<'_>) -> Answer {
    let id = call.params.text("NetworkAclId");
    let number = call.params.number("RuleNumber").unwrap_or_default() as u32;
    let acl = call.state.acls.get_mut(id).ok_or_else(|| not_found("InvalidNetworkAclID", id))?;
    acl.entries.remove(&(call.params.flag("Egress"), number));
    Ok(text("return", true))
}
