//! Flow logs: the traps of `providers.md` 2.4 on the writing side, and that nothing is lost or made up.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::net::IpAddr;

use mock_aws::flow_logs::{
    Compression, Field, FlowLogs, Layout, Order, Partition, Settings, TrafficType, write, write_events,
};
use mock_aws::{End, Packet};
use mock_cloud::time::{BEGIN_S, unix_ms};
use mock_cloud::traffic::{Count, Ending, Fate, Shape, Side, Stage, judge, random};
use mock_cloud::{Conversation, Edge, Passage};

use crate::harness::Cloud;

/// A cloud elsewhere, whose interfaces begin with `far-`.
struct Elsewhere(bool);

impl Edge for Elsewhere {
    fn holds(&self, interface: &str) -> bool {
        interface.starts_with("far-")
    }

    fn passes(&self, _: Stage, _: &Packet, _: u16, _: u64) -> bool {
        self.0
    }
}

/// `x` and `y` in one subnet, `z` in another of the same VPC; `web` may ask `db` at 5432, `z` is in `db`.
fn estate() -> Cloud {
    let mut cloud = Cloud::with_two_vpcs();
    cloud.run(
        "st: CreateSubnet VpcId=$a CidrBlock=10.0.2.0/24
         x: CreateNetworkInterface SubnetId=$sa SecurityGroupId.1=$web SecondaryPrivateIpAddressCount=1 Ipv6AddressCount=1
         y: CreateNetworkInterface SubnetId=$sa SecurityGroupId.1=$db Ipv6AddressCount=1
         z: CreateNetworkInterface SubnetId=$st SecurityGroupId.1=$db
         far: CreateNetworkInterface SubnetId=$sb SecurityGroupId.1=$far
         AuthorizeSecurityGroupIngress GroupId=$db IpPermissions.1.IpProtocol=tcp IpPermissions.1.FromPort=5432 IpPermissions.1.ToPort=5432 IpPermissions.1.Groups.1.GroupId=$web
         AuthorizeSecurityGroupIngress GroupId=$db IpPermissions.1.IpProtocol=icmp IpPermissions.1.FromPort=-1 IpPermissions.1.ToPort=-1 IpPermissions.1.IpRanges.1.CidrIp=0.0.0.0/0",
    );
    cloud.front.world().advance_ms(10_000);
    cloud
}

/// When the traffic of a test begins: on the border of an interval.
const START_MS: u64 = BEGIN_S * 1000 + 600_000;

/// A conversation that a packet opens: ten packets out, eight back, over a time.
fn talk(cloud: &Cloud, packet: &str, duration_ms: u64) -> Conversation {
    let Packet { source, destination, protocol, detail } = cloud.packet(packet);
    Conversation {
        source,
        destination,
        seen_as: None,
        dialled: None,
        protocol,
        source_port: if matches!(protocol, 6 | 17) { 40_001 } else { 0 },
        detail,
        start_ms: START_MS,
        duration_ms,
        sent: Count { packets: 10, bytes: 1_003 },
        received: Count { packets: 8, bytes: 4_001 },
        ending: Ending::Finished,
    }
}

fn passed(cloud: &Cloud, talks: impl IntoIterator<Item = Conversation>) -> Vec<Passage> {
    let world = cloud.front.world();
    judge(&[&*world, &Elsewhere(true)], talks)
}

fn full() -> Settings {
    Settings {
        format: Field::up_to(5),
        aggregation_s: 60,
        compression: Compression::Off,
        ..Settings::default()
    }
}

type Row = BTreeMap<String, String>;

/// The records of a text file, by the names of its header.
fn rows_of(text: &str) -> Vec<Row> {
    let mut lines = text.lines();
    let header: Vec<&str> = lines.next().unwrap().split(' ').collect();
    let row = |line: &str| {
        let words: Vec<&str> = line.split(' ').collect();
        assert_eq!(words.len(), header.len(), "{line}");
        header.iter().zip(words).map(|(name, word)| ((*name).to_owned(), word.to_owned())).collect()
    };
    lines.map(row).collect()
}

