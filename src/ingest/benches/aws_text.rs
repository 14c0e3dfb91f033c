//! AWS flow log text, gzip, against what a user would pick: `cargo bench -p ingest --bench aws_text` prints Markdown.
//!
//! All read the same file, join both addresses with 100,000 labels, group by source label, destination label, port and
//! action, and sum; the groups must be the same. Ours is the product's own summariser, which also turns replies round, tells
//! which end saw a flow, and keeps hours apart: summed up over these, its groups are those of the others. DuckDB and Polars
//! do it in both ways. Each round is a process of its own, rounds of all engines take turns, and the median counts. What is
//! timed begins when labels are in memory and ends when the groups are.
//!
//! Arguments: `-- grow` reads ten times as much, `-- day` a day of 10 GB in files of 54 MB, `-- parse` text that is in memory.
//! DuckDB, Polars and flowlogs-reader are installed into a virtual environment under the target folder, or under
//! `BULKHEAD_TOOLS`. `BULKHEAD_BENCH_ROUNDS` sets the number of rounds.

#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "a benchmark reads clock and memory")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a benchmark prints and panics"
)]
#![allow(missing_docs, reason = "a benchmark has no users")]

mod aws;

use std::fs::File;
use std::hint::black_box;
use std::io::Read;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::OnceLock;
use std::time::Instant;

use aws::engines::{Engine, Round, python};
use aws::generate::{Files, files};
use aws::product::{holders, result, summariser};
use aws::sums::{Labels, Sums};
use cpu_time::ProcessTime;
use flow::format::{Format, Reader};
use flow::{Fault, FlowRecord, Gap, Point, PointId, Sink};
use ingest::pipeline::{Pipeline, Settings};
use ingest::unpack::{Limits, Unpacker};
use provider::flows::Packing;

/// As in the `bulkhead` binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const RECORDS: u64 = 2_000_000;
const ENGINES: [Engine; 11] = [
    Engine::Gunzip,
    Engine::DuckDb { rows: false },
    Engine::Polars { rows: false },
    Engine::DuckDb { rows: true },
    Engine::Polars { rows: true },
    Engine::FlowlogsReader,
    Engine::Ours { threads: 1 },
    Engine::Ours { threads: 2 },
    Engine::Sums { threads: 1 },
    Engine::Sums { threads: 2 },
    Engine::Unpack,
];
/// What all ratios are to.
const OURS: usize = 7;
const UNPACK: usize = 10;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["ours", threads, log] => print(ours(threads.parse().unwrap(), Path::new(log), 1)),
        ["sums", threads, log] => print(sums(threads.parse().unwrap(), Path::new(log))),
        ["unpack", log] => print(unpack(Path::new(log))),
        ["parse"] => with_files(RECORDS, |files| parse(&files.plain, RECORDS)),
        ["grow"] => grow(),
        ["day"] => day(),
        ["store", times] => stored(times.parse().unwrap()),
        _ => compare(),
    }
}

fn print(round: Round) {
    let result: Vec<String> = round.result.iter().map(u64::to_string).collect();
    println!("{} {} {} {}", round.seconds, round.cpu, round.peak_kib, result.join(" "));
}

/// Files in a folder that goes away, or in the one that `BULKHEAD_BENCH_FILES` names, which stays.
fn with_files(records: u64, work: impl FnOnce(&Files)) {
    match std::env::var_os("BULKHEAD_BENCH_FILES") {
        Some(folder) => work(&files(Path::new(&folder), records).unwrap()),
        None => {
            let folder = tempfile::tempdir().unwrap();
            work(&files(folder.path(), records).unwrap());
        }
    }
}

fn compare() {
    let python = python();
    let rounds = std::env::var("BULKHEAD_BENCH_ROUNDS").map_or(5, |rounds| rounds.parse().unwrap());
    with_files(RECORDS, |files| {
        let mut all = vec![Vec::new(); ENGINES.len()];
        for _ in 0..rounds {
            for (engine, found) in ENGINES.iter().zip(&mut all) {
                found.push(engine.round(&python, files, RECORDS));
            }
        }
        same_results(&all);
        table(&all, files);
        parse(&files.plain, RECORDS);
    });
}

/// The groups of all engines are the same, but for the one that reads a share.
fn same_results(all: &[Vec<Round>]) {
    let expected = &all[OURS][0].result;
    assert_eq!(expected[1], RECORDS);
    for (engine, rounds) in ENGINES.iter().zip(all) {
        for round in rounds {
            let is_share = *engine == Engine::FlowlogsReader;
            assert!(
                round.result.is_empty() || is_share || round.result == *expected,
                "{engine:?}: {round:?}"
            );
            assert!(!is_share || round.result[1] == RECORDS / aws::engines::SHARE, "{round:?}");
        }
    }
}

