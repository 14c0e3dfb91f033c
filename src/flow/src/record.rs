//! One line of a flow log, whatever cloud wrote it.
//!
//! A record says what was *seen at one point*, in one direction of one conversation or (Azure) in both. It does not say who
//! the ends are: that is attribution's.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::sink::PointId;

/// Packets and bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// Packets; 0 where the log has no counters.
    pub packets: u64,
    /// Bytes; 0 where the log has no counters.
    pub bytes: u64,
}

/// Which way the packets of a record pass its point, as seen by the workload there.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Direction {
    /// Towards the workload at the point.
    Ingress,
    /// From the workload at the point.
    Egress,
}

/// Who opened the connection that a record belongs to, where the log says so.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum Opener {
    /// The record's source: it is no reply.
    Source,
    /// The record's destination: it is a reply.
    Destination,
    /// The log does not say; flags, ports and the policy may.
    #[default]
    Unknown,
}

/// What the point did with the packets.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Let pass.
    Accepted,
    /// Dropped. The log does not say by what.
    Rejected,
    /// The log has no verdicts (Google's VPC flow logs).
    #[default]
    Unknown,
}

/// One record. Plain data: a reader makes millions of them a second.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FlowRecord {
    /// Where it was seen.
    pub point: PointId,
    /// First packet, Unix seconds, as the log says.
    pub start: i64,
    /// Last packet, Unix seconds.
    pub end: i64,
    /// Source on the packet: `pkt-srcaddr` where the log has it. `srcaddr` is the interface's primary address, whatever was on the packet.
    pub source: IpAddr,
    /// Destination on the packet.
    pub destination: IpAddr,
    /// 0 for a protocol without ports.
    pub source_port: u16,
    /// 0 for a protocol without ports.
    pub destination_port: u16,
    /// IANA number.
    pub protocol: u8,
    /// As seen at the point, where the log says so.
    pub direction: Option<Direction>,
    /// Who opened the connection, where the log says so.
    pub opener: Opener,
    /// TCP flags, OR-ed over the interval; 0 where the log has none.
    pub tcp_flags: u8,
    /// What the point did.
    pub outcome: Outcome,
    /// Connections (or attempts) that this record stands for: 0 for the continuation of one that another record began (Azure's C and E).
    pub connections: u32,
    /// From source to destination.
    pub forward: Counts,
    /// From destination to source, where one record counts both ways (Azure).
    pub backward: Counts,
}
