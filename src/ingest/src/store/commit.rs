//! One commit: summaries, what stands beside them, and the cursors, all or nothing.

use std::collections::BTreeMap;

use bytes::Bytes;
use flow::{Coverage, Summaries};
use object_store::ObjectStoreExt;

use super::manifest::{Blob, Manifest, Part, SourceState};
use super::parts::{cut, incoming};
use super::write::{Writer, token};
use super::{StoreError, coverage, recover};
use crate::failure::of_place;
use crate::quarantine::{CASES_MAX, Case, to_lines};

/// Files of one kind that are joined into one.
const BLOBS_MAX: usize = 64;

/// What is to become true.
#[derive(Debug, Default)]
pub struct Commit {
    /// Rows to add; each with its own width of windows.
    pub summaries: Vec<Summaries>,
    /// What was watched and what was lost.
    pub coverage: Coverage,
    /// What could not be read.
    pub cases: Vec<Case>,
    /// Sources that got further.
    pub sources: BTreeMap<String, SourceState>,
    /// Who held which address when, in place of what is there.
    pub timeline: Option<Vec<u8>>,
}

impl Commit {
    /// Whether nothing would become true.
    pub fn is_empty(&self) -> bool {
        self.summaries.iter().all(|summaries| summaries.rows.is_empty())
            && self.coverage == Coverage::default()
            && self.cases.is_empty()
            && self.sources.is_empty()
            && self.timeline.is_none()
    }
}

impl Writer {
    /// Makes it true in one write.
    ///
    /// # Errors
    /// Nothing of it is true then, or all: [`Writer::source`] says which after the next call. [`StoreError::TakenOver`].
    pub async fn commit(&mut self, commit: Commit) -> Result<(), StoreError> {
        self.be_sure().await?;
        self.keep().await?;
        self.place_all().await;
        let mut next = self.manifest.clone();
        let mut replaced = Vec::new();
        let written = self.write_files(&commit, &mut next, &mut replaced).await;
        next.sources.extend(commit.sources);
        let saved = match written {
            Ok(()) => self.save(next).await,
            Err(error) => Err(error),
        };
        // After an error files may be left over: they do not count, and the next writer removes them.
        saved?;
        self.unplaced = true;
        self.place_all().await;
        self.remove(replaced).await;
        Ok(())
    }

    async fn write_files(
        &self,
        commit: &Commit,
        next: &mut Manifest,
        replaced: &mut Vec<String>,
    ) -> Result<(), StoreError> {
        for summaries in &commit.summaries {
            next.parts.extend(self.write_parts(summaries).await?);
        }
        if commit.coverage != Coverage::default() {
            let (first, last) = self.told_of(commit);
            let blob =
                self.write_blob(coverage::FOLDER, coverage::line(&commit.coverage), first, last).await?;
            next.coverage.push(blob);
        }
        if !commit.cases.is_empty() {
            let found = || commit.cases.iter().map(|case| case.found);
            let (first, last) = (found().min().unwrap_or(0), found().max().unwrap_or(0));
            let blob = self.write_blob("quarantine", to_lines(&commit.cases), first, last).await?;
            next.quarantine.push(blob);
        }
        drop_cases(next, replaced);
        self.join(coverage::FOLDER, &mut next.coverage, replaced).await?;
        self.join("quarantine", &mut next.quarantine, replaced).await?;
        if let Some(timeline) = &commit.timeline {
            let blob = self.write_blob("timeline", timeline.clone(), 0, 0).await?;
            replaced.extend(next.timeline.replace(blob).map(|old| old.path));
        }
        Ok(())
    }

