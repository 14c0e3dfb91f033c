//! Summing up: records in, one row for each source, destination, service, outcome, side and window out.
//!
//! A [`Summariser`] is the sink of one thread. What several made is put together with [`Summariser::merge`]; the order does
//! not matter, since [`Summariser::into_summaries`] sorts ends and rows.
//!
//! Memory: a group is 64 bytes and 11 to 21 of index.

use std::sync::Arc;

use policy::ServicePoint;

use crate::attribute::{Attributor, Looked, NamedServices, Sighting, Way};
use crate::coverage::{Coverage, SourceFacts};
use crate::record::{FlowRecord, Outcome};
use crate::sink::{Fault, Gap, Point, PointId, Sink};
use crate::summary::{EndId, Key, Side, Summaries, Tally};
use crate::timeline::Holders;
use groups::{Group, Groups, Packed};
use points::Points;

mod groups;
mod points;

/// No flow log is older than 2000-01-01; what says so is wrong.
const OLDEST: i64 = 946_684_800;

/// And none is newer than 2106-02-07: seconds are kept in 32 bits.
const NEWEST: i64 = u32::MAX as i64;

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

/// Records that are looked up, attributed and summed together. Tables are larger than the caches of a processor: in a tight loop
/// it waits for many of them at once.
const WAITING_MAX: usize = 64;

/// The sink that sums.
pub struct Summariser {
    settings: Settings,
    attributor: Attributor,
    groups: Groups,
    /// What was found of the records that are attributed now.
    looked: Vec<Looked>,
    /// Attributed and not in groups yet.
    waiting: Vec<Group>,
    window: Window,
    points: Points,
    /// Those that only merged ones know.
    apart: Points,
    coverage: Coverage,
}

/// The window of the last record: that of the next one is nearly always the same.
#[derive(Clone, Copy)]
struct Window {
    number: u32,
    from: i64,
    until: i64,
}

impl Window {
    const NONE: Self = Self { number: 0, from: 0, until: 0 };

    fn of(time: i64, width_s: u32) -> Self {
        let width = i64::from(width_s);
        let number = time.div_euclid(width);
        let from = number * width;
        Self { number: number as u32, from, until: from + width }
    }
}

impl Summariser {
    /// Nothing summed yet. `named` tells which services rules name between two ends, where the log does not say who
    /// opened a connection.
    pub fn new(settings: Settings, holders: Arc<Holders>, named: Option<NamedServices>) -> Self {
        Self {
            settings: Settings { window_s: settings.window_s.max(1), ..settings },
            attributor: Attributor::new(holders, settings.externals_max, named),
            groups: Groups::default(),
            looked: Vec::with_capacity(WAITING_MAX),
            waiting: Vec::with_capacity(WAITING_MAX),
            window: Window::NONE,
            points: Points::default(),
            apart: Points::default(),
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
        self.sum_waiting();
        other.sum_waiting();
        if other.groups.len() > self.groups.len() {
            std::mem::swap(&mut self, &mut other);
        }
        let (window_s, their_window_s) = (self.settings.window_s, other.settings.window_s);
        other.coverage.folded += other.attributor.folded();
        self.coverage.merge(&other.coverage);
        self.points.merge(other.points, &mut self.apart);
        self.points.merge(other.apart, &mut self.apart);
        let (ours, theirs) = (self.attributor.ends_mut(), other.attributor.into_ends());
        let renumbered: Vec<EndId> = theirs.iter().map(|(_, end)| ours.intern(end.clone())).collect();
        let renumber = |end: EndId| renumbered.get(end.0 as usize).copied().unwrap_or(end);
        self.groups.merge(other.groups, |packed| {
            let packed =
                if window_s == their_window_s { packed } else { repack(packed, their_window_s, window_s) };
            with_ends(packed, renumber)
        });
        self
    }

    /// Ends in their order, rows by key; and what they do not know.
    pub fn into_summaries(mut self) -> (Summaries, Coverage) {
        self.sum_waiting();
        let Self {
            settings: Settings { window_s, .. }, mut coverage, attributor, groups, points, apart, ..
        } = self;
        coverage.folded += attributor.folded();
        points.into_coverage(&mut coverage);
        apart.into_coverage(&mut coverage);
        let rows = groups.into_iter().map(|(packed, tally)| (unpack(packed, window_s), tally)).collect();
        (Summaries { window_s, ends: attributor.into_ends(), rows }.sorted(), coverage)
    }

    fn sum_waiting(&mut self) {
        self.groups.add(&self.waiting);
        self.waiting.clear();
        self.points.count_waiting();
    }

    fn is_dated(&self, start: i64, end: i64) -> bool {
        let newest = self.settings.now.saturating_add(AHEAD_MAX_S).min(NEWEST);
        let is_dated = |time: i64| (OLDEST..=newest).contains(&time);
        is_dated(start) && is_dated(end)
    }

    /// Records that are looked up at the same time.
    fn batch(&mut self, records: &[FlowRecord]) {
        let mut looked = std::mem::take(&mut self.looked);
        looked.clear();
        looked.extend(records.iter().map(|record| self.attributor.look(record)));
        looked.iter_mut().for_each(|looked| self.attributor.look_on(looked));
        for (record, looked) in records.iter().zip(&looked) {
            self.one(record, looked);
        }
        self.looked = looked;
    }

    #[inline]
    fn one(&mut self, record: &FlowRecord, looked: &Looked) {
        if !self.is_dated(record.start, record.end) {
            self.coverage.misdated += 1;
            return;
        }
        let Some(sighting) = self.attributor.sighting(record, looked) else {
            // A reader that invents points: not silent, and not a row of nobody.
            self.coverage
                .fault(&Fault { offset: 0, reason: "a record of a point without a name".to_owned() });
            return;
        };
        self.count(record, &sighting);
        if !(self.window.from..self.window.until).contains(&record.start) {
            self.window = Window::of(record.start, self.settings.window_s);
        }
        let key = pack(self.window.number, &sighting);
        let tally = tally(record, &sighting);
        match Group::new(key, &tally) {
            Some(group) => self.waiting.push(group),
            None => self.groups.add_large(key, &tally),
        }
        if self.waiting.len() >= WAITING_MAX {
            self.sum_waiting();
        }
    }

    #[inline]
    fn count(&mut self, record: &FlowRecord, sighting: &Sighting) {
        self.coverage.records += 1;
        self.coverage.guessed += u64::from(sighting.is_guessed);
        self.coverage.before_first += u64::from(sighting.is_before_first);
        self.coverage.at_unknown_points += u64::from(sighting.is_at_unknown_point);
        self.points.record(record);
    }
}

impl Sink for Summariser {
    fn point(&mut self, point: Point<'_>) -> PointId {
        if let Some(known) = self.points.find(&point) {
            return known;
        }
        self.points.add(&point);
        self.attributor.point(&point)
    }

