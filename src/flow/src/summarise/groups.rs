//! The groups of a summariser: what was summed, by key.
//!
//! There are more groups than any cache holds, and each record is of another one. So a group is one cache line, and records
//! are added many at a time: first all places are looked up, then all groups, and only then anything is added.
//!
//! Groups are kept in parts by their hash, so that several threads sum into the same ones and seldom wait for each other.

use std::hint::black_box;

use rustc_hash::FxHashMap;

use crate::index::{Index, hash};
use crate::summary::Tally;

/// A key in 16 bytes: number of the window and source; destination, service, outcome, side. In the order of
/// [`crate::summary::Key`]. Not an `u128`, whose alignment would cost 8 more.
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

/// Groups in chunks, so that what is there never moves. Chunks that are empty again are used again.
#[derive(Default)]
struct List {
    chunks: Vec<Vec<Group>>,
    len: usize,
}

const CHUNK: usize = 1 << 10;

impl List {
    #[inline]
    fn get(&self, place: usize) -> Option<&Group> {
        self.chunks.get(place / CHUNK)?.get(place % CHUNK)
    }

    #[inline]
    fn get_mut(&mut self, place: usize) -> Option<&mut Group> {
        self.chunks.get_mut(place / CHUNK)?.get_mut(place % CHUNK)
    }

    fn push(&mut self, group: Group) {
        if self.len == self.chunks.len() * CHUNK {
            self.chunks.push(Vec::with_capacity(if self.len == 0 { 0 } else { CHUNK }));
        }
        if let Some(chunk) = self.chunks.get_mut(self.len / CHUNK) {
            chunk.push(group);
            self.len += 1;
        }
    }

    fn iter(&self) -> impl Iterator<Item = &Group> {
        self.chunks.iter().flatten()
    }

    fn clear(&mut self) {
        self.chunks.iter_mut().for_each(Vec::clear);
        self.len = 0;
    }
}

/// Parts that groups are kept in: many against the threads, each of which adds to one of them at a time.
pub(super) const PARTS: usize = 16;

/// Groups of a part that a part that is empty again keeps the memory of (100 MB in all parts).
const KEPT_MAX: usize = 1_400_000 / PARTS;

/// The part that a key belongs to, and its hash there.
#[inline]
pub(super) fn part_of(key: Packed) -> (usize, u64) {
    let hash = hash(key.0, key.1).rotate_left(PARTS.trailing_zeros());
    (hash as usize % PARTS, hash)
}

/// A group with the hash of its key.
pub(super) type Hashed = (u64, Group);

/// Sums by key; one part of all.
#[derive(Default)]
pub(super) struct Groups {
    index: Index,
    list: List,
    /// What did not fit; to be added to the group in the list, if there is one.
    large: FxHashMap<Packed, Tally>,
    /// Of those that are added: the place that is likely.
    looked: Vec<usize>,
}

impl Groups {
    /// How many there are; a key with a large tally may count twice.
    pub(super) fn len(&self) -> usize {
        self.list.len + self.large.len()
    }

    /// Adds what does not fit into a [`Group`].
    pub(super) fn add_large(&mut self, key: Packed, tally: &Tally) {
        self.large.entry(key).or_default().add(tally);
    }

    /// Adds many at once.
    pub(super) fn add(&mut self, groups: &[Hashed]) {
        let mut looked = std::mem::take(&mut self.looked);
        looked.clear();
        // A branch on what is loaded here would be guessed wrong for many, and end all loads that are under way.
        black_box(groups.iter().fold(0, |all, (hash, _)| all ^ self.index.look(*hash)));
        let likely = |hash| self.index.find(hash, |_| true).unwrap_or(usize::MAX);
        looked.extend(groups.iter().map(|(hash, _)| likely(*hash)));
        let touched = looked.iter().filter_map(|&place| self.list.get(place));
        black_box(touched.fold(0, |all, known| all ^ known.key.0));
        for (&place, (hash, group)) in looked.iter().zip(groups) {
            self.add_one(*hash, place, group);
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
                self.index.insert(hash, self.list.len);
                self.list.push(*group);
            }
        }
    }

    #[inline]
    fn find(&self, hash: u64, key: Packed) -> Option<usize> {
        self.index.find(hash, |place| self.list.get(place).is_some_and(|known| known.key == key))
    }

    /// All, in no order; a key with a large tally may come twice.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Packed, Tally)> {
        let large = self.large.iter().map(|(key, tally)| (*key, *tally));
        self.list.iter().map(|group| (group.key, group.tally())).chain(large)
    }

    /// Is empty from now on. Memory for as many again is kept, unless that is very much.
    pub(super) fn clear(&mut self) {
        if self.list.len > KEPT_MAX {
            *self = Self::default();
            return;
        }
        self.list.clear();
        self.index.clear();
        self.large.clear();
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
                    Some(group) => small.push((part_of(*key).1, group)),
                    None => groups.add_large(*key, tally),
                }
            }
            groups.add(&small);
        }
        let small = groups.list.len;
        let mut map: FxHashMap<Packed, Tally> = FxHashMap::default();
        for (number, (key, tally)) in groups.iter().enumerate() {
            assert!(number >= small || !map.contains_key(&key), "a group comes twice");
            map.entry(key).or_default().add(&tally);
        }
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
