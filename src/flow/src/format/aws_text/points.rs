//! Which number the sink gave to which interface, by the bytes of its name: asked once, looked up for every line.
//!
//! With many interfaces this is most of what is left to do once numbers are read fast, because each look-up waits for memory.
//! So names as AWS gives them (`eni-` and 17 or 8 hexadecimal digits) lie in the table itself as numbers, one wait for each,
//! and those of many lines are looked up together, all waits at the same time.

use rustc_hash::FxHashMap;

use super::batch::Scratch;
use crate::eni::{LONG_NAME_BYTES, LOW_NIBBLES, SHORT_NAME_BYTES, digits};
use crate::record::FlowRecord;
use crate::sink::{Cloud, Point, PointId, Sink};

/// A name longer than this is none: those of AWS have 21 bytes.
const NAME_BYTES_MAX: usize = 255;
/// So many names are kept; a log that has more makes us forget them and ask again.
const NAMES_MAX: usize = 1 << 20;
/// What marks a free slot: no name has the length 0.
const FREE: Key = Key { digits: 0, rest: 0 };
/// The place of a record whose number is looked up later.
pub(super) const LATER: PointId = PointId(u32::MAX);

/// The name of an interface with the number of its network.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Key {
    /// The last 16 hexadecimal digits, or all of them if there are eight.
    digits: u64,
    /// The number of the network in 24 bits, the length of the name in 8.
    rest: u32,
}

/// One place of the table: a key and the number of its point, side by side to fill a quarter of a cache line.
#[derive(Clone, Copy, Debug)]
struct Slot {
    digits: u64,
    rest: u32,
    id: PointId,
}

/// The interfaces that were met, for one sink.
#[derive(Clone, Debug, Default)]
pub struct Points {
    /// Open addressing; a power of two, at most half full.
    slots: Vec<Slot>,
    count: usize,
    /// Other names: interface, space, network.
    others: FxHashMap<Box<[u8]>, PointId>,
    joined: Vec<u8>,
    networks: Networks,
    /// Where to look in the table, and what was found there, for each of the records of a batch.
    hashes: Vec<usize>,
    looked: Vec<Slot>,
    pub(super) scratch: Option<Box<Scratch>>,
}

/// Networks by number, in the order in which they were met.
#[derive(Clone, Debug, Default)]
struct Networks {
    names: Vec<Box<str>>,
    numbers: FxHashMap<Box<[u8]>, u32>,
    /// The last one: lines of one file are nearly always of one network.
    last: u32,
}

impl Points {
    /// The names of an interface and its network (empty: not in the log) as a key; `None` if they do not fit into one.
    #[inline(always)]
    pub(super) fn key(&mut self, interface: &[u8], network: &[u8]) -> Option<Key> {
        let digits = digits(interface)?;
        let network = self.networks.number(network)?;
        Some(Key { digits, rest: network << 8 | interface.len() as u32 })
    }

    /// Gives records the numbers of their keys.
    pub(super) fn resolve(&mut self, keys: &[Key], records: &mut [FlowRecord], sink: &mut impl Sink) {
        let free = Slot::new(FREE, LATER);
        let mask = self.slots.len().wrapping_sub(1);
        // No branch depends on what is loaded, so that the processor loads for many records at the same time.
        self.looked.clear();
        self.hashes.clear();
        self.hashes.extend(keys.iter().map(|key| key.hash() & mask));
        let looked = self.hashes.iter().map(|&at| self.slots.get(at).copied().unwrap_or(free));
        self.looked.extend(looked);
        for (at, (key, record)) in keys.iter().zip(records).enumerate() {
            record.point = match self.looked.get(at) {
                Some(slot) if slot.key() == *key => slot.id,
                _ => self.find(key, sink),
            };
        }
    }

    /// The number of an interface whose names do not fit into a key; `None` if they are no names.
    #[cold]
    pub(super) fn other(
        &mut self,
        interface: &[u8],
        network: &[u8],
        sink: &mut impl Sink,
    ) -> Option<PointId> {
        let mut joined = std::mem::take(&mut self.joined);
        joined.clear();
        [interface, b" ", network].into_iter().for_each(|part| joined.extend_from_slice(part));
        let known = self.others.get(&joined[..]).copied();
        self.joined = joined;
        if let Some(id) = known {
            return Some(id);
        }
        let id =
            sink.point(Point { cloud: Cloud::Aws, interface: name(interface)?, network: name(network)? });
        if self.others.len() >= NAMES_MAX {
            self.others.clear();
        }
        self.others.insert(self.joined.as_slice().into(), id);
        Some(id)
    }

