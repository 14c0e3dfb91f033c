//! The pipeline: whatever the threads and the packing, the same as a reader alone, and nothing lost silently.

use std::num::NonZeroUsize;

use flow::format::{Format, LINE_BYTES_MAX, Reader};
use ingest::pipeline::{Account, FAULTS_MAX, Pipeline, ReadError, Settings};
use ingest::unpack::{DamageKind, Limits};
use provider::flows::Packing;

use crate::seen::{Seen, gzip};

const HEADER: &str = "interface-id srcaddr dstaddr srcport dstport protocol bytes start end log-status";
const OTHER: &str = "end start bytes protocol dstport srcport dstaddr srcaddr interface-id";

fn pipeline(threads: usize) -> Pipeline<Seen> {
    let threads = NonZeroUsize::new(threads).unwrap();
    Pipeline::new(Settings { threads, limits: Limits::default() }, Seen::default)
}

/// Bytes as a source gives them.
fn pieces(bytes: &[u8], size: usize) -> impl Iterator<Item = Result<Vec<u8>, std::io::Error>> {
    bytes.chunks(size).map(|piece| Ok(piece.to_vec()))
}

fn read(threads: usize, packing: Packing, bytes: &[u8]) -> (Account, Vec<String>) {
    read_as(&Format::AwsText, threads, packing, bytes)
}

fn read_as(format: &Format, threads: usize, packing: Packing, bytes: &[u8]) -> (Account, Vec<String>) {
    let mut pipeline = pipeline(threads);
    let account = pipeline.read(format, packing, pieces(bytes, 30_000)).unwrap();
    (account, Seen::all(pipeline).sorted())
}

/// What a reader tells of a text, sorted.
fn told(format: &Format, text: &[u8]) -> Vec<String> {
    let mut seen = Seen::default();
    let mut reader = Reader::new(format).unwrap();
    reader.feed(text, &mut seen);
    reader.finish(&mut seen);
    seen.sorted()
}

/// Many blocks of lines of all kinds, with headers of two layouts between them.
fn text(seed: u64, lines: usize) -> Vec<u8> {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut text = format!("{HEADER}\n");
    let mut is_other = false;
    for number in 0..lines {
        let [interface, port] = [rng.u8(..50), rng.u8(..)];
        text += &match rng.u16(..2000) {
            0 => {
                is_other = !is_other;
                format!("{}\n", if is_other { OTHER } else { HEADER })
            }
            1 => "no line at all\n".into(),
            2 => "srcaddr end\n".into(),
            3 => "\r\n".into(),
            _ if is_other => {
                format!("{} 5 {number} 6 {port} 1 10.0.0.2 10.0.0.1 eni-{interface}\r\n", number + 9)
            }
            4..8 => format!("eni-{interface} - - - - - - 5 {} SKIPDATA\n", number + 9),
            _ => format!("eni-{interface} 10.0.0.1 10.0.0.2 1 {port} 6 {number} 5 {} OK\n", number + 9),
        };
    }
    text.into_bytes()
}

/// What names a log that is none of ours.
const OTHER_LOG: &str = "dns_queries";

