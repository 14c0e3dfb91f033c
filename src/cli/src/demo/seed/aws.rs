//! An estate → the objects of a simulated account and region.

use std::collections::BTreeMap;

use ipnet::IpNet;
use mock_aws::{Ec2Error, World};
use policy::service::{has_icmp_type, has_ports};

use crate::demo::estate::{Estate, EstateGroup, EstateInterface, EstateRule};

/// Builds the estate in an empty world, and lets it settle.
///
/// # Errors
/// As the cloud: what an estate asks for and a cloud refuses.
pub fn seed(world: &mut World, estate: &Estate) -> Result<(), Ec2Error> {
    let mut ids = Ids::default();
    for network in &estate.networks {
        let v4 = network
            .cidrs
            .iter()
            .find(|block| matches!(block, IpNet::V4(_)))
            .map(ToString::to_string)
            .unwrap_or_default();
        let answer = world.perform(
            "CreateVpc",
            &[
                ("CidrBlock", &v4),
                ("TagSpecification.1.ResourceType", "vpc"),
                ("TagSpecification.1.Tag.1.Key", "Name"),
                ("TagSpecification.1.Tag.1.Value", &network.name),
            ],
        )?;
        let vpc = between(&answer, "vpcId");
        for block in network.cidrs.iter().filter(|block| **block != v4.parse().unwrap_or(**block)) {
            world.perform(
                "AssociateVpcCidrBlock",
                &[("VpcId", &vpc), ("Ipv6CidrBlock", &block.to_string())],
            )?;
        }
        for subnet in &network.subnets {
            let of = |v6: bool| {
                subnet.cidrs.iter().find(|block| matches!(block, IpNet::V6(_)) == v6).map(ToString::to_string)
            };
            let (v4, v6) = (of(false).unwrap_or_default(), of(true));
            let mut params = vec![("VpcId", vpc.as_str()), ("CidrBlock", v4.as_str())];
            params.extend(v6.as_deref().map(|block| ("Ipv6CidrBlock", block)));
            let answer = world.perform("CreateSubnet", &params)?;
            ids.subnets.insert(subnet.name.clone(), (vpc.clone(), between(&answer, "subnetId")));
        }
        ids.networks.insert(network.name.clone(), vpc);
    }
    for (a, b) in &estate.peerings {
        let answer = world.perform(
            "CreateVpcPeeringConnection",
            &[("VpcId", &ids.networks[a]), ("PeerVpcId", &ids.networks[b])],
        )?;
        world.perform(
            "AcceptVpcPeeringConnection",
            &[("VpcPeeringConnectionId", &between(&answer, "vpcPeeringConnectionId"))],
        )?;
    }
    for group in &estate.groups {
        seed_group(world, group, &mut ids)?;
    }
    for instance in &estate.instances {
        let interfaces: Vec<String> = instance
            .interfaces
            .iter()
            .map(|interface| seed_interface(world, interface, &ids))
            .collect::<Result<_, _>>()?;
        let mut params: Vec<(String, String)> = interfaces
            .iter()
            .enumerate()
            .map(|(n, id)| (format!("NetworkInterface.{}.NetworkInterfaceId", n + 1), id.clone()))
            .collect();
        params.push(("TagSpecification.1.ResourceType".to_owned(), "instance".to_owned()));
        let name = ("Name".to_owned(), instance.name.clone());
        for (n, (key, value)) in
            instance.tags.iter().map(|(k, v)| (k.clone(), v.clone())).chain([name]).enumerate()
        {
            params.push((format!("TagSpecification.1.Tag.{}.Key", n + 1), key));
            params.push((format!("TagSpecification.1.Tag.{}.Value", n + 1), value));
        }
        world.perform("RunInstances", &borrowed(&params))?;
    }
    for interface in &estate.interfaces {
        seed_interface(world, interface, &ids)?;
    }
    let settled = world.plane.max_ms();
    world.advance_ms(settled + 1);
    Ok(())
}

/// Cloud ids by the estate's names.
#[derive(Default)]
struct Ids {
    networks: BTreeMap<String, String>,
    subnets: BTreeMap<String, (String, String)>,
    groups: BTreeMap<(String, String), String>,
}

