//! What summaries do not know: gaps, faults, guesses, samples. Kept beside them, so that "no flow was seen" is never said
//! of a time in which data was lost.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use serde::{Deserialize, Serialize};

use crate::record::Outcome;
use crate::sink::{Cloud, Fault, Gap, GapKind, Point};

mod spans;

pub use spans::{Span, Spans};

/// Different reasons of faults that are kept; the faults of all further ones are counted together.
pub const REASONS_MAX: usize = 64;

/// The longest reason that is kept, in characters.
const REASON_CHARS_MAX: usize = 200;

/// The name of a point, in small letters.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct PointName {
    /// Whose log it is.
    pub cloud: Cloud,
    /// See [`Point::interface`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interface: Option<String>,
    /// See [`Point::network`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<String>,
}

impl PointName {
    /// The name as it is compared.
    pub fn of(point: &Point<'_>) -> Self {
        let small = |name: Option<&str>| name.map(str::to_lowercase);
        Self { cloud: point.cloud, interface: small(point.interface), network: small(point.network) }
    }
}

/// What is known of the log of one point.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Watched {
    /// Records.
    pub records: u64,
    /// The first second that a record, or the word that there was none, tells of.
    pub first: Option<i64>,
    /// The last one.
    pub last: Option<i64>,
    /// Records were lost (SKIPDATA).
    #[serde(default, skip_serializing_if = "Spans::is_empty")]
    pub lost: Spans,
    /// There was no traffic, says the log (NODATA).
    #[serde(default, skip_serializing_if = "Spans::is_empty")]
    pub quiet: Spans,
}

impl Watched {
    /// Something in `first..=last` was told of.
    pub(crate) fn note(&mut self, first: i64, last: i64) {
        self.first = Some(self.first.map_or(first, |known| known.min(first)));
        self.last = Some(self.last.map_or(last, |known| known.max(last)));
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        self.records += other.records;
        if let (Some(first), Some(last)) = (other.first, other.last) {
            self.note(first, last);
        }
        self.lost.add_all(&other.lost);
        self.quiet.add_all(&other.quiet);
    }
}

/// What a source of logs says of itself.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct SourceFacts {
    /// Some connections are not in it (Google's flow logs, always).
    pub is_sampled: bool,
    /// Holds only what was accepted, or only what was rejected: the absence of the other is no evidence.
    pub only: Option<Outcome>,
}

/// Faults by reason.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Faults {
    /// All of them.
    pub count: u64,
    /// At most [`REASONS_MAX`] reasons, each with how often it was met; what was in the text is left out.
    pub by_reason: BTreeMap<String, u64>,
    /// Those whose reasons are not listed.
    pub unlisted: u64,
}

impl Faults {
    fn add(&mut self, reason: &str, count: u64) {
        self.count += count;
        if let Some(known) = self.by_reason.get_mut(reason) {
            *known += count;
        } else if self.by_reason.len() < REASONS_MAX {
            self.by_reason.insert(reason.to_owned(), count);
        } else {
            self.unlisted += count;
        }
    }
}

/// The facts beside summaries. Coverages of different data add up ([`Coverage::merge`]).
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Coverage {
    /// Records that are in the summaries.
    pub records: u64,
    /// Of these, those of which who opened the connection was guessed.
    pub guessed: u64,
    /// Of these, those from before the first sighting: their ends are those of later.
    pub before_first: u64,
    /// Of these, those at points of which nothing is known: attributed by address alone.
    pub at_unknown_points: u64,
    /// Ends that were told as a block of addresses, since there were too many.
    pub folded: u64,
    /// Records that are *not* in the summaries: their times cannot be.
    pub misdated: u64,
    /// What could not be read.
    pub faults: Faults,
    /// By name.
    pub sources: BTreeMap<String, SourceFacts>,
    /// By name.
    #[serde(with = "as_list")]
    pub points: BTreeMap<PointName, Watched>,
}

/// What is not known of a time.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Lost {
    /// When some point lost records.
    pub spans: Spans,
    /// The points that lost records then, with when.
    pub points: Vec<(PointName, Spans)>,
    /// Points whose logs tell nothing of the time, or of a part of it at its beginning or end. A log that is only written
    /// when there is something to write may be among them.
    pub silent: usize,
    /// Points in all.
    pub points_known: usize,
    /// Sources that do not log every connection.
    pub sampled: Vec<String>,
    /// Sources that log only what was accepted.
    pub accepted_only: Vec<String>,
    /// Sources that log only what was rejected.
    pub rejected_only: Vec<String>,
    /// Faults and records with impossible times, whenever they were.
    pub unread: u64,
}

impl Lost {
    /// Sources that do not log every connection, each with why: `shop (sampled)`.
    pub fn partial(&self) -> Vec<String> {
        let whys = [
            (&self.sampled, "sampled"),
            (&self.accepted_only, "only what was accepted"),
            (&self.rejected_only, "only what was rejected"),
        ];
        whys.into_iter()
            .flat_map(|(names, why)| names.iter().map(move |name| format!("{name} ({why})")))
            .collect()
    }