    /// The first and the last second that what stands beside the rows says something about; now, if it is of no time.
    fn told_of(&self, commit: &Commit) -> (i64, i64) {
        let rows = commit.summaries.iter().flat_map(|summaries| &summaries.rows);
        let times = rows.map(|(_, tally)| (tally.first, tally.last));
        let told = commit.coverage.points.values().filter_map(|watched| watched.first.zip(watched.last));
        let both = times.chain(told).reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)));
        both.unwrap_or_else(|| ((self.now)(), (self.now)()))
    }

    /// Writes parts to where they wait.
    pub(super) async fn write_parts(&self, summaries: &Summaries) -> Result<Vec<Part>, StoreError> {
        let mut parts = Vec::new();
        for (part, bytes) in cut(summaries, self.manifest.generation + 1)? {
            self.write(&incoming(&part.path), bytes).await?;
            parts.push(part);
        }
        Ok(parts)
    }

    async fn write_blob(
        &self,
        folder: &str,
        lines: Vec<u8>,
        first: i64,
        last: i64,
    ) -> Result<Blob, StoreError> {
        let path = format!("{folder}/{:010}-{}.jsonl", self.manifest.generation + 1, token());
        let (bytes, count) = (lines.len() as u64, lines.iter().filter(|&&byte| byte == b'\n').count());
        self.write(&path, lines.into()).await?;
        Ok(Blob { path, bytes, lines: count as u64, first, last })
    }

    async fn write(&self, path: &str, bytes: Bytes) -> Result<(), StoreError> {
        let result = self.place.store.put(&self.place.path(path), bytes.into()).await;
        result.map_err(|error| of_place("write to the store", error))?;
        Ok(())
    }

    /// Joins many files to one: a commit every minute would make many. Coverage becomes one, which is no larger than what
    /// there is to watch.
    async fn join(
        &self,
        folder: &str,
        blobs: &mut Vec<Blob>,
        replaced: &mut Vec<String>,
    ) -> Result<(), StoreError> {
        if blobs.len() <= BLOBS_MAX {
            return Ok(());
        }
        let reader = self.reader();
        let (mut lines, mut all) = (Vec::new(), Coverage::default());
        for blob in blobs.iter() {
            // What was written in this commit can be read already.
            let more = reader.blob(blob).await?;
            match folder {
                coverage::FOLDER => coverage::add(&mut all, &more, &blob.path)?,
                _ => lines.extend_from_slice(&more),
            }
        }
        if folder == coverage::FOLDER {
            lines = coverage::line(&all);
        }
        let first = blobs.iter().map(|blob| blob.first).min().unwrap_or(0);
        let last = blobs.iter().map(|blob| blob.last).max().unwrap_or(0);
        let joined = self.write_blob(folder, lines, first, last).await?;
        replaced.extend(std::mem::replace(blobs, vec![joined]).into_iter().map(|blob| blob.path));
        Ok(())
    }

    /// Takes out what was replaced, then moves parts that count to their places. What cannot be done now waits: readers of the
    /// manifest find a part that waits, and a glob must not see it beside what it replaced.
    pub(super) async fn place_all(&mut self) {
        if self.unswept {
            match self.sweep().await {
                Ok(()) => (self.unswept, self.unplaced) = (false, true),
                Err(error) => {
                    tracing::warn!(%error, "what does not count is looked for later");
                    return;
                }
            }
        }
        let gone = std::mem::take(&mut self.gone);
        self.gone = self.remove(gone).await;
        if self.unplaced && self.gone.is_empty() {
            match recover::place(&self.place, &self.manifest.parts).await {
                Ok(()) => self.unplaced = false,
                Err(error) => tracing::warn!(%error, "new parts wait in `incoming`"),
            }
        }
    }
}

/// The oldest cases go when there are too many.
fn drop_cases(next: &mut Manifest, replaced: &mut Vec<String>) {
    let mut lines: u64 = next.quarantine.iter().map(|blob| blob.lines).sum();
    while lines > CASES_MAX && next.quarantine.len() > 1 {
        let oldest = next.quarantine.remove(0);
        lines -= oldest.lines;
        next.cases_dropped += oldest.lines;
        replaced.push(oldest.path);
    }
}
