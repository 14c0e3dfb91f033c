//! Which number the sink gave to which interface, by the bytes of its name: asked once, looked up for every line.
//!
//! A table of its own, because this is half of what is left to do once numbers are read fast: names lie in one
//! stretch of memory and a look-up touches two places.

use crate::sink::{Cloud, Point, PointId, Sink};

/// A name longer than this is none: those of AWS have 21 bytes.
const NAME_BYTES_MAX: usize = 255;
/// So many names are kept; a log that has more makes us forget them all and ask again.
const NAMES_MAX: usize = 1 << 20;

/// One interface.
#[derive(Clone, Debug)]
struct Entry {
    hash: u64,
    /// Where its interface's name begins; the network's follows.
    begin: u32,
    interface_bytes: u8,
    network_bytes: u8,
    id: PointId,
}

/// The interfaces that were met, for one sink.
#[derive(Clone, Debug, Default)]
pub struct Points {
    /// Places in `entries`, plus one; 0 is free. A power of two, at most half full.
    slots: Vec<u32>,
    entries: Vec<Entry>,
    names: Vec<u8>,
    /// The last answer: lines of one interface often follow each other.
    last: usize,
}

impl Points {
    /// The number of the interface with these names (empty: not in the log); `None` if they are no names.
    #[inline]
    pub(super) fn id(&mut self, interface: &[u8], network: &[u8], sink: &mut impl Sink) -> Option<PointId> {
        if let Some(last) = self.entries.get(self.last)
            && self.is(last, interface, network)
        {
            return Some(last.id);
        }
        let hash = hash(interface, network);
        let mask = self.slots.len().wrapping_sub(1);
        let mut slot = hash as usize & mask;
        while let Some(&place @ 1..) = self.slots.get(slot) {
            let at = place as usize - 1;
            if let Some(entry) = self.entries.get(at)
                && entry.hash == hash
                && self.is(entry, interface, network)
            {
                self.last = at;
                return Some(entry.id);
            }
            slot = (slot + 1) & mask;
        }
        self.ask(hash, interface, network, sink)
    }

    #[inline]
    fn is(&self, entry: &Entry, interface: &[u8], network: &[u8]) -> bool {
        let begin = entry.begin as usize;
        let middle = begin + usize::from(entry.interface_bytes);
        let end = middle + usize::from(entry.network_bytes);
        self.names.get(begin..middle) == Some(interface) && self.names.get(middle..end) == Some(network)
    }

    #[cold]
    fn ask(&mut self, hash: u64, interface: &[u8], network: &[u8], sink: &mut impl Sink) -> Option<PointId> {
        let [interface_bytes, network_bytes] = [interface.len(), network.len()];
        if interface_bytes > NAME_BYTES_MAX || network_bytes > NAME_BYTES_MAX {
            return None;
        }
        let id =
            sink.point(Point { cloud: Cloud::Aws, interface: name(interface)?, network: name(network)? });
        if self.entries.len() >= NAMES_MAX {
            *self = Self::default();
        }
        let begin = self.names.len() as u32;
        self.names.extend_from_slice(interface);
        self.names.extend_from_slice(network);
        let [interface_bytes, network_bytes] = [interface_bytes as u8, network_bytes as u8];
        self.last = self.entries.len();
        self.entries.push(Entry { hash, begin, interface_bytes, network_bytes, id });
        if self.entries.len() * 2 > self.slots.len() {
            self.grow();
        } else {
            place(&mut self.slots, hash, self.entries.len() as u32);
        }
        Some(id)
    }

    fn grow(&mut self) {
        self.slots = vec![0; (self.slots.len() * 2).max(256)];
        for (at, entry) in self.entries.iter().enumerate() {
            place(&mut self.slots, entry.hash, at as u32 + 1);
        }
    }
}

/// A name; `None` inside for one that the log does not have, `None` for bytes that are no text.
fn name(bytes: &[u8]) -> Option<Option<&str>> {
    let text = std::str::from_utf8(bytes).ok()?;
    Some(Some(text).filter(|text| !text.is_empty()))
}

fn place(slots: &mut [u32], hash: u64, value: u32) {
    let mask = slots.len() - 1;
    let mut slot = hash as usize & mask;
    while slots[slot] != 0 {
        slot = (slot + 1) & mask;
    }
    slots[slot] = value;
}

/// Each step multiplies to twice the width and folds, so that all bits count in the low ones. The ends of both names are
/// in it by their lengths.
#[inline]
fn hash(interface: &[u8], network: &[u8]) -> u64 {
    let lengths = (interface.len() as u64) << 32 | network.len() as u64;
    words(network, words(interface, lengths ^ 0x243f_6a88_85a3_08d3))
}

#[inline]
fn words(bytes: &[u8], seed: u64) -> u64 {
    let mut state = seed;
    let mut rest = bytes;
    while let Some((word, after)) = rest.split_first_chunk::<8>() {
        state = fold(state ^ u64::from_le_bytes(*word));
        rest = after;
    }
    // The last eight bytes once more, if they are not all done: no loop over single bytes.
    match bytes.last_chunk::<8>() {
        _ if rest.is_empty() => state,
        Some(word) => fold(state ^ u64::from_le_bytes(*word)),
        None => rest.iter().fold(state, |state, &byte| fold(state ^ u64::from(byte))),
    }
}

#[inline]
fn fold(value: u64) -> u64 {
    let wide = u128::from(value) * 0x9e37_79b9_7f4a_7c15;
    (wide as u64) ^ (wide >> 64) as u64
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

    #[test]
    fn every_interface_is_asked_for_once() {
        let mut asked = Asked::default();
        let mut points = Points::default();
        let mut rng = fastrand::Rng::with_seed(3);
        for _ in 0..200_000 {
            let number = rng.u64(..20_000);
            let interface = format!("eni-{number:x}");
            let network =
                if number.is_multiple_of(3) { String::new() } else { format!("vpc-{}", number % 7) };
            let id = points.id(interface.as_bytes(), network.as_bytes(), &mut asked).unwrap();
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
    fn names_that_only_differ_in_where_they_meet_are_two() {
        let mut asked = Asked::default();
        let mut points = Points::default();
        let ids = [("eni-1", "2"), ("eni-12", ""), ("", "eni-12")].map(|(interface, network)| {
            points.id(interface.as_bytes(), network.as_bytes(), &mut asked).unwrap()
        });
        assert_eq!(ids, [PointId(0), PointId(1), PointId(2)]);
    }

    #[test]
    fn what_is_no_name_has_no_number() {
        let mut asked = Asked::default();
        let mut points = Points::default();
        assert_eq!(points.id(&[b'e'; 256], b"", &mut asked), None);
        assert_eq!(points.id(b"eni-\xff", b"", &mut asked), None);
        assert!(asked.0.is_empty());
    }
}
