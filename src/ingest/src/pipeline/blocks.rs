//! A text in blocks of whole lines whose layout is known, so that any thread can read any of them.

use flow::Fault;
use flow::format::apart::{Section, Split};
use flow::format::lines::{Cut, Lines};

use super::account::Faults;

/// A block is full with so much: large against the cost of a queue, small against the caches of a processor. Only a
/// longer line makes a longer block.
const BLOCK_BYTES: usize = 256 << 10;

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

    /// Takes the next bytes. `put` takes a full block and gives an old one to fill.
    pub(super) fn feed(&mut self, bytes: &[u8], put: &mut impl FnMut(Block) -> Block) {
        let Self { lines, open } = self;
        lines.feed(bytes, &mut |cut| open.add(cut, put));
    }

    /// Puts the rest of the text. A last line without an end belongs to it only if the text was whole.
    pub(super) fn finish(&mut self, is_whole: bool, put: &mut impl FnMut(Block) -> Block) {
        let Self { lines, open } = self;
        if is_whole {
            lines.finish(&mut |cut| open.add(cut, put));
        }
        open.put(put);
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
        let is_full = self.block.lines.len() + lines.len() > BLOCK_BYTES;
        if !self.block.lines.is_empty() && (is_full || !is_next) {
            self.put(put);
        }
        if self.block.lines.is_empty() {
            self.block.offset = offset;
        }
        self.block.lines.extend_from_slice(lines);
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
