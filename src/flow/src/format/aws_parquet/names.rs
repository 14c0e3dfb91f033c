//! Names by number, in the order in which they were met.
//!
//! Where a column has no dictionary, a name is looked up for every row. So names of the usual length (`eni-` and 17 digits) lie
//! in the table itself.

use rustc_hash::FxHashMap;

/// A longer text is no name: those of AWS have 21 bytes.
const NAME_BYTES_MAX: usize = 255;
/// The most names of a file.
const NAMES_MAX: usize = 1 << 20;

/// Names that were met.
#[derive(Default)]
pub(super) struct Table {
    names: Vec<Box<str>>,
    /// Open addressing; a power of two, at most half full.
    slots: Vec<Slot>,
    filled: usize,
    /// Names that do not fit into a slot.
    others: FxHashMap<Box<str>, u32>,
}

/// A name of 8 to 24 bytes. The last word overlaps the others: with the length, no two names have the same words.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Key {
    words: [u64; 3],
    /// 0 in a free slot.
    length: u32,
}

#[derive(Clone, Copy)]
struct Slot {
    key: Key,
    number: u32,
}

const FREE: Slot = Slot { key: Key { words: [0; 3], length: 0 }, number: 0 };

impl Table {
    /// A name by its number.
    pub(super) fn name(&self, number: u32) -> Option<&str> {
        self.names.get(number as usize).map(AsRef::as_ref)
    }

    /// The number of a name; `None` if it is no name, or there are too many.
    pub(super) fn number(&mut self, text: &[u8]) -> Option<u32> {
        let Some(key) = Key::of(text) else { return self.other(text) };
        match self.find(&key) {
            Some(slot) if slot.key == key => Some(slot.number),
            _ => self.add(key, text),
        }
    }

    /// The slot of a key, or the free one where it belongs. Always one where there are slots.
    #[inline]
    fn find(&mut self, key: &Key) -> Option<&mut Slot> {
        let mask = self.slots.len().wrapping_sub(1);
        let mut at = key.hash() & mask;
        while self.slots.get(at)?.key != *key && self.slots.get(at)?.key != FREE.key {
            at = (at + 1) & mask;
        }
        self.slots.get_mut(at)
    }

    #[cold]
    fn add(&mut self, key: Key, text: &[u8]) -> Option<u32> {
        let number = self.next(text)?;
        self.filled += 1;
        if self.filled * 2 > self.slots.len() {
            let larger = vec![FREE; (self.slots.len() * 2).max(256)];
            let old = std::mem::replace(&mut self.slots, larger);
            for slot in old.into_iter().filter(|slot| slot.key != FREE.key) {
                self.put(slot);
            }
        }
        self.put(Slot { key, number });
        Some(number)
    }

    fn put(&mut self, new: Slot) {
        if let Some(slot) = self.find(&new.key) {
            *slot = new;
        }
    }

    fn other(&mut self, text: &[u8]) -> Option<u32> {
        let name = std::str::from_utf8(text).ok()?;
        if let Some(&number) = self.others.get(name) {
            return Some(number);
        }
        let number = self.next(text)?;
        self.others.insert(name.into(), number);
        Some(number)
    }

    /// Numbers a name that is new.
    fn next(&mut self, text: &[u8]) -> Option<u32> {
        if self.names.len() >= NAMES_MAX || text.len() > NAME_BYTES_MAX {
            return None;
        }
        let number = u32::try_from(self.names.len()).ok()?;
        self.names.push(std::str::from_utf8(text).ok()?.into());
        Some(number)
    }
}

impl Key {
    #[inline]
    fn of(text: &[u8]) -> Option<Self> {
        if text.len() > 24 {
            return None;
        }
        let first = u64::from_le_bytes(*text.first_chunk()?);
        let middle = match text.get(8..16) {
            Some(middle) if text.len() > 16 => u64::from_le_bytes(*middle.first_chunk()?),
            _ => 0,
        };
        let last = u64::from_le_bytes(*text.last_chunk()?);
        Some(Self { words: [first, middle, last], length: u32::try_from(text.len()).ok()? })
    }

    /// Each step multiplies to twice the width and folds, so that all bits count in the low ones.
    #[inline]
    fn hash(&self) -> usize {
        let [first, middle, last] = self.words;
        fold(fold(first ^ middle.rotate_left(32)) ^ last ^ u64::from(self.length)) as usize
    }
}

#[inline]
fn fold(value: u64) -> u64 {
    let wide = u128::from(value) * 0x9e37_79b9_7f4a_7c15;
    (wide as u64) ^ (wide >> 64) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn names_have_the_numbers_of_their_first_meeting(
            texts in proptest::collection::vec("[ab]{0,3}|eni-[01]{4,8}|[ab0é]{6,26}", 0..600),
        ) {
            let mut table = Table::default();
            let mut met: Vec<&str> = Vec::new();
            for text in &texts {
                let expected = met.iter().position(|name| name == text).unwrap_or_else(|| {
                    met.push(text);
                    met.len() - 1
                });
                let number = table.number(text.as_bytes()).expect("it is a name");
                proptest::prop_assert_eq!(number as usize, expected);
                proptest::prop_assert_eq!(table.name(number), Some(&**text));
            }
        }
    }

    #[test]
    fn what_is_no_name_has_no_number() {
        let mut table = Table::default();
        assert_eq!(table.number(&[b'a'; NAME_BYTES_MAX]), Some(0));
        for text in [&[b'a'; NAME_BYTES_MAX + 1][..], b"eni-\xff123456", b"\xff"] {
            assert_eq!(table.number(text), None);
        }
        assert_eq!(table.number(b"eni-1"), Some(1));
    }

    #[test]
    fn names_end_at_a_limit() {
        let mut table = Table::default();
        for number in 0..NAMES_MAX {
            assert_eq!(table.number(format!("eni-{number:017x}").as_bytes()), Some(number as u32));
        }
        assert_eq!(table.number(b"eni-one-more-of-them"), None);
        assert_eq!(table.number(b"eni-00000000000000007"), Some(7));
    }
}