fn rows(cloud: &Cloud, passages: &[Passage], settings: &Settings) -> Vec<Row> {
    let world = cloud.front.world();
    let files = write(&world, passages, settings);
    files.iter().flat_map(|(_, bytes)| rows_of(std::str::from_utf8(bytes).unwrap())).collect()
}

/// Fields of the records with traffic at an interface, sorted: `egress ACCEPT 10.0.1.4:40001>10.0.1.6:5432 10 2`.
fn seen(cloud: &Cloud, passages: &[Passage], settings: &Settings, interface: &str) -> Vec<String> {
    let id = cloud.id(interface);
    let own = rows(cloud, passages, settings).into_iter();
    let own = own.filter(|row| row["interface-id"] == id && row["log-status"] == "OK");
    let mut found: Vec<String> = own
        .map(|row| {
            let of = |name: &str| row[name].as_str();
            format!(
                "{} {} {}:{}>{}:{} {} {}",
                of("flow-direction"),
                of("action"),
                of("srcaddr"),
                of("srcport"),
                of("dstaddr"),
                of("dstport"),
                of("packets"),
                of("tcp-flags")
            )
        })
        .collect();
    found.sort();
    found
}

fn address(cloud: &Cloud, interface: &str, number: usize) -> IpAddr {
    cloud.front.world().state.interfaces[cloud.id(interface)].addresses[number]
}

#[test]
fn direction_is_a_record_of_its_own_at_each_interface() {
    let cloud = estate();
    let all = passed(&cloud, [talk(&cloud, "x tcp/5432 y", 900)]);
    let (x, y) = (address(&cloud, "x", 0), address(&cloud, "y", 0));
    assert_eq!(
        seen(&cloud, &all, &full(), "x"),
        [format!("egress ACCEPT {x}:40001>{y}:5432 10 3"), format!("ingress ACCEPT {y}:5432>{x}:40001 8 19"),]
    );
    assert_eq!(
        seen(&cloud, &all, &full(), "y"),
        [format!("egress ACCEPT {y}:5432>{x}:40001 8 19"), format!("ingress ACCEPT {x}:40001>{y}:5432 10 3"),]
    );
}

#[test]
fn direction_flags_are_of_the_interval_and_0_in_the_middle_of_long_flows() {
    let cloud = estate();
    let flags = |ending, aggregation_s| {
        let all = passed(&cloud, [Conversation { ending, ..talk(&cloud, "x tcp/5432 y", 150_000) }]);
        let settings = Settings { aggregation_s, ..full() };
        let rows = rows(&cloud, &all, &settings).into_iter();
        let mut own: Vec<Row> =
            rows.filter(|row| row["interface-id"] == cloud.id("y") && row["log-status"] == "OK").collect();
        own.sort_by_key(|row| row["start"].parse::<u64>().unwrap());
        let way = |word: &str| {
            let own = own.iter().filter(|row| row["flow-direction"] == word);
            own.map(|row| row["tcp-flags"].clone()).collect::<Vec<_>>().join(" ")
        };
        (way("ingress"), way("egress"))
    };
    let words = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    assert_eq!(flags(Ending::Finished, 60), words("2 0 1", "18 0 1"));
    assert_eq!(flags(Ending::Silent, 60), words("2 0 0", "18 0 0"));
    assert_eq!(flags(Ending::Reset, 60), words("2 0 4", "18 0 0"));
    assert_eq!(flags(Ending::Finished, 600), words("3", "19"));
}

#[test]
fn direction_flags_of_connections_from_the_same_port_are_ored() {
    let cloud = estate();
    let first = talk(&cloud, "x tcp/5432 y", 70_000);
    let second = Conversation {
        start_ms: START_MS + 80_000,
        ending: Ending::Silent,
        ..talk(&cloud, "x tcp/5432 y", 5_000)
    };
    let all = passed(&cloud, [first, second]);
    let (x, y) = (address(&cloud, "x", 0), address(&cloud, "y", 0));
    let own = seen(&cloud, &all, &full(), "y");
    // The end of the one and the beginning of the other are in one interval.
    assert!(own.contains(&format!("ingress ACCEPT {x}:40001>{y}:5432 8 2")), "{own:?}");
    assert!(own.contains(&format!("ingress ACCEPT {x}:40001>{y}:5432 12 3")), "{own:?}");
}