fn borrowed(params: &[(String, String)]) -> Vec<(&str, &str)> {
    params.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

/// The text of the first element with this name.
fn between(xml: &str, name: &str) -> String {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let start = xml.find(&open).map(|at| at + open.len());
    start
        .and_then(|start| Some(xml[start..start + xml[start..].find(&close)?].to_owned()))
        .unwrap_or_default()
}

fn seed_group(world: &mut World, group: &EstateGroup, ids: &mut Ids) -> Result<(), Ec2Error> {
    let vpc = ids.networks[&group.network].clone();
    let description = if group.description.is_empty() { &group.name } else { &group.description };
    let answer = world.perform(
        "CreateSecurityGroup",
        &[("GroupName", &group.name), ("GroupDescription", description), ("VpcId", &vpc)],
    )?;
    let id = between(&answer, "groupId");
    authorize(world, "AuthorizeSecurityGroupIngress", &id, &group.ingress)?;
    if let Some(egress) = &group.egress {
        let everything = |block: &str, list: &str, field: &str| {
            vec![
                ("GroupId".to_owned(), id.clone()),
                ("IpPermissions.1.IpProtocol".to_owned(), "-1".to_owned()),
                (format!("IpPermissions.1.{list}.1.{field}"), block.to_owned()),
            ]
        };
        world.perform(
            "RevokeSecurityGroupEgress",
            &borrowed(&everything("0.0.0.0/0", "IpRanges", "CidrIp")),
        )?;
        if answer_has_ipv6(world, &id) {
            world.perform(
                "RevokeSecurityGroupEgress",
                &borrowed(&everything("::/0", "Ipv6Ranges", "CidrIpv6")),
            )?;
        }
        authorize(world, "AuthorizeSecurityGroupEgress", &id, egress)?;
    }
    ids.groups.insert((vpc, group.name.clone()), id);
    Ok(())
}

/// Whether the cloud gave the group an IPv6 default egress rule.
fn answer_has_ipv6(world: &World, group: &str) -> bool {
    world.state.groups.get(group).is_some_and(|group| !group.rules.is_empty())
}

fn authorize(world: &mut World, action: &str, group: &str, rules: &[EstateRule]) -> Result<(), Ec2Error> {
    let mut params = vec![("GroupId".to_owned(), group.to_owned())];
    let mut number = 0;
    for rule in rules {
        for (protocol, low, high) in rule.service.by_protocol() {
            number += 1;
            let at = |name: &str| format!("IpPermissions.{number}.{name}");
            let (from, to) = match protocol {
                _ if has_ports(protocol) => (i32::from(low), i32::from(high)),
                _ if has_icmp_type(protocol) && (low, high) != (0, u16::MAX) => {
                    (i32::from(low >> 8), if low == high { i32::from(low & 0xff) } else { -1 })
                }
                _ => (-1, -1),
            };
            params.extend([
                (at("IpProtocol"), protocol.to_string()),
                (at("FromPort"), from.to_string()),
                (at("ToPort"), to.to_string()),
            ]);
            for (n, block) in rule.blocks.iter().enumerate() {
                let name = if matches!(block, IpNet::V6(_)) {
                    format!("Ipv6Ranges.{}.CidrIpv6", n + 1)
                } else {
                    format!("IpRanges.{}.CidrIp", n + 1)
                };
                params.push((at(&name), block.to_string()));
            }
        }
    }
    if number > 0 {
        world.perform(action, &borrowed(&params))?;
    }
    Ok(())
}

fn seed_interface(world: &mut World, interface: &EstateInterface, ids: &Ids) -> Result<String, Ec2Error> {
    let (vpc, subnet) = ids.subnets[&interface.subnet].clone();
    let mut params =
        vec![("SubnetId".to_owned(), subnet), ("Description".to_owned(), interface.name.clone())];
    for (n, name) in interface.groups.iter().enumerate() {
        let id = ids.groups.get(&(vpc.clone(), name.clone())).cloned().unwrap_or_default();
        params.push((format!("SecurityGroupId.{}", n + 1), id));
    }
    let mut number = 0;
    for address in interface.addresses.iter().filter(|address| address.is_ipv4()) {
        number += 1;
        params.push((format!("PrivateIpAddresses.{number}.PrivateIpAddress"), address.to_string()));
    }
    params.push(("TagSpecification.1.ResourceType".to_owned(), "network-interface".to_owned()));
    for (n, (key, value)) in interface.tags.iter().enumerate() {
        params.push((format!("TagSpecification.1.Tag.{}.Key", n + 1), key.clone()));
        params.push((format!("TagSpecification.1.Tag.{}.Value", n + 1), value.clone()));
    }
    let answer = world.perform("CreateNetworkInterface", &borrowed(&params))?;
    let id = between(&answer, "networkInterfaceId");
    if let Some(found) = world.state.interfaces.get_mut(&id) {
        // What only a service or the subnet's address plan decides.
        found.addresses = interface.addresses.clone();
        if let Some(managed) = &interface.managed {
            found.kind.clone_from(&managed.kind);
            found.requester = Some(managed.by.clone());
        }
    }
    Ok(id)
}
