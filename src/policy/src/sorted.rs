//! A small map and a small set as one sorted list.
//!
//! Labels of a workload, terms of a selector, values of a term: mostly one to five entries, in the hundred
//! thousands of copies. A list of exactly that length is one allocation of that size; a B-tree node has room
//! for eleven entries whatever it holds. Inserting is linear. A set of one value needs no allocation at all.

use std::borrow::Borrow;

use crate::few::Few;

/// Keys with values, sorted by key, each key once.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SortedMap<K, V>(Vec<(K, V)>);

/// Values, sorted, each once.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SortedSet<T>(Few<T>);

impl<K, V> Default for SortedMap<K, V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Default for SortedSet<T> {
    fn default() -> Self {
        Self(Few::default())
    }
}

impl<K: Ord, V> SortedMap<K, V> {
    /// No entry.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The number of entries.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    fn place<Q: Ord + ?Sized>(&self, key: &Q) -> Result<usize, usize>
    where
        K: Borrow<Q>,
    {
        self.0.binary_search_by(|(known, _)| known.borrow().cmp(key))
    }

    /// The value under a key.
    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.get_key_value(key).map(|(_, value)| value)
    }

    /// The entry of a key.
    pub fn get_key_value<Q: Ord + ?Sized>(&self, key: &Q) -> Option<(&K, &V)>
    where
        K: Borrow<Q>,
    {
        let (key, value) = &self.0[self.place(key).ok()?];
        Some((key, value))
    }

    /// Whether a key has a value.
    pub fn contains_key<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.place(key).is_ok()
    }

    /// Puts a value under a key and returns the one that was there.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        match self.place(&key) {
            Ok(place) => Some(std::mem::replace(&mut self.0[place].1, value)),
            Err(place) => {
                self.make_room();
                self.0.insert(place, (key, value));
                None
            }
        }
    }

    /// Takes a key away and returns its value.
    pub fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        self.place(key).ok().map(|place| self.0.remove(place).1)
    }

    /// The value under a key, put there if there is none.
    pub fn or_default(&mut self, key: &K) -> &mut V
    where
        K: Clone,
        V: Default,
    {
        let place = self.place(key).unwrap_or_else(|place| {
            self.make_room();
            self.0.insert(place, (key.clone(), V::default()));
            place
        });
        &mut self.0[place].1
    }

    /// One entry more costs one entry more, not the four that a list starts with.
    fn make_room(&mut self) {
        if self.0.len() < 4 {
            self.0.reserve_exact(1);
        }
    }

    /// The keys, sorted.
    pub fn keys(&self) -> impl Iterator<Item = &K> {
        self.0.iter().map(|(key, _)| key)
    }

    /// The values, in the order of their keys.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.0.iter().map(|(_, value)| value)
    }

    /// The entries, sorted by key.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> + Clone {
        self.0.iter().map(|(key, value)| (key, value))
    }
}

impl<T: Ord> SortedSet<T> {
    /// Whether there is no value.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a value is there.
    pub fn contains(&self, value: &T) -> bool {
        self.0.binary_search(value).is_ok()
    }

    /// Whether every value is in `other`.
    pub fn is_subset(&self, other: &Self) -> bool {
        self.iter().all(|value| other.contains(value))
    }

    /// Keeps what `keep` says.
    pub fn retain(&mut self, keep: impl FnMut(&T) -> bool) {
        let mut values = std::mem::take(&mut self.0).into_vec();
        values.retain(keep);
        self.0 = values.into();
    }

    /// The values, sorted.
    pub fn iter(&self) -> std::slice::Iter<'_, T> {
        self.0.iter()
    }
}

impl<K: Ord, V> FromIterator<(K, V)> for SortedMap<K, V> {
    /// Of two values under one key the later one stays.
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let mut map = Self::new();
        map.extend(entries);
        map
    }
}

impl<K: Ord, V> Extend<(K, V)> for SortedMap<K, V> {
    fn extend<I: IntoIterator<Item = (K, V)>>(&mut self, entries: I) {
        entries.into_iter().for_each(|(key, value)| drop(self.insert(key, value)));
    }
}

impl<T: Ord> FromIterator<T> for SortedSet<T> {
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Self {
        let values: Few<T> = values.into_iter().collect();
        if values.is_sorted_by(|a, b| a < b) {
            return Self(values);
        }
        let mut values = values.into_vec();
        values.sort_unstable();
        values.dedup();
        values.shrink_to_fit();
        Self(values.into())
    }
}

impl<T: Ord> Extend<T> for SortedSet<T> {
    fn extend<I: IntoIterator<Item = T>>(&mut self, values: I) {
        let mut all = std::mem::take(&mut self.0).into_vec();
        all.extend(values);
        all.sort_unstable();
        all.dedup();
        self.0 = all.into();
    }
}

impl<T: Ord, const N: usize> From<[T; N]> for SortedSet<T> {
    fn from(values: [T; N]) -> Self {
        Self::from_iter(values)
    }
}

impl<K: Ord, V, const N: usize> From<[(K, V); N]> for SortedMap<K, V> {
    fn from(entries: [(K, V); N]) -> Self {
        Self::from_iter(entries)
    }
}

impl<'a, T> IntoIterator for &'a SortedSet<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl<'a, K, V> IntoIterator for &'a SortedMap<K, V> {
    type Item = (&'a K, &'a V);
    type IntoIter = std::iter::Map<std::slice::Iter<'a, (K, V)>, fn(&'a (K, V)) -> (&'a K, &'a V)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter().map(|(key, value)| (key, value))
    }
}

impl<K, V> IntoIterator for SortedMap<K, V> {
    type Item = (K, V);
    type IntoIter = std::vec::IntoIter<(K, V)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::{BTreeMap, BTreeSet};

    proptest! {
        #[test]
        fn a_map_is_what_a_tree_is(entries in proptest::collection::vec((0u8..9, any::<u8>()), 0..12), taken: u8) {
            let (mut list, mut tree) = (SortedMap::from_iter(entries.clone()), BTreeMap::from_iter(entries));
            prop_assert_eq!(list.remove(&taken), tree.remove(&taken));
            *list.or_default(&4) += 0;
            tree.entry(4).or_default();
            prop_assert!(list.iter().eq(tree.iter()));
            prop_assert!((0..9).all(|key| list.get(&key) == tree.get(&key)));
        }

        #[test]
        fn a_set_is_what_a_tree_is(a: Vec<u8>, b: Vec<u8>) {
            let (mut list, mut tree) = (SortedSet::from_iter(a.clone()), BTreeSet::from_iter(a));
            let (other_list, other_tree) = (SortedSet::from_iter(b.clone()), BTreeSet::from_iter(b));
            prop_assert_eq!(list.is_subset(&other_list), tree.is_subset(&other_tree));
            list.extend(other_list.iter().copied());
            tree.extend(other_tree);
            prop_assert!(list.iter().eq(tree.iter()));
        }
    }
}