#[test]
fn windows_what_is_told_late_comes_in_later_files() {
    let cloud = estate();
    let world = cloud.front.world();
    let mut logs = FlowLogs::new(full(), START_MS);
    let before = logs.advance(&world, START_MS + 1_200_000);
    drop(world);
    let late = passed(&cloud, [talk(&cloud, "x tcp/5432 y", 900)]);
    let early = Conversation { start_ms: START_MS - 60_000, ..talk(&cloud, "x tcp/5432 y", 900) };
    let world = cloud.front.world();
    logs.add(&world, &late);
    logs.add(&world, &judge(&[&*world], [early]));
    let after = logs.advance(&world, START_MS + 2_400_000);
    let keys = |files: &[mock_cloud::Written]| {
        files.iter().map(|one| one.key.clone()).collect::<std::collections::BTreeSet<_>>()
    };
    assert!(before.len() >= 4 && keys(&before).is_disjoint(&keys(&after)));
    let rows = after.iter().flat_map(|one| rows_of(std::str::from_utf8(&one.bytes).unwrap()));
    let traffic: Vec<Row> = rows.filter(|row| row["log-status"] == "OK").collect();
    assert_eq!(traffic.len(), 4, "and what was before the flow log was made never comes");
    assert!(traffic.iter().all(|row| row["start"] == (START_MS / 1000).to_string()));
}

#[test]
fn a_flow_log_of_a_subnet_is_of_its_interfaces_also_of_those_that_are_gone() {
    let mut cloud = estate();
    let all = passed(&cloud, [talk(&cloud, "x tcp/5432 z", 900)]);
    let of = std::collections::BTreeSet::from([cloud.id("st").to_owned()]);
    let mut logs = FlowLogs::new(Settings { of, ..full() }, START_MS);
    logs.add(&cloud.front.world(), &all);
    cloud.run("DeleteNetworkInterface NetworkInterfaceId=$z");
    let files = logs.advance(&cloud.front.world(), START_MS + 600_000);
    let rows: Vec<Row> =
        files.iter().flat_map(|one| rows_of(std::str::from_utf8(&one.bytes).unwrap())).collect();
    assert_eq!(rows.len(), 2, "{rows:?}");
    assert!(rows.iter().all(|row| row["interface-id"] == cloud.id("z") && row["packets"] != "-"));
}

#[test]
fn every_field_of_version_10_has_a_column() {
    let cloud = estate();
    let all = passed(&cloud, [talk(&cloud, "x tcp/5432 y", 900)]);
    let rows = rows(&cloud, &all, &Settings { format: Field::up_to(10), ..full() });
    assert_eq!(rows[0].len(), 42);
    assert!(rows.iter().all(|row| row["version"] == "10" && row["reject-reason"] == "-"));
}

#[test]
fn accept_on_the_source_interface_is_not_delivery() {
    let cloud = estate();
    let all = passed(&cloud, [talk(&cloud, "x tcp/22 y", 900)]);
    assert_eq!(all[0].fate, Fate::StoppedArriving);
    let (x, y) = (address(&cloud, "x", 0), address(&cloud, "y", 0));
    assert_eq!(seen(&cloud, &all, &full(), "x"), [format!("egress ACCEPT {x}:40001>{y}:22 3 2")]);
    assert_eq!(seen(&cloud, &all, &full(), "y"), [format!("ingress REJECT {x}:40001>{y}:22 3 2")]);
}

#[test]
fn what_the_source_rejects_nobody_else_sees() {
    let mut cloud = estate();
    cloud.run("RevokeSecurityGroupEgress GroupId=$web IpPermissions.1.IpProtocol=-1 IpPermissions.1.IpRanges.1.CidrIp=0.0.0.0/0");
    cloud.front.world().advance_ms(10_000);
    let late = START_MS + 600_000;
    let all = passed(&cloud, [Conversation { start_ms: late, ..talk(&cloud, "x tcp/5432 y", 900) }]);
    let (x, y) = (address(&cloud, "x", 0), address(&cloud, "y", 0));
    assert_eq!(seen(&cloud, &all, &full(), "x"), [format!("egress REJECT {x}:40001>{y}:5432 3 2")]);
    assert_eq!(seen(&cloud, &all, &full(), "y"), [""; 0]);
    // The verdict is that of the time: a conversation from before the change was let through.
    let early = unix_ms(cloud.front.world().now_ms() - 10_001);
    let all = passed(&cloud, [Conversation { start_ms: early, ..talk(&cloud, "x tcp/5432 y", 900) }]);
    assert_eq!(all[0].fate, Fate::Delivered);
}

