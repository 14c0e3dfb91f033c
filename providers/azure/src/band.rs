//! Facts of carriers ↔ rules of ours in the list of a security group. Pure: what is planned and what is written come from
//! here.
//!
//! A rule of ours allows the peers of one kind one service at the members of one application security group. Facts that
//! agree in target, direction, service and kind of peer share a rule, so that one fact more rewrites one rule. Where a list
//! would have too many rules, ports with the same peers share rules as well ([`fit`]). All of ours allow: their order among
//! each other means nothing, and a rule takes any free priority of the band, from a place that its name decides. So nothing
//! ever moves.

mod closed;
mod edited;
mod fit;
mod open;
mod place;
mod read;
mod work;

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use plan::{Attachment, Direction, GroupId, PathRule, Peer, RuleService, RuleSpec};

pub use closed::{
    PROBES, all_closed_groups, close, closed_groups, closing_kinds, deny_at, is_closing, is_whole,
    lets_probes,
};
pub(crate) use edited::{Edited, edited};
pub use open::{default_rules, open_rules};
pub use place::{Count, Full, check_limits, counts};
pub use read::{Entry, Kind, facts_at, is_damaged, is_expressible, is_of_band, read};

use work::Work;

/// Application security groups on one side of a rule at most.
pub const GROUPS_MAX: usize = 10;
/// Prefixes on one side of all rules of a security group at most.
pub const PREFIXES_MAX: usize = 4_000;
/// Rules of a security group at most, in both directions together.
pub const RULES_MAX: usize = 1_000;
/// Ranges of ports on one side of all rules of a security group at most.
pub const PORTS_MAX: usize = 4_000;
/// Application security groups that the rules of a security group name at most.
pub const NAMED_MAX: usize = 100;

/// The first priority of rules that let health probes through in additive scopes; they come before the denies.
const PROBES_FIRST: u32 = 4_000;
/// The first priority of our denies in additive scopes.
const DENIES_FIRST: u32 = 4_048;
/// The last priority that a rule can have.
const DENIES_LAST: u32 = 4_096;
/// Priorities of the band that allows leave to what closes at most, and the part of the band that they are at most.
const KEPT_MAX: u32 = 98;
const SHARE: u32 = 4;

/// Our places in a list.
///
/// The last priorities of the band are kept for what closes interfaces of exclusive scopes: behind every allow of ours, and
/// before what others have behind the band. No allow of ours is ever there, whatever the scope: a list may serve scopes
/// of both kinds, and nothing has to move when a scope changes its kind.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Band {
    /// The ownership mark.
    pub installation: String,
    /// The first priority of ours.
    pub first: u32,
    /// The last one.
    pub last: u32,
    /// Whether what others allow reaches closed interfaces: it says where denies stand.
    pub attachment: Attachment,
    /// Whether the platform's health probes go on when an interface is closed.
    pub keeps_probes: bool,
}

impl Band {
    /// Priorities at the end of the band that are kept for probes and denies of exclusive scopes.
    fn kept(&self) -> u32 {
        (self.span() / SHARE).min(KEPT_MAX)
    }

    fn span(&self) -> u32 {
        self.last.saturating_sub(self.first) + 1
    }

    /// The priorities of our allow rules.
    pub fn allows(&self) -> RangeInclusive<u32> {
        self.first..=self.last.saturating_sub(self.kept())
    }

    /// Where health probes are let through and everything is denied, in scopes with an attachment.
    fn closing(&self, attachment: Attachment) -> (RangeInclusive<u32>, RangeInclusive<u32>) {
        match attachment {
            Attachment::Additive => (PROBES_FIRST..=DENIES_FIRST - 1, DENIES_FIRST..=DENIES_LAST),
            Attachment::Exclusive => {
                let denies = self.last.saturating_sub(self.kept() / 2) + 1;
                (self.allows().end() + 1..=denies - 1, denies..=self.last)
            }
        }
    }
}

/// Rules to write and to delete, by name; everything else stays as it is.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Change {
    /// Rules to create or replace.
    pub put: Vec<PathRule>,
    /// Names of rules to delete.
    pub delete: Vec<String>,
}

/// Why facts cannot be rules.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refusal {
    /// Something is over a limit.
    #[error(transparent)]
    Full(#[from] Full),
    /// A rule cannot say it.
    #[error("no rule of a network security group can say `{0}`")]
    Inexpressible(String),
}

impl Change {
    /// Whether nothing is to be done.
    pub fn is_empty(&self) -> bool {
        self.put.is_empty() && self.delete.is_empty()
    }

    /// The list after the change, in order of evaluation.
    pub fn apply_to(&self, rules: &mut Vec<PathRule>) {
        let touched = |rule: &PathRule| {
            self.put.iter().map(|put| &put.name).chain(&self.delete).any(|name| same_name(name, &rule.name))
        };
        rules.retain(|rule| !touched(rule));
        rules.extend(self.put.iter().cloned());
        sort(rules);
    }
}

/// Names are compared as ARM compares them.
pub fn same_name(a: &str, b: &str) -> bool {
    a.eq_ignore_ascii_case(b)
}

/// Puts rules into their order of evaluation.
pub fn sort(rules: &mut [PathRule]) {
    rules.sort_by(|a, b| {
        (a.priority, a.direction, &a.name, &a.targets).cmp(&(b.priority, b.direction, &b.name, &b.targets))
    });
}

/// The change that makes facts of a carrier true; none if they are.
///
/// # Errors
/// When a fact cannot be said. Limits are not looked at: see [`check_limits`].
pub fn add(
    band: &Band,
    rules: &[PathRule],
    target: &GroupId,
    direction: Direction,
    facts: &[RuleSpec],
) -> Result<Change, Refusal> {
    let mut work = Work::new(band, rules, target, direction);
    for ((service, kind), peers) in by_rule(facts)? {
        work.add(service, kind, peers);
    }
    Ok(fit::fitted(rules, work))
}

/// The change after which facts of a carrier are not true; none if they are not. Less may need more rules.
pub fn remove(
    band: &Band,
    rules: &[PathRule],
    target: &GroupId,
    direction: Direction,
    facts: &[RuleSpec],
) -> Change {
    let mut work = Work::new(band, rules, target, direction);
    work.remove(facts);
    fit::fitted(rules, work)
}

/// The change that takes every rule of a carrier away.
pub fn clear(band: &Band, rules: &[PathRule], target: &GroupId) -> Change {
    let of_target = |rule: &&PathRule| {
        read(band, rule).is_some_and(|entry| entry.target == target) && is_of_band(band, rule)
    };
    Change { put: Vec::new(), delete: rules.iter().filter(of_target).map(|rule| rule.name.clone()).collect() }
}

/// The change that takes damaged rules away.
pub fn clear_damaged(band: &Band, rules: &[PathRule]) -> Change {
    let damaged = rules.iter().filter(|rule| is_damaged(band, rule));
    Change { put: Vec::new(), delete: damaged.map(|rule| rule.name.clone()).collect() }
}

type ByRule = BTreeMap<(RuleService, Kind), Vec<Peer>>;

/// Facts by the rule that they share.
fn by_rule(facts: &[RuleSpec]) -> Result<ByRule, Refusal> {
    let mut found = ByRule::new();
    for fact in facts {
        let kind = read::kind_of_peer(&fact.peer).filter(|_| is_expressible(fact.service));
        let kind = kind.ok_or_else(|| Refusal::Inexpressible(fact.to_string()))?;
        let peers = found.entry((fact.service, kind)).or_default();
        if !peers.contains(&fact.peer) {
            peers.push(fact.peer.clone());
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests;
