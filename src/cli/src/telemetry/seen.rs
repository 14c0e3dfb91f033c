//! What was seen: summaries out of the store, both reporters merged, with what is not known of the time.

use std::collections::BTreeSet;

use flow::replay::{Lost, Uncovered};
use flow::stored::Seconds;
use flow::timeline::Timeline;
use flow::{Coverage, Sum, Summaries};
use ingest::store::{Reader, StoreError};

use super::sources;
use crate::config::Config;
use crate::session::Failure;

/// One window of all time: the rows of a flow become one.
const WHOLE: u32 = u32::MAX;

/// Whether rows of one flow in several windows stay apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Windows {
    /// As they are kept.
    Apart,
    /// One row for all of the time.
    Together,
}

/// What was seen in a stretch of time.
pub struct Seen {
    /// The stretch, Unix seconds.
    pub time: Seconds,
    /// Merged.
    pub summaries: Summaries,
    /// What is not known.
    pub coverage: Coverage,
    /// Who held which address when.
    pub timeline: Timeline,
}

/// Opens the store to read.
///
/// # Errors
/// There is none, or it cannot be read.
pub async fn reader(config: &Config) -> Result<Reader, Failure> {
    let place = sources::store(config).await?;
    Reader::open(place).await.map_err(|error| unreadable(&error))
}

/// Reads everything of a stretch of time.
///
/// # Errors
/// There is no store, or it cannot be read; the time is none.
pub async fn read(config: &Config, time: Seconds, windows: Windows) -> Result<Seen, Failure> {
    if time.from >= time.to {
        return Err(Failure::new("the time ends before it begins", "check `--since` and `--until`"));
    }
    let reader = reader(config).await?;
    let summaries = match windows {
        Windows::Apart => reader.fold(time, Summaries::default, |all, part| all.add(&part)).await,
        Windows::Together => {
            let sum = reader.fold(time, || Sum::new(WHOLE), |sum, part| sum.add(&part));
            sum.await.map(Sum::into_summaries)
        }
    };
    let summaries = summaries.map_err(|error| unreadable(&error))?.merged();
    let coverage = reader.coverage().await.map_err(|error| unreadable(&error))?;
    let timeline = match reader.timeline().await.map_err(|error| unreadable(&error))? {
        Some(bytes) => Timeline::from_json(&String::from_utf8_lossy(&bytes))
            .map_err(|error| Failure::new(format!("the timeline in the flow store: {error}"), ""))?,
        None => Timeline::new(),
    };
    Ok(Seen { time, summaries, coverage, timeline })
}

/// Why a store cannot be used, and what to do.
pub fn unreadable(error: &StoreError) -> Failure {
    let hint = match error {
        StoreError::Absent { .. } => {
            "run `bulkhead flows read` first; check `store` in `flows` of the configuration"
        }
        StoreError::Locked { .. } => "wait until it has ended, or stop it",
        StoreError::Newer { .. } => "use the newer version of bulkhead",
        StoreError::Damaged { .. } => "restore the file, or name another `store` and read again",
        StoreError::Place(error) => error.hint.as_str(),
        StoreError::TakenOver { .. } | StoreError::Changed { .. } => "run the command again",
    };
    Failure::new(error, hint)
}

impl Seen {
    /// What is not known of the time, for a report: sources of the configuration without a record are silent.
    pub fn uncovered(&self, config: &Config) -> Uncovered {
        let (from, to) = (self.time.from, self.time.to);
        let span = u64::try_from(to - from).unwrap_or_default();
        let mut watched = 0;
        let mut lost = Vec::new();
        for (name, point) in &self.coverage.points {
            let (first, last) = point.first.zip(point.last).unwrap_or((to, from));
            let told = (last.min(to) - first.max(from)).max(0);
            let gaps = point.lost.within(from, to);
            let missing: i64 = gaps.iter().map(|gap| gap.1 - gap.0).sum();
            watched += u64::try_from(told - missing).unwrap_or_default();
            let what = name.interface.clone().or_else(|| name.network.clone()).unwrap_or_default();
            let why = "the cloud lost records (SKIPDATA)".to_owned();
            lost.extend(gaps.iter().map(|gap| Lost {
                what: what.clone(),
                from: gap.0,
                to: gap.1,
                why: why.clone(),
            }));
        }
        let read: BTreeSet<&String> = self.coverage.sources.keys().collect();
        let silent =
            config.flows.sources.iter().map(|source| &source.name).filter(|name| !read.contains(name));
        Uncovered {
            window: (from, to),
            watched_s: (span * self.coverage.points.len() as u64, watched),
            lost,
            silent: silent.cloned().collect(),
            partial: self.coverage.lost(from, to).partial(),
        }
    }

    /// What a reader should know besides the rows, in sentences without their full stop.
    pub fn notes(&self) -> Vec<String> {
        let lost = self.coverage.lost(self.time.from, self.time.to);
        let partial = lost.partial().join(", ");
        let all = [
            (!lost.points.is_empty(), format!("points that lost records (SKIPDATA): {}", lost.points.len())),
            (
                !partial.is_empty(),
                format!("what is not seen may have been, for not every connection is logged: {partial}"),
            ),
            (
                lost.unread > 0,
                format!(
                    "records or places that could not be read: {} (`bulkhead flows status`)",
                    lost.unread
                ),
            ),
        ];
        all.into_iter().filter(|(is, _)| *is).map(|(_, note)| note).collect()
    }
}