#[test]
fn reject_does_not_say_who_an_acl_drops_the_reply() {
    let mut cloud = estate();
    // The ACL of z's subnet lets everything in, and answers only to ports from 50,000 on.
    cloud.run(
        "acl: CreateNetworkAcl VpcId=$a
         CreateNetworkAclEntry NetworkAclId=$acl RuleNumber=100 Protocol=-1 RuleAction=allow Egress=false CidrBlock=0.0.0.0/0
         CreateNetworkAclEntry NetworkAclId=$acl RuleNumber=100 Protocol=tcp RuleAction=allow Egress=true CidrBlock=0.0.0.0/0 PortRange.From=50000 PortRange.To=65535",
    );
    let subnet = cloud.id("st").to_owned();
    let listed = cloud.call("DescribeNetworkAcls").body;
    let held = listed.split("<networkAclAssociationId>").skip(1).find(|rest| rest.contains(&subnet)).unwrap();
    let association = held.split('<').next().unwrap().to_owned();
    cloud.run(&format!("ReplaceNetworkAclAssociation AssociationId={association} NetworkAclId=$acl"));
    let packet = cloud.packet("x tcp/5432 z");
    assert!(!cloud.front.world().allows_by_api(&packet), "not every answer passes");
    let wanted = talk(&cloud, "x tcp/5432 z", 900);
    let all = passed(&cloud, [wanted.clone()]);
    assert_eq!(all[0].fate, Fate::AnswerStoppedLeaving);
    let (x, z) = (address(&cloud, "x", 0), address(&cloud, "z", 0));
    assert_eq!(seen(&cloud, &all, &full(), "x"), [format!("egress ACCEPT {x}:40001>{z}:5432 3 2")]);
    assert_eq!(
        seen(&cloud, &all, &full(), "z"),
        [format!("egress REJECT {z}:5432>{x}:40001 3 18"), format!("ingress ACCEPT {x}:40001>{z}:5432 3 2"),]
    );
    // A client that uses another port gets its answer.
    let all = passed(&cloud, [Conversation { source_port: 50_001, ..wanted }]);
    assert_eq!(all[0].fate, Fate::Delivered);
}

#[test]
fn stateful_replies_are_accepted_without_a_rule() {
    let mut cloud = estate();
    cloud.run("RevokeSecurityGroupEgress GroupId=$db IpPermissions.1.IpProtocol=-1 IpPermissions.1.IpRanges.1.CidrIp=0.0.0.0/0");
    cloud.front.world().advance_ms(700_000);
    let back = cloud.packet("y tcp/40001 x");
    assert!(!cloud.front.world().allows(&back));
    let all =
        passed(&cloud, [Conversation { start_ms: START_MS + 120_000, ..talk(&cloud, "x tcp/5432 y", 900) }]);
    let (x, y) = (address(&cloud, "x", 0), address(&cloud, "y", 0));
    let own = seen(&cloud, &all, &full(), "y");
    assert!(own.contains(&format!("egress ACCEPT {y}:5432>{x}:40001 8 19")), "{own:?}");
}

