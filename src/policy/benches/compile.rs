//! How compile grows: `cargo bench -p policy --bench compile` prints a Markdown table.
//!
//! The first shape is the one that Antrea publishes figures for: 4 workloads per namespace, 3 rules per
//! namespace. The second is 10,000 workloads and 10,000 rules that each select everybody. The third gives
//! every workload its own value of `app` and lets rules name groups of them. A size may be given as argument
//! (`-- 100000`) to run that one of the first shape alone, for a profiler.
//!
//! There is no incremental compile: after one relabel everything is compiled again, so the time of a
//! recompile is the time of the table; the last lines show it.

#![allow(clippy::disallowed_methods, reason = "a benchmark reads clock and memory")]
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark prints")]

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use cpu_time::ProcessTime;
use policy::ruleset::{Actor, LabelGroup, Rule, Ruleset, ScopeEntry, ScopeTarget};
use policy::{
    Action, CompiledPolicy, Directions, EnforcementMode, Interface, Label, Network, NetworkId, Policy,
    ServiceSet, Snapshot, Workload, compile,
};

/// As in the `bulkhead` binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// At least so many rounds, and at least so long: small shapes need many rounds on a noisy machine.
const ROUNDS: usize = 5;
const MEASURED: Duration = Duration::from_millis(1500);
const ROLES: [&str; 4] = ["web", "app", "db", "cache"];

fn main() {
    let only: Option<usize> = std::env::args().filter_map(|argument| argument.parse().ok()).next();
    println!(
        "| shape | workloads | written rules | compiled rules | selectors | classes | compile | × time | peak RSS |"
    );
    println!("|---|---:|---:|---:|---:|---:|---:|---:|---:|");
    let mut last = None;
    for size in [1_000, 10_000, 100_000].into_iter().filter(|&size| only.is_none_or(|only| only == size)) {
        last = Some(row("4 workloads, 3 rules per namespace", &namespaces(size), last));
    }
    if only.is_some() {
        return;
    }
    row("every rule selects everybody", &everybody(10_000), None);
    let mut last = None;
    for size in [1_000, 10_000, 100_000] {
        last = Some(row("groups of 10 apps, one per workload", &grouped(size), last));
    }
    let mut snapshot = namespaces(100_000);
    relabel(&mut snapshot);
    row("after one relabel (a full compile)", &snapshot, None);
}

/// Prints one line and returns the time.
fn row(shape: &str, snapshot: &Snapshot, smaller: Option<Duration>) -> Duration {
    let (time, policy) = measure(snapshot);
    let written: usize = snapshot.policy.rulesets.iter().map(|ruleset| ruleset.rules.len()).sum();
    let ratio =
        smaller.map_or(String::new(), |smaller| format!("{:.1}", time.as_secs_f64() / smaller.as_secs_f64()));
    println!(
        "| {shape} | {} | {written} | {} | {} | {} | {:.1} ms | {ratio} | {} MiB |",
        snapshot.workloads.len(),
        policy.rules.len(),
        policy.selectors.len(),
        policy.classes.len(),
        time.as_secs_f64() * 1e3,
        peak_mib(),
    );
    time
}

/// The CPU time of the best round (compile has one thread; other work on the machine counts less that way), and
/// the result.
fn measure(snapshot: &Snapshot) -> (Duration, CompiledPolicy) {
    let mut best = Duration::MAX;
    let mut result = CompiledPolicy::default();
    let begin = Instant::now();
    for round in 0.. {
        if round >= ROUNDS && begin.elapsed() >= MEASURED {
            break;
        }
        drop(std::mem::take(&mut result));
        let start = ProcessTime::now();
        let compilation = compile(snapshot);
        best = best.min(start.elapsed());
        assert!(compilation.findings.iter().all(|finding| !finding.is_blocking()));
        result = compilation.policy;
    }
    assert_eq!(result.class_of.len(), snapshot.workloads.len());
    (best, result)
}

/// The largest the process has been, its input included.
fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) / 1024
}

