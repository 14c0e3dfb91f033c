//! How fast the readers of Parquet and JSON are: run by `benches/formats.py`, which makes the files and runs others side by side.
//!
//! `formats WHAT FILE [LABELS]` reads the file some times over and prints the best times in seconds (wall, processor) and what came out,
//! for the script to compare:
//! - `parquet LABELS`: parse, two joins with a table of addresses, group by; `parquet-2` in two threads;
//! - `parquet-parse`: parse alone;
//! - `azure`, `gcp`: parse alone; `gcp-2` in two threads, as the pipeline does it: blocks of lines in any order;
//! - `azure-value`, `gcp-value`: the same by way of `serde_json::Value`.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a benchmark reads files and the clock"
)]
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark prints")]

mod groups;

use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use cpu_time::ProcessTime;
use flow::format::apart::{Memory, Split};
use flow::format::aws_parquet::AwsParquet;
use flow::format::{Format, Reader};
use flow::{Fault, FlowRecord, Gap, Outcome, Point, PointId, Sink};
use serde_json::Value;

use groups::{Groups, Labels};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ROUNDS: usize = 5;
/// As much as comes out of a decompressor or a socket at once.
const FED_BYTES: usize = 256 << 10;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let [what, file, rest @ ..] = &arguments[..] else {
        println!("run benches/formats.py, which runs this");
        return;
    };
    let bytes = std::fs::read(file).unwrap();
    let labels =
        rest.first().map(|path| Labels::new(&std::fs::read_to_string(path).unwrap())).unwrap_or_default();
    let parquet = bytes::Bytes::from(if what.starts_with("parquet") { bytes.clone() } else { Vec::new() });
    let (mut best, mut best_cpu) = (f64::MAX, f64::MAX);
    let mut result = String::new();
    for _ in 0..ROUNDS {
        let (begin, begin_cpu) = (Instant::now(), ProcessTime::now());
        result = match what.as_str() {
            "parquet" => query(&parquet, &labels, 1),
            "parquet-2" => query(&parquet, &labels, 2),
            "parquet-parse" => parse(&parquet),
            "azure" => stream(&Format::AzureJson, &bytes),
            "gcp" => stream(&Format::GcpJsonLines, &bytes),
            "gcp-2" => blocks(&Format::GcpJsonLines, &bytes, 2),
            "azure-value" => azure_value(&bytes),
            "gcp-value" => gcp_value(&bytes),
            _ => return println!("unknown: {what}"),
        };
        best = best.min(begin.elapsed().as_secs_f64());
        best_cpu = best_cpu.min(begin_cpu.elapsed().as_secs_f64());
    }
    println!("{best:.4} {best_cpu:.4} {result}");
}

/// Counts records and adds up what is in them, so that nothing is left out as unused.
#[derive(Default)]
struct Sum {
    records: u64,
    connections: u64,
    bytes: u64,
    times: i64,
    rejected: u64,
    last_octets: u64,
}

impl std::fmt::Display for Sum {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { records, connections, bytes, times, rejected, .. } = self;
        write!(f, "{records} {connections} {bytes} {times} {rejected}")
    }
}

impl Sum {
    fn merge(self, other: Self) -> Self {
        Self {
            records: self.records + other.records,
            connections: self.connections + other.connections,
            bytes: self.bytes + other.bytes,
            times: self.times + other.times,
            rejected: self.rejected + other.rejected,
            last_octets: self.last_octets + other.last_octets,
        }
    }
}

impl Sink for Sum {
    fn point(&mut self, _point: Point<'_>) -> PointId {
        PointId(0)
    }
    fn record(&mut self, record: &FlowRecord) {
        self.records += 1;
        self.connections += u64::from(record.connections);
        self.bytes = self.bytes.wrapping_add(record.forward.bytes + record.backward.bytes);
        self.times += record.start + record.end;
        self.rejected += u64::from(record.outcome == Outcome::Rejected);
        for address in [record.source, record.destination] {
            self.last_octets += match address {
                IpAddr::V4(address) => u64::from(address.octets()[3]),
                IpAddr::V6(address) => u64::from(address.octets()[15]),
            };
        }
    }
    fn gap(&mut self, _gap: Gap) {}
    fn fault(&mut self, fault: Fault) {
        println!("fault: {}", fault.reason);
    }
}

