//! Summing up: records in, one row for each source, destination, service, outcome, side and window out.
//!
//! A [`Summariser`] is the sink of one thread; [`Summariser::another`] sums into the same, and what it found is there when it
//! is dropped. The order does not matter, since [`Summariser::into_summaries`] sorts ends and rows. What was summed apart is
//! added as [`Summaries`].
//!
//! Memory: a group is 64 bytes and 11 to 21 of index, however many threads there are.

use std::sync::Arc;

use policy::ServicePoint;
use rustc_hash::FxHashMap;

use crate::attribute::{Attributor, NamedServices, Register, Sighting, Way};
use crate::coverage::{Coverage, SourceFacts, Watched};
use crate::record::{FlowRecord, Outcome};
use crate::sink::{Fault, Gap, Point, PointId, Sink};
use crate::summary::{End, EndId, Ends, Key, Side, Summaries, Tally};
use crate::timeline::Holders;
use groups::Packed;
use shared::{Shared, Waiting};

mod groups;
mod points;
mod shared;
mod sum;

pub use sum::Sum;

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

/// Points that the inventory does not have which one remembers from piece to piece (some 20 MB).
const STRANGERS_MAX: usize = 100_000;

/// Records that are looked up together: few against the caches of a processor, many against the loads that it has under way.
const BATCH: usize = 64;

/// The sink that sums.
pub struct Summariser {
    settings: Settings,
    attributor: Attributor,
    shared: Arc<Shared>,
    /// Attributed and not in groups yet.
    waiting: Waiting,
    /// Something was found that was not left yet.
    is_out: bool,
    window: Window,
    gaps: FxHashMap<PointId, Watched>,
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
        let settings = Settings { window_s: settings.window_s.max(1), ..settings };
        let attributor = Attributor::new(holders, settings.externals_max, named);
        Self::on(settings, attributor, Arc::default())
    }

    /// A sink for another thread, which sums into the same. What it found is there when it was dropped, or left it.
    pub fn another(&self) -> Self {
        Self::on(self.settings, self.attributor.another(), self.shared.clone())
    }

    fn on(settings: Settings, attributor: Attributor, shared: Arc<Shared>) -> Self {
        Self {
            settings,
            attributor,
            shared,
            waiting: Waiting::new(),
            is_out: false,
            window: Window::NONE,
            gaps: FxHashMap::default(),
            coverage: Coverage::default(),
        }
    }

    /// What a source says of itself; asked for by the name of the source.
    pub fn source(&mut self, name: &str, facts: &SourceFacts) {
        self.go_out();
        self.coverage.source(name, facts);
    }

    /// What is now the time now, see [`Settings::now`].
    pub fn set_now(&mut self, now: i64) {
        self.settings.now = now;
    }

    /// [`Summariser::take`], of one that is at its end.
    pub fn into_summaries(mut self) -> (Summaries, Coverage) {
        self.take()
    }

    /// Ends in their order, rows by key; and what they do not know. What others sum into the same is in it as far as they
    /// left it; nothing of it is there any more. Tables are kept: to sum on is faster than to begin anew.
    pub fn take(&mut self) -> (Summaries, Coverage) {
        self.leave();
        let register = self.attributor.register();
        // While this is held nobody goes out: who is out now keeps the numbers of ends that they have.
        let mut rest = self.shared.rest();
        let mut coverage = std::mem::take(&mut rest.coverage);
        std::mem::take(&mut rest.points).into_coverage(register, &mut coverage);
        let window_s = self.settings.window_s;
        let mut rows = Vec::with_capacity(self.shared.groups());
        self.shared.take(|packed, tally| rows.push((unpack(packed, window_s), tally)));
        let summaries = sorted(window_s, register, rows);
        if rest.out == 0 {
            register.forget();
        }
        (summaries, coverage)
    }

    /// Whether it is worth to sum on, and not to begin anew: it remembers each name that it ever met.
    pub fn is_light(&self) -> bool {
        self.attributor.register().strangers() <= STRANGERS_MAX
    }

    /// Leaves what was found to whoever sums into the same.
    pub fn leave(&mut self) {
        if !std::mem::take(&mut self.is_out) {
            return;
        }
        self.waiting.flush(&self.shared);
        self.coverage.folded += self.attributor.take_folded();
        self.attributor.forget();
        self.leave_seen();
        let mut rest = self.shared.rest();
        rest.out -= 1;
        rest.coverage.merge(std::mem::take(&mut self.coverage));
        self.gaps.drain().for_each(|(point, watched)| rest.points.add_watched(point, &watched));
    }

    /// Leaves what was counted of points.
    fn leave_seen(&mut self) {
        let points = &mut self.shared.rest().points;
        self.attributor.take_seen().for_each(|(point, seen)| points.add_seen(point, seen));
    }

    /// There is something that others do not know.
    #[inline]
    fn go_out(&mut self) {
        if !self.is_out {
            self.is_out = true;
            self.shared.rest().out += 1;
        }
    }

    fn is_dated(&self, start: i64, end: i64) -> bool {
        let newest = self.settings.now.saturating_add(AHEAD_MAX_S).min(NEWEST);
        let is_dated = |time: i64| (OLDEST..=newest).contains(&time);
        is_dated(start) && is_dated(end)
    }

    #[inline]
    fn one(&mut self, record: &FlowRecord) {
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
        if !(self.window.from..self.window.until).contains(&record.start) {
            self.window = Window::of(record.start, self.settings.window_s);
        }
        let key = pack(self.window.number, &key(&sighting));
        self.waiting.push(key, &tally(record, &sighting), &self.shared);
    }

    #[inline]
    fn count(&mut self, record: &FlowRecord, sighting: &Sighting) {
        self.coverage.records += 1;
        self.coverage.guessed += u64::from(sighting.is_guessed);
        self.coverage.before_first += u64::from(sighting.is_before_first);
        self.coverage.at_unknown_points += u64::from(sighting.is_at_unknown_point);
        if self.attributor.count(record) {
            self.leave_seen();
        }
    }
}

