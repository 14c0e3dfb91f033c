//! Whole lines of one layout into a sink, many records at a time.
//!
//! INVARIANT: a sink is told everything in the order of the text: what waits goes before a gap or a fault.

use std::net::{IpAddr, Ipv4Addr};

use super::fast::{DefaultOrder, Line, Order, Times};
use super::layout::Layout;
use super::line::{Meaning, Values};
use super::points::{Key, LATER, Points};
use super::quoted;
use super::window::{Separators, TEXT_BYTES, WINDOW_BYTES, Window};
use crate::format::LINE_BYTES_MAX;
use crate::record::{Counts, FlowRecord, Opener, Outcome};
use crate::sink::{Fault, Gap, Sink};

/// Records that wait: few against the caches of a processor, many against the loads that it has under way.
const BATCH_MAX: usize = 64;

/// A record that nothing was written into yet.
pub(super) const BLANK: FlowRecord = FlowRecord {
    point: LATER,
    start: 0,
    end: 0,
    source: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
    destination: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
    source_port: 0,
    destination_port: 0,
    protocol: 0,
    direction: None,
    opener: Opener::Unknown,
    tcp_flags: 0,
    outcome: Outcome::Unknown,
    connections: 0,
    forward: Counts { packets: 0, bytes: 0 },
    backward: Counts { packets: 0, bytes: 0 },
};

/// Memory that is used again.
#[derive(Clone, Debug)]
pub(super) struct Scratch {
    separators: Separators,
    /// Of the records that wait.
    keys: Vec<Key>,
    /// Those that wait, and room for more.
    records: Vec<FlowRecord>,
}

/// Records that wait for the numbers of their points.
struct Batch<'a, S> {
    layout: &'a Layout,
    keys: &'a mut Vec<Key>,
    records: &'a mut [FlowRecord],
    times: Times,
    points: &'a mut Points,
    sink: &'a mut S,
}

impl Default for Scratch {
    fn default() -> Self {
        let (keys, records) = (Vec::with_capacity(BATCH_MAX), vec![BLANK; BATCH_MAX]);
        Self { separators: Separators::default(), keys, records }
    }
}

impl Layout {
    /// Reads whole lines, which begin at `offset` in their text. `points` belongs to the sink.
    ///
    /// Linear in the bytes; nothing is allocated for a line but for faults and for interfaces that were not met before.
    pub fn read(&self, offset: u64, lines: &[u8], points: &mut Points, sink: &mut impl Sink) {
        let mut scratch = points.scratch.take().unwrap_or_default();
        let Scratch { separators, keys, records } = &mut *scratch;
        let mut batch = Batch { layout: self, keys, records, times: Times::default(), points, sink };
        if self.places.are_default() {
            batch.lines(DefaultOrder, offset, lines, separators);
        } else {
            batch.lines(&self.places, offset, lines, separators);
        }
        batch.flush();
        points.scratch = Some(scratch);
    }
}

