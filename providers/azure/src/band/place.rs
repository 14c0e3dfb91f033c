//! Names, priorities and limits of rules in a list.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use plan::{Direction, GroupId, PathRule, Peer};

use crate::band::{Band, Change, NAMED_MAX, PORTS_MAX, PREFIXES_MAX, RULES_MAX};
use crate::ids;
use crate::marks::{self, HASH_LENGTH};

/// Rules above this priority are the cloud's own.
const OWN_PRIORITY_MAX: u32 = 4_096;

/// Names and priorities that are taken.
pub(super) struct Taken {
    names: BTreeSet<String>,
    priorities: BTreeSet<u32>,
}

impl Taken {
    /// In a list; priorities of one direction.
    pub(super) fn new(rules: &[PathRule], direction: Direction) -> Self {
        let own = rules.iter().filter(|rule| rule.direction == direction);
        Self {
            names: rules.iter().map(|rule| rule.name.to_lowercase()).collect(),
            priorities: own.map(|rule| rule.priority).collect(),
        }
    }

    /// The name for a key, its hash, with a number where a rule has that name already; and a free priority of the band,
    /// from a place that the name decides. Both are taken then. Where none is free, one is there twice: that can be
    /// predicted, and [`check_limits`] keeps it from being written.
    pub(super) fn take(&mut self, band: &Band, key: &str) -> (String, u32) {
        let first = marks::owned_name(&band.installation, &marks::digits(key, HASH_LENGTH));
        let mut name = first.clone();
        let mut number = 1;
        while self.names.contains(&name.to_lowercase()) {
            number += 1;
            name = format!("{first}-{number}");
        }
        let (first, last) = band.allows().into_inner();
        let span = last.saturating_sub(first) + 1;
        let hash = u32::from_str_radix(&marks::digits(&name, 7), 16).unwrap_or(0);
        let from = first + hash % span;
        let priority = first_free(first, last, from, &self.priorities).unwrap_or(from);
        self.names.insert(name.to_lowercase());
        self.priorities.insert(priority);
        (name, priority)
    }

    /// The first free priority of some.
    pub(super) fn first_of(&self, mut within: RangeInclusive<u32>) -> Option<u32> {
        within.find(|priority| !self.priorities.contains(priority))
    }
}

/// Something is over a limit.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{count} {what} are needed, and {most} are there")]
pub struct Full {
    /// Of what.
    pub what: &'static str,
    /// How many are needed.
    pub count: usize,
    /// How many there may be.
    pub most: usize,
}

/// The first priority between two that is free, from one on and then around.
fn first_free(first: u32, last: u32, from: u32, taken: &BTreeSet<u32>) -> Option<u32> {
    (from..=last).chain(first..from).find(|priority| !taken.contains(priority))
}

/// What of a security group the cloud counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Count {
    /// Of what.
    pub what: &'static str,
    /// How many there are.
    pub count: usize,
    /// How many there may be.
    pub most: usize,
}

/// Counts what the cloud counts in one security group, its own default rules left out. Tags of others count as the
/// addresses that they stand for, where these are known. Priorities of the band are told where they end before the rules do.
pub fn counts(band: &Band, rules: &[PathRule]) -> Vec<Count> {
    // A rule of others may be there once for each network in which it means something else.
    let mut own: Vec<&PathRule> = rules.iter().filter(|rule| rule.priority <= OWN_PRIORITY_MAX).collect();
    let size = |rule: &PathRule| rule.peers.len().max(rule.services.len());
    let key = |rule: &&PathRule| (rule.direction, rule.priority, rule.name.to_lowercase());
    own.sort_by_cached_key(|rule| (key(rule), size(rule)));
    own.reverse();
    own.dedup_by_key(|rule| key(rule));
    let is_block = |peer: &&Peer| matches!(peer, Peer::Cidr(_));
    let blocks = |direction| -> usize {
        let of = own.iter().filter(|rule| rule.direction == direction);
        of.map(|rule| rule.peers.iter().filter(is_block).count()).sum()
    };
    let count = |what, count, most| Count { what, count, most };
    let mut counts = vec![
        count("rules of a network security group", own.len(), RULES_MAX),
        count("application security groups in a network security group", named(rules), NAMED_MAX),
        count("source prefixes of a network security group", blocks(Direction::Ingress), PREFIXES_MAX),
        count("destination prefixes of a network security group", blocks(Direction::Egress), PREFIXES_MAX),
        count(
            "port ranges of a network security group",
            own.iter().map(|rule| rule.services.len()).sum(),
            PORTS_MAX,
        ),
    ];
    let span = (band.span() - band.kept()) as usize;
    if span < RULES_MAX {
        let in_band = |direction| {
            let of = own.iter().filter(|rule| rule.direction == direction);
            of.filter(|rule| band.allows().contains(&rule.priority)).count()
        };
        let most = in_band(Direction::Ingress).max(in_band(Direction::Egress));
        counts.push(count("priorities of our band in a network security group", most, span));
    }
    counts
}

/// How many application security groups rules name.
fn named(rules: &[PathRule]) -> usize {
    let own = || rules.iter().filter(|rule| rule.priority <= OWN_PRIORITY_MAX);
    let peers = own().flat_map(|rule| &rule.peers).filter_map(|peer| match peer {
        Peer::Group(id) => Some(id),
        Peer::Cidr(_) | Peer::Opaque(_) => None,
    });
    let named: BTreeSet<&GroupId> = own().flat_map(|rule| &rule.targets).chain(peers).collect();
    named.into_iter().filter(|id| ids::is_asg(id)).count()
}

/// Refuses a change that brings a security group over a limit, or further over it.
///
/// # Errors
/// With the number.
pub fn check_limits(band: &Band, rules: &[PathRule], change: &Change) -> Result<(), Full> {
    let mut after = rules.to_vec();
    change.apply_to(&mut after);
    let (before, after) = (counts(band, rules), counts(band, &after));
    let over = after.iter().zip(before).find(|(now, was)| now.count > now.most && now.count > was.count);
    over.map_or(Ok(()), |(now, _)| Err(Full { what: now.what, count: now.count, most: now.most }))
}
