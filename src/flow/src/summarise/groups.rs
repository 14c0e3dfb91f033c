//! The groups of a summariser: what was summed, by key.
//!
//! There are more groups than any cache holds, and each record is of another one. So a group is one cache line, and records
//! are added many at a time: first all places are looked up, then all groups, and only then anything is added.

use std::hint::black_box;

use rustc_hash::FxHashMap;

use crate::index::{Index, hash};
use crate::summary::Tally;

/// A key in 16 bytes: number of the window, service, outcome, side; ends. Not an `u128`, whose alignment would cost 8 more.
pub(super) type Packed = (u64, u64);

/// A tally with its key in one cache line: what is rarely large is kept small.
#[derive(Clone, Copy, Debug)]
pub(super) struct Group {
    key: Packed,
    bytes: u64,
    reply_bytes: u64,
    packets: u32,
    reply_packets: u32,
    connections: u32,
    guessed: u32,
    rejected_replies: u32,
    first: u32,
    last: u32,
}

impl Group {
    /// Nothing if it does not fit.
    #[inline]
    pub(super) fn new(key: Packed, tally: &Tally) -> Option<Self> {
        let Tally { connections, packets, bytes, reply_packets, reply_bytes, first, last, .. } = *tally;
        let Tally { guessed, rejected_replies, .. } = *tally;
        let times = first as u64 | last as u64;
        let all = connections | packets | reply_packets | guessed | rejected_replies | times;
        // A tally of no time counts as none when it is added to.
        (all >> 32 == 0 && first > 0).then_some(Self {
            key,
            bytes,
            reply_bytes,
            packets: packets as u32,
            reply_packets: reply_packets as u32,
            connections: connections as u32,
            guessed: guessed as u32,
            rejected_replies: rejected_replies as u32,
            first: first as u32,
            last: last as u32,
        })
    }

    fn tally(&self) -> Tally {
        Tally {
            connections: self.connections.into(),
            packets: self.packets.into(),
            bytes: self.bytes,
            reply_packets: self.reply_packets.into(),
            reply_bytes: self.reply_bytes,
            first: self.first.into(),
            last: self.last.into(),
            guessed: self.guessed.into(),
            rejected_replies: self.rejected_replies.into(),
        }
    }

    /// Nothing if it does not fit.
    #[inline]
    fn plus(&self, other: &Self) -> Option<Self> {
        let (bytes, a) = self.bytes.overflowing_add(other.bytes);
        let (reply_bytes, b) = self.reply_bytes.overflowing_add(other.reply_bytes);
        let (packets, c) = self.packets.overflowing_add(other.packets);
        let (reply_packets, d) = self.reply_packets.overflowing_add(other.reply_packets);
        let (connections, e) = self.connections.overflowing_add(other.connections);
        let (guessed, f) = self.guessed.overflowing_add(other.guessed);
        let (rejected_replies, g) = self.rejected_replies.overflowing_add(other.rejected_replies);
        let (first, last) = (self.first.min(other.first), self.last.max(other.last));
        let key = self.key;
        let sum = Self {
            key,
            bytes,
            reply_bytes,
            packets,
            reply_packets,
            connections,
            guessed,
            rejected_replies,
            first,
            last,
        };
        (!(a | b | c | d | e | f | g)).then_some(sum)
    }
}

/// Groups in chunks, so that what is there never moves.
#[derive(Default)]
struct List(Vec<Vec<Group>>);

const CHUNK: usize = 1 << 10;

impl List {
    fn len(&self) -> usize {
        self.0.last().map_or(0, |last| (self.0.len() - 1) * CHUNK + last.len())
    }

    #[inline]
    fn get(&self, place: usize) -> Option<&Group> {
        self.0.get(place / CHUNK)?.get(place % CHUNK)
    }

    #[inline]
    fn get_mut(&mut self, place: usize) -> Option<&mut Group> {
        self.0.get_mut(place / CHUNK)?.get_mut(place % CHUNK)
    }

    fn push(&mut self, group: Group) {
        match self.0.last_mut().filter(|last| last.len() < CHUNK) {
            Some(last) => last.push(group),
            None => {
                let mut chunk = Vec::with_capacity(if self.0.is_empty() { 0 } else { CHUNK });
                chunk.push(group);
                self.0.push(chunk);
            }
        }
    }
}

/// Sums by key.
#[derive(Default)]
pub(super) struct Groups {
    index: Index,
    list: List,
    /// What did not fit; to be added to the group in the list, if there is one.
    large: FxHashMap<Packed, Tally>,
    /// Of those that are added: the hash, and the place that is likely.
    looked: Vec<(u64, usize)>,
}

impl Groups {
    pub(super) fn len(&self) -> usize {
        let apart = self.large.keys().filter(|key| self.find(hash(key.0, key.1), **key).is_none());
        self.list.len() + apart.count()
    }

