//! Draws the map of an invented estate on three clouds: `cargo run -p flow --example map -- html > map.html`.
//!
//! The first argument is a form: `text`, `json`, `dot` or `html`. The second one is an estate: `shops` (the default: three
//! applications in two environments, jump hosts, monitoring, the internet), `large` (50 groups, 500 roles, 5,000 edges) or
//! `hostile` (labels that want to be more than text).

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "an example prints, and its input is its own")]

use flow::map::{Map, Options};
use flow::{End, Key, Outcome, Side, Summaries, Tally};
use policy::{AddressSet, LabelSet, Name, ServicePoint, ServiceSet, Verdict};

const WINDOW_S: u32 = 3600;
const BEGIN: i64 = 1_795_824_000;

fn main() {
    let form = std::env::args().nth(1).unwrap_or_else(|| "text".to_owned());
    let estate = std::env::args().nth(2).unwrap_or_else(|| "shops".to_owned());
    let mut flows = Flows::default();
    match estate.as_str() {
        "shops" => shops(&mut flows),
        "large" => large(&mut flows),
        "hostile" => hostile(&mut flows),
        other => panic_with(&format!("`{other}` is not an estate; write `shops`, `large` or `hostile`")),
    }
    let services = services();
    let lists = lists();
    let verdict =
        |source: &End, destination: &End, service: ServicePoint| verdict(source, destination, service);
    let options = Options {
        title: format!("Application dependency map: {estate}"),
        services: &services,
        lists: &lists,
        verdict: Some(&verdict),
        notes: vec!["2 of 41 interfaces have no flow log: what they talk to is missing here".to_owned()],
        ..Options::default()
    };
    let map = Map::build(&flows.summaries().merged(), &options);
    match form.as_str() {
        "text" => print!("{}", map.to_text()),
        "json" => println!("{:#}", map.to_json()),
        "dot" => print!("{}", map.to_dot()),
        "html" => print!("{}", map.to_html()),
        other => panic_with(&format!("`{other}` is not a form; write `text`, `json`, `dot` or `html`")),
    }
}

fn panic_with(message: &str) {
    eprintln!("{message}");
    std::process::exit(2);
}

fn services() -> Vec<(Name, ServiceSet)> {
    [
        ("https", "tcp/443"),
        ("http", "tcp/80"),
        ("postgres", "tcp/5432"),
        ("redis", "tcp/6379"),
        ("kafka", "tcp/9092"),
        ("ssh", "tcp/22"),
        ("dns", "udp/53"),
        ("metrics", "tcp/9100"),
        ("pay-api", "tcp/8443"),
    ]
    .map(|(name, set)| (name.into(), set.parse().unwrap()))
    .into()
}

fn lists() -> Vec<(Name, AddressSet)> {
    [("office", "198.51.100.0/24"), ("partner-bank", "203.0.113.0/25")]
        .map(|(name, set)| (name.into(), set.parse().unwrap()))
        .into()
}

/// A stand-in for a policy in full enforcement: production is reached from development by nobody, and databases by
/// their own applications and jump hosts.
fn verdict(source: &End, destination: &End, service: ServicePoint) -> Option<Verdict> {
    let End::Workload { labels: to, .. } = destination else { return Some(Verdict::Allowed) };
    let label = |key: &str| match source {
        End::Workload { labels, .. } => labels.get(key),
        End::Address(_) => None,
    };
    let crosses = label("env").is_some_and(|env| env.as_str() == "dev")
        && to.get("env").is_some_and(|env| env.as_str() == "prod");
    let is_database = to.get("role").is_some_and(|role| role.as_str() == "db");
    let is_own = label("app") == to.get("app")
        || label("app").is_some_and(|app| app.as_str() == "admin" || app.as_str() == "monitoring");
    let blocked = crosses || is_database && !is_own || service.detail == 23;
    Some(if blocked { Verdict::PotentiallyBlocked } else { Verdict::Allowed })
}

/// Summaries in the making.
#[derive(Default)]
struct Flows {
    summaries: Summaries,
    random: Option<fastrand::Rng>,
}

impl Flows {
    fn random(&mut self) -> &mut fastrand::Rng {
        self.random.get_or_insert_with(|| fastrand::Rng::with_seed(7))
    }

