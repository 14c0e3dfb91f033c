//! VPCs, subnets, interfaces, instances, peerings: what an estate is seeded with, and membership writes.

use std::collections::BTreeSet;

use ipnet::IpNet;

use super::addresses::{Wish, parsed, release, take};
use super::describe::{interface_xml, new_instances_xml, not_found, state_of, subnet_xml, vpc_xml};
use super::groups::default_rules;
use super::{Answer, Call};
use crate::params::Params;
use crate::state::{
    Acl, AclEntry, Ec2Error, Group, Instance, Interface, Peering, State, Subnet, Tags, Vpc, refuse,
};
use crate::world::Fact;
use crate::xml::{items, node, text};

pub(crate) fn create_vpc(call: &mut Call<'_>) -> Answer {
    let block = block(call.params.text("CidrBlock"))?;
    if !matches!(block, IpNet::V4(_)) || !(16..=28).contains(&block.prefix_len()) {
        return Err(refuse("InvalidVpc.Range", format!("The CIDR '{block}' is invalid.")));
    }
    let id = call.state.new_id("vpc");
    let mut cidrs = vec![block];
    if call.params.flag("AmazonProvidedIpv6CidrBlock") {
        cidrs.extend(next_ipv6(call.state));
    }
    let vpc = Vpc { cidrs, is_default: false, tags: call.params.tags_for("vpc") };
    let body = vpc_xml(call.account, &id, &vpc);
    add_vpc(call, &id, vpc);
    Ok(node("vpc", body))
}

/// A VPC with its default group and its default, open, ACL.
pub(crate) fn add_vpc(call: &mut Call<'_>, id: &str, vpc: Vpc) {
    let has_ipv6 = vpc.cidrs.iter().any(|block| matches!(block, IpNet::V6(_)));
    call.state.vpcs.insert(id.to_owned(), vpc);
    let group = call.state.new_id("sg");
    let default = Group {
        vpc: id.to_owned(),
        name: "default".to_owned(),
        description: "default VPC security group".to_owned(),
        tags: Tags::new(),
        rules: Default::default(),
    };
    call.state.groups.insert(group.clone(), default);
    default_rules(call, &group, true, has_ipv6);
    let acl_id = call.state.new_id("acl");
    let mut acl = Acl { vpc: id.to_owned(), is_default: true, ..Acl::default() };
    for egress in [false, true] {
        for (number, block) in [(100, "0.0.0.0/0"), (101, "::/0")] {
            if let Ok(block) = block.parse() {
                acl.entries.insert(
                    (egress, number),
                    AclEntry { protocol: "-1".to_owned(), allow: true, block, ports: None, icmp: None },
                );
            }
        }
    }
    call.state.acls.insert(acl_id, acl);
}

/// The next IPv6 block that no VPC holds.
fn next_ipv6(state: &State) -> Option<IpNet> {
    let held: BTreeSet<&IpNet> = state.vpcs.values().flat_map(|vpc| &vpc.cidrs).collect();
    let block = |number: usize| format!("2600:1f18:{:x}:{:x}00::/56", number / 256 + 1, number % 256).parse();
    (0..=held.len()).filter_map(|number| block(number).ok()).find(|block| !held.contains(block))
}

fn block(text: &str) -> Result<IpNet, Ec2Error> {
    text.parse::<IpNet>().map(|block| block.trunc()).map_err(|_| {
        refuse("InvalidParameterValue", format!("Value ({text}) for parameter cidrBlock is invalid."))
    })
}

pub(crate) fn associate_cidr(call: &mut Call<'_>) -> Answer {
    let id = call.params.text("VpcId").to_owned();
    let added = if call.params.flag("AmazonProvidedIpv6CidrBlock") {
        next_ipv6(call.state)
    } else {
        Some(block(call.params.get("CidrBlock").or(call.params.get("Ipv6CidrBlock")).unwrap_or_default())?)
    };
    let vpc = call.state.vpcs.get_mut(&id).ok_or_else(|| not_found("InvalidVpcID", &id))?;
    vpc.cidrs.extend(added);
    Ok(text("vpcId", &id))
}

