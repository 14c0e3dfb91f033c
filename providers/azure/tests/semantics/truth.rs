//! Azure's rules, packet by packet: slow and obvious. Written from the vendor's pages, not from the code that is judged.

use std::collections::BTreeSet;

use ipnet::IpNet;
use plan::{Observed, Owner, PathEffect, PathFilter, PathRule, Peer, RuleService};

use crate::filter::Packet;

/// How a packet is judged.
pub struct Truth<'a> {
    pub observed: &'a Observed,
    /// What far ends mean that are not read.
    pub unread: &'a dyn Fn(&str) -> IpNet,
}

/// What came of a packet in a chain of one group, with the rule that decided.
pub struct Verdict<'a> {
    pub passes: bool,
    pub by: Option<(&'a PathFilter, &'a PathRule)>,
}

impl<'a> Truth<'a> {
    /// Admin rules first, then every security group on the path must allow.
    pub fn passes(&self, packet: Packet) -> bool {
        let groups: Vec<&PathFilter> = self.groups(packet);
        match self.by_admin_rules(packet) {
            Some(verdict) => verdict.passes,
            None => groups.iter().all(|group| self.in_group(group, packet, |_| true).passes),
        }
    }

    /// The admin rules, if they are final.
    pub fn by_admin_rules(&self, packet: Packet) -> Option<Verdict<'a>> {
        for list in self.path(packet).into_iter().filter(|list| !is_group(list)) {
            let Some(rule) = self.first(list, packet, |_| true) else { continue };
            match rule.effect {
                PathEffect::Allow => return Some(Verdict { passes: true, by: Some((list, rule)) }),
                PathEffect::Deny => return Some(Verdict { passes: false, by: Some((list, rule)) }),
                PathEffect::Next => {}
            }
        }
        None
    }

    /// The first match in a security group among some rules.
    pub fn in_group(
        &self,
        group: &'a PathFilter,
        packet: Packet,
        counts: impl Fn(&PathRule) -> bool,
    ) -> Verdict<'a> {
        let rule = self.first(group, packet, counts);
        let passes = rule.is_some_and(|rule| rule.effect == PathEffect::Allow);
        Verdict { passes, by: rule.map(|rule| (group, rule)) }
    }

    /// The security groups on the path.
    pub fn groups(&self, packet: Packet) -> Vec<&'a PathFilter> {
        self.path(packet).into_iter().filter(|list| is_group(list)).collect()
    }

    /// The group that is ours to manage: the outer one that holds a rule of ours, or the outer one.
    pub fn managed(&self, packet: Packet) -> Option<&'a PathFilter> {
        let groups = self.groups(packet);
        let has_ours =
            |list: &&&PathFilter| list.rules.iter().any(|r| is_ours(r) && r.direction == packet.direction);
        groups.iter().find(has_ours).or(groups.first()).copied()
    }

    fn path(&self, packet: Packet) -> Vec<&'a PathFilter> {
        let ids = &self.observed.interfaces[packet.own].path_filters;
        let find = |id: &String| self.observed.path_filters.iter().find(|list| list.id == *id).unwrap();
        ids.iter().map(find).collect()
    }

    fn first(
        &self,
        list: &'a PathFilter,
        packet: Packet,
        counts: impl Fn(&PathRule) -> bool,
    ) -> Option<&'a PathRule> {
        let rules = list.rules.iter().filter(|rule| rule.direction == packet.direction && counts(rule));
        rules.filter(|rule| self.matches(rule, packet)).min_by_key(|rule| rule.priority)
    }

    fn matches(&self, rule: &PathRule, packet: Packet) -> bool {
        let own = &self.observed.interfaces[packet.own];
        let is_target = rule.targets.is_empty() || rule.targets.iter().any(|one| own.groups.contains(one));
        let far = rule.peers.is_empty() || rule.peers.iter().any(|peer| self.is_peer(peer, packet));
        is_target && far && rule.services.iter().any(|service| is_service(*service, packet))
    }

    fn is_peer(&self, peer: &Peer, packet: Packet) -> bool {
        match peer {
            Peer::Cidr(block) => block.contains(&packet.address),
            Peer::Opaque(name) => (self.unread)(name).contains(&packet.address),
            Peer::Group(group) => packet.peer.is_some_and(|peer| {
                let (own, peer) = (&self.observed.interfaces[packet.own], &self.observed.interfaces[peer]);
                peer.groups.contains(group) && peer.network == own.network
            }),
        }
    }
}

/// Whether a rule is ours.
pub fn is_ours(rule: &PathRule) -> bool {
    rule.owner == Owner::Ours
}

/// Whether a list is a security group.
pub fn is_group(list: &PathFilter) -> bool {
    list.id.contains("/networksecuritygroups/")
}

fn is_service(service: RuleService, packet: Packet) -> bool {
    let (protocol, detail) = (packet.service.protocol, packet.service.detail);
    match service {
        RuleService::All => true,
        RuleService::Protocol(number) => number == protocol,
        RuleService::Ports { protocol: number, first, last } => {
            number == protocol && (first..=last).contains(&detail)
        }
        RuleService::Icmp { protocol: number, kind, code } => {
            let [its_kind, its_code] = detail.to_be_bytes();
            number == protocol && kind == its_kind && code.is_none_or(|code| code == its_code)
        }
    }
}

/// Names of the features that a case shows.
pub type Features = BTreeSet<&'static str>;
