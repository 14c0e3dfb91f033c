//! Which rules of a list are of our band, and what they say.

use ipnet::IpNet;
use plan::{Direction, GroupId, Owner, PathEffect, PathRule, Peer, RuleService, RuleSpec};

use crate::band::{Band, closed};
use crate::ids;
use crate::marks::{self, Form, UNSETTLED};

/// What the peers of a rule are: a rule holds one kind.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Kind {
    /// Application security groups.
    Groups,
    /// Blocks of IPv4.
    V4,
    /// Blocks of IPv6.
    V6,
}

/// A rule of ours, read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entry<'a> {
    /// Whose members it is for.
    pub target: &'a GroupId,
    /// The services: one, or ports of one protocol.
    pub services: &'a [RuleService],
    /// What its peers are.
    pub kind: Kind,
    /// The other ends.
    pub peers: &'a [Peer],
    /// Whether its last write has ended well.
    pub is_settled: bool,
}

/// What a peer is; none if no rule of ours can hold it.
pub fn kind_of_peer(peer: &Peer) -> Option<Kind> {
    match peer {
        Peer::Group(id) if !ids::asg_name(id).is_empty() => Some(Kind::Groups),
        Peer::Group(_) | Peer::Opaque(_) => None,
        Peer::Cidr(IpNet::V4(_)) => Some(Kind::V4),
        Peer::Cidr(IpNet::V6(_)) => Some(Kind::V6),
    }
}

/// Whether a rule can say a service: protocols that have a word, and ports of TCP and UDP.
pub fn is_expressible(service: RuleService) -> bool {
    match service {
        RuleService::All => true,
        RuleService::Protocol(number) => matches!(number, 1 | 6 | 17 | 50 | 51),
        RuleService::Ports { protocol, .. } => matches!(protocol, 6 | 17),
        RuleService::Icmp { .. } => false,
    }
}

/// Whether a name is one that we give, and the last write of the rule is known.
fn is_settled(rule: &PathRule) -> Option<bool> {
    match &rule.owner {
        Owner::Ours => Some(true),
        Owner::Suspect(why) if why == UNSETTLED => Some(false),
        Owner::Suspect(_) | Owner::Foreign => None,
    }
}

/// What an allow rule of ours says, if it says what such a rule can say.
pub fn read<'a>(band: &Band, rule: &'a PathRule) -> Option<Entry<'a>> {
    let is_settled = is_settled(rule)?;
    let ([target], [first, others @ ..]) = (&*rule.targets, &*rule.peers) else { return None };
    let kind = kind_of_peer(first)?;
    let is_class = marks::form(&band.installation, &ids::asg_name(target)) == Some(Form::Hashed);
    let is_rule = marks::form(&band.installation, &rule.name) == Some(Form::Hashed)
        && band.allows().contains(&rule.priority)
        && rule.effect == PathEffect::Allow
        && is_one_rule(&rule.services)
        && others.iter().all(|peer| kind_of_peer(peer) == Some(kind));
    (is_rule && is_class).then_some(Entry {
        target,
        services: &rule.services,
        kind,
        peers: &rule.peers,
        is_settled,
    })
}

/// Whether one rule can say these services: one, or several ports of one protocol.
fn is_one_rule(services: &[RuleService]) -> bool {
    let shared = |service: &RuleService| shared_protocol(*service).filter(|_| is_expressible(*service));
    match services {
        [one] => is_expressible(*one),
        [first, others @ ..] => {
            shared(first).is_some_and(|own| others.iter().all(|o| shared(o) == Some(own)))
        }
        [] => false,
    }
}

/// The protocol whose ports can stand together in a rule; none if a service stands alone.
pub fn shared_protocol(service: RuleService) -> Option<u8> {
    match service {
        RuleService::Ports { protocol, .. } => Some(protocol),
        _ => None,
    }
}

/// Whether a rule has a name of ours, whatever it says.
pub fn is_of_band(band: &Band, rule: &PathRule) -> bool {
    match marks::form(&band.installation, &rule.name) {
        Some(Form::Hashed | Form::Closed(..)) => is_settled(rule).is_some(),
        Some(Form::Probes(_)) => true,
        Some(Form::Open(_) | Form::Half) | None => false,
    }
}

/// Whether a rule with a name of ours does not say what one of ours says, or may not be in force.
pub fn is_damaged(band: &Band, rule: &PathRule) -> bool {
    is_of_band(band, rule)
        && !read(band, rule).is_some_and(|entry| entry.is_settled)
        && !closed::is_whole(band, rule)
        && !closed::lets_probes(band, rule)
}

/// The facts of a carrier in one direction, sorted. Rules that may not be in force say nothing.
pub fn facts_at(band: &Band, rules: &[PathRule], target: &GroupId, direction: Direction) -> Vec<RuleSpec> {
    let own = rules.iter().filter(|rule| rule.direction == direction);
    let entries = own.filter_map(|rule| read(band, rule)).filter(|e| e.is_settled && e.target == target);
    let mut facts: Vec<RuleSpec> = entries
        .flat_map(|entry| {
            let of = |service| entry.peers.iter().map(move |peer| RuleSpec { peer: peer.clone(), service });
            entry.services.iter().flat_map(move |service| of(*service)).collect::<Vec<_>>()
        })
        .collect();
    facts.sort();
    facts.dedup();
    facts
}
