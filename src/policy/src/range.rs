//! Sets of integers as sorted inclusive ranges: the algebra under address sets and service sets.
//!
//! INVARIANT: ranges are sorted, disjoint and not adjacent, so equal sets are equal values.

use std::fmt::Debug;

/// An integer that a [`RangeSet`] can hold.
pub trait Point: Copy + Ord + Debug {
    /// The smallest value.
    const MIN: Self;
    /// The largest value.
    const MAX: Self;
    /// The value after this one, if there is one.
    fn next(self) -> Option<Self>;
    /// The value before this one, if there is one.
    fn previous(self) -> Option<Self>;
}

macro_rules! point {
    ($($integer:ty),*) => {$(
        impl Point for $integer {
            const MIN: Self = <$integer>::MIN;
            const MAX: Self = <$integer>::MAX;
            fn next(self) -> Option<Self> {
                self.checked_add(1)
            }
            fn previous(self) -> Option<Self> {
                self.checked_sub(1)
            }
        }
    )*};
}
point!(u32, u128);

/// A set of integers. Union, intersection and difference are linear in the number of ranges.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RangeSet<T> {
    ranges: Vec<(T, T)>,
}

impl<T> Default for RangeSet<T> {
    fn default() -> Self {
        Self { ranges: Vec::new() }
    }
}

impl<T: Point> FromIterator<(T, T)> for RangeSet<T> {
    /// Takes ranges in any order, overlapping or not; an empty range (first above last) is left out.
    fn from_iter<I: IntoIterator<Item = (T, T)>>(ranges: I) -> Self {
        let mut ranges: Vec<_> = ranges.into_iter().filter(|(first, last)| first <= last).collect();
        ranges.sort_unstable();
        Self::merged(ranges.into_iter())
    }
}

impl<T: Point> RangeSet<T> {
    /// The set of all integers from `first` to `last`.
    pub fn range(first: T, last: T) -> Self {
        if first <= last { Self { ranges: vec![(first, last)] } } else { Self::default() }
    }

    /// The ranges, sorted, disjoint and not adjacent.
    pub fn ranges(&self) -> &[(T, T)] {
        &self.ranges
    }

    /// Whether the set holds nothing.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// The smallest member.
    pub fn first(&self) -> Option<T> {
        self.ranges.first().map(|range| range.0)
    }

    /// Whether `point` is a member; logarithmic.
    pub fn contains(&self, point: T) -> bool {
        let after = self.ranges.partition_point(|&(first, _)| first <= point);
        self.ranges[..after].last().is_some_and(|&(_, last)| point <= last)
    }

    /// Whether every member of `self` is in `other`.
    pub fn is_subset(&self, other: &Self) -> bool {
        // Ranges never touch, so a range is covered by one range or not at all.
        let mut wide = other.ranges.as_slice();
        self.ranges.iter().all(|&(first, last)| {
            wide = &wide[wide.partition_point(|range| range.1 < first)..];
            wide.first().is_some_and(|range| range.0 <= first && last <= range.1)
        })
    }

    /// Whether the two share a member.
    pub fn intersects(&self, other: &Self) -> bool {
        let (few, mut many) = if self.ranges.len() <= other.ranges.len() {
            (&self.ranges, other.ranges.as_slice())
        } else {
            (&other.ranges, self.ranges.as_slice())
        };
        few.iter().any(|&(first, last)| {
            many = &many[many.partition_point(|range| range.1 < first)..];
            many.first().is_some_and(|range| range.0 <= last)
        })
    }

    /// Members of either.
    pub fn union(&self, other: &Self) -> Self {
        if self.is_empty() {
            return other.clone();
        }
        if other.is_empty() {
            return self.clone();
        }
        Self::merged(Merge { left: &self.ranges, right: &other.ranges })
    }

    /// Members of both.
    pub fn intersection(&self, other: &Self) -> Self {
        let (mut left, mut right) = (self.ranges.iter().peekable(), other.ranges.iter().peekable());
        let mut ranges = Vec::new();
        while let (Some(&&(a, b)), Some(&&(c, d))) = (left.peek(), right.peek()) {
            if a.max(c) <= b.min(d) {
                ranges.push((a.max(c), b.min(d)));
            }
            if b < d {
                left.next();
            } else {
                right.next();
            }
        }
        Self { ranges }
    }

    /// Members of `self` that are not in `other`.
    pub fn difference(&self, other: &Self) -> Self {
        let mut ranges = Vec::new();
        let mut holes = other.ranges.iter().peekable();
        for &(first, last) in &self.ranges {
            let mut start = Some(first);
            while holes.next_if(|hole| hole.1 < first).is_some() {}
            while let (Some(from), Some(&&(hole_first, hole_last))) = (start, holes.peek()) {
                if hole_first > last {
                    break;
                }
                if let Some(before) = hole_first.previous().filter(|&before| from <= before) {
                    ranges.push((from, before));
                }
                start = hole_last.next().filter(|&next| next <= last);
                if hole_last > last {
                    break;
                }
                holes.next();
            }
            if let Some(from) = start {
                ranges.push((from, last));
            }
        }
        Self { ranges }
    }

    /// Joins sorted ranges that overlap or touch.
    fn merged(sorted: impl Iterator<Item = (T, T)>) -> Self {
        let mut ranges: Vec<(T, T)> = Vec::new();
        for (first, last) in sorted {
            match ranges.last_mut() {
                Some(open) if open.1.next().is_none_or(|next| first <= next) => open.1 = open.1.max(last),
                _ => ranges.push((first, last)),
            }
        }
        Self { ranges }
    }
}

/// Two sorted lists of ranges as one sorted stream.
struct Merge<'a, T> {
    left: &'a [(T, T)],
    right: &'a [(T, T)],
}

impl<T: Point> Iterator for Merge<'_, T> {
    type Item = (T, T);

    fn next(&mut self) -> Option<(T, T)> {
        let from_left = match (self.left.first(), self.right.first()) {
            (Some(left), Some(right)) => left <= right,
            (left, _) => left.is_some(),
        };
        let side = if from_left { &mut self.left } else { &mut self.right };
        let (head, tail) = side.split_first()?;
        *side = tail;
        Some(*head)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_set() -> impl Strategy<Value = RangeSet<u32>> {
        // Values stay near both ends, where off-by-one mistakes live.
        let point = prop_oneof![0u32..40, (u32::MAX - 40)..=u32::MAX];
        proptest::collection::vec((point.clone(), point), 0..8).prop_map(RangeSet::from_iter)
    }

    fn sample() -> impl Iterator<Item = u32> {
        (0..45).chain(u32::MAX - 45..=u32::MAX)
    }

    proptest! {
        #[test]
        fn operations_agree_with_membership(a in any_set(), b in any_set()) {
            for point in sample() {
                let (in_a, in_b) = (a.contains(point), b.contains(point));
                prop_assert_eq!(a.union(&b).contains(point), in_a || in_b);
                prop_assert_eq!(a.intersection(&b).contains(point), in_a && in_b);
                prop_assert_eq!(a.difference(&b).contains(point), in_a && !in_b);
            }
            prop_assert_eq!(a.intersects(&b), sample().any(|p| a.contains(p) && b.contains(p)));
            prop_assert_eq!(a.is_subset(&b), sample().all(|p| !a.contains(p) || b.contains(p)));
        }

        #[test]
        fn equal_sets_are_equal_values(a in any_set(), b in any_set()) {
            prop_assert_eq!(a.difference(&b).union(&a.intersection(&b)), a);
        }
    }
}
