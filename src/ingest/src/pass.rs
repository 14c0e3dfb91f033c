//! One pass: lists what is new in each source, reads it, and commits what was made of it together with how far it was read.
//!
//! A pass is idempotent and takes no hint; the next one is the retry. A source or a piece that fails stops nobody else.

mod batch;
mod follow;
mod source;
mod tail;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use flow::{Coverage, Fault, Summaries};
use futures_util::stream::BoxStream;
use provider::{FlowSource, Piece, ProviderError};
use tokio::sync::watch;

use crate::store::{StoreError, Writer};

pub use follow::{Follow, follow};

/// Bytes of a piece as they are stored (packed).
pub type PieceBytes = BoxStream<'static, Result<Vec<u8>, ProviderError>>;

/// Makes summaries of a piece: unpacks, reads its format, attributes, sums.
#[async_trait]
pub trait Intake: Send {
    /// Makes itself ready for a pass: what it has to know of the world, and to keep in the store.
    ///
    /// # Errors
    /// Of the store.
    async fn prepare(&mut self, _writer: &mut Writer) -> Result<(), StoreError> {
        Ok(())
    }

    /// Reads a piece from its offset to the end of the stream. What cannot be read is a fault, not an error.
    ///
    /// # Errors
    /// What the stream failed with: then nothing of the piece counts, and it is read again.
    async fn take(&mut self, source: &str, piece: &Piece, bytes: PieceBytes) -> Result<Taken, ProviderError>;
}

/// What was made of a piece.
#[derive(Clone, Debug, Default)]
pub struct Taken {
    /// Rows.
    pub summaries: Summaries,
    /// What was watched and what was lost.
    pub coverage: Coverage,
    /// What could not be read.
    pub faults: Vec<Fault>,
    /// One past the last byte that was dealt with, in the stored piece. What is packed is dealt with whole, whatever is said here.
    pub offset: u64,
    /// Records in it.
    pub records: u64,
    /// It breaks off in the middle and may yet grow: it is handed out in the next pass, whether it has changed or not.
    pub is_open: bool,
}

/// Bounds of a pass.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Pieces that are listed at once.
    pub pieces_max: usize,
    /// Distinct rows in memory, over which they are committed.
    pub rows_max: usize,
    /// Bytes read, over which what was made of them is committed.
    pub bytes_max: u64,
    /// Time after which what is there is committed.
    pub commit_every: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            pieces_max: 1000,
            rows_max: 500_000,
            bytes_max: 1 << 30,
            commit_every: Duration::from_secs(60),
        }
    }
}

/// How far a pass is; whoever shows it looks at it from time to time.
#[derive(Debug, Default)]
pub struct Gauge {
    /// Stored bytes that were read.
    pub bytes: AtomicU64,
    /// Records that were read.
    pub records: AtomicU64,
    /// Pieces that were read.
    pub pieces: AtomicU64,
    /// Pieces that are known and not read yet.
    pub left: AtomicU64,
}

impl Gauge {
    pub(crate) fn add(counter: &AtomicU64, more: u64) {
        counter.fetch_add(more, Ordering::Relaxed);
    }
}

/// How a pass went for one source.
#[derive(Debug, Default)]
pub struct SourceStatus {
    /// The name of the source.
    pub name: String,
    /// Pieces that were dealt with.
    pub pieces: u64,
    /// Their stored bytes.
    pub bytes: u64,
    /// Their records.
    pub records: u64,
    /// Cases that were put into quarantine.
    pub cases: u64,
    /// Pieces that could not be read and are tried again, with the reason.
    pub failed: Vec<(String, ProviderError)>,
    /// What stopped this source.
    pub error: Option<ProviderError>,
}

/// How a pass went.
#[derive(Debug, Default)]
pub struct Report {
    /// Each source, in their order.
    pub sources: Vec<SourceStatus>,
    /// What stopped the pass: the store. What was not committed is read again.
    pub error: Option<StoreError>,
    /// It was told to stop before it had read everything.
    pub stopped: bool,
}

impl Report {
    /// Whether everything that was there is read and committed.
    pub fn is_complete(&self) -> bool {
        let is_done = |source: &SourceStatus| source.error.is_none() && source.failed.is_empty();
        self.error.is_none() && !self.stopped && self.sources.iter().all(is_done)
    }
}

/// What a pass works with.
pub struct Pass<'a> {
    /// What is read.
    pub sources: &'a [Arc<dyn FlowSource>],
    /// Where it goes.
    pub writer: &'a mut Writer,
    /// Bounds.
    pub limits: Limits,
    /// How far it is.
    pub gauge: Arc<Gauge>,
    /// True when it shall stop after the piece that it reads.
    pub stop: watch::Receiver<bool>,
}

impl Pass<'_> {
    /// Reads everything that is new.
    pub async fn run(&mut self, intake: &mut impl Intake) -> Report {
        let mut report = Report::default();
        if let Err(error) = self.writer.be_sure().await {
            report.error = Some(error);
            return report;
        }
        if let Err(error) = intake.prepare(self.writer).await {
            report.error = Some(error);
            return report;
        }
        for source in self.sources {
            let mut status = SourceStatus { name: source.name().to_owned(), ..SourceStatus::default() };
            let result = source::read(self, &**source, intake, &mut status).await;
            report.sources.push(status);
            if let Err(error) = result {
                report.error = Some(error);
                break;
            }
            if *self.stop.borrow() {
                report.stopped = true;
                break;
            }
        }
        report
    }
}
