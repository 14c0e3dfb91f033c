//! What became of one piece.

use flow::Fault;

use crate::unpack::{Damage, Unpacker};

/// So many faults of a piece are kept, the first ones; all are counted.
pub const FAULTS_MAX: usize = 1000;

/// What became of one piece.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Account {
    /// Bytes that came in.
    pub packed: u64,
    /// Bytes that came out.
    pub unpacked: u64,
    /// One past the last byte of the text that was dealt with.
    pub read: u64,
    /// What is wrong with the packed bytes. All that came out of them before is read, but for a line that is not whole.
    pub damage: Option<Damage>,
    /// What could not be read, in the order of the text: the first [`FAULTS_MAX`].
    pub faults: Vec<Fault>,
    /// How much could not be read.
    pub faults_total: u64,
    /// Where a document breaks off in a text that is not damaged: it may grow.
    pub breaks_off: Option<u64>,
}

impl Account {
    /// Of a text that was read to its end.
    pub(super) fn new(unpacker: &Unpacker, damage: Option<Damage>, faults: Faults) -> Self {
        let Faults { mut kept, total } = faults;
        kept.sort_by_key(|fault| fault.offset);
        kept.truncate(FAULTS_MAX);
        let [packed, unpacked] = [unpacker.packed(), unpacker.unpacked()];
        let (read, faults, faults_total) = (unpacked, kept, total);
        Self { packed, unpacked, read, damage, faults, faults_total, breaks_off: None }
    }
}

/// Faults of one thread. Blocks come to a thread in the order of the text, so the first faults of all are among the first of
/// each.
#[derive(Clone, Debug, Default)]
pub(super) struct Faults {
    kept: Vec<Fault>,
    total: u64,
}

impl Faults {
    pub(super) fn push(&mut self, fault: Fault) {
        self.total += 1;
        if self.kept.len() < FAULTS_MAX {
            self.kept.push(fault);
        }
    }

    pub(super) fn add(&mut self, other: Self) {
        self.total += other.total;
        self.kept.extend(other.kept);
    }
}
