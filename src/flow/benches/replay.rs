//! How a replay grows: `cargo bench -p flow --bench replay` prints a Markdown table.
//!
//! The draft: 200 apps in one environment each, of five roles, 10 workloads of each: 1,000 classes, 10,000 workloads in
//! eight networks, of which the first four are connected; ten rules for each app, 2,000 in all, one in ten by an IP list.
//! The rows: distinct, of 30 days by five minutes. Of ten rows four come from 50,000 outside addresses to load balancers, four are
//! the usual traffic inside an app, one comes from another app, and one is between any two ends on any of twelve ports; one in
//! twenty was dropped. A size may be given as an argument for one round in this process.
//!
//! Each round is a process of its own: it replays once, and the best round counts. CPU time of one thread; then the
//! time on the clock of two threads that share the rows.

#![allow(clippy::disallowed_methods, reason = "a benchmark reads clock and memory, and starts threads")]
#![allow(clippy::disallowed_types, reason = "every round is a process of its own")]
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark prints")]

use std::net::{IpAddr, Ipv4Addr};
use std::process::Command;
use std::time::Instant;

use cpu_time::ProcessTime;
use fastrand::Rng;
use flow::replay::{Draft, Effect, Replay, Replayer, Uncovered, replay};
use flow::{End, EndId, Ends, Key, Outcome, Side, Summaries, Tally};
use policy::ruleset::{Actor, IpList, Rule, Ruleset, ScopeEntry, ScopeTarget};
use policy::{
    Action, Directions, EnforcementMode, Interface, Label, LabelSet, Network, ServicePoint, Snapshot,
    Workload, compile,
};

/// As in the `bulkhead` binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ROUNDS: usize = 3;
const APPS: usize = 200;
const NETWORKS: usize = 8;
const OUTSIDE: u32 = 50_000;
const ROLES: [&str; 5] = ["lb", "web", "app", "cache", "db"];
const PORTS: [u16; 12] = [22, 53, 80, 123, 443, 3306, 5432, 6379, 8080, 8443, 9092, 9100];

fn main() {
    let size = std::env::args().skip(1).find_map(|argument| argument.parse().ok());
    match size {
        Some(size) => println!("{}", round(size)),
        None => table(),
    }
}

fn table() {
    println!(
        "| rows | classes | rules | cut, let in, unknown (lines) | one thread | rows/s | × time | two threads | rows weigh | peak RSS |"
    );
    println!("|---:|---:|---:|---|---:|---:|---:|---:|---:|---:|");
    let mut smaller = None;
    for size in [10_000, 100_000, 1_000_000, 10_000_000] {
        let rounds = (0..ROUNDS).map(|_| {
            let mut command = Command::new(std::env::current_exe().unwrap());
            let output = command.arg(size.to_string()).output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            String::from_utf8(output.stdout).unwrap().trim().to_owned()
        });
        let ms = |round: &String| round.split(';').nth(1).unwrap().parse::<f64>().unwrap();
        let best = rounds.min_by(|a, b| ms(a).total_cmp(&ms(b))).unwrap();
        let [counts, one, two, weight, peak] = best.split(';').collect::<Vec<_>>()[..] else {
            unreachable!()
        };
        let one: f64 = one.parse().unwrap();
        let ratio = smaller.map_or(String::new(), |smaller: f64| format!("{:.1}", one / smaller));
        let speed = size as f64 / one / 1e3;
        println!(
            "| {size} | {counts} | {one:.0} ms | {speed:.1} million | {ratio} | {two} ms | {weight} MiB | {peak} MiB |"
        );
        smaller = Some(one);
    }
}

