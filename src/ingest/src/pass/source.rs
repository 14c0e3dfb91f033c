//! One source in a pass.

use std::collections::BTreeMap;

use provider::{ErrorKind, FlowSource, Packing, Piece, Progress, ProviderError};

use super::batch::Batch;
use super::tail::{TAIL_BYTES, Tail, skip_same};
use super::{Gauge, Intake, Pass, PieceBytes, SourceStatus, Taken};
use crate::quarantine::{CASES_OF_PIECE_MAX, Case};
use crate::source::growing::may_grow;
use crate::source::layout::{DAY_S, day_of, start_of};
use crate::store::{SourceState, StoreError};

/// Pieces in a row that may fail before the rest of the source waits for the next pass.
const FAILURES_IN_A_ROW_MAX: u32 = 3;

/// Reads what is new in a source and commits it.
///
/// # Errors
/// Of the store alone: what is wrong with the source is in its status.
pub(super) async fn read(
    pass: &mut Pass<'_>,
    source: &dyn FlowSource,
    intake: &mut impl Intake,
    status: &mut SourceStatus,
) -> Result<(), StoreError> {
    let state = pass.writer.source(source.name());
    let mut reading = Reading { source, state, batch: Batch::new(), status, again: BTreeMap::new() };
    reading.look_for_late(pass).await;
    loop {
        let max = pass.limits.pieces_max + reading.again.len();
        let listed = match source.pieces(&reading.state.cursor, max).await {
            Ok(listed) => listed,
            Err(error) => {
                reading.status.error = Some(error);
                break;
            }
        };
        let is_all = listed.len() < max;
        let last = listed.last().map_or(i64::MAX, |piece| piece.modified);
        let mut fresh = listed;
        fresh.retain(|piece| !reading.again.contains_key(&piece.key));
        let is_over = fresh.is_empty() || reading.read_all(pass, intake, fresh, last).await?;
        if is_all && !is_over {
            reading.commit(pass, i64::MAX).await?;
        }
        if is_all || is_over {
            break;
        }
    }
    // What was read before the source failed or was stopped counts.
    reading.commit(pass, i64::MIN).await
}

struct Reading<'a> {
    source: &'a dyn FlowSource,
    state: SourceState,
    batch: Batch,
    status: &'a mut SourceStatus,
    /// Pieces that are left to the next pass, with their times: they failed, or break off and may grow.
    again: BTreeMap<String, i64>,
}

