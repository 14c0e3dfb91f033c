//! A text in blocks of whole lines whose layout is known, so that any thread can read any of them.

use flow::Fault;
use flow::format::apart::{Section, Split};
use flow::format::lines::{Cut, Lines};

use super::account::Faults;
use crate::unpack::WINDOW_BYTES;

/// A block has at least so much, unless the text ends or something in it is unusual.
const BLOCK_BYTES_MIN: usize = WINDOW_BYTES / 2;

/// Whole lines of a text.
#[derive(Debug, Default)]
pub(super) struct Block {
    /// Where they begin in the text.
    pub(super) offset: u64,
    pub(super) lines: Vec<u8>,
    /// How to read them.
    pub(super) sections: Vec<Section>,
}

/// Makes blocks of a text.
#[derive(Debug)]
pub(super) struct Blocks {
    lines: Lines,
    open: Open,
}

/// The block that is not full yet.
#[derive(Debug)]
struct Open {
    block: Block,
    split: Split,
    faults: Faults,
}

impl Blocks {
    pub(super) fn new(split: Split) -> Self {
        let open = Open { block: Block::default(), split, faults: Faults::default() };
        Self { lines: Lines::default(), open }
    }

    /// Takes the next bytes, and leaves those of the line that is not whole. `put` takes a full block and gives an old one to
    /// fill: the bytes themselves are handed on, and not copied.
    pub(super) fn feed(&mut self, window: &mut Vec<u8>, put: &mut impl FnMut(Block) -> Block) {
        if window.len() < BLOCK_BYTES_MIN {
            return;
        }
        self.end_line(window, put);
        let end = memchr::memrchr(b'\n', window).map_or(0, |at| at + 1);
        if end > 0 {
            let mut next = self.open.spare(put);
            next.extend_from_slice(&window[end..]);
            window.truncate(end);
            let whole = std::mem::replace(window, next);
            self.open.put_whole(self.lines.pass(end), whole, put);
        } else {
            // Longer than a window.
            self.slowly(window, put);
        }
    }

    /// Puts the rest of the text. A last line without an end belongs to it only if the text was whole.
    pub(super) fn finish(
        &mut self,
        rest: &mut Vec<u8>,
        is_whole: bool,
        put: &mut impl FnMut(Block) -> Block,
    ) {
        self.slowly(rest, put);
        let Self { lines, open } = self;
        if is_whole {
            lines.finish(&mut |cut| open.add(cut, put));
        }
        open.put(put);
    }

    /// Ends a line that is longer than a window, if its end is there.
    fn end_line(&mut self, window: &mut Vec<u8>, put: &mut impl FnMut(Block) -> Block) {
        if !self.lines.is_inside() {
            return;
        }
        if let Some(end) = memchr::memchr(b'\n', window) {
            let mut rest = window.split_off(end + 1);
            self.slowly(window, put);
            window.append(&mut rest);
        }
    }

    fn slowly(&mut self, window: &mut Vec<u8>, put: &mut impl FnMut(Block) -> Block) {
        let Self { lines, open } = self;
        lines.feed(window, &mut |cut| open.add(cut, put));
        window.clear();
    }

    /// What could not be made blocks.
    pub(super) fn into_faults(self) -> Faults {
        self.open.faults
    }
}

impl Open {
    fn add(&mut self, cut: Cut<'_>, put: &mut impl FnMut(Block) -> Block) {
        let (offset, lines) = match cut {
            Cut::TooLong { offset } => return self.faults.push(Fault::too_long(offset)),
            Cut::Lines { offset, lines } => (offset, lines),
        };
        // Lines of a block follow each other without a hole.
        let is_next = self.block.offset + self.block.lines.len() as u64 == offset;
        let is_full = self.block.lines.len() + lines.len() > WINDOW_BYTES;
        if !self.block.lines.is_empty() && (is_full || !is_next) {
            self.put(put);
        }
        if self.block.lines.is_empty() {
            self.block.offset = offset;
        }
        self.block.lines.extend_from_slice(lines);
    }

    /// Puts whole lines. INVARIANT: the open block is empty.
    fn put_whole(&mut self, offset: u64, lines: Vec<u8>, put: &mut impl FnMut(Block) -> Block) {
        (self.block.offset, self.block.lines) = (offset, lines);
        self.put(put);
    }

    /// The buffer of the open block, if nothing is in it.
    fn spare(&mut self, put: &mut impl FnMut(Block) -> Block) -> Vec<u8> {
        if !self.block.lines.is_empty() {
            self.put(put);
        }
        std::mem::take(&mut self.block.lines)
    }

    fn put(&mut self, put: &mut impl FnMut(Block) -> Block) {
        let Self { block, split, faults } = self;
        split.split(block.offset, &block.lines, &mut block.sections, &mut |fault| faults.push(fault));
        let full = std::mem::take(block);
        *block = put(full);
        block.lines.clear();
        block.sections.clear();
    }
}