    /// Some hours of connections from one end to another, seen by both where both are workloads.
    fn add(&mut self, source: &End, destination: &End, service: &str, outcome: Outcome, connections: u64) {
        let set: ServiceSet = service.parse().unwrap();
        let service = set.first().unwrap();
        let ids =
            (self.summaries.ends.intern(source.clone()), self.summaries.ends.intern(destination.clone()));
        for hour in 0..1 + self.random().i64(0..5) {
            let window = BEGIN + hour * i64::from(WINDOW_S);
            let (first, last) =
                (window + self.random().i64(0..600), window + 3000 + self.random().i64(0..600));
            let bytes = connections * self.random().u64(800..4000);
            let replies = if outcome == Outcome::Rejected { 0 } else { bytes * self.random().u64(1..9) };
            let tally = Tally {
                connections,
                packets: bytes / 700 + 1,
                bytes,
                reply_packets: replies / 1200,
                reply_bytes: replies,
                first,
                last,
                ..Tally::default()
            };
            for (end, side) in [(source, Side::Source), (destination, Side::Destination)] {
                if matches!(end, End::Workload { .. }) {
                    let key = Key { window, source: ids.0, destination: ids.1, service, outcome, side };
                    self.summaries.rows.push((key, tally));
                }
            }
        }
    }

    fn summaries(mut self) -> Summaries {
        self.summaries.window_s = WINDOW_S;
        self.summaries.rows.sort_by_key(|(key, _)| *key);
        self.summaries.rows.dedup_by_key(|(key, _)| *key);
        self.summaries
    }
}

fn workload(labels: &[(&str, &str)], network: &str) -> End {
    let labels: LabelSet = labels.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
    End::Workload { labels, network: Some(network.into()) }
}

fn role(app: &str, env: &str, role: &str) -> End {
    let network = match app {
        "shop" => "vpc-0a1b",
        "pay" => "vnet-pay",
        "crm" => "projects/crm/global/networks/main",
        _ => "vpc-ops",
    };
    workload(&[("app", app), ("env", env), ("role", role), ("loc", "eu")], network)
}

fn address(text: &str) -> End {
    End::Address(text.parse::<std::net::IpAddr>().unwrap().into())
}

fn shops(flows: &mut Flows) {
    use Outcome::{Accepted, Rejected, Unknown};
    for (env, much) in [("prod", 40), ("dev", 1)] {
        let shop = |name| role("shop", env, name);
        let pay = |name| role("pay", env, name);
        let crm = |name| role("crm", env, name);
        flows.add(&shop("lb"), &shop("web"), "tcp/443", Accepted, 300 * much);
        flows.add(&shop("web"), &shop("api"), "tcp/8080", Accepted, 280 * much);
        flows.add(&shop("api"), &shop("db"), "tcp/5432", Accepted, 120 * much);
        flows.add(&shop("api"), &shop("cache"), "tcp/6379", Accepted, 900 * much);
        flows.add(&shop("api"), &shop("queue"), "tcp/9092", Accepted, 60 * much);
        flows.add(&shop("worker"), &shop("queue"), "tcp/9092", Accepted, 30 * much);
        flows.add(&shop("worker"), &shop("db"), "tcp/5432", Accepted, 20 * much);
        flows.add(&shop("db"), &shop("db"), "tcp/5432", Accepted, 4 * much);
        flows.add(&shop("api"), &pay("gateway"), "tcp/8443", Accepted, 25 * much);
        flows.add(&pay("gateway"), &pay("ledger"), "tcp/8080", Accepted, 25 * much);
        flows.add(&pay("ledger"), &pay("db"), "tcp/5432", Accepted, 50 * much);
        flows.add(&pay("gateway"), &address("203.0.113.10"), "tcp/443", Accepted, 24 * much);
        flows.add(&shop("worker"), &crm("api"), "tcp/443", Unknown, 8 * much);
        flows.add(&crm("web"), &crm("api"), "tcp/443", Unknown, 70 * much);
        flows.add(&crm("api"), &crm("db"), "tcp/3306", Unknown, 60 * much);
        flows.add(&crm("api"), &shop("db"), "tcp/5432", Accepted, 2 * much);
        for app in ["shop", "pay", "crm"] {
            flows.add(
                &role("monitoring", "prod", "prometheus"),
                &role(app, env, "api"),
                "tcp/9100",
                Accepted,
                12,
            );
            flows.add(
                &role("monitoring", "prod", "prometheus"),
                &role(app, env, "db"),
                "tcp/9100",
                Accepted,
                12,
            );
            flows.add(&role("admin", "prod", "jump"), &role(app, env, "db"), "tcp/22", Accepted, 3);
        }
    }
    flows.add(&address("198.51.100.7"), &role("admin", "prod", "jump"), "tcp/22", Accepted, 14);
    flows.add(&address("198.51.100.8"), &role("crm", "prod", "web"), "tcp/443", Unknown, 700);
    for last in 1..60 {
        let client = address(&format!("192.0.2.{last}"));
        flows.add(&client, &role("shop", "prod", "lb"), "tcp/443", Accepted, 90 + last);
    }
    flows.add(&address("192.0.2.200"), &role("admin", "prod", "jump"), "tcp/22", Rejected, 4_812);
    for port in (20..9000).step_by(97) {
        flows.add(&address("192.0.2.201"), &role("shop", "prod", "lb"), &format!("tcp/{port}"), Rejected, 1);
    }
    flows.add(&role("shop", "dev", "worker"), &role("shop", "prod", "db"), "tcp/5432", Accepted, 3);
    flows.add(&role("shop", "dev", "api"), &role("pay", "prod", "gateway"), "tcp/8443", Rejected, 37);
    flows.add(&role("shop", "prod", "web"), &role("pay", "prod", "db"), "tcp/5432", Rejected, 5);
    flows.add(&address("10.20.0.9"), &role("pay", "prod", "ledger"), "tcp/23", Accepted, 2);
    flows.add(&role("shop", "prod", "api"), &address("10.99.0.2"), "udp/53", Accepted, 8_000);
    flows.add(&role("pay", "prod", "ledger"), &address("10.99.0.2"), "udp/53", Accepted, 2_000);
    flows.add(
        &workload(&[("app", "legacy")], "vpc-0a1b"),
        &role("shop", "prod", "db"),
        "tcp/5432",
        Accepted,
        1,
    );
}

