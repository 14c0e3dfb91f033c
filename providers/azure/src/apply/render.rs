//! A rule of ours as it is sent.

use plan::{Direction, GroupId, PathEffect, PathRule, Peer};

use crate::band::{self, Band};
use crate::observed::services::words_of;
use crate::resources::rule::RuleProperties;
use crate::resources::{ArmId, Reference, Rule};

/// Said in every rule of ours, for people.
const DESCRIPTION: &str = "managed by bulkhead";

/// The service tag of health probes: the platform's address is its only one.
const PROBES_TAG: &str = "AzureLoadBalancer";

/// One side of a rule.
#[derive(Default)]
struct Written {
    prefix: Option<String>,
    prefixes: Option<Vec<String>>,
    groups: Option<Vec<Reference>>,
}

/// A rule of our band; `real` gives the application security group of a group. None if no rule can say it.
pub(super) fn rule(band: &Band, rule: &PathRule, real: impl Fn(&GroupId) -> Option<ArmId>) -> Option<Rule> {
    let words = rule.services.iter().map(|service| words_of(*service)).collect::<Option<Vec<_>>>()?;
    let (protocol, _) = words.first()?;
    if words.iter().any(|(word, _)| word != protocol) {
        return None;
    }
    let mut ports: Vec<String> = words.iter().map(|(_, ports)| ports.clone()).collect();
    let (port, ports) = if ports.len() == 1 { (ports.pop(), None) } else { (None, Some(ports)) };
    let targets: Option<Vec<Peer>> = Some(rule.targets.iter().cloned().map(Peer::Group).collect());
    let (own, mut far) = (side(&targets?, &real)?, side(&rule.peers, &real)?);
    if band::lets_probes(band, rule) {
        far.prefix = Some(PROBES_TAG.to_owned());
    }
    let (direction, source, destination) = match rule.direction {
        Direction::Ingress => ("Inbound", far, own),
        Direction::Egress => ("Outbound", own, far),
    };
    let properties = RuleProperties {
        description: Some(DESCRIPTION.to_owned()),
        protocol: (*protocol).to_owned(),
        source_port_range: Some("*".to_owned()),
        destination_port_range: port,
        destination_port_ranges: ports,
        source_address_prefix: source.prefix,
        source_address_prefixes: source.prefixes,
        source_application_security_groups: source.groups,
        destination_address_prefix: destination.prefix,
        destination_address_prefixes: destination.prefixes,
        destination_application_security_groups: destination.groups,
        access: if rule.effect == PathEffect::Allow { "Allow" } else { "Deny" }.to_owned(),
        priority: rule.priority,
        direction: direction.to_owned(),
        ..RuleProperties::default()
    };
    Some(Rule::new(&rule.name, properties))
}

/// Everybody, groups, or blocks: one prefix stands in the singular field.
fn side(peers: &[Peer], real: &impl Fn(&GroupId) -> Option<ArmId>) -> Option<Written> {
    if peers.is_empty() {
        return Some(Written { prefix: Some("*".to_owned()), ..Written::default() });
    }
    let (mut groups, mut blocks) = (Vec::new(), Vec::new());
    for peer in peers {
        match peer {
            Peer::Group(id) => groups.push(Reference::to(&real(id)?)),
            Peer::Cidr(block) => blocks.push(block.to_string()),
            Peer::Opaque(_) => return None,
        }
    }
    match (groups.is_empty(), blocks.as_slice()) {
        (false, []) => Some(Written { groups: Some(groups), ..Written::default() }),
        (true, [one]) => Some(Written { prefix: Some(one.clone()), ..Written::default() }),
        (true, _) => Some(Written { prefixes: Some(blocks), ..Written::default() }),
        (false, _) => None,
    }
}
