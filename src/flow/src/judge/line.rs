//! The line of addresses, cut where an IP list of the policy begins or ends.
//!
//! Two addresses of one part are held by the same lists, so that no rule tells them apart by address.

use std::collections::BTreeSet;
use std::net::IpAddr;

use policy::AddressSet;
use rustc_hash::FxHashMap;

/// A part of the line, by which lists hold it; equal parts anywhere on the line are one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) struct PartId(pub u32);

/// Both families, each cut into parts.
pub(super) struct Line {
    /// Where each part begins, sorted; the first begins at 0.
    families: [Vec<(u128, PartId)>; 2],
    /// The lists that hold each part, by their numbers, sorted.
    lists: Vec<Vec<u32>>,
}

impl Line {
    /// Cuts the line; about as long as sorting the bounds of all lists.
    pub(super) fn new(lists: &[&AddressSet]) -> Self {
        let mut known = FxHashMap::default();
        let v4 = |set: &AddressSet| {
            let ranges = set.v4().ranges().iter();
            ranges.map(|&(first, last)| (u128::from(first), u128::from(last))).collect::<Vec<_>>()
        };
        let v6 = |set: &AddressSet| set.v6().ranges().to_vec();
        let families = [cut(lists.iter().map(|set| v4(set)), &mut known), {
            cut(lists.iter().map(|set| v6(set)), &mut known)
        }];
        let mut of_part = vec![Vec::new(); known.len()];
        for (held_by, PartId(part)) in known {
            of_part[part as usize] = held_by;
        }
        Self { families, lists: of_part }
    }

    /// The lists that hold a part.
    pub(super) fn lists(&self, part: PartId) -> &[u32] {
        &self.lists[part.0 as usize]
    }

    /// The part of an address.
    pub(super) fn part(&self, address: IpAddr) -> PartId {
        let (is_v6, number) = number(address);
        let parts = &self.families[usize::from(is_v6)];
        parts[parts.partition_point(|&(start, _)| start <= number) - 1].1
    }

    /// The parts that addresses from `first` to `last` lie in, each once.
    pub(super) fn parts(&self, first: IpAddr, last: IpAddr) -> BTreeSet<PartId> {
        let (is_v6, first) = number(first);
        let (_, last) = number(last);
        let parts = &self.families[usize::from(is_v6)];
        let from = parts.partition_point(|&(start, _)| start <= first) - 1;
        parts[from..].iter().take_while(|&&(start, _)| start <= last).map(|&(_, part)| part).collect()
    }
}

/// INVARIANT: the first part begins at 0, so that every address lies behind some start.
fn cut(
    lists: impl Iterator<Item = Vec<(u128, u128)>>,
    known: &mut FxHashMap<Vec<u32>, PartId>,
) -> Vec<(u128, PartId)> {
    let mut bounds: Vec<(u128, bool, u32)> = Vec::new();
    for (list, ranges) in (0..).zip(lists) {
        for (first, last) in ranges {
            bounds.push((first, true, list));
            bounds.extend(last.checked_add(1).map(|behind| (behind, false, list)));
        }
    }
    bounds.sort_unstable();
    let mut holding = BTreeSet::new();
    let mut part = |holding: &BTreeSet<u32>| {
        let next = PartId(known.len() as u32);
        *known.entry(holding.iter().copied().collect()).or_insert(next)
    };
    let mut parts = vec![(0, part(&holding))];
    for at_once in bounds.chunk_by(|a, b| a.0 == b.0) {
        // A list of touching ranges may end and begin at one place: it goes on.
        for &(_, _, list) in at_once.iter().filter(|(_, begins, _)| !begins) {
            holding.remove(&list);
        }
        holding.extend(at_once.iter().filter(|(_, begins, _)| *begins).map(|&(_, _, list)| list));
        let start = at_once[0].0;
        if start == 0 {
            parts.clear();
        }
        parts.push((start, part(&holding)));
    }
    parts
}

fn number(address: IpAddr) -> (bool, u128) {
    match address {
        IpAddr::V4(v4) => (false, u128::from(v4.to_bits())),
        IpAddr::V6(v6) => (true, v6.to_bits()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn every_address_is_in_the_part_of_the_lists_that_hold_it() {
        let sets: Vec<AddressSet> = ["0.0.0.0/1", "10.0.0.0/8", "10.0.0.0-11.0.0.5", "2001:db8::/32", "::/0"]
            .iter()
            .map(|text| text.parse().unwrap())
            .collect();
        let line = Line::new(&sets.iter().collect::<Vec<_>>());
        for text in
            ["0.0.0.0", "9.255.255.255", "10.0.0.0", "11.0.0.5", "11.0.0.6", "128.0.0.0", "255.255.255.255"]
                .iter()
                .chain(&["::", "2001:db8::1", "2001:db9::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"])
        {
            let address: IpAddr = text.parse().unwrap();
            let expected: Vec<u32> = (0..5).filter(|&list| sets[list as usize].contains(address)).collect();
            assert_eq!(line.lists(line.part(address)), expected, "{text}");
        }
        let parts = line.parts("10.0.0.0".parse().unwrap(), "11.255.255.255".parse().unwrap());
        assert_eq!(parts.len(), 3, "in both lists, in the longer one, in the half alone");
    }
}
