//! The deny rules that close interfaces: one for each virtual network and direction, below every allow of ours.

use plan::{Direction, GroupId, Owner, PathEffect, PathRule, RuleService};

use crate::band::place::{Full, Taken};
use crate::band::{Band, Change, same_name};
use crate::ids;
use crate::marks::{self, Form};
use crate::resources::{ArmId, kind};

/// The first priority of our denies.
pub const DENIES_FIRST: u32 = 4_000;
/// The last priority that a rule can have.
pub const DENIES_LAST: u32 = 4_096;

/// The application security group of the closed interfaces of a virtual network; in the resource group of the network.
pub fn closed_group(band: &Band, network: &ArmId, direction: Direction) -> ArmId {
    let name = marks::closed_name(&band.installation, network.key(), direction);
    kind::APPLICATION_GROUP.named(network.subscription(), network.resource_group(), &name)
}

/// Whether the rules close the members of a group: everything is denied to them.
pub fn is_closing(band: &Band, rules: &[PathRule], closed: &ArmId, direction: Direction) -> bool {
    let of_group = |rule: &&PathRule| {
        rule.direction == direction && rule.owner == Owner::Ours && rule.targets == [ids::of_asg(closed)]
    };
    rules.iter().filter(of_group).any(|rule| is_whole(band, rule))
}

/// Whether a rule of ours closes what its name says.
pub fn is_whole(band: &Band, rule: &PathRule) -> bool {
    let [target] = rule.targets.as_slice() else { return false };
    let named = marks::form(&band.installation, &rule.name) == Some(Form::Closed(rule.direction));
    named
        && rule.owner == Owner::Ours
        && same_name(&ids::asg_name(target), &rule.name)
        && (DENIES_FIRST..=DENIES_LAST).contains(&rule.priority)
        && rule.effect == PathEffect::Deny
        && rule.peers.is_empty()
        && rule.services == [RuleService::All]
}

/// The change after which members of the group of closed interfaces are closed; none if they are.
///
/// # Errors
/// When the priorities of denies are taken.
pub fn close(band: &Band, rules: &[PathRule], network: &ArmId, direction: Direction) -> Result<Change, Full> {
    let group = closed_group(band, network, direction);
    if is_closing(band, rules, &group, direction) {
        return Ok(Change::default());
    }
    let mut others = rules.to_vec();
    others.retain(|rule| !same_name(&rule.name, group.name()));
    let priority = Taken::new(&others, direction).first_deny(DENIES_FIRST, DENIES_LAST).ok_or(Full {
        what: "priorities of denies",
        count: 98,
        most: 97,
    })?;
    let rule = PathRule {
        name: group.name().to_owned(),
        priority,
        owner: Owner::Ours,
        direction,
        effect: PathEffect::Deny,
        targets: vec![GroupId::from(group.key())],
        peers: Vec::new(),
        services: vec![RuleService::All],
    };
    Ok(Change { put: vec![rule], delete: Vec::new() })
}
