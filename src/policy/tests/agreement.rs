//! The oracle and the compiled policy agree on generated worlds, written as lines of `dsl` so that a failing
//! one can be read, kept and cut down. `BULKHEAD_WORLDS=20000` runs more, `BULKHEAD_SEED=7` one world alone.

#![allow(clippy::disallowed_methods, reason = "a test takes its size from the environment")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod dsl;

use fastrand::Rng;
use policy::{Evaluator, Verdict, compile, decide};

const WORLDS: u64 = 400;
const FLOWS: usize = 60;
const LABELS: [(&str, &[&str]); 4] = [
    ("role", &["web", "db", "lb"]),
    ("app", &["a", "b"]),
    ("env", &["prod", "dev", "test"]),
    ("loc", &["eu", "us"]),
];
const GROUPS: [(&str, &str); 4] =
    [("g", "env=prod env=dev"), ("h", "group:g env=test"), ("n", "key=env"), ("r", "role=web role=lb")];
const SERVICES: [&str; 9] =
    ["tcp/1", "tcp/1-3", "tcp", "udp/3-9", "icmp/8", "icmp/3/4", "icmpv6/2/0", "proto/50", "all"];
const POINTS: [&str; 9] =
    ["tcp/1", "tcp/3", "tcp/4", "udp/9", "icmp/8/0", "icmp/3/4", "icmpv6/2/0", "icmpv6/1/0", "proto/50"];
const OUTSIDE: [&str; 6] =
    ["10.0.0.77", "10.3.0.77", "203.0.113.5", "203.0.113.6", "2001:db8:f::5", "10.9.0.3"];
const TRANSLATIONS: [&str; 6] = [
    "nat a: 203.0.113.5 2001:db8:f::5",
    "nat a: 203.0.113.5 203.0.113.6 from=10.0.0.0/30,2001:db8:a::/64 towards=d",
    "nat b: 203.0.113.6 towards=d",
    "nat c: 203.0.113.5",
    "nat d: 203.0.113.6 from=10.0.0.4/30",
    // An address that somebody may hold.
    "nat d: 10.9.0.3",
];

#[test]
fn oracle_and_compiled_policy_agree_on_generated_worlds() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let seeds = match number("BULKHEAD_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("BULKHEAD_WORLDS").unwrap_or(WORLDS),
    };
    let whole = seeds.end - seeds.start >= WORLDS;
    let (mut flows, mut allowed, mut blocked) = (0, 0, 0);
    for seed in seeds {
        let mut rng = Rng::with_seed(seed);
        let (lines, ends) = world(&mut rng);
        let snapshot = dsl::world(&lines.iter().map(String::as_str).collect::<Vec<_>>());
        let compilation = compile(&snapshot);
        let evaluator = Evaluator::new(&compilation.policy, &snapshot);
        for _ in 0..FLOWS {
            let Some(text) = flow(&mut rng, &ends) else { continue };
            let flow = dsl::flow(&snapshot, &text);
            let (expected, found) = (decide(&snapshot, &flow), evaluator.decide(&flow));
            assert!(
                expected == found,
                "seed {seed}, {text}\n  oracle:   {}\n  compiled: {}\n{}",
                dsl::show(&expected),
                dsl::show(&found),
                lines.join("\n")
            );
            flows += 1;
            allowed += u64::from(expected.verdict == Verdict::Allowed);
            blocked += u64::from(expected.verdict == Verdict::Blocked);
        }
    }
    let percent = |count: u64| count * 100 / u64::max(flows, 1);
    println!("{flows} flows: {} % allowed, {} % blocked", percent(allowed), percent(blocked));
    assert!(!whole || (percent(allowed) >= 25 && percent(blocked) >= 25), "the worlds are lopsided");
}