/// A summariser that is gone leaves what it found.
impl Drop for Summariser {
    fn drop(&mut self) {
        self.leave();
    }
}

/// Numbers of ends by those of elsewhere.
type Numbers = FxHashMap<EndId, EndId>;

/// Ends in their own order, each once; rows by key, each once.
fn sorted(window_s: u32, register: &Register, mut rows: Vec<(Key, Tally)>) -> Summaries {
    let mut numbers = Numbers::default();
    for (key, _) in &rows {
        numbers.extend([key.source, key.destination].map(|id| (id, id)));
    }
    let mut named: Vec<(End, EndId)> = numbers.keys().map(|&id| (register.end(id), id)).collect();
    named.sort_unstable();
    let mut ends = Ends::default();
    for (end, id) in named {
        numbers.insert(id, ends.intern(end));
    }
    let number = |id: EndId| numbers.get(&id).copied().unwrap_or(id);
    for (key, _) in &mut rows {
        (key.source, key.destination) = (number(key.source), number(key.destination));
    }
    crate::summary::fold_unsorted(&mut rows);
    Summaries { window_s, ends, rows }
}

impl Sink for Summariser {
    fn point(&mut self, point: Point<'_>) -> PointId {
        self.go_out();
        self.attributor.point(&point)
    }

    fn record(&mut self, record: &FlowRecord) {
        self.go_out();
        self.one(record);
    }

    fn records(&mut self, records: &[FlowRecord]) {
        self.go_out();
        for batch in records.chunks(BATCH) {
            self.attributor.touch(batch);
            batch.iter().for_each(|record| self.one(record));
        }
    }

    fn gap(&mut self, gap: Gap) {
        self.go_out();
        if !self.is_dated(gap.start, gap.end) {
            self.coverage.misdated += 1;
            return;
        }
        // Not of a point that was never made known.
        if self.attributor.knows(gap.point) {
            self.gaps.entry(gap.point).or_default().gap(&gap);
        }
    }

    fn fault(&mut self, fault: Fault) {
        self.go_out();
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

/// What a sighting is summed by, in the window of number 0.
#[inline]
fn key(sighting: &Sighting) -> Key {
    let Sighting { source, destination, service, outcome, side, .. } = *sighting;
    Key { window: 0, source, destination, service, outcome, side }
}

/// A key in the window with a number.
#[inline]
fn pack(window: u32, key: &Key) -> Packed {
    let service = u32::from(key.service.protocol) << 16 | u32::from(key.service.detail);
    let seen = key.outcome as u32 * 4 + key.side as u32;
    let high = u64::from(window) << 32 | u64::from(key.source.0);
    (high, u64::from(key.destination.0) << 32 | u64::from(service << 4 | seen))
}

const OUTCOMES: [Outcome; 4] = [Outcome::Accepted, Outcome::Rejected, Outcome::Unknown, Outcome::Unknown];
const SIDES: [Side; 4] = [Side::Source, Side::Destination, Side::Elsewhere, Side::Both];

fn unpack((high, low): Packed, window_s: u32) -> Key {
    let (window, service) = ((high >> 32) as u32, low as u32);
    Key {
        window: i64::from(window) * i64::from(window_s),
        source: EndId(high as u32),
        destination: EndId((low >> 32) as u32),
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
            let packed = pack(window, &key);
            prop_assert_eq!(unpack(packed, window_s), key);
        }
    }
}
