//! One log entry.

use std::net::IpAddr;

use serde::Deserialize;

use super::time::seconds;
use super::{disposition, scan};
use crate::PointId;
use crate::format::field::{address, quoted};
use crate::format::json::{Number, Text};
use crate::format::points::Points;
use crate::record::{Counts, Direction, FlowRecord, Opener, Outcome};
use crate::sink::{Cloud, Point, Sink};

#[derive(Deserialize, Default, PartialEq, Debug)]
#[serde(expecting = "an object")]
pub(super) struct Entry<'a> {
    #[serde(borrow, rename = "logName")]
    pub(super) log: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) timestamp: Option<Text<'a>>,
    #[serde(borrow, rename = "jsonPayload")]
    pub(super) payload: Option<Payload<'a>>,
}

/// Both payloads: what one of them does not have is absent.
#[derive(Deserialize, Default, PartialEq, Debug)]
pub(super) struct Payload<'a> {
    #[serde(borrow)]
    pub(super) connection: Option<Connection<'a>>,
    // Of flow logs.
    #[serde(borrow)]
    pub(super) reporter: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) start_time: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) end_time: Option<Text<'a>>,
    pub(super) packets_sent: Option<Number>,
    pub(super) bytes_sent: Option<Number>,
    #[serde(borrow)]
    pub(super) src_instance: Option<Instance<'a>>,
    #[serde(borrow)]
    pub(super) dest_instance: Option<Instance<'a>>,
    #[serde(borrow)]
    pub(super) src_vpc: Option<Network<'a>>,
    #[serde(borrow)]
    pub(super) dest_vpc: Option<Network<'a>>,
    // Of firewall logs.
    #[serde(borrow)]
    pub(super) disposition: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) rule_details: Option<Rule<'a>>,
    #[serde(borrow)]
    pub(super) instance: Option<Instance<'a>>,
    #[serde(borrow)]
    pub(super) vpc: Option<Network<'a>>,
}

#[derive(Deserialize, Default, PartialEq, Debug)]
pub(super) struct Connection<'a> {
    #[serde(borrow)]
    pub(super) src_ip: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) dest_ip: Option<Text<'a>>,
    pub(super) src_port: Option<Number>,
    pub(super) dest_port: Option<Number>,
    pub(super) protocol: Option<Number>,
}

#[derive(Deserialize, Default, PartialEq, Debug)]
pub(super) struct Rule<'a> {
    #[serde(borrow)]
    pub(super) direction: Option<Text<'a>>,
}

#[derive(Deserialize, Default, PartialEq, Debug)]
pub(super) struct Instance<'a> {
    #[serde(borrow)]
    pub(super) project_id: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) zone: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) vm_name: Option<Text<'a>>,
}

#[derive(Deserialize, Default, PartialEq, Debug)]
pub(super) struct Network<'a> {
    #[serde(borrow)]
    pub(super) project_id: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) vpc_name: Option<Text<'a>>,
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
    pub(super) fn point(&self, points: &mut Points, sink: &mut impl Sink) -> PointId {
        let instance = self.instance.as_ref().and_then(Instance::words);
        let network = self.network.as_ref().and_then(Network::words);
        let [project, zone, name] = words(instance);
        let [host, vpc] = words(network);
        points.number(&[project, zone, name, host, vpc], || {
            let instance = instance
                .map(|[project, zone, name]| format!("projects/{project}/zones/{zone}/instances/{name}"));
            let network = network.map(|[host, vpc]| format!("projects/{host}/global/networks/{vpc}"));
            let (interface, network) = (instance.as_deref(), network.as_deref());
            sink.point(Point { cloud: Cloud::Gcp, interface, network })
        })
    }
}

impl Instance<'_> {
    /// What makes its name; part of a name is no name.
    fn words(&self) -> Option<[&str; 3]> {
        let Self { project_id, zone, vm_name } = self;
        Some([project_id.as_ref()?.as_str(), zone.as_ref()?.as_str(), vm_name.as_ref()?.as_str()])
    }
}

impl Network<'_> {
    fn words(&self) -> Option<[&str; 2]> {
        Some([self.project_id.as_ref()?.as_str(), self.vpc_name.as_ref()?.as_str()])
    }
}

