//! Summaries in one line each: `role=web app=shop @a -> 203.0.113.7 : tcp/443 accepted 120`.
//!
//! An end is labels and the network after `@` (none: an unmanaged workload), or an address or block. Then the service,
//! the outcome (`accepted`, `rejected`, `unknown`) and the number of connections; each row is of its own hour.

use fastrand::Rng;
use flow::{End, Ends, Key, Outcome, Side, Summaries, Tally};
use policy::Snapshot;

use crate::world;

const START: i64 = 1_795_824_000;

pub fn summaries(lines: &[&str]) -> Summaries {
    let mut summaries = Summaries { window_s: 3600, ..Summaries::default() };
    for (number, line) in (0..).zip(lines) {
        let (ends, rest) = line.split_once(" : ").unwrap_or_else(|| panic!("no ` : ` in `{line}`"));
        let (source, destination) = ends.split_once(" -> ").unwrap_or_else(|| panic!("no `->` in `{line}`"));
        let words: Vec<&str> = rest.split_whitespace().collect();
        let [service, outcome, connections] = words[..] else { panic!("what is `{rest}`?") };
        let window = START + 3600 * number;
        let key = Key {
            window,
            source: end(&mut summaries.ends, source),
            destination: end(&mut summaries.ends, destination),
            service: world::point(service),
            outcome: match outcome {
                "accepted" => Outcome::Accepted,
                "rejected" => Outcome::Rejected,
                "unknown" => Outcome::Unknown,
                _ => panic!("no outcome `{outcome}`"),
            },
            side: Side::Both,
        };
        let connections = connections.parse().unwrap();
        summaries.rows.push((key, tally(window, connections)));
    }
    summaries.rows.sort_unstable_by_key(|(key, _)| *key);
    summaries
}

fn tally(window: i64, connections: u64) -> Tally {
    Tally { connections, packets: connections, first: window, last: window + 60, ..Tally::default() }
}

fn end(ends: &mut Ends, text: &str) -> flow::EndId {
    if let Ok(address) = text.parse() {
        return ends.intern(End::address(address));
    }
    if let Ok(block) = text.parse() {
        return ends.intern(End::Address(block));
    }
    let (labels, network) =
        text.split_once('@').map_or((text, None), |(labels, network)| (labels, Some(network)));
    ends.intern(End::Workload { labels: world::labels(labels), network: network.map(Into::into) })
}

/// Rows between random ends of a world, most between workloads.
pub fn random(rng: &mut Rng, snapshot: &Snapshot, count: usize) -> Summaries {
    let mut summaries = Summaries { window_s: 3600, ..Summaries::default() };
    let all: Vec<flow::EndId> =
        world::ends(snapshot).into_iter().map(|end| summaries.ends.intern(end)).collect();
    let is_workload = |id: &&flow::EndId| matches!(summaries.ends.get(**id), End::Workload { .. });
    let workloads: Vec<flow::EndId> = all.iter().filter(is_workload).copied().collect();
    for _ in 0..count {
        let mut one = || {
            let from = if rng.u8(..5) == 0 { &all } else { &workloads };
            *world::choose(rng, from)
        };
        let (source, destination) = (one(), one());
        let key = Key {
            window: START + 3600 * rng.i64(0..3),
            source,
            destination,
            service: world::service(rng),
            outcome: [Outcome::Accepted, Outcome::Accepted, Outcome::Rejected, Outcome::Unknown]
                [rng.usize(..4)],
            side: Side::Both,
        };
        summaries.rows.push((key, tally(key.window, rng.u64(1..100))));
    }
    summaries.rows.sort_unstable_by_key(|(key, _)| *key);
    summaries.rows.dedup_by_key(|(key, _)| *key);
    summaries
}