fn table(all: &[Vec<Round>], files: &Files) {
    let megabytes = |path: &Path| std::fs::metadata(path).unwrap().len() / 1_000_000;
    let [plain, gzip] = [&files.plain, &files.gzip].map(|path| megabytes(path));
    let groups = all[OURS][0].result[0];
    println!(
        "{RECORDS} records, {plain} MB of text, {gzip} MB of gzip, {groups} groups; the same groups and sums by all.\n"
    );
    println!("| reads it | median | all rounds | × ours, 2 threads | CPU time | × ours | peak memory |");
    println!("|---|---:|---|---:|---:|---:|---:|");
    let [ours, ours_cpu] = [wall(&all[OURS]), cpu(&all[OURS])];
    for (engine, rounds) in ENGINES.iter().zip(all) {
        let [middle, cpu] = [wall(rounds), cpu(rounds)];
        let each: Vec<String> = rounds.iter().map(|round| format!("{:.2}", round.seconds)).collect();
        let peak = rounds.iter().map(|round| round.peak_kib).max().unwrap_or(0) / 1024;
        let [ratio, cpu_ratio] = [middle / ours, cpu / ours_cpu];
        let [name, each] = [engine.name(), each.join(" ")];
        println!(
            "| {name} | {middle:.2} s | {each} | {ratio:.2} | {cpu:.2} s | {cpu_ratio:.2} | {peak} MiB |"
        );
    }
    let share = cpu(&all[UNPACK]) / ours_cpu * 100.0;
    println!("\nDecompression is {share:.0} % of our CPU time.");
}

fn wall(rounds: &[Round]) -> f64 {
    median(rounds.iter().map(|round| round.seconds).collect())
}

fn cpu(rounds: &[Round]) -> f64 {
    median(rounds.iter().map(|round| round.cpu).collect())
}

fn median(mut seconds: Vec<f64>) -> f64 {
    seconds.sort_by(f64::total_cmp);
    seconds[seconds.len() / 2]
}

/// Reads a file so many times, as one piece after the other.
fn ours(threads: NonZeroUsize, log: &Path, times: u64) -> Round {
    let holders = holders();
    let first = summariser(&holders);
    // The others leave what they found when they are dropped.
    let (summariser, round) = timed(threads, log, times, || first.another(), |one, _| one);
    let (summaries, coverage) = summariser.into_summaries();
    assert_eq!((coverage.misdated, coverage.at_unknown_points, coverage.before_first), (0, 0, 0));
    Round { result: result(&summaries), ..round }
}

fn sums(threads: NonZeroUsize, log: &Path) -> Round {
    let labels = Labels::new();
    let (sums, round) = timed(threads, log, 1, || Sums::new(&labels), Sums::merge);
    Round { result: sums.result().to_vec(), ..round }
}

fn timed<S: Sink + Send>(
    threads: NonZeroUsize,
    log: &Path,
    times: u64,
    sink: impl FnMut() -> S,
    merge: impl FnMut(S, S) -> S,
) -> (S, Round) {
    let [begin, begin_cpu] = now();
    let settings = Settings { threads, limits: Limits::default() };
    let mut pipeline = Pipeline::new(settings, sink);
    for _ in 0..times {
        let account = pipeline.read(&Format::AwsText, Packing::Gzip, chunks(log)).unwrap();
        assert_eq!((account.damage, account.faults_total), (None, 0));
    }
    let sink = pipeline.into_sinks().reduce(merge).unwrap();
    let [end, end_cpu] = now();
    let (seconds, cpu) = (end - begin, end_cpu - begin_cpu);
    (sink, Round { seconds, cpu, peak_kib: peak_kib(), result: Vec::new() })
}

/// Seconds since some time, and of CPU of all threads.
fn now() -> [f64; 2] {
    static BEGIN: OnceLock<Instant> = OnceLock::new();
    [BEGIN.get_or_init(Instant::now).elapsed().as_secs_f64(), ProcessTime::now().as_duration().as_secs_f64()]
}

/// A file as a source gives it.
fn chunks(log: &Path) -> impl Iterator<Item = std::io::Result<Vec<u8>>> {
    let mut file = File::open(log).unwrap();
    std::iter::from_fn(move || {
        let mut chunk = vec![0; 64 << 10];
        match file.read(&mut chunk) {
            Ok(0) => None,
            Ok(count) => {
                chunk.truncate(count);
                Some(Ok(chunk))
            }
            Err(error) => Some(Err(error)),
        }
    })
}

