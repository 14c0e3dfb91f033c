//! Adds summaries up, of one width of windows.

use flow::{EndId, Ends, Key, Summaries, Tally};
use rustc_hash::FxHashMap;

/// A running sum. Memory grows with the distinct rows.
#[derive(Default)]
pub struct Sum {
    window_s: u32,
    ends: Ends,
    rows: FxHashMap<Key, Tally>,
}

impl Sum {
    /// A sum with windows of a width, which must be a multiple of the width of what is added.
    pub fn new(window_s: u32) -> Self {
        Self { window_s, ..Self::default() }
    }

    /// Adds rows whose windows are not wider.
    pub fn add(&mut self, summaries: &Summaries) {
        let ids: Vec<EndId> = summaries.ends.iter().map(|(_, end)| self.ends.intern(end.clone())).collect();
        let id = |end: EndId| ids.get(end.0 as usize).copied();
        let width = i64::from(self.window_s.max(1));
        for (key, tally) in &summaries.rows {
            let (Some(source), Some(destination)) = (id(key.source), id(key.destination)) else { continue };
            let window = key.window.div_euclid(width) * width;
            self.rows.entry(Key { window, source, destination, ..*key }).or_default().add(tally);
        }
    }

    /// Distinct rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// What came together.
    pub fn into_summaries(self) -> Summaries {
        let mut rows: Vec<(Key, Tally)> = self.rows.into_iter().collect();
        rows.sort_unstable_by_key(|(key, _)| *key);
        Summaries { window_s: self.window_s, ends: self.ends, rows }
    }
}
