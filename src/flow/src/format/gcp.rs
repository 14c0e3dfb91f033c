//! Google Cloud: log entries as JSON, one a line, of VPC flow logs and of firewall rules logging.
//!
//! Flow logs have no verdicts and firewall logs have no counters; both are records here, told apart by their
//! [`Outcome`]. Entries of other logs are counted, not read: an export may hold whatever its filter lets through.
//!
//! Formats: <https://cloud.google.com/vpc/docs/about-flow-logs-records>,
//! <https://cloud.google.com/firewall/docs/firewall-rules-logging>.

use memchr::memchr;

use self::entry::Names;
use super::LINE_BYTES_MAX;
use super::field::fault;
use super::points::Points;
use crate::record::{FlowRecord, Outcome};
use crate::sink::Sink;

mod entry;
mod time;

/// Reads entries, one a line.
#[derive(Default)]
pub struct Gcp {
    /// The beginning of a line that was cut; empty while a line is over the limit.
    cut: Vec<u8>,
    /// How long the line in hand is so far.
    length: u64,
    /// How many bytes were fed.
    offset: u64,
    others: u64,
    points: Points,
    names: Names,
}

impl Gcp {
    /// A reader at the beginning of a line.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many entries were of other logs.
    pub fn others(&self) -> u64 {
        self.others
    }

    /// Reads on. The bytes may be cut anywhere.
    pub fn feed(&mut self, bytes: &[u8], sink: &mut impl Sink) {
        let mut rest = bytes;
        while let Some(end) = memchr(b'\n', rest) {
            let (line, after) = rest.split_at(end);
            self.length += line.len() as u64;
            self.offset += line.len() as u64;
            self.end_of_line(line, sink);
            self.offset += 1;
            rest = after.get(1..).unwrap_or_default();
        }
        self.offset += rest.len() as u64;
        self.length += rest.len() as u64;
        if self.length > LINE_BYTES_MAX as u64 {
            self.cut = Vec::new();
        } else {
            self.cut.extend_from_slice(rest);
        }
    }

    /// Reads a last line that has no line end. All bytes are dealt with then: objects with entries do not grow.
    pub fn finish(&mut self, sink: &mut impl Sink) -> u64 {
        self.end_of_line(&[], sink);
        self.offset
    }

    /// The line in hand ends with this part of it, at the present offset.
    fn end_of_line(&mut self, part: &[u8], sink: &mut impl Sink) {
        let begin = self.offset - self.length;
        let length = std::mem::take(&mut self.length);
        let mut cut = std::mem::take(&mut self.cut);
        if length > LINE_BYTES_MAX as u64 {
            sink.fault(fault(
                begin,
                format!("a line of {length} bytes is over the limit of {LINE_BYTES_MAX}"),
            ));
        } else if cut.is_empty() {
            self.line(part, begin, sink);
        } else {
            cut.extend_from_slice(part);
            self.line(&cut, begin, sink);
        }
        cut.clear();
        self.cut = cut;
    }

    fn line(&mut self, line: &[u8], begin: u64, sink: &mut impl Sink) {
        let line = line.trim_ascii();
        if line.is_empty() {
            return;
        }
        match entry::read(line) {
            Ok(None) => self.others += 1,
            Ok(Some(seen)) => {
                let point = seen.point(&mut self.names, &mut self.points, sink);
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