fn unpack(log: &Path) -> Round {
    let [begin, begin_cpu] = now();
    let mut unpacker = Unpacker::new(Packing::Gzip, Limits::default());
    for chunk in chunks(log) {
        unpacker.feed(&chunk.unwrap(), &mut |bytes| black_box(bytes).clear()).unwrap();
    }
    unpacker.finish().unwrap();
    let [end, end_cpu] = now();
    Round { seconds: end - begin, cpu: end_cpu - begin_cpu, peak_kib: peak_kib(), result: Vec::new() }
}

/// Takes records and does nothing with them that costs.
#[derive(Default)]
struct Nothing {
    points: u32,
    records: u64,
    sum: u64,
}

impl Sink for Nothing {
    fn point(&mut self, _: Point<'_>) -> PointId {
        self.points += 1;
        PointId(self.points)
    }

    #[inline]
    fn record(&mut self, record: &FlowRecord) {
        let record = black_box(record);
        self.records += 1;
        self.sum += record.forward.bytes;
    }

    fn gap(&mut self, _: Gap) {}
    fn fault(&mut self, _: Fault) {}
}

/// Text in memory to records, one thread; CPU time, the best of many rounds.
fn parse(log: &Path, records: u64) {
    let text = std::fs::read(log).unwrap();
    let rounds = (0..9).map(|_| {
        let begin = ProcessTime::now();
        let mut sink = Nothing::default();
        let mut reader = Reader::new(&Format::AwsText).unwrap();
        text.chunks(128 << 10).for_each(|chunk| reader.feed(chunk, &mut sink));
        reader.finish(&mut sink);
        assert_eq!(sink.records, records);
        begin.elapsed().as_secs_f64()
    });
    let mut rounds: Vec<f64> = rounds.collect();
    rounds.sort_by(f64::total_cmp);
    let [best, middle] = [rounds[0], rounds[rounds.len() / 2]].map(|seconds| records as f64 / seconds / 1e6);
    println!(
        "Parse alone: {middle:.1} million records/s/core (median; best {best:.1}), CPU time of one thread."
    );
}

/// Ten times as much in one file.
fn grow() {
    println!("| records | text | ours, 2 threads | × time | peak memory |\n|---:|---:|---:|---:|---:|");
    let mut smaller = None;
    for records in [RECORDS / 10, RECORDS, RECORDS * 10] {
        with_files(records, |files| {
            let megabytes = std::fs::metadata(&files.plain).unwrap().len() / 1_000_000;
            let rounds: Vec<Round> =
                (0..5).map(|_| Engine::Ours { threads: 2 }.round(Path::new(""), files, records)).collect();
            let seconds = wall(&rounds);
            let ratio = smaller.map_or(String::new(), |smaller: f64| format!("{:.1}", seconds / smaller));
            let peak = rounds.iter().map(|round| round.peak_kib).max().unwrap_or(0) / 1024;
            println!("| {records} | {megabytes} MB | {seconds:.2} s | {ratio} | {peak} MiB |");
            smaller = Some(seconds);
        });
    }
}

/// A day of logs: the file of the comparison so often that it is 10 GB of gzip.
fn day() {
    with_files(RECORDS, |files| {
        let times = 10_000_000_000 / std::fs::metadata(&files.gzip).unwrap().len();
        let round = ours(NonZeroUsize::new(2).unwrap(), &files.gzip, times);
        assert_eq!(round.result[1], RECORDS * times);
        println!(
            "{times} files, {} records: {:.0} s, peak memory {} MiB.",
            round.result[1],
            round.seconds,
            round.peak_kib / 1024
        );
    });
}

/// What a user waits for: so many files read into a store.
fn stored(times: u64) {
    with_files(RECORDS, |files| {
        let [source, store] = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        aws::store::spread(&files.gzip, source.path(), times);
        let [begin, begin_cpu] = now();
        let records = aws::store::read(source.path(), store.path());
        let [end, end_cpu] = now();
        assert_eq!(records, RECORDS * times);
        let (seconds, cpu) = (end - begin, end_cpu - begin_cpu);
        println!(
            "{times} files, {records} records into a store: {seconds:.1} s, {:.2} million records/s, {cpu:.1} s of CPU, peak memory {} MiB.",
            records as f64 / seconds / 1e6,
            peak_kib() / 1024
        );
    });
}

/// The largest this process has been.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}
