//! Small random worlds as lines of the test language, and flows through them, from a seed.
//!
//! Networks `a` and `b` are peered; `c` is not connected and has the blocks of `a`, so that addresses are
//! shadowed and ambiguous now and then. Inside `a` and `b` together no address is given twice.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use fastrand::Rng;
use policy::{End, Flow, ServiceSet, Snapshot};

const SERVICES: [&str; 8] =
    ["tcp/443", "tcp/5432", "tcp/8000-8010", "udp/53", "tcp", "all", "icmp/3", "icmp/3/4"];
const POINTS: [&str; 8] =
    ["tcp/443", "tcp/5432", "tcp/8000", "tcp/8010", "tcp/8011", "udp/53", "icmp/3/4", "icmp/3/1"];
const KEYS: [(&str, [&str; 3]); 3] =
    [("role", ["web", "db", "lb"]), ("env", ["prod", "dev", "test"]), ("app", ["shop", "blog", "erp"])];

fn pick<'a>(rng: &mut Rng, from: &[&'a str]) -> &'a str {
    from[rng.usize(..from.len())]
}

fn label(rng: &mut Rng) -> String {
    let (key, values) = &KEYS[rng.usize(..KEYS.len())];
    format!("{key}={}", pick(rng, values))
}

/// The lines of one world.
pub fn lines(rng: &mut Rng) -> Vec<String> {
    let fixed = [
        "network a: 10.0.0.0/16 2001:db8:a::/48 peers=b",
        "network b: 10.1.0.0/16 2001:db8:b::/48",
        "network c: 10.0.0.0/16 2001:db8:a::/48",
        "group nonprod: env=dev env=test",
        "group all-env: env=prod group:nonprod",
        "group nobody: key=env",
        "group fronts: role=web role=lb",
        "list ten: 10.0.0.0/8 not 10.0.0.4-10.0.0.6",
        "list office: 203.0.113.0/24 not 203.0.113.66",
        "list six: 2001:db8::/32",
    ];
    let mut lines: Vec<String> = fixed.iter().map(ToString::to_string).collect();
    let count = rng.usize(2..9);
    lines.extend((0..count).map(|number| workload(rng, number)));
    let rules = rng.usize(1..7);
    lines.extend((0..rules).map(|_| rule(rng, count)));
    lines
}

fn workload(rng: &mut Rng, number: usize) -> String {
    let mut text = format!("w{number}:");
    for (key, values) in KEYS {
        if rng.u8(..5) > 0 {
            text += &format!(" {key}={}", pick(rng, &values));
        }
    }
    if rng.u8(..3) == 0 {
        text += &format!(" mode={}", pick(rng, &["idle", "visibility", "selective"]));
    }
    let interfaces = if rng.u8(..4) == 0 { 2 } else { 1 };
    for interface in 0..interfaces {
        let host = number * 2 + interface + 1;
        let separator = if interface > 0 { " ;" } else { "" };
        text += &match rng.u8(..6) {
            0 => format!("{separator} @198.51.100.{host} @2001:db8:f::{host}"),
            1 => format!("{separator} @10.1.0.{host} @2001:db8:b::{host} vpc=b"),
            2 => format!("{separator} @10.0.0.{} vpc=c", rng.u8(1..9)),
            3 => format!("{separator} @10.0.0.{host} @10.0.1.{host} vpc=a enforces=ingress"),
            _ => format!("{separator} @10.0.0.{host} @2001:db8:a::{host} vpc=a"),
        };
    }
    text
}

fn rule(rng: &mut Rng, workloads: usize) -> String {
    let mut text = String::new();
    for _ in 0..[0, 0, 1, 1, 2][rng.usize(..5)] {
        let entries: Vec<String> = (0..rng.usize(..4)).map(|_| scope_entry(rng)).collect();
        text += &format!("[{}] ", entries.join(" "));
    }
    text += ["", "", "", "extra ", "deny ", "override-deny ", "disabled "][rng.usize(..7)];
    let mut side = || (0..rng.usize(1..4)).map(|_| actor(rng, workloads)).collect::<Vec<_>>().join(" ");
    text += &format!("{} -> {}", side(), side());
    text + " : " + pick(rng, &SERVICES)
}

fn not(rng: &mut Rng) -> &'static str {
    if rng.u8(..5) == 0 { "not " } else { "" }
}

fn scope_entry(rng: &mut Rng) -> String {
    let group = pick(rng, &["nonprod", "all-env", "all-env", "fronts", "nobody"]);
    let target = if rng.bool() { label(rng) } else { format!("group:{group}") };
    format!("{}{target}", not(rng))
}

fn actor(rng: &mut Rng, workloads: usize) -> String {
    match rng.u8(..10) {
        0 => "all-workloads".to_owned(),
        1 => format!("list:{}", pick(rng, &["ten", "office", "six"])),
        2 => format!("workload:w{}", rng.usize(..workloads)),
        3 | 4 => {
            let group = pick(rng, &["nonprod", "all-env", "fronts", "fronts", "nobody"]);
            format!("{}group:{group}", not(rng))
        }
        _ => format!("{}{}", not(rng), label(rng)),
    }
}

/// A flow between two ends of one family.
pub fn flow(rng: &mut Rng, snapshot: &Snapshot) -> Flow {
    let v6 = rng.u8(..4) == 0;
    let service: ServiceSet = pick(rng, &POINTS).parse().unwrap();
    Flow {
        source: end(rng, snapshot, v6),
        destination: end(rng, snapshot, v6),
        service: service.first().unwrap(),
    }
}

fn end(rng: &mut Rng, snapshot: &Snapshot, v6: bool) -> End {
    let held: Vec<End> = (snapshot.interfaces())
        .flat_map(|(_, _, interface)| interface.addresses.iter().map(move |&address| (interface, address)))
        .filter(|(_, address)| address.is_ipv6() == v6)
        .map(|(interface, address)| End { interface: Some(interface.id.clone()), address })
        .collect();
    if !held.is_empty() && rng.u8(..8) > 0 {
        return held[rng.usize(..held.len())].clone();
    }
    let address = match (v6, rng.u8(..4)) {
        (true, _) => IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0xa, 0, 0, 0, 0, rng.u16(..20))),
        (false, 0) => IpAddr::V4(Ipv4Addr::new(10, 0, 0, rng.u8(..20))),
        (false, 1) => IpAddr::V4(Ipv4Addr::new(203, 0, 113, 66)),
        (false, 2) => IpAddr::V4(Ipv4Addr::new(203, 0, 113, rng.u8(..))),
        (false, _) => IpAddr::V4(Ipv4Addr::new(198, 51, 100, rng.u8(..20))),
    };
    End { interface: None, address }
}
