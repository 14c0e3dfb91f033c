//! The fields of a record, of versions 2 to 10, and how a line says them.

use std::net::IpAddr;

use crate::state::Interface;
use crate::world::World;

use super::record::{Key, Record};

/// A field.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "the names are the cloud's own")]
pub enum Field {
    Version,
    AccountId,
    InterfaceId,
    SrcAddr,
    DstAddr,
    SrcPort,
    DstPort,
    Protocol,
    Packets,
    Bytes,
    Start,
    End,
    Action,
    LogStatus,
    VpcId,
    SubnetId,
    InstanceId,
    TcpFlags,
    Type,
    PktSrcAddr,
    PktDstAddr,
    Region,
    AzId,
    SublocationType,
    SublocationId,
    PktSrcAwsService,
    PktDstAwsService,
    FlowDirection,
    TrafficPath,
    EcsClusterArn,
    EcsClusterName,
    EcsContainerInstanceArn,
    EcsContainerInstanceId,
    EcsContainerId,
    EcsSecondContainerId,
    EcsServiceName,
    EcsTaskDefinitionArn,
    EcsTaskArn,
    EcsTaskId,
    RejectReason,
    ResourceId,
    EncryptionStatus,
}

/// Every field with its name and the version that brought it.
const FIELDS: [(Field, &str, u8); 42] = [
    (Field::Version, "version", 2),
    (Field::AccountId, "account-id", 2),
    (Field::InterfaceId, "interface-id", 2),
    (Field::SrcAddr, "srcaddr", 2),
    (Field::DstAddr, "dstaddr", 2),
    (Field::SrcPort, "srcport", 2),
    (Field::DstPort, "dstport", 2),
    (Field::Protocol, "protocol", 2),
    (Field::Packets, "packets", 2),
    (Field::Bytes, "bytes", 2),
    (Field::Start, "start", 2),
    (Field::End, "end", 2),
    (Field::Action, "action", 2),
    (Field::LogStatus, "log-status", 2),
    (Field::VpcId, "vpc-id", 3),
    (Field::SubnetId, "subnet-id", 3),
    (Field::InstanceId, "instance-id", 3),
    (Field::TcpFlags, "tcp-flags", 3),
    (Field::Type, "type", 3),
    (Field::PktSrcAddr, "pkt-srcaddr", 3),
    (Field::PktDstAddr, "pkt-dstaddr", 3),
    (Field::Region, "region", 4),
    (Field::AzId, "az-id", 4),
    (Field::SublocationType, "sublocation-type", 4),
    (Field::SublocationId, "sublocation-id", 4),
    (Field::PktSrcAwsService, "pkt-src-aws-service", 5),
    (Field::PktDstAwsService, "pkt-dst-aws-service", 5),
    (Field::FlowDirection, "flow-direction", 5),
    (Field::TrafficPath, "traffic-path", 5),
    (Field::EcsClusterArn, "ecs-cluster-arn", 7),
    (Field::EcsClusterName, "ecs-cluster-name", 7),
    (Field::EcsContainerInstanceArn, "ecs-container-instance-arn", 7),
    (Field::EcsContainerInstanceId, "ecs-container-instance-id", 7),
    (Field::EcsContainerId, "ecs-container-id", 7),
    (Field::EcsSecondContainerId, "ecs-second-container-id", 7),
    (Field::EcsServiceName, "ecs-service-name", 7),
    (Field::EcsTaskDefinitionArn, "ecs-task-definition-arn", 7),
    (Field::EcsTaskArn, "ecs-task-arn", 7),
    (Field::EcsTaskId, "ecs-task-id", 7),
    (Field::RejectReason, "reject-reason", 8),
    (Field::ResourceId, "resource-id", 9),
    (Field::EncryptionStatus, "encryption-status", 10),
];

impl Field {
    /// The default format: version 2.
    pub const DEFAULT: [Self; 14] = [
        Self::Version,
        Self::AccountId,
        Self::InterfaceId,
        Self::SrcAddr,
        Self::DstAddr,
        Self::SrcPort,
        Self::DstPort,
        Self::Protocol,
        Self::Packets,
        Self::Bytes,
        Self::Start,
        Self::End,
        Self::Action,
        Self::LogStatus,
    ];

    /// Every field up to a version, in the order of the documentation.
    pub fn up_to(version: u8) -> Vec<Self> {
        FIELDS.iter().filter(|(.., of)| *of <= version).map(|(field, ..)| *field).collect()
    }

    /// The name, as in a header and in a log format.
    pub fn name(self) -> &'static str {
        FIELDS.iter().find(|(field, ..)| *field == self).map_or("", |(_, name, _)| name)
    }

    /// By the name.
    pub fn named(name: &str) -> Option<Self> {
        FIELDS.iter().find(|(_, of, _)| *of == name).map(|(field, ..)| *field)
    }
}

/// A format as the API says it: `${version} ${account-id} …`.
pub fn log_format(format: &[Field]) -> String {
    format.iter().map(|field| format!("${{{}}}", field.name())).collect::<Vec<_>>().join(" ")
}

/// The line that a file begins with.
pub(super) fn header(format: &[Field]) -> String {
    format.iter().map(|field| field.name()).collect::<Vec<_>>().join(" ")
}

