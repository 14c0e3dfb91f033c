//! Google Cloud: log entries as JSON, one a line, of VPC flow logs and of firewall rules logging.
//!
//! Flow logs have no verdicts and firewall logs have no counters; both are records here, told apart by their
//! [`Outcome`]. Entries of other logs are counted, not read: an export may hold whatever its filter lets through.
//!
//! Formats: <https://cloud.google.com/vpc/docs/about-flow-logs-records>,
//! <https://cloud.google.com/firewall/docs/firewall-rules-logging>.

use memchr::memchr;

use super::LINE_BYTES_MAX;
use super::field::fault;
use super::lines::{Cut, Lines};
use super::points::Points;
use crate::record::{FlowRecord, Outcome};
use crate::sink::{Fault, Sink};

mod entry;
mod scan;
mod time;

/// Reads entries in order, one a line.
#[derive(Debug, Default)]
pub struct Gcp {
    lines: Lines,
    memory: Memory,
}

/// What is kept from entry to entry. Belongs to one sink.
#[derive(Debug, Default)]
pub struct Memory {
    points: Points,
    others: u64,
}

impl Gcp {
    /// A reader at the beginning of a line.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many entries were of other logs.
    pub fn others(&self) -> u64 {
        self.memory.others
    }

    /// Reads on. The bytes may be cut anywhere.
    pub fn feed(&mut self, bytes: &[u8], sink: &mut impl Sink) {
        let Self { lines, memory } = self;
        lines.feed(bytes, &mut |cut| read_cut(cut, memory, sink));
    }

    /// Reads a last line that has no line end. All bytes are dealt with then: objects with entries do not grow.
    pub fn finish(&mut self, sink: &mut impl Sink) -> u64 {
        let Self { lines, memory } = self;
        lines.finish(&mut |cut| read_cut(cut, memory, sink))
    }
}

fn read_cut(cut: Cut<'_>, memory: &mut Memory, sink: &mut impl Sink) {
    match cut {
        Cut::TooLong { offset } => sink.fault(Fault::too_long(offset)),
        Cut::Lines { offset, lines } => read(offset, lines, memory, sink),
    }
}

/// Reads whole lines, which begin at `offset` in their text.
pub(super) fn read(offset: u64, lines: &[u8], memory: &mut Memory, sink: &mut impl Sink) {
    let (mut rest, mut begin) = (lines, offset);
    while !rest.is_empty() {
        let end = memchr(b'\n', rest).map_or(rest.len(), |end| end + 1);
        let (line, after) = rest.split_at(end);
        if line.len() > LINE_BYTES_MAX {
            sink.fault(Fault::too_long(begin));
        } else {
            memory.entry(begin, line.trim_ascii(), sink);
        }
        (rest, begin) = (after, begin + end as u64);
    }
}

impl Memory {
    fn entry(&mut self, begin: u64, line: &[u8], sink: &mut impl Sink) {
        if line.is_empty() {
            return;
        }
        match entry::read(line) {
            Ok(None) => self.others += 1,
            Ok(Some(seen)) => {
                let point = seen.point(&mut self.points, sink);
                sink.record(&FlowRecord { point, ..seen.record });
            }
            Err(reason) => sink.fault(fault(begin, reason)),
        }
    }
}

/// What the rule of a firewall log did.
fn disposition(text: &str) -> Option<Outcome> {
    match text {
        "ALLOWED" => Some(Outcome::Accepted),
        "DENIED" => Some(Outcome::Rejected),
        _ => None,
    }
}
