//! A list that needs no allocation for one item.
//!
//! The values of a term, the selectors of a side, the members of a class: mostly one, in the hundred thousands. A
//! list of its own for each would be most of what a compiled policy weighs, and most of what compile waits for.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;

/// Items in an order. Equal items in the same order are equal values, however they are kept.
#[derive(Clone)]
pub struct Few<T>(Kept<T>);

#[derive(Clone)]
enum Kept<T> {
    One(T),
    Many(Vec<T>),
}

impl<T> Few<T> {
    /// Adds an item at the end.
    pub fn push(&mut self, item: T) {
        match std::mem::replace(&mut self.0, Kept::Many(Vec::new())) {
            Kept::Many(items) if items.capacity() == 0 => self.0 = Kept::One(item),
            Kept::Many(mut items) => {
                items.push(item);
                self.0 = Kept::Many(items);
            }
            Kept::One(first) => self.0 = Kept::Many(vec![first, item]),
        }
    }

    /// The items as a list of their own.
    pub fn into_vec(self) -> Vec<T> {
        match self.0 {
            Kept::One(item) => vec![item],
            Kept::Many(items) => items,
        }
    }
}

impl<T> Default for Few<T> {
    fn default() -> Self {
        Self(Kept::Many(Vec::new()))
    }
}

impl<T> Deref for Few<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        match &self.0 {
            Kept::One(item) => std::slice::from_ref(item),
            Kept::Many(items) => items,
        }
    }
}

impl<T> From<Vec<T>> for Few<T> {
    fn from(mut items: Vec<T>) -> Self {
        match items.pop() {
            Some(item) if items.is_empty() => return Self(Kept::One(item)),
            Some(item) => items.push(item),
            None => {}
        }
        Self(Kept::Many(items))
    }
}

impl<T> FromIterator<T> for Few<T> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        let mut items = items.into_iter();
        let Some(first) = items.next() else { return Self::default() };
        let Some(second) = items.next() else { return Self(Kept::One(first)) };
        let mut many = Vec::with_capacity(items.size_hint().0 + 2);
        many.extend([first, second]);
        many.extend(items);
        Self(Kept::Many(many))
    }
}

impl<'a, T> IntoIterator for &'a Few<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<T: PartialEq> PartialEq for Few<T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<T: Eq> Eq for Few<T> {}

impl<T: PartialOrd> PartialOrd for Few<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        (**self).partial_cmp(&**other)
    }
}

impl<T: Ord> Ord for Few<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        (**self).cmp(&**other)
    }
}

impl<T: Hash> Hash for Few<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (**self).hash(state);
    }
}

impl<T: fmt::Debug> fmt::Debug for Few<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::LabelValue;
    use proptest::prelude::*;
    use std::hash::BuildHasher;

    proptest! {
        #[test]
        fn few_are_what_a_list_is(items in proptest::collection::vec(0u8..3, 0..4), other: Vec<u8>) {
            let (few, one_by_one) = (Few::from_iter(items.clone()), {
                let mut few = Few::default();
                items.iter().for_each(|&item| few.push(item));
                few
            });
            prop_assert_eq!(&*few, &items[..]);
            prop_assert_eq!(&few, &one_by_one);
            let hash = |few: &Few<u8>| rustc_hash::FxBuildHasher.hash_one(few);
            prop_assert_eq!(hash(&few), hash(&one_by_one));
            let other_few = Few::from(other.clone());
            prop_assert_eq!(few.cmp(&other_few), items.cmp(&other));
            prop_assert_eq!(few.into_vec(), items);
        }
    }

    #[test]
    fn one_costs_no_more_room_than_a_list() {
        assert_eq!(size_of::<Option<Few<LabelValue>>>(), size_of::<Vec<LabelValue>>());
        assert_eq!(size_of::<Few<u32>>(), size_of::<Vec<u32>>());
    }
}
