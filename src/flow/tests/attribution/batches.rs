//! Records that come many at a time, and summarisers that sum into the same and go on after it was taken.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use flow::{
    Aliases, Counts, Coverage, FlowRecord, Holders, Point, Settings, Sink, Summaries, Summariser, Timeline,
};

use crate::world::{Line, T, estate, line, network, settings, snapshot, workload};

const ENDS: [&str; 9] = [
    "10.0.0.5",
    "10.0.0.6",
    "10.0.0.55",
    "10.9.0.7",
    "198.51.100.7",
    "203.0.113.9",
    "203.0.113.10",
    "203.0.112.1",
    "192.0.2.1",
];
const POINTS: [&str; 9] = [
    "aws:eni-web",
    "aws:ENI-DB",
    "aws:eni-other@vpc-b",
    "aws:eni-cache",
    "azure:@vpc-a",
    "aws:eni-unknown",
    "gcp:@vpc-c",
    "gcp:instance",
    "aws:eni-web@vpc-a",
];

/// What is where is otherwise from `T` on, and an hour later; an instance is in two networks.
fn changing() -> Arc<Holders> {
    let other = |role: &str, first: &str, second: &str| {
        let workloads = vec![
            workload("eni-web@vpc-b", role, &["10.0.0.6", "10.0.0.55"]),
            workload("eni-db@vpc-a", "role=db", &["10.0.0.5"]),
            workload(&format!("instance#nic0@{first}"), "role=two", &["10.9.0.7"]),
            workload(&format!("instance#nic1@{second}"), "role=two", &["10.0.0.55"]),
        ];
        let networks = vec![
            network("vpc-a", "10.0.0.0/16", &["vpc-b"]),
            network("vpc-b", "10.9.0.0/16", &["vpc-a"]),
            network("vpc-c", "10.0.0.0/16", &[]),
        ];
        snapshot(workloads, networks)
    };
    let mut timeline = Timeline::of(T - 600, &estate());
    timeline.sight(T, &other("role=web", "vpc-a", "vpc-b"));
    timeline.sight(T + 3600, &other("role=new", "vpc-c", "vpc-a"));
    Arc::new(Holders::new(&timeline, &Aliases::default()))
}

fn some(random: &mut fastrand::Rng) -> Line {
    let (a, b) = (random.choice(ENDS).unwrap(), random.choice(ENDS).unwrap());
    let (port, flags) = (random.u16(1..4) * 20_000, [0, 0, 2, 18][random.usize(0..4)]);
    let verdict = random.choice(["accept", "reject", "unknown"]).unwrap();
    let text = format!("{a}:{port} > {b}:443 6 flags={flags} {verdict}");
    let mut line = line(random.choice(POINTS).unwrap(), &text);
    line.record.start = match random.u8(0..30) {
        0 => 5,
        1 => T + 1_000_000,
        _ => T - 1200 + random.i64(0..9000),
    };
    line.record.end = line.record.start + random.i64(-5..70);
    // Beyond what a group has room for, at times.
    let count = |random: &mut fastrand::Rng| match random.u8(0..20) {
        0 => u64::MAX - 7,
        1 => u64::from(u32::MAX),
        _ => random.u64(0..100),
    };
    let counts = Counts { packets: count(random), bytes: count(random) };
    if random.bool() {
        line.record.forward = counts;
    } else {
        line.record.backward = counts;
    }
    line.record.connections = if random.u8(0..10) == 0 { u32::MAX } else { 1 };
    line
}

fn summariser(externals_max: usize) -> Summariser {
    Summariser::new(Settings { externals_max, ..settings() }, changing(), None)
}

fn records(summariser: &mut Summariser, lines: &[Line]) -> Vec<FlowRecord> {
    let mut record = |line: &Line| {
        let (interface, network) = (line.interface.as_deref(), line.network.as_deref());
        let point = summariser.point(Point { cloud: line.cloud, interface, network });
        FlowRecord { point, ..line.record }
    };
    lines.iter().map(&mut record).collect()
}

fn one_by_one(summariser: &mut Summariser, lines: &[Line]) {
    for line in lines {
        let records = records(summariser, std::slice::from_ref(line));
        summariser.record(&records[0]);
    }
}

#[track_caller]
fn assert_same(one: Summariser, other: Summariser, what: &str) {
    assert_same_summaries(one.into_summaries(), other.into_summaries(), what);
}

#[track_caller]
fn assert_same_summaries(one: (Summaries, Coverage), other: (Summaries, Coverage), what: &str) {
    let ends = |summaries: &Summaries| -> Vec<_> { summaries.ends.iter().map(|end| end.1.clone()).collect() };
    assert_eq!(ends(&one.0), ends(&other.0), "{what}");
    let differ = one.0.rows.iter().zip(&other.0.rows).find(|(one, other)| one != other);
    assert_eq!((differ, one.0.rows.len()), (None, other.0.rows.len()), "{what}: {:?}", ends(&one.0));
    assert_eq!(one.1, other.1, "{what}");
}

#[test]
fn records_that_come_together_are_summed_as_those_that_come_alone() {
    for seed in 0..300 {
        let mut random = fastrand::Rng::with_seed(seed);
        let lines: Vec<Line> = (0..random.usize(0..500)).map(|_| some(&mut random)).collect();
        let (mut alone, mut together) = (summariser(3), summariser(3));
        one_by_one(&mut alone, &lines);
        let mut rest = &lines[..];
        while !rest.is_empty() {
            let (batch, later) = rest.split_at(random.usize(1..200).min(rest.len()));
            let batch = records(&mut together, batch);
            together.records(&batch);
            rest = later;
        }
        assert_same(alone, together, &format!("seed {seed}"));
    }
}

