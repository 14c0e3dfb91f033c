//! Bytes of a text, cut anywhere, made into whole lines again.
//!
//! What lies between two cuts is handed on as it is, without a copy; only the line across a cut is put together.
//!
//! INVARIANT: never more than [`LINE_BYTES_MAX`] bytes are kept, whatever comes in.

use super::LINE_BYTES_MAX;

/// What a text is cut into.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cut<'a> {
    /// One or more whole lines, with their ends; only the last of a text may have none.
    Lines {
        /// Where they begin in the text.
        offset: u64,
        /// The bytes.
        lines: &'a [u8],
    },
    /// A line that is longer than [`LINE_BYTES_MAX`] and is left out.
    TooLong {
        /// Where it begins in the text.
        offset: u64,
    },
}

/// Cuts a text at line ends.
#[derive(Clone, Debug, Default)]
pub struct Lines {
    /// The line that is not whole yet; empty while one that is too long goes by.
    tail: Vec<u8>,
    /// How many bytes came in.
    taken: u64,
    /// Where a line that is too long began, until its end comes.
    too_long: Option<u64>,
}

impl Lines {
    /// Takes the next bytes and hands on what became whole, in order.
    pub fn feed(&mut self, bytes: &[u8], take: &mut impl FnMut(Cut<'_>)) {
        let first = memchr::memchr(b'\n', bytes).map(|at| at + 1);
        let rest = match first {
            Some(end) if self.is_inside() => {
                self.keep(&bytes[..end], take);
                self.end_line(take);
                end
            }
            _ => 0,
        };
        let whole = memchr::memrchr(b'\n', &bytes[rest..]).map_or(rest, |at| rest + at + 1);
        if whole > rest {
            take(Cut::Lines { offset: self.taken, lines: &bytes[rest..whole] });
            self.taken += (whole - rest) as u64;
        }
        self.keep(&bytes[whole..], take);
    }

    /// Hands on a last line that has no end, and says how long the text was.
    pub fn finish(&mut self, take: &mut impl FnMut(Cut<'_>)) -> u64 {
        self.end_line(take);
        self.taken
    }

    /// Goes past whole lines that somebody else deals with, and says where they began. INVARIANT: not inside of a line.
    pub fn pass(&mut self, bytes: usize) -> u64 {
        let begin = self.taken;
        self.taken += bytes as u64;
        begin
    }

    /// Whether a line is not whole yet.
    pub fn is_inside(&self) -> bool {
        !self.tail.is_empty() || self.too_long.is_some()
    }

    /// Keeps bytes of the line that is not whole yet, unless it is too long.
    fn keep(&mut self, bytes: &[u8], take: &mut impl FnMut(Cut<'_>)) {
        let begin = self.taken - self.tail.len() as u64;
        self.taken += bytes.len() as u64;
        if self.too_long.is_some() {
            return;
        }
        if self.tail.len() + bytes.len() > LINE_BYTES_MAX {
            self.tail.clear();
            self.too_long = Some(begin);
            take(Cut::TooLong { offset: begin });
            return;
        }
        self.tail.extend_from_slice(bytes);
    }

    fn end_line(&mut self, take: &mut impl FnMut(Cut<'_>)) {
        if self.too_long.take().is_none() && !self.tail.is_empty() {
            take(Cut::Lines { offset: self.taken - self.tail.len() as u64, lines: &self.tail });
            self.tail.clear();
        }
    }
}
