//! Reads: what each kind of object offers to filters, and EC2's shapes.

use std::collections::{BTreeMap, BTreeSet};

use super::filter::{Row, chosen, page};
use super::{Answer, Call};
use crate::state::{
    Ec2Error, Group, GroupRule, Instance, Interface, RuleKey, Source, State, Subnet, Tags, Vpc, refuse,
};
use crate::xml::{items, node, tag_set, text};

/// A row from its tags, its values by filter name, and its XML.
fn row<'a>(
    tags: &'a Tags,
    values: impl Fn(&str) -> Vec<String> + 'a,
    render: impl Fn() -> String + 'a,
) -> Row<'a> {
    Row { tags, values: Box::new(values), render: Box::new(render) }
}

pub(crate) fn vpcs(call: &mut Call<'_>) -> Answer {
    const KNOWN: [&str; 6] =
        ["vpc-id", "cidr", "cidr-block-association.cidr-block", "is-default", "state", "owner-id"];
    let (state, account) = (&*call.state, call.account);
    let wanted = chosen(call.params, "VpcId", "InvalidVpcID.NotFound", |id| state.vpcs.contains_key(id))?;
    let rows = state.vpcs.iter().filter(|(id, _)| wanted(id)).map(|(id, vpc)| {
        let values = move |name: &str| match name {
            "vpc-id" => vec![id.clone()],
            "is-default" => vec![vpc.is_default.to_string()],
            "state" => vec!["available".to_owned()],
            "owner-id" => vec![account.to_owned()],
            _ => vpc.cidrs.iter().filter(|b| b.addr().is_ipv4()).map(ToString::to_string).collect(),
        };
        row(&vpc.tags, values, move || vpc_xml(account, id, vpc))
    });
    page(call.params, "vpcSet", &KNOWN, rows)
}

pub(crate) fn vpc_xml(account: &str, id: &str, vpc: &Vpc) -> String {
    let of = |ipv6: bool| vpc.cidrs.iter().filter(move |block| block.addr().is_ipv6() == ipv6);
    let state = |name: &str| node(name, text("state", "associated"));
    text("vpcId", id)
        + &text("ownerId", account)
        + &text("state", "available")
        + &text("cidrBlock", of(false).next().map(ToString::to_string).unwrap_or_default())
        + &items(
            "cidrBlockAssociationSet",
            of(false).map(|block| text("cidrBlock", block) + &state("cidrBlockState")),
        )
        + &items(
            "ipv6CidrBlockAssociationSet",
            of(true).map(|block| text("ipv6CidrBlock", block) + &state("ipv6CidrBlockState")),
        )
        + &text("isDefault", vpc.is_default)
        + &tag_set(&vpc.tags)
}

pub(crate) fn subnets(call: &mut Call<'_>) -> Answer {
    const KNOWN: [&str; 6] = ["subnet-id", "vpc-id", "cidr-block", "cidr", "state", "availability-zone"];
    let (state, region) = (&*call.state, call.region);
    let wanted =
        chosen(call.params, "SubnetId", "InvalidSubnetID.NotFound", |id| state.subnets.contains_key(id))?;
    let rows = state.subnets.iter().filter(|(id, _)| wanted(id)).map(|(id, subnet)| {
        let values = move |name: &str| match name {
            "subnet-id" => vec![id.clone()],
            "vpc-id" => vec![subnet.vpc.clone()],
            "state" => vec!["available".to_owned()],
            "availability-zone" => vec![format!("{region}a")],
            _ => vec![subnet.cidr.to_string()],
        };
        row(&subnet.tags, values, move || subnet_xml(region, id, subnet))
    });
    page(call.params, "subnetSet", &KNOWN, rows)
}

pub(crate) fn subnet_xml(region: &str, id: &str, subnet: &Subnet) -> String {
    let ipv6 = subnet
        .ipv6
        .iter()
        .map(|block| text("ipv6CidrBlock", block) + &node("ipv6CidrBlockState", text("state", "associated")));
    text("subnetId", id)
        + &text("vpcId", &subnet.vpc)
        + &text("cidrBlock", subnet.cidr)
        + &items("ipv6CidrBlockAssociationSet", ipv6)
        + &text("availabilityZone", format!("{region}a"))
        + &text("state", "available")
        + &tag_set(&subnet.tags)
}