fn words<const N: usize>(words: Option<[&str; N]>) -> [Option<&str>; N] {
    words.map_or([None; N], |words| words.map(Some))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Log {
    Flows,
    Firewall,
}

/// Names of our logs, `projects/P/logs/SERVICE%2FLOG`, without what is before the service. Flow logs are written by Compute Engine or,
/// where the Network Management API configured them, by that.
const LOGS: [(&str, Log); 6] = [
    ("/logs/compute.googleapis.com%2Fvpc_flows", Log::Flows),
    ("/logs/compute.googleapis.com%2Ffirewall", Log::Firewall),
    ("/logs/networkmanagement.googleapis.com%2Fvpc_flows", Log::Flows),
    ("/logs/compute.googleapis.com%2fvpc_flows", Log::Flows),
    ("/logs/compute.googleapis.com%2ffirewall", Log::Firewall),
    ("/logs/networkmanagement.googleapis.com%2fvpc_flows", Log::Flows),
];

/// Which log an entry is of.
fn log_of(name: &str) -> Option<Log> {
    LOGS.iter().find(|(end, _)| name.ends_with(end)).map(|&(_, log)| log)
}

/// Reads an entry; `None` for one of a log that is none of ours.
///
/// # Errors
/// The reason why it cannot be read.
pub(super) fn read(line: &[u8]) -> Result<Option<Seen<'_>>, String> {
    // Once for the line: as bytes, each of its hundred strings is checked for itself.
    let line = std::str::from_utf8(line).map_err(|error| format!("is no log entry: {error}"))?;
    let mut entry = Entry::default();
    if scan::entry(line, &mut entry).is_none() {
        entry = match serde_json::from_str(line) {
            Ok(entry) => entry,
            Err(_) if is_other(line) => return Ok(None),
            Err(error) => return Err(format!("is no log entry: {error}")),
        };
    }
    let name = entry.log.as_ref().ok_or("is no log entry: it has no `logName`")?;
    let Some(log) = log_of(name.as_str()) else { return Ok(None) };
    let payload = entry.payload.as_mut().ok_or("has no `jsonPayload`")?;
    match log {
        Log::Flows => flow(payload).map(Some),
        Log::Firewall => decision(payload, entry.timestamp.as_ref()).map(Some),
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
fn flow<'a>(payload: &mut Payload<'a>) -> Result<Seen<'a>, String> {
    let mut record = ends(payload.connection.as_ref())?;
    record.start = time("start_time", payload.start_time.as_ref())?;
    record.end = time("end_time", payload.end_time.as_ref())?;
    let count = |number: Option<Number>| number.map_or(0, |Number(number)| number);
    record.forward = Counts { packets: count(payload.packets_sent), bytes: count(payload.bytes_sent) };
    let (direction, instance, network) = match payload.reporter.as_ref().map(Text::as_str) {
        Some("SRC") => (Some(Direction::Egress), payload.src_instance.take(), payload.src_vpc.take()),
        Some("DEST") => (Some(Direction::Ingress), payload.dest_instance.take(), payload.dest_vpc.take()),
        _ => (None, None, None),
    };
    record.direction = direction;
    Ok(Seen { record, instance, network })
}

/// Firewall rules logging: one entry for a connection, as its opener sent it, from the end whose rule decided.
fn decision<'a>(payload: &mut Payload<'a>, timestamp: Option<&Text<'_>>) -> Result<Seen<'a>, String> {
    let mut record = ends(payload.connection.as_ref())?;
    record.start = time("timestamp", timestamp)?;
    record.end = record.start;
    record.opener = Opener::Source;
    let text = payload.disposition.as_ref().ok_or("has no `disposition`")?.as_str();
    record.outcome = disposition(text)
        .ok_or_else(|| format!("cannot read the disposition {}", quoted(text.as_bytes())))?;
    let rule = payload.rule_details.as_ref().and_then(|rule| rule.direction.as_ref());
    record.direction = match rule.map(Text::as_str) {
        Some("INGRESS") => Some(Direction::Ingress),
        Some("EGRESS") => Some(Direction::Egress),
        _ => None,
    };
    Ok(Seen { record, instance: payload.instance.take(), network: payload.vpc.take() })
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

#[cfg(test)]
mod tests {
    use super::*;

    /// By the parts of the name.
    fn by_parts(name: &str) -> Option<Log> {
        let (_, log) = name.rsplit_once("/logs/")?;
        let (service, log) = log.split_once("%2F").or_else(|| log.split_once("%2f"))?;
        match (service, log) {
            ("compute.googleapis.com" | "networkmanagement.googleapis.com", "vpc_flows") => Some(Log::Flows),
            ("compute.googleapis.com", "firewall") => Some(Log::Firewall),
            _ => None,
        }
    }

    #[test]
    fn a_log_is_known_by_the_end_of_its_name() {
        let services = ["compute.googleapis.com", "networkmanagement.googleapis.com", "x.googleapis.com", ""];
        let mut known = 0;
        for begin in ["projects/p1", "folders/1", "projects/p/logs/x", ""] {
            for logs in ["/logs/", "logs/", "/"] {
                for service in services {
                    for slash in ["%2F", "%2f", "/", "%2F%2F", ""] {
                        for log in ["vpc_flows", "firewall", "vpc_flows2", "flows", "%2Ffirewall", ""] {
                            let name = [begin, logs, service, slash, log].concat();
                            assert!(log_of(&name) == by_parts(&name), "{name}");
                            known += u32::from(log_of(&name).is_some());
                        }
                    }
                }
            }
        }
        // Four beginnings, three logs, two ways to write the slash, and one that ends as if it were one of them.
        assert_eq!(known, 4 * (3 * 2 + 1));
    }
}
