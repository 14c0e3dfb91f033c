//! What the driver reads through the real SDK over HTTP is what the simulated cloud holds: networks, peerings,
//! interfaces with every address, attach classes, tags, groups with rules of every kind, network ACLs.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::sync::Arc;

use mock_aws::{Ec2Front, Settings, World, serve};
use plan::{Attachment, Cloud, Drift, Gates, Observed, PathEffect, Scope, Transients};
use provider::{CloudReader, WallClock};
use provider_aws::{AwsReader, AwsSettings, Ec2};

/// A world whose ids have names.
struct Seed {
    world: World,
    names: BTreeMap<String, String>,
}

impl Seed {
    fn new() -> Self {
        Self { world: World::new(Settings::default()), names: BTreeMap::new() }
    }

    /// Performs `Action Key=Value …`, in which `$name` stands for an id; the first id in the answer gets `name`.
    fn call(&mut self, name: &str, line: &str) {
        let mut words = line.split_whitespace();
        let action = words.next().unwrap();
        let params: Vec<(String, String)> = words
            .map(|word| {
                let (key, value) = word.split_once('=').unwrap();
                let value = value.strip_prefix('$').map_or(value.to_owned(), |name| self.id(name));
                (key.to_owned(), value)
            })
            .collect();
        let params: Vec<(&str, &str)> = params.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        let answer = self.world.perform(action, &params).unwrap_or_else(|error| panic!("{line}: {error}"));
        if !name.is_empty() {
            let tag = match action {
                "CreateVpc" => "vpcId",
                "CreateSubnet" => "subnetId",
                "CreateSecurityGroup" => "groupId",
                "CreateNetworkInterface" => "networkInterfaceId",
                "RunInstances" => "instanceId",
                "CreateVpcPeeringConnection" => "vpcPeeringConnectionId",
                other => panic!("{other} has no id"),
            };
            let id = answer.split(&format!("<{tag}>")).nth(1).unwrap().split('<').next().unwrap();
            self.names.insert(name.to_owned(), id.to_owned());
        }
    }

    fn id(&self, name: &str) -> String {
        self.names.get(name).unwrap_or_else(|| panic!("no {name}")).clone()
    }

    async fn observe(self) -> (Observed, BTreeMap<String, String>) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let server = tokio::spawn(serve(Ec2Front::new(self.world), listener));
        let (settings, scope) = (AwsSettings::new("shop"), scope());
        let ec2 = Ec2::at_endpoint(&endpoint, &settings, &scope, Arc::new(WallClock::default()));
        let observed = AwsReader::new(ec2, settings).observe(&scope).await.unwrap();
        server.abort();
        (observed, self.names)
    }
}

fn scope() -> Scope {
    Scope {
        id: "shop".into(),
        cloud: Cloud::Aws,
        account: String::new(),
        region: "eu-west-1".to_owned(),
        networks: Vec::new(),
        enforce: false,
        egress: true,
        attachment: Attachment::Additive,
        drift: Drift::Repair,
        settle_ms: 1000,
        transients: Transients::Keep,
        gates: Gates::default(),
    }
}

/// One line for everything that was read, ids by their names, sorted.
fn lines(observed: &Observed, names: &BTreeMap<String, String>) -> Vec<String> {
    let mut lines = Vec::new();
    for network in &observed.networks {
        let cidrs: Vec<String> = network.cidrs.iter().map(ToString::to_string).collect();
        let peers: Vec<String> =
            network.peerings.iter().map(|peering| format!(" {}>{}", peering.handle, peering.peer)).collect();
        lines.push(format!("network {} {}{}", network.id, cidrs.join(" "), peers.concat()));
    }
    for i in &observed.interfaces {
        lines.push(format!(
            "interface {} of {} in {} {:?} groups {:?} {:?} tags {:?}",
            i.id, i.workload, i.network, i.addresses, i.groups, i.attach, i.tags
        ));
    }
    for group in observed.groups.iter().filter(|group| group.name != "default") {
        lines.push(format!("group {} {} in {} {:?}", group.id, group.name, group.network, group.owner));
        lines.extend(group.ingress.iter().map(|rule| format!("{} < {rule}", group.name)));
        lines.extend(group.egress.iter().map(|rule| format!("{} > {rule}", group.name)));
    }
    for filter in &observed.path_filters {
        let denies = filter.rules.iter().filter(|rule| rule.effect == PathEffect::Deny);
        lines.extend(denies.map(|rule| {
            format!("acl {} denies {} {} {}", rule.name, rule.direction, rule.peers[0], rule.services[0])
        }));
    }
    let named = |line: String| names.iter().fold(line, |line, (name, id)| line.replace(id.as_str(), name));
    let mut lines: Vec<String> = lines.into_iter().map(named).collect();
    lines.sort();
    lines
}