/// `counts;ms of one thread;ms of two;MiB of the rows;MiB of the process`.
fn round(size: usize) -> String {
    let snapshot = snapshot();
    let policy = compile(&snapshot).policy;
    let draft = Draft { snapshot: &snapshot, policy: &policy, in_force: None };
    let summaries = summaries(size);
    let start = ProcessTime::now();
    let one = replay(&summaries, &draft, Uncovered::default());
    let ms = start.elapsed().as_secs_f64() * 1e3;
    let peak = peak_mib();
    let start = Instant::now();
    let two = on_two_threads(&summaries, &draft);
    let ms_of_two = start.elapsed().as_secs_f64() * 1e3;
    assert!(one == two, "two threads find something else");
    let rules: usize = snapshot.policy.rulesets.iter().map(|ruleset| ruleset.rules.len()).sum();
    let lines =
        [Effect::Cut, Effect::Admitted, Effect::Unknown].map(|effect| one.of(effect).count().to_string());
    let weight = (size * size_of::<(Key, Tally)>()) >> 20;
    format!("{} | {rules} | {};{ms};{ms_of_two:.0};{weight};{peak}", policy.classes.len(), lines.join(", "))
}

fn on_two_threads(summaries: &Summaries, draft: &Draft<'_>) -> Replay {
    let replayer = Replayer::new(summaries, draft);
    let (half, all) = (summaries.rows.len() / 2, summaries.rows.len());
    let parts = std::thread::scope(|scope| {
        let parts = [0..half, half..all].map(|range| scope.spawn(|| replayer.rows(range)));
        parts.map(|part| part.join().unwrap())
    });
    replayer.join(parts, Uncovered::default())
}

/// The largest the process has been, its input included.
fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) / 1024
}

fn labels(app: usize, role: &str) -> LabelSet {
    let env = if app.is_multiple_of(2) { "prod" } else { "dev" };
    [("role", role.to_owned()), ("app", format!("app-{app}")), ("env", env.to_owned())]
        .into_iter()
        .map(|(key, value)| (key.into(), value.into()))
        .collect()
}

fn network(app: usize) -> String {
    format!("net-{}", app % NETWORKS)
}

fn snapshot() -> Snapshot {
    let mut snapshot = Snapshot::default();
    for number in 0..NETWORKS {
        let peers = if number < 4 { (0..4).filter(|&peer| peer != number).collect() } else { Vec::new() };
        let network = Network {
            id: network(number).into(),
            cidrs: vec![format!("10.{number}.0.0/16").parse().unwrap()],
            peers: peers.into_iter().map(|peer| network(peer).into()).collect(),
        };
        snapshot.networks.insert(network.id.clone(), network);
    }
    for (name, list) in
        [("office", "203.0.113.0/24"), ("partners", "198.18.0.0-198.18.180.255"), ("any4", "0.0.0.0/0")]
    {
        snapshot.policy.ip_lists.insert(name.into(), IpList { addresses: list.parse().unwrap() });
    }
    let mut number = 0_u32;
    for app in 0..APPS {
        for role in ROLES {
            for _ in 0..10 {
                add_workload(&mut snapshot, number, app, role);
                number += 1;
            }
        }
        snapshot.policy.rulesets.push(ruleset(app));
    }
    snapshot
}

fn add_workload(snapshot: &mut Snapshot, number: u32, app: usize, role: &str) {
    let address = Ipv4Addr::from_bits(0x0a00_0000 + (app % NETWORKS) as u32 * 0x1_0000 + number + 1);
    let mode = match app % 10 {
        7 => EnforcementMode::Selective,
        8 => EnforcementMode::VisibilityOnly,
        _ => EnforcementMode::Full,
    };
    let interface = Interface {
        id: format!("eni-{number}").into(),
        network: Some(network(app).into()),
        addresses: vec![IpAddr::V4(address)],
        enforces: Directions::BOTH,
    };
    snapshot.workloads.push(Workload {
        id: format!("i-{number:06}").into(),
        labels: labels(app, role),
        mode,
        interfaces: vec![interface],
    });
}