pub(crate) fn create_subnet(call: &mut Call<'_>) -> Answer {
    let vpc = call.params.text("VpcId").to_owned();
    let owner = call.state.vpcs.get(&vpc).ok_or_else(|| not_found("InvalidVpcID", &vpc))?;
    let cidr = block(call.params.text("CidrBlock"))?;
    let ipv6 = call.params.get("Ipv6CidrBlock").map(block).transpose()?;
    for wanted in std::iter::once(&cidr).chain(&ipv6) {
        if !owner.cidrs.iter().any(|held| held.contains(wanted)) {
            return Err(refuse("InvalidSubnet.Range", format!("The CIDR '{wanted}' is invalid.")));
        }
        let neighbours = call.state.subnets.values().filter(|subnet| subnet.vpc == vpc);
        let mut taken = neighbours.flat_map(|subnet| std::iter::once(&subnet.cidr).chain(&subnet.ipv6));
        if taken.any(|held| held.contains(wanted) || wanted.contains(held)) {
            return Err(refuse(
                "InvalidSubnet.Conflict",
                format!("The CIDR '{wanted}' conflicts with another subnet"),
            ));
        }
    }
    let id = call.state.new_id("subnet");
    let tags = call.params.tags_for("subnet");
    let subnet = Subnet { vpc: vpc.clone(), cidr, ipv6, tags, next_host: 4, used: BTreeSet::new() };
    let body = subnet_xml(call.region, &id, &subnet);
    call.state.subnets.insert(id.clone(), subnet);
    if let Some(acl) = call.state.acls.values_mut().find(|acl| acl.vpc == vpc && acl.is_default) {
        acl.subnets.insert(id.clone());
    }
    Ok(node("subnet", body))
}