fn stream(format: &Format, bytes: &[u8]) -> String {
    let mut reader = Reader::new(format).unwrap();
    let mut sum = Sum::default();
    bytes.chunks(FED_BYTES).for_each(|part| reader.feed(part, &mut sum));
    reader.finish(&mut sum);
    std::hint::black_box(sum.last_octets);
    sum.to_string()
}

/// Lines in blocks, each read by the thread that is free.
fn blocks(format: &Format, bytes: &[u8], threads: usize) -> String {
    let mut split = Split::of(format).unwrap().unwrap();
    let (mut found, mut from) = (Vec::new(), 0);
    while from < bytes.len() {
        let end = (from + FED_BYTES).min(bytes.len());
        let end = memchr::memchr(b'\n', &bytes[end..]).map_or(bytes.len(), |more| end + more + 1);
        let lines = &bytes[from..end];
        let mut sections = Vec::new();
        split.split(from as u64, lines, &mut sections, &mut |fault| println!("fault: {}", fault.reason));
        found.push((from as u64, lines, sections));
        from = end;
    }
    let next = AtomicUsize::new(0);
    let read = || {
        let (mut memory, mut sum) = (Memory::default(), Sum::default());
        while let Some((offset, lines, sections)) = found.get(next.fetch_add(1, Ordering::Relaxed)) {
            sections.iter().for_each(|section| section.read(*offset, lines, &mut memory, &mut sum));
        }
        sum
    };
    let sum = std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(read)).collect();
        others.into_iter().fold(read(), |sum, other| sum.merge(other.join().unwrap()))
    });
    std::hint::black_box(sum.last_octets);
    sum.to_string()
}

fn parse(file: &bytes::Bytes) -> String {
    let mut sum = Sum::default();
    flow::format::aws_parquet::read(file.clone(), &mut sum);
    std::hint::black_box(sum.last_octets);
    sum.to_string()
}

/// Each thread takes the next row group until none is left.
fn query(file: &bytes::Bytes, labels: &Labels, threads: usize) -> String {
    let reader = AwsParquet::open(file.clone()).map_err(|fault| fault.reason).unwrap();
    let next = AtomicUsize::new(0);
    let part = || {
        let mut groups = Groups::new(labels);
        loop {
            let group = next.fetch_add(1, Ordering::Relaxed);
            if group >= reader.groups() {
                return groups;
            }
            reader.read(group..group + 1, &mut groups);
        }
    };
    let groups = std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(part)).collect();
        others.into_iter().fold(part(), |groups, other| groups.merge(other.join().unwrap()))
    });
    groups.result()
}

/// What a reader does that makes a tree of each text first. Adds up the same.
fn azure_value(bytes: &[u8]) -> String {
    let document: Value = serde_json::from_slice(bytes).unwrap();
    let mut sum = Sum::default();
    let list = |value: &Value| value.as_array().unwrap().clone();
    for element in document["records"].as_array().unwrap() {
        for group in list(&element["flowRecords"]["flows"])
            .iter()
            .flat_map(|acl| acl["flowGroups"].as_array().unwrap())
        {
            for tuple in group["flowTuples"].as_array().unwrap() {
                let fields: Vec<&str> = tuple.as_str().unwrap().split(',').collect();
                let number = |at: usize| fields[at].parse::<u64>().unwrap_or(0);
                for address in [fields[1], fields[2]] {
                    std::hint::black_box(address.parse::<IpAddr>().unwrap());
                }
                sum.records += 1;
                sum.connections += u64::from(!matches!(fields[7], "C" | "E"));
                sum.rejected += u64::from(fields[7] == "D");
                sum.times += 2 * (number(0) / 1000) as i64;
                sum.bytes += number(10) + number(12);
            }
        }
    }
    sum.to_string()
}

fn gcp_value(bytes: &[u8]) -> String {
    let mut sum = Sum::default();
    for line in bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let entry: Value = serde_json::from_slice(line).unwrap();
        let payload = &entry["jsonPayload"];
        for name in ["src_ip", "dest_ip"] {
            let address = payload["connection"][name].as_str().unwrap();
            std::hint::black_box(address.parse::<IpAddr>().unwrap());
        }
        sum.records += 1;
        sum.connections += 1;
        sum.bytes += payload["bytes_sent"].as_str().unwrap().parse::<u64>().unwrap();
    }
    // The standard library has no times of RFC 3339: left out here, in its favour.
    format!("{} {} {}", sum.records, sum.connections, sum.bytes)
}
