//! Facts of classes ↔ rules of ours in the policy of a network. Pure: what is predicted and what is written come from here.
//!
//! A rule of ours allows peers of one kind some services at the interfaces with one class tag. The facts of a class and
//! direction are compiled as a whole: services with the same peers share a rule, since every peer costs an attribute in
//! every rule. So what is written depends on the facts and not on how they came about. A policy is written whole, so
//! that one rule more or less changes nothing in the number of calls.
//!
//! All of these rules allow: their order among each other means nothing. A rule keeps its priority as long as it has its
//! name, and a new one takes a free priority from a place that its name decides.
//!
//! Where network tags stand for classes, rules of ours are classic ones: see [`classic`].

mod classic;
mod closed;
mod compile;
mod place;
mod read;
mod wire;

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use plan::{Direction, GroupId, PathRule, RuleSpec};

use crate::settings::Identity;

pub use classic::{ClassicChange, read_peer};
pub use closed::{close, is_closing, is_whole};
pub use place::{Full, attributes, check_limits};
pub use read::{facts_of, is_damaged, is_of_band, is_ours};
pub use wire::{rewrite, to_firewall, to_wire};

/// Tag values on one side of a rule at most.
pub const VALUES_MAX: usize = 256;
/// Blocks on one side of a rule at most.
pub const BLOCKS_MAX: usize = 5_000;
/// How many priorities our denies may take.
const DENIES: u32 = 100;

/// Our places in a policy, or among classic rules.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Band {
    /// The ownership mark.
    pub installation: String,
    /// What stands for classes, which says what rules of ours are.
    pub identity: Identity,
    /// The first priority of our allow rules.
    pub first: u32,
    /// The last one.
    pub last: u32,
    /// Attributes that the rules of a policy may have together.
    pub attributes_max: usize,
}

impl Band {
    /// The priorities of our denies.
    pub fn denies(&self) -> RangeInclusive<u32> {
        match self.identity {
            Identity::SecureTags => self.last + 1..=self.last + DENIES,
            // Classic rules may share a priority.
            Identity::NetworkTags => self.last + 1..=self.last + 1,
        }
    }
}

/// The class that facts are of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Target<'a> {
    /// Its tag value, there or planned.
    pub id: &'a GroupId,
    /// The name of its tag, which is the same before and after it is made.
    pub name: &'a str,
}

/// Rules to put and to delete, by priority; everything else stays as it is. Classic rules go by their names.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Change {
    /// Rules to create or replace.
    pub put: Vec<PathRule>,
    /// Priorities of rules to delete.
    pub delete: Vec<u32>,
    /// Classic rules, where ours are such.
    pub classic: ClassicChange,
}

/// Why facts cannot be rules.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refusal {
    /// Something is over a limit.
    #[error(transparent)]
    Full(#[from] Full),
    /// A rule cannot say it.
    #[error("no rule of a firewall policy can say `{0}`")]
    Inexpressible(String),
}

impl Change {
    /// Whether nothing is to be done.
    pub fn is_empty(&self) -> bool {
        self.put.is_empty() && self.delete.is_empty() && self.classic.is_empty()
    }

    /// The list after the change, in order of evaluation.
    pub fn apply_to(&self, rules: &mut Vec<PathRule>) {
        let touched: BTreeSet<u32> =
            self.put.iter().map(|rule| rule.priority).chain(self.delete.iter().copied()).collect();
        rules.retain(|rule| !touched.contains(&rule.priority));
        rules.extend(self.put.iter().cloned());
        self.classic.apply_to(rules);
        rules.sort_by_key(|rule| rule.priority);
    }
}

/// The change that makes facts of a class true; none if they are.
///
/// # Errors
/// When a fact cannot be said, or the band has no priority left. Limits of the cloud are not looked at: see
/// [`check_limits`].
pub fn add(
    band: &Band,
    rules: &[PathRule],
    target: Target<'_>,
    direction: Direction,
    facts: &[RuleSpec],
) -> Result<Change, Refusal> {
    let held = facts_of(band, rules, target.id, direction);
    let mut wanted = held.clone();
    wanted.extend(facts.iter().map(|fact| classic::as_read(band, fact)));
    change(band, rules, target, direction, (&held, &wanted))
}

/// The change after which facts of a class are not true; none if they are not.
///
/// # Errors
/// When the band has no priority left: less may need more rules.
pub fn remove(
    band: &Band,
    rules: &[PathRule],
    target: Target<'_>,
    direction: Direction,
    facts: &[RuleSpec],
) -> Result<Change, Refusal> {
    let held = facts_of(band, rules, target.id, direction);
    let gone: BTreeSet<RuleSpec> = facts.iter().map(|fact| classic::as_read(band, fact)).collect();
    let wanted = held.difference(&gone).cloned().collect();
    change(band, rules, target, direction, (&held, &wanted))
}

fn change(
    band: &Band,
    rules: &[PathRule],
    target: Target<'_>,
    direction: Direction,
    (held, wanted): (&BTreeSet<RuleSpec>, &BTreeSet<RuleSpec>),
) -> Result<Change, Refusal> {
    if held == wanted {
        return Ok(Change::default());
    }
    match band.identity {
        Identity::SecureTags => compile::compile(band, rules, target, direction, wanted),
        Identity::NetworkTags => {
            let classic = classic::compile(band, rules, target, direction, wanted)?;
            Ok(Change { classic, ..Change::default() })
        }
    }
}

/// The change that takes every rule of a class away.
pub fn clear(band: &Band, rules: &[PathRule], target: &GroupId) -> Change {
    let mut change = Change::default();
    if band.identity == Identity::NetworkTags {
        change.classic = classic::clear(band, rules, target);
        return change;
    }
    for rule in rules.iter().filter(|rule| is_of_band(band, rule) && rule.targets.contains(target)) {
        compile::take_out(rule, target, &mut change);
    }
    change
}

/// The change that takes damaged rules away; `is_class` says whether a target is the tag of a class that is there.
pub fn clear_damaged(band: &Band, rules: &[PathRule], is_class: &dyn Fn(&GroupId) -> bool) -> Change {
    let damaged = rules.iter().filter(|rule| is_damaged(band, rule, is_class));
    let mut change = Change::default();
    match band.identity {
        Identity::SecureTags => change.delete = damaged.map(|rule| rule.priority).collect(),
        Identity::NetworkTags => change.classic.delete = damaged.map(|rule| rule.name.clone()).collect(),
    }
    change
}

#[cfg(test)]
mod tests;