impl Reading<'_> {
    /// Whether to stop here: after failures, or because somebody said so.
    async fn read_all(
        &mut self,
        pass: &mut Pass<'_>,
        intake: &mut impl Intake,
        pieces: Vec<Piece>,
        last: i64,
    ) -> Result<bool, StoreError> {
        let mut in_a_row = 0;
        let mut left = pieces.into_iter();
        while let Some(piece) = left.next() {
            let more = left.as_slice();
            pass.gauge.left.store(more.len() as u64 + 1, std::sync::atomic::Ordering::Relaxed);
            match self.piece(pass, intake, &piece).await {
                Ok(()) => in_a_row = 0,
                Err(error) => {
                    in_a_row += 1;
                    self.again.insert(piece.key.clone(), piece.modified);
                    self.status.failed.push((piece.key, error.clone()));
                    if in_a_row == FAILURES_IN_A_ROW_MAX {
                        self.status.error = Some(error);
                        return Ok(true);
                    }
                }
            }
            if self.batch.is_full(&pass.limits) {
                let floor = more.first().map_or(last, |piece| piece.modified);
                self.commit(pass, floor).await?;
            }
            if *pass.stop.borrow() {
                return Ok(true);
            }
        }
        pass.gauge.left.store(0, std::sync::atomic::Ordering::Relaxed);
        Ok(false)
    }

    /// Reads a piece; what cannot be read and will not be readable later is a case.
    async fn piece(
        &mut self,
        pass: &Pass<'_>,
        intake: &mut impl Intake,
        piece: &Piece,
    ) -> Result<(), ProviderError> {
        let before = self.state.cursor.pieces.get(&piece.key).cloned();
        if let Some(reason) = before.as_ref().and_then(|_| rewritten(piece)) {
            self.give_up(pass, piece, &reason);
            return Ok(());
        }
        let tail = Tail::default();
        let bytes = match self.open(piece, before.as_ref(), &tail).await {
            Ok(Some(bytes)) => bytes,
            Ok(None) => {
                self.give_up(
                    pass,
                    piece,
                    "it was written anew; what it holds now is not read, or flows would count twice",
                );
                return Ok(());
            }
            Err(error) => return self.failed_piece(pass, piece, error),
        };
        match intake.take(self.source.name(), piece, bytes).await {
            Ok(taken) => {
                self.taken(pass, piece, taken, &tail);
                Ok(())
            }
            Err(error) => self.failed_piece(pass, piece, error),
        }
    }

    /// The bytes from the offset on; nothing if what was read before is not there any more.
    async fn open(
        &self,
        piece: &Piece,
        before: Option<&Progress>,
        tail: &Tail,
    ) -> Result<Option<PieceBytes>, ProviderError> {
        let known = before.filter(|before| piece.offset > 0 && !before.tail.is_empty());
        let back = if known.is_some() { TAIL_BYTES.min(piece.offset) } else { 0 };
        let from = Piece { offset: piece.offset - back, ..piece.clone() };
        let bytes = tail.watch(from.offset, may_grow(piece), self.source.open(&from).await?);
        match known {
            Some(before) => skip_same(bytes, back, &before.tail).await,
            None => Ok(Some(bytes)),
        }
    }

    fn failed_piece(
        &mut self,
        pass: &Pass<'_>,
        piece: &Piece,
        error: ProviderError,
    ) -> Result<(), ProviderError> {
        match error.kind {
            // It is gone: the next listing will not have it.
            ErrorKind::NotFound => {
                self.case(pass, piece, piece.offset, "it vanished before it was read".to_owned());
                Ok(())
            }
            ErrorKind::Rejected => {
                self.give_up(pass, piece, &error.message);
                Ok(())
            }
            _ => Err(error),
        }
    }

    fn taken(&mut self, pass: &Pass<'_>, piece: &Piece, taken: Taken, tail: &Tail) {
        let is_new = taken.offset > piece.offset;
        // Where nothing is read but faults, they would be told again in each pass.
        let is_open = taken.is_open && (is_new || taken.faults.is_empty());
        if is_open {
            self.again.insert(piece.key.clone(), piece.modified);
            if !is_new {
                return;
            }
        }
        let read = tail.read();
        let end = piece.end.unwrap_or(piece.offset + read);
        let is_whole = piece.packing == Packing::Gzip || !may_grow(piece);
        let offset = if is_whole { end } else { taken.offset.clamp(piece.offset, end) };
        for fault in taken.faults.iter().take(CASES_OF_PIECE_MAX) {
            self.case(pass, piece, fault.offset, fault.reason.clone());
        }
        if let Some(more) = taken.faults.len().checked_sub(CASES_OF_PIECE_MAX).filter(|more| *more > 0) {
            self.case(pass, piece, end, format!("and {more} more places that could not be read"));
        }
        self.batch.add(taken.summaries, taken.coverage, read);
        let tail = if may_grow(piece) { tail.before(offset) } else { String::new() };
        // No version is empty: what is open is listed again.
        let version = if is_open { String::new() } else { piece.version.clone() };
        self.dealt_with(piece, Progress { version, offset, modified: piece.modified, tail });
        self.status.pieces += 1;
        self.status.bytes += read;
        self.status.records += taken.records;
        Gauge::add(&pass.gauge.pieces, 1);
        Gauge::add(&pass.gauge.bytes, read);
        Gauge::add(&pass.gauge.records, taken.records);
    }

    /// Says that a piece is not read, once.
    fn give_up(&mut self, pass: &Pass<'_>, piece: &Piece, reason: &str) {
        self.case(pass, piece, piece.offset, reason.to_owned());
        let offset = piece.end.unwrap_or(piece.offset);
        let (version, modified) = (piece.version.clone(), piece.modified);
        self.dealt_with(piece, Progress { version, offset, modified, tail: String::new() });
    }

    fn dealt_with(&mut self, piece: &Piece, progress: Progress) {
        self.state.cursor.pieces.insert(piece.key.clone(), progress);
        self.batch.touch();
    }

    fn case(&mut self, pass: &Pass<'_>, piece: &Piece, offset: u64, reason: String) {
        tracing::warn!(source = self.source.name(), piece = %piece.key, offset, %reason, "not read");
        self.status.cases += 1;
        self.batch.case(Case {
            source: self.source.name().to_owned(),
            key: piece.key.clone(),
            version: piece.version.clone(),
            offset,
            reason,
            found: (pass.writer.now)(),
        });
    }

    /// Once a day, pieces that came after the horizon had passed them.
    async fn look_for_late(&mut self, pass: &Pass<'_>) {
        let now = (pass.writer.now)();
        if now - self.state.looked < DAY_S {
            return;
        }
        match self.source.too_late(&self.state.cursor, self.state.looked, CASES_OF_PIECE_MAX).await {
            Ok(late) => {
                for piece in late {
                    self.case(pass, &piece, 0, "it came so late that it is not read".to_owned());
                }
                self.state.looked = now;
                self.batch.touch();
            }
            Err(error) => tracing::debug!(%error, "late pieces are looked for in the next pass"),
        }
    }

    /// Everything before `floor` was dealt with, but for what failed.
    async fn commit(&mut self, pass: &mut Pass<'_>, floor: i64) -> Result<(), StoreError> {
        let is_moved = self.move_horizon(floor);
        if !self.batch.is_touched() && !is_moved {
            return Ok(());
        }
        let batch = std::mem::replace(&mut self.batch, Batch::new());
        pass.writer.commit(batch.into_commit(self.source.name(), self.state.clone())).await
    }

    /// Forgets pieces that are so old that nothing new can come beside them.
    fn move_horizon(&mut self, floor: i64) -> bool {
        let Some(late_s) = self.source.late_s() else { return false };
        let cursor = &mut self.state.cursor;
        let newest = cursor.pieces.values().map(|progress| progress.modified).max();
        let again = self.again.values().min().copied().unwrap_or(i64::MAX);
        let safe = floor.min(again).min(newest.unwrap_or(i64::MIN)).saturating_sub(late_s);
        // Whole days: what is listed and what is remembered must be the same.
        let horizon = start_of(day_of(safe));
        if horizon <= cursor.horizon {
            return false;
        }
        cursor.horizon = horizon;
        cursor.pieces.retain(|_, progress| progress.modified >= horizon);
        true
    }
}

/// Why a known piece that changed cannot be read on.
fn rewritten(piece: &Piece) -> Option<String> {
    match piece.end {
        Some(end) if end < piece.offset => Some(format!(
            "it is shorter than what was read of it ({end} bytes, {} read); what it holds now is not read, or flows would count twice",
            piece.offset
        )),
        _ if !may_grow(piece) => {
            Some("it was written anew; what it holds now is not read, or flows would count twice".to_owned())
        }
        _ => None,
    }
}
