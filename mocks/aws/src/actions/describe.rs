//! Reads: filters, pages, and EC2's shapes.

use std::collections::BTreeMap;

use super::{Answer, Call};
use crate::params::Params;
use crate::state::{Ec2Error, Group, GroupRule, Instance, Interface, RuleKey, Source, State, Tags, refuse};
use crate::xml::{items, node, tag_set, text};

/// What an object offers to filters, by filter name.
type Attributes = Vec<(&'static str, String)>;

/// Filters, sorts and pages a list.
fn page(params: &Params, set: &str, objects: Vec<(Attributes, Tags, String)>) -> Answer {
    let filters = params.filters();
    for (name, _) in &filters {
        let known = objects
            .first()
            .is_none_or(|(attributes, _, _)| attributes.iter().any(|(known, _)| known == name));
        if !known && !name.starts_with("tag:") && name != "tag-key" {
            return Err(refuse("InvalidParameterValue", format!("The filter '{name}' is invalid")));
        }
    }
    let passes = |attributes: &Attributes, tags: &Tags| {
        filters.iter().all(|(name, values)| {
            if let Some(key) = name.strip_prefix("tag:") {
                return tags.get(key).is_some_and(|value| values.contains(value));
            }
            if name == "tag-key" {
                return tags.keys().any(|key| values.contains(key));
            }
            attributes.iter().any(|(known, value)| known == name && values.contains(value))
        })
    };
    let found: Vec<String> =
        objects.into_iter().filter(|(a, t, _)| passes(a, t)).map(|(_, _, xml)| xml).collect();
    let start: usize = match params.get("NextToken") {
        None | Some("") => 0,
        Some(token) => token
            .strip_prefix("page-")
            .and_then(|n| n.parse().ok())
            .ok_or_else(|| refuse("InvalidNextToken", "The token is not valid"))?,
    };
    let size = match params.number("MaxResults") {
        None => usize::MAX,
        Some(size @ 5..=1000) => size as usize,
        Some(size) => {
            return Err(refuse(
                "InvalidParameterValue",
                format!("Value ( {size} ) for parameter maxResults is invalid. Expecting 5 to 1000"),
            ));
        }
    };
    let end = start.saturating_add(size).min(found.len());
    let more = if end < found.len() { text("nextToken", format!("page-{end}")) } else { String::new() };
    Ok(items(set, found.into_iter().skip(start).take(end.saturating_sub(start))) + &more)
}

pub(crate) fn vpcs(call: &mut Call<'_>) -> Answer {
    let chosen = call.params.list("VpcId");
    let list =
        call.state.vpcs.iter().filter(|(id, _)| chosen.is_empty() || chosen.contains(id)).map(|(id, vpc)| {
            let v4: Vec<String> =
                vpc.cidrs.iter().filter(|b| b.addr().is_ipv4()).map(ToString::to_string).collect();
            let v6: Vec<String> =
                vpc.cidrs.iter().filter(|b| b.addr().is_ipv6()).map(ToString::to_string).collect();
            let state = |name: &str| node(name, text("state", "associated"));
            let body = text("vpcId", id)
                + &text("ownerId", call.account)
                + &text("state", "available")
                + &text("cidrBlock", v4.first().cloned().unwrap_or_default())
                + &items(
                    "cidrBlockAssociationSet",
                    v4.iter().map(|block| text("cidrBlock", block) + &state("cidrBlockState")),
                )
                + &items(
                    "ipv6CidrBlockAssociationSet",
                    v6.iter().map(|block| text("ipv6CidrBlock", block) + &state("ipv6CidrBlockState")),
                )
                + &text("isDefault", vpc.is_default)
                + &tag_set(&vpc.tags);
            (vec![("vpc-id", id.clone())], vpc.tags.clone(), body)
        });
    page(call.params, "vpcSet", list.collect())
}

pub(crate) fn subnets(call: &mut Call<'_>) -> Answer {
    let list = call.state.subnets.iter().map(|(id, subnet)| {
        let body = text("subnetId", id)
            + &text("vpcId", &subnet.vpc)
            + &text("cidrBlock", subnet.cidr)
            + &text("state", "available")
            + &tag_set(&subnet.tags);
        (vec![("subnet-id", id.clone()), ("vpc-id", subnet.vpc.clone())], subnet.tags.clone(), body)
    });
    page(call.params, "subnetSet", list.collect())
}

pub(crate) fn security_groups(call: &mut Call<'_>) -> Answer {
    let chosen = call.params.list("GroupId");
    if let Some(missing) = chosen.iter().find(|id| !call.state.groups.contains_key(*id)) {
        return Err(refuse(
            "InvalidGroup.NotFound",
            format!("The security group '{missing}' does not exist"),
        ));
    }
    let list = call.state.groups.iter().filter(|(id, _)| chosen.is_empty() || chosen.contains(id)).map(
        |(id, group)| {
            let attributes = vec![
                ("group-id", id.clone()),
                ("group-name", group.name.clone()),
                ("vpc-id", group.vpc.clone()),
                ("description", group.description.clone()),
            ];
            (attributes, group.tags.clone(), group_xml(call.account, call.state, id, group))
        },
    );
    page(call.params, "securityGroupInfo", list.collect())
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
    let peering = rule.peering.as_ref().map(|id| {
        let status = state.peerings.get(id).map_or("deleted", |peering| peering.status.as_str());
        let vpc = state.groups.get(peer).map(|group| group.vpc.clone()).unwrap_or_default();
        text("vpcId", vpc) + &text("vpcPeeringConnectionId", id) + &text("peeringStatus", status)
    });
    text("userId", account)
        + &text("groupId", peer)
        + &text("description", &rule.description)
        + &peering.unwrap_or_default()
}

/// One rule in the flat form.
pub(crate) fn flat_rule(account: &str, group: &str, id: &str, rule: &GroupRule) -> String {
    let RuleKey { egress, protocol, from, to, source } = &rule.key;
    let source = match source {
        Source::Cidr(block) if block.addr().is_ipv6() => text("cidrIpv6", block),
        Source::Cidr(block) => text("cidrIpv4", block),
        Source::Group(peer) => node("referencedGroupInfo", text("groupId", peer) + &text("userId", account)),
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
    let list = call
        .state
        .groups
        .iter()
        .flat_map(|(group_id, group)| group.rules.iter().map(move |(id, rule)| (group_id, id, rule)));
    let list = list.map(|(group, id, rule)| {
        let attributes = vec![("group-id", group.clone()), ("security-group-rule-id", id.clone())];
        (attributes, rule.tags.clone(), flat_rule(call.account, group, id, rule))
    });
    page(call.params, "securityGroupRuleSet", list.collect())
}

pub(crate) fn network_interfaces(call: &mut Call<'_>) -> Answer {
    let chosen = call.params.list("NetworkInterfaceId");
    let list = call.state.interfaces.iter().filter(|(id, _)| chosen.is_empty() || chosen.contains(id)).map(
        |(id, interface)| {
            let mut attributes = vec![
                ("network-interface-id", id.clone()),
                ("vpc-id", interface.vpc.clone()),
                ("subnet-id", interface.subnet.clone()),
                ("attachment.instance-id", interface.instance.clone().unwrap_or_default()),
            ];
            attributes.extend(interface.groups.iter().map(|group| ("group-id", group.clone())));
            (attributes, interface.tags.clone(), interface_xml(call.account, call.state, id, interface))
        },
    );
    page(call.params, "networkInterfaceSet", list.collect())
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

pub(crate) fn instances(call: &mut Call<'_>) -> Answer {
    let list =
        call.state.instances.iter().filter(|(_, instance)| !instance.terminated).map(|(id, instance)| {
            let attributes = vec![("instance-id", id.clone()), ("vpc-id", instance.vpc.clone())];
            let body = text("reservationId", id.replacen("i-", "r-", 1))
                + &text("ownerId", call.account)
                + &items("instancesSet", [instance_xml(call.account, call.state, id, instance)]);
            (attributes, instance.tags.clone(), body)
        });
    page(call.params, "reservationSet", list.collect())
}

pub(crate) fn instance_xml(account: &str, state: &State, id: &str, instance: &Instance) -> String {
    let own = state.interfaces.iter().filter(|(_, i)| i.instance.as_deref() == Some(id));
    text("instanceId", id)
        + &node("instanceState", text("code", 16) + &text("name", "running"))
        + &text("vpcId", &instance.vpc)
        + &tag_set(&instance.tags)
        + &items(
            "networkInterfaceSet",
            own.map(|(id, interface)| interface_xml(account, state, id, interface)),
        )
}

pub(crate) fn peerings(call: &mut Call<'_>) -> Answer {
    let list = call.state.peerings.iter().map(|(id, peering)| {
        let side = |name: &str, vpc: &str| {
            node(name, text("vpcId", vpc) + &text("ownerId", call.account) + &text("region", call.region))
        };
        let body = text("vpcPeeringConnectionId", id)
            + &side("requesterVpcInfo", &peering.requester)
            + &side("accepterVpcInfo", &peering.accepter)
            + &node("status", text("code", &peering.status) + &text("message", &peering.status));
        (
            vec![("vpc-peering-connection-id", id.clone()), ("status-code", peering.status.clone())],
            Tags::new(),
            body,
        )
    });
    page(call.params, "vpcPeeringConnectionSet", list.collect())
}

pub(crate) fn network_acls(call: &mut Call<'_>) -> Answer {
    let list = call.state.acls.iter().map(|(id, acl)| {
        let entries = acl.entries.iter().map(|((egress, number), entry)| {
            let block = if entry.block.addr().is_ipv6() {
                text("ipv6CidrBlock", entry.block)
            } else {
                text("cidrBlock", entry.block)
            };
            let ports = entry.ports.map(|(from, to)| node("portRange", text("from", from) + &text("to", to)));
            text("ruleNumber", number)
                + &text("protocol", &entry.protocol)
                + &text("ruleAction", if entry.allow { "allow" } else { "deny" })
                + &text("egress", egress)
                + &block
                + &ports.unwrap_or_default()
        });
        let associations =
            acl.subnets.iter().map(|subnet| text("networkAclId", id) + &text("subnetId", subnet));
        let body = text("networkAclId", id)
            + &text("vpcId", &acl.vpc)
            + &text("default", acl.is_default)
            + &items("entrySet", entries)
            + &items("associationSet", associations)
            + &tag_set(&Tags::new());
        (vec![("network-acl-id", id.clone()), ("vpc-id", acl.vpc.clone())], Tags::new(), body)
    });
    page(call.params, "networkAclSet", list.collect())
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
