//! Summing up: records in, one row for each source, destination, service, outcome, side and window out.
//!
//! A [`Summariser`] is the sink of one thread. What several made is put together with [`Summariser::merge`]; the order does
//! not matter, since [`Summariser::into_summaries`] sorts ends and rows.
//!
//! Memory: a group is 16 bytes of key and 72 of counts, and the share of the table that is empty.

use std::sync::Arc;

use policy::ServicePoint;
use rustc_hash::FxHashMap;

use crate::attribute::{Attributor, NamedServices, Sighting, Way};
use crate::coverage::{Coverage, PointName, SourceFacts, Watched};
use crate::record::{FlowRecord, Outcome};
use crate::sink::{Fault, Gap, Point, PointId, Sink};
use crate::summary::{EndId, Key, Side, Summaries, Tally};
use crate::timeline::Holders;

/// No flow log is older than 2000-01-01; what says so is wrong.
const OLDEST: i64 = 946_684_800;

/// So far a clock may be ahead of ours.
const AHEAD_MAX_S: i64 = 86_400;

/// How to sum.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Settings {
    /// Width of a window in seconds.
    pub window_s: u32,
    /// Addresses of nobody known that are kept as they are; further ones are told as blocks. The first ones are kept: with
    /// more than that, several summarisers together tell other blocks than one alone.
    pub externals_max: usize,
    /// The time now, Unix seconds: what is more than a day after it cannot be.
    pub now: i64,
}

impl Settings {
    /// Windows of an hour, and 50,000 addresses.
    pub fn at(now: i64) -> Self {
        Self { window_s: 3600, externals_max: 50_000, now }
    }
}

/// Records of one point.
#[derive(Clone, Copy)]
struct Seen {
    records: u64,
    first: i64,
    last: i64,
}

impl Seen {
    const NOTHING: Self = Self { records: 0, first: i64::MAX, last: i64::MIN };

    fn into(self, watched: &mut Watched) {
        if self.records > 0 {
            watched.records += self.records;
            watched.note(self.first, self.last);
        }
    }
}

/// Records that are attributed before they are summed. The table of groups is larger than any cache: one after the other in a
/// tight loop, the processor waits for several of them at once.
const WAITING_MAX: usize = 64;

/// The sink that sums.
pub struct Summariser {
    settings: Settings,
    attributor: Attributor,
    groups: FxHashMap<Packed, Tally>,
    waiting: Vec<(Packed, Tally)>,
    numbers: FxHashMap<PointName, PointId>,
    watched: Vec<(PointName, Watched)>,
    /// One for each point: what its records add to what is watched.
    seen: Vec<Seen>,
    coverage: Coverage,
}

impl Summariser {
    /// Nothing summed yet. `named` tells which services rules name between two ends, where the log does not say who
    /// opened a connection.
    pub fn new(settings: Settings, holders: Arc<Holders>, named: Option<NamedServices>) -> Self {
        Self {
            settings: Settings { window_s: settings.window_s.max(1), ..settings },
            attributor: Attributor::new(holders, settings.externals_max, named),
            groups: FxHashMap::default(),
            waiting: Vec::with_capacity(WAITING_MAX),
            numbers: FxHashMap::default(),
            watched: Vec::new(),
            seen: Vec::new(),
            coverage: Coverage::default(),
        }
    }

    /// What a source says of itself; asked for by the name of the source.
    pub fn source(&mut self, name: &str, facts: &SourceFacts) {
        self.coverage.source(name, facts);
    }

    /// How many groups there are, but for the last few records: what the memory depends on.
    pub fn groups(&self) -> usize {
        self.groups.len()
    }

    /// Records that were summed.
    pub fn records(&self) -> u64 {
        self.coverage.records
    }

    /// Adds what another one summed, in windows of the width of one of the two (let it be the same).
    pub fn merge(mut self, mut other: Self) -> Self {
        if other.groups.len() > self.groups.len() {
            std::mem::swap(&mut self, &mut other);
        }
        let their_window_s = other.settings.window_s;
        let (theirs, groups, coverage) = other.into_parts();
        let ours = self.attributor.ends_mut();
        let renumbered: Vec<EndId> = theirs.iter().map(|(_, end)| ours.intern(end.clone())).collect();
        for (packed, tally) in groups {
            let mut key = unpack(packed, their_window_s);
            (key.source, key.destination) =
                (renumbered[key.source.0 as usize], renumbered[key.destination.0 as usize]);
            self.groups.entry(pack(&key, self.settings.window_s)).or_default().add(&tally);
        }
        self.coverage.merge(&coverage);
        self
    }

    /// Ends in their order, rows by key; and what they do not know.
    pub fn into_summaries(self) -> (Summaries, Coverage) {
        let window_s = self.settings.window_s;
        let (ends, groups, coverage) = self.into_parts();
        let rows = groups.into_iter().map(|(packed, tally)| (unpack(packed, window_s), tally)).collect();
        (Summaries { window_s, ends, rows }.sorted(), coverage)
    }

    fn sum_waiting(&mut self) {
        for (key, tally) in self.waiting.drain(..) {
            self.groups.entry(key).or_default().add(&tally);
        }
    }

    fn into_parts(mut self) -> (crate::Ends, FxHashMap<Packed, Tally>, Coverage) {
        self.sum_waiting();
        let mut coverage = self.coverage;
        coverage.folded += self.attributor.folded();
        for ((name, mut watched), seen) in self.watched.into_iter().zip(self.seen) {
            seen.into(&mut watched);
            let one = Coverage { points: [(name, watched)].into(), ..Coverage::default() };
            coverage.merge(&one);
        }
        (self.attributor.into_ends(), self.groups, coverage)
    }

