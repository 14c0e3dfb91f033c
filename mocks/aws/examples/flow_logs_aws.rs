//! Writes the flow logs of a small account into a folder, for readers that nobody here wrote.
//!
//! `flow_logs_aws FOLDER [SEED]`: `FOLDER/default` and `FOLDER/full` hold the files of two flow logs, one with the
//! default format and one with every field; `sent.tsv` says what was put on the wire and how far it came,
//! `interfaces.tsv` which addresses an interface has, its primary one first.

use std::error::Error;
use std::path::{Path, PathBuf};

use mock_aws::flow_logs::{Field, Order, Settings, write};
use mock_aws::state::Interface;
use mock_aws::{End, World};
use mock_cloud::time::unix_ms;
use mock_cloud::traffic::{Shape, judge, random};
use mock_cloud::{Conversation, Passage};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = PathBuf::from(arguments.next().ok_or("the folder to write into is missing")?);
    let seed = arguments.next().map_or(Ok(1), |seed| seed.parse())?;
    let world = world()?;
    let passages = judge(&[&world], traffic(&world, seed));
    let default = Settings { seed, ..Settings::default() };
    let full = Settings {
        id: "fl-0f1e2d3c4b5a69788".to_owned(),
        format: Field::up_to(5),
        aggregation_s: 60,
        late_s: 600,
        order: Order::Shuffled,
        ..default.clone()
    };
    for (name, settings) in [("default", default), ("full", full)] {
        for (key, bytes) in write(&world, &passages, &settings) {
            put(&folder.join(name).join(key), &bytes)?;
        }
    }
    let rows = passages.iter().map(|passage| passage.row() + "\n");
    put(&folder.join("sent.tsv"), (format!("{}\n", Passage::HEADER) + &rows.collect::<String>()).as_bytes())?;
    let shown = |(id, held): (&String, &Interface)| {
        let addresses: Vec<String> = held.addresses.iter().map(ToString::to_string).collect();
        format!("{id}\t{}\n", addresses.join(","))
    };
    let interfaces: String = world.state.interfaces.iter().map(shown).collect();
    put(&folder.join("interfaces.tsv"), interfaces.as_bytes())?;
    Ok(())
}

fn put(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    std::fs::create_dir_all(path.parent().unwrap_or(path))?;
    std::fs::write(path, bytes)
}

/// Three subnets; the group lets PostgreSQL, DNS and pings in, answers of one subnet are cut by an ACL.
fn world() -> Result<World, Box<dyn Error>> {
    let mut world = World::new(mock_aws::Settings::default());
    let vpc = made(&mut world, "vpcId", "CreateVpc", &[("CidrBlock", "10.0.0.0/16")])?;
    let group = [("GroupName", "db"), ("GroupDescription", "db"), ("VpcId", vpc.as_str())];
    let group = made(&mut world, "groupId", "CreateSecurityGroup", &group)?;
    for (protocol, from, to) in [("tcp", "5432", "5432"), ("udp", "53", "53"), ("icmp", "-1", "-1")] {
        let rule = [
            ("GroupId", group.as_str()),
            ("IpPermissions.1.IpProtocol", protocol),
            ("IpPermissions.1.FromPort", from),
            ("IpPermissions.1.ToPort", to),
            ("IpPermissions.1.IpRanges.1.CidrIp", "0.0.0.0/0"),
        ];
        world.perform("AuthorizeSecurityGroupIngress", &rule)?;
    }
    for block in ["10.0.1.0/24", "10.0.2.0/24", "10.0.3.0/24"] {
        let subnet = [("VpcId", vpc.as_str()), ("CidrBlock", block)];
        let subnet = made(&mut world, "subnetId", "CreateSubnet", &subnet)?;
        for more in ["0", "1"] {
            let interface = [
                ("SubnetId", subnet.as_str()),
                ("SecurityGroupId.1", &group),
                ("SecondaryPrivateIpAddressCount", more),
            ];
            world.perform("CreateNetworkInterface", &interface)?;
        }
        if block == "10.0.3.0/24" {
            cut_answers(&mut world, &vpc, &subnet)?;
        }
    }
    world.advance_ms(10_000);
    Ok(world)
}

/// An ACL that lets everything into a subnet, and of TCP only what goes to ports from 50,000 on out of it.
fn cut_answers(world: &mut World, vpc: &str, subnet: &str) -> Result<(), Box<dyn Error>> {
    let acl = made(world, "networkAclId", "CreateNetworkAcl", &[("VpcId", vpc)])?;
    let entry = |number, action, egress, protocol, ports: &[(&'static str, &'static str)]| {
        let mut params = vec![
            ("NetworkAclId", acl.clone()),
            ("RuleNumber", String::from(number)),
            ("RuleAction", String::from(action)),
            ("Egress", String::from(egress)),
            ("Protocol", String::from(protocol)),
            ("CidrBlock", String::from("0.0.0.0/0")),
        ];
        params.extend(ports.iter().map(|(name, port)| (*name, String::from(*port))));
        params
    };
    let low = [("PortRange.From", "32768"), ("PortRange.To", "49999")];
    for params in [
        entry("100", "allow", "false", "-1", &[]),
        entry("90", "deny", "true", "tcp", &low),
        entry("100", "allow", "true", "-1", &[]),
    ] {
        let params: Vec<(&str, &str)> = params.iter().map(|(name, value)| (*name, value.as_str())).collect();
        world.perform("CreateNetworkAclEntry", &params)?;
    }
    let listed = world.perform("DescribeNetworkAcls", &[])?;
    let mut all = listed.split("<networkAclAssociationId>").skip(1);
    let held = all.find(|rest| rest.contains(subnet)).ok_or("the subnet has no ACL")?;
    let association = held.split('<').next().unwrap_or_default();
    world
        .perform("ReplaceNetworkAclAssociation", &[("AssociationId", association), ("NetworkAclId", &acl)])?;
    Ok(())
}

fn made(
    world: &mut World,
    field: &str,
    action: &str,
    params: &[(&str, &str)],
) -> Result<String, Box<dyn Error>> {
    let answer = world.perform(action, params)?;
    let rest = answer.split(&format!("<{field}>")).nth(1).ok_or("the answer has no id")?;
    Ok(rest.split('<').next().unwrap_or_default().to_owned())
}

fn traffic(world: &World, seed: u64) -> Vec<Conversation> {
    let mut ends: Vec<End> = Vec::new();
    for (id, interface) in &world.state.interfaces {
        ends.extend(interface.addresses.iter().map(|address| End::Interface(id.clone(), *address)));
    }
    let outside = ["192.0.2.1", "198.51.100.7"].into_iter().filter_map(|text| text.parse().ok());
    ends.extend(outside.map(End::External));
    random(&ends, &Shape { seed, count: 1_000, from_ms: unix_ms(world.now_ms()), span_ms: 3_600_000 })
}
