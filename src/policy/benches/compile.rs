//! How compile grows: `cargo bench -p policy --bench compile` prints a Markdown table.
//!
//! The first shape is the one that Antrea publishes figures for: 4 workloads per namespace, 3 rules per
//! namespace. The second is 10,000 workloads and 10,000 rules that each select everybody. The third gives
//! every workload its own value of `app` and lets rules name groups of them. A shape and a size may be
//! given as arguments (`-- namespaces 100000`) for one round in this process, for a profiler.
//!
//! Each round is a process of its own that compiles once, as `bulkhead plan` does, and the best round counts. In one
//! process the rounds of a small shape would find their memory as the last one left it, and those of a large shape,
//! which has gone back to the system meanwhile, would not: the growth would be that of the allocator.
//!
//! There is no incremental compile: after one relabel everything is compiled again, so the time of a
//! recompile is the time of the table; the last lines show it.

#![allow(clippy::disallowed_methods, reason = "a benchmark reads clock and memory")]
#![allow(clippy::disallowed_types, reason = "every round is a process of its own")]
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark prints")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::net::{IpAddr, Ipv4Addr};
use std::process::Command;
use std::str::FromStr;
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
const ROUNDS: usize = 7;
const MEASURED: Duration = Duration::from_millis(1500);
const ROLES: [&str; 4] = ["web", "app", "db", "cache"];

/// Name, title, maker.
type Shape = (&'static str, &'static str, fn(usize) -> Snapshot);
const SHAPES: [Shape; 4] = [
    ("namespaces", "4 workloads, 3 rules per namespace", namespaces),
    ("everybody", "every rule selects everybody", everybody),
    ("grouped", "groups of 10 apps, one per workload", grouped),
    ("relabelled", "after one relabel (a full compile)", relabelled),
];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let named = |name: &str| SHAPES.iter().find(|shape| shape.0 == name);
    match &arguments[..] {
        [name, size, ..] if named(name).is_some() => {
            println!("{}", Round::run(&named(name).unwrap().2(size.parse().unwrap())));
        }
        _ => table(),
    }
}

fn table() {
    println!(
        "| shape | workloads | written rules | compiled rules | selectors | classes | compile | × time | peak RSS |"
    );
    println!("|---|---:|---:|---:|---:|---:|---:|---:|---:|");
    let [namespaces, everybody, grouped, relabelled] = &SHAPES;
    for (shape, sizes) in [
        (namespaces, &[1_000, 10_000, 100_000][..]),
        (everybody, &[10_000]),
        (grouped, &[1_000, 10_000, 100_000]),
        (relabelled, &[100_000]),
    ] {
        let mut smaller = None;
        for &size in sizes {
            let best = best_round(shape.0, size);
            let ratio = smaller.map_or(String::new(), |smaller| format!("{:.1}", best.ms / smaller));
            let Round { counts, ms, peak_mib } = &best;
            println!("| {} | {counts} | {ms:.1} ms | {ratio} | {peak_mib} MiB |", shape.1);
            smaller = Some(best.ms);
        }
    }
}

/// The best of many rounds.
fn best_round(name: &str, size: usize) -> Round {
    let begin = Instant::now();
    let rounds = (0..).take_while(|&round| round < ROUNDS || begin.elapsed() < MEASURED);
    let rounds = rounds.map(|_| {
        let mut command = Command::new(std::env::current_exe().unwrap());
        let output = command.args([name, &size.to_string()]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().parse().unwrap()
    });
    rounds.min_by(|a: &Round, b| a.ms.total_cmp(&b.ms)).unwrap()
}

/// What one round found; as text, what its process prints.
struct Round {
    /// Of workloads, rules as written and as compiled, selectors and classes.
    counts: String,
    /// CPU time: compile has one thread, and other work on the machine counts less that way.
    ms: f64,
    /// The largest the process has been, its input included.
    peak_mib: u64,
}

impl Round {
    fn run(snapshot: &Snapshot) -> Self {
        let start = ProcessTime::now();
        let compilation = compile(snapshot);
        let ms = start.elapsed().as_secs_f64() * 1e3;
        assert!(compilation.findings.iter().all(|finding| !finding.is_blocking()));
        let CompiledPolicy { classes, class_of, selectors, rules } = &compilation.policy;
        assert_eq!(class_of.len(), snapshot.workloads.len());
        let written: usize = snapshot.policy.rulesets.iter().map(|ruleset| ruleset.rules.len()).sum();
        let counts = [class_of.len(), written, rules.len(), selectors.len(), classes.len()];
        let counts = counts.map(|count| count.to_string()).join(" | ");
        Self { counts, ms, peak_mib: peak_mib() }
    }
}

impl Display for Round {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{};{};{}", self.counts, self.ms, self.peak_mib)
    }
}

impl FromStr for Round {
    type Err = Box<dyn std::error::Error>;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts: Vec<&str> = text.trim().split(';').collect();
        let [counts, ms, peak] = parts[..] else { return Err(text.into()) };
        Ok(Self { counts: counts.to_owned(), ms: ms.parse()?, peak_mib: peak.parse()? })
    }
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

/// One workload has moved to another namespace.
fn relabelled(workloads: usize) -> Snapshot {
    let mut snapshot = namespaces(workloads);
    snapshot.workloads[0].labels.insert("ns".into(), "ns-1".into());
    snapshot
}

fn base() -> Snapshot {
    let network =
        Network { id: "net".into(), cidrs: vec!["10.0.0.0/8".parse().unwrap()], peers: BTreeSet::new() };
    Snapshot {
        policy: Policy::default(),
        workloads: Vec::new(),
        networks: BTreeMap::from([(NetworkId::from("net"), network)]),
        translations: Vec::new(),
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