#[test]
fn srcaddr_vs_pkt_srcaddr_the_first_is_the_primary_address() {
    let cloud = estate();
    let (x, second, y) = (address(&cloud, "x", 0), address(&cloud, "x", 1), address(&cloud, "y", 0));
    assert!(second.is_ipv4() && second != x);
    let all = passed(&cloud, [talk(&cloud, &format!("x@{second} tcp/5432 y"), 900)]);
    let rows = rows(&cloud, &all, &full());
    let of = |interface: &str, way: &str, name: &str| {
        let mut own = rows.iter().filter(|row| row["log-status"] == "OK");
        let id = cloud.id(interface);
        own.find(|row| row["interface-id"] == id && row["flow-direction"] == way).unwrap()[name].clone()
    };
    assert_eq!(of("x", "egress", "srcaddr"), x.to_string());
    assert_eq!(of("x", "egress", "pkt-srcaddr"), second.to_string());
    assert_eq!(of("x", "ingress", "dstaddr"), x.to_string());
    assert_eq!(of("x", "ingress", "pkt-dstaddr"), second.to_string());
    // The other interface knows nothing of what is primary there.
    assert_eq!(of("y", "ingress", "srcaddr"), second.to_string());
    assert_eq!(of("y", "ingress", "dstaddr"), y.to_string());
}

#[test]
fn traffic_type_leaves_the_other_records_out() {
    let cloud = estate();
    let all = passed(&cloud, [talk(&cloud, "x tcp/5432 y", 900), talk(&cloud, "x tcp/22 y", 900)]);
    let actions = |traffic| {
        let rows = rows(&cloud, &all, &Settings { traffic, ..full() });
        let mut counts = BTreeMap::new();
        for row in rows {
            *counts.entry(row["action"].clone()).or_insert(0) += 1;
        }
        counts
    };
    let of =
        |pairs: &[(&str, i32)]| pairs.iter().map(|(w, n)| ((*w).to_owned(), *n)).collect::<BTreeMap<_, _>>();
    // z and far are silent.
    assert_eq!(actions(TrafficType::All), of(&[("-", 2), ("ACCEPT", 5), ("REJECT", 1)]));
    assert_eq!(actions(TrafficType::Accept), of(&[("-", 2), ("ACCEPT", 5)]));
    assert_eq!(actions(TrafficType::Reject), of(&[("-", 2), ("REJECT", 1)]));
    let world = cloud.front.world();
    let names = |traffic| {
        let streams = write_events(&world, &all, &Settings { traffic, ..full() });
        streams.into_iter().map(|stream| stream.name).collect::<Vec<_>>()
    };
    assert!(names(TrafficType::Reject).contains(&format!("{}-reject", cloud.id("y"))));
    assert!(names(TrafficType::Accept).contains(&format!("{}-accept", cloud.id("x"))));
}

#[test]
fn skipdata_and_nodata_are_not_traffic() {
    let cloud = estate();
    let all = passed(&cloud, [talk(&cloud, "x tcp/5432 y", 130_000)]);
    let skipped = vec![(cloud.id("y").to_owned(), START_MS / 1000 + 61)];
    let rows = rows(&cloud, &all, &Settings { skipped, ..full() });
    let of = |interface: &str, status: &str| {
        let own = rows.iter().filter(|row| row["interface-id"] == cloud.id(interface));
        let mut found: Vec<String> = own
            .filter(|row| row["log-status"] == status)
            .map(|row| {
                let at = |name: &str| row[name].parse::<u64>().unwrap() - START_MS / 1000;
                format!("{}..{} {}", at("start"), at("end"), row["srcaddr"])
            })
            .collect();
        found.sort();
        found
    };
    assert_eq!(of("z", "NODATA"), ["0..59 -", "120..179 -", "60..119 -"]);
    assert_eq!(of("x", "NODATA"), [""; 0]);
    assert_eq!(of("y", "SKIPDATA"), ["60..119 -"]);
    assert_eq!(of("y", "NODATA"), [""; 0]);
    assert_eq!(of("x", "OK").len(), 6);
    assert_eq!(of("y", "OK").len(), 4, "what was skipped is lost");
}

#[test]
fn not_logged_is_what_goes_to_the_platform() {
    let cloud = estate();
    let plain = ["x udp/53 8.8.8.8", "x udp/123 192.0.2.1", "x tcp/80 10.0.0.2"];
    let hidden = [
        "x udp/53 10.0.0.2",
        "x tcp/53 10.0.0.2",
        "x udp/53 169.254.169.253",
        "x tcp/80 169.254.169.254",
        "x udp/123 169.254.169.123",
        "x udp/67 10.0.1.1",
        "x tcp/9 10.0.1.1",
    ];
    let records = |lines: &[&str]| {
        let talks: Vec<Conversation> = lines.iter().map(|line| talk(&cloud, line, 0)).collect();
        seen(&cloud, &passed(&cloud, talks), &full(), "x").len()
    };
    assert_eq!(records(&plain), 6);
    assert_eq!(records(&hidden), 0);
}