/// One point after the other, some of which lose records.
fn gaps(summariser: &mut Summariser, lines: &[Line]) {
    for line in lines {
        let point = records(summariser, std::slice::from_ref(line))[0].point;
        let (start, end) = (line.record.start, line.record.end);
        summariser.gap(flow::Gap { point, start, end, kind: flow::GapKind::Skipped });
    }
}

/// Tables are kept from piece to piece, and nothing else is.
#[test]
fn what_is_taken_out_is_what_a_new_one_would_have_summed() {
    let (mut rows, mut folded, mut shared) = (0, 0, 0);
    for seed in 0..200 {
        let mut random = fastrand::Rng::with_seed(seed);
        let externals_max = random.usize(1..5);
        let mut kept = summariser(externals_max);
        let mut other = random.bool().then(|| kept.another());
        for piece in 0..4 {
            let lines: Vec<Line> = (0..random.usize(0..80)).map(|_| some(&mut random)).collect();
            let lost: Vec<Line> = (0..random.usize(0..3)).map(|_| some(&mut random)).collect();
            let mut new = summariser(externals_max);
            gaps(&mut new, &lost);
            one_by_one(&mut new, &lines);
            gaps(&mut kept, &lost);
            for line in &lines {
                let sink = match &mut other {
                    // Further addresses are told as blocks, whoever meets them first: both see all in the same order.
                    Some(other) if random.bool() => other,
                    _ => &mut kept,
                };
                one_by_one(sink, std::slice::from_ref(line));
            }
            shared += usize::from(other.is_some());
            other.iter_mut().for_each(Summariser::leave);
            let (kept, new) = (kept.take(), new.into_summaries());
            rows += new.0.rows.len();
            folded += new.1.folded;
            assert_same_summaries(kept, new, &format!("seed {seed}, piece {piece}"));
        }
    }
    println!("{rows} rows, {folded} ends told as blocks, {shared} pieces of two sinks");
    assert!(rows > 10_000 && folded > 500 && shared > 200);
}

/// Who takes before all have left gets what is there, and the rest comes with the next one.
#[test]
fn what_was_not_left_yet_is_not_lost() {
    let mut random = fastrand::Rng::with_seed(3);
    let lines: Vec<Line> = (0..300).map(|_| some(&mut random)).collect();
    let (mut alone, mut first) = (summariser(100), summariser(100));
    one_by_one(&mut alone, &lines);
    let mut second = first.another();
    one_by_one(&mut first, &lines[..100]);
    one_by_one(&mut second, &lines[100..200]);
    let (mut early, early_covered) = first.take();
    assert!((90..=100).contains(&early_covered.records), "but for what is misdated");
    one_by_one(&mut second, &lines[200..]);
    drop(second);
    let (late, late_covered) = first.into_summaries();
    early.add(&late);
    let (early, (alone, covered)) = (early.sorted(), alone.into_summaries());
    assert_eq!(early_covered.records + late_covered.records, covered.records);
    assert!(early.ends.iter().eq(alone.ends.iter()));
    assert_eq!(early.rows, alone.rows);
}

/// Whoever invents names in a log does not fill the memory of those that read on.
#[test]
fn one_who_met_very_many_strangers_is_not_kept() {
    let mut kept = summariser(100);
    let mut name = |number: usize| {
        let name = format!("eni-{number:017x}");
        kept.point(Point { cloud: flow::Cloud::Aws, interface: Some(&name), network: None });
        kept.is_light()
    };
    assert!((0..100_000).all(&mut name));
    assert!((0..100_000).all(&mut name), "the same names");
    assert!(!name(100_000));
}

/// However threads come and go, each end keeps the number that whoever is under way has of it.
#[test]
fn what_is_taken_while_others_sum_is_whole_in_the_end() {
    let mut random = fastrand::Rng::with_seed(4);
    let halves = [(); 2].map(|()| (0..200).map(|_| some(&mut random)).collect::<Vec<Line>>());
    let (mut alone, mut first) = (summariser(100), summariser(100));
    let is_enough = AtomicBool::new(false);
    let mut taken = Vec::new();
    let mut records = 0;
    std::thread::scope(|scope| {
        let threads = halves.each_ref().map(|lines| {
            let (mut sink, is_enough) = (first.another(), &is_enough);
            scope.spawn(move || {
                let mut rounds = 0;
                while !is_enough.load(Ordering::Relaxed) {
                    lines.chunks(7).for_each(|lines| {
                        one_by_one(&mut sink, lines);
                        sink.leave();
                    });
                    rounds += 1;
                }
                rounds
            })
        });
        let mut take = || {
            let (summaries, coverage) = first.take();
            records += coverage.records;
            taken.extend(Some(summaries).filter(|summaries| !summaries.rows.is_empty()));
            taken.len()
        };
        // A thread that is finished before it may has failed: joining it tells.
        while take() < 300 && !threads.iter().any(|thread| thread.is_finished()) {
            std::thread::yield_now();
        }
        is_enough.store(true, Ordering::Relaxed);
        for (thread, lines) in threads.into_iter().zip(&halves) {
            (0..thread.join().unwrap()).for_each(|_| one_by_one(&mut alone, lines));
        }
        take();
    });
    let (mut all, (alone, covered)) = (Summaries::default(), alone.into_summaries());
    all.add_all(&taken);
    let all = all.sorted();
    assert_eq!(records, covered.records);
    assert!(all.ends.iter().eq(alone.ends.iter()));
    assert_eq!(all.rows, alone.rows);
}