    /// Whether "no such flow was seen" may be said of the time without a word of warning.
    pub fn is_nothing(&self) -> bool {
        let Self { spans, silent, points_known, sampled, accepted_only, rejected_only, unread, .. } = self;
        let is_partial = !(sampled.is_empty() && accepted_only.is_empty() && rejected_only.is_empty());
        spans.is_empty() && *silent == 0 && *points_known > 0 && !is_partial && *unread == 0
    }
}

impl Coverage {
    /// What is not known of the time from one Unix second to just before another one.
    pub fn lost(&self, from: i64, until: i64) -> Lost {
        let mut lost = Lost { points_known: self.points.len(), ..Lost::default() };
        for (name, watched) in &self.points {
            let spans = watched.lost.within(from, until);
            let is_told = watched.first.is_some_and(|first| first <= from)
                && watched.last.is_some_and(|last| last >= until.saturating_sub(1));
            lost.silent += usize::from(!is_told);
            if !spans.is_empty() {
                lost.spans.add_all(&spans);
                lost.points.push((name.clone(), spans));
            }
        }
        let sources = |is: &dyn Fn(&SourceFacts) -> bool| {
            self.sources.iter().filter(|(_, facts)| is(facts)).map(|(name, _)| name.clone()).collect()
        };
        lost.sampled = sources(&|facts| facts.is_sampled);
        lost.accepted_only = sources(&|facts| facts.only == Some(Outcome::Accepted));
        lost.rejected_only = sources(&|facts| facts.only == Some(Outcome::Rejected));
        lost.unread = self.faults.count + self.misdated;
        lost
    }

    /// Adds what is known of other data.
    pub fn merge(&mut self, other: Self) {
        self.records += other.records;
        self.guessed += other.guessed;
        self.before_first += other.before_first;
        self.at_unknown_points += other.at_unknown_points;
        self.folded += other.folded;
        self.misdated += other.misdated;
        for (reason, &count) in &other.faults.by_reason {
            self.faults.add(reason, count);
        }
        self.faults.count += other.faults.unlisted;
        self.faults.unlisted += other.faults.unlisted;
        for (name, facts) in &other.sources {
            self.source(name, facts);
        }
        // Names are moved: there may be very many.
        if self.points.is_empty() {
            self.points = other.points;
            return;
        }
        for (name, watched) in other.points {
            match self.points.entry(name) {
                Entry::Vacant(new) => drop(new.insert(watched)),
                Entry::Occupied(mut known) => known.get_mut().merge(&watched),
            }
        }
    }

    /// Forgets the points that tell of nothing since a time, and gaps before it: for what is kept for long.
    pub fn forget_before(&mut self, time: i64) {
        self.points.retain(|_, watched| watched.last.is_some_and(|last| last >= time));
        for watched in self.points.values_mut() {
            watched.lost = watched.lost.within(time, i64::MAX);
            watched.quiet = watched.quiet.within(time, i64::MAX);
        }
    }

    /// What a source says of itself. Of two words the one that knows less counts.
    pub fn source(&mut self, name: &str, facts: &SourceFacts) {
        let Some(known) = self.sources.get_mut(name) else {
            self.sources.insert(name.to_owned(), facts.clone());
            return;
        };
        known.is_sampled |= facts.is_sampled;
        known.only = known.only.or(facts.only);
    }

    pub(crate) fn fault(&mut self, fault: &Fault) {
        self.faults.add(&kind(&fault.reason), 1);
    }
}

impl Watched {
    pub(crate) fn gap(&mut self, gap: &Gap) {
        self.note(gap.start, gap.end);
        // The log's end is the last second that it means.
        let span = Span(gap.start, gap.end.saturating_add(1));
        match gap.kind {
            GapKind::NoData => self.quiet.add(span),
            GapKind::Skipped => self.lost.add(span),
        }
    }
}

/// A reason without what was in the text, so that the same mistake is the same reason: ``a port is no number: `…` ``.
fn kind(reason: &str) -> String {
    let mut kind = String::new();
    for (number, part) in reason.split('`').enumerate() {
        if number > 0 {
            kind.push('`');
        }
        kind.push_str(if number % 2 == 0 { part } else { "…" });
    }
    kind.chars().take(REASON_CHARS_MAX).collect()
}

/// A map whose keys are no texts, as a list of pairs.
mod as_list {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serializer};

    use super::{PointName, Watched};

    pub(super) fn serialize<S: Serializer>(
        points: &BTreeMap<PointName, Watched>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(points)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<PointName, Watched>, D::Error> {
        Ok(Vec::<(PointName, Watched)>::deserialize(deserializer)?.into_iter().collect())
    }
}