#[test]
fn icmp_has_ports_0_and_no_flags() {
    let cloud = estate();
    let all = passed(&cloud, [talk(&cloud, "x icmp/8/0 y", 900)]);
    let (x, y) = (address(&cloud, "x", 0), address(&cloud, "y", 0));
    assert_eq!(seen(&cloud, &all, &full(), "x")[0], format!("egress ACCEPT {x}:0>{y}:0 10 0"));
}

#[test]
fn windows_files_come_every_five_minutes_late_and_out_of_order() {
    let cloud = estate();
    let again = |n: u16| Conversation { source_port: 33_000 + n, ..talk(&cloud, "x tcp/5432 y", 0) };
    let talks: Vec<Conversation> = (0..40).map(again).collect();
    let all = passed(&cloud, talks);
    let files = |settings: &Settings| write(&cloud.front.world(), &all, settings);
    let prompt = files(&full());
    assert_eq!(prompt.len(), 1);
    let key = &prompt[0].0;
    let named = "AWSLogs/111122223333/vpcflowlogs/eu-west-1/2026/11/01/111122223333_vpcflowlogs_eu-west-1_fl-0a1b2c3d4e5f60718_20261101T0015Z_";
    assert!(key.starts_with(named) && key.ends_with(".log"), "{key}");
    let late = files(&Settings { late_s: 900, order: Order::Shuffled, ..full() });
    assert!((3..=4).contains(&late.len()), "{}", late.len());
    let sorted = |files: &[(String, Vec<u8>)]| {
        let texts = files.iter().map(|(_, bytes)| std::str::from_utf8(bytes).unwrap());
        let mut all: Vec<Row> = texts.flat_map(rows_of).collect();
        all.sort();
        all
    };
    assert_eq!(sorted(&late), sorted(&prompt));
    let ordered = |bytes: &[u8]| std::str::from_utf8(bytes).unwrap().lines().is_sorted();
    assert!(late.iter().any(|(_, bytes)| !ordered(bytes)));
    let small = files(&Settings { bytes_max: 2_000, ..full() });
    assert!(
        small.len() > 5
            && small.iter().all(|(_, bytes)| bytes.len() <= 2_001 && bytes.starts_with(b"version "))
    );
    assert_eq!(sorted(&small), sorted(&prompt));
    let keys: std::collections::BTreeSet<&String> = small.iter().map(|(key, _)| key).collect();
    assert_eq!(keys.len(), small.len());
}

#[test]
fn keys_are_plain_or_hive_and_files_are_gzip() {
    let cloud = estate();
    let all = passed(&cloud, [talk(&cloud, "x tcp/5432 y", 900)]);
    let settings = Settings { layout: Layout::Hive, partition: Partition::Hourly, ..Settings::default() };
    let files = write(&cloud.front.world(), &all, &settings);
    let key = &files[0].0;
    let folder = "AWSLogs/aws-account-id=111122223333/aws-service=vpcflowlogs/aws-region=eu-west-1/year=2026/month=11/day=01/hour=00/";
    assert!(key.starts_with(folder) && key.ends_with(".log.gz"), "{key}");
    let mut text = String::new();
    flate2::read::GzDecoder::new(files[0].1.as_slice()).read_to_string(&mut text).unwrap();
    let header = "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status\n";
    assert!(text.starts_with(header), "{text}");
    let lines: Vec<&str> = text.lines().filter(|line| line.contains("5432")).collect();
    assert_eq!(lines.len(), 4);
    let (x, y) = (address(&cloud, "x", 0), address(&cloud, "y", 0));
    let start = START_MS / 1000;
    let own =
        format!("2 111122223333 {} {x} {y} 40001 5432 6 10 1003 {start} {start} ACCEPT OK", cloud.id("x"));
    assert!(lines.contains(&own.as_str()), "{lines:?}");
}

