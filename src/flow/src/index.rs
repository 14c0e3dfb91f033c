//! Where in a list something is, by its hash: for lists that are larger than the caches of a processor.
//!
//! A slot is 8 bytes, half of the hash and the place in the list, so that most of a large index stays in a cache and the list
//! itself is looked at once. Slots lie in the order of the hashes: what grows reads and writes memory in order.
//!
//! Whoever looks for many calls [`Index::look`] for all of them first: no branch depends on what it loads, and the processor
//! waits for all at the same time.

/// A place that is free.
const FREE: u64 = 0;
/// The smallest table.
const SLOTS_MIN: usize = 16;

/// Places by hash; what is in the list at them the caller compares.
#[derive(Clone, Debug)]
pub(crate) struct Index {
    /// The upper half of the hash, and the place plus one. Open addressing; a power of two, at most three quarters full.
    slots: Vec<u64>,
    count: usize,
    /// From a hash to its slot.
    shift: u32,
}

impl Default for Index {
    fn default() -> Self {
        Self { slots: vec![FREE; SLOTS_MIN], count: 0, shift: shift(SLOTS_MIN) }
    }
}

impl Index {
    /// What the first look finds: the place that is the likely one, out of the list if there is none.
    #[inline]
    pub(crate) fn look(&self, hash: u64) -> usize {
        let slot = self.slots.get(self.home(hash)).copied().unwrap_or(FREE);
        place(slot)
    }

    /// The place of which `is_it` is true, among those with this hash.
    #[inline]
    pub(crate) fn find(&self, hash: u64, mut is_it: impl FnMut(usize) -> bool) -> Option<usize> {
        let mask = self.slots.len() - 1;
        let mut at = self.home(hash);
        while let Some(&slot) = self.slots.get(at)
            && slot != FREE
        {
            if slot >> 32 == hash >> 32 && is_it(place(slot)) {
                return Some(place(slot));
            }
            at = (at + 1) & mask;
        }
        None
    }

    /// Adds a place that is not there.
    pub(crate) fn insert(&mut self, hash: u64, place: usize) {
        if (self.count + 1) * 4 > self.slots.len() * 3 {
            self.grow();
        }
        self.count += 1;
        self.put(hash >> 32 << 32 | (place as u32).wrapping_add(1) as u64);
    }

    fn put(&mut self, new: u64) {
        let mask = self.slots.len() - 1;
        let mut at = self.home(new);
        while let Some(slot) = self.slots.get_mut(at) {
            if *slot == FREE {
                *slot = new;
                return;
            }
            at = (at + 1) & mask;
        }
    }

    /// Knows no place from now on.
    pub(crate) fn clear(&mut self) {
        self.slots.fill(FREE);
        self.count = 0;
    }

    #[cold]
    fn grow(&mut self) {
        let larger = vec![FREE; self.slots.len() * 2];
        self.shift = shift(larger.len());
        for slot in std::mem::replace(&mut self.slots, larger) {
            if slot != FREE {
                self.put(slot);
            }
        }
    }

    #[inline]
    fn home(&self, hash: u64) -> usize {
        (hash >> self.shift) as usize
    }
}

#[inline]
fn place(slot: u64) -> usize {
    (slot as u32).wrapping_sub(1) as usize
}

/// INVARIANT: a table has at most 2³² slots, so that the half of the hash that is kept tells the slot.
fn shift(slots: usize) -> u32 {
    64 - slots.trailing_zeros()
}

/// A hash of two words, each bit of which depends on all of theirs.
#[inline]
pub(crate) fn hash(one: u64, other: u64) -> u64 {
    let first = fold(one ^ 0x9e37_79b9_7f4a_7c15, 0xa076_1d64_78bd_642f);
    fold(first ^ other, 0xe703_7ed1_a0b4_28db)
}

#[inline]
fn fold(one: u64, other: u64) -> u64 {
    let wide = u128::from(one) * u128::from(other);
    (wide as u64) ^ (wide >> 64) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Hashes of few bits: nearly all of them meet.
        #[test]
        fn each_is_found_where_it_was_put(
            keys in proptest::collection::hash_set(0u64..5000, 0..300), bits in 0u32..64, other in 5000u64..6000,
        ) {
            let list: Vec<u64> = keys.into_iter().collect();
            let hash = |key: u64| hash(key, 0) >> bits << bits;
            let mut index = Index::default();
            for (place, &key) in list.iter().enumerate() {
                prop_assert_eq!(index.find(hash(key), |at| list[at] == key), None);
                index.insert(hash(key), place);
            }
            for (place, &key) in list.iter().enumerate() {
                prop_assert_eq!(index.find(hash(key), |at| list[at] == key), Some(place));
            }
            prop_assert_eq!(index.find(hash(other), |at| list[at] == other), None);
        }
    }

    #[test]
    fn most_are_at_the_first_look() {
        let mut index = Index::default();
        let hash = |place: usize| hash(place as u64 / 300, place as u64 % 300);
        (0..40_000).for_each(|place| index.insert(hash(place), place));
        let first = (0..40_000).filter(|&place| index.look(hash(place)) == place).count();
        assert!(first > 26_000, "{first}");
    }
}
