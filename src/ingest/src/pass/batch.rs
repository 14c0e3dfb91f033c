//! What was read and is not committed yet.

use std::collections::BTreeMap;
use std::time::Instant;

use flow::{Coverage, Sum, Summaries};

use super::Limits;
use crate::quarantine::Case;
use crate::store::{Commit, SourceState};

/// Rows, cases and coverage since the last commit.
pub(super) struct Batch {
    sums: BTreeMap<u32, Sum>,
    coverage: Coverage,
    cases: Vec<Case>,
    bytes: u64,
    since: Instant,
    is_touched: bool,
}

impl Batch {
    pub(super) fn new() -> Self {
        Self {
            sums: BTreeMap::new(),
            coverage: Coverage::default(),
            cases: Vec::new(),
            bytes: 0,
            since: Instant::now(),
            is_touched: false,
        }
    }

    pub(super) fn add(&mut self, summaries: Summaries, coverage: Coverage, bytes: u64) {
        if !summaries.rows.is_empty() {
            let width = summaries.window_s;
            self.sums.entry(width).or_insert_with(|| Sum::new(width)).add(&summaries);
        }
        drop(summaries);
        self.coverage.merge(coverage);
        self.bytes += bytes;
        self.is_touched = true;
    }

    pub(super) fn case(&mut self, case: Case) {
        self.cases.push(case);
        self.is_touched = true;
    }

    /// The state of the source changed though nothing was read.
    pub(super) fn touch(&mut self) {
        self.is_touched = true;
    }

    pub(super) fn is_touched(&self) -> bool {
        self.is_touched
    }

    pub(super) fn is_full(&self, limits: &Limits) -> bool {
        let rows: usize = self.sums.values().map(Sum::len).sum();
        self.is_touched
            && (rows >= limits.rows_max
                || self.bytes >= limits.bytes_max
                || self.since.elapsed() >= limits.commit_every)
    }

    pub(super) fn into_commit(self, source: &str, state: SourceState) -> Commit {
        Commit {
            summaries: self.sums.into_values().map(Sum::into_summaries).collect(),
            coverage: self.coverage,
            cases: self.cases,
            sources: BTreeMap::from([(source.to_owned(), state)]),
            timeline: None,
        }
    }
}
