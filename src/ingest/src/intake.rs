//! A piece into summaries: unpack, read, attribute, sum; by who held which address at the time of each flow.
//!
//! Who held what is looked up again before a pass, at most as often as [`Settings::look_every_s`], and is kept in the
//! store: a flow of yesterday is attributed to who had the address yesterday, also by a process that starts today.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use flow::format::aws_parquet;
use flow::summarise::Summariser;
use flow::timeline::{Aliases, Holders, Sighted, Timeline};
use flow::{Fault, Format, NamedServices, SourceFacts};
use policy::Snapshot;
use provider::{ErrorKind, Piece, ProviderError};

use crate::pass::{Intake, PieceBytes, Taken};
use crate::pipeline::{self, Account, Pipeline, ReadError};
use crate::source::growing::is_growing;
use crate::source::whole::{WHOLE_BYTES_MAX, whole};
use crate::store::{Commit, Now, StoreError, Writer};

/// What exists at the moment, and how else it may be called.
pub struct Seen {
    /// Workloads, networks, translations.
    pub snapshot: Snapshot,
    /// Names in logs that the inventory does not have.
    pub aliases: Aliases,
    /// Which services rules name between two ends.
    pub named: Option<NamedServices>,
}

/// Looks at what exists.
#[async_trait]
pub trait Inventory: Send + Sync {
    /// What exists now; nothing if it cannot be seen, which the inventory itself tells whoever must know.
    async fn look(&mut self) -> Option<Seen>;
}

/// How to make summaries.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Width of a window in seconds.
    pub window_s: u32,
    /// Addresses of nobody known that are kept as they are, see [`flow::summarise::Settings`].
    pub externals_max: usize,
    /// Seconds between two looks at what exists.
    pub look_every_s: i64,
    /// Who held what before so many seconds is forgotten.
    pub keep_s: i64,
    /// Threads and limits.
    pub pipeline: pipeline::Settings,
}

/// Makes summaries of flow logs.
pub struct FlowIntake<I> {
    inventory: I,
    settings: Settings,
    now: Now,
    sources: BTreeMap<String, SourceFacts>,
    timeline: Option<Timeline>,
    looked: Option<i64>,
    holders: Arc<Holders>,
    aliases: Aliases,
    named: Option<NamedServices>,
    /// Of the last piece, for the next one of the same source: its tables are as large as they have to be.
    kept: Option<(String, Pipeline<Summariser>)>,
}

impl<I: Inventory> FlowIntake<I> {
    /// With what sources say of themselves, by name.
    pub fn new(inventory: I, settings: Settings, sources: BTreeMap<String, SourceFacts>, now: Now) -> Self {
        let aliases = Aliases::default();
        Self {
            inventory,
            settings,
            now,
            sources,
            timeline: None,
            looked: None,
            holders: Arc::new(Holders::new(&Timeline::new(), &aliases)),
            aliases,
            named: None,
            kept: None,
        }
    }

    fn summariser(&self) -> Summariser {
        let settings = flow::summarise::Settings {
            window_s: self.settings.window_s,
            externals_max: self.settings.externals_max,
            now: (self.now)(),
        };
        Summariser::new(settings, self.holders.clone(), self.named.clone())
    }

    /// What is the same for all records of the next piece.
    fn begin(&self, sink: &mut Summariser, source: &str) {
        sink.set_now((self.now)());
        sink.source(source, &self.sources.get(source).cloned().unwrap_or_default());
    }

    /// Who held what, as the store has it.
    async fn stored(&self, writer: &Writer) -> Result<Timeline, StoreError> {
        let Some(bytes) = writer.reader().timeline().await? else { return Ok(Timeline::new()) };
        let damaged = |reason: String| StoreError::Damaged { path: "timeline".to_owned(), reason };
        let text = std::str::from_utf8(&bytes).map_err(|error| damaged(error.to_string()))?;
        Timeline::from_json(text).map_err(|error| damaged(error.to_string()))
    }

    async fn parquet(&self, source: &str, bytes: PieceBytes) -> Result<Taken, ProviderError> {
        let bytes = whole(bytes, WHOLE_BYTES_MAX).await?;
        let mut sink = Apart { summariser: self.summariser(), faults: Vec::new() };
        self.begin(&mut sink.summariser, source);
        let read = tokio::task::spawn_blocking(move || {
            aws_parquet::read(bytes, &mut sink);
            sink
        });
        let Apart { mut summariser, faults } = read.await.map_err(|error| broken(&error))?;
        Ok(taken(&mut summariser, faults, 0))
    }