fn ruleset(app: usize) -> Ruleset {
    let label = |key: &str, value: String| Label { key: key.into(), value: value.into() };
    let role = |role: &str| vec![Actor::Label { label: label("role", role.to_owned()), exclusion: false }];
    let other =
        Actor::Label { label: label("app", format!("app-{}", (app * 7 + 3) % APPS)), exclusion: false };
    let list = |name: &str| vec![Actor::IpList(name.into())];
    let all = || vec![Actor::AllWorkloads];
    let rules = [
        (list(["partners", "any4"][app % 2]), role("lb"), "tcp/443", false, Action::Allow),
        (role("lb"), role("web"), "tcp/8080", false, Action::Allow),
        (role("web"), role("app"), "tcp/8443", false, Action::Allow),
        (role("app"), role("cache"), "tcp/6379", false, Action::Allow),
        (role("app"), role("db"), "tcp/5432", false, Action::Allow),
        (role("db"), role("db"), "tcp/5432", false, Action::Allow),
        (vec![other.clone()], role("web"), "tcp/443", true, Action::Allow),
        (vec![other], role("app"), "tcp/9092", true, Action::Allow),
        (all(), all(), "tcp/22", false, Action::Deny),
        (all(), all(), "tcp/23", false, Action::OverrideDeny),
    ];
    let rules =
        (0..).zip(rules).map(|(number, (sources, destinations, services, extra_scope, action))| Rule {
            name: format!("rule-{number}").into(),
            enabled: true,
            action,
            sources,
            destinations,
            services: services.parse().unwrap(),
            extra_scope,
        });
    let scope =
        ScopeEntry { target: ScopeTarget::Label(label("app", format!("app-{app}"))), exclusion: false };
    Ruleset {
        name: format!("app-{app}").into(),
        enabled: true,
        scopes: vec![vec![scope]],
        rules: rules.collect(),
    }
}

fn summaries(size: usize) -> Summaries {
    let mut rng = Rng::with_seed(size as u64);
    let mut ends = Ends::default();
    for app in 0..APPS {
        for role in ROLES {
            ends.intern(End::Workload { labels: labels(app, role), network: Some(network(app).into()) });
        }
    }
    for number in 0..OUTSIDE {
        ends.intern(End::address(IpAddr::V4(Ipv4Addr::from_bits(0xc612_0000 + number))));
    }
    let workloads = (APPS * ROLES.len()) as u32;
    let mut keys: Vec<Key> = Vec::with_capacity(size + size / 8);
    while keys.len() < size {
        let missing = size - keys.len();
        keys.extend((0..missing + missing / 16 + 16).map(|_| key(&mut rng, workloads)));
        keys.sort_unstable();
        keys.dedup();
    }
    // Not the last ones only: any.
    rng.shuffle(&mut keys);
    keys.truncate(size);
    keys.sort_unstable();
    let tally = |key: &Key| Tally {
        connections: 3,
        packets: 30,
        bytes: 9_000,
        first: key.window,
        last: key.window + 59,
        ..Tally::default()
    };
    let rows = keys.iter().map(|key| (*key, tally(key))).collect();
    Summaries { window_s: 300, ends, rows }
}

/// By number of role: who talks to whom in an app, and on what.
const USUAL: [(u32, u32, u16); 5] = [(0, 1, 8080), (1, 2, 8443), (2, 3, 6379), (2, 4, 5432), (4, 4, 5432)];

fn key(rng: &mut Rng, workloads: u32) -> Key {
    let app = rng.u32(..APPS as u32);
    let roles = ROLES.len() as u32;
    let usual = USUAL[rng.usize(..USUAL.len())];
    let (source, destination, port) = match rng.u8(..10) {
        0..=3 => (workloads + rng.u32(..OUTSIDE), app * roles, 443),
        4..=7 => (app * roles + usual.0, app * roles + usual.1, usual.2),
        8 => ((app * 7 + 3) % APPS as u32 * roles + rng.u32(..roles), app * roles + 1, 443),
        _ => (rng.u32(..workloads + OUTSIDE), rng.u32(..workloads), PORTS[rng.usize(..PORTS.len())]),
    };
    Key {
        window: 1_795_824_000 + 300 * rng.i64(0..8_640),
        source: EndId(source),
        destination: EndId(destination),
        service: ServicePoint::port(6, port),
        outcome: if rng.u8(..20) == 0 { Outcome::Rejected } else { Outcome::Accepted },
        side: Side::Both,
    }
}
