//! Equal lists are one, and no list says more than it must.

use policy::{AddressSet, ServiceSet};
use rustc_hash::FxHashMap;

use super::before::without;
use super::rule::{Match, Reading, RuleIndex, Rules};
use crate::graph::{Effect, Entry, FilterList, Peers};
use crate::state::{GroupId, Owner};

/// What a list is called, and whose it counts as.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Title<'a> {
    pub(super) id: &'a str,
    pub(super) name: &'a str,
    pub(super) is_ours: bool,
}

/// A rule in a list: what it matches without what others match.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Line {
    pub(super) rule: RuleIndex,
    pub(super) effect: Effect,
    pub(super) reading: Reading,
    pub(super) without: Vec<RuleIndex>,
}

/// The lists of a graph that is being made.
#[derive(Default)]
pub(super) struct Lists<'a> {
    lines: FxHashMap<Line, usize>,
    written: Vec<Written>,
    /// By title and lines.
    known: FxHashMap<(Title<'a>, Vec<usize>), u32>,
    lists: Vec<FilterList>,
}

struct Written {
    entries: Vec<Entry>,
    is_exact: bool,
}

impl<'a> Lists<'a> {
    /// Adds a list; none if nothing passes it, which in a union is no list.
    pub(super) fn add(&mut self, title: Title<'a>, lines: Vec<Line>, rules: &Rules<'_>) -> Option<u32> {
        let mut numbers = Vec::new();
        for line in lines {
            let number = self.number(line, rules);
            let entries = &self.written[number].entries;
            if !entries.is_empty() {
                numbers.push(number);
            }
            if entries.iter().any(matches_everything) {
                break;
            }
        }
        // What blocks at the end changes nothing.
        let last = numbers.iter().rposition(|&number| {
            self.written[number].entries.iter().any(|entry| entry.effect == Effect::Permit)
        })?;
        numbers.truncate(last + 1);
        Some(self.list(title, numbers))
    }

    /// Whether a line stops all that it should.
    pub(super) fn is_exact(&mut self, line: Line, rules: &Rules<'_>) -> bool {
        let number = self.number(line, rules);
        self.written[number].is_exact
    }

    /// The lists, in the order in which they were added.
    pub(super) fn finish(self) -> Vec<FilterList> {
        self.lists
    }

    fn list(&mut self, title: Title<'a>, numbers: Vec<usize>) -> u32 {
        let next = self.lists.len() as u32;
        let (written, lists) = (&self.written, &mut self.lists);
        *self.known.entry((title, numbers)).or_insert_with_key(|(_, numbers)| {
            let entries = numbers.iter().flat_map(|&number| written[number].entries.iter().cloned());
            lists.push(FilterList {
                id: GroupId::from(title.id),
                name: title.name.to_owned(),
                owner: if title.is_ours { Owner::Ours } else { Owner::Foreign },
                entries: entries.collect(),
            });
            next
        })
    }

    fn number(&mut self, line: Line, rules: &Rules<'_>) -> usize {
        let written = &mut self.written;
        *self.lines.entry(line).or_insert_with_key(|line| {
            let text = rules.text(line.rule);
            let entries = |part: &Match| part.entries(text, line.effect, line.reading);
            written.push(if line.without.is_empty() {
                let whole = rules.get(line.rule);
                Written { entries: entries(whole), is_exact: !whole.unread }
            } else {
                let (parts, is_exact) = without(rules, line.rule, &line.without);
                Written { entries: parts.iter().flat_map(entries).collect(), is_exact }
            });
            written.len() - 1
        })
    }
}

fn matches_everything(entry: &Entry) -> bool {
    let everybody = matches!(&entry.peers, Peers::Addresses(set) if *set == AddressSet::any());
    everybody && entry.services == ServiceSet::all()
}
