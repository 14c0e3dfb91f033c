//! What is not known of a time is said.

use flow::coverage::{REASONS_MAX, Span};
use flow::{Aliases, Cloud, Coverage, Fault, Gap, GapKind, Outcome, Point, Sink, SourceFacts, Summariser};

use crate::world::{T, estate, feed, holders, line, settings};

fn summariser() -> Summariser {
    Summariser::new(settings(), holders(&estate(), &Aliases::default()), None)
}

fn point(interface: &str) -> Point<'_> {
    Point { cloud: Cloud::Aws, interface: Some(interface), network: None }
}

fn gaps(kind: GapKind, times: &[(i64, i64)]) -> Coverage {
    let mut summariser = summariser();
    let web = summariser.point(point("eni-web"));
    for &(start, end) in times {
        summariser.gap(Gap { point: web, start: T + start, end: T + end, kind });
    }
    summariser.into_summaries().1
}

#[test]
fn skipdata_is_lost_time_of_its_point_and_no_traffic() {
    let coverage = gaps(GapKind::Skipped, &[(120, 179), (0, 59), (60, 119), (300, 359)]);
    let lost = coverage.lost(T + 30, T + 330);
    let spans: Vec<Span> = lost.spans.iter().copied().collect();
    assert_eq!(spans, [Span(T + 30, T + 180), Span(T + 300, T + 330)]);
    assert_eq!((lost.points.len(), lost.spans.seconds(), coverage.records), (1, 180, 0));
    assert!(!lost.is_nothing());
    assert!(coverage.lost(T + 200, T + 290).spans.is_empty());
}

#[test]
fn nodata_is_evidence_that_the_point_was_watched() {
    let coverage = gaps(GapKind::NoData, &[(0, 59), (60, 119)]);
    assert!(coverage.lost(T, T + 120).is_nothing(), "{:?}", coverage.lost(T, T + 120));
    // Of what is before or after nothing is known.
    assert_eq!(coverage.lost(T - 60, T + 60).silent, 1);
    assert_eq!(coverage.lost(T, T + 240).silent, 1);
    assert!(!Coverage::default().lost(T, T + 60).is_nothing(), "no log at all is no evidence");
}

#[test]
fn sampled_and_partial_sources_make_absence_no_evidence() {
    let facts = |is_sampled, only| SourceFacts { is_sampled, only };
    let mut coverage = gaps(GapKind::NoData, &[(0, 59)]);
    coverage.source("whole", &facts(false, None));
    assert!(coverage.lost(T, T + 60).is_nothing());
    coverage.source("gcp", &facts(true, None));
    coverage.source("accepts", &facts(false, Some(Outcome::Accepted)));
    coverage.source("rejects", &facts(false, Some(Outcome::Rejected)));
    // The word that knows less counts.
    coverage.source("gcp", &facts(false, None));
    let lost = coverage.lost(T, T + 60);
    assert_eq!((lost.sampled, lost.accepted_only), (vec!["gcp".to_owned()], vec!["accepts".to_owned()]));
    assert_eq!(lost.rejected_only, ["rejects"]);
}

#[test]
fn faults_are_counted_by_reason_in_bounded_room() {
    let mut summariser = summariser();
    for number in 0..REASONS_MAX + 10 {
        for _ in 0..=number % 2 {
            summariser.fault(Fault { offset: 0, reason: format!("reason {number}") });
        }
    }
    let (_, coverage) = summariser.into_summaries();
    let expected = (REASONS_MAX + 10) as u64 * 3 / 2;
    assert_eq!((coverage.faults.count, coverage.faults.by_reason.len()), (expected, REASONS_MAX));
    assert_eq!(coverage.faults.by_reason.values().sum::<u64>() + coverage.faults.unlisted, expected);
    let mut twice = coverage.clone();
    twice.merge(coverage.clone());
    assert_eq!((twice.faults.count, twice.faults.unlisted), (2 * expected, 2 * coverage.faults.unlisted));
    assert_eq!(twice.lost(T, T + 1).unread, 2 * expected);
}

#[test]
fn the_same_mistake_is_the_same_reason_whatever_was_in_the_text() {
    let mut summariser = summariser();
    for text in ["a port is no number: `x`", "a port is no number: `70000`", "no `action`, no `end`", "cut"] {
        summariser.fault(Fault { offset: 0, reason: text.to_owned() });
    }
    let reasons: Vec<(String, u64)> = summariser.into_summaries().1.faults.by_reason.into_iter().collect();
    let expected = [("a port is no number: `…`", 2), ("cut", 1), ("no `…`, no `…`", 1)];
    assert_eq!(reasons, expected.map(|(reason, count)| (reason.to_owned(), count)));
}

#[test]
fn clock_jumps_are_counted_and_make_no_rows() {
    let mut summariser = summariser();
    let now = settings().now;
    let at = |time: i64| line("aws:eni-web", &format!("10.0.0.5:1 > 10.0.0.6:2 6 at={time}"));
    let good = [946_684_800, now, now + 86_350];
    let bad = [0, 946_684_799, now + 86_351, 253_402_300_799, i64::MAX - 50];
    feed(&mut summariser, &good.map(at));
    feed(&mut summariser, &bad.map(at));
    let web = summariser.point(point("eni-web"));
    summariser.gap(Gap { point: web, start: 5, end: i64::MAX, kind: GapKind::Skipped });
    let (summaries, coverage) = summariser.into_summaries();
    assert_eq!((coverage.records, coverage.misdated, summaries.rows.len()), (3, 6, 3));
    assert_eq!(coverage.lost(T, T + 1).unread, 6);
    // The first good one is from before the first sighting.
    assert_eq!(coverage.before_first, 1);
}

#[test]
fn coverage_is_stored_and_adds_up() {
    let mut one = gaps(GapKind::Skipped, &[(0, 59)]);
    one.source("logs", &SourceFacts { is_sampled: true, only: Some(Outcome::Accepted) });
    let two = gaps(GapKind::Skipped, &[(60, 119)]);
    let mut sum = one.clone();
    sum.merge(two.clone());
    let mut other = two.clone();
    other.merge(one.clone());
    assert_eq!(sum, other);
    assert_eq!(sum.lost(T, T + 600).spans.seconds(), 120);
    let stored: Coverage = serde_json::from_str(&serde_json::to_string(&sum).unwrap()).unwrap();
    assert_eq!(stored, sum);
    let mut short = sum.clone();
    short.forget_before(T + 90);
    assert_eq!(short.lost(T, T + 600).spans.seconds(), 30);
    short.forget_before(T + 1000);
    assert!(short.points.is_empty());
}

#[test]
fn a_log_of_one_verdict_or_a_sampled_one_is_told() {
    let mut one = gaps(GapKind::NoData, &[(0, 600)]);
    assert_eq!(one.lost(T, T + 600).partial(), [""; 0]);
    let facts = |is_sampled, only| SourceFacts { is_sampled, only };
    one.source("all", &facts(false, None));
    one.source("drops", &facts(false, Some(Outcome::Rejected)));
    one.source("google", &facts(true, None));
    one.source("passed", &facts(false, Some(Outcome::Accepted)));
    let lost = one.lost(T, T + 600);
    assert_eq!(
        lost.partial(),
        ["google (sampled)", "passed (only what was accepted)", "drops (only what was rejected)"]
    );
    assert!(!lost.is_nothing());
}

#[test]
fn a_point_has_one_number_whatever_its_letters() {
    let mut summariser = summariser();
    let first = summariser.point(point("eni-WEB"));
    assert_eq!(summariser.point(point("ENI-web")), first);
    assert_ne!(summariser.point(point("eni-db")), first);
}
