//! Many parts become few, hours become days, old days go; totals stay, whatever dies.

use std::sync::Arc;

use flow::coverage::{PointName, Watched};
use flow::stored::Seconds;
use flow::{Cloud, Coverage, End, Key, Outcome, Point, Side, Summaries, Tally};
use ingest::place::Place;
use ingest::store::{Commit, Reader, Retention, StoreError, Writer};
use object_store::ObjectStore;
use object_store::memory::InMemory;
use object_store::path::Path;
use policy::ServicePoint;

use crate::faulty::{FAULTS, Faulty, Plan};
use crate::world::{Hands, START, Totals, globbed, held};

const DAY_S: i64 = 86_400;

/// Rows of one hour of a day so many days ago.
fn rows(days_ago: i64, hour: i64, count: u8) -> Summaries {
    let mut summaries = Summaries { window_s: 3600, ..Summaries::default() };
    let window = START / DAY_S * DAY_S - days_ago * DAY_S + hour * 3600;
    for host in 0..count {
        let key = Key {
            window,
            source: summaries.ends.intern(End::address([10, 0, 0, host].into())),
            destination: summaries.ends.intern(End::address([10, 0, 1, 1].into())),
            service: ServicePoint::port(6, 443),
            outcome: Outcome::Accepted,
            side: Side::Destination,
        };
        let tally = Tally { connections: 1, bytes: 10, first: window, last: window + 60, ..Tally::default() };
        summaries.rows.push((key, tally));
    }
    summaries
}

struct Kept {
    bare: Arc<dyn ObjectStore>,
    place: Place,
    hands: Hands,
}

impl Kept {
    fn new() -> Self {
        let bare: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        Self { place: Place::on(bare.clone(), Path::from("k"), "kept"), bare, hands: Hands::new() }
    }

    /// Twenty days of three parts each.
    async fn filled() -> Self {
        let kept = Self::new();
        let mut writer = Writer::open(kept.place.clone(), kept.hands.now()).await.unwrap();
        for hour in 0..3 {
            let summaries = (0..20).map(|day| rows(day, hour * 7, 2)).collect();
            writer.commit(Commit { summaries, ..Commit::default() }).await.unwrap();
        }
        writer.close().await;
        kept
    }

    async fn parts(&self) -> usize {
        Reader::open(self.place.clone()).await.unwrap().manifest().await.unwrap().parts.len()
    }
}

const ALL: Totals = (20 * 3 * 2, 20 * 3 * 2 * 10);

#[tokio::test]
async fn parts_of_quiet_days_become_one_and_hours_a_day() {
    let kept = Kept::filled().await;
    assert_eq!(kept.parts().await, 60);
    let mut writer = Writer::open(kept.place.clone(), kept.hands.now()).await.unwrap();
    writer.compact(&Retention::default()).await.unwrap();
    // Today and yesterday still get late records.
    assert_eq!(writer.manifest().parts.len(), 18 + 2 * 3);
    assert_eq!(writer.compact(&Retention::default()).await.unwrap().made, 0, "nothing is done twice");
    let retention = Retention { coarsen_after_days: Some(10), expire_after_days: None };
    writer.compact(&retention).await.unwrap();
    assert_eq!(writer.compact(&retention).await.unwrap().made, 0, "nothing is done twice");
    let coarse = writer.manifest().parts.iter().filter(|part| part.window_s == 86_400).count();
    assert_eq!(coarse, 9, "days that ended ten days ago");
    let coarse = writer.manifest().parts.iter().find(|part| part.window_s == 86_400).unwrap();
    assert_eq!((coarse.rows, coarse.first % DAY_S), (2, 0));
    writer.close().await;
    assert_eq!(held(&kept.place).await.0, ALL);
    assert_eq!(globbed(&*kept.bare, "k").await, ALL);
}

/// A late record of a day that is coarse already.
#[tokio::test]
async fn late_rows_join_a_coarse_day() {
    let kept = Kept::filled().await;
    let retention = Retention { coarsen_after_days: Some(1), expire_after_days: None };
    let mut writer = Writer::open(kept.place.clone(), kept.hands.now()).await.unwrap();
    writer.compact(&retention).await.unwrap();
    writer.commit(Commit { summaries: vec![rows(15, 5, 2)], ..Commit::default() }).await.unwrap();
    writer.compact(&retention).await.unwrap();
    let day: Vec<_> = writer
        .manifest()
        .parts
        .iter()
        .filter(|part| part.last < START - 14 * DAY_S && part.last > START - 16 * DAY_S)
        .collect();
    assert!(day.iter().all(|part| part.window_s == 86_400), "{day:?}");
    writer.close().await;
    assert_eq!(held(&kept.place).await.0, (ALL.0 + 2, ALL.1 + 20));
}

#[tokio::test]
async fn old_days_expire_with_what_is_known_of_them() {
    let kept = Kept::filled().await;
    let mut writer = Writer::open(kept.place.clone(), kept.hands.now()).await.unwrap();
    let told = |name: &str, last: i64| {
        let watched = Watched { first: Some(START - 9 * DAY_S), last: Some(last), ..Watched::default() };
        let point = Point { cloud: Cloud::Aws, interface: Some(name), network: None };
        let points = [(PointName::of(&point), watched)].into();
        Commit { coverage: Coverage { points, ..Coverage::default() }, ..Commit::default() }
    };
    writer.commit(told("eni-old", START - 8 * DAY_S)).await.unwrap();
    writer.commit(told("eni-young", START)).await.unwrap();
    let retention = Retention { coarsen_after_days: None, expire_after_days: Some(7) };
    let done = writer.compact(&retention).await.unwrap();
    assert_eq!(done.expired, 12 * 3 + 2, "of the seventh day two hours are over: {done:?}");
    let left = writer.reader().coverage().await.unwrap();
    let names: Vec<_> = left.points.into_keys().filter_map(|name| name.interface).collect();
    assert_eq!(names, ["eni-young"]);
    writer.close().await;
}

