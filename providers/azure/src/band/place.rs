//! Names, priorities and limits of rules in a list.

use std::collections::BTreeSet;

use plan::{Direction, PathRule, Peer};

use crate::band::{Band, NAMED_MAX, PREFIXES_MAX, RULES_MAX, is_of_band, same_name};
use crate::ids;
use crate::marks::{self, HASH_LENGTH};

/// Rules above this priority are the cloud's own.
const OWN_PRIORITY_MAX: u32 = 4_096;

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

/// The name for a key: its hash, and a number where a rule has that name already.
pub fn name(band: &Band, key: &str, taken: &[&PathRule]) -> String {
    let first = marks::owned_name(&band.installation, &marks::digits(key, HASH_LENGTH));
    let is_free = |name: &str| !taken.iter().any(|rule| same_name(&rule.name, name));
    let mut name = first.clone();
    let mut number = 1;
    while !is_free(&name) {
        number += 1;
        name = format!("{first}-{number}");
    }
    name
}

/// A free priority of the band, from a place that the name decides.
pub fn priority(band: &Band, name: &str, direction: Direction, taken: &[&PathRule]) -> Result<u32, Full> {
    let span = band.last.saturating_sub(band.first) + 1;
    let hash = u32::from_str_radix(&marks::digits(name, 7), 16).unwrap_or(0);
    let full = || Full { what: "priorities of the band", count: span as usize + 1, most: span as usize };
    first_free(band.first, band.last, band.first + hash % span, direction, taken).ok_or_else(full)
}

/// The first priority between two that no rule of the direction has, from one on and then around.
pub fn first_free(
    first: u32,
    last: u32,
    from: u32,
    direction: Direction,
    taken: &[&PathRule],
) -> Option<u32> {
    let of_direction = taken.iter().filter(|rule| rule.direction == direction);
    let taken: BTreeSet<u32> = of_direction.map(|rule| rule.priority).collect();
    (from..=last).chain(first..from).find(|priority| !taken.contains(priority))
}

/// Counts what the cloud counts in one security group.
///
/// # Errors
/// When something of ours is over a limit, with the number.
pub fn check_limits(band: &Band, rules: &[PathRule]) -> Result<(), Full> {
    let own: Vec<&PathRule> = rules.iter().filter(|rule| rule.priority <= OWN_PRIORITY_MAX).collect();
    let names: BTreeSet<String> = own.iter().map(|rule| rule.name.to_lowercase()).collect();
    at_most("rules of the network security group", names.len(), RULES_MAX)?;
    let peers = own.iter().flat_map(|rule| &rule.peers).filter_map(|peer| match peer {
        Peer::Group(id) => Some(id),
        Peer::Cidr(_) | Peer::Opaque(_) => None,
    });
    let named: BTreeSet<String> =
        own.iter().flat_map(|rule| &rule.targets).chain(peers).map(ids::asg_name).collect();
    let named = named.iter().filter(|name| !name.is_empty()).count();
    at_most("application security groups in rules", named, NAMED_MAX)?;
    for direction in [Direction::Ingress, Direction::Egress] {
        let ours = own.iter().filter(|rule| rule.direction == direction && is_of_band(band, rule));
        let blocks = ours.flat_map(|rule| &rule.peers).filter(|peer| matches!(peer, Peer::Cidr(_))).count();
        at_most("prefixes of the network security group", blocks, PREFIXES_MAX)?;
    }
    Ok(())
}

fn at_most(what: &'static str, count: usize, most: usize) -> Result<(), Full> {
    if count <= most { Ok(()) } else { Err(Full { what, count, most }) }
}
