//! What a driver counts in the words of its cloud: how much of each limit a state uses, and what comes of it along a plan.
//!
//! ```text
//! state ─ CloudReader::usage ─▶ Usage for each object ─┐
//! states in which every make of a round is in flight ──┴─ quota ─▶ QuotaLine (the worst of each kind), Block
//! ```
//!
//! A count says what a state needs, also where that is more than there is.

use std::borrow::Cow;

use rustc_hash::FxHashMap;

use crate::plan::{Block, QuotaLine};
use crate::quota::{Kind, Numbers};

/// How much of one limit one object uses.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Usage<'a> {
    /// What is counted: `rules of a network security group`.
    pub name: &'static str,
    /// Of which object, for people; one object has one name.
    pub subject: Cow<'a, str>,
    /// How many there are.
    pub used: u32,
    /// How many there may be.
    pub limit: u32,
}

impl<'a> Usage<'a> {
    /// A count, which is cut off where it does not fit.
    pub fn new(name: &'static str, subject: impl Into<Cow<'a, str>>, used: usize, limit: usize) -> Self {
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        Self { name, subject: subject.into(), used: number(used), limit: number(limit) }
    }
}

/// What of one object was used.
struct Object<'a> {
    subject: Cow<'a, str>,
    numbers: Numbers,
    limit: u32,
}

/// The numbers of every object of one scope, while states of a plan come by.
#[derive(Default)]
pub struct Tally<'a> {
    /// In the order in which the driver names them.
    kinds: Vec<(&'static str, Vec<Object<'a>>)>,
    places: FxHashMap<(&'static str, String), usize>,
}

impl<'a> Tally<'a> {
    /// What there is before the first step, and after the last one if no other state comes by.
    pub fn new(before: Vec<Usage<'a>>) -> Self {
        let mut tally = Self::default();
        for Usage { name, subject, used, limit } in before {
            let numbers = Numbers { peak: used, after: used, before: used };
            tally.objects(name).push(Object { subject, numbers, limit });
        }
        tally
    }

    /// Whether nothing is counted.
    pub fn is_empty(&self) -> bool {
        self.kinds.is_empty()
    }

    fn objects(&mut self, name: &'static str) -> &mut Vec<Object<'a>> {
        let place = self.kinds.iter().position(|(known, _)| *known == name).unwrap_or_else(|| {
            self.kinds.push((name, Vec::new()));
            self.kinds.len() - 1
        });
        &mut self.kinds[place].1
    }

    /// A state on the way; what it does not name is used by nobody.
    pub fn pass(&mut self, state: Vec<Usage<'_>>) {
        if self.places.is_empty() {
            let all = self
                .kinds
                .iter()
                .flat_map(|(name, objects)| objects.iter().enumerate().map(move |o| (name, o)));
            self.places =
                all.map(|(name, (place, object))| ((*name, object.subject.to_string()), place)).collect();
        }
        for (_, objects) in &mut self.kinds {
            objects.iter_mut().for_each(|object| object.numbers.after = 0);
        }
        for Usage { name, subject, used, limit } in state {
            let subject = subject.into_owned();
            let known = self.places.get(&(name, subject.clone())).copied();
            let objects = self.objects(name);
            let place = known.unwrap_or(objects.len());
            if known.is_none() {
                let subject = Cow::Owned(subject.clone());
                objects.push(Object { subject, numbers: Numbers::default(), limit });
            }
            let numbers = &mut objects[place].numbers;
            numbers.after = used;
            numbers.peak = numbers.peak.max(used);
            if known.is_none() {
                self.places.insert((name, subject), place);
            }
        }
    }

    /// The worst object of each kind, and a block for each that is over at the peak or at the end.
    pub fn lines(&self) -> (Vec<QuotaLine>, Vec<Block>) {
        let (mut worst, mut blocks) = (Vec::new(), Vec::new());
        for (name, objects) in &self.kinds {
            let counts = objects.iter().map(|object| (&*object.subject, object.numbers, object.limit));
            let kind = Kind { name: (*name).to_owned(), counts: counts.collect(), subject: &str::to_owned };
            worst.extend(kind.worst());
            blocks.extend(kind.blocks());
        }
        (worst, blocks)
    }
}

/// Of several scopes, the line with the least room for each kind, in the order in which kinds were met.
pub fn worst_of_each(lines: Vec<QuotaLine>) -> Vec<QuotaLine> {
    let left = |line: &QuotaLine| i64::from(line.limit) - i64::from(line.peak);
    let mut worst: Vec<QuotaLine> = Vec::new();
    for line in lines {
        match worst.iter_mut().find(|known| known.name == line.name) {
            Some(known) if left(known) <= left(&line) => {}
            Some(known) => *known = line,
            None => worst.push(line),
        }
    }
    worst
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(counts: &[(&'static str, usize)]) -> Vec<Usage<'static>> {
        counts.iter().map(|&(subject, used)| Usage::new("rules", subject, used, 10)).collect()
    }

    fn shown(tally: &Tally<'_>) -> (Vec<String>, Vec<String>) {
        let (lines, blocks) = tally.lines();
        let line =
            |l: &QuotaLine| format!("{} {} {} {} of {}", l.subject, l.before, l.peak, l.after, l.limit);
        let block = |b: &Block| format!("{}: {}", b.subject, b.message);
        (lines.iter().map(line).collect(), blocks.iter().map(block).collect())
    }

    #[test]
    fn what_stays_is_its_own_peak_and_end() {
        assert_eq!(
            shown(&Tally::new(usage(&[("a", 3), ("b", 4)]))),
            (vec!["b 4 4 4 of 10".to_owned()], vec![])
        );
        assert!(Tally::default().is_empty());
    }

    #[test]
    fn the_peak_blocks_where_the_end_would_fit_and_what_was_over_may_get_better() {
        let mut tally = Tally::new(usage(&[("a", 8), ("b", 12)]));
        tally.pass(usage(&[("a", 11), ("b", 12), ("c", 2)]));
        tally.pass(usage(&[("a", 5), ("b", 11)]));
        let blocks = vec!["a: rules: 11 of 10 at the peak of the change".to_owned()];
        assert_eq!(shown(&tally), (vec!["b 12 12 11 of 10".to_owned()], blocks));
        tally.pass(usage(&[("a", 10), ("b", 10), ("c", 11)]));
        let (_, blocks) = shown(&tally);
        assert_eq!(blocks[1], "c: rules: 11 of 10 at the end", "{blocks:?}");
    }

    #[test]
    fn of_several_scopes_the_one_with_the_least_room_counts() {
        let lines = |used, limit| Tally::new(vec![Usage::new("rules", "x", used, limit)]).lines().0;
        let all = [lines(3, 4), lines(50, 60), lines(4, 4), lines(1, 9)].concat();
        let worst = worst_of_each(all);
        assert_eq!((worst.len(), worst[0].peak, worst[0].limit), (1, 4, 4));
    }
}
