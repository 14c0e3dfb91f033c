//! Adding summaries up: of other parts, of longer windows; and the order in which they are written.

use std::borrow::Cow;

use crate::summary::{EndId, Ends, Key, Summaries, Tally};

impl Tally {
    /// Adds what was counted elsewhere of the same kind, up to the largest number. A tally of nothing is the default one.
    #[inline]
    pub fn add(&mut self, other: &Self) {
        if self.first == 0 && self.last == 0 {
            (self.first, self.last) = (other.first, other.last);
        } else if other.first != 0 || other.last != 0 {
            (self.first, self.last) = (self.first.min(other.first), self.last.max(other.last));
        }
        self.connections = self.connections.saturating_add(other.connections);
        self.packets = self.packets.saturating_add(other.packets);
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.reply_packets = self.reply_packets.saturating_add(other.reply_packets);
        self.reply_bytes = self.reply_bytes.saturating_add(other.reply_bytes);
        self.guessed = self.guessed.saturating_add(other.guessed);
        self.rejected_replies = self.rejected_replies.saturating_add(other.rejected_replies);
    }
}

impl Summaries {
    /// Adds other ones: rows of equal keys become one. If the widths of the windows differ, the wider one is that of all.
    ///
    /// Numbers of ends in `self` stay what they are.
    pub fn add(&mut self, other: &Self) {
        self.add_all([other]);
    }

    /// The same for many at once, sorted once.
    pub fn add_all<'a>(&mut self, others: impl IntoIterator<Item = &'a Self>) {
        for other in others {
            if self.rows.is_empty() && self.ends.is_empty() {
                self.window_s = self.window_s.max(other.window_s);
            }
            let width = self.window_s.max(other.window_s);
            if width != self.window_s {
                *self = self.coarser(width);
            }
            let other =
                if width == other.window_s { Cow::Borrowed(other) } else { Cow::Owned(other.coarser(width)) };
            let numbers: Vec<EndId> =
                other.ends.iter().map(|(_, end)| self.ends.intern(end.clone())).collect();
            self.rows.extend(other.rows.iter().map(|(key, tally)| (renumbered(key, &numbers), *tally)));
        }
        fold(&mut self.rows);
    }

    /// Ends in their own order and none that no row names; rows by key. Equal contents are then equal in every byte.
    pub fn sorted(self) -> Self {
        let mut is_named = vec![false; self.ends.len()];
        for (key, _) in &self.rows {
            is_named[key.source.0 as usize] = true;
            is_named[key.destination.0 as usize] = true;
        }
        let mut named: Vec<_> = self.ends.iter().filter(|(id, _)| is_named[id.0 as usize]).collect();
        named.sort_unstable_by(|a, b| a.1.cmp(b.1));
        let mut numbers = vec![EndId(0); self.ends.len()];
        let mut ends = Ends::default();
        for (old, end) in named {
            numbers[old.0 as usize] = ends.intern(end.clone());
        }
        let mut rows: Vec<_> =
            self.rows.into_iter().map(|(key, tally)| (renumbered(&key, &numbers), tally)).collect();
        fold(&mut rows);
        Self { window_s: self.window_s, ends, rows }
    }

    /// The same in longer windows. A row is where its window begins: the width should be a multiple of what it was.
    ///
    /// Of a flow that both ends saw, make it coarser before you merge: the larger number of a day is not the sum of the larger
    /// numbers of its hours.
    pub fn coarser(&self, window_s: u32) -> Self {
        let window_s = window_s.max(self.window_s).max(1);
        let width = i64::from(window_s);
        let wide = |key: &Key| Key { window: key.window.div_euclid(width) * width, ..*key };
        let mut rows: Vec<_> = self.rows.iter().map(|(key, tally)| (wide(key), *tally)).collect();
        fold(&mut rows);
        Self { window_s, ends: self.ends.clone(), rows }
    }
}

fn renumbered(key: &Key, numbers: &[EndId]) -> Key {
    let number = |id: EndId| numbers[id.0 as usize];
    Key { source: number(key.source), destination: number(key.destination), ..*key }
}

/// Sorts rows by key and makes one of those with the same key. Fast where runs are sorted already.
pub(super) fn fold(rows: &mut Vec<(Key, Tally)>) {
    rows.sort_by_key(|row| row.0);
    join(rows);
}

/// The same for rows in no order, without more memory.
pub(crate) fn fold_unsorted(rows: &mut Vec<(Key, Tally)>) {
    rows.sort_unstable_by_key(|row| row.0);
    join(rows);
}

fn join(rows: &mut Vec<(Key, Tally)>) {
    rows.dedup_by(|next, kept| {
        let is_same = next.0 == kept.0;
        if is_same {
            kept.1.add(&next.1);
        }
        is_same
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay::Seen;

    /// A log may say anything: what is too large to be counted is the largest number, and no panic.
    #[test]
    fn counts_end_at_the_largest_number() {
        let huge =
            Tally { packets: u64::MAX, bytes: u64::MAX, reply_bytes: 7, connections: 1, ..Tally::default() };
        let mut sum = huge;
        sum.add(&huge);
        assert_eq!((sum.packets, sum.bytes, sum.connections), (u64::MAX, u64::MAX, 2));
        let key = Key {
            window: 0,
            source: EndId(0),
            destination: EndId(0),
            service: policy::ServicePoint::port(6, 443),
            outcome: crate::Outcome::Accepted,
            side: crate::Side::Both,
        };
        let mut seen = Seen::default();
        seen.add(&key, &huge);
        seen.add(&key, &huge);
        assert_eq!((seen.bytes, seen.rows), (u64::MAX, 2));
    }
}