pub(crate) fn security_groups(call: &mut Call<'_>) -> Answer {
    const KNOWN: [&str; 11] = [
        "group-id",
        "group-name",
        "vpc-id",
        "description",
        "owner-id",
        "ip-permission.group-id",
        "ip-permission.cidr",
        "ip-permission.protocol",
        "egress.ip-permission.group-id",
        "egress.ip-permission.cidr",
        "egress.ip-permission.protocol",
    ];
    let (state, account) = (&*call.state, call.account);
    let wanted = chosen(call.params, "GroupId", "InvalidGroup.NotFound", |id| state.groups.contains_key(id))?;
    let rows = state.groups.iter().filter(|(id, _)| wanted(id)).map(|(id, group)| {
        let values = move |name: &str| match name {
            "group-id" => vec![id.clone()],
            "group-name" => vec![group.name.clone()],
            "vpc-id" => vec![group.vpc.clone()],
            "description" => vec![group.description.clone()],
            "owner-id" => vec![account.to_owned()],
            rules => rule_values(group, rules),
        };
        row(&group.tags, values, move || group_xml(account, state, id, group))
    });
    page(call.params, "securityGroupInfo", &KNOWN, rows)
}

/// The values of all rules together: several such filters match any combination of rules, not one rule.
fn rule_values(group: &Group, name: &str) -> Vec<String> {
    let egress = name.starts_with("egress.");
    let keys = group.rules.values().map(|rule| &rule.key).filter(|key| key.egress == egress);
    let value = |key: &RuleKey| match (name.rsplit('.').next(), &key.source) {
        (Some("protocol"), _) => Some(key.protocol.clone()),
        (Some("group-id"), Source::Group(peer)) => Some(peer.clone()),
        (Some("cidr"), Source::Cidr(block)) if block.addr().is_ipv4() => Some(block.to_string()),
        _ => None,
    };
    keys.filter_map(value).collect()
}

fn group_xml(account: &str, state: &State, id: &str, group: &Group) -> String {
    text("ownerId", account)
        + &text("groupId", id)
        + &text("groupName", &group.name)
        + &text("groupDescription", &group.description)
        + &text("vpcId", &group.vpc)
        + &permissions(account, state, group, false)
        + &permissions(account, state, group, true)
        + &tag_set(&group.tags)
}

/// Rules grouped by service, as EC2 nests them.
fn permissions(account: &str, state: &State, group: &Group, egress: bool) -> String {
    let mut by_service: BTreeMap<(&str, i64, i64), Vec<&GroupRule>> = BTreeMap::new();
    for rule in group.rules.values().filter(|rule| rule.key.egress == egress) {
        by_service.entry((&rule.key.protocol, rule.key.from, rule.key.to)).or_default().push(rule);
    }
    let entries = by_service.into_iter().map(|((protocol, from, to), rules)| {
        let blocks = |list: &str, field: &str, ipv6: bool| {
            let of = rules.iter().filter_map(|rule| match &rule.key.source {
                Source::Cidr(block) if block.addr().is_ipv6() == ipv6 => {
                    Some(text(field, block) + &text("description", &rule.description))
                }
                _ => None,
            });
            items(list, of)
        };
        let groups = rules.iter().filter_map(|rule| match &rule.key.source {
            Source::Group(peer) => Some(pair_xml(account, state, peer, rule)),
            Source::Cidr(_) => None,
        });
        let ports =
            if protocol == "-1" { String::new() } else { text("fromPort", from) + &text("toPort", to) };
        text("ipProtocol", protocol)
            + &ports
            + &items("groups", groups)
            + &blocks("ipRanges", "cidrIp", false)
            + &blocks("ipv6Ranges", "cidrIpv6", true)
            + &items("prefixListIds", [])
    });
    items(if egress { "ipPermissionsEgress" } else { "ipPermissions" }, entries)
}