    /// Adds what does not fit into a [`Group`].
    pub(super) fn add_large(&mut self, key: Packed, tally: &Tally) {
        self.large.entry(key).or_default().add(tally);
    }

    /// Adds many at once.
    pub(super) fn add(&mut self, groups: &[Group]) {
        let mut looked = std::mem::take(&mut self.looked);
        looked.clear();
        // A branch on what is loaded here would be guessed wrong for many, and end all loads that are under way.
        looked.extend(groups.iter().map(|group| (hash(group.key.0, group.key.1), 0)));
        black_box(looked.iter().fold(0, |all, looked| all ^ self.index.look(looked.0)));
        for (hash, place) in &mut looked {
            *place = self.index.find(*hash, |_| true).unwrap_or(usize::MAX);
        }
        let touched = looked.iter().filter_map(|looked| self.list.get(looked.1));
        black_box(touched.fold(0, |all, known| all ^ known.key.0));
        for (&(hash, place), group) in looked.iter().zip(groups) {
            self.add_one(hash, place, group);
        }
        self.looked = looked;
    }

    #[inline]
    fn add_one(&mut self, hash: u64, likely: usize, group: &Group) {
        let is_it = self.list.get(likely).is_some_and(|known| known.key == group.key);
        let place = if is_it { Some(likely) } else { self.find(hash, group.key) };
        let known = place.and_then(|place| self.list.get_mut(place));
        match known.map(|known| (known.plus(group), known)) {
            Some((Some(sum), known)) => *known = sum,
            Some((None, known)) => {
                // It begins anew.
                let full = std::mem::replace(known, *group);
                self.add_large(full.key, &full.tally());
            }
            None => {
                self.index.insert(hash, self.list.len());
                self.list.push(*group);
            }
        }
    }

    #[inline]
    fn find(&self, hash: u64, key: Packed) -> Option<usize> {
        self.index.find(hash, |place| self.list.get(place).is_some_and(|known| known.key == key))
    }

    /// Adds those of another one, whose keys have to be changed.
    pub(super) fn merge(&mut self, other: Self, mut renumber: impl FnMut(Packed) -> Packed) {
        for part in other.list.0.iter().flat_map(|chunk| chunk.chunks(super::WAITING_MAX)) {
            let part: Vec<Group> =
                part.iter().map(|group| Group { key: renumber(group.key), ..*group }).collect();
            self.add(&part);
        }
        for (key, tally) in other.large {
            self.add_large(renumber(key), &tally);
        }
    }

    /// Each key once, in no order.
    pub(super) fn into_iter(self) -> impl Iterator<Item = (Packed, Tally)> {
        let Self { list, mut large, .. } = self;
        let mut rows: Vec<(Packed, Tally)> = Vec::with_capacity(list.len() + large.len());
        for group in list.0.into_iter().flatten() {
            let mut tally = group.tally();
            if let Some(more) = large.remove(&group.key) {
                tally.add(&more);
            }
            rows.push((group.key, tally));
        }
        rows.extend(large);
        rows.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_group_is_a_cache_line() {
        assert_eq!(size_of::<Group>(), 64);
    }

    fn any_tally() -> impl Strategy<Value = Tally> {
        let number = prop_oneof![4 => 0u64..5, 2 => Just(u64::from(u32::MAX)), 1 => any::<u64>()];
        let time = prop_oneof![4 => 1i64..100, 1 => any::<i64>()];
        (proptest::array::uniform7(number), time.clone(), time).prop_map(|(numbers, first, last)| {
            let [connections, packets, bytes, reply_packets, reply_bytes, guessed, rejected_replies] =
                numbers;
            Tally {
                connections,
                packets,
                bytes,
                reply_packets,
                reply_bytes,
                guessed,
                rejected_replies,
                first,
                last,
            }
        })
    }

    fn sums(parts: &[Vec<(Packed, Tally)>]) -> FxHashMap<Packed, Tally> {
        let mut groups = Groups::default();
        for part in parts {
            let mut small = Vec::new();
            for (key, tally) in part {
                match Group::new(*key, tally) {
                    Some(group) => small.push(group),
                    None => groups.add_large(*key, tally),
                }
            }
            groups.add(&small);
        }
        let count = groups.len();
        let rows: Vec<_> = groups.into_iter().collect();
        let map: FxHashMap<_, _> = rows.iter().copied().collect();
        assert_eq!((rows.len(), map.len()), (count, count));
        map
    }

    proptest! {
        #[test]
        fn sums_are_those_of_a_map(
            parts in proptest::collection::vec(
                proptest::collection::vec(((0u64..6, 0u64..6), any_tally()), 0..90), 0..6),
        ) {
            let mut expected: FxHashMap<Packed, Tally> = FxHashMap::default();
            for (key, tally) in parts.iter().flatten() {
                expected.entry(*key).or_default().add(tally);
            }
            prop_assert_eq!(sums(&parts), expected);
        }
    }
}
