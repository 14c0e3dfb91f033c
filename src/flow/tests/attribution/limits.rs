//! What happens when there is more than is kept, and when several threads share the work.

use flow::{Aliases, Coverage, End, Settings, Summaries, Summariser};

use crate::world::{Line, estate, feed, holders, line, settings, text};

fn sums(externals_max: usize, lines: &[Line]) -> (Summaries, Coverage) {
    let holders = holders(&estate(), &Aliases::default());
    let mut summariser = Summariser::new(Settings { externals_max, ..settings() }, holders, None);
    feed(&mut summariser, lines);
    summariser.into_summaries()
}

fn from(address: &str) -> Line {
    line("aws:eni-web", &format!("{address}:40000 > 10.0.0.5:443 6 flags=2"))
}

fn externals(summaries: &Summaries) -> Vec<String> {
    let ends = summaries.ends.iter().filter_map(|(_, end)| match end {
        End::Address(block) => Some(block.to_string()),
        End::Workload { .. } => None,
    });
    ends.collect()
}

#[test]
fn addresses_beyond_the_limit_are_told_as_blocks_and_counted() {
    let lines: Vec<Line> = ["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4", "192.0.2.1", "203.0.113.9"]
        .into_iter()
        .map(from)
        .collect();
    let (summaries, coverage) = sums(2, &lines);
    assert_eq!(externals(&summaries), ["192.0.2.0/24", "192.0.2.1/32", "192.0.2.2/32", "203.0.113.0/24"]);
    assert_eq!((coverage.folded, coverage.records), (3, 6));
    let connections: u64 = summaries.rows.iter().map(|(_, tally)| tally.connections).sum();
    assert_eq!(connections, 6);
    assert_eq!(sums(6, &lines).1.folded, 0);
}

#[test]
fn blocks_beyond_the_limit_grow() {
    let far = |n: u32| from(&format!("{}.{}.{}.1", 20 + n / 4, n / 2 % 2, n % 2));
    let lines: Vec<Line> = (0..16).map(far).collect();
    let (summaries, coverage) = sums(2, &lines);
    assert_eq!(
        externals(&summaries),
        [
            "0.0.0.0/0",
            "20.0.0.1/32",
            "20.0.1.1/32",
            "20.1.0.0/24",
            "20.1.1.0/24",
            "21.0.0.0/16",
            "21.1.0.0/16"
        ]
    );
    assert_eq!(coverage.folded, 14);
    let six: Vec<Line> =
        (0..8).map(|n| line("aws:eni-web", &format!("[2001:db8:{n}::1]:4 > [2001:db8::5]:3 6"))).collect();
    let (summaries, _) = sums(1, &six);
    assert_eq!(externals(&summaries), ["2001:db8::/32", "2001:db8::1/128", "2001:db8:1::/48"]);
}

#[test]
fn workloads_are_never_told_as_blocks() {
    let lines = [from("10.0.0.6"), from("192.0.2.1"), from("198.51.100.7"), from("192.0.2.2")];
    let (summaries, coverage) = sums(0, &lines);
    assert_eq!(externals(&summaries), ["192.0.2.0/24"]);
    assert_eq!((summaries.ends.len(), coverage.folded), (4, 2));
}

#[test]
fn what_several_summed_is_what_one_sums() {
    let mut random = fastrand::Rng::with_seed(7);
    let ends = ["10.0.0.5", "10.0.0.6", "10.9.0.7", "198.51.100.7", "203.0.113.9", "203.0.113.10"];
    let points = ["aws:eni-web", "aws:eni-db", "aws:eni-other", "aws:eni-cache", "aws:eni-unknown"];
    for round in 0..200 {
        let lines: Vec<Line> = (0..random.usize(0..60))
            .map(|_| {
                let (a, b) = (random.choice(ends).unwrap(), random.choice(ends).unwrap());
                let (port, flags) = (random.u16(1..4), [0, 2, 18][random.usize(0..3)]);
                let verdict = if random.bool() { "accept" } else { "reject" };
                let text = format!("{a}:{port} > {b}:443 6 flags={flags} {verdict}");
                line(random.choice(points).unwrap(), &text)
            })
            .collect();
        let holders = holders(&estate(), &Aliases::default());
        let make = || Summariser::new(settings(), holders.clone(), None);
        let mut alone = make();
        feed(&mut alone, &lines);
        let first = make();
        let mut parts = [first.another(), first.another(), first];
        for one in &lines {
            feed(&mut parts[random.usize(0..3)], std::slice::from_ref(one));
        }
        let [one, other, together] = parts;
        drop((one, other));
        let ((alone, covered), (together, covered_together)) =
            (alone.into_summaries(), together.into_summaries());
        assert_eq!(text(&together), text(&alone), "round {round}");
        assert_eq!((together.rows, covered_together), (alone.rows, covered));
    }
}