async fn check(seed: Seed, kind: &str, expected: &[&str]) {
    let (observed, names) = seed.observe().await;
    let found: Vec<String> = lines(&observed, &names).into_iter().filter(|l| l.starts_with(kind)).collect();
    assert_eq!(found, expected, "\n{}", found.join("\n"));
}

fn two_networks() -> Seed {
    let mut seed = Seed::new();
    seed.call("A", "CreateVpc CidrBlock=10.0.0.0/16");
    seed.call("B", "CreateVpc CidrBlock=10.1.0.0/16");
    seed.call("C", "CreateVpc CidrBlock=10.0.0.0/16");
    seed.call("", "AssociateVpcCidrBlock VpcId=$A Ipv6CidrBlock=2001:db8:a::/56");
    seed.call("subnet", "CreateSubnet VpcId=$A CidrBlock=10.0.1.0/24 Ipv6CidrBlock=2001:db8:a::/64");
    seed
}

#[tokio::test]
async fn only_active_peerings_connect() {
    let mut seed = two_networks();
    seed.call("P", "CreateVpcPeeringConnection VpcId=$A PeerVpcId=$B");
    seed.call("", "AcceptVpcPeeringConnection VpcPeeringConnectionId=$P");
    seed.call("Q", "CreateVpcPeeringConnection VpcId=$A PeerVpcId=$C");
    let expected =
        ["network A 10.0.0.0/16 2001:db8:a::/56 P>B", "network B 10.1.0.0/16 P>A", "network C 10.0.0.0/16"];
    check(seed, "network", &expected).await;
}

#[tokio::test]
async fn interfaces_have_every_address_and_the_tags_of_their_instance() {
    let mut seed = two_networks();
    seed.call("G", "CreateSecurityGroup GroupName=web GroupDescription=web VpcId=$A");
    seed.call(
        "E",
        "CreateNetworkInterface SubnetId=$subnet SecurityGroupId.1=$G Ipv6AddressCount=1 \
         PrivateIpAddresses.1.PrivateIpAddress=10.0.1.9 PrivateIpAddresses.1.Primary=true \
         PrivateIpAddresses.2.PrivateIpAddress=10.0.1.8 \
         TagSpecification.1.ResourceType=network-interface TagSpecification.1.Tag.1.Key=role \
         TagSpecification.1.Tag.1.Value=db",
    );
    seed.call(
        "I",
        "RunInstances NetworkInterface.1.NetworkInterfaceId=$E NetworkInterface.1.DeviceIndex=0 \
         TagSpecification.1.ResourceType=instance TagSpecification.1.Tag.1.Key=role \
         TagSpecification.1.Tag.1.Value=web TagSpecification.1.Tag.2.Key=env TagSpecification.1.Tag.2.Value=prod",
    );
    seed.call("L", "CreateNetworkInterface SubnetId=$subnet SecurityGroupId.1=$G");
    let lambda = seed.id("L");
    let interface = seed.world.state.interfaces.get_mut(&lambda).unwrap();
    interface.requester = Some("amazon-rds".to_owned());
    let expected = [
        "interface E of I in A [10.0.1.9, 10.0.1.8, 2001:db8:a::4] groups [\"G\"] Direct \
         tags {\"env\": \"prod\", \"role\": \"db\"}",
        "interface L of L in A [10.0.1.5] groups [\"G\"] ThroughService(\"amazon-rds\") tags {}",
    ];
    check(seed, "interface", &expected).await;
}

