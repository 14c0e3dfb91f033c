//! Rules of ours as they are sent.

use std::collections::BTreeMap;

use plan::{Direction, GroupId, PathEffect, PathRule, Peer};
use policy::NetworkId;

use crate::band::{Band, Change};
use crate::ids::{self, GroupKind};
use crate::resources::firewall::Layer4;
use crate::resources::policy::RuleMatch;
use crate::resources::{Firewall, PolicyRule, SecureTag};
use crate::{marks, services};

/// The tag value that a group is, if it is there.
pub type ValueOf<'a> = &'a dyn Fn(&GroupId) -> Option<String>;

/// A rule of ours as it is sent; what people set on the one in its place (whether it is logged) stays. None where a group
/// that it names is not there.
pub fn to_wire(
    band: &Band,
    rule: &PathRule,
    held: Option<&PolicyRule>,
    value_of: ValueOf<'_>,
) -> Option<PolicyRule> {
    let (role, action) = match rule.effect {
        PathEffect::Allow => (marks::role::CLASS_RULE, "allow"),
        PathEffect::Deny => (marks::role::CLOSING_RULE, "deny"),
        PathEffect::Next => return None,
    };
    let targets = rule.targets.iter().map(|id| Some(SecureTag::of(&value_of(id)?)));
    let direction = if rule.direction == Direction::Ingress { "INGRESS" } else { "EGRESS" };
    Some(PolicyRule {
        priority: rule.priority,
        action: action.to_owned(),
        direction: direction.to_owned(),
        description: Some(marks::description(&band.installation, role, "")),
        rule_name: Some(rule.name.clone()),
        matching: matching(rule, value_of)?,
        target_secure_tags: Some(targets.collect::<Option<_>>()?),
        disabled: Some(false),
        enable_logging: Some(held.and_then(|held| held.enable_logging).unwrap_or(false)),
        ..PolicyRule::default()
    })
}

/// A classic rule of ours of a network as it is sent. None where it names what network tags cannot.
pub fn to_firewall(band: &Band, rule: &PathRule, network: &NetworkId) -> Option<Firewall> {
    let (installation, is_ingress) = (&band.installation, rule.direction == Direction::Ingress);
    let targets = rule.targets.iter().map(|id| match ids::kind_of(id) {
        GroupKind::Closed { network, direction } => Some(ids::closed_tag(installation, &network, direction)),
        _ => ids::tag_of_class(installation, id).map(|(_, tag)| tag),
    });
    let (mut tags, mut blocks) = (Vec::new(), Vec::new());
    for peer in &rule.peers {
        match peer {
            Peer::Group(id) => match ids::kind_of(id) {
                GroupKind::NetworkTag { name, .. } => tags.push(name),
                _ => return None,
            },
            Peer::Cidr(block) => blocks.push(block.to_string()),
            Peer::Opaque(_) => return None,
        }
    }
    let blocks = (!blocks.is_empty()).then_some(blocks);
    let layers = services::layer4_of(&rule.services);
    let layers = layers.into_iter().map(|one| Layer4 {
        protocol: one.ip_protocol,
        ports: one.ports,
        ..Layer4::default()
    });
    let layers: Vec<Layer4> = layers.collect();
    let (role, allowed, denied) = match rule.effect {
        PathEffect::Allow => (marks::role::CLASS_RULE, Some(layers), None),
        PathEffect::Deny => (marks::role::CLOSING_RULE, None, Some(layers)),
        PathEffect::Next => return None,
    };
    Some(Firewall {
        name: rule.name.clone(),
        description: Some(marks::description(installation, role, "")),
        network: network.as_str().to_owned(),
        priority: Some(rule.priority),
        direction: Some(if is_ingress { "INGRESS" } else { "EGRESS" }.to_owned()),
        source_ranges: blocks.clone().filter(|_| is_ingress),
        destination_ranges: blocks.filter(|_| !is_ingress),
        source_tags: (!tags.is_empty()).then_some(tags),
        target_tags: Some(targets.collect::<Option<_>>()?),
        allowed,
        denied,
        disabled: Some(false),
        ..Firewall::default()
    })
}

fn matching(rule: &PathRule, value_of: ValueOf<'_>) -> Option<RuleMatch> {
    let (mut values, mut blocks) = (Vec::new(), Vec::new());
    for peer in &rule.peers {
        match peer {
            Peer::Group(id) => values.push(SecureTag::of(&value_of(id)?)),
            Peer::Cidr(block) => blocks.push(block.to_string()),
            Peer::Opaque(_) => return None,
        }
    }
    let blocks = (!blocks.is_empty()).then_some(blocks);
    let mut matching = RuleMatch {
        src_secure_tags: (!values.is_empty()).then_some(values),
        layer4_configs: services::layer4_of(&rule.services),
        ..RuleMatch::default()
    };
    match rule.direction {
        Direction::Ingress => matching.src_ip_ranges = blocks,
        Direction::Egress => matching.dest_ip_ranges = blocks,
    }
    Some(matching)
}

/// The rules of a policy after a change, every other one as it came; none where a group that is named is not there.
pub fn rewrite(
    band: &Band,
    rules: &[PolicyRule],
    change: &Change,
    value_of: ValueOf<'_>,
) -> Option<Vec<PolicyRule>> {
    let mut after: BTreeMap<u32, PolicyRule> =
        rules.iter().map(|rule| (rule.priority, rule.clone())).collect();
    for priority in &change.delete {
        after.remove(priority);
    }
    for rule in &change.put {
        let made = to_wire(band, rule, after.get(&rule.priority), value_of)?;
        after.insert(rule.priority, made);
    }
    Some(after.into_values().collect())
}
