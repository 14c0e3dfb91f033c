//! Parts of a day become one, hours become a day, and what is old goes.

use std::collections::BTreeMap;

use flow::Sum;
use flow::stored::Seconds;

use super::StoreError;
use super::manifest::{Manifest, Part};
use super::write::Writer;
use crate::source::layout::DAY_S;

/// Rows that are merged at once: what a compaction holds in memory.
const MERGE_ROWS_MAX: u64 = 2_000_000;
/// Parts that a day has at most while it still gets more.
const PARTS_OF_DAY_MAX: usize = 16;
/// After its end a day still gets late records for so long.
const QUIET_S: i64 = DAY_S;

/// How long what is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Retention {
    /// Windows within a day become one after so many days; never, if `None`.
    pub coarsen_after_days: Option<u32>,
    /// Summaries go after so many days; never, if `None`.
    pub expire_after_days: Option<u32>,
}

/// What a compaction did.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Compacted {
    /// Parts that became fewer.
    pub merged: usize,
    /// Parts that took their place.
    pub made: usize,
    /// Parts that were too old.
    pub expired: usize,
}

impl Writer {
    /// Merges and expires; each day is a commit of its own. Nothing to do costs nothing.
    ///
    /// # Errors
    /// As [`Writer::commit`]; what was done before stays done.
    pub async fn compact(&mut self, retention: &Retention) -> Result<Compacted, StoreError> {
        self.be_sure().await?;
        let now = (self.now)();
        let mut done = Compacted { expired: self.expire(retention, now).await?, ..Compacted::default() };
        let mut days: BTreeMap<String, Vec<Part>> = BTreeMap::new();
        for part in &self.manifest.parts {
            days.entry(part.day.clone()).or_default().push(part.clone());
        }
        for parts in days.into_values() {
            let width = width(&parts, retention, now);
            let Some(chosen) = choose(&parts, width, now) else { continue };
            let made = self.merge(&chosen, width).await?;
            done.merged += chosen.len();
            done.made += made;
        }
        Ok(done)
    }

    async fn expire(&mut self, retention: &Retention, now: i64) -> Result<usize, StoreError> {
        let Some(days) = retention.expire_after_days else { return Ok(0) };
        let first = now - i64::from(days) * DAY_S;
        let (mut next, mut gone) = (self.manifest.clone(), Vec::new());
        let is_old = |part: &Part| part.last.saturating_add(part.window_s.into()) <= first;
        next.parts.retain(|part| {
            gone.extend(is_old(part).then(|| part.path.clone()));
            !is_old(part)
        });
        let expired = gone.len();
        for blobs in [&mut next.coverage, &mut next.quarantine] {
            blobs.retain(|blob| {
                gone.extend((blob.last < first).then(|| blob.path.clone()));
                blob.last >= first
            });
        }
        if !gone.is_empty() {
            self.replace(next, gone).await?;
        }
        Ok(expired)
    }

    async fn merge(&mut self, chosen: &[Part], width: u32) -> Result<usize, StoreError> {
        self.keep().await?;
        // Before anything is written: what waits and is not listed yet would be swept away.
        self.place_all().await;
        let (reader, mut sum) = (self.reader(), Sum::new(width));
        for part in chosen {
            sum.add(&reader.part(part, Seconds::ALL).await?);
        }
        let parts = self.write_parts(&sum.into_summaries()).await?;
        let made = parts.len();
        let mut next: Manifest = self.manifest.clone();
        next.parts.retain(|part| !chosen.iter().any(|old| old.path == part.path));
        next.parts.extend(parts);
        let gone = chosen.iter().map(|part| part.path.clone()).collect();
        self.replace(next, gone).await?;
        Ok(made)
    }

    /// Out first, then in: a glob must not count anything twice.
    async fn replace(&mut self, next: Manifest, gone: Vec<String>) -> Result<(), StoreError> {
        self.save(next).await?;
        self.gone.extend(gone);
        self.unplaced = true;
        self.place_all().await;
        Ok(())
    }
}

/// What the windows of a day shall be.
fn width(parts: &[Part], retention: &Retention, now: i64) -> u32 {
    let widest = parts.iter().map(|part| part.window_s).max().unwrap_or(0);
    let end = parts.iter().map(|part| part.last).max().unwrap_or(now) + DAY_S;
    match retention.coarsen_after_days {
        Some(days) if end + i64::from(days) * DAY_S <= now => widest.max(DAY_S as u32),
        _ => parts.iter().map(|part| part.window_s).min().unwrap_or(0),
    }
}

/// The parts that become one; nothing if they are as they should be. The small ones first, so that what is large is not
/// written again for every small one.
fn choose(parts: &[Part], width: u32, now: i64) -> Option<Vec<Part>> {
    let fits = |part: &&Part| part.window_s > 0 && width.is_multiple_of(part.window_s);
    let mut fitting: Vec<&Part> = parts.iter().filter(fits).collect();
    let is_finer = fitting.iter().any(|part| part.window_s < width);
    let end = parts.iter().map(|part| part.last).max()?.saturating_add(DAY_S);
    let is_quiet = end + QUIET_S <= now;
    if !is_finer && !(fitting.len() > 1 && (is_quiet || fitting.len() > PARTS_OF_DAY_MAX)) {
        return None;
    }
    fitting.sort_by_key(|part| (part.window_s == width, part.rows));
    let mut rows = 0;
    let chosen: Vec<Part> = fitting
        .into_iter()
        .take_while(|part| {
            rows += part.rows;
            rows <= MERGE_ROWS_MAX
        })
        .cloned()
        .collect();
    let changes = chosen.len() > 1 || chosen.iter().any(|part| part.window_s < width);
    changes.then_some(chosen)
}