    fn is_dated(&self, start: i64, end: i64) -> bool {
        let newest = self.settings.now.saturating_add(AHEAD_MAX_S);
        [start, end].iter().all(|time| (OLDEST..=newest).contains(time))
    }

    fn count(&mut self, record: &FlowRecord, sighting: &Sighting) {
        self.coverage.records += 1;
        self.coverage.guessed += u64::from(sighting.is_guessed);
        self.coverage.before_first += u64::from(sighting.is_before_first);
        self.coverage.at_unknown_points += u64::from(sighting.is_at_unknown_point);
        if let Some(seen) = self.seen.get_mut(record.point.0 as usize) {
            seen.records += 1;
            seen.first = seen.first.min(record.start);
            seen.last = seen.last.max(record.end.max(record.start));
        }
    }
}

impl Sink for Summariser {
    fn point(&mut self, point: Point<'_>) -> PointId {
        let name = PointName::of(&point);
        if let Some(&known) = self.numbers.get(&name) {
            return known;
        }
        let number = self.attributor.point(&point);
        self.watched.push((name.clone(), Watched::default()));
        self.seen.push(Seen::NOTHING);
        self.numbers.insert(name, number);
        number
    }

    fn record(&mut self, record: &FlowRecord) {
        if !self.is_dated(record.start, record.end) {
            self.coverage.misdated += 1;
            return;
        }
        let Some(sighting) = self.attributor.attribute(record) else {
            // A reader that invents points: not silent, and not a row of nobody.
            self.coverage
                .fault(&Fault { offset: 0, reason: "a record of a point without a name".to_owned() });
            return;
        };
        self.count(record, &sighting);
        let window_s = i64::from(self.settings.window_s);
        let key = Key {
            window: record.start.div_euclid(window_s) * window_s,
            source: sighting.source,
            destination: sighting.destination,
            service: sighting.service,
            outcome: sighting.outcome,
            side: sighting.side,
        };
        let tally = tally(record, &sighting);
        self.waiting.push((pack(&key, self.settings.window_s), tally));
        if self.waiting.len() >= WAITING_MAX {
            self.sum_waiting();
        }
    }

    fn gap(&mut self, gap: Gap) {
        if !self.is_dated(gap.start, gap.end) {
            self.coverage.misdated += 1;
            return;
        }
        if let Some((_, watched)) = self.watched.get_mut(gap.point.0 as usize) {
            watched.gap(&gap);
        }
    }

    fn fault(&mut self, fault: Fault) {
        self.coverage.fault(&fault);
    }
}

/// What one record adds to its group.
fn tally(record: &FlowRecord, sighting: &Sighting) -> Tally {
    let mut tally = Tally {
        first: record.start,
        last: record.end.max(record.start),
        guessed: u64::from(sighting.is_guessed),
        ..Tally::default()
    };
    let (there, back) = match sighting.way {
        Way::Forward => (record.forward, record.backward),
        Way::Reply => (record.backward, record.forward),
    };
    match (sighting.way, record.outcome) {
        // What was dropped came to nobody: it is no traffic of the connection.
        (Way::Reply, Outcome::Rejected) => tally.rejected_replies = 1,
        _ => {
            (tally.packets, tally.bytes) = (there.packets, there.bytes);
            (tally.reply_packets, tally.reply_bytes) = (back.packets, back.bytes);
        }
    }
    if sighting.way == Way::Forward {
        tally.connections = u64::from(record.connections);
    }
    tally
}

/// A key in 16 bytes: number of the window, service, outcome, side; ends. Not an `u128`, whose alignment would cost 8 more.
type Packed = (u64, u64);

fn pack(key: &Key, window_s: u32) -> Packed {
    let window = key.window.div_euclid(i64::from(window_s)) as u32;
    let service = u32::from(key.service.protocol) << 16 | u32::from(key.service.detail);
    let seen = key.outcome as u32 * 4 + key.side as u32;
    let high = u64::from(window) << 32 | u64::from(service << 4 | seen);
    let low = u64::from(key.source.0) << 32 | u64::from(key.destination.0);
    (high, low)
}

const OUTCOMES: [Outcome; 4] = [Outcome::Accepted, Outcome::Rejected, Outcome::Unknown, Outcome::Unknown];
const SIDES: [Side; 4] = [Side::Source, Side::Destination, Side::Elsewhere, Side::Both];

fn unpack((high, low): Packed, window_s: u32) -> Key {
    let (window, service) = ((high >> 32) as u32, high as u32);
    Key {
        window: i64::from(window) * i64::from(window_s),
        source: EndId((low >> 32) as u32),
        destination: EndId(low as u32),
        service: ServicePoint { protocol: (service >> 20) as u8, detail: (service >> 4) as u16 },
        outcome: OUTCOMES[(service >> 2 & 3) as usize],
        side: SIDES[(service & 3) as usize],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_key_is_packed_without_loss(
            window in 0u32.., source: u32, destination: u32, protocol: u8, detail: u16, outcome in 0usize..3,
            side in 0usize..4, window_s in 1u32..100_000,
        ) {
            let key = Key {
                window: i64::from(window) * i64::from(window_s),
                source: EndId(source),
                destination: EndId(destination),
                service: ServicePoint { protocol, detail },
                outcome: OUTCOMES[outcome],
                side: SIDES[side],
            };
            prop_assert_eq!(unpack(pack(&key, window_s), window_s), key);
        }
    }

    #[test]
    fn a_group_is_as_small_as_it_says() {
        assert_eq!(size_of::<(Packed, Tally)>(), 88);
    }
}
