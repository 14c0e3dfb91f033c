//! What an account starts with.

use std::collections::BTreeMap;

use mock_aws::World;
use provider::conformance::{Seed, SeedWorkload};

/// VPCs with a subnet each, interfaces, and groups of somebody else.
///
/// An interface is in one group at least, and a new group lets everything out: each VPC has a group `closed` of somebody
/// else, without rules, for those that are in no other.
pub fn fill(world: &mut World, seed: &Seed) {
    let mut places = Vec::new();
    for network in &seed.networks {
        let vpc = id(&call(world, "CreateVpc", &[("CidrBlock", &network.v4)]), "vpcId");
        call(world, "AssociateVpcCidrBlock", &[("VpcId", &vpc), ("Ipv6CidrBlock", &network.v6)]);
        let v6 = network.v6.replace("/56", "/64");
        let subnet = call(
            world,
            "CreateSubnet",
            &[("VpcId", &vpc), ("CidrBlock", &network.v4), ("Ipv6CidrBlock", &v6)],
        );
        let closed = group(world, &vpc, "closed");
        places.push((vpc, id(&subnet, "subnetId"), closed));
    }
    for &(a, b) in &seed.peered {
        let ends = [("VpcId", places[a].0.as_str()), ("PeerVpcId", places[b].0.as_str())];
        let peering = id(&call(world, "CreateVpcPeeringConnection", &ends), "vpcPeeringConnectionId");
        call(world, "AcceptVpcPeeringConnection", &[("VpcPeeringConnectionId", &peering)]);
    }
    let mut first = None;
    for name in &seed.foreign {
        let made = group(world, &places[0].0, name);
        let rule = [
            ("GroupId", made.as_str()),
            ("IpProtocol", "tcp"),
            ("FromPort", "22"),
            ("ToPort", "22"),
            ("CidrIp", "192.0.2.0/24"),
        ];
        call(world, "AuthorizeSecurityGroupIngress", &rule);
        first = first.or(Some(made));
    }
    for (number, workload) in seed.workloads.iter().enumerate() {
        let (_, subnet, closed) = &places[workload.network];
        let more = first.as_ref().filter(|_| number == 0);
        start(world, workload, subnet, &std::iter::once(closed).chain(more).collect::<Vec<_>>());
    }
}

fn start(world: &mut World, workload: &SeedWorkload, subnet: &str, groups: &[&String]) {
    let mut params: BTreeMap<String, String> = BTreeMap::from([
        ("SubnetId".to_owned(), subnet.to_owned()),
        ("Ipv6AddressCount".to_owned(), "1".to_owned()),
        ("TagSpecification.1.ResourceType".to_owned(), "network-interface".to_owned()),
    ]);
    for (number, group) in groups.iter().enumerate() {
        params.insert(format!("SecurityGroupId.{}", number + 1), (*group).clone());
    }
    let name = [("Name".to_owned(), workload.name.clone())];
    for (number, (key, value)) in name.iter().chain(&workload.tags).enumerate() {
        let at = format!("TagSpecification.1.Tag.{}", number + 1);
        params.insert(format!("{at}.Key"), key.clone());
        params.insert(format!("{at}.Value"), value.clone());
    }
    let params: Vec<(&str, &str)> =
        params.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    call(world, "CreateNetworkInterface", &params);
}

/// A group of somebody else that lets nothing in and nothing out.
pub fn group(world: &mut World, vpc: &str, name: &str) -> String {
    let made = call(
        world,
        "CreateSecurityGroup",
        &[("GroupName", name), ("GroupDescription", "theirs"), ("VpcId", vpc)],
    );
    let made = id(&made, "groupId");
    for range in ["IpPermissions.1.IpRanges.1.CidrIp=0.0.0.0/0", "IpPermissions.1.Ipv6Ranges.1.CidrIpv6=::/0"]
    {
        let (key, block) = range.split_once('=').unwrap();
        let params = [("GroupId", made.as_str()), ("IpPermissions.1.IpProtocol", "-1"), (key, block)];
        call(world, "RevokeSecurityGroupEgress", &params);
    }
    made
}

pub fn id(answer: &str, tag: &str) -> String {
    answer.split(&format!("<{tag}>")).nth(1).unwrap().split('<').next().unwrap().to_owned()
}

/// The back door.
pub fn call(world: &mut World, action: &str, params: &[(&str, &str)]) -> String {
    world.perform(action, params).unwrap_or_else(|error| panic!("{action} {params:?}: {error}"))
}