#[test]
fn events_have_no_header_and_a_stream_for_each_interface() {
    let cloud = estate();
    let all = passed(&cloud, [talk(&cloud, "x tcp/5432 y", 900)]);
    let streams = write_events(&cloud.front.world(), &all, &full());
    assert_eq!(streams.len(), 4);
    let own = streams.iter().find(|stream| stream.name == format!("{}-all", cloud.id("x"))).unwrap();
    assert_eq!(own.events.len(), 2);
    assert!(own.events.iter().all(|event| event.message.starts_with("5 111122223333 eni-")));
    assert!(own.events.iter().all(|event| event.timestamp_ms == START_MS && event.ingested_ms > START_MS));
    assert_ne!(own.events[0].id, own.events[1].id);
}

#[test]
fn every_field_of_version_5_is_where_the_header_says() {
    let cloud = estate();
    let all = passed(&cloud, [talk(&cloud, "x tcp/5432 z", 900)]);
    let rows = rows(&cloud, &all, &full());
    let row = rows.iter().find(|row| row["flow-direction"] == "egress" && row["dstport"] == "5432").unwrap();
    let expected = [
        ("version", "5"),
        ("vpc-id", cloud.id("a")),
        ("subnet-id", cloud.id("sa")),
        ("instance-id", "-"),
        ("type", "IPv4"),
        ("region", "eu-west-1"),
        ("az-id", "euw1-az1"),
        ("traffic-path", "1"),
        ("pkt-src-aws-service", "-"),
    ];
    for (name, word) in expected {
        assert_eq!(row[name], word, "{name}");
    }
    assert_eq!(Field::up_to(5).len(), 29);
    assert!(Field::up_to(5).iter().all(|field| Field::named(field.name()) == Some(*field)));
    // The version is the highest of the chosen fields, in whatever order they are.
    let format = vec![Field::TcpFlags, Field::Version, Field::DstPort];
    let files = write(&cloud.front.world(), &all, &Settings { format, ..full() });
    let text = String::from_utf8(files[0].1.clone()).unwrap();
    assert!(text.starts_with("tcp-flags version dstport\n") && text.contains("\n3 3 5432\n"), "{text}");
}

#[test]
fn a_conversation_across_clouds_is_logged_with_the_addresses_seen_here() {
    let cloud = estate();
    let x = address(&cloud, "x", 0);
    let wanted = talk(&cloud, "x tcp/443 192.0.2.9", 900);
    let far = End::Interface("far-1".to_owned(), "172.20.0.9".parse().unwrap());
    let crossing = Conversation { destination: far, dialled: Some("192.0.2.9".parse().unwrap()), ..wanted };
    let judged = |open| judge(&[&*cloud.front.world(), &Elsewhere(open)], [crossing.clone()]);
    assert_eq!(
        seen(&cloud, &judged(true), &full(), "x"),
        [
            format!("egress ACCEPT {x}:40001>192.0.2.9:443 10 3"),
            format!("ingress ACCEPT 192.0.2.9:443>{x}:40001 8 19")
        ]
    );
    assert_eq!(
        seen(&cloud, &judged(false), &full(), "x"),
        [format!("egress ACCEPT {x}:40001>192.0.2.9:443 3 2")]
    );
}

/// Traffic between everything in the estate and outside.
fn anything(cloud: &Cloud, seed: u64, count: usize) -> Vec<Passage> {
    let mut ends: Vec<End> = Vec::new();
    {
        let world = cloud.front.world();
        for (id, interface) in &world.state.interfaces {
            ends.extend(interface.addresses.iter().map(|address| End::Interface(id.clone(), *address)));
        }
    }
    ends.extend(["192.0.2.1", "2001:db8:f::1"].map(|text| End::External(text.parse().unwrap())));
    let shape = Shape { seed, count, from_ms: START_MS, span_ms: 600_000 };
    passed(cloud, random(&ends, &shape))
}