pub(crate) fn delete_vpc(call: &mut Call<'_>) -> Answer {
    let id = call.params.text("VpcId").to_owned();
    if !call.state.vpcs.contains_key(&id) {
        return Err(not_found("InvalidVpcID", &id));
    }
    let state = &mut *call.state;
    let held = state.subnets.values().any(|subnet| subnet.vpc == id)
        || state.interfaces.values().any(|interface| interface.vpc == id)
        || state.groups.values().any(|group| group.vpc == id && group.name != "default")
        || state.acls.values().any(|acl| acl.vpc == id && !acl.is_default);
    if held {
        return Err(refuse(
            "DependencyViolation",
            format!("The vpc '{id}' has dependencies and cannot be deleted."),
        ));
    }
    for (group_id, group) in state.groups.extract_if(.., |_, group| group.vpc == id) {
        let rules = group.rules.into_values();
        call.facts.extend(rules.map(|rule| (Fact::Rule(group_id.clone(), rule.key), false)));
    }
    state.acls.retain(|_, acl| acl.vpc != id);
    for peering in state.peerings.values_mut().filter(|p| p.requester == id || p.accepter == id) {
        peering.status = "deleted".to_owned();
    }
    state.vpcs.remove(&id);
    Ok(text("return", true))
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
    let subnet = call.state.subnets.get(&subnet_id);
    let vpc = subnet.ok_or_else(|| not_found("InvalidSubnetID", &subnet_id))?.vpc.clone();
    let groups = checked_groups(call, &vpc, groups)?;
    let wish = wish(params, prefix)?;
    let subnet = call.state.subnets.get_mut(&subnet_id);
    let addresses = take(subnet.ok_or_else(|| not_found("InvalidSubnetID", &subnet_id))?, &wish)?;
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

/// The addresses that a new interface asks for, its primary one first.
fn wish(params: &Params, prefix: &str) -> Result<Wish, Ec2Error> {
    let at = |name: &str| format!("{prefix}{name}");
    let listed = |list: &str, field: &str| {
        let entries = params.members(&at(list)).into_iter();
        entries.filter_map(|entry| params.get(&format!("{entry}.{field}")).map(str::to_owned)).collect()
    };
    let mut chosen = parsed(params.get(&at("PrivateIpAddress")).into_iter().map(str::to_owned).collect())?;
    chosen.extend(parsed(listed("PrivateIpAddresses", "PrivateIpAddress"))?);
    let more_ipv4 = usize::from(chosen.is_empty()) + number(params, &at("SecondaryPrivateIpAddressCount"));
    chosen.extend(parsed(listed("Ipv6Addresses", "Ipv6Address"))?);
    Ok(Wish { chosen, more_ipv4, more_ipv6: number(params, &at("Ipv6AddressCount")) })
}

fn number(params: &Params, name: &str) -> usize {
    params.number(name).and_then(|number| usize::try_from(number).ok()).unwrap_or(0)
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
    if let (true, Some(description)) = (groups.is_empty(), call.params.get("Description.Value")) {
        let description = description.to_owned();
        if let Some(interface) = call.state.interfaces.get_mut(&id) {
            interface.description = description;
        }
        return Ok(text("return", true));
    }
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
    let interface = call.state.interfaces.get(&id);
    let interface = interface.ok_or_else(|| not_found("InvalidNetworkInterfaceID", &id))?;
    if interface.instance.is_some() {
        return Err(refuse(
            "InvalidParameterValue",
            format!("Network interface '{id}' is currently in use."),
        ));
    }
    remove_interface(call, &id);
    Ok(text("return", true))
}

fn remove_interface(call: &mut Call<'_>, id: &str) {
    set_groups(call, id, BTreeSet::new());
    if let Some(interface) = call.state.interfaces.remove(id) {
        release(call, &interface.subnet, &interface.addresses);
    }
}

pub(crate) fn run_instances(call: &mut Call<'_>) -> Answer {
    /// Instances in one call.
    const INSTANCES_MAX: usize = 1000;
    let count = number(call.params, "MaxCount").clamp(1, INSTANCES_MAX);
    let mut made = Vec::new();
    for _ in 0..count {
        match run_instance(call) {
            Ok(id) => made.push(id),
            Err(error) => {
                made.iter().for_each(|id| undo_instance(call, id));
                return Err(error);
            }
        }
    }
    let bodies = new_instances_xml(call.account, call.state, &made);
    let reservation = made.first().map(|id| id.replacen("i-", "r-", 1)).unwrap_or_default();
    Ok(text("reservationId", reservation) + &text("ownerId", call.account) + &items("instancesSet", bodies))
}

/// Starts one instance, or leaves nothing behind.
fn run_instance(call: &mut Call<'_>) -> Result<String, Ec2Error> {
    let id = call.state.new_id("i");
    let params = call.params;
    let tags = params.tags_for("instance");
    let specs = params.members("NetworkInterface");
    let prefixes = if specs.is_empty() {
        vec![String::new()]
    } else {
        specs.iter().map(|spec| format!("{spec}.")).collect()
    };
    call.state.instances.insert(id.clone(), Instance { vpc: String::new(), tags, terminated: false });
    for prefix in prefixes {
        let attached = params.get(&format!("{prefix}NetworkInterfaceId"));
        let interface = match attached {
            Some(held) => attach(call, held, &id),
            None => {
                let groups = params.list(&format!("{prefix}SecurityGroupId"));
                new_interface(call, &prefix, &groups, Some(&id))
            }
        };
        match interface {
            Ok(interface) => {
                let vpc = call.state.interfaces.get(&interface).map(|i| i.vpc.clone());
                if let Some(instance) = call.state.instances.get_mut(&id) {
                    instance.vpc = vpc.unwrap_or_default();
                }
            }
            Err(error) => {
                undo_instance(call, &id);
                return Err(error);
            }
        }
    }
    Ok(id)
}

/// Attaches an interface that is there already: it outlives the instance.
fn attach(call: &mut Call<'_>, interface: &str, instance: &str) -> Result<String, Ec2Error> {
    let found = call.state.interfaces.get_mut(interface);
    let found = found.ok_or_else(|| not_found("InvalidNetworkInterfaceID", interface))?;
    if found.instance.is_some() {
        return Err(refuse("InvalidNetworkInterface.InUse", format!("Interface '{interface}' is in use.")));
    }
    found.instance = Some(instance.to_owned());
    call.state.kept_interfaces.insert(interface.to_owned());
    Ok(interface.to_owned())
}

/// Takes an instance off its interfaces: those made with it go, those attached to it stay.
fn detach_all(call: &mut Call<'_>, instance: &str) {
    let own = call.state.interfaces.iter().filter(|(_, i)| i.instance.as_deref() == Some(instance));
    let own: Vec<String> = own.map(|(id, _)| id.clone()).collect();
    for id in own {
        if call.state.kept_interfaces.remove(&id) {
            if let Some(interface) = call.state.interfaces.get_mut(&id) {
                interface.instance = None;
            }
        } else {
            remove_interface(call, &id);
        }
    }
}

fn undo_instance(call: &mut Call<'_>, id: &str) {
    detach_all(call, id);
    call.state.instances.remove(id);
}

pub(crate) fn terminate_instances(call: &mut Call<'_>) -> Answer {
    let ids = call.params.list("InstanceId");
    if let Some(missing) = ids.iter().find(|id| !call.state.instances.contains_key(*id)) {
        return Err(not_found("InvalidInstanceID", missing));
    }
    let mut changes = Vec::new();
    for id in ids {
        let Some(instance) = call.state.instances.get_mut(&id) else { continue };
        let (code, name) = state_of(instance);
        instance.terminated = true;
        let (now_code, now_name) = state_of(instance);
        let state = |of: &str, code: u8, name: &str| node(of, text("code", code) + &text("name", name));
        changes.push(
            text("instanceId", &id)
                + &state("currentState", now_code, now_name)
                + &state("previousState", code, name),
        );
        detach_all(call, &id);
    }
    Ok(items("instancesSet", changes))
}

pub(crate) fn create_peering(call: &mut Call<'_>) -> Answer {
    let (requester, accepter) =
        (call.params.text("VpcId").to_owned(), call.params.text("PeerVpcId").to_owned());
    for vpc in [&requester, &accepter] {
        if !call.state.vpcs.contains_key(vpc) {
            return Err(not_found("InvalidVpcID", vpc));
        }
    }
    let blocks = |id: &str| call.state.vpcs.get(id).map(|vpc| vpc.cidrs.clone()).unwrap_or_default();
    let (here, there) = (blocks(&requester), blocks(&accepter));
    let overlap = here.iter().any(|a| there.iter().any(|b| a.contains(b) || b.contains(a)));
    let status = if overlap { "failed" } else { "pending-acceptance" };
    let id = call.state.new_id("pcx");
    let tags = call.params.tags_for("vpc-peering-connection");
    call.state.other_tags.insert(id.clone(), tags);
    call.state.peerings.insert(id.clone(), Peering { requester, accepter, status: status.to_owned() });
    Ok(node(
        "vpcPeeringConnection",
        text("vpcPeeringConnectionId", &id) + &node("status", text("code", status)),
    ))
}

pub(crate) fn accept_peering(call: &mut Call<'_>) -> Answer {
    let id = call.params.text("VpcPeeringConnectionId").to_owned();
    let peering =
        call.state.peerings.get_mut(&id).ok_or_else(|| not_found("InvalidVpcPeeringConnectionID", &id))?;
    if peering.status != "pending-acceptance" && peering.status != "active" {
        return Err(refuse(
            "InvalidStateTransition",
            format!("The peering '{id}' is {} and cannot be accepted", peering.status),
        ));
    }
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