fn pair_xml(account: &str, state: &State, peer: &str, rule: &GroupRule) -> String {
    reference_xml(account, state, peer, rule) + &text("description", &rule.description)
}

/// A referenced group, with the peering over which it is if there is one.
fn reference_xml(account: &str, state: &State, peer: &str, rule: &GroupRule) -> String {
    let peering = rule.peering.as_ref().map(|id| {
        let status = state.peerings.get(id).map_or("deleted", |peering| peering.status.as_str());
        let vpc = state.groups.get(peer).map(|group| group.vpc.clone()).unwrap_or_default();
        text("vpcId", vpc) + &text("vpcPeeringConnectionId", id) + &text("peeringStatus", status)
    });
    text("userId", account) + &text("groupId", peer) + &peering.unwrap_or_default()
}

/// One rule in the flat form.
pub(crate) fn flat_rule(account: &str, state: &State, group: &str, id: &str, rule: &GroupRule) -> String {
    let RuleKey { egress, protocol, from, to, source } = &rule.key;
    let source = match source {
        Source::Cidr(block) if block.addr().is_ipv6() => text("cidrIpv6", block),
        Source::Cidr(block) => text("cidrIpv4", block),
        Source::Group(peer) => node("referencedGroupInfo", reference_xml(account, state, peer, rule)),
    };
    text("securityGroupRuleId", id)
        + &text("groupId", group)
        + &text("groupOwnerId", account)
        + &text("isEgress", egress)
        + &text("ipProtocol", protocol)
        + &text("fromPort", from)
        + &text("toPort", to)
        + &source
        + &text("description", &rule.description)
        + &tag_set(&rule.tags)
}

pub(crate) fn security_group_rules(call: &mut Call<'_>) -> Answer {
    let (state, account, params) = (&*call.state, call.account, call.params);
    let ids: BTreeSet<String> = params.list("SecurityGroupRuleId").into_iter().collect();
    // A filter on groups is the usual one: only these are walked.
    let only: Option<Vec<String>> = params
        .filters()
        .into_iter()
        .find(|(name, values)| name == "group-id" && !values.iter().any(|v| v.contains(['*', '?', '\\'])))
        .map(|(_, values)| values);
    let groups: Vec<(&String, &Group)> = match &only {
        Some(only) => {
            let only: BTreeSet<&String> = only.iter().collect();
            only.into_iter().filter_map(|id| state.groups.get_key_value(id)).collect()
        }
        None => state.groups.iter().collect(),
    };
    let rules: Vec<(&String, &String, &GroupRule)> = groups
        .into_iter()
        .flat_map(|(group, held)| held.rules.iter().map(move |(id, rule)| (group, id, rule)))
        .filter(|(_, id, _)| ids.is_empty() || ids.contains(*id))
        .collect();
    if !ids.is_empty() && only.is_none() && rules.len() != ids.len() {
        return Err(refuse("InvalidSecurityGroupRuleId.NotFound", "A security group rule ID does not exist"));
    }
    let rows = rules.into_iter().map(|(group, id, rule)| {
        let values = move |name: &str| match name {
            "group-id" => vec![group.clone()],
            _ => vec![id.clone()],
        };
        row(&rule.tags, values, move || flat_rule(account, state, group, id, rule))
    });
    page(params, "securityGroupRuleSet", &["group-id", "security-group-rule-id"], rows)
}

pub(crate) fn network_interfaces(call: &mut Call<'_>) -> Answer {
    const KNOWN: [&str; 14] = [
        "network-interface-id",
        "vpc-id",
        "subnet-id",
        "attachment.instance-id",
        "group-id",
        "group-name",
        "private-ip-address",
        "addresses.private-ip-address",
        "ipv6-addresses.ipv6-address",
        "interface-type",
        "requester-id",
        "requester-managed",
        "status",
        "description",
    ];
    let (state, account) = (&*call.state, call.account);
    let wanted = chosen(call.params, "NetworkInterfaceId", "InvalidNetworkInterfaceID.NotFound", |id| {
        state.interfaces.contains_key(id)
    })?;
    let rows = state.interfaces.iter().filter(|(id, _)| wanted(id)).map(|(id, interface)| {
        row(
            &interface.tags,
            move |name: &str| interface_values(state, id, interface, name),
            move || interface_xml(account, state, id, interface),
        )
    });
    page(call.params, "networkInterfaceSet", &KNOWN, rows)
}

