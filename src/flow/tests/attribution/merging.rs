//! What is promised of merging both reporters, and of sums.

use std::collections::BTreeSet;

use flow::{End, EndId, Ends, Key, Outcome, Side, Summaries, Tally};
use policy::ServicePoint;
use proptest::prelude::*;

const OUTCOMES: [Outcome; 3] = [Outcome::Accepted, Outcome::Rejected, Outcome::Unknown];
const SIDES: [Side; 4] = [Side::Source, Side::Destination, Side::Elsewhere, Side::Both];

/// The window, the two ends, and the port: few of each, so that rows meet.
type Flow = (i64, u8, u8, u16);

fn key(ends: &mut Ends, flow: Flow, outcome: Outcome, side: Side) -> Key {
    let mut end = |number: u8| ends.intern(End::address(std::net::Ipv4Addr::new(10, 0, 0, number).into()));
    Key {
        window: flow.0 * 3600,
        source: end(flow.1),
        destination: end(flow.2),
        service: ServicePoint::port(6, flow.3),
        outcome,
        side,
    }
}

fn summaries(rows: &[(Flow, usize, usize, Tally)]) -> Summaries {
    let mut all = Summaries { window_s: 3600, ..Summaries::default() };
    for &(flow, outcome, side, tally) in rows {
        let mut one = Summaries { window_s: 3600, ..Summaries::default() };
        let key = key(&mut one.ends, flow, OUTCOMES[outcome], SIDES[side]);
        one.rows.push((key, tally));
        all.add(&one);
    }
    all
}

type Rows = Vec<(Key, Tally)>;

/// Equal in every byte once sorted.
fn form(summaries: &Summaries) -> (u32, Vec<(EndId, End)>, Rows) {
    let sorted = summaries.clone().sorted();
    let ends = sorted.ends.iter().map(|(id, end)| (id, end.clone())).collect();
    (sorted.window_s, ends, sorted.rows)
}

fn added(a: &Summaries, b: &Summaries) -> Summaries {
    let mut sum = a.clone();
    sum.add(b);
    sum
}

fn tallies() -> impl Strategy<Value = Tally> {
    let counts = (0u64..6, 0u64..30, 0u64..3, 0u64..3, 0u64..3);
    (counts, 1i64..9, 0i64..9).prop_map(
        |((connections, packets, replies, guessed, rejected), first, length)| Tally {
            connections,
            packets,
            bytes: packets * 100,
            reply_packets: replies,
            reply_bytes: replies * 100,
            first,
            last: first + length,
            guessed,
            rejected_replies: rejected,
        },
    )
}

fn rows(sides: std::ops::Range<usize>) -> impl Strategy<Value = Vec<(Flow, usize, usize, Tally)>> {
    let flow = (0i64..2, 0u8..2, 2u8..3, 443u16..444);
    proptest::collection::vec((flow, 0usize..3, sides, tallies()), 0..20)
}