/// Antrea's shape: a ruleset per namespace, scoped to it; three rules of selector pairs.
fn namespaces(workloads: usize) -> Snapshot {
    let mut snapshot = base();
    for number in 0..workloads {
        let labels = [("role", ROLES[number % 4].to_owned()), ("ns", format!("ns-{}", number / 4))];
        add_workload(&mut snapshot, number, &labels);
    }
    for namespace in 0..workloads.div_ceil(4) {
        let scope = ScopeEntry {
            target: ScopeTarget::Label(label("ns", &format!("ns-{namespace}"))),
            exclusion: false,
        };
        let pairs = [("web", "app", "tcp/8080"), ("app", "db", "tcp/5432"), ("app", "cache", "tcp/6379")];
        let rules = pairs.iter().map(|(from, to, service)| {
            rule(&format!("{from}-to-{to}"), vec![actor("role", from)], vec![actor("role", to)], service)
        });
        add_ruleset(&mut snapshot, &format!("ns-{namespace}"), vec![vec![scope]], rules.collect());
    }
    snapshot
}

/// As many rules as workloads, each over everybody, each on its own port.
fn everybody(workloads: usize) -> Snapshot {
    let mut snapshot = base();
    for number in 0..workloads {
        add_workload(&mut snapshot, number, &[("role", ROLES[number % 4].to_owned())]);
    }
    let all = || vec![Actor::AllWorkloads];
    let rules = (0..workloads).map(|n| rule(&format!("rule-{n}"), all(), all(), &format!("tcp/{n}")));
    add_ruleset(&mut snapshot, "all", Vec::new(), rules.collect());
    snapshot
}

/// Every workload has an app of its own; each rule lets two random groups of ten apps talk.
fn grouped(workloads: usize) -> Snapshot {
    let mut rng = fastrand::Rng::with_seed(7);
    let mut snapshot = base();
    for number in 0..workloads {
        let labels = [("app", format!("app-{number}")), ("role", ROLES[number % 4].to_owned())];
        add_workload(&mut snapshot, number, &labels);
    }
    let groups = workloads / 10;
    for group in 0..groups {
        let labels: BTreeSet<_> = (0..10).map(|_| format!("app-{}", rng.usize(..workloads)).into()).collect();
        let group_of_apps = LabelGroup { key: "app".into(), labels, sub_groups: BTreeSet::new() };
        snapshot.policy.label_groups.insert(format!("group-{group}").into(), group_of_apps);
    }
    let mut side =
        || Actor::LabelGroup { group: format!("group-{}", rng.usize(..groups)).into(), exclusion: false };
    let rules = (0..groups).map(|n| rule(&format!("rule-{n}"), vec![side()], vec![side()], "tcp/443"));
    let rules = rules.collect();
    add_ruleset(&mut snapshot, "groups", Vec::new(), rules);
    snapshot
}

/// One workload moves to another namespace.
fn relabel(snapshot: &mut Snapshot) {
    if let Some(workload) = snapshot.workloads.first_mut() {
        workload.labels.insert("ns".into(), "ns-1".into());
    }
}

fn base() -> Snapshot {
    let network =
        Network { id: "net".into(), cidrs: vec!["10.0.0.0/8".parse().unwrap()], peers: BTreeSet::new() };
    Snapshot {
        policy: Policy::default(),
        workloads: Vec::new(),
        networks: BTreeMap::from([(NetworkId::from("net"), network)]),
    }
}

fn add_workload(snapshot: &mut Snapshot, number: usize, labels: &[(&str, String)]) {
    let interface = Interface {
        id: format!("eni-{number:06}").into(),
        network: Some("net".into()),
        addresses: vec![IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0001 + number as u32))],
        enforces: Directions::BOTH,
    };
    for (key, value) in labels {
        let values = snapshot.policy.labels.entry((*key).into()).or_default();
        values.insert(value.as_str().into());
    }
    snapshot.workloads.push(Workload {
        id: format!("i-{number:06}").into(),
        labels: labels.iter().map(|(key, value)| ((*key).into(), value.as_str().into())).collect(),
        mode: EnforcementMode::Full,
        interfaces: vec![interface],
    });
}

fn add_ruleset(snapshot: &mut Snapshot, name: &str, scopes: Vec<Vec<ScopeEntry>>, rules: Vec<Rule>) {
    snapshot.policy.rulesets.push(Ruleset { name: name.into(), enabled: true, scopes, rules });
}

fn rule(name: &str, sources: Vec<Actor>, destinations: Vec<Actor>, service: &str) -> Rule {
    let services: ServiceSet = service.parse().unwrap();
    Rule {
        name: name.into(),
        enabled: true,
        action: Action::Allow,
        sources,
        destinations,
        services,
        extra_scope: false,
    }
}

fn label(key: &str, value: &str) -> Label {
    Label { key: key.into(), value: value.into() }
}

fn actor(key: &str, value: &str) -> Actor {
    Actor::Label { label: label(key, value), exclusion: false }
}