    /// The number of one key.
    pub(super) fn find(&mut self, key: &Key, sink: &mut impl Sink) -> PointId {
        let mask = self.slots.len().wrapping_sub(1);
        let mut at = key.hash() & mask;
        while let Some(slot) = self.slots.get(at).filter(|slot| slot.key() != FREE) {
            if slot.key() == *key {
                return slot.id;
            }
            at = (at + 1) & mask;
        }
        self.ask(key, sink)
    }

    #[cold]
    fn ask(&mut self, key: &Key, sink: &mut impl Sink) -> PointId {
        let mut bytes = [0; LONG_NAME_BYTES];
        let interface = key.interface(&mut bytes);
        let network = self.networks.names.get((key.rest >> 8) as usize).filter(|name| !name.is_empty());
        let id = sink.point(Point { cloud: Cloud::Aws, interface, network: network.map(|name| &**name) });
        if self.count >= NAMES_MAX {
            (self.slots, self.count) = (Vec::new(), 0);
        }
        self.count += 1;
        if self.count * 2 > self.slots.len() {
            let free = Slot::new(FREE, LATER);
            let larger = vec![free; (self.slots.len() * 2).max(256)];
            let old = std::mem::replace(&mut self.slots, larger);
            old.into_iter().filter(|slot| slot.key() != FREE).for_each(|slot| place(&mut self.slots, slot));
        }
        place(&mut self.slots, Slot::new(*key, id));
        id
    }
}

impl Slot {
    fn new(key: Key, id: PointId) -> Self {
        Self { digits: key.digits, rest: key.rest, id }
    }

    #[inline]
    fn key(&self) -> Key {
        Key { digits: self.digits, rest: self.rest }
    }
}

impl Key {
    /// Multiplies to twice the width and folds, so that all bits count in the low ones.
    #[inline]
    fn hash(&self) -> usize {
        let wide = u128::from(self.digits ^ u64::from(self.rest).rotate_left(40)) * 0x9e37_79b9_7f4a_7c15;
        ((wide as u64) ^ (wide >> 64) as u64) as usize
    }

    /// The name of the interface, written into `bytes`.
    fn interface<'a>(&self, bytes: &'a mut [u8; LONG_NAME_BYTES]) -> Option<&'a str> {
        let [first, last] = [self.digits >> 4, self.digits].map(letters);
        let name = if (self.rest & 0xff) as usize == LONG_NAME_BYTES {
            bytes[..5].copy_from_slice(b"eni-0");
            bytes[5..13].copy_from_slice(&first);
            bytes[13..].copy_from_slice(&last);
            bytes.as_slice()
        } else {
            bytes[..4].copy_from_slice(b"eni-");
            bytes[4..SHORT_NAME_BYTES].copy_from_slice(&last);
            &bytes[..SHORT_NAME_BYTES]
        };
        std::str::from_utf8(name).ok()
    }
}

impl Networks {
    /// The number of a network; `None` if it is no name, or there are too many.
    #[inline(always)]
    fn number(&mut self, network: &[u8]) -> Option<u32> {
        match self.names.get(self.last as usize) {
            Some(last) if last.is_empty() && network.is_empty() => Some(self.last),
            Some(last) if last.as_bytes() == network => Some(self.last),
            _ => self.other(network),
        }
    }

    #[cold]
    fn other(&mut self, network: &[u8]) -> Option<u32> {
        if let Some(&number) = self.numbers.get(network) {
            self.last = number;
            return Some(number);
        }
        if self.names.len() >= NAMES_MAX {
            return None;
        }
        let number = self.names.len() as u32;
        self.names.push(name(network)?.unwrap_or_default().into());
        self.numbers.insert(network.into(), number);
        self.last = number;
        Some(number)
    }
}

/// The digits in the lower halves of eight bytes.
fn letters(nibbles: u64) -> [u8; 8] {
    (nibbles & LOW_NIBBLES)
        .to_le_bytes()
        .map(|digit| if digit < 10 { b'0' + digit } else { b'a' - 10 + digit })
}

/// A name; `None` inside for one that the log does not have, `None` for bytes that are no name.
fn name(bytes: &[u8]) -> Option<Option<&str>> {
    let text = std::str::from_utf8(bytes).ok().filter(|text| text.len() <= NAME_BYTES_MAX)?;
    Some(Some(text).filter(|text| !text.is_empty()))
}