fn entry(log: &str, machine: u8, number: usize) -> String {
    let ends = r#""src_ip":"10.0.0.1","dest_ip":"10.0.0.2","src_port":1,"dest_port":443,"protocol":6"#;
    let times = r#""start_time":"2026-11-02T10:00:00.1Z","end_time":"2026-11-02T10:00:04.7Z""#;
    let instance = format!(r#"{{"project_id":"p1","zone":"z","vm_name":"vm-{machine}"}}"#);
    let payload = format!(
        r#"{{"connection":{{{ends}}},"reporter":"SRC",{times},"bytes_sent":"{number}","src_instance":{instance}}}"#
    );
    format!(r#"{{"logName":"projects/p1/logs/compute.googleapis.com%2F{log}","jsonPayload":{payload}}}"#)
}

/// Many blocks of log entries of all kinds.
fn gcp(seed: u64, entries: usize) -> Vec<u8> {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut text = String::new();
    for number in 0..entries {
        let log = if rng.u8(..9) == 0 { OTHER_LOG } else { "vpc_flows" };
        text += &match rng.u8(..200) {
            0 => "no entry".into(),
            1 => " ".into(),
            2 => entry("vpc_flows", 1, number).replace("SRC", "DEST"),
            3 => entry("vpc_flows", 1, number).replace(":443", ":65536"),
            _ => entry(log, rng.u8(..50), number),
        };
        text += if rng.bool() { "\n" } else { "\r\n" };
    }
    text.into_bytes()
}

#[test]
fn any_number_of_threads_tells_what_a_reader_alone_tells() {
    let aws = [(1, 60_000), (2, 60_000), (3, 300), (4, 1)].map(|(seed, lines)| text(seed, lines));
    let gcp = [(1, 6_000), (2, 6_000), (3, 30), (4, 1)].map(|(seed, entries)| gcp(seed, entries));
    for (format, text) in aws
        .map(|text| (Format::AwsText, text))
        .into_iter()
        .chain(gcp.map(|text| (Format::GcpJsonLines, text)))
    {
        assert_as_told(&format, &text);
    }
}

/// Whatever threads and packing, the pipeline tells what a reader alone tells of a text, each fault at its place.
#[track_caller]
fn assert_as_told(format: &Format, text: &[u8]) {
    let whole = told(format, text);
    println!("{format:?}: {} bytes, {} told", text.len(), whole.len());
    for (threads, packing) in [(1, Packing::Plain), (2, Packing::Plain), (3, Packing::Gzip)] {
        let packed = if packing == Packing::Gzip { gzip(text) } else { text.to_vec() };
        let (account, mut ours) = read_as(format, threads, packing, &packed);
        assert!(account.faults.is_sorted_by_key(|fault| fault.offset));
        assert_eq!(account.faults_total, account.faults.len() as u64);
        ours.extend(
            account.faults.iter().map(|fault| format!("fault at {}: {}", fault.offset, fault.reason)),
        );
        ours.sort();
        assert_eq!(ours, whole);
        assert_eq!((account.packed, account.unpacked), (packed.len() as u64, text.len() as u64));
        assert_eq!((account.read, account.damage), (text.len() as u64, None));
    }
}

/// Lines longer than what is unpacked at once, some of them too long, with and without blocks of lines between them.
#[test]
fn lines_longer_than_a_window_are_told_as_by_a_reader_alone() {
    // A hole in what is kept of a text: between a long line and what follows one that is left out.
    let [long, too_long] = [200_000, 2_500_000].map(|length| "7".repeat(length));
    assert_as_told(&Format::AwsText, format!("{HEADER}\n{long}\n{too_long}\nbroken\n").as_bytes());
    let lengths = [200_000, 300_000, 700_000, LINE_BYTES_MAX - 1, LINE_BYTES_MAX, 2_500_000];
    for seed in 0..12 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut text = format!("{HEADER}\n");
        for number in 0..rng.usize(2..7) {
            if rng.u8(..3) == 0 {
                let line = format!("eni-{number} 10.0.0.1 10.0.0.2 1 2 6 {number} 5 9 OK\n");
                text += &line.repeat(*rng.choice(&[1, 100, 12_000]).unwrap());
            }
            text += &"7".repeat(*rng.choice(&lengths).unwrap());
            text += if rng.bool() { "\nbroken\n" } else { "\n" };
        }
        text += if rng.bool() { "broken" } else { "eni-1 10.0.0.1 10.0.0.2 1 2 6 3 5 9 OK" };
        assert_as_told(&Format::AwsText, text.as_bytes());
    }
}

/// A line that is cut may still look whole, with another number at its end: it is not read.
#[test]
fn a_truncated_file_gives_its_whole_lines_and_no_other() {
    let header = HEADER.strip_suffix(" log-status").unwrap();
    let lines: Vec<String> = (0..40)
        .map(|number| format!("eni-1 10.0.0.1 10.0.0.2 1 2 6 {number} 5 {}", 1_790_000_000 + number))
        .collect();
    let text = format!("{header}\n{}\n", lines.join("\n"));
    let whole = read(1, Packing::Gzip, &gzip(text.as_bytes())).1;
    assert_eq!(whole.len(), 40);
    let packed = gzip(text.as_bytes());
    let mut counts = Vec::new();
    for cut in 0..packed.len() {
        let (account, lines) = read(2, Packing::Gzip, &packed[..cut]);
        assert_eq!(
            account.damage.map(|damage| (damage.offset, damage.kind)),
            Some((cut as u64, DamageKind::Truncated))
        );
        assert_eq!(account.faults, []);
        assert!(lines.iter().all(|line| whole.contains(line)), "cut at {cut}: {lines:?}");
        let ends = (account.unpacked as usize).min(text.len());
        let expected = text[..ends].matches('\n').count().saturating_sub(1);
        assert_eq!(lines.len(), expected, "cut at {cut}");
        counts.push(lines.len());
    }
    counts.dedup();
    assert!(counts.len() > 10, "{counts:?}");
}

#[test]
fn a_last_line_without_an_end_is_read_if_the_file_is_whole() {
    let text = format!("{HEADER}\neni-1 10.0.0.1 10.0.0.2 1 2 6 3 5 9 OK");
    for packed in [gzip(text.as_bytes()), [gzip(text.as_bytes()), vec![0; 20]].concat()] {
        assert_eq!(read(2, Packing::Gzip, &packed).1, ["eni-1 10.0.0.2 2 3 9"]);
    }
}

#[test]
fn the_first_faults_are_kept_and_all_are_counted() {
    let broken = "eni-1 10.0.0.1 10.0.0.2 1 2 6 3 5 never OK\n";
    let count = 30_000;
    let text = format!("{HEADER}\n{}", broken.repeat(count));
    for threads in [1, 2, 3] {
        let (account, lines) = read(threads, Packing::Plain, text.as_bytes());
        assert_eq!((account.faults_total, account.faults.len(), lines.len()), (count as u64, FAULTS_MAX, 0));
        for (number, fault) in account.faults.iter().enumerate() {
            assert_eq!(fault.offset, (HEADER.len() + 1 + number * broken.len()) as u64);
            assert_eq!(fault.reason, "the field `end` cannot be `never`");
        }
    }
}

/// One thread is held in the first block until the other one has come to what follows it.
#[test]
fn the_first_faults_are_kept_however_slow_a_thread_is() {
    use std::sync::{Arc, Condvar, Mutex};

    #[derive(Clone, Default)]
    struct Gate(Arc<(Mutex<bool>, Condvar)>);
    impl flow::Sink for Gate {
        fn point(&mut self, _: flow::Point<'_>) -> flow::PointId {
            flow::PointId(0)
        }
        fn record(&mut self, record: &flow::FlowRecord) {
            let (is_open, changed) = &*self.0;
            match record.forward.bytes {
                1 => drop(changed.wait_while(is_open.lock().unwrap(), |is_open| !*is_open).unwrap()),
                2 => {
                    *is_open.lock().unwrap() = true;
                    changed.notify_all();
                }
                _ => {}
            }
        }
        fn gap(&mut self, _: flow::Gap) {}
        fn fault(&mut self, _: flow::Fault) {}
    }

    let line = |bytes: u32| format!("eni-1 10.0.0.1 10.0.0.2 1 2 6 {bytes} 5 9 OK\n");
    let good = [HEADER, "\n", &line(1), &line(3).repeat(7_000), &line(2)].concat();
    let broken = line(3).replace(" 9 ", " never ");
    // More than can be kept are left when the text ends.
    let text = good.clone() + &broken.repeat(14_000);
    let settings = Settings { threads: NonZeroUsize::new(2).unwrap(), limits: Limits::default() };
    let mut pipeline = Pipeline::new(settings, Gate::default);
    let gate = Gate::default();
    pipeline.sinks().for_each(|sink| *sink = gate.clone());
    let account =
        pipeline.read(&Format::AwsText, Packing::Plain, pieces(text.as_bytes(), text.len())).unwrap();
    assert_eq!(account.faults_total, 14_000);
    for (number, fault) in account.faults.iter().enumerate() {
        assert_eq!(fault.offset, (good.len() + number * broken.len()) as u64);
    }
}

#[test]
fn a_line_that_is_too_long_is_left_out_in_a_block() {
    let line = "eni-1 10.0.0.1 10.0.0.2 1 2 6 3 5 9 OK\n";
    let text = format!("{HEADER}\n{line}{}\n{line}broken\n", "7".repeat(3 * LINE_BYTES_MAX));
    let (account, lines) = read(2, Packing::Gzip, &gzip(text.as_bytes()));
    assert_eq!(lines, ["eni-1 10.0.0.2 2 3 9"; 2]);
    let offsets: Vec<u64> = account.faults.iter().map(|fault| fault.offset).collect();
    let long = (HEADER.len() + 1 + line.len()) as u64;
    assert_eq!(offsets, [long, (text.len() - "broken\n".len()) as u64]);
    assert!(account.faults[0].reason.contains("more than 1048576"), "{:?}", account.faults);
}

#[test]
fn a_truncated_file_of_entries_gives_its_whole_lines_and_no_other() {
    let text = (0..40).map(|number| entry("vpc_flows", 1, number)).collect::<Vec<_>>().join("\n") + "\n";
    let packed = gzip(text.as_bytes());
    let whole = read_as(&Format::GcpJsonLines, 1, Packing::Gzip, &packed).1;
    assert_eq!(whole.len(), 40);
    for cut in (0..packed.len()).step_by(7) {
        let (account, lines) = read_as(&Format::GcpJsonLines, 2, Packing::Gzip, &packed[..cut]);
        assert_eq!(account.damage.map(|damage| damage.kind), Some(DamageKind::Truncated));
        assert_eq!((account.faults, account.read), (vec![], account.unpacked));
        let expected = text[..account.unpacked as usize].matches('\n').count();
        assert_eq!(lines.len(), expected, "cut at {cut}");
    }
}

#[test]
fn an_entry_that_is_too_long_is_left_out_in_a_block() {
    let line = entry("vpc_flows", 1, 7) + "\n";
    let text = format!("{line}{}\n{line}broken\n", " ".repeat(3 * LINE_BYTES_MAX));
    let (account, lines) = read_as(&Format::GcpJsonLines, 2, Packing::Gzip, &gzip(text.as_bytes()));
    assert_eq!(lines.len(), 2);
    let offsets: Vec<u64> = account.faults.iter().map(|fault| fault.offset).collect();
    assert_eq!(offsets, [line.len() as u64, (text.len() - "broken\n".len()) as u64]);
    assert!(account.faults[0].reason.contains("more than 1048576"), "{:?}", account.faults);
}

/// A file that grows is read on behind what was read of it.
#[test]
fn entries_of_a_piece_that_has_grown_are_read_on() {
    let first = entry("vpc_flows", 1, 1) + "\n";
    let second = entry(OTHER_LOG, 2, 2) + "\n" + &entry("vpc_flows", 2, 2);
    let mut pipeline = pipeline(2);
    let format = Format::GcpJsonLines;
    let account = pipeline.read(&format, Packing::Plain, pieces(first.as_bytes(), 100)).unwrap();
    assert_eq!(account.read, first.len() as u64);
    let account = pipeline.resume(&format, Packing::Plain, pieces(second.as_bytes(), 100)).unwrap();
    assert_eq!(account.read, second.len() as u64);
    assert_eq!(Seen::all(pipeline).lines.len(), 2);
}

#[test]
fn a_piece_whose_bytes_do_not_come_is_an_error_and_leaves_nothing_for_the_next() {
    let mut pipeline = pipeline(2);
    let text = format!("{HEADER}\n{}", "broken\n".repeat(100_000));
    let input = pieces(text.as_bytes(), 100_000).chain([Err(std::io::Error::other("access denied"))]);
    let error = pipeline.read(&Format::AwsText, Packing::Plain, input).unwrap_err();
    assert!(matches!(error, ReadError::Input(ref error) if error.to_string() == "access denied"), "{error}");
    let next = format!("{HEADER}\neni-1 10.0.0.1 10.0.0.2 1 2 6 3 5 9 OK\n");
    let account = pipeline.read(&Format::AwsText, Packing::Plain, pieces(next.as_bytes(), 10)).unwrap();
    assert_eq!((account.faults_total, account.read), (0, next.len() as u64));
}

#[test]
fn a_log_format_stands_for_the_header() {
    let format: Vec<String> = HEADER.split(' ').map(|name| format!("${{{name}}}")).collect();
    let mut pipeline = pipeline(2);
    let line = b"eni-1 10.0.0.1 10.0.0.2 1 2 6 3 5 9 OK\n".repeat(20_000);
    let format = Format::AwsLines(format.join(" "));
    let account = pipeline.read(&format, Packing::Plain, pieces(&line, 100_000)).unwrap();
    assert_eq!((account.faults_total, Seen::all(pipeline).lines.len()), (0, 20_000));
}

#[test]
fn a_log_format_that_is_none_is_an_error_before_anything_is_read() {
    let input = std::iter::from_fn(|| -> Option<Result<Vec<u8>, std::io::Error>> { panic!("was read") });
    let error = pipeline(2).read(&Format::AwsLines("hello".into()), Packing::Plain, input).unwrap_err();
    assert_eq!(error.to_string(), "log format: `hello` is no list of field names");
}

/// A sink that panics ends the read, and no thread waits for ever.
#[test]
fn a_sink_that_panics_does_not_hang() {
    struct Panics;
    impl flow::Sink for Panics {
        fn point(&mut self, _: flow::Point<'_>) -> flow::PointId {
            panic!("on purpose")
        }
        fn record(&mut self, _: &flow::FlowRecord) {}
        fn gap(&mut self, _: flow::Gap) {}
        fn fault(&mut self, _: flow::Fault) {}
    }
    let text = text(5, 60_000);
    for threads in [1, 2, 3] {
        let threads = NonZeroUsize::new(threads).unwrap();
        let mut pipeline = Pipeline::new(Settings { threads, limits: Limits::default() }, || Panics);
        let read = std::panic::AssertUnwindSafe(|| {
            pipeline.read(&Format::AwsText, Packing::Plain, pieces(&text, 30_000))
        });
        assert!(std::panic::catch_unwind(read).is_err());
    }
}

fn gzipped() -> provider::Piece {
    provider::Piece {
        key: "a.log.gz".to_owned(),
        version: String::new(),
        offset: 0,
        end: None,
        format: Format::AwsText,
        packing: Packing::Gzip,
        modified: 0,
    }
}

#[tokio::test]
async fn bytes_that_come_asynchronously_are_read_the_same() {
    let text = text(6, 60_000);
    let (account, lines) = read(2, Packing::Gzip, &gzip(&text));
    let packed = gzip(&text);
    let input = futures_util::stream::iter(pieces(&packed, 10_000));
    let (pipeline, again) = pipeline(2).read_piece(&gzipped(), input).await.unwrap();
    assert_eq!(again.unwrap(), account);
    assert_eq!(Seen::all(pipeline).sorted(), lines);
}

/// Nobody waits for bytes that nobody wants.
#[tokio::test]
async fn a_source_without_an_end_is_left_at_a_damage() {
    let endless = futures_util::stream::repeat_with(|| Ok::<_, std::io::Error>(b"no gzip".to_vec()));
    let (_, account) = pipeline(2).read_piece(&gzipped(), endless).await.unwrap();
    assert_eq!(account.unwrap().damage.map(|damage| damage.kind), Some(DamageKind::Corrupt));
}
