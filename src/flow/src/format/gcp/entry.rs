//! One log entry.

use std::net::IpAddr;

use serde::Deserialize;

use super::disposition;
use super::time::seconds;
use crate::PointId;
use crate::format::field::{address, quoted};
use crate::format::json::{Number, Text};
use crate::format::points::Points;
use crate::record::{Counts, Direction, FlowRecord, Opener, Outcome};
use crate::sink::{Cloud, Sink};

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Entry<'a> {
    #[serde(borrow, rename = "logName")]
    log: Option<Text<'a>>,
    #[serde(borrow)]
    timestamp: Option<Text<'a>>,
    #[serde(borrow, rename = "jsonPayload")]
    payload: Option<Payload<'a>>,
}

/// Both payloads: what one of them does not have is absent.
#[derive(Deserialize)]
struct Payload<'a> {
    #[serde(borrow)]
    connection: Option<Connection<'a>>,
    // Of flow logs.
    #[serde(borrow)]
    reporter: Option<Text<'a>>,
    #[serde(borrow)]
    start_time: Option<Text<'a>>,
    #[serde(borrow)]
    end_time: Option<Text<'a>>,
    packets_sent: Option<Number>,
    bytes_sent: Option<Number>,
    #[serde(borrow)]
    src_instance: Option<Instance<'a>>,
    #[serde(borrow)]
    dest_instance: Option<Instance<'a>>,
    #[serde(borrow)]
    src_vpc: Option<Network<'a>>,
    #[serde(borrow)]
    dest_vpc: Option<Network<'a>>,
    // Of firewall logs.
    #[serde(borrow)]
    disposition: Option<Text<'a>>,
    #[serde(borrow)]
    rule_details: Option<Rule<'a>>,
    #[serde(borrow)]
    instance: Option<Instance<'a>>,
    #[serde(borrow)]
    vpc: Option<Network<'a>>,
}

#[derive(Deserialize)]
struct Connection<'a> {
    #[serde(borrow)]
    src_ip: Option<Text<'a>>,
    #[serde(borrow)]
    dest_ip: Option<Text<'a>>,
    src_port: Option<Number>,
    dest_port: Option<Number>,
    protocol: Option<Number>,
}

#[derive(Deserialize)]
struct Rule<'a> {
    #[serde(borrow)]
    direction: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct Instance<'a> {
    #[serde(borrow)]
    project_id: Option<Text<'a>>,
    #[serde(borrow)]
    zone: Option<Text<'a>>,
    #[serde(borrow)]
    vm_name: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct Network<'a> {
    #[serde(borrow)]
    project_id: Option<Text<'a>>,
    #[serde(borrow)]
    vpc_name: Option<Text<'a>>,
}

/// A flow, and where it was seen.
pub(super) struct Seen<'a> {
    /// Without its point.
    pub(super) record: FlowRecord,
    instance: Option<Instance<'a>>,
    network: Option<Network<'a>>,
}

impl Seen<'_> {
    /// The number of the point. Without metadata (the default of flow logs), an entry names none.
    pub(super) fn point(&self, names: &mut Names, points: &mut Points, sink: &mut impl Sink) -> PointId {
        let instance = self.instance.as_ref().and_then(|instance| {
            let (project, zone) = (instance.project_id.as_ref()?.as_str(), instance.zone.as_ref()?.as_str());
            let name = instance.vm_name.as_ref()?.as_str();
            Some(concat(&mut names.instance, &["projects/", project, "/zones/", zone, "/instances/", name]))
        });
        let network = self.network.as_ref().and_then(|network| {
            let (project, name) =
                (network.project_id.as_ref()?.as_str(), network.vpc_name.as_ref()?.as_str());
            Some(concat(&mut names.network, &["projects/", project, "/global/networks/", name]))
        });
        points.number(Cloud::Gcp, instance, network, sink)
    }
}

/// The names of the last point; kept for their memory.
#[derive(Debug, Default)]
pub(super) struct Names {
    instance: String,
    network: String,
}

fn concat<'a>(into: &'a mut String, parts: &[&str]) -> &'a str {
    into.clear();
    parts.iter().for_each(|part| into.push_str(part));
    into
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Log {
    Flows,
    Firewall,
}

/// Which log an entry is of. The name is `projects/P/logs/SERVICE%2FLOG`. Flow logs are written by Compute Engine or, where the
/// Network Management API configured them, by that.
fn log_of(name: &str) -> Option<Log> {
    let (_, log) = name.rsplit_once("/logs/")?;
    let (service, log) = log.split_once("%2F").or_else(|| log.split_once("%2f"))?;
    match (service, log) {
        ("compute.googleapis.com" | "networkmanagement.googleapis.com", "vpc_flows") => Some(Log::Flows),
        ("compute.googleapis.com", "firewall") => Some(Log::Firewall),
        _ => None,
    }
}

