//! Lists of lists in two allocations. A hundred thousand short lists, each on its own, cost more to allocate and
//! to reach than to fill.

/// Lists by number, in one piece of memory.
pub(super) struct Lists<T> {
    /// Where each list ends; it starts where the one before it ends.
    ends: Vec<u32>,
    items: Vec<T>,
}

impl<T: Copy> Lists<T> {
    pub(super) fn with_capacity(lists: usize, items: usize) -> Self {
        Self { ends: Vec::with_capacity(lists), items: Vec::with_capacity(items) }
    }

    /// Files items under numbers below `count`; each list keeps the order in which its items come.
    pub(super) fn filed<I: Iterator<Item = (u32, T)>>(count: usize, pairs: impl Fn() -> I) -> Self {
        let mut next = vec![0_u32; count + 1];
        pairs().for_each(|(list, _)| next[list as usize + 1] += 1);
        (1..next.len()).for_each(|list| next[list] += next[list - 1]);
        let Some((_, some)) = pairs().next() else { return Self { ends: vec![0; count], items: Vec::new() } };
        let mut items = vec![some; next[count] as usize];
        for (list, item) in pairs() {
            items[next[list as usize] as usize] = item;
            next[list as usize] += 1;
        }
        next.truncate(count);
        Self { ends: next, items }
    }

    /// Adds a list and gives its number.
    pub(super) fn push(&mut self, list: impl IntoIterator<Item = T>) -> u32 {
        self.items.extend(list);
        self.close()
    }

    /// Ends the list that [`Lists::extend`] fills and gives its number.
    pub(super) fn close(&mut self) -> u32 {
        self.ends.push(self.items.len() as u32);
        self.ends.len() as u32 - 1
    }

    /// Adds items to the list that is not closed yet.
    pub(super) fn extend(&mut self, items: impl IntoIterator<Item = T>) {
        self.items.extend(items);
    }

    pub(super) fn get(&self, list: u32) -> &[T] {
        let start = if list == 0 { 0 } else { self.ends[list as usize - 1] as usize };
        &self.items[start..self.ends[list as usize] as usize]
    }
}

impl<T: Copy + Ord> Lists<T> {
    /// Adds a list, sorted, and gives its number.
    pub(super) fn push_sorted(&mut self, list: impl IntoIterator<Item = T>) -> u32 {
        let start = self.items.len();
        self.items.extend(list);
        self.items[start..].sort_unstable();
        self.close()
    }
}
