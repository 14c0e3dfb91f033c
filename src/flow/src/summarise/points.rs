//! The points of a summariser: each name once, with what its log told.

use rustc_hash::FxHashMap;

use crate::coverage::{Coverage, PointName, Watched};
use crate::index::{Index, hash};
use crate::record::FlowRecord;
use crate::sink::{Gap, Point, PointId};

/// Records of one point. Seconds in half the room: what is looked up at random is as fast as it is small.
#[derive(Clone, Copy)]
struct Seen {
    records: u64,
    first: u32,
    last: u32,
}

impl Seen {
    const NOTHING: Self = Self { records: 0, first: u32::MAX, last: 0 };
}

struct Named {
    name: PointName,
    hash: u64,
}

/// Points by number, in the order in which they were met.
#[derive(Default)]
pub(super) struct Points {
    index: Index,
    names: Vec<Named>,
    seen: Vec<Seen>,
    /// Records that are not counted yet: point, first and last second.
    waiting: Vec<(u32, u32, u32)>,
    /// Of those that are otherwise known than by records.
    watched: FxHashMap<u32, Watched>,
}

impl Points {
    /// The number of a name, if it is known.
    pub(super) fn find(&self, point: &Point<'_>) -> Option<PointId> {
        self.find_by(hash_of(point), |name| is_name_of(name, point))
    }

    /// A new name. INVARIANT: it is not known.
    pub(super) fn add(&mut self, point: &Point<'_>) {
        self.push(Named { name: PointName::of(point), hash: hash_of(point) });
    }

    fn push(&mut self, new: Named) -> PointId {
        let number = self.names.len();
        self.index.insert(new.hash, number);
        self.names.push(new);
        self.seen.push(Seen::NOTHING);
        PointId(number as u32)
    }

    fn find_by(&self, hash: u64, is_it: impl Fn(&PointName) -> bool) -> Option<PointId> {
        let is_it = |place: usize| {
            self.names.get(place).is_some_and(|named| named.hash == hash && is_it(&named.name))
        };
        self.index.find(hash, is_it).map(|place| PointId(place as u32))
    }

    /// A record whose times are seconds of 32 bits; it waits for [`Points::count_waiting`].
    #[inline]
    pub(super) fn record(&mut self, record: &FlowRecord) {
        let (first, last) = (record.start as u32, record.end.max(record.start) as u32);
        self.waiting.push((record.point.0, first, last));
    }

    /// Counts records in a tight loop, in which the processor waits for many points at once.
    pub(super) fn count_waiting(&mut self) {
        for &(point, first, last) in &self.waiting {
            if let Some(seen) = self.seen.get_mut(point as usize) {
                seen.records += 1;
                (seen.first, seen.last) = (seen.first.min(first), seen.last.max(last));
            }
        }
        self.waiting.clear();
    }

    /// A gap; not of a point that is not known.
    pub(super) fn gap(&mut self, gap: &Gap) {
        if self.names.len() > gap.point.0 as usize {
            self.watched.entry(gap.point.0).or_default().gap(gap);
        }
    }

    /// Adds those of another one, which may know the same by other numbers; those that are not known here go to `apart`, so
    /// that here all numbers are those of the sink.
    pub(super) fn merge(&mut self, mut other: Self, apart: &mut Self) {
        for (number, (named, theirs)) in other.names.into_iter().zip(other.seen).enumerate() {
            let watched = other.watched.remove(&(number as u32));
            let find = |points: &Self| points.find_by(named.hash, |name| *name == named.name);
            if let Some(known) = find(self) {
                self.add_to(known, theirs, watched);
            } else {
                let id = find(apart).unwrap_or_else(|| apart.push(named));
                apart.add_to(id, theirs, watched);
            }
        }
    }

    fn add_to(&mut self, id: PointId, theirs: Seen, watched: Option<Watched>) {
        if let Some(seen) = self.seen.get_mut(id.0 as usize) {
            seen.records += theirs.records;
            (seen.first, seen.last) = (seen.first.min(theirs.first), seen.last.max(theirs.last));
        }
        if let Some(watched) = watched {
            self.watched.entry(id.0).or_default().merge(&watched);
        }
    }

    /// Adds all to a coverage.
    pub(super) fn into_coverage(mut self, coverage: &mut Coverage) {
        for (number, (named, seen)) in self.names.into_iter().zip(self.seen).enumerate() {
            let mut watched = self.watched.remove(&(number as u32)).unwrap_or_default();
            if seen.records > 0 {
                watched.records += seen.records;
                watched.note(seen.first.into(), seen.last.into());
            }
            coverage.points.entry(named.name).or_default().merge(&watched);
        }
    }
}

/// Whether a point has a name, which is in small letters.
fn is_name_of(name: &PointName, point: &Point<'_>) -> bool {
    let is_same = |known: &Option<String>, other: Option<&str>| match (known, other) {
        (Some(known), Some(other)) if other.is_ascii() => known.eq_ignore_ascii_case(other),
        (Some(known), Some(other)) => *known == other.to_lowercase(),
        (known, other) => known.is_none() && other.is_none(),
    };
    name.cloud == point.cloud
        && is_same(&name.interface, point.interface)
        && is_same(&name.network, point.network)
}

/// The same for the same name in any letters.
fn hash_of(point: &Point<'_>) -> u64 {
    let interface = point.interface.map_or(1, hash_of_name);
    hash(interface, point.network.map_or(1, hash_of_name) ^ point.cloud as u64)
}

fn hash_of_name(name: &str) -> u64 {
    if name.is_ascii() { hash_of_ascii(name) } else { hash_of_ascii(&name.to_lowercase()) }
}

/// Capital letters differ from small ones in one bit, which is left out (of all that is not a letter, too).
fn hash_of_ascii(name: &str) -> u64 {
    const SMALL: u64 = u64::from_ne_bytes([0x20; 8]);
    let (words, rest) = name.as_bytes().as_chunks::<8>();
    let mut last = [0; 8];
    last.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
    let all = words.iter().chain([&last]);
    all.fold(name.len() as u64, |state, word| hash(state, u64::from_le_bytes(*word) | SMALL))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::Cloud;
    use proptest::prelude::*;

    fn name() -> impl Strategy<Value = Option<String>> {
        proptest::option::of(prop_oneof!["[abAB]{0,2}", "[aAkK\u{212a}äÄ]{0,9}", "(eni|ENI)-[0-2a-bA-B]{8}"])
    }

    fn point() -> impl Strategy<Value = (Cloud, Option<String>, Option<String>)> {
        (prop_oneof![Just(Cloud::Aws), Just(Cloud::Gcp)], name(), name())
    }

    proptest! {
        #[test]
        fn each_name_has_one_number_whatever_its_letters(asked in proptest::collection::vec(point(), 0..60)) {
            let mut points = Points::default();
            let mut expected: FxHashMap<PointName, PointId> = FxHashMap::default();
            for (cloud, interface, network) in &asked {
                let (interface, network) = (interface.as_deref(), network.as_deref());
                let point = Point { cloud: *cloud, interface, network };
                let name = PointName::of(&point);
                prop_assert_eq!(points.find(&point), expected.get(&name).copied());
                if !expected.contains_key(&name) {
                    points.add(&point);
                    expected.insert(name, PointId(expected.len() as u32));
                }
            }
        }
    }
}