/// Reads an entry; `None` for one of a log that is none of ours.
///
/// # Errors
/// The reason why it cannot be read.
pub(super) fn read(line: &[u8]) -> Result<Option<Seen<'_>>, String> {
    // Once for the line: as bytes, each of its hundred strings is checked for itself.
    let line = std::str::from_utf8(line).map_err(|error| format!("is no log entry: {error}"))?;
    let entry: Entry<'_> = match serde_json::from_str(line) {
        Ok(entry) => entry,
        Err(_) if is_other(line) => return Ok(None),
        Err(error) => return Err(format!("is no log entry: {error}")),
    };
    let name = entry.log.as_ref().ok_or("is no log entry: it has no `logName`")?;
    let Some(log) = log_of(name.as_str()) else { return Ok(None) };
    let payload = entry.payload.ok_or("has no `jsonPayload`")?;
    match log {
        Log::Flows => flow(payload).map(Some),
        Log::Firewall => decision(payload, entry.timestamp).map(Some),
    }
}

/// Whether it is an entry of another log, whose payload has fields of our names with other contents.
fn is_other(line: &str) -> bool {
    #[derive(Deserialize)]
    struct Named<'a> {
        #[serde(borrow, rename = "logName")]
        log: Text<'a>,
    }
    serde_json::from_str::<Named<'_>>(line).is_ok_and(|entry| log_of(entry.log.as_str()).is_none())
}

/// VPC flow logs: each direction of a connection is an entry of its own, from each of the ends that report it. The
/// source's end reports what left it, the destination's what reached it; gateways are no workloads.
fn flow(payload: Payload<'_>) -> Result<Seen<'_>, String> {
    let mut record = ends(payload.connection.as_ref())?;
    record.start = time("start_time", payload.start_time.as_ref())?;
    record.end = time("end_time", payload.end_time.as_ref())?;
    let count = |number: Option<Number>| number.map_or(0, |Number(number)| number);
    record.forward = Counts { packets: count(payload.packets_sent), bytes: count(payload.bytes_sent) };
    let (direction, instance, network) = match payload.reporter.as_ref().map(Text::as_str) {
        Some("SRC") => (Some(Direction::Egress), payload.src_instance, payload.src_vpc),
        Some("DEST") => (Some(Direction::Ingress), payload.dest_instance, payload.dest_vpc),
        _ => (None, None, None),
    };
    record.direction = direction;
    Ok(Seen { record, instance, network })
}

/// Firewall rules logging: one entry for a connection, as its opener sent it, from the end whose rule decided.
fn decision<'a>(payload: Payload<'a>, timestamp: Option<Text<'a>>) -> Result<Seen<'a>, String> {
    let mut record = ends(payload.connection.as_ref())?;
    record.start = time("timestamp", timestamp.as_ref())?;
    record.end = record.start;
    record.opener = Opener::Source;
    let text = payload.disposition.as_ref().ok_or("has no `disposition`")?.as_str();
    record.outcome = disposition(text)
        .ok_or_else(|| format!("cannot read the disposition {}", quoted(text.as_bytes())))?;
    let rule = payload.rule_details.and_then(|rule| rule.direction);
    record.direction = match rule.as_ref().map(Text::as_str) {
        Some("INGRESS") => Some(Direction::Ingress),
        Some("EGRESS") => Some(Direction::Egress),
        _ => None,
    };
    Ok(Seen { record, instance: payload.instance, network: payload.vpc })
}

/// A record of which only the ends are known.
fn ends(connection: Option<&Connection<'_>>) -> Result<FlowRecord, String> {
    let connection = connection.ok_or("has no `connection`")?;
    let protocol = connection.protocol.ok_or("has no `protocol`")?;
    Ok(FlowRecord {
        point: PointId(0),
        start: 0,
        end: 0,
        source: ip("src_ip", connection.src_ip.as_ref())?,
        destination: ip("dest_ip", connection.dest_ip.as_ref())?,
        source_port: small("src_port", connection.src_port.unwrap_or(Number(0)))?,
        destination_port: small("dest_port", connection.dest_port.unwrap_or(Number(0)))?,
        protocol: small("protocol", protocol)?,
        direction: None,
        opener: Opener::Unknown,
        tcp_flags: 0,
        outcome: Outcome::Unknown,
        connections: 1,
        forward: Counts::default(),
        backward: Counts::default(),
    })
}

fn ip(name: &str, text: Option<&Text<'_>>) -> Result<IpAddr, String> {
    let text = text.ok_or_else(|| format!("has no `{name}`"))?.as_str().as_bytes();
    address(text).ok_or_else(|| format!("cannot read the {name} {}", quoted(text)))
}

fn small<T: TryFrom<u64>>(name: &str, Number(number): Number) -> Result<T, String> {
    T::try_from(number).map_err(|_| format!("cannot read the {name} `{number}`"))
}

fn time(name: &str, text: Option<&Text<'_>>) -> Result<i64, String> {
    let text = text.ok_or_else(|| format!("has no `{name}`"))?.as_str();
    seconds(text).ok_or_else(|| format!("cannot read the {name} {}", quoted(text.as_bytes())))
}