impl<S: Sink> Batch<'_, S> {
    fn lines(&mut self, order: impl Order, offset: u64, lines: &[u8], separators: &mut Separators) {
        let mut from = 0;
        while from < lines.len() {
            let text = &lines[from..];
            let len = text.len().min(TEXT_BYTES);
            let here = offset + from as u64;
            let end = match text.first_chunk() {
                Some(window) => self.window(order, here, window, len, separators),
                None => {
                    let mut window = [0; WINDOW_BYTES];
                    window[..text.len()].copy_from_slice(text);
                    self.window(order, here, &window, len, separators)
                }
            };
            // Not one line may end in a window.
            from += end.unwrap_or_else(|| self.first_line(here, text));
        }
    }

    /// Reads the lines that end in a window, and says where the last of them ends.
    fn window(
        &mut self,
        order: impl Order,
        offset: u64,
        window: &Window,
        len: usize,
        separators: &mut Separators,
    ) -> Option<usize> {
        separators.find(window, len);
        let mut read = None;
        let mut lines = separators.lines();
        let has_empty = separators.has_empty();
        while let Some(line) = lines.next(order.places().count()) {
            if has_empty || line.starts.and_then(|starts| self.usual_line(order, window, starts)).is_none() {
                self.line(offset + line.begin as u64, window.get(line.begin..line.after - 1)?);
            }
            read = Some(line.after);
        }
        read
    }

    /// Reads a line, however long, and says where it ends.
    fn first_line(&mut self, offset: u64, lines: &[u8]) -> usize {
        let end = memchr::memchr(b'\n', lines);
        if end.is_some_and(|end| end >= LINE_BYTES_MAX) {
            self.fault(Fault::too_long(offset));
        } else {
            self.line(offset, &lines[..end.unwrap_or(lines.len())]);
        }
        end.map_or(lines.len(), |end| end + 1)
    }

    /// Reads a line that is as nearly all are; `None` if it is not.
    #[inline]
    fn usual_line(&mut self, order: impl Order, window: &Window, starts: &[u16]) -> Option<()> {
        let line = Line::new(order, window, starts)?;
        let record = self.records.get_mut(self.keys.len())?;
        let (interface, network) = line.read(&mut self.times, record)?;
        match self.points.key(interface, network) {
            Some(key) => self.push(key),
            None => {
                let record = *record;
                self.flush();
                let point = self.points.other(interface, network, self.sink)?;
                self.sink.record(&FlowRecord { point, ..record });
            }
        }
        Some(())
    }

    /// Reads a line of any kind, without its end.
    #[cold]
    fn line(&mut self, offset: u64, line: &[u8]) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if !line.is_empty()
            && let Err(reason) = self.any_line(line)
        {
            self.fault(Fault { offset, reason });
        }
    }

    fn any_line(&mut self, line: &[u8]) -> Result<(), String> {
        let mut values = Values::new();
        let read = values.read(self.layout, line).and_then(|()| values.meaning());
        let meaning = read.map_err(|broken| broken.reason(line, self.layout))?;
        let (interface, network) = values.names();
        let key = self.points.key(interface, network);
        if let (Meaning::Flow, Some(key), Some(record)) =
            (meaning, key, self.records.get_mut(self.keys.len()))
        {
            *record = values.record(LATER);
            self.push(key);
            return Ok(());
        }
        self.flush();
        let point = match key {
            Some(key) => Some(self.points.find(&key, self.sink)),
            None => self.points.other(interface, network, self.sink),
        };
        let point = point.ok_or_else(|| format!("`{}` is no name of an interface", quoted(interface)))?;
        match meaning {
            Meaning::Flow => self.sink.record(&values.record(point)),
            Meaning::Gap(kind) => {
                let (start, end) = values.times();
                self.sink.gap(Gap { point, start, end, kind });
            }
        }
        Ok(())
    }

    /// The record that comes next waits now.
    #[inline]
    fn push(&mut self, key: Key) {
        self.keys.push(key);
        if self.keys.len() == BATCH_MAX {
            self.flush();
        }
    }

    fn fault(&mut self, fault: Fault) {
        self.flush();
        self.sink.fault(fault);
    }

    fn flush(&mut self) {
        let records = self.records.get_mut(..self.keys.len()).unwrap_or_default();
        self.points.resolve(self.keys, records, self.sink);
        self.sink.records(records);
        self.keys.clear();
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use crate::sink::{Point, PointId};

    #[derive(Clone, PartialEq, Debug)]
    enum Told {
        Record(FlowRecord),
        Gap(Gap),
        Fault(Fault),
    }

    /// Everything in order. Points have the numbers of their names.
    #[derive(Default)]
    struct All {
        told: Vec<Told>,
        flushed: usize,
    }

    impl Sink for All {
        fn point(&mut self, point: Point<'_>) -> PointId {
            let name = point.interface.unwrap_or_default().bytes();
            PointId(name.fold(0, |sum, byte| sum * 31 % 1_000_003 + u32::from(byte)))
        }
        fn record(&mut self, record: &FlowRecord) {
            self.told.push(Told::Record(*record));
        }
        fn records(&mut self, records: &[FlowRecord]) {
            self.flushed += usize::from(records.len() == BATCH_MAX);
            records.iter().for_each(|record| self.record(record));
        }
        fn gap(&mut self, gap: Gap) {
            self.told.push(Told::Gap(gap));
        }
        fn fault(&mut self, fault: Fault) {
            self.told.push(Told::Fault(fault));
        }
    }

    /// Line after line, each of them as a line of any kind.
    fn slowly(layout: &Layout, lines: &[u8]) -> Vec<Told> {
        let mut sink = All::default();
        let mut points = Points::default();
        let Scratch { mut keys, mut records, .. } = Scratch::default();
        let times = Times::default();
        let mut batch = Batch {
            layout,
            keys: &mut keys,
            records: &mut records,
            times,
            points: &mut points,
            sink: &mut sink,
        };
        let mut from = 0;
        while from < lines.len() {
            from += batch.first_line(1000 + from as u64, &lines[from..]);
        }
        batch.flush();
        sink.told
    }

    /// Lines of all kinds and lengths, so that windows end anywhere in them.
    fn text(rng: &mut fastrand::Rng) -> Vec<u8> {
        let mut text = Vec::new();
        let [odd, end] = [rng.u8(..20) * rng.u8(..2), rng.u8(..20)];
        for _ in 0..rng.usize(..400) {
            let line = match rng.u8(..20) {
                kind if kind > odd => format!(
                    "2 123456789012 eni-{:017x} 10.0.{}.1 10.0.0.{} {} 443 6 {} 1234 1790000000 1790000001 ACCEPT OK",
                    rng.u64(..20),
                    rng.u8(..),
                    rng.u8(..),
                    rng.u16(..),
                    rng.u16(..),
                ),
                0 => String::new(),
                1 => " ".repeat(rng.usize(..30)),
                2 => "x".repeat(rng.usize(..3) * rng.usize(..5000)),
                3 => "2 1 eni-1 - - - - - - - 10 20 - NODATA".into(),
                4 => "2 1 eni-1 10.0.0.1 10.0.0.2 1 2 6 1 1 10 20 ACCEPT OK 1".into(),
                5 => "2 1 eni-1 10.0.0.1 10.0.0.2 1 2 6 1 1 10 20 ACCEPT".into(),
                _ => "2 1 eni-12345678 10.0.0.1 ::1 1 2 6 1 1 10 20 REJECT OK".into(),
            };
            text.extend_from_slice(line.as_bytes());
            text.extend_from_slice(if end == 0 { b"\r\n" } else { b"\n" });
        }
        if rng.bool() {
            text.truncate(rng.usize(..=text.len()));
        }
        text
    }

    #[test]
    fn a_text_is_read_as_line_by_line() {
        let mut rng = fastrand::Rng::with_seed(10);
        let v2 = "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status";
        let shuffled = "version subnet-id interface-id srcaddr dstaddr srcport dstport protocol bytes packets start end action log-status";
        let layouts = [v2, shuffled].map(|header| Layout::of_header(header.as_bytes()).unwrap().unwrap());
        let mut counts = [0; 4];
        let mut points = Points::default();
        for _ in 0..1500 {
            let layout = rng.choice(&layouts).unwrap();
            let text = text(&mut rng);
            let mut sink = All::default();
            layout.read(1000, &text, &mut points, &mut sink);
            let expected = slowly(layout, &text);
            assert_eq!(sink.told.len(), expected.len());
            for (told, expected) in sink.told.iter().zip(&expected) {
                assert_eq!(told, expected);
                counts[match told {
                    Told::Record(_) => 0,
                    Told::Gap(_) => 1,
                    Told::Fault(_) => 2,
                }] += 1;
            }
            counts[3] += sink.flushed;
        }
        let [records, gaps, faults, full] = counts;
        println!("{records} records, {gaps} gaps, {faults} faults, {full} full batches");
        assert!(records > 150_000 && gaps > 3_000 && faults > 10_000 && full > 1_000);
    }
}