fn interface_values(state: &State, id: &str, interface: &Interface, name: &str) -> Vec<String> {
    let addresses =
        |ipv6: bool| interface.addresses.iter().filter(move |a| a.is_ipv6() == ipv6).map(ToString::to_string);
    match name {
        "network-interface-id" => vec![id.to_owned()],
        "vpc-id" => vec![interface.vpc.clone()],
        "subnet-id" => vec![interface.subnet.clone()],
        "attachment.instance-id" => interface.instance.iter().cloned().collect(),
        "group-id" => interface.groups.iter().cloned().collect(),
        "group-name" => interface
            .groups
            .iter()
            .filter_map(|group| state.groups.get(group))
            .map(|group| group.name.clone())
            .collect(),
        "private-ip-address" => addresses(false).take(1).collect(),
        "addresses.private-ip-address" => addresses(false).collect(),
        "ipv6-addresses.ipv6-address" => addresses(true).collect(),
        "interface-type" => vec![interface.kind.clone()],
        "requester-id" => interface.requester.iter().cloned().collect(),
        "requester-managed" => vec![interface.requester.is_some().to_string()],
        "status" => {
            vec![if interface.instance.is_some() { "in-use" } else { "available" }.to_owned()]
        }
        _ => vec![interface.description.clone()],
    }
}

pub(crate) fn interface_xml(account: &str, state: &State, id: &str, interface: &Interface) -> String {
    let v4: Vec<String> =
        interface.addresses.iter().filter(|a| a.is_ipv4()).map(ToString::to_string).collect();
    let v6 = interface.addresses.iter().filter(|a| a.is_ipv6());
    let groups = interface.groups.iter().map(|id| {
        text("groupId", id)
            + &text("groupName", state.groups.get(id).map(|group| group.name.as_str()).unwrap_or_default())
    });
    let attachment = interface
        .instance
        .as_ref()
        .map(|instance| node("attachment", text("instanceId", instance) + &text("status", "attached")));
    text("networkInterfaceId", id)
        + &text("subnetId", &interface.subnet)
        + &text("vpcId", &interface.vpc)
        + &text("description", &interface.description)
        + &text("ownerId", account)
        + &interface.requester.as_ref().map(|id| text("requesterId", id)).unwrap_or_default()
        + &text("requesterManaged", interface.requester.is_some())
        + &text("status", if attachment.is_some() { "in-use" } else { "available" })
        + &text("privateIpAddress", v4.first().cloned().unwrap_or_default())
        + &items("groupSet", groups)
        + &attachment.unwrap_or_default()
        + &tag_set(&interface.tags)
        + &items(
            "privateIpAddressesSet",
            v4.iter().enumerate().map(|(n, a)| text("privateIpAddress", a) + &text("primary", n == 0)),
        )
        + &items("ipv6AddressesSet", v6.map(|a| text("ipv6Address", a)))
        + &text("interfaceType", &interface.kind)
}

/// The interfaces of instances, in one walk.
fn by_instance(state: &State, wanted: impl Fn(&str) -> bool) -> BTreeMap<&str, Vec<(&str, &Interface)>> {
    let mut found: BTreeMap<&str, Vec<(&str, &Interface)>> = BTreeMap::new();
    for (id, interface) in &state.interfaces {
        if let Some(instance) = interface.instance.as_deref().filter(|instance| wanted(instance)) {
            found.entry(instance).or_default().push((id, interface));
        }
    }
    found
}

