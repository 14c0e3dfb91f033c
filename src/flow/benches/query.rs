//! How fast queries and maps are: `cargo bench -p flow --bench query` prints a Markdown table.
//!
//! Rows are generated from a seed: 24 windows, 2,000 ends of which a quarter are addresses, 300 services. Sizes step by ten.

#![allow(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark prints")]

use std::time::{Duration, Instant};

use flow::map::{Map, Options};
use flow::query::{By, Known, Query, Request, Sort, run};
use flow::{End, Key, Outcome, Side, Summaries, Tally};
use policy::ServicePoint;

const ROUNDS: usize = 5;

fn main() {
    println!("| rows | question | answer | best of {ROUNDS} |");
    println!("|---:|---|---:|---:|");
    for rows in [10_000, 100_000, 1_000_000] {
        let summaries = summaries(rows);
        let size = summaries.rows.len();
        for (words, by, sort) in [
            (&[][..], &["source:role", "destination:role", "service"][..], Sort::Bytes),
            (
                &["source:role=role-3", "!port:443", "outcome:accepted"],
                &["source", "destination", "service"],
                Sort::Connections,
            ),
            (&[], &["source", "destination", "service", "window", "outcome"], Sort::LastSeen),
        ] {
            let request = Request {
                query: Query::parse(words, &Known::default()).unwrap(),
                by: by.iter().map(|by| by.parse::<By>().unwrap()).collect(),
                sort,
                limit: Some(20),
                after: None,
            };
            let mut found = 0;
            let time = best(|| found = run(&summaries, &request, &Known::default()).unwrap().rows_total);
            println!("| {size} | `{}` by {} | {found} | {time:.1?} |", words.join(" "), by.join(", "));
        }
        let mut edges = 0;
        let time = best(|| edges = Map::build(&summaries, &Options::default()).edges.len());
        println!("| {size} | map | {edges} edges | {time:.1?} |");
    }
}

fn best(mut act: impl FnMut()) -> Duration {
    let time = |_| {
        let begin = Instant::now();
        act();
        begin.elapsed()
    };
    (0..ROUNDS).map(time).min().unwrap()
}

fn summaries(rows: usize) -> Summaries {
    let mut random = fastrand::Rng::with_seed(7);
    let mut summaries = Summaries { window_s: 3600, ..Summaries::default() };
    let ids: Vec<_> = (0..2_000_u32)
        .map(|at| {
            let labels = [("app", at / 50), ("env", at % 3), ("role", at % 11), ("loc", at % 5)];
            let labels = labels.into_iter().map(|(key, value)| (key.into(), format!("{key}-{value}").into()));
            let end = match at % 4 {
                0 => End::address(std::net::Ipv4Addr::from_bits(0xc000_0000 + at * 97).into()),
                _ => End::Workload {
                    labels: labels.collect(),
                    network: Some(format!("vpc-{}", at % 40).into()),
                },
            };
            summaries.ends.intern(end)
        })
        .collect();
    for _ in 0..rows {
        let last = random.i64(1_700_000_000..1_700_086_400);
        let key = Key {
            window: last / 3600 * 3600,
            source: ids[random.usize(0..ids.len())],
            destination: ids[random.usize(0..ids.len())],
            service: ServicePoint::port(6, random.u16(1..300)),
            outcome: [Outcome::Accepted, Outcome::Rejected][usize::from(random.u8(0..10) == 0)],
            side: Side::Both,
        };
        let tally = Tally {
            connections: random.u64(1..50),
            bytes: random.u64(100..100_000),
            first: last,
            last,
            ..Tally::default()
        };
        summaries.rows.push((key, tally));
    }
    summaries.rows.sort_unstable_by_key(|(key, _)| *key);
    summaries.rows.dedup_by_key(|(key, _)| *key);
    summaries
}
