//! A small estate, records in one line, and summaries as text.

use std::net::IpAddr;
use std::sync::Arc;

use flow::{
    Aliases, Cloud, Counts, Coverage, Direction, End, FlowRecord, Holders, NamedServices, Opener, Outcome,
    Point, PointId, Settings, Sink, Summaries, Summariser, Timeline,
};
use policy::{Directions, EnforcementMode, Interface, Label, LabelSet, Network, Snapshot, Workload};

/// The time of most records: a multiple of an hour.
pub const T: i64 = 1_790_002_800;

/// A workload with one interface. `place` is `interface@network`; no network is an unmanaged workload.
pub fn workload(place: &str, labels: &str, addresses: &[&str]) -> Workload {
    let (interface, network) = place.split_once('@').map_or((place, None), |(i, n)| (i, Some(n.into())));
    let interface = Interface {
        id: interface.into(),
        network,
        addresses: addresses.iter().map(|text| text.parse().unwrap()).collect(),
        enforces: Directions::BOTH,
    };
    Workload {
        id: format!("of {}", interface.id).into(),
        labels: label_set(labels),
        mode: EnforcementMode::VisibilityOnly,
        interfaces: vec![interface],
    }
}

pub fn label_set(labels: &str) -> LabelSet {
    let label = |text: &str| text.parse::<Label>().map(|label| (label.key, label.value)).unwrap();
    labels.split_whitespace().map(label).collect()
}

pub fn network(id: &str, cidr: &str, peers: &[&str]) -> Network {
    Network {
        id: id.into(),
        cidrs: vec![cidr.parse().unwrap()],
        peers: peers.iter().map(|&peer| peer.into()).collect(),
    }
}

pub fn snapshot(workloads: Vec<Workload>, networks: Vec<Network>) -> Snapshot {
    Snapshot {
        workloads,
        networks: networks.into_iter().map(|network| (network.id.clone(), network)).collect(),
        ..Snapshot::default()
    }
}

/// `vpc-a` and `vpc-b` have the same addresses; `vpc-c` is peered with `vpc-a`.
pub fn estate() -> Snapshot {
    let workloads = vec![
        workload("eni-web@vpc-a", "role=web", &["10.0.0.5", "10.0.0.55", "2001:db8::5"]),
        workload("eni-db@vpc-a", "role=db", &["10.0.0.6", "2001:db8::6"]),
        workload("eni-other@vpc-b", "role=other", &["10.0.0.5"]),
        workload("eni-cache@vpc-c", "role=cache", &["10.9.0.7"]),
        workload("legacy", "role=legacy", &["198.51.100.7"]),
    ];
    let networks = vec![
        network("vpc-a", "10.0.0.0/16", &["vpc-c"]),
        network("vpc-b", "10.0.0.0/16", &[]),
        network("vpc-c", "10.9.0.0/16", &["vpc-a"]),
    ];
    snapshot(workloads, networks)
}

/// A record at a point: `source:port > destination:port protocol`, then any of `accept reject flags=N egress ingress
/// opener=source opener=destination at=SECONDS for=SECONDS n=CONNECTIONS out=PACKETS back=PACKETS`.
#[derive(Clone, Debug)]
pub struct Line {
    pub cloud: Cloud,
    pub interface: Option<String>,
    pub network: Option<String>,
    pub record: FlowRecord,
}

/// Something at `cloud:interface@network`, of which any part but the cloud may be missing.
pub fn line(point: &str, text: &str) -> Line {
    let (cloud, place) = point.split_once(':').unwrap();
    let cloud = match cloud {
        "aws" => Cloud::Aws,
        "azure" => Cloud::Azure,
        _ => Cloud::Gcp,
    };
    let (interface, network) = place.split_once('@').unwrap_or((place, ""));
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    Line { cloud, interface: some(interface), network: some(network), record: record(text) }
}