pub(crate) fn instances(call: &mut Call<'_>) -> Answer {
    const KNOWN: [&str; 7] = [
        "instance-id",
        "vpc-id",
        "subnet-id",
        "instance-state-name",
        "instance.group-id",
        "network-interface.network-interface-id",
        "private-ip-address",
    ];
    let (state, account) = (&*call.state, call.account);
    let wanted = chosen(call.params, "InstanceId", "InvalidInstanceID.NotFound", |id| {
        state.instances.contains_key(id)
    })?;
    let by_instance = by_instance(state, &wanted);
    let rows = state.instances.iter().filter(|(id, _)| wanted(id)).map(|(id, instance)| {
        let own: &[(&str, &Interface)] = by_instance.get(id.as_str()).map(Vec::as_slice).unwrap_or_default();
        let values = move |name: &str| match name {
            "instance-id" => vec![id.clone()],
            "vpc-id" => vec![instance.vpc.clone()],
            "instance-state-name" => vec![state_of(instance).1.to_owned()],
            "subnet-id" => own.iter().map(|(_, i)| i.subnet.clone()).collect(),
            "instance.group-id" => own.iter().flat_map(|(_, i)| i.groups.iter().cloned()).collect(),
            "private-ip-address" => own
                .first()
                .map(|(id, i)| interface_values(state, id, i, "private-ip-address"))
                .unwrap_or_default(),
            _ => own.iter().map(|(id, _)| (*id).to_owned()).collect(),
        };
        let render = move || {
            text("reservationId", id.replacen("i-", "r-", 1))
                + &text("ownerId", account)
                + &items("instancesSet", [instance_xml(account, state, id, instance, own)])
        };
        row(&instance.tags, values, render)
    });
    page(call.params, "reservationSet", &KNOWN, rows)
}

/// EC2's code and name of an instance's state.
pub(crate) fn state_of(instance: &Instance) -> (u8, &'static str) {
    if instance.terminated { (48, "terminated") } else { (16, "running") }
}

/// Instances that were just made, with their interfaces looked up in one walk.
pub(crate) fn new_instances_xml(account: &str, state: &State, ids: &[String]) -> Vec<String> {
    let by_instance = by_instance(state, |id| ids.iter().any(|wanted| wanted == id));
    let body = |id: &String| {
        let own = by_instance.get(id.as_str()).map(Vec::as_slice).unwrap_or_default();
        Some(instance_xml(account, state, id, state.instances.get(id)?, own))
    };
    ids.iter().filter_map(body).collect()
}

fn instance_xml(
    account: &str,
    state: &State,
    id: &str,
    instance: &Instance,
    own: &[(&str, &Interface)],
) -> String {
    let (code, name) = state_of(instance);
    let primary = own.first().map(|(_, interface)| {
        let address = interface.addresses.iter().find(|a| a.is_ipv4()).map(ToString::to_string);
        text("subnetId", &interface.subnet) + &text("privateIpAddress", address.unwrap_or_default())
    });
    text("instanceId", id)
        + &node("instanceState", text("code", code) + &text("name", name))
        + &text("vpcId", &instance.vpc)
        + &primary.unwrap_or_default()
        + &tag_set(&instance.tags)
        + &items(
            "networkInterfaceSet",
            own.iter().map(|(id, interface)| interface_xml(account, state, id, interface)),
        )
}

pub(crate) fn peerings(call: &mut Call<'_>) -> Answer {
    const KNOWN: [&str; 4] =
        ["vpc-peering-connection-id", "status-code", "requester-vpc-info.vpc-id", "accepter-vpc-info.vpc-id"];
    static NONE: Tags = Tags::new();
    let (state, account, region) = (&*call.state, call.account, call.region);
    let code = "InvalidVpcPeeringConnectionID.NotFound";
    let wanted = chosen(call.params, "VpcPeeringConnectionId", code, |id| state.peerings.contains_key(id))?;
    let rows = state.peerings.iter().filter(|(id, _)| wanted(id)).map(|(id, peering)| {
        let values = move |name: &str| match name {
            "vpc-peering-connection-id" => vec![id.clone()],
            "status-code" => vec![peering.status.clone()],
            "requester-vpc-info.vpc-id" => vec![peering.requester.clone()],
            _ => vec![peering.accepter.clone()],
        };
        let side = move |name: &str, vpc: &str| {
            node(name, text("vpcId", vpc) + &text("ownerId", account) + &text("region", region))
        };
        let tags = state.other_tags.get(id).unwrap_or(&NONE);
        row(tags, values, move || {
            text("vpcPeeringConnectionId", id)
                + &side("requesterVpcInfo", &peering.requester)
                + &side("accepterVpcInfo", &peering.accepter)
                + &node("status", text("code", &peering.status) + &text("message", &peering.status))
                + &tag_set(tags)
        })
    });
    page(call.params, "vpcPeeringConnectionSet", &KNOWN, rows)
}

