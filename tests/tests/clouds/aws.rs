//! Networks and machines of the simulated AWS account.

use ipnet::IpNet;
use mock_aws::{Settings, World};
use policy::NetworkId;

use super::{Behaviour, Foreign, Machine, Made, Site, Tags};

/// Stands for every protocol in rules that are made here.
const EVERYTHING: u8 = 255;

pub fn world(behaviour: Behaviour) -> World {
    let limits =
        mock_aws::Limits { rules_per_group: 1_000, groups_per_interface: 16, groups_per_region: 2_500 };
    let Behaviour { seed, delay_ms, .. } = behaviour;
    World::new(Settings { seed, delay_ms, limits, throttle: false, call_ms: 0, ..Settings::default() })
}

/// A VPC with a subnet and three groups: `open` lets everything pass, `quiet` nothing, `others` what is foreign.
pub fn site(world: &mut World, site: &Site, peer: Option<(&Site, &NetworkId)>) -> NetworkId {
    let block = site.v4.to_string();
    let vpc = made(world, "CreateVpc", &[("CidrBlock", &block)], "vpcId");
    let subnet = IpNet::new(site.v4.addr(), 24).unwrap().to_string();
    let mut of_subnet = vec![("VpcId", vpc.as_str()), ("CidrBlock", subnet.as_str())];
    let six = site.v6.map(|block| (block.to_string(), IpNet::new(block.addr(), 64).unwrap().to_string()));
    if let Some((block, part)) = &six {
        world.perform("AssociateVpcCidrBlock", &[("VpcId", &vpc), ("Ipv6CidrBlock", block)]).unwrap();
        of_subnet.push(("Ipv6CidrBlock", part.as_str()));
    }
    made(world, "CreateSubnet", &of_subnet, "subnetId");
    let everything = |egress| {
        let block = |text: &str| -> IpNet { text.parse().unwrap() };
        let (protocol, ports) = (EVERYTHING, (0, u16::MAX));
        ["0.0.0.0/0", "::/0"].map(|text| Foreign { egress, allow: true, protocol, ports, block: block(text) })
    };
    for (name, rules) in [
        ("open", [everything(false), everything(true)].concat()),
        ("quiet", Vec::new()),
        ("others", site.foreign.iter().filter(|rule| rule.allow).cloned().collect()),
    ] {
        group(world, &vpc, name, &rules);
    }
    if let Some((_, peer)) = peer {
        let ends = [("VpcId", vpc.as_str()), ("PeerVpcId", peer.as_str())];
        let peering = made(world, "CreateVpcPeeringConnection", &ends, "vpcPeeringConnectionId");
        world.perform("AcceptVpcPeeringConnection", &[("VpcPeeringConnectionId", &peering)]).unwrap();
    }
    world.state.vpcs.get_mut(&vpc).unwrap().tags.insert("Name".to_owned(), site.name.to_owned());
    vpc.as_str().into()
}

/// A group with these rules alone.
fn group(world: &mut World, vpc: &str, name: &str, rules: &[Foreign]) {
    let named = [("VpcId", vpc), ("GroupName", name), ("GroupDescription", "of somebody else")];
    let id = made(world, "CreateSecurityGroup", &named, "groupId");
    let held: Vec<(String, &str)> = world.state.groups[&id]
        .rules
        .values()
        .map(|rule| match &rule.key.source {
            mock_aws::state::Source::Cidr(IpNet::V6(_)) => ("Ipv6Ranges.1.CidrIpv6", "::/0"),
            _ => ("IpRanges.1.CidrIp", "0.0.0.0/0"),
        })
        .map(|(field, block)| (format!("IpPermissions.1.{field}"), block))
        .collect();
    for (field, block) in held {
        let all = [("GroupId", id.as_str()), ("IpPermissions.1.IpProtocol", "-1"), (field.as_str(), block)];
        world.perform("RevokeSecurityGroupEgress", &all).unwrap();
    }
    for rule in rules {
        let side = if rule.egress { "Egress" } else { "Ingress" };
        let (protocol, from, to) = match rule.protocol {
            EVERYTHING => ("-1".to_owned(), "-1".to_owned(), "-1".to_owned()),
            number => (number.to_string(), rule.ports.0.to_string(), rule.ports.1.to_string()),
        };
        let field = if rule.block.addr().is_ipv6() { "Ipv6Ranges.1.CidrIpv6" } else { "IpRanges.1.CidrIp" };
        let (field, block) = (format!("IpPermissions.1.{field}"), rule.block.to_string());
        let params = [
            ("GroupId", id.as_str()),
            ("IpPermissions.1.IpProtocol", protocol.as_str()),
            ("IpPermissions.1.FromPort", from.as_str()),
            ("IpPermissions.1.ToPort", to.as_str()),
            (field.as_str(), block.as_str()),
        ];
        world.perform(&format!("AuthorizeSecurityGroup{side}"), &params).unwrap();
    }
}

pub fn machine(world: &mut World, site: &Site, machine: &Machine) -> Made {
    let vpc = world.state.vpcs.iter().find(|(_, vpc)| vpc.tags.get("Name").is_some_and(|n| n == site.name));
    let vpc = vpc.unwrap().0.clone();
    let subnet = world.state.subnets.iter().find(|(_, subnet)| subnet.vpc == vpc).unwrap().0.clone();
    let named = |name: &str| {
        let found = world.state.groups.iter().find(|(_, group)| group.vpc == vpc && group.name == name);
        found.unwrap().0.clone()
    };
    let groups = [named(if machine.open { "open" } else { "quiet" }), named("others")];
    let (more, six) = (machine.more_v4.to_string(), machine.v6.to_string());
    let params = [
        ("SubnetId", subnet.as_str()),
        ("SecurityGroupId.1", groups[0].as_str()),
        ("SecurityGroupId.2", groups[1].as_str()),
        ("SecondaryPrivateIpAddressCount", more.as_str()),
        ("Ipv6AddressCount", six.as_str()),
    ];
    let interface = made(world, "CreateNetworkInterface", &params, "networkInterfaceId");
    let at = [("NetworkInterface.1.NetworkInterfaceId", interface.as_str())];
    let workload = made(world, "RunInstances", &at, "instanceId");
    if machine.is_managed {
        world.state.interfaces.get_mut(&interface).unwrap().requester = Some("amazon-elb".to_owned());
    }
    let made = Made { workload: workload.as_str().into(), interface: interface.as_str().into() };
    retag(world, &made, &machine.tags);
    made
}

pub fn retag(world: &mut World, made: &Made, tags: &Tags) {
    world.state.instances.get_mut(made.workload.as_str()).unwrap().tags = tags.clone();
}

/// Ends a machine: its interface goes.
pub fn remove(world: &mut World, made: &Made) {
    world.perform("TerminateInstances", &[("InstanceId.1", made.workload.as_str())]).unwrap();
    if world.state.interfaces.contains_key(made.interface.as_str()) {
        let id = [("NetworkInterfaceId", made.interface.as_str())];
        world.perform("DeleteNetworkInterface", &id).unwrap();
    }
}

/// Makes something; its id is in this field of the answer.
fn made(world: &mut World, action: &str, params: &[(&str, &str)], field: &str) -> String {
    let answer = world.perform(action, params).unwrap_or_else(|error| panic!("{action}: {error:?}"));
    answer.split(&format!("<{field}>")).nth(1).unwrap().split('<').next().unwrap().to_owned()
}
