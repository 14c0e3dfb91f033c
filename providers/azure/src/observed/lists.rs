//! The rules of a security group as rules of a path filter.

use plan::{Direction, GroupId, PathEffect, PathRule, Peer, RuleService};

use crate::band;
use crate::ids;
use crate::inventory::estate::SecurityRule;
use crate::marks;
use crate::observed::services::services_of;
use crate::observed::spaces::Space;
use crate::resources::{Access, NormalRule, Rule, Side, is_settled, normal};

/// The direction of a rule.
pub(super) fn direction_of(rule: &NormalRule) -> Direction {
    match rule.direction {
        normal::Direction::Inbound => Direction::Ingress,
        normal::Direction::Outbound => Direction::Egress,
    }
}

/// Our end of a rule and the far one.
pub(super) fn ends_of(rule: &NormalRule) -> (&Side, &Side) {
    match rule.direction {
        normal::Direction::Inbound => (&rule.destination, &rule.source),
        normal::Direction::Outbound => (&rule.source, &rule.destination),
    }
}

/// What a rule does to packets from some source ports only cannot be said: where it allows it counts for all of them, where
/// it denies for none, so that exposure is never understated.
fn services(rule: &NormalRule) -> Vec<RuleService> {
    let is_partial = rule.source_ports != [(0, u16::MAX)];
    if is_partial && rule.access == Access::Deny { Vec::new() } else { services_of(rule) }
}

/// The far ends of a rule; none is everybody.
fn peers(far: &Side, space: &Space) -> Vec<Peer> {
    match far {
        Side::Any => Vec::new(),
        Side::Groups(groups) => groups.iter().map(|group| Peer::Group(ids::of_asg(group))).collect(),
        Side::Of { .. } => {
            let found = space.addresses(far).unwrap_or_default();
            let blocks = found.blocks.into_iter().map(Peer::Cidr);
            let mut peers: Vec<Peer> = blocks.chain(found.opaque.into_iter().map(Peer::Opaque)).collect();
            // A tag without an address matches nobody, and no peer at all would be everybody.
            if peers.is_empty() {
                peers.push(Peer::Opaque("nobody".to_owned()));
            }
            peers.sort();
            peers.dedup();
            peers
        }
    }
}

/// A rule for some targets, as it is in a network with this space.
pub(super) fn path_rule(
    installation: &str,
    rule: &SecurityRule,
    targets: Vec<GroupId>,
    space: &Space,
) -> PathRule {
    let normal = &rule.rule;
    PathRule {
        name: rule.name.clone(),
        priority: normal.priority,
        owner: marks::rule_owner(installation, &rule.name, rule.is_settled),
        direction: direction_of(normal),
        effect: if normal.access == Access::Deny { PathEffect::Deny } else { PathEffect::Allow },
        targets,
        peers: peers(ends_of(normal).1, space),
        services: services(normal),
    }
}

/// The rules of a security group as they are written, for deciding which of ours to write: names and priorities of all,
/// and what ours say. Tags of others mean nothing here, and a rule for addresses has the target of no interface.
///
/// # Errors
/// When a rule cannot be understood.
pub fn as_written(installation: &str, rules: &[Rule]) -> Result<Vec<PathRule>, normal::Unreadable> {
    let space = Space::default();
    let read = |rule: &Rule| {
        let found = SecurityRule {
            name: rule.name.clone(),
            description: String::new(),
            rule: NormalRule::of(rule)?,
            is_settled: is_settled(&rule.properties.rest),
            owner: None,
        };
        let targets = match ends_of(&found.rule).0 {
            Side::Any => Vec::new(),
            Side::Groups(groups) => groups.iter().map(ids::of_asg).collect(),
            Side::Of { .. } => vec![ids::places("", &rule.name, None)],
        };
        Ok(path_rule(installation, &found, targets, &space))
    };
    let mut found = rules.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    band::sort(&mut found);
    Ok(found)
}