/// Four networks (a and b peered, b and c too, d overlaps a), workloads in them and outside, and rules.
fn world(rng: &mut Rng) -> (Vec<String>, Vec<(String, bool)>) {
    let mut lines: Vec<String> = [
        "network a: 10.0.0.0/16 2001:db8:a::/48 peers=b",
        "network b: 10.1.0.0/16 2001:db8:b::/48 peers=c",
        "network c: 10.2.0.0/16",
        "network d: 10.0.0.0/16",
        "list near: 10.0.0.0/30 2001:db8:a::/64",
        "list ten: 10.0.0.0/8 not 10.1.0.0/31",
        "list out: 203.0.113.0/24 2001:db8:f::/48",
    ]
    .map(str::to_owned)
    .to_vec();
    lines.extend(GROUPS.map(|(name, members)| format!("group {name}: {members}")));
    let mut ends: Vec<(String, bool)> =
        OUTSIDE.iter().map(|address| ((*address).to_owned(), address.contains(':'))).collect();
    for index in 0..rng.usize(3..9) {
        let mut words = vec![format!("w{index}:")];
        for one in &LABELS {
            if rng.u8(0..5) > 0 {
                words.push(label(rng, one));
            }
        }
        for interface in 0..rng.usize(1..3) {
            // Addresses are unique inside a network; d has those of a again.
            let (network, block, v6) = *choose(
                rng,
                &[("a", 0, "a"), ("a", 0, "a"), ("b", 1, "b"), ("c", 2, ""), ("d", 0, ""), ("", 9, "9")],
            );
            let host = index * 2 + interface;
            let name = if interface == 0 { format!("w{index}") } else { format!("w{index}.{interface}") };
            let host_v4 = if network == "d" { (host + 2) % 16 } else { host };
            let mut addresses = vec![format!("10.{block}.0.{host_v4}")];
            if !v6.is_empty() && rng.bool() {
                addresses.push(format!("2001:db8:{v6}::{host:x}"));
            }
            words.extend((interface > 0).then(|| ";".to_owned()));
            for address in addresses {
                words.push(format!("@{address}"));
                ends.push((format!("{name}@{address}"), address.contains(':')));
            }
            if !network.is_empty() {
                words.push(format!("vpc={network}"));
                words.push(format!(
                    "enforces={}",
                    choose(rng, &["both", "both", "both", "ingress", "egress", "none"])
                ));
            }
        }
        words.push(format!(
            "mode={}",
            choose(rng, &["full", "full", "full", "selective", "visibility", "idle"])
        ));
        lines.push(words.join(" "));
    }
    if rng.bool() {
        lines.extend((0..rng.usize(1..4)).map(|_| (*choose(rng, &TRANSLATIONS)).to_owned()));
    }
    for _ in 0..rng.usize(2..8) {
        lines.push(rule(rng));
    }
    (lines, ends)
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
    words.push(side(rng));
    words.push("->".to_owned());
    words.push(side(rng));
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

/// A label or a group, one in four taken off.
fn narrowing(rng: &mut Rng) -> String {
    let not = if rng.u8(0..4) == 0 { "not " } else { "" };
    if rng.u8(0..4) == 0 {
        return format!("{not}group:{}", choose(rng, &GROUPS).0);
    }
    let one = choose(rng, &LABELS);
    format!("{not}{}", label(rng, one))
}

fn label(rng: &mut Rng, (key, values): &(&str, &[&str])) -> String {
    format!("{key}={}", choose(rng, values))
}

fn choose<'a, T>(rng: &mut Rng, items: &'a [T]) -> &'a T {
    &items[rng.usize(0..items.len())]
}

/// A flow between two ends of one family, not both outside.
fn flow(rng: &mut Rng, ends: &[(String, bool)]) -> Option<String> {
    let (source, destination) = (choose(rng, ends), choose(rng, ends));
    let outside = |end: &str| OUTSIDE.contains(&end);
    if source.1 != destination.1 || source.0 == destination.0 || outside(&source.0) && outside(&destination.0)
    {
        return None;
    }
    Some(format!("{} -> {} : {}", source.0, destination.0, choose(rng, &POINTS)))
}
