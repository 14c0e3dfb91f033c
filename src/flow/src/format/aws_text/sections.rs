//! Stretches of a text that have one layout: files that were joined have a header line in the middle.
//!
//! Lines are read in any order and on any thread once their layout is known, so headers are looked for first, in
//! order, by the one word that every header has.

use std::ops::Range;
use std::sync::Arc;

use memchr::memmem::Finder;

use super::layout::{Layout, LayoutError};
use super::quoted;
use crate::format::LINE_BYTES_MAX;
use crate::sink::Fault;

/// A name that every layout has, be it as the end of `pkt-srcaddr`.
const IN_EVERY_HEADER: &[u8] = b"srcaddr";

/// Some editors put it in front of a text.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Lines of one layout.
#[derive(Clone, Debug)]
pub struct Section {
    /// Where they stand in the lines that were given.
    pub range: Range<usize>,
    /// How to read them.
    pub layout: Arc<Layout>,
}

/// What a text is split into.
#[derive(Clone, Debug)]
pub enum Found {
    /// Lines that can be read.
    Section(Section),
    /// A header that cannot.
    Fault(Fault),
}

/// How the next line is to be read.
#[derive(Clone, Debug)]
enum State {
    /// There was no line yet.
    Begin,
    Reading(Arc<Layout>),
    /// It was said why; there may be a better header yet.
    Refusing,
}

/// Splits a text into sections.
#[derive(Clone, Debug)]
pub struct Sections {
    state: State,
    finder: Finder<'static>,
}

impl Sections {
    /// Of a text that begins with a header line.
    pub fn with_header() -> Self {
        Self { state: State::Begin, finder: Finder::new(IN_EVERY_HEADER) }
    }

    /// Of a text without a header line, from the LogFormat of its flow log.
    ///
    /// # Errors
    /// What is no LogFormat, or lacks a field that is needed.
    pub fn of_log_format(format: &str) -> Result<Self, LayoutError> {
        let layout = Arc::new(Layout::of_log_format(format)?);
        Ok(Self { state: State::Reading(layout), finder: Finder::new(IN_EVERY_HEADER) })
    }

    /// Splits whole lines, which are the next of the text and begin at `offset` in it.
    pub fn split(&mut self, offset: u64, lines: &[u8], take: &mut impl FnMut(Found)) {
        let mut from = 0;
        if matches!(self.state, State::Begin) {
            from = self.begin(offset, lines, take);
        }
        let mut searched = from;
        while let Some(found) = self.finder.find(lines.get(searched..).unwrap_or_default()) {
            let header = line_around(lines, searched + found);
            searched = header.end;
            if let Some(layout) = Layout::of_header(trimmed(&lines[header.clone()])) {
                self.give(from..header.start, take);
                self.turn(layout, offset + header.start as u64, take);
                from = header.end;
            }
        }
        self.give(from..lines.len(), take);
    }

    /// Reads the header at the beginning of the text, and says where it ends.
    fn begin(&mut self, offset: u64, lines: &[u8], take: &mut impl FnMut(Found)) -> usize {
        let blank = lines.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        if blank == lines.len() {
            return blank;
        }
        let first = line_around(lines, blank);
        let begin = offset + first.start as u64;
        if first.len() > LINE_BYTES_MAX {
            take(Found::Fault(Fault::too_long(begin)));
            return first.end + self.begin(offset + first.end as u64, &lines[first.end..], take);
        }
        let text = trimmed(&lines[first.clone()]);
        let names = if begin == 0 { text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text) } else { text };
        let layout = Layout::of_header(names);
        let layout = layout.unwrap_or_else(|| Err(LayoutError::NoNames(quoted(text).to_string())));
        self.turn(layout, begin, take);
        first.end
    }

    fn turn(&mut self, layout: Result<Layout, LayoutError>, offset: u64, take: &mut impl FnMut(Found)) {
        self.state = match layout {
            Ok(layout) => State::Reading(Arc::new(layout)),
            Err(error) => {
                let reason = format!("header: {error}: nothing that follows it can be read");
                take(Found::Fault(Fault { offset, reason }));
                State::Refusing
            }
        };
    }

    fn give(&self, range: Range<usize>, take: &mut impl FnMut(Found)) {
        if let (State::Reading(layout), false) = (&self.state, range.is_empty()) {
            take(Found::Section(Section { range, layout: Arc::clone(layout) }));
        }
    }
}

/// The line that a place is in, with its end.
fn line_around(lines: &[u8], at: usize) -> Range<usize> {
    let start = memchr::memrchr(b'\n', &lines[..at]).map_or(0, |before| before + 1);
    let end = memchr::memchr(b'\n', &lines[at..]).map_or(lines.len(), |end| at + end + 1);
    start..end
}

/// A line without its end.
pub(super) fn trimmed(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}