/// 50 groups of ten roles with 5,000 edges, most of them inside groups and to a few shared services.
fn large(flows: &mut Flows) {
    let names = ["web", "api", "auth", "cart", "search", "worker", "cache", "queue", "db", "report"];
    let end = |group: usize, at: usize| {
        let env = ["prod", "dev"][group % 2];
        workload(
            &[("app", &format!("app-{:02}", group / 2)), ("env", env), ("role", names[at])],
            &format!("vpc-{group}"),
        )
    };
    let ports = [443, 8080, 5432, 6379, 9092, 8443, 9100, 53, 22, 3306];
    let mut seen = std::collections::BTreeSet::new();
    while seen.len() < 5_000 {
        let (from, a, b, port) = {
            let random = flows.random();
            (random.usize(0..50), random.usize(0..10), random.usize(0..10), ports[random.usize(0..10)])
        };
        let to = match flows.random().u32(0..10) {
            0..5 => from,
            5..8 => flows.random().usize(0..4),
            _ => (from + 2 * flows.random().usize(1..4)) % 50,
        };
        if (from, a) == (to, b) || !seen.insert((from, a, to, b, port)) {
            continue;
        }
        let outcome = match flows.random().u32(0..40) {
            0 => Outcome::Rejected,
            1 => Outcome::Unknown,
            _ => Outcome::Accepted,
        };
        let much = 10_u64.pow(flows.random().u32(0..5));
        flows.add(&end(from, a), &end(to, b), &format!("tcp/{port}"), outcome, much);
    }
}

/// Labels that want to be markup, script, escape sequences and shell.
fn hostile(flows: &mut Flows) {
    let texts = [
        "<script>window.pwned=1</script>",
        "</script><img src=x onerror=window.pwned=2>",
        "\"><svg onload=window.pwned=3>",
        "'; window.pwned=4; '",
        "<!--<script>",
        "]]>&lt;&amp;",
        "\u{1b}[2J\u{202e}gnp.exe",
        "javascript:window.pwned=5",
        "a-very-long-value-that-goes-on-and-on-and-on-far-beyond-what-any-box-of-the-map-has-room-for",
        "\\\"; n0 -> n1; \"",
        "=cmd|' /C calc'!A0",
        "größe 日本語 🔥",
    ];
    for (at, text) in texts.iter().enumerate() {
        let other = texts[(at + 1) % texts.len()];
        let source = workload(&[("app", text), ("env", other), ("role", text), (text, text)], text);
        let destination = workload(&[("app", other), ("env", text), ("role", other)], other);
        flows.add(&source, &destination, "tcp/443", Outcome::Accepted, 3);
        flows.add(&destination, &source, "tcp/80", Outcome::Rejected, 1);
    }
}
