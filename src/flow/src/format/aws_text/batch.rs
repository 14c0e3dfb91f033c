//! Whole lines of one layout into a sink, many records at a time.
//!
//! INVARIANT: a sink is told everything in the order of the text: what waits goes before a gap or a fault.

use super::layout::Layout;
use super::line::{Meaning, Values};
use super::points::{Key, LATER, Points};
use super::quoted;
use crate::format::LINE_BYTES_MAX;
use crate::record::FlowRecord;
use crate::sink::{Fault, Gap, Sink};

/// Records that wait: few against the caches of a processor, many against the loads that it has under way.
const BATCH_MAX: usize = 64;

/// Records that wait for the numbers of their points.
struct Batch<'a, S> {
    keys: Vec<Key>,
    records: Vec<FlowRecord>,
    points: &'a mut Points,
    sink: &'a mut S,
}

impl Layout {
    /// Reads whole lines, which begin at `offset` in their text. `points` belongs to the sink.
    ///
    /// Linear in the bytes; nothing is allocated for a line but for faults and for interfaces that were not met before.
    pub fn read(&self, offset: u64, lines: &[u8], points: &mut Points, sink: &mut impl Sink) {
        let (keys, records) = (Vec::with_capacity(BATCH_MAX), Vec::with_capacity(BATCH_MAX));
        let mut batch = Batch { keys, records, points, sink };
        let mut values = Values::new();
        let mut from = 0;
        while from < lines.len() {
            let rest = &lines[from..];
            let end = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
            let line = rest[..end].strip_suffix(b"\r").unwrap_or(&rest[..end]);
            let begin = offset + from as u64;
            if end >= LINE_BYTES_MAX && end < rest.len() {
                batch.fault(Fault::too_long(begin));
            } else if !line.is_empty()
                && let Err(reason) = batch.line(self, line, &mut values)
            {
                batch.fault(Fault { offset: begin, reason });
            }
            from += end + 1;
        }
        batch.flush();
    }
}

impl<S: Sink> Batch<'_, S> {
    #[inline]
    fn line<'a>(&mut self, layout: &Layout, line: &'a [u8], values: &mut Values<'a>) -> Result<(), String> {
        let read = values.read(layout, line).and_then(|()| values.meaning());
        let meaning = read.map_err(|broken| broken.reason(line, layout))?;
        let (interface, network) = values.names();
        match (meaning, self.points.key(interface, network)) {
            (Meaning::Flow, Some(key)) => {
                self.keys.push(key);
                self.records.push(values.record(LATER));
                if self.records.len() == BATCH_MAX {
                    self.flush();
                }
            }
            (meaning, key) => {
                self.flush();
                let point = match key {
                    Some(key) => Some(self.points.find(&key, self.sink)),
                    None => self.points.other(interface, network, self.sink),
                };
                let point =
                    point.ok_or_else(|| format!("`{}` is no name of an interface", quoted(interface)))?;
                match meaning {
                    Meaning::Flow => self.sink.record(&values.record(point)),
                    Meaning::Gap(kind) => {
                        let (start, end) = values.times();
                        self.sink.gap(Gap { point, start, end, kind });
                    }
                }
            }
        }
        Ok(())
    }

    fn fault(&mut self, fault: Fault) {
        self.flush();
        self.sink.fault(fault);
    }

    fn flush(&mut self) {
        self.points.resolve(&self.keys, &mut self.records, self.sink);
        self.sink.records(&self.records);
        self.keys.clear();
        self.records.clear();
    }
}