pub(crate) fn network_acls(call: &mut Call<'_>) -> Answer {
    const KNOWN: [&str; 4] = ["network-acl-id", "vpc-id", "default", "association.subnet-id"];
    static NONE: Tags = Tags::new();
    let state = &*call.state;
    let wanted = chosen(call.params, "NetworkAclId", "InvalidNetworkAclID.NotFound", |id| {
        state.acls.contains_key(id)
    })?;
    let rows = state.acls.iter().filter(|(id, _)| wanted(id)).map(|(id, acl)| {
        let values = move |name: &str| match name {
            "network-acl-id" => vec![id.clone()],
            "vpc-id" => vec![acl.vpc.clone()],
            "default" => vec![acl.is_default.to_string()],
            _ => acl.subnets.iter().cloned().collect(),
        };
        let tags = state.other_tags.get(id).unwrap_or(&NONE);
        row(tags, values, move || super::acl::acl_xml(id, acl, tags))
    });
    page(call.params, "networkAclSet", &KNOWN, rows)
}

pub(crate) fn tags(call: &mut Call<'_>) -> Answer {
    static NONE: Tags = Tags::new();
    let state = &*call.state;
    let all = state.vpcs.iter().map(|(id, vpc)| ("vpc", id, &vpc.tags));
    let all =
        all.chain(state.subnets.iter().map(|(id, subnet)| ("subnet", id, &subnet.tags)))
            .chain(state.groups.iter().map(|(id, group)| ("security-group", id, &group.tags)))
            .chain(state.groups.values().flat_map(|group| {
                group.rules.iter().map(|(id, rule)| ("security-group-rule", id, &rule.tags))
            }))
            .chain(state.interfaces.iter().map(|(id, i)| ("network-interface", id, &i.tags)))
            .chain(state.instances.iter().map(|(id, instance)| ("instance", id, &instance.tags)))
            .chain(state.other_tags.iter().map(|(id, tags)| {
                (if id.starts_with("pcx-") { "vpc-peering-connection" } else { "network-acl" }, id, tags)
            }));
    let rows = all.flat_map(|(kind, id, tags)| {
        tags.iter().map(move |(key, value)| {
            let values = move |name: &str| {
                let found = match name {
                    "resource-id" => id,
                    "resource-type" => kind,
                    "key" => key,
                    _ => value,
                };
                vec![found.to_owned()]
            };
            row(&NONE, values, move || {
                text("resourceId", id)
                    + &text("resourceType", kind)
                    + &text("key", key)
                    + &text("value", value)
            })
        })
    });
    page(call.params, "tagSet", &["resource-id", "resource-type", "key", "value"], rows)
}

pub(crate) fn availability_zones(call: &mut Call<'_>) -> Answer {
    let zones = ["a", "b"].map(|zone| {
        text("zoneName", format!("{}{zone}", call.region))
            + &text("zoneState", "available")
            + &text("regionName", call.region)
    });
    Ok(items("availabilityZoneInfo", zones))
}

pub(crate) fn account_attributes(call: &mut Call<'_>) -> Answer {
    let attribute = text("attributeName", "vpc-max-security-groups-per-interface")
        + &items("attributeValueSet", [text("attributeValue", call.limits.groups_per_interface)]);
    Ok(items("accountAttributeSet", [attribute]))
}

pub(crate) fn regions(call: &mut Call<'_>) -> Answer {
    Ok(items("regionInfo", [text("regionName", call.region)]))
}

/// An error for something that does not exist.
pub(crate) fn not_found(kind: &str, id: &str) -> Ec2Error {
    refuse(&format!("{kind}.NotFound"), format!("The ID '{id}' does not exist"))
}
