//! What could not be read, kept where somebody will look for it.

use serde::{Deserialize, Serialize};

/// Cases of one piece that are kept; what is beyond is counted in one more case.
pub const CASES_OF_PIECE_MAX: usize = 100;
/// Cases that a store keeps: the oldest files of them go first, and how many went is counted.
pub const CASES_MAX: u64 = 10_000;

/// One case: one line of JSON in the store.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Case {
    /// The name of the source.
    pub source: String,
    /// The piece.
    pub key: String,
    /// Which version of it.
    pub version: String,
    /// Byte offset in the (decompressed) text.
    pub offset: u64,
    /// Why: one line.
    pub reason: String,
    /// When it was found, Unix seconds.
    pub found: i64,
}

/// Cases as lines.
pub(crate) fn to_lines(cases: &[Case]) -> Vec<u8> {
    let mut lines = Vec::new();
    for case in cases {
        // A case is texts and numbers, and a vector takes every byte.
        if serde_json::to_writer(&mut lines, case).is_ok() {
            lines.push(b'\n');
        }
    }
    lines
}

/// Lines as cases; a line that is none is left out.
pub(crate) fn from_lines(lines: &[u8]) -> Vec<Case> {
    lines.split(|&byte| byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect()
}