/// What a line is about.
pub(super) enum Content<'a> {
    /// Packets.
    Record(&'a Key, &'a Record),
    /// An interface had no traffic.
    NoData(&'a str),
    /// What an interface had is lost.
    SkipData(&'a str),
}

impl Content<'_> {
    /// The interface.
    pub fn interface(&self) -> &str {
        match self {
            Self::Record(key, _) => &key.interface,
            Self::NoData(id) | Self::SkipData(id) => id,
        }
    }

    /// When it begins.
    pub fn start_s(&self, window_s: (u64, u64)) -> u64 {
        match self {
            Self::Record(_, record) => record.first_ms / 1000,
            Self::NoData(_) | Self::SkipData(_) => window_s.0,
        }
    }
}

/// One line, without its end.
pub(super) fn line(world: &World, format: &[Field], window_s: (u64, u64), content: &Content<'_>) -> String {
    let version = format.iter().filter_map(|field| FIELDS.iter().find(|(of, ..)| of == field));
    let version = version.map(|(.., version)| *version).max().unwrap_or(2);
    let words = format.iter().map(|field| match field {
        Field::Version => version.to_string(),
        Field::AccountId => world.settings.account.clone(),
        Field::InterfaceId => content.interface().to_owned(),
        field => match content {
            Content::Record(key, record) => of_record(world, *field, key, record),
            Content::NoData(_) => of_interval(*field, window_s, "NODATA"),
            Content::SkipData(_) => of_interval(*field, window_s, "SKIPDATA"),
        },
    });
    words.collect::<Vec<_>>().join(" ")
}

/// Nothing is known of an interval but its bounds.
fn of_interval(field: Field, window_s: (u64, u64), status: &str) -> String {
    match field {
        Field::Start => window_s.0.to_string(),
        Field::End => (window_s.1 - 1).to_string(),
        Field::LogStatus => status.to_owned(),
        _ => "-".to_owned(),
    }
}

fn of_record(world: &World, field: Field, key: &Key, record: &Record) -> String {
    let held = world.state.interfaces.get(&key.interface);
    let of = |get: fn(&Interface) -> Option<&str>| held.and_then(get).unwrap_or("-").to_owned();
    match field {
        Field::SrcAddr => key.shown.0.to_string(),
        Field::DstAddr => key.shown.1.to_string(),
        Field::PktSrcAddr => key.packet.0.to_string(),
        Field::PktDstAddr => key.packet.1.to_string(),
        Field::SrcPort => key.ports.0.to_string(),
        Field::DstPort => key.ports.1.to_string(),
        Field::Protocol => key.protocol.to_string(),
        Field::Packets => record.count.packets.to_string(),
        Field::Bytes => record.count.bytes.to_string(),
        Field::Start => (record.first_ms / 1000).to_string(),
        Field::End => (record.last_ms / 1000).to_string(),
        Field::Action => if key.accepted { "ACCEPT" } else { "REJECT" }.to_owned(),
        Field::LogStatus => "OK".to_owned(),
        Field::VpcId => of(|interface| Some(&interface.vpc)),
        Field::SubnetId => of(|interface| Some(&interface.subnet)),
        Field::InstanceId => of(|interface| interface.instance.as_deref()),
        Field::TcpFlags => record.flags.to_string(),
        Field::Type => if key.packet.0.is_ipv4() { "IPv4" } else { "IPv6" }.to_owned(),
        Field::Region => world.settings.region.clone(),
        Field::AzId => zone_id(&world.settings.region),
        Field::FlowDirection => if key.is_egress { "egress" } else { "ingress" }.to_owned(),
        Field::TrafficPath => path(world, held, key).map_or("-".to_owned(), |number| number.to_string()),
        // There are no sublocations, services, containers, blocks of public access, regional gateways or controls of
        // encryption here; the first three fields are said for every line alike.
        _ => "-".to_owned(),
    }
}

/// The zone of the simulation's subnets: `euw1-az1` in `eu-west-1`.
fn zone_id(region: &str) -> String {
    let parts: Vec<&str> = region.split('-').collect();
    let short = |middle: &str| match middle {
        "northeast" => "ne".to_owned(),
        "southeast" => "se".to_owned(),
        other => other.chars().take(1).collect(),
    };
    match parts.as_slice() {
        [first, middle, number] => format!("{first}{}{number}-az1", short(middle)),
        _ => format!("{region}-az1"),
    }
}

/// How egress leaves: inside the VPC (1), over a VPN (3), a peering (4), an internet gateway (8).
fn path(world: &World, held: Option<&Interface>, key: &Key) -> Option<u8> {
    if !key.is_egress {
        return None;
    }
    let (own, to) = (held?.vpc.as_str(), key.packet.1);
    let inside = |vpc: &str| {
        let blocks = world.state.vpcs.get(vpc).map(|vpc| vpc.cidrs.as_slice()).unwrap_or_default();
        blocks.iter().any(|block| block.contains(&to))
    };
    let peer = |vpc: &&String| vpc.as_str() != own && world.state.peered(own, vpc) && inside(vpc);
    Some(match to {
        _ if inside(own) => 1,
        _ if world.state.vpcs.keys().any(|vpc| peer(&vpc)) => 4,
        IpAddr::V4(v4) if v4.is_private() => 3,
        IpAddr::V6(v6) if v6.is_unique_local() => 3,
        _ => 8,
    })
}
