//! Reading ahead: a snapshot is hundreds of thousands of small texts all over the memory.
//!
//! Work on one item after the other waits for each text that it comes to. To read a byte of each text of the next
//! few items first, in a loop that does nothing else, lets the waits overlap; the work then finds them at hand.

use std::hint::black_box;

use crate::ruleset::{Actor, Rule, Ruleset};
use crate::selector::Selector;
use crate::workload::Workload;

/// So many items are read ahead: what they hold fits the first cache many times.
const BATCH: usize = 16;

/// The items in order. Before each batch of them `touch` is called for all of it; it reads, and returns what it read
/// so that reading is not optimised away.
pub(super) fn ahead<T>(items: &[T], touch: impl Fn(&T) -> usize) -> impl Iterator<Item = &T> {
    items.chunks(BATCH).flat_map(move |batch| {
        black_box(batch.iter().map(&touch).sum::<usize>());
        batch
    })
}

/// Touches the labels of a workload.
pub(super) fn labels(workload: &Workload) -> usize {
    workload.labels.iter().map(|(key, value)| first(key.as_str()) + first(value.as_str())).sum()
}

/// Touches what the rules of a ruleset name.
pub(super) fn rules(ruleset: &Ruleset) -> usize {
    let actors = |rule: &Rule| -> usize {
        let label = |actor: &Actor| match actor {
            Actor::Label { label, .. } => first(label.key.as_str()) + first(label.value.as_str()),
            _ => 0,
        };
        rule.sources.iter().chain(&rule.destinations).map(label).sum()
    };
    ruleset.rules.iter().map(|rule| actors(rule) + usize::from(rule.services.is_empty())).sum()
}

/// Touches the values of a selector.
pub(super) fn values(selector: &Selector) -> usize {
    let Selector::Labels(terms) = selector else { return 0 };
    let included = terms.values().filter_map(|term| term.included.as_ref()).flatten();
    included.map(|value| first(value.as_str())).sum()
}

fn first(text: &str) -> usize {
    text.as_bytes().first().map_or(0, |&byte| usize::from(byte))
}
