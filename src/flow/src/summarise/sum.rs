//! A running sum of summaries, in little more than half of the memory of their rows.

use rustc_hash::FxHashMap;

use super::groups::{Group, Groups, Hashed, part_of};
use super::{pack, unpack};
use crate::summary::{EndId, Ends, Key, Summaries, Tally};

/// Rows that are added together.
const BATCH: usize = 64;

/// Adds summaries up, in windows of one width.
#[derive(Default)]
pub struct Sum {
    window_s: u32,
    ends: Ends,
    groups: Groups,
    /// Rows of windows that nobody lives in.
    odd: FxHashMap<Key, Tally>,
    waiting: Vec<Hashed>,
}

impl Sum {
    /// A sum with windows of a width, which must be a multiple of the width of what is added.
    pub fn new(window_s: u32) -> Self {
        Self { window_s: window_s.max(1), ..Self::default() }
    }

    /// Adds rows whose windows are not wider.
    pub fn add(&mut self, summaries: &Summaries) {
        let ids: Vec<EndId> = summaries.ends.iter().map(|(_, end)| self.ends.intern(end.clone())).collect();
        let id = |end: EndId| ids.get(end.0 as usize).copied();
        for (key, tally) in &summaries.rows {
            let (Some(source), Some(destination)) = (id(key.source), id(key.destination)) else { continue };
            self.row(&Key { source, destination, ..*key }, tally);
        }
        self.flush();
    }

    fn row(&mut self, key: &Key, tally: &Tally) {
        let width = i64::from(self.window_s);
        let window = key.window.div_euclid(width);
        let Some(packed) = u32::try_from(window).ok().map(|window| pack(window, key)) else {
            let key = Key { window: window * width, ..*key };
            return self.odd.entry(key).or_default().add(tally);
        };
        match Group::new(packed, tally) {
            Some(group) => self.waiting.push((part_of(packed).1, group)),
            None => self.groups.add_large(packed, tally),
        }
        if self.waiting.len() == BATCH {
            self.flush();
        }
    }

    fn flush(&mut self) {
        self.groups.add(&self.waiting);
        self.waiting.clear();
    }

    /// Distinct rows; those that are very large may count twice.
    pub fn len(&self) -> usize {
        self.groups.len() + self.odd.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What came together.
    pub fn into_summaries(self) -> Summaries {
        let Self { window_s, ends, groups, odd, .. } = self;
        let mut rows: Vec<(Key, Tally)> = Vec::with_capacity(groups.len() + odd.len());
        rows.extend(groups.iter().map(|(packed, tally)| (unpack(packed, window_s), tally)));
        drop(groups);
        rows.extend(odd);
        crate::summary::fold_unsorted(&mut rows);
        Summaries { window_s, ends, rows }
    }
}

#[cfg(test)]
mod tests {
    use policy::ServicePoint;
    use proptest::prelude::*;

    use super::*;
    use crate::summary::End;
    use crate::{Outcome, summarise::SIDES};

    fn row() -> impl Strategy<Value = (Key, Tally)> {
        let window = prop_oneof![8 => 0i64..5, 1 => Just(-3), 1 => Just(i64::from(u32::MAX) * 60)];
        let numbers = (0u64..9, prop_oneof![9 => 0u64..1000, 1 => Just(u64::MAX / 2)], 0i64..9);
        (window, 0u32..3, 0u32..3, 0usize..4, numbers).prop_map(
            |(window, a, b, side, (count, bytes, first))| {
                let service = ServicePoint::port(6, 443);
                let (source, destination, side) = (EndId(a), EndId(b), SIDES[side]);
                let key = Key {
                    window: window * 600,
                    source,
                    destination,
                    service,
                    outcome: Outcome::Accepted,
                    side,
                };
                (key, Tally { connections: count, bytes, packets: bytes, first, last: 9, ..Tally::default() })
            },
        )
    }

    fn summaries(mut rows: Vec<(Key, Tally)>, first: u8) -> Summaries {
        let mut ends = Ends::default();
        for number in 0..3 {
            ends.intern(End::address(std::net::Ipv4Addr::new(192, 0, 2, first + number).into()));
        }
        crate::summary::fold_unsorted(&mut rows);
        Summaries { window_s: 600, ends, rows }
    }

    proptest! {
        #[test]
        fn a_sum_is_what_comes_of_adding(
            parts in proptest::collection::vec((proptest::collection::vec(row(), 0..200), 0u8..3), 0..4),
            width in prop_oneof![Just(600u32), Just(3600u32)],
        ) {
            let (mut sum, mut expected) = (Sum::new(width), Summaries { window_s: width, ..Summaries::default() });
            for (rows, first) in parts {
                let part = summaries(rows, first);
                sum.add(&part);
                expected.add(&part);
            }
            let found = sum.into_summaries();
            prop_assert_eq!(found.window_s, width);
            let (found, expected) = (found.sorted(), expected.sorted());
            prop_assert!(found.ends.iter().eq(expected.ends.iter()));
            prop_assert_eq!(found.rows, expected.rows);
        }
    }
}