    async fn stream(
        &mut self,
        source: &str,
        piece: &Piece,
        bytes: PieceBytes,
    ) -> Result<Taken, ProviderError> {
        // It is not kept after an error: what it read is not whole.
        let pipeline = self.pipeline(source);
        let (mut pipeline, account) =
            pipeline.read_piece(piece, bytes).await.map_err(|error| broken(&error))?;
        let account = account.map_err(|error| match error {
            ReadError::Input(error) => error,
            ReadError::Format(error) => ProviderError::new(ErrorKind::Rejected, "read", error.to_string()),
        })?;
        pipeline.sinks().for_each(Summariser::leave);
        let offset = piece.offset + account.read;
        let is_open = account.breaks_off.is_some() && is_growing(piece, (self.now)());
        let faults = faults_of(account, piece.offset, is_open);
        let sink = pipeline.sinks().next();
        let taken = sink.map_or_else(Taken::default, |sink| taken(sink, faults, offset));
        let is_light = pipeline.sinks().all(|sink| sink.is_light());
        self.kept = is_light.then(|| (source.to_owned(), pipeline));
        Ok(Taken { is_open, ..taken })
    }

    fn pipeline(&mut self, source: &str) -> Pipeline<Summariser> {
        let mut pipeline = match self.kept.take() {
            Some((of, kept)) if of == source => kept,
            _ => {
                let first = self.summariser();
                Pipeline::new(self.settings.pipeline, || first.another())
            }
        };
        pipeline.sinks().for_each(|sink| self.begin(sink, source));
        pipeline
    }
}

#[async_trait]
impl<I: Inventory> Intake for FlowIntake<I> {
    async fn prepare(&mut self, writer: &mut Writer) -> Result<(), StoreError> {
        let now = (self.now)();
        if self.looked.is_some_and(|looked| now - looked < self.settings.look_every_s) {
            return Ok(());
        }
        let mut timeline = match self.timeline.take() {
            Some(timeline) => timeline,
            None => self.stored(writer).await?,
        };
        if let Some(seen) = self.inventory.look().await {
            self.looked = Some(now);
            (self.aliases, self.named) = (seen.aliases, seen.named);
            if timeline.sight(now, &seen.snapshot) == Sighted::Changed {
                timeline.forget_before(now - self.settings.keep_s);
                let bytes = timeline.to_json().into_bytes();
                writer.commit(Commit { timeline: Some(bytes), ..Commit::default() }).await?;
            }
        }
        self.holders = Arc::new(Holders::new(&timeline, &self.aliases));
        self.kept = None;
        self.timeline = Some(timeline);
        Ok(())
    }

    async fn take(&mut self, source: &str, piece: &Piece, bytes: PieceBytes) -> Result<Taken, ProviderError> {
        match piece.format {
            Format::AwsParquet => self.parquet(source, bytes).await,
            _ => self.stream(source, piece, bytes).await,
        }
    }
}

/// A sink that keeps faults apart: they are cases of the piece.
struct Apart {
    summariser: Summariser,
    faults: Vec<Fault>,
}

impl flow::Sink for Apart {
    fn point(&mut self, point: flow::Point<'_>) -> flow::PointId {
        self.summariser.point(point)
    }

    fn record(&mut self, record: &flow::FlowRecord) {
        self.summariser.record(record);
    }

    fn records(&mut self, records: &[flow::FlowRecord]) {
        self.summariser.records(records);
    }

    fn gap(&mut self, gap: flow::Gap) {
        self.summariser.gap(gap);
    }

    fn fault(&mut self, fault: Fault) {
        self.faults.push(fault);
    }
}

fn taken(summariser: &mut Summariser, faults: Vec<Fault>, offset: u64) -> Taken {
    // They count in what is not known, too.
    for fault in &faults {
        flow::Sink::fault(summariser, fault.clone());
    }
    let (summaries, coverage) = summariser.take();
    Taken { records: coverage.records, summaries, coverage, faults, offset, is_open: false }
}

fn faults_of(account: Account, offset: u64, is_open: bool) -> Vec<Fault> {
    let more = account.faults_total.saturating_sub(account.faults.len() as u64);
    let mut faults = account.faults;
    faults.iter_mut().for_each(|fault| fault.offset += offset);
    if more > 0 {
        faults.push(Fault { offset, reason: format!("and {more} more places that could not be read") });
    }
    if let Some(end) = account.breaks_off.filter(|_| !is_open) {
        let reason = "the document breaks off here".to_owned();
        faults.push(Fault { offset: offset + end, reason });
    }
    if let Some(damage) = account.damage {
        faults.push(Fault { offset: damage.offset, reason: damage.kind.to_string() });
    }
    faults
}

/// A reader that panicked is a mistake of ours: the piece is told and left.
fn broken(error: &tokio::task::JoinError) -> ProviderError {
    ProviderError::new(ErrorKind::Rejected, "read", format!("the reader failed: {error}"))
}
