//! The names of points, each once.

use crate::index::{Index, hash};
use crate::sink::{Cloud, Point, PointId};

/// A name: one part after the other in the text of all, each with its length plus one, 0 for one that is not in the log.
#[derive(Clone, Copy)]
struct Named {
    from: usize,
    interface: u32,
    network: u32,
    cloud: Cloud,
}

/// Names by number, in the order in which they were met.
#[derive(Default)]
pub(super) struct Names {
    index: Index,
    names: Vec<Named>,
    /// All names, in small letters.
    text: String,
}

impl Names {
    /// The number of a name, if it is known.
    pub(super) fn find(&self, point: &Point<'_>) -> Option<PointId> {
        let is_it = |place: usize| self.name(place).is_some_and(|name| is_same(&name, point));
        self.index.find(hash_of(point), is_it).map(|place| PointId(place as u32))
    }

    /// A new name. INVARIANT: it is not known.
    pub(super) fn add(&mut self, point: &Point<'_>) -> PointId {
        let number = self.names.len();
        self.index.insert(hash_of(point), number);
        let from = self.text.len();
        let [interface, network] = [point.interface, point.network].map(|name| self.write(name));
        self.names.push(Named { from, interface, network, cloud: point.cloud });
        PointId(number as u32)
    }

    /// Writes a part of a name, and gives its length plus one.
    fn write(&mut self, name: Option<&str>) -> u32 {
        let Some(name) = name else { return 0 };
        let from = self.text.len();
        if name.is_ascii() {
            self.text.push_str(name);
            if let Some(written) = self.text.get_mut(from..) {
                written.make_ascii_lowercase();
            }
        } else {
            self.text.push_str(&name.to_lowercase());
        }
        (self.text.len() - from + 1) as u32
    }

    /// The name of a number, in small letters.
    pub(super) fn name(&self, number: usize) -> Option<Point<'_>> {
        let named = self.names.get(number)?;
        let mut rest = self.text.get(named.from..)?;
        let mut part = |len: u32| {
            let (part, behind) = rest.split_at_checked((len as usize).checked_sub(1)?)?;
            rest = behind;
            Some(part)
        };
        Some(Point { cloud: named.cloud, interface: part(named.interface), network: part(named.network) })
    }
}

/// Whether a name, which is in small letters, is that of a point.
fn is_same(name: &Point<'_>, point: &Point<'_>) -> bool {
    let is_same = |known: Option<&str>, other: Option<&str>| match (known, other) {
        (Some(known), Some(other)) if other.is_ascii() => known.eq_ignore_ascii_case(other),
        (Some(known), Some(other)) => *known == other.to_lowercase(),
        (known, other) => known.is_none() && other.is_none(),
    };
    name.cloud == point.cloud
        && is_same(name.interface, point.interface)
        && is_same(name.network, point.network)
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
    use rustc_hash::FxHashMap;

    use super::*;
    use crate::coverage::PointName;
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
            let mut names = Names::default();
            let mut expected: FxHashMap<PointName, PointId> = FxHashMap::default();
            for (cloud, interface, network) in &asked {
                let (interface, network) = (interface.as_deref(), network.as_deref());
                let point = Point { cloud: *cloud, interface, network };
                let name = PointName::of(&point);
                prop_assert_eq!(names.find(&point), expected.get(&name).copied());
                if !expected.contains_key(&name) {
                    names.add(&point);
                    expected.insert(name, PointId(expected.len() as u32));
                }
            }
            for (name, id) in expected {
                prop_assert_eq!(names.name(id.0 as usize).map(|point| PointName::of(&point)), Some(name));
            }
        }
    }
}