    fn record(&mut self, record: &FlowRecord) {
        self.batch(std::slice::from_ref(record));
    }

    fn records(&mut self, records: &[FlowRecord]) {
        records.chunks(WAITING_MAX).for_each(|batch| self.batch(batch));
    }

    fn gap(&mut self, gap: Gap) {
        if !self.is_dated(gap.start, gap.end) {
            self.coverage.misdated += 1;
            return;
        }
        self.points.gap(&gap);
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

#[inline]
fn pack(window: u32, sighting: &Sighting) -> Packed {
    let service = u32::from(sighting.service.protocol) << 16 | u32::from(sighting.service.detail);
    let seen = sighting.outcome as u32 * 4 + sighting.side as u32;
    let high = u64::from(window) << 32 | u64::from(service << 4 | seen);
    let low = u64::from(sighting.source.0) << 32 | u64::from(sighting.destination.0);
    (high, low)
}

/// The key with other numbers of ends.
#[inline]
fn with_ends((high, low): Packed, renumber: impl Fn(EndId) -> EndId) -> Packed {
    let [source, destination] = [(low >> 32) as u32, low as u32].map(|number| renumber(EndId(number)).0);
    (high, u64::from(source) << 32 | u64::from(destination))
}

/// The key in windows of another width.
fn repack((high, low): Packed, from_s: u32, to_s: u32) -> Packed {
    let begin = (high >> 32) * u64::from(from_s);
    let window = (begin / u64::from(to_s)) as u32;
    (u64::from(window) << 32 | u64::from(high as u32), low)
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
            side in 0usize..4, window_s in 1u32..100_000, to_s in 1u32..100_000,
        ) {
            let sighting = Sighting {
                source: EndId(source),
                destination: EndId(destination),
                service: ServicePoint { protocol, detail },
                outcome: OUTCOMES[outcome],
                side: SIDES[side],
                way: Way::Forward,
                is_guessed: false,
                is_before_first: false,
                is_at_unknown_point: false,
            };
            let key = Key {
                window: i64::from(window) * i64::from(window_s),
                source: EndId(source),
                destination: EndId(destination),
                service: sighting.service,
                outcome: sighting.outcome,
                side: sighting.side,
            };
            let packed = pack(window, &sighting);
            prop_assert_eq!(unpack(packed, window_s), key);
            let other = |end: EndId| EndId(end.0 ^ 77);
            let renumbered = Key { source: EndId(source ^ 77), destination: EndId(destination ^ 77), ..key };
            prop_assert_eq!(unpack(with_ends(packed, other), window_s), renumbered);
            let number = key.window / i64::from(to_s);
            prop_assume!(number <= i64::from(u32::MAX));
            let repacked = Key { window: number * i64::from(to_s), ..key };
            prop_assert_eq!(unpack(repack(packed, window_s, to_s), to_s), repacked);
        }
    }
}