/// Puts what is not there into a table that has room.
fn place(slots: &mut [Slot], new: Slot) {
    let mask = slots.len().wrapping_sub(1);
    let mut at = new.key().hash() & mask;
    while let Some(slot) = slots.get_mut(at) {
        if slot.key() == FREE {
            *slot = new;
            return;
        }
        at = (at + 1) & mask;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use crate::{FlowRecord, sink};

    /// Numbers in the order of asking.
    #[derive(Default)]
    struct Asked(Vec<(Option<String>, Option<String>)>);

    impl Sink for Asked {
        fn point(&mut self, point: Point<'_>) -> PointId {
            self.0.push((point.interface.map(Into::into), point.network.map(Into::into)));
            PointId(self.0.len() as u32 - 1)
        }
        fn record(&mut self, _: &FlowRecord) {}
        fn gap(&mut self, _: sink::Gap) {}
        fn fault(&mut self, _: sink::Fault) {}
    }

    fn id(points: &mut Points, interface: &[u8], network: &[u8], asked: &mut Asked) -> Option<PointId> {
        match points.key(interface, network) {
            Some(key) => Some(points.find(&key, asked)),
            None => points.other(interface, network, asked),
        }
    }

    #[test]
    fn every_interface_is_asked_for_once() {
        let mut asked = Asked::default();
        let mut points = Points::default();
        let mut rng = fastrand::Rng::with_seed(3);
        for _ in 0..200_000 {
            let number = rng.u64(..20_000);
            // As AWS gives them, and all lengths from 5 to 30.
            let len = [17, 8, number as usize / 4 % 27, 17][number as usize % 4];
            let interface = format!("eni-{number:0len$x}");
            let network =
                if number.is_multiple_of(3) { String::new() } else { format!("vpc-{}", number % 7) };
            let id = id(&mut points, interface.as_bytes(), network.as_bytes(), &mut asked).unwrap();
            let (known, of) = &asked.0[id.0 as usize];
            assert_eq!(known.as_deref(), Some(&*interface));
            assert_eq!(of.as_deref().unwrap_or_default(), network);
        }
        let mut once = asked.0.clone();
        once.sort();
        once.dedup();
        assert_eq!(once.len(), asked.0.len());
        assert!(once.len() > 19_000, "{} interfaces", once.len());
    }

    #[test]
    fn names_as_aws_gives_them_are_numbers_and_no_others() {
        let mut rng = fastrand::Rng::with_seed(12);
        let (mut numbers, mut others) = (0, 0);
        for _ in 0..100_000 {
            let mut name = match rng.bool() {
                true => format!("eni-0{:016x}", rng.u64(..) >> rng.u8(..64)),
                false => format!("eni-{:08x}", rng.u32(..) >> rng.u8(..32)),
            }
            .into_bytes();
            if rng.bool() {
                let at = rng.usize(..name.len());
                name[at] = *rng.choice(b"/09:`afgAF@\0\x7f\xb0\xe1 1e-").unwrap();
            }
            let text = std::str::from_utf8(&name).ok();
            let is_number = text.and_then(|text| text.strip_prefix("eni-")).is_some_and(|digits| {
                let digits_are = digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
                digits_are && (digits.len() == 8 || digits.len() == 17 && digits.starts_with('0'))
            });
            let digits = digits(&name);
            assert_eq!(digits.is_some(), is_number, "{}", name.escape_ascii());
            match digits {
                Some(digits) => {
                    let key = Key { digits, rest: 7 << 8 | name.len() as u32 };
                    assert_eq!(key.interface(&mut [0; LONG_NAME_BYTES]), text);
                    numbers += 1;
                }
                None => others += 1,
            }
        }
        println!("{numbers} numbers, {others} others");
        assert!(numbers > 50_000 && others > 20_000);
    }

    #[test]
    fn names_that_only_differ_in_where_they_meet_are_two() {
        let mut asked = Asked::default();
        let mut points = Points::default();
        let ids =
            [("eni-1", "2"), ("eni-12", ""), ("", "eni-12"), ("eni-12345678", ""), ("eni-12345678", "vpc-1")]
                .map(|(interface, network)| {
                    id(&mut points, interface.as_bytes(), network.as_bytes(), &mut asked).unwrap()
                });
        assert_eq!(ids, [0, 1, 2, 3, 4].map(PointId));
    }

    #[test]
    fn what_is_no_name_has_no_number() {
        let mut asked = Asked::default();
        let mut points = Points::default();
        assert_eq!(id(&mut points, &[b'e'; 256], b"", &mut asked), None);
        assert_eq!(id(&mut points, b"eni-\xff", b"", &mut asked), None);
        assert_eq!(id(&mut points, b"eni-0123456789\xff", b"", &mut asked), None);
        assert_eq!(id(&mut points, b"eni-0123456789", b"vpc-\xff", &mut asked), None);
        assert!(asked.0.is_empty());
    }
}
