//! Summaries for tests: written as lines, or drawn from a seed.

use flow::{End, Key, Outcome, Side, Summaries, Tally};
use policy::{AddressSet, LabelSet, Name, ServiceSet};

pub const HOUR: i64 = 3600;
pub const BEGIN: i64 = 1_795_824_000;

/// `shop.prod.web`, `shop.prod.web@vpc-1`, `shop..` (no environment, no role), or an address or block.
pub fn end(text: &str) -> End {
    if let Ok(block) = text.parse::<ipnet::IpNet>() {
        return End::Address(block);
    }
    if let Ok(address) = text.parse::<std::net::IpAddr>() {
        return End::address(address);
    }
    let (labels, network) =
        text.split_once('@').map_or((text, None), |(labels, network)| (labels, Some(network)));
    let values = labels.split('.');
    let labels = ["app", "env", "role"].into_iter().zip(values).filter(|(_, value)| !value.is_empty());
    let labels: LabelSet = labels.map(|(key, value)| (key.into(), value.into())).collect();
    End::Workload { labels, network: network.map(Into::into) }
}

/// One line for a row: `shop.prod.web > shop.prod.db tcp/5432 accepted 12`, then `+3` for the third hour, if any.
pub fn flows(lines: &str) -> Summaries {
    let mut summaries = Summaries { window_s: 3600, ..Summaries::default() };
    for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let parts: Vec<&str> = line.split_whitespace().collect();
        let [source, ">", destination, service, outcome, connections, ref rest @ ..] = parts[..] else {
            panic!("`{line}` is not a flow");
        };
        let hour: i64 = rest.first().map_or(0, |hour| hour.trim_start_matches('+').parse().unwrap());
        let connections: u64 = connections.parse().unwrap();
        let window = BEGIN + hour * HOUR;
        let key = Key {
            window,
            source: summaries.ends.intern(end(source)),
            destination: summaries.ends.intern(end(destination)),
            service: service.parse::<ServiceSet>().unwrap().first().unwrap(),
            outcome: match outcome {
                "accepted" => Outcome::Accepted,
                "rejected" => Outcome::Rejected,
                _ => Outcome::Unknown,
            },
            side: Side::Both,
        };
        let bytes = connections * 1_500;
        let tally = Tally {
            connections,
            packets: connections * 10,
            bytes,
            reply_packets: connections * 9,
            reply_bytes: bytes * 4,
            first: window + 60,
            last: window + 3_500,
            ..Tally::default()
        };
        summaries.rows.push((key, tally));
    }
    summaries.rows.sort_by_key(|(key, _)| *key);
    summaries
}

pub const KEYS: [&str; 6] = ["app", "env", "role", "source:role", "network", "!x"];
pub const VALUES: [&str; 6] = ["shop", "prod", "web", "*", "\\x", "a=b c"];

/// Some hundred rows over few labels, addresses and services, so that much falls together.
pub fn random(seed: u64) -> Summaries {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut summaries = Summaries { window_s: 3600, ..Summaries::default() };
    let ids: Vec<_> =
        (0..random.usize(2..40)).map(|_| summaries.ends.intern(random_end(&mut random))).collect();
    for _ in 0..random.usize(0..400) {
        let window = BEGIN + random.i64(0..6) * HOUR;
        let key = Key {
            window,
            source: ids[random.usize(0..ids.len())],
            destination: ids[random.usize(0..ids.len())],
            service: random_service(&mut random),
            outcome: [Outcome::Accepted, Outcome::Rejected, Outcome::Unknown][random.usize(0..3)],
            side: [Side::Source, Side::Destination, Side::Elsewhere, Side::Both][random.usize(0..4)],
        };
        // Few values, so that places in an order are shared.
        let tally = Tally {
            connections: random.u64(0..4),
            packets: random.u64(0..9),
            bytes: random.u64(0..3) * 1_000,
            reply_packets: random.u64(0..9),
            reply_bytes: random.u64(0..3) * 1_000,
            first: window + random.i64(0..60),
            last: window + random.i64(60..3600),
            guessed: random.u64(0..2),
            rejected_replies: random.u64(0..2),
        };
        summaries.rows.push((key, tally));
    }
    summaries.rows.sort_by_key(|(key, _)| *key);
    summaries.rows.dedup_by_key(|(key, _)| *key);
    summaries
}

fn random_end(random: &mut fastrand::Rng) -> End {
    match random.u32(0..4) {
        0 => {
            end(["10.1.2.3", "192.0.2.7", "203.0.113.0/24", "2001:db8::7", "198.51.100.9"]
                [random.usize(0..5)])
        }
        _ => {
            let mut labels = LabelSet::new();
            for key in KEYS {
                if random.bool() {
                    labels.insert(key.into(), VALUES[random.usize(0..VALUES.len())].into());
                }
            }
            let network = random.bool().then(|| ["vpc-1", "vpc-2"][random.usize(0..2)].into());
            End::Workload { labels, network }
        }
    }
}

pub fn random_service(random: &mut fastrand::Rng) -> policy::ServicePoint {
    match random.u32(0..6) {
        0 => policy::ServicePoint::icmp(1, 8, 0),
        1 => policy::ServicePoint { protocol: 50, detail: 0 },
        2 => policy::ServicePoint::port(17, 53),
        _ => policy::ServicePoint::port(6, [22, 80, 443, 5432, 8443][random.usize(0..5)]),
    }
}

pub fn services() -> Vec<(Name, ServiceSet)> {
    [("web", "tcp/80,tcp/443"), ("https", "tcp/443"), ("dns", "udp/53"), ("anything", "all")]
        .map(|(name, sets)| {
            (name.into(), sets.split(',').map(|set| set.parse::<ServiceSet>().unwrap()).collect())
        })
        .into()
}

pub fn lists() -> Vec<(Name, AddressSet)> {
    [("office", "198.51.100.0/24"), ("wide", "192.0.0.0/2"), ("partner", "203.0.113.0/25")]
        .map(|(name, set)| (name.into(), set.parse().unwrap()))
        .into()
}