#[test]
fn what_was_sent_is_what_is_recorded_whatever_the_interval_and_the_delay() {
    let cloud = estate();
    let mut fates: BTreeMap<Fate, usize> = BTreeMap::new();
    let mut records = 0;
    for (seed, aggregation_s, late_s) in [(1, 60, 0), (2, 600, 0), (3, 60, 700), (4, 600, 300)] {
        let all = anything(&cloud, seed, 400);
        let mut sent: BTreeMap<(String, String, String), Count> = BTreeMap::new();
        for passage in &all {
            *fates.entry(passage.fate).or_default() += 1;
            for side in [Side::Source, Side::Destination] {
                let Some(id) = passage.interface(side) else { continue };
                for sight in passage.sights(side) {
                    let way = if sight.is_egress { "egress" } else { "ingress" };
                    let action = if sight.accepted { "ACCEPT" } else { "REJECT" };
                    *sent.entry((id.to_owned(), way.to_owned(), action.to_owned())).or_default() +=
                        sight.burst.count;
                }
            }
        }
        let mut recorded: BTreeMap<(String, String, String), Count> = BTreeMap::new();
        for row in rows(&cloud, &all, &Settings { aggregation_s, late_s, ..full() }) {
            if row["log-status"] != "OK" {
                continue;
            }
            records += 1;
            let number = |name: &str| row[name].parse::<u64>().unwrap();
            let key = (row["interface-id"].clone(), row["flow-direction"].clone(), row["action"].clone());
            *recorded.entry(key).or_default() += Count { packets: number("packets"), bytes: number("bytes") };
            assert!(number("start") / aggregation_s == number("end") / aggregation_s, "{row:?}");
        }
        assert_eq!(recorded, sent, "seed {seed}");
    }
    println!("1600 conversations, {records} records, {fates:?}");
    assert!(fates[&Fate::Delivered] > 100 && fates[&Fate::StoppedArriving] > 100 && records > 3_000);
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let written = |seed| {
        let cloud = estate();
        let all = anything(&cloud, 9, 100);
        let settings = Settings { seed, late_s: 600, order: Order::Shuffled, ..full() };
        write(&cloud.front.world(), &all, &settings)
    };
    assert_eq!(written(1), written(1));
    assert_ne!(written(1), written(2));
}

#[test]
fn following_step_by_step_gives_what_one_look_gives() {
    let cloud = estate();
    let all = anything(&cloud, 5, 200);
    let world = cloud.front.world();
    let settings = Settings { late_s: 400, ..full() };
    let end_ms = START_MS + 7_200_000;
    let mut once = FlowLogs::new(settings.clone(), START_MS);
    once.add(&world, &all);
    let once = once.advance(&world, end_ms);
    let mut stepped = FlowLogs::new(settings.clone(), START_MS);
    let (mut found, mut steps) = (Vec::new(), 0);
    for to in (START_MS..=end_ms).step_by(77_000).chain([end_ms]) {
        let begun =
            all.iter().filter(|one| (to.saturating_sub(77_000)..to).contains(&one.conversation.start_ms));
        let begun: Vec<Passage> = begun.cloned().collect();
        stepped.add(&world, &begun);
        let more = stepped.advance(&world, to);
        steps += usize::from(!more.is_empty());
        found.extend(more);
    }
    let lines = |files: &[mock_cloud::Written]| {
        let all = files.iter().flat_map(|one| rows_of(std::str::from_utf8(&one.bytes).unwrap()));
        let mut all: Vec<Row> = all.filter(|row| row["log-status"] == "OK").collect();
        all.sort();
        all
    };
    let keys: std::collections::BTreeSet<&String> = found.iter().map(|one| &one.key).collect();
    assert_eq!(keys.len(), found.len(), "no file is written twice");
    assert!(steps > 10, "{steps}");
    let total = |files| {
        let rows: Vec<Row> = lines(files);
        let sum = |name: &str| rows.iter().map(|row| row[name].parse::<u64>().unwrap()).sum::<u64>();
        (sum("packets"), sum("bytes"))
    };
    assert_eq!(total(&found), total(&once));
    // Told in time, the records are the same too, each once.
    let mut told = FlowLogs::new(settings, START_MS);
    told.add(&world, &all);
    let steps = (START_MS..=end_ms).step_by(77_000).chain([end_ms]);
    let told: Vec<_> = steps.flat_map(|to| told.advance(&world, to)).collect();
    assert_eq!(lines(&told), lines(&once));
}
