//! Priorities and limits of rules in a policy.

use std::collections::BTreeSet;

use plan::{PathRule, RuleService};

use crate::band::{Band, Change};
use crate::marks;
use crate::resources::policy::PREDEFINED;
use crate::settings::Identity;

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

/// The priorities of rules.
pub fn taken(rules: &[PathRule]) -> BTreeSet<u32> {
    rules.iter().map(|rule| rule.priority).collect()
}

/// A free priority of the band, from a place that the name decides.
pub fn priority(band: &Band, name: &str, taken: &BTreeSet<u32>) -> Result<u32, Full> {
    let span = band.last.saturating_sub(band.first) + 1;
    let hash = u32::from_str_radix(&marks::digits(name, 7), 16).unwrap_or(0);
    let full = || Full { what: "priorities of the band", count: span as usize + 1, most: span as usize };
    first_free(band.first, band.last, band.first + hash % span, taken).ok_or_else(full)
}

/// The first priority between two that no rule has, from one on and then around.
pub fn first_free(first: u32, last: u32, from: u32, taken: &BTreeSet<u32>) -> Option<u32> {
    (from..=last).chain(first..from).find(|priority| !taken.contains(priority))
}

/// What the rules of a policy cost together, the predefined ones aside: one for each target, peer, protocol and range of ports (`providers.md` 1.3).
pub fn attributes(rules: &[PathRule]) -> usize {
    rules.iter().filter(|rule| rule.priority < PREDEFINED).map(of_rule).sum()
}

fn of_rule(rule: &PathRule) -> usize {
    let protocols: BTreeSet<u16> = rule.services.iter().map(|service| protocol(*service)).collect();
    let ports = rule.services.iter().filter(|service| matches!(service, RuleService::Ports { .. })).count();
    rule.targets.len() + rule.peers.len() + protocols.len() + ports
}

fn protocol(service: RuleService) -> u16 {
    match service {
        RuleService::All => 256,
        RuleService::Protocol(number) => number.into(),
        RuleService::Ports { protocol, .. } | RuleService::Icmp { protocol, .. } => protocol.into(),
    }
}

/// Refuses a change that brings a policy over the limit, or further over it.
///
/// # Errors
/// With the number.
pub fn check_limits(band: &Band, rules: &[PathRule], change: &Change) -> Result<(), Full> {
    let mut after = rules.to_vec();
    change.apply_to(&mut after);
    if band.identity == Identity::NetworkTags {
        // Classic rules are counted by project: see `apply`.
        return Ok(());
    }
    let (count, most) = (attributes(&after), band.attributes_max);
    let fits = count <= most || count <= attributes(rules);
    if fits { Ok(()) } else { Err(Full { what: "attributes of the firewall policy", count, most }) }
}