fn flows(summaries: &Summaries) -> BTreeSet<(i64, End, End, ServicePoint)> {
    let end = |id| summaries.ends.get(id).clone();
    let rows = summaries.rows.iter();
    rows.map(|(key, _)| (key.window, end(key.source), end(key.destination), key.service)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn sums_do_not_depend_on_the_order(a in rows(0..4), b in rows(0..4), c in rows(0..4)) {
        let [a, b, c] = [&a, &b, &c].map(|rows| summaries(rows));
        prop_assert_eq!(form(&added(&a, &b)), form(&added(&b, &a)));
        prop_assert_eq!(form(&added(&added(&a, &b), &c)), form(&added(&a, &added(&b, &c))));
        let mut at_once = Summaries::default();
        at_once.add_all([&c, &a, &b]);
        prop_assert_eq!(form(&at_once).2, form(&added(&added(&a, &b), &c)).2);
        prop_assert!(at_once.rows.is_sorted_by(|x, y| x.0 < y.0));
    }

    #[test]
    fn merging_twice_is_merging_once(a in rows(0..4)) {
        let once = summaries(&a).merged();
        prop_assert_eq!(form(&once.merged()), form(&once));
        prop_assert!(once.rows.is_sorted_by(|x, y| x.0 < y.0));
    }

    #[test]
    fn merging_leaves_one_row_of_what_passed_and_invents_none(a in rows(0..3)) {
        let raw = summaries(&a);
        let merged = raw.merged();
        prop_assert!(flows(&merged).is_subset(&flows(&raw)));
        prop_assert_eq!(flows(&merged), flows(&raw), "a flow got lost");
        let passed = |key: &Key| key.outcome != Outcome::Rejected && key.side != Side::Elsewhere;
        for flow in merged.rows.chunk_by(|x, y| {
            (x.0.window, x.0.source, x.0.destination, x.0.service)
                == (y.0.window, y.0.source, y.0.destination, y.0.service)
        }) {
            prop_assert!(flow.iter().filter(|(key, _)| passed(key)).count() <= 1, "{:?}", flow);
        }
    }

    /// Late rows of any side, of flows that merging left as they were: no difference at all.
    #[test]
    fn late_rows_of_a_flow_that_one_end_had_seen_are_as_good_as_early_ones(
        a in rows(0..3), b in rows(0..3),
    ) {
        let a = summaries(&a);
        let merged = a.merged();
        let of = |all: &Summaries, flow: &(i64, End, End, ServicePoint)| -> Vec<(Outcome, Side, Tally)> {
            let rows = all.rows.iter().filter(|(key, _)| {
                let (source, destination) = (all.ends.get(key.source), all.ends.get(key.destination));
                (key.window, source, destination, key.service) == (flow.0, &flow.1, &flow.2, flow.3)
            });
            rows.map(|(key, tally)| (key.outcome, key.side, *tally)).collect()
        };
        let late: Vec<_> = b.into_iter().filter(|row| {
            let one = summaries(&[*row]);
            flows(&one).iter().all(|flow| of(&a, flow) == of(&merged, flow))
        }).collect();
        let b = summaries(&late);
        prop_assert_eq!(form(&added(&merged, &b).merged()), form(&added(&a, &b).merged()));
    }

    #[test]
    fn longer_windows_hold_the_same_sums(a in rows(0..4), factor in 1u32..5) {
        let raw = summaries(&a);
        let wide = raw.coarser(3600 * factor);
        let total = |all: &Summaries| {
            let mut sum = Tally::default();
            all.rows.iter().for_each(|(_, tally)| sum.add(tally));
            sum
        };
        prop_assert_eq!(total(&wide), total(&raw));
        prop_assert!(wide.rows.iter().all(|(key, _)| key.window % (3600 * i64::from(factor)) == 0));
        prop_assert_eq!(form(&added(&raw, &wide)), form(&added(&wide, &wide)));
    }
}

/// How often the generator of the tests above makes what they are about.
#[test]
fn the_generator_of_rows_makes_flows_of_every_kind() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let (mut flows_seen, mut both, mut lost, mut one_side) = (0, 0, 0, 0);
    for _ in 0..500 {
        let raw = summaries(&rows(0..3).new_tree(&mut runner).unwrap().current());
        let merged = raw.merged();
        flows_seen += flows(&raw).len();
        both += merged.rows.iter().filter(|(key, _)| key.side == Side::Both).count();
        lost += merged
            .rows
            .iter()
            .filter(|(k, _)| (k.side, k.outcome) == (Side::Both, Outcome::Rejected))
            .count();
        one_side += merged.rows.iter().filter(|(key, _)| key.side == Side::Source).count();
    }
    println!(
        "{flows_seen} flows: {both} rows of both ends, {lost} dropped on the way, {one_side} of the source alone"
    );
    assert!(both > 300 && lost > 100 && one_side > 300);
}
