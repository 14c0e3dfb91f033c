//! Azure: virtual network flow logs (version 4) and NSG flow logs (versions 1 and 2).
//!
//! ```text
//! {"records":[ {element}, {element}, … ]}
//!            ▲         ▲           ▲
//!            positions that `finish` may give: a reader made by `resume` goes on there
//! ```
//! An hour is one document; a minute of one network interface is one element of it. Elements are cut out one by one and
//! parsed on the bytes that were fed, or on a copy of at most [`ELEMENT_BYTES_MAX`] where an element was cut.
//!
//! INVARIANT: records are handed on once their element is whole, never before: what `finish` gives is exactly what the
//! sink has seen, and an hour that is read in ten parts has each record once.
//!
//! Formats: <https://learn.microsoft.com/azure/network-watcher/vnet-flow-logs-overview> and `nsg-flow-logs-overview`.

use self::scan::{Found, Scan};
use super::field::fault;
use super::points::Points;
use crate::sink::Sink;

mod element;
mod scan;
mod tuple;

/// The largest element that is read: some 700,000 tuples, which one interface would have to write in one minute. More
/// than [`super::LINE_BYTES_MAX`] because an element is no line: it holds all that an interface saw in a minute.
pub const ELEMENT_BYTES_MAX: usize = 64 << 20;

/// What an element may leave behind in memory once it is dealt with.
const KEPT_BYTES_MAX: usize = 1 << 20;

/// Reads one document, or what was added to it.
pub struct Azure {
    scan: Scan,
    /// The beginning of an element that was cut; empty while an element is over the limit.
    cut: Vec<u8>,
    /// Where the element in hand begins.
    begin: u64,
    /// How many bytes were fed.
    offset: u64,
    /// One past the last element that was dealt with.
    done: u64,
    points: Points,
}

impl Default for Azure {
    fn default() -> Self {
        Self::new()
    }
}

impl Azure {
    /// Reads a document from its beginning.
    pub fn new() -> Self {
        Self::at(Scan::new())
    }

    /// Reads what a document has after the position that an earlier `finish` gave. Offsets count from the first byte that is fed
    /// to *this* reader.
    pub fn resume() -> Self {
        Self::at(Scan::among_elements())
    }

    fn at(scan: Scan) -> Self {
        Self { scan, cut: Vec::new(), begin: 0, offset: 0, done: 0, points: Points::default() }
    }

    /// Reads on. The bytes may be cut anywhere.
    pub fn feed(&mut self, bytes: &[u8], sink: &mut impl Sink) {
        let mut at = 0;
        // Where the element in hand begins in these bytes; an element that was cut goes on at 0.
        let mut begin = 0;
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            let (used, found) = self.scan.next(rest);
            at += used;
            let end = self.offset + at as u64;
            match found {
                Found::Nothing => {}
                Found::Between => self.done = end,
                Found::Begin => (begin, self.begin) = (at - 1, end - 1),
                Found::End => self.end(bytes.get(begin..at).unwrap_or_default(), end, sink),
                Found::StrayBegin => self.begin = end - 1,
                Found::StrayEnd => {
                    sink.fault(fault(self.begin, "expected an object in `records`"));
                    self.done = end;
                }
                Found::Unexpected => sink.fault(fault(end - 1, "is no document of flow logs: expected `{`")),
                Found::NoRecords => {
                    sink.fault(fault(end - 1, "is no document of flow logs: it has no `records`"))
                }
            }
        }
        self.offset += bytes.len() as u64;
        if self.scan.is_inside_element() {
            self.keep(bytes.get(begin..).unwrap_or_default());
        }
    }

    /// One past the last whole element (or, with none, past the bracket that begins them): the rest of a document that has
    /// grown is read from there by [`Azure::resume`]; 0 if the document must be read anew. An element that is not whole is not
    /// lost and no fault: it is read when it is whole. [`Azure::breaks_off`] tells of it.
    pub fn finish(&mut self, _sink: &mut impl Sink) -> u64 {
        self.done
    }

    /// Where the document that was fed breaks off: at the element that is not whole, or at the end of the bytes; `None` if it is whole.
    pub fn breaks_off(&self) -> Option<u64> {
        let at = if self.scan.is_inside_part() { self.begin } else { self.offset };
        self.scan.is_inside_document().then_some(at)
    }

    fn keep(&mut self, part: &[u8]) {
        if self.offset - self.begin > ELEMENT_BYTES_MAX as u64 {
            self.cut = Vec::new();
        } else {
            self.cut.extend_from_slice(part);
        }
    }

    fn end(&mut self, part: &[u8], end: u64, sink: &mut impl Sink) {
        let size = end - self.begin;
        if size > ELEMENT_BYTES_MAX as u64 {
            let reason = format!("an element of {size} bytes is over the limit of {ELEMENT_BYTES_MAX}");
            sink.fault(fault(self.begin, reason));
        } else if self.cut.is_empty() {
            element::read(part, self.begin, &mut self.points, sink);
        } else {
            self.cut.extend_from_slice(part);
            element::read(&self.cut, self.begin, &mut self.points, sink);
        }
        self.cut.clear();
        self.cut.shrink_to(KEPT_BYTES_MAX);
        self.done = end;
    }
}