fn record(text: &str) -> FlowRecord {
    let mut words = text.split_whitespace();
    let (source, source_port) = end(words.next().unwrap());
    assert_eq!(words.next(), Some(">"));
    let (destination, destination_port) = end(words.next().unwrap());
    let mut record = FlowRecord {
        point: PointId(0),
        start: T,
        end: T + 50,
        source,
        destination,
        source_port,
        destination_port,
        protocol: words.next().unwrap().parse().unwrap(),
        direction: None,
        opener: Opener::Unknown,
        tcp_flags: 0,
        outcome: Outcome::Accepted,
        connections: 1,
        forward: Counts { packets: 1, bytes: 100 },
        backward: Counts::default(),
    };
    for word in words {
        let (key, value) = word.split_once('=').unwrap_or((word, ""));
        let number = || value.parse::<u64>().unwrap();
        match (key, value) {
            ("accept", _) => record.outcome = Outcome::Accepted,
            ("reject", _) => record.outcome = Outcome::Rejected,
            ("unknown", _) => record.outcome = Outcome::Unknown,
            ("egress", _) => record.direction = Some(Direction::Egress),
            ("ingress", _) => record.direction = Some(Direction::Ingress),
            ("opener", "source") => record.opener = Opener::Source,
            ("opener", _) => record.opener = Opener::Destination,
            ("flags", _) => record.tcp_flags = number() as u8,
            ("n", _) => record.connections = number() as u32,
            ("out", _) => record.forward = Counts { packets: number(), bytes: 100 * number() },
            ("back", _) => record.backward = Counts { packets: number(), bytes: 100 * number() },
            ("at", _) => (record.start, record.end) = (number() as i64, number() as i64 + 50),
            _ => panic!("`{word}`"),
        }
    }
    record
}

/// `address:port`, `[v6]:port` or an address alone.
fn end(text: &str) -> (IpAddr, u16) {
    if let Ok(address) = text.parse() {
        return (address, 0);
    }
    let (address, port) = text.rsplit_once(':').unwrap();
    (address.trim_matches(['[', ']']).parse().unwrap(), port.parse().unwrap())
}

pub fn holders(snapshot: &Snapshot, aliases: &Aliases) -> Arc<Holders> {
    Arc::new(Holders::new(&Timeline::of(T - 600, snapshot), aliases))
}

pub fn settings() -> Settings {
    Settings::at(T + 3600)
}

pub fn feed(summariser: &mut Summariser, lines: &[Line]) {
    for line in lines {
        let (interface, network) = (line.interface.as_deref(), line.network.as_deref());
        let point = summariser.point(Point { cloud: line.cloud, interface, network });
        summariser.record(&FlowRecord { point, ..line.record });
    }
}

/// The sums of lines in the estate.
pub fn sums(lines: &[Line]) -> (Summaries, Coverage) {
    sums_with(&holders(&estate(), &Aliases::default()), None, lines)
}

pub fn sums_with(
    holders: &Arc<Holders>,
    named: Option<NamedServices>,
    lines: &[Line],
) -> (Summaries, Coverage) {
    let mut summariser = Summariser::new(settings(), holders.clone(), named);
    feed(&mut summariser, lines);
    summariser.into_summaries()
}

/// One line for each row: `web > db tcp/5432 accepted source: 1 connections, 1 out, 0 back`, and what is not usual.
pub fn text(summaries: &Summaries) -> Vec<String> {
    let row = |(key, tally): &(flow::Key, flow::Tally)| {
        let (source, destination) = (name(summaries, key.source), name(summaries, key.destination));
        let mut text = format!("{source} > {destination} {} {:?} {:?}", key.service, key.outcome, key.side);
        text = text.to_lowercase();
        text += &format!(
            ": {} connections, {} out, {} back",
            tally.connections, tally.packets, tally.reply_packets
        );
        if tally.guessed > 0 {
            text += &format!(", {} guessed", tally.guessed);
        }
        if tally.rejected_replies > 0 {
            text += &format!(", {} replies rejected", tally.rejected_replies);
        }
        text
    };
    summaries.rows.iter().map(row).collect()
}

/// The role of a workload (with its network where that is not `vpc-a`), or the address.
pub fn name(summaries: &Summaries, id: flow::EndId) -> String {
    match summaries.ends.get(id) {
        End::Workload { labels, network } => {
            let role = labels.get("role").map_or("?", |role| role.as_str()).to_owned();
            match network.as_ref().map(|network| network.as_str()) {
                Some("vpc-a") => role,
                other => format!("{role}@{}", other.unwrap_or("-")),
            }
        }
        End::Address(block) => block.to_string(),
    }
}

#[track_caller]
pub fn check(lines: &[Line], expected: &[&str]) {
    assert_eq!(text(&sums(lines).0), expected);
}

#[track_caller]
pub fn check_merged(lines: &[Line], expected: &[&str]) {
    assert_eq!(text(&sums(lines).0.merged()), expected);
}
