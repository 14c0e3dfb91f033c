//! What the logs of points told.

use rustc_hash::FxHashMap;

use crate::attribute::{Register, Seen};
use crate::coverage::{Coverage, PointName, Watched};
use crate::sink::PointId;

/// Records of one point.
#[derive(Clone, Copy)]
struct Records {
    count: u64,
    first: u32,
    /// 0 if nobody named the point.
    last: u32,
}

impl Records {
    const NONE: Self = Self { count: 0, first: u32::MAX, last: 0 };
    /// Somebody named the point.
    const NAME: Self = Self { last: 1, ..Self::NONE };

    fn add(&mut self, other: &Self) {
        self.count += other.count;
        (self.first, self.last) = (self.first.min(other.first), self.last.max(other.last));
    }
}

/// Points by the numbers of their [`Register`].
#[derive(Default)]
pub(super) struct Points {
    records: Vec<Records>,
    /// Of those that are otherwise known than by records.
    watched: FxHashMap<PointId, Watched>,
}

impl Points {
    /// What a thread counted of a point.
    pub(super) fn add_seen(&mut self, point: PointId, seen: Seen) {
        self.add(point, &Records { count: seen.records.into(), first: seen.first, last: seen.last });
    }

    pub(super) fn add_watched(&mut self, point: PointId, watched: &Watched) {
        self.add(point, &Records::NAME);
        self.watched.entry(point).or_default().merge(watched);
    }

    fn add(&mut self, point: PointId, more: &Records) {
        if self.records.len() <= point.0 as usize {
            self.records.resize(point.0 as usize + 1, Records::NONE);
        }
        if let Some(records) = self.records.get_mut(point.0 as usize) {
            records.add(more);
        }
    }

    /// Adds all to a coverage, by name.
    pub(super) fn into_coverage(mut self, register: &Register, coverage: &mut Coverage) {
        for (number, records) in self.records.iter().enumerate().filter(|(_, records)| records.last > 0) {
            let id = PointId(number as u32);
            let mut watched = self.watched.remove(&id).unwrap_or_default();
            if records.count > 0 {
                watched.records += records.count;
                watched.note(records.first.into(), records.last.into());
            }
            if let Some(name) = register.named(id, |point| PointName::of(&point)) {
                coverage.points.entry(name).or_default().merge(&watched);
            }
        }
    }
}
