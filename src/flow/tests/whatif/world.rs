//! Small random worlds as lines of the test language, and the ends that summaries could have there.

use fastrand::Rng;
use flow::End;
use policy::{LabelSet, ServicePoint, ServiceSet, Snapshot};

use crate::dsl;

const LABELS: [(&str, &[&str]); 3] =
    [("role", &["web", "db", "lb"]), ("app", &["a", "b"]), ("env", &["prod", "dev"])];
const SERVICES: [&str; 8] = ["tcp/1", "tcp/1-3", "tcp", "udp/3-9", "icmp/8", "icmp/3/4", "proto/50", "all"];
const POINTS: [&str; 8] =
    ["tcp/1", "tcp/3", "tcp/4", "udp/9", "icmp/8/0", "icmp/3/4", "icmpv6/2/0", "proto/50"];
/// Addresses of nobody, of translations, and blocks.
pub const OUTSIDE: [&str; 10] = [
    "10.0.0.77/32",
    "10.3.0.77/32",
    "203.0.113.5/32",
    "203.0.113.6/32",
    "10.0.0.3/32",
    "2001:db8:f::5/128",
    "203.0.113.0/28",
    "203.0.113.128/25",
    "10.0.0.0/28",
    "2001:db8:f::/124",
];
const TRANSLATIONS: [&str; 6] = [
    "nat a: 203.0.113.5 2001:db8:f::5",
    "nat a: 203.0.113.5 203.0.113.6 from=10.0.0.0/30,2001:db8:a::/64 towards=d",
    "nat b: 203.0.113.6 towards=d",
    "nat c: 203.0.113.5",
    "nat d: 203.0.113.6 from=10.0.0.4/30",
    "nat d: 10.9.0.3",
];

/// A world: a and b are peered, b and c too, d has the addresses of a; workloads inside and outside; lists, groups,
/// scopes, denies of both kinds, modes.
pub fn lines(rng: &mut Rng) -> Vec<String> {
    let fixed = [
        "network a: 10.0.0.0/16 2001:db8:a::/48 peers=b",
        "network b: 10.1.0.0/16 2001:db8:b::/48 peers=c",
        "network c: 10.2.0.0/16",
        "network d: 10.0.0.0/16",
        "list near: 10.0.0.0/30 2001:db8:a::/64",
        "list ten: 10.0.0.0/8 not 10.1.0.0/31",
        "list out: 203.0.113.0/25 2001:db8:f::/125",
        "group g: env=prod env=dev",
        "group fronts: role=web role=lb",
        "group nobody: key=env",
    ];
    let mut lines: Vec<String> = fixed.map(str::to_owned).to_vec();
    lines.extend((0..rng.usize(3..10)).map(|number| workload(rng, number)));
    if rng.u8(..3) == 0 {
        lines.extend((0..rng.usize(1..4)).map(|_| (*choose(rng, &TRANSLATIONS)).to_owned()));
    }
    lines.extend((0..rng.usize(2..8)).map(|_| rule(rng)));
    lines
}

/// Reads a world.
pub fn read(lines: &[String]) -> Snapshot {
    dsl::world(&lines.iter().map(String::as_str).collect::<Vec<_>>())
}

fn workload(rng: &mut Rng, number: usize) -> String {
    let mut words = vec![format!("w{number}:")];
    for one in &LABELS {
        if rng.u8(..6) > 0 {
            words.push(label(rng, one));
        }
    }
    for interface in 0..rng.usize(1..3) {
        let places = [("a", 0, "a"), ("a", 0, "a"), ("b", 1, "b"), ("c", 2, ""), ("d", 0, ""), ("", 9, "9")];
        let (network, block, v6) = *choose(rng, &places);
        let host = number * 2 + interface;
        let host_v4 = if network == "d" { (host + 2) % 16 } else { host };
        words.extend((interface > 0).then(|| ";".to_owned()));
        words.push(format!("@10.{block}.0.{host_v4}"));
        if !v6.is_empty() && rng.bool() {
            words.push(format!("@2001:db8:{v6}::{host:x}"));
        }
        if !network.is_empty() {
            let enforces = choose(rng, &["both", "both", "both", "ingress", "egress", "none"]);
            words.extend([format!("vpc={network}"), format!("enforces={enforces}")]);
        }
    }
    words.push(format!("mode={}", choose(rng, &["full", "full", "full", "selective", "visibility", "idle"])));
    words.join(" ")
}

fn rule(rng: &mut Rng) -> String {
    let mut words = Vec::new();
    for _ in 0..rng.usize(0..3) {
        let entries: Vec<String> = (0..rng.usize(0..3)).map(|_| narrowing(rng)).collect();
        words.push(format!("[{}]", entries.join(" ")));
    }
    for (flag, odds) in [("extra", 4), ("disabled", 12), ("disabled-ruleset", 16)] {
        if rng.u8(0..odds) == 0 {
            words.push(flag.to_owned());
        }
    }
    words.push((*choose(rng, &["", "", "", "", "deny", "override-deny"])).to_owned());
    words.extend([side(rng), "->".to_owned(), side(rng)]);
    let services = (0..rng.usize(1..3)).map(|_| *choose(rng, &SERVICES)).collect::<Vec<_>>().join(" ");
    let line = words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    format!("{line} : {services}")
}

fn side(rng: &mut Rng) -> String {
    let actors: Vec<String> = (0..rng.usize(1..4))
        .map(|_| match rng.u8(0..12) {
            0..=1 => "all-workloads".to_owned(),
            2..=3 => format!("list:{}", choose(rng, &["near", "ten", "out"])),
            4 => format!("workload:w{}", rng.u8(0..4)),
            _ => narrowing(rng),
        })
        .collect();
    actors.join(" ")
}

fn narrowing(rng: &mut Rng) -> String {
    let not = if rng.u8(0..4) == 0 { "not " } else { "" };
    if rng.u8(0..4) == 0 {
        return format!("{not}group:{}", choose(rng, &["g", "fronts", "fronts", "nobody"]));
    }
    let one = choose(rng, &LABELS);
    format!("{not}{}", label(rng, one))
}

fn label(rng: &mut Rng, (key, values): &(&str, &[&str])) -> String {
    format!("{key}={}", choose(rng, values))
}

pub fn choose<'a, T>(rng: &mut Rng, items: &'a [T]) -> &'a T {
    &items[rng.usize(0..items.len())]
}

/// Every end that a summary of the world can name.
pub fn ends(snapshot: &Snapshot) -> Vec<End> {
    let of_interfaces = snapshot.interfaces().map(|(_, workload, interface)| End::Workload {
        labels: workload.labels.clone(),
        network: interface.network.clone(),
    });
    let outside = OUTSIDE.iter().map(|block| End::Address(block.parse().unwrap()));
    let mut ends: Vec<End> = of_interfaces.chain(outside).collect();
    ends.sort();
    ends.dedup();
    ends
}

pub fn service(rng: &mut Rng) -> ServicePoint {
    point(choose::<&str>(rng, &POINTS))
}

pub fn point(text: &str) -> ServicePoint {
    text.parse::<ServiceSet>().unwrap().first().unwrap()
}

/// Labels as the test language has them.
pub fn labels(text: &str) -> LabelSet {
    text.split_whitespace()
        .map(|label| label.parse::<policy::Label>().unwrap())
        .map(|label| (label.key, label.value))
        .collect()
}