#[tokio::test]
async fn rules_of_every_kind_are_read() {
    let mut seed = two_networks();
    seed.call("P", "CreateVpcPeeringConnection VpcId=$A PeerVpcId=$B");
    seed.call("", "AcceptVpcPeeringConnection VpcPeeringConnectionId=$P");
    seed.call("G", "CreateSecurityGroup GroupName=web GroupDescription=web VpcId=$A");
    seed.call("H", "CreateSecurityGroup GroupName=far GroupDescription=far VpcId=$B");
    for permission in [
        "IpProtocol=tcp FromPort=80 ToPort=90 IpRanges.1.CidrIp=10.0.0.0/8",
        "IpProtocol=tcp FromPort=0 ToPort=65535 Groups.1.GroupId=$G",
        "IpProtocol=udp FromPort=53 ToPort=53 Groups.1.GroupId=$H",
        "IpProtocol=icmp FromPort=3 ToPort=4 IpRanges.1.CidrIp=0.0.0.0/0",
        "IpProtocol=icmpv6 FromPort=128 ToPort=-1 Ipv6Ranges.1.CidrIpv6=::/0",
        "IpProtocol=50 FromPort=-1 ToPort=-1 IpRanges.1.CidrIp=192.0.2.1/32",
        "IpProtocol=-1 Ipv6Ranges.1.CidrIpv6=2001:db8::/32",
    ] {
        let params: Vec<String> =
            permission.split(' ').map(|part| format!("IpPermissions.1.{part}")).collect();
        seed.call("", &format!("AuthorizeSecurityGroupIngress GroupId=$G {}", params.join(" ")));
    }
    let expected = [
        "web < 0.0.0.0/0 icmp/3/4",
        "web < 10.0.0.0/8 tcp/80-90",
        "web < 192.0.2.1/32 proto/50",
        "web < 2001:db8::/32 all",
        "web < ::/0 icmpv6/128",
        "web < G tcp",
        "web < H udp/53",
        "web > 0.0.0.0/0 all",
        "web > ::/0 all",
    ];
    check(seed, "web", &expected).await;
}

#[tokio::test]
async fn ours_is_what_carries_the_whole_mark() {
    let mut seed = Seed::new();
    seed.call("A", "CreateVpc CidrBlock=10.0.0.0/16");
    let marks = "TagSpecification.1.ResourceType=security-group \
                 TagSpecification.1.Tag.1.Key=bulkhead:installation TagSpecification.1.Tag.1.Value=shop \
                 TagSpecification.1.Tag.2.Key=bulkhead:role TagSpecification.1.Tag.2.Value=class-group \
                 TagSpecification.1.Tag.3.Key=Name TagSpecification.1.Tag.3.Value=bulkhead-shop-0123456789ab";
    let create = |name: &str| format!("CreateSecurityGroup GroupName={name} GroupDescription=x VpcId=$A");
    seed.call("G1", &format!("{} {marks}", create("bulkhead-shop-0123456789ab")));
    seed.call("G2", &create("bulkhead-shop-ba9876543210"));
    seed.call("G3", &format!("{} {marks}", create("web")));
    seed.call("G4", &create("db"));
    let other = "TagSpecification.1.ResourceType=security-group \
                 TagSpecification.1.Tag.1.Key=bulkhead:installation TagSpecification.1.Tag.1.Value=shop-eu \
                 TagSpecification.1.Tag.2.Key=bulkhead:role TagSpecification.1.Tag.2.Value=class-group";
    seed.call("G5", &format!("{} {other}", create("bulkhead-shop-eu-0123456789ab")));
    seed.call("G6", &format!("{} {other}", create("bulkhead-shop-0000000000ff")));
    let expected = [
        "group G1 bulkhead-shop-0123456789ab in A Ours",
        "group G2 bulkhead-shop-ba9876543210 in A Suspect(\"our name, but none of our tags\")",
        "group G3 web in A Suspect(\"our installation tag, but not our name\")",
        "group G4 db in A Foreign",
        "group G5 bulkhead-shop-eu-0123456789ab in A Foreign",
        "group G6 bulkhead-shop-0000000000ff in A Suspect(\"our name, but the tag of installation `shop-eu`\")",
    ];
    check(seed, "group", &expected).await;
}

#[tokio::test]
async fn network_acls_are_read_in_their_order() {
    let mut seed = two_networks();
    let vpc = seed.id("A");
    let acl = seed.world.state.acls.iter().find(|(_, acl)| acl.vpc == vpc).unwrap().0.clone();
    seed.names.insert("N".to_owned(), acl);
    for entry in [
        "RuleNumber=50 Protocol=6 Egress=false CidrBlock=192.0.2.0/24 PortRange.From=22 PortRange.To=22",
        "RuleNumber=40 Protocol=-1 Egress=true Ipv6CidrBlock=2001:db8:dead::/48",
    ] {
        seed.call("", &format!("CreateNetworkAclEntry NetworkAclId=$N RuleAction=deny {entry}"));
    }
    let expected =
        ["acl 40 denies egress 2001:db8:dead::/48 all", "acl 50 denies ingress 192.0.2.0/24 tcp/22"];
    check(seed, "acl", &expected).await;
}
