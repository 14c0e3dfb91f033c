//! What the cloud counts (`providers.md` 1.3): attributes of each policy at the end of the change, and tag values of each
//! interface at its peak. What others have there counts too.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

use ipnet::IpNet;
use plan::{Desired, DesiredGroup, GroupId, InterfaceState, Owner, Peer, RuleService};
use policy::{Finding, NetworkId, Severity};
use provider::lowering::{Lowering, Rules};

use crate::band::{self, BLOCKS_MAX, VALUES_MAX};
use crate::ids::{self, GroupKind};
use crate::settings::GcpSettings;

/// Tag values on one interface.
const VALUES_PER_INTERFACE: usize = 10;
/// Attributes of what closes one direction: for each family a target, a block and a protocol.
const ATTRIBUTES_OF_CLOSING: usize = 6;

/// What is over a limit, with the numbers; blocking.
pub(super) fn findings(settings: &GcpSettings, lowering: &Lowering<'_>, desired: &Desired) -> Vec<Finding> {
    let most = settings.attributes_max;
    let mut findings = Vec::new();
    for (network, attributes) in policies(lowering, desired) {
        let others = others(lowering, network);
        let what = "attributes of the firewall policy";
        findings.extend(over(network, what, attributes + others, most, others));
    }
    findings.extend(interfaces(lowering, desired));
    findings
}

fn over(subject: impl Display, what: &str, count: usize, most: usize, others: usize) -> Option<Finding> {
    let of_others = if others > 0 { format!(", {others} of them not ours") } else { String::new() };
    let message = format!("{count} {what} are needed, {most} are allowed{of_others}");
    let hint = "merge or drop rules, name peers by fewer classes, or split the workloads; nothing was widened and nothing was written";
    (count > most).then(|| Finding::new(Severity::Blocking, "quota", subject, message, hint))
}

/// Attributes of ours in the policy of each network.
fn policies<'a>(lowering: &Lowering<'_>, desired: &'a Desired) -> BTreeMap<&'a NetworkId, usize> {
    let mut policies: BTreeMap<&NetworkId, usize> = BTreeMap::new();
    let closing = lowering.directions().len() * ATTRIBUTES_OF_CLOSING;
    for DesiredGroup { network, ingress, egress, .. } in desired.groups.iter().filter(|g| g.id.is_planned()) {
        *policies.entry(network).or_insert(closing) += attributes(ingress) + attributes(egress);
    }
    policies
}

/// Attributes of the rules for facts: services with the same peers share one, which has a target, every peer, every
/// protocol and every range of ports.
fn attributes(rules: &Rules) -> usize {
    let mut peers: BTreeMap<(u8, RuleService), BTreeSet<&Peer>> = BTreeMap::new();
    for rule in rules.keys() {
        let kind = match &rule.peer {
            Peer::Cidr(IpNet::V4(_)) => 4,
            Peer::Cidr(IpNet::V6(_)) => 6,
            Peer::Group(_) | Peer::Opaque(_) => 0,
        };
        peers.entry((kind, rule.service)).or_default().insert(&rule.peer);
    }
    let mut shared: BTreeMap<(u8, BTreeSet<&Peer>), Vec<RuleService>> = BTreeMap::new();
    for ((kind, service), peers) in peers {
        shared.entry((kind, peers)).or_default().push(service);
    }
    let cost = |((kind, peers), services): ((u8, BTreeSet<&Peer>), Vec<RuleService>)| {
        let protocols: BTreeSet<Option<u8>> = services.iter().map(|&service| protocol(service)).collect();
        let ports = services.iter().filter(|service| matches!(service, RuleService::Ports { .. })).count();
        let rules = peers.len().div_ceil(if kind == 0 { VALUES_MAX } else { BLOCKS_MAX });
        peers.len() + rules * (1 + protocols.len() + ports)
    };
    shared.into_iter().map(cost).sum()
}

fn protocol(service: RuleService) -> Option<u8> {
    match service {
        RuleService::All => None,
        RuleService::Protocol(number) => Some(number),
        RuleService::Ports { protocol, .. } | RuleService::Icmp { protocol, .. } => Some(protocol),
    }
}

/// Attributes of rules of others in our policy of a network.
fn others(lowering: &Lowering<'_>, network: &NetworkId) -> usize {
    let policy = ids::policy(lowering.input.installation, network);
    let lists = lowering.observed().path_filters.iter().filter(|list| list.id == policy.as_str());
    let rules = lists.flat_map(|list| &list.rules).filter(|rule| rule.owner != Owner::Ours);
    band::attributes(&rules.cloned().collect::<Vec<_>>())
}

/// Interfaces with more tag values than one may have: one more while they go from a class to another.
fn interfaces(lowering: &Lowering<'_>, desired: &Desired) -> Vec<Finding> {
    let ours = lowering.observed().groups.iter().filter(|group| group.owner == Owner::Ours);
    let ours: BTreeSet<&GroupId> = ours.map(|group| &group.id).collect();
    let is_foreign = |id: &&GroupId| matches!(ids::kind_of(id), GroupKind::Value(_)) && !ours.contains(*id);
    let foreign = |interface: &InterfaceState| interface.groups.iter().filter(is_foreign).count();
    let wanted = |interface: &InterfaceState| foreign(interface) + 1 + lowering.directions().len();
    let is_tight = |interface: &InterfaceState| wanted(interface) == VALUES_PER_INTERFACE;
    let is_value = |id: &GroupId| matches!(ids::kind_of(id), GroupKind::Value(_) | GroupKind::Planned { .. });
    let moving = lowering.moving(desired, &is_tight, &is_value);
    let check = |interface: &InterfaceState| {
        lowering.enforced_class(interface)?;
        let (foreign, is_moving) = (foreign(interface), moving.contains(&interface.id));
        let count = wanted(interface) + usize::from(is_moving);
        let subject = format!("{} ({})", interface.name, interface.id);
        over(subject, "tag values on an interface", count, VALUES_PER_INTERFACE, foreign)
    };
    lowering.observed().interfaces.iter().filter_map(check).collect()
}
