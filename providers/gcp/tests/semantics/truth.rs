//! Google's rules, packet by packet: slow and obvious. Written from the vendor's pages, not from the code that is judged.

use ipnet::IpNet;
use plan::{Direction, Observed, Owner, PathEffect, PathFilter, PathRule, Peer, RuleService};

use crate::filter::Packet;

/// How a packet is judged.
pub struct Truth<'a> {
    pub observed: &'a Observed,
    /// What far ends mean that are not read.
    pub unread: &'a dyn Fn(&str) -> IpNet,
}

/// What came of a packet, with the rule that decided; none if it was an implied one.
pub struct Verdict<'a> {
    pub passes: bool,
    pub by: Option<(&'a PathFilter, &'a PathRule)>,
    /// Rules that left the packet to the next list, with their lists.
    pub nexts: Vec<(&'a PathFilter, &'a PathRule)>,
}

impl<'a> Truth<'a> {
    /// List by list, allow and deny are final; then the implied rules.
    pub fn judge(&self, packet: Packet, counts: impl Fn(&PathFilter, &PathRule) -> bool) -> Verdict<'a> {
        let mut nexts = Vec::new();
        for list in self.path(packet) {
            let Some(rule) = self.first(list, packet, |rule| counts(list, rule)) else { continue };
            if rule.effect == PathEffect::Next {
                nexts.push((list, rule));
                continue;
            }
            return Verdict { passes: rule.effect == PathEffect::Allow, by: Some((list, rule)), nexts };
        }
        Verdict { passes: packet.direction == Direction::Egress, by: None, nexts }
    }

    /// Whether a packet passes.
    pub fn passes(&self, packet: Packet) -> bool {
        self.judge(packet, |_, _| true).passes
    }

    /// What the rules of ours in a list allow by themselves.
    pub fn ours_pass(&self, list: &'a PathFilter, packet: Packet) -> bool {
        let first = self.first(list, packet, is_ours);
        first.is_some_and(|rule| rule.effect == PathEffect::Allow)
    }

    /// The list that is ours to manage at an interface: the outer one with an allow of ours for it.
    pub fn managed(&self, packet: Packet) -> Option<&'a PathFilter> {
        let ours = |rule: &&PathRule| {
            is_ours(rule) && rule.direction == packet.direction && self.is_target(rule, packet)
        };
        let allows =
            |list: &&PathFilter| list.rules.iter().filter(ours).any(|rule| rule.effect == PathEffect::Allow);
        self.path(packet).into_iter().find(allows)
    }

    pub fn path(&self, packet: Packet) -> Vec<&'a PathFilter> {
        let ids = &self.observed.interfaces[packet.own].path_filters;
        let find = |id: &String| self.observed.path_filters.iter().find(|list| list.id == *id).unwrap();
        ids.iter().map(find).collect()
    }

    /// The match with the smallest priority; at the same priority deny wins.
    fn first(
        &self,
        list: &'a PathFilter,
        packet: Packet,
        counts: impl Fn(&PathRule) -> bool,
    ) -> Option<&'a PathRule> {
        let rules = list.rules.iter().filter(|rule| rule.direction == packet.direction && counts(rule));
        let matching = rules.filter(|rule| self.matches(rule, packet));
        matching.min_by_key(|rule| (rule.priority, rule.effect != PathEffect::Deny))
    }

    fn matches(&self, rule: &PathRule, packet: Packet) -> bool {
        let far = rule.peers.is_empty() || rule.peers.iter().any(|peer| self.is_peer(peer, packet));
        self.is_target(rule, packet) && far && rule.services.iter().any(|one| is_service(*one, packet))
    }

    fn is_target(&self, rule: &PathRule, packet: Packet) -> bool {
        let own = &self.observed.interfaces[packet.own];
        rule.targets.is_empty() || rule.targets.iter().any(|target| own.groups.contains(target))
    }

    fn is_peer(&self, peer: &Peer, packet: Packet) -> bool {
        match peer {
            Peer::Cidr(block) => block.contains(&packet.address),
            Peer::Opaque(name) => (self.unread)(name).contains(&packet.address),
            Peer::Group(group) => packet.peer.is_some_and(|peer| {
                let (own, peer) = (&self.observed.interfaces[packet.own], &self.observed.interfaces[peer]);
                // The two networks of the estates that have a peering; the third has none.
                let peered = [&own.network, &peer.network].iter().all(|one| one.as_str() != "p3");
                let is_secure = group.as_str().starts_with("tagValues/");
                peer.groups.contains(group) && (peer.network == own.network || is_secure && peered)
            }),
        }
    }
}

/// Whether a rule is ours.
pub fn is_ours(rule: &PathRule) -> bool {
    rule.owner == Owner::Ours
}

/// Whether a rule is an allow of ours.
pub fn is_our_allow(rule: &PathRule) -> bool {
    is_ours(rule) && rule.effect == PathEffect::Allow
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