/// What is known of a point is as large after a year as after a day.
#[tokio::test]
async fn what_is_known_of_a_point_is_kept_once() {
    let kept = Kept::new();
    let mut writer = Writer::open(kept.place.clone(), kept.hands.now()).await.unwrap();
    let mut sizes = Vec::new();
    for commit in 0..200 {
        let watched = Watched {
            records: 1,
            first: Some(START + commit * 60),
            last: Some(START + commit * 60 + 59),
            ..Watched::default()
        };
        let point = Point { cloud: Cloud::Aws, interface: Some("eni-1"), network: None };
        let points = [(PointName::of(&point), watched)].into();
        let coverage = Coverage { records: 1, points, ..Coverage::default() };
        writer.commit(Commit { coverage, ..Commit::default() }).await.unwrap();
        sizes.push(writer.manifest().coverage.iter().map(|blob| blob.lines).sum::<u64>());
    }
    assert!(sizes.iter().max() <= Some(&64), "{sizes:?}");
    let all = writer.reader().coverage().await.unwrap();
    let watched = all.points.values().next().unwrap();
    assert_eq!((all.records, watched.records), (200, 200));
    assert_eq!((watched.first, watched.last), (Some(START), Some(START + 199 * 60 + 59)));
    writer.close().await;
}

/// Every call of a compaction may fail or kill: totals stay, and a glob never sees too much.
#[tokio::test]
async fn every_call_of_a_compaction_may_fail_or_kill() {
    let retention = Retention { coarsen_after_days: Some(5), expire_after_days: None };
    let mut runs = 0;
    for fault in FAULTS {
        for call in 1.. {
            let kept = Kept::new();
            let mut writer = Writer::open(kept.place.clone(), kept.hands.now()).await.unwrap();
            for hour in 0..3 {
                let summaries = [1, 4, 9].map(|day| rows(day, hour * 7, 2)).into();
                writer.commit(Commit { summaries, ..Commit::default() }).await.unwrap();
            }
            writer.close().await;
            let (all, plan) = ((18, 180), Plan::default());
            plan.arm(Some((call, fault)));
            let front = plan.clone();
            let place = kept.place.clone().through(move |inner| Arc::new(Faulty::new(inner, front)));
            if let Ok(mut writer) = Writer::open(place, kept.hands.now()).await {
                let _ = writer.compact(&retention).await;
            }
            let seen = globbed(&*kept.bare, "k").await;
            assert!(seen <= all, "{fault:?} at call {call}: a glob sees {seen:?}");
            assert_eq!(held(&kept.place).await.0, all, "{fault:?} at call {call}");
            kept.hands.pass(1000);
            let mut writer = Writer::open(kept.place.clone(), kept.hands.now()).await.unwrap();
            writer.compact(&retention).await.unwrap();
            writer.close().await;
            assert_eq!(held(&kept.place).await.0, all, "{fault:?} at call {call}");
            assert_eq!(globbed(&*kept.bare, "k").await, all, "{fault:?} at call {call}");
            runs += 1;
            // Faults after an effect have no place at lists, so that not every call is hit.
            if plan.calls() < call {
                break;
            }
        }
    }
    println!("{runs} runs");
    assert!(runs > 100);
}

/// A read that was going on begins again and is right.
#[tokio::test]
async fn a_read_during_a_compaction_begins_again() {
    let kept = Kept::filled().await;
    let mut writer = Writer::open(kept.place.clone(), kept.hands.now()).await.unwrap();
    let reader = writer.reader();
    let mut stream = Box::pin(reader.scan(Seconds::ALL).await.unwrap());
    use futures_util::StreamExt;
    stream.next().await.unwrap().unwrap();
    writer.compact(&Retention::default()).await.unwrap();
    let error = stream.next().await.unwrap().unwrap_err();
    assert!(matches!(error, StoreError::Changed { .. }) && error.retryable(), "{error}");
    let rows = reader.fold(Seconds::ALL, || 0, |sum, rows| *sum += rows.rows.len()).await.unwrap();
    assert_eq!(rows, 120);
}

/// Only parts that touch the time are opened.
#[tokio::test]
async fn a_scan_opens_only_what_touches_the_time() {
    let kept = Kept::filled().await;
    let plan = Plan::default();
    let front = plan.clone();
    let place = kept.place.clone().through(move |inner| Arc::new(Faulty::new(inner, front)));
    let reader = Reader::open(place).await.unwrap();
    plan.arm(None);
    let day = START / DAY_S * DAY_S - 3 * DAY_S;
    let time = Seconds { from: day, to: day + DAY_S };
    let rows = reader.fold(time, || 0, |sum, rows| *sum += rows.rows.len()).await.unwrap();
    assert_eq!((rows, plan.calls()), (6, 4), "the manifest and three parts");
}
