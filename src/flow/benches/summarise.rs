//! How fast records become summaries: `cargo bench -p flow --bench summarise` prints a Markdown table.
//!
//! One core, 100,000 addresses of workloads in 20 networks, 350,000 groups, 2,000,000 records in no order, half of them
//! replies, as Amazon's version 2 writes them (no flags, no direction) and as version 5 does. Records are made beforehand; what
//! is measured is attribution and summing, in time of the processor: other programs may run. The best of the rounds counts; each begins with empty tables.
//!
//! The rows `warm` sum the same records a second time into the same tables: what a long read costs.

#![allow(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark prints")]

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use cpu_time::ProcessTime;
use flow::{
    Aliases, Cloud, Counts, Direction, FlowRecord, Holders, Opener, Outcome, Point, PointId, Settings, Sink,
    Summariser, Timeline,
};
use policy::{Directions, EnforcementMode, Interface, Label, Network, Snapshot, Workload};

/// As in the `bulkhead` binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const NOW: i64 = 1_790_000_000;
const ADDRESSES: u32 = 100_000;
const NETWORKS: u32 = 20;
const GROUPS: u64 = 350_000;
const RECORDS: usize = 2_000_000;
const ROUNDS: usize = 3;
/// Records that a reader gives at once.
const BATCH: usize = 64;

fn main() {
    let snapshot = snapshot();
    let began = ProcessTime::now();
    let timeline = Timeline::of(NOW - 7200, &snapshot);
    let holders = Arc::new(Holders::new(&timeline, &Aliases::default()));
    println!("timeline and index of {ADDRESSES} addresses: {:.2?}\n", began.elapsed());
    println!("| records | tables | ns a record | million records/s | groups | rows to sorted summaries |");
    println!("|---|---|---|---|---|---|");
    for with_flags in [false, true] {
        let (points, records) = records(with_flags);
        let title = if with_flags { "v5" } else { "v2" };
        let rounds: Vec<Round> = (0..ROUNDS).map(|_| Round::run(&holders, &points, &records)).collect();
        let best = |of: fn(&Round) -> Duration| rounds.iter().map(of).min().unwrap();
        let sorted = best(|round| round.sorted);
        for (tables, took) in [("empty", best(|round| round.empty)), ("warm", best(|round| round.warm))] {
            let each = took.as_nanos() as f64 / records.len() as f64;
            println!(
                "| {title} | {tables} | {each:.0} | {:.1} | {} | {sorted:.2?} |",
                1e3 / each,
                rounds[0].groups
            );
        }
    }
}

struct Round {
    empty: Duration,
    warm: Duration,
    sorted: Duration,
    groups: usize,
}

impl Round {
    fn run(holders: &Arc<Holders>, points: &[String], records: &[FlowRecord]) -> Self {
        let mut summariser = Summariser::new(Settings::at(NOW), holders.clone(), None);
        for (number, name) in points.iter().enumerate() {
            let point = Point { cloud: Cloud::Aws, interface: Some(name), network: None };
            assert_eq!(summariser.point(point), PointId(number as u32));
        }
        let mut pass = || {
            let began = ProcessTime::now();
            records.chunks(BATCH).for_each(|batch| Sink::records(&mut summariser, batch));
            began.elapsed()
        };
        let (empty, warm) = (pass(), pass());
        let began = ProcessTime::now();
        let (summaries, coverage) = summariser.into_summaries();
        let sorted = began.elapsed();
        assert_eq!(coverage.records, 2 * records.len() as u64);
        Self { empty, warm, sorted, groups: summaries.rows.len() }
    }
}

fn address(number: u32) -> IpAddr {
    Ipv4Addr::from_bits(0x0a00_0000 + number).into()
}

/// Ten workloads of one role share their labels: 10,000 sets of labels.
fn snapshot() -> Snapshot {
    let label = |text: String| text.parse::<Label>().map(|label| (label.key, label.value)).unwrap();
    let workload = |number: u32| {
        let labels = [
            label(format!("role=r{}", number / 10 % 10)),
            label(format!("app=a{}", number / 100)),
            label("env=prod".to_owned()),
        ];
        let interface = Interface {
            id: format!("eni-{number:017x}").into(),
            network: Some(network(number)),
            addresses: vec![address(number)],
            enforces: Directions::BOTH,
        };
        Workload {
            id: format!("i-{number:017x}").into(),
            labels: labels.into_iter().collect(),
            mode: EnforcementMode::VisibilityOnly,
            interfaces: vec![interface],
        }
    };
    let peers =
        |own: u32| (0..NETWORKS).filter(move |&other| other != own).map(|n| format!("vpc-{n}").into());
    let networks = (0..NETWORKS).map(|n| Network {
        id: format!("vpc-{n}").into(),
        cidrs: vec!["10.0.0.0/8".parse().unwrap()],
        peers: peers(n).collect(),
    });
    Snapshot {
        policy: Default::default(),
        workloads: (0..ADDRESSES).map(workload).collect(),
        networks: networks.map(|network| (network.id.clone(), network)).collect(),
        translations: Vec::new(),
    }
}

fn network(number: u32) -> policy::NetworkId {
    format!("vpc-{}", number % NETWORKS).into()
}

/// A group is a client and a service; each has its own ends, so that tables are as large as they can be.
fn records(with_flags: bool) -> (Vec<String>, Vec<FlowRecord>) {
    let mut random = fastrand::Rng::with_seed(5);
    let points = (0..ADDRESSES).map(|number| format!("eni-{number:017x}")).collect();
    let ports = [443, 5432, 6379, 8080, 9092];
    let record = |_| {
        let group = random.u64(0..GROUPS);
        let mut own = fastrand::Rng::with_seed(group);
        let (client, server) = (own.u32(0..ADDRESSES), own.u32(0..ADDRESSES));
        let port = ports[own.usize(0..ports.len())];
        let (is_reply, ephemeral) = (random.bool(), random.u16(32768..));
        let (from, to) = if is_reply { (server, client) } else { (client, server) };
        let (source_port, destination_port) = if is_reply { (port, ephemeral) } else { (ephemeral, port) };
        let flags = if is_reply { 18 } else { 2 };
        let start = NOW - 3000 + i64::from(random.u16(0..600));
        FlowRecord {
            point: PointId(client),
            start,
            end: start + 55,
            source: address(from),
            destination: address(to),
            source_port,
            destination_port,
            protocol: 6,
            direction: with_flags.then_some(if is_reply { Direction::Ingress } else { Direction::Egress }),
            opener: Opener::Unknown,
            tcp_flags: if with_flags { flags } else { 0 },
            outcome: Outcome::Accepted,
            connections: 1,
            forward: Counts { packets: 9, bytes: 1240 },
            backward: Counts::default(),
        }
    };
    (points, (0..RECORDS).map(record).collect())
}
