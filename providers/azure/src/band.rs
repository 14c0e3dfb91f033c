//! Facts of carriers ↔ rules of ours in the list of a security group. Pure: what is planned and what is written come from
//! here.
//!
//! A rule of ours allows the peers of one kind one service at the members of one application security group. Facts that
//! agree in target, direction, service and kind of peer share a rule, so that one fact more rewrites one rule. All of ours
//! allow: their order among each other means nothing, and a rule takes any free priority of the band, from a place that its
//! name decides. So nothing ever moves.

mod closed;
mod place;
mod read;

use std::collections::{BTreeMap, BTreeSet};

use plan::{Direction, GroupId, Owner, PathEffect, PathRule, Peer, RuleService, RuleSpec};

pub use closed::{close, closed_group, is_closing};
pub use place::{Full, check_limits};
pub use read::{Entry, Kind, facts_at, is_damaged, is_of_band, read};

use crate::ids;

/// Application security groups on one side of a rule at most.
pub const GROUPS_MAX: usize = 10;
/// Prefixes on one side of all rules of a security group at most.
pub const PREFIXES_MAX: usize = 4_000;
/// Rules of a security group at most, in both directions together.
pub const RULES_MAX: usize = 1_000;
/// Application security groups that the rules of a security group name at most.
pub const NAMED_MAX: usize = 100;

/// Our places in a list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Band {
    /// The ownership mark.
    pub installation: String,
    /// The first priority of our allow rules.
    pub first: u32,
    /// The last one.
    pub last: u32,
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
/// When a fact cannot be said, or a limit would be exceeded.
pub fn add(
    band: &Band,
    rules: &[PathRule],
    target: &GroupId,
    direction: Direction,
    facts: &[RuleSpec],
) -> Result<Change, Refusal> {
    let mut work = Work::new(band, rules, target, direction);
    for ((service, kind), peers) in by_rule(facts)? {
        work.add(service, kind, peers)?;
    }
    let change = work.change();
    let mut after = rules.to_vec();
    change.apply_to(&mut after);
    check_limits(band, &after)?;
    Ok(change)
}

/// The change after which facts of a carrier are not true; none if they are not.
pub fn remove(
    band: &Band,
    rules: &[PathRule],
    target: &GroupId,
    direction: Direction,
    facts: &[RuleSpec],
) -> Change {
    let mut work = Work::new(band, rules, target, direction);
    let gone: BTreeSet<&RuleSpec> = facts.iter().collect();
    for held in &mut work.held {
        let service = held.service;
        let before = held.rule.peers.len();
        held.rule.peers.retain(|peer| !gone.contains(&RuleSpec { peer: peer.clone(), service }));
        held.is_changed |= held.rule.peers.len() != before;
    }
    work.change()
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

/// One rule of ours while it is worked on.
struct Held {
    rule: PathRule,
    service: RuleService,
    kind: Kind,
    is_settled: bool,
    is_changed: bool,
}

struct Work<'a> {
    band: &'a Band,
    rules: &'a [PathRule],
    target: &'a GroupId,
    direction: Direction,
    held: Vec<Held>,
}

impl<'a> Work<'a> {
    fn new(band: &'a Band, rules: &'a [PathRule], target: &'a GroupId, direction: Direction) -> Self {
        let mut held: Vec<Held> = rules
            .iter()
            .filter_map(|rule| {
                let entry = read(band, rule).filter(|entry| entry.target == target)?;
                let (service, kind, is_settled) = (entry.service, entry.kind, entry.is_settled);
                let is_here = rule.direction == direction;
                is_here.then(|| Held { rule: rule.clone(), service, kind, is_settled, is_changed: false })
            })
            .collect();
        held.sort_by(|a, b| a.rule.name.cmp(&b.rule.name));
        Self { band, rules, target, direction, held }
    }

    /// Puts the peers that no rule has yet into rules with room, then into new ones.
    fn add(&mut self, service: RuleService, kind: Kind, mut peers: Vec<Peer>) -> Result<(), Full> {
        peers.retain(|peer| {
            let mut holders = self.held.iter_mut().filter(|held| {
                (held.service, held.kind) == (service, kind) && held.rule.peers.contains(peer)
            });
            match holders.next() {
                Some(held) => {
                    held.is_changed |= !held.is_settled;
                    false
                }
                None => true,
            }
        });
        peers.sort_by_key(peer_key);
        for peer in peers {
            let most = if kind == Kind::Groups { GROUPS_MAX } else { PREFIXES_MAX };
            let same = |held: &&mut Held| (held.service, held.kind) == (service, kind);
            let place = self.held.iter_mut().filter(same).find(|held| held.rule.peers.len() < most);
            match place {
                Some(held) => {
                    held.rule.peers.push(peer);
                    held.is_changed = true;
                }
                None => {
                    let rule = self.new_rule(service, kind, peer)?;
                    let held = Held { rule, service, kind, is_settled: true, is_changed: true };
                    self.held.push(held);
                }
            }
        }
        Ok(())
    }

    /// A rule with one peer, with a name and a priority that are free.
    fn new_rule(&self, service: RuleService, kind: Kind, peer: Peer) -> Result<PathRule, Full> {
        let own = self.held.iter().map(|held| &held.rule);
        let all: Vec<&PathRule> = self.rules.iter().chain(own).collect();
        let key = format!("{} {} {service} {kind:?}", ids::asg_name(self.target), self.direction);
        let name = place::name(self.band, &key, &all);
        let priority = place::priority(self.band, &name, self.direction, &all)?;
        Ok(PathRule {
            name,
            priority,
            owner: Owner::Ours,
            direction: self.direction,
            effect: PathEffect::Allow,
            targets: vec![self.target.clone()],
            peers: vec![peer],
            services: vec![service],
        })
    }

    fn change(self) -> Change {
        let mut change = Change::default();
        for held in self.held.into_iter().filter(|held| held.is_changed) {
            if held.rule.peers.is_empty() {
                change.delete.push(held.rule.name);
                continue;
            }
            let mut rule = PathRule { owner: Owner::Ours, ..held.rule };
            rule.peers.sort();
            change.put.push(rule);
        }
        change
    }
}

/// The order in which peers are put into rules: by what is known before a plan has run, and after.
fn peer_key(peer: &Peer) -> (u8, String) {
    match peer {
        Peer::Group(id) => (0, ids::asg_name(id)),
        Peer::Cidr(block) => (1, block.to_string()),
        Peer::Opaque(word) => (2, word.clone()),
    }
}

type ByRule = BTreeMap<(RuleService, Kind), Vec<Peer>>;

/// Facts by the rule that they share.
fn by_rule(facts: &[RuleSpec]) -> Result<ByRule, Refusal> {
    let mut found = ByRule::new();
    for fact in facts {
        let kind = read::kind_of_peer(&fact.peer).filter(|_| read::is_expressible(fact.service));
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
