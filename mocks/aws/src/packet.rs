//! Whether a packet passes, as the interfaces of the data plane see the world right now.
//!
//! Written from `providers.md` 1.1 alone: groups are a union, rules only allow, references match private
//! addresses of members in the same VPC or over an active peering, ACLs are ordered, per subnet and stateless: a
//! connection needs its answers too.

use std::net::IpAddr;

use mock_cloud::traffic::Stage;
use mock_cloud::{Edge, End, Packet};

use crate::state::{Acl, RuleKey, Source};
use crate::world::{Fact, World};

impl World {
    /// Whether the data plane lets the packet pass now.
    pub fn allows(&self, packet: &Packet) -> bool {
        self.lets_pass(packet, Some(self.now_ms()))
    }

    /// Whether the data plane let the packet pass at a time, now or in the past: facts have histories.
    pub fn allows_at(&self, packet: &Packet, at_ms: u64) -> bool {
        self.lets_pass(packet, Some(at_ms))
    }

    /// Whether the API's state would, once everything has settled.
    pub fn allows_by_api(&self, packet: &Packet) -> bool {
        self.lets_pass(packet, None)
    }

    fn lets_pass(&self, packet: &Packet, at: Option<u64>) -> bool {
        let out = match &packet.source {
            End::Interface(id, _) => self.end_passes(id, true, &packet.destination, packet, at),
            End::External(_) => true,
        };
        out && match &packet.destination {
            End::Interface(id, _) => self.end_passes(id, false, &packet.source, packet, at),
            End::External(_) => true,
        }
    }

    fn end_passes(&self, own: &str, egress: bool, peer: &End, packet: &Packet, at: Option<u64>) -> bool {
        self.groups_admit(own, egress, peer, packet, at)
            && self.acls_of(own, peer).all(|acl| {
                let far = peer.address();
                acl_passes(acl, egress, far, packet) && answers_pass(acl, !egress, far, packet)
            })
    }

    /// Whether the groups of an interface admit the packet that opens a connection.
    fn groups_admit(&self, own: &str, egress: bool, peer: &End, packet: &Packet, at: Option<u64>) -> bool {
        let Some(interface) = self.state.interfaces.get(own) else { return false };
        let sees =
            |fact: &Fact| at.map_or_else(|| self.plane.holds(fact), |at| self.plane.sees(own, fact, at));
        let first = Fact::Member(own.to_owned(), String::new());
        let memberships =
            self.plane.range(first..).take_while(|fact| matches!(fact, Fact::Member(id, _) if id == own));
        memberships.filter(|fact| sees(fact)).any(|fact| {
            let Fact::Member(_, group) = fact else { return false };
            self.rules_of(group).any(|(rule_fact, key)| {
                key.egress == egress
                    && service_matches(key, packet)
                    && sees(rule_fact)
                    && self.source_matches(&interface.vpc, group, key, peer, &sees)
            })
        })
    }

    /// The ACLs between an interface and a peer: they sit on the edge of a subnet, traffic inside one never meets them.
    fn acls_of(&self, own: &str, peer: &End) -> impl Iterator<Item = &Acl> {
        let subnet = self.state.interfaces.get(own).map(|interface| interface.subnet.as_str());
        let there = match peer {
            End::Interface(id, _) => self.state.interfaces.get(id).map(|there| there.subnet.as_str()),
            End::External(_) => None,
        };
        let subnet = subnet.filter(|subnet| there.is_none_or(|there| there.is_empty() || there != *subnet));
        let behind = move |acl: &&Acl| subnet.is_some_and(|subnet| acl.subnets.contains(subnet));
        self.state.acls.values().filter(behind)
    }

    fn rules_of<'a>(&'a self, group: &'a str) -> impl Iterator<Item = (&'a Fact, &'a RuleKey)> + 'a {
        let least = RuleKey {
            egress: false,
            protocol: String::new(),
            from: i64::MIN,
            to: i64::MIN,
            source: Source::Group(String::new()),
        };
        let facts = self.plane.range(Fact::Rule(group.to_owned(), least)..);
        facts.map_while(move |fact| match fact {
            Fact::Rule(id, key) if id == group => Some((fact, key)),
            _ => None,
        })
    }

    fn source_matches(
        &self,
        vpc: &str,
        own: &str,
        key: &RuleKey,
        peer: &End,
        sees: &impl Fn(&Fact) -> bool,
    ) -> bool {
        match &key.source {
            Source::Cidr(block) => block.contains(&peer.address()),
            Source::Group(group) => {
                let End::Interface(id, _) = peer else { return false };
                let there = self.state.interfaces.get(id).map(|interface| interface.vpc.as_str());
                there.is_some_and(|there| self.state.peered(vpc, there))
                    && !self.is_stale(own, key)
                    && sees(&Fact::Member(id.clone(), group.clone()))
            }
        }
    }

    /// Whether the rule was made over a peering that is gone: another peering does not revive it.
    fn is_stale(&self, group: &str, key: &RuleKey) -> bool {
        let held = self.state.groups.get(group);
        let rule = held.and_then(|group| group.rules.values().find(|rule| rule.key == *key));
        rule.and_then(|rule| rule.peering.as_ref())
            .is_some_and(|id| self.state.peerings.get(id).is_none_or(|peering| peering.status != "active"))
    }
}

/// Traffic meets the groups on its way in and out; ACLs meet every packet, answers too.
impl Edge for World {
    fn holds(&self, interface: &str) -> bool {
        self.state.interfaces.contains_key(interface)
    }

    fn passes(&self, stage: Stage, packet: &Packet, source_port: u16, at_ms: u64) -> bool {
        let (own, peer) = match stage {
            Stage::Leaves | Stage::AnswerArrives => (&packet.source, &packet.destination),
            Stage::Arrives | Stage::AnswerLeaves => (&packet.destination, &packet.source),
        };
        let End::Interface(own, _) = own else { return true };
        let egress = matches!(stage, Stage::Leaves | Stage::AnswerLeaves);
        let acls = |packet: &Packet| {
            self.acls_of(own, peer).all(|acl| acl_passes(acl, egress, peer.address(), packet))
        };
        match stage {
            Stage::Leaves | Stage::Arrives => {
                self.groups_admit(own, egress, peer, packet, Some(at_ms)) && acls(packet)
            }
            Stage::AnswerLeaves | Stage::AnswerArrives => {
                answer(packet, source_port).is_none_or(|a| acls(&a))
            }
        }
    }
}

/// The answer to a packet; messages of ICMP other than an echo have none.
fn answer(packet: &Packet, source_port: u16) -> Option<Packet> {
    let detail = match (packet.protocol, packet.detail >> 8) {
        (6 | 17, _) => source_port,
        (1, 8) => 0,
        (58, 128) => 129 << 8,
        (1 | 58, _) => return None,
        _ => 0,
    };
    Some(Packet { detail, ..packet.clone() })
}

/// Whether an ACL lets the answers to a packet pass, which go the other way: to any port that a client may have used
/// (`providers.md` 1.1: ephemeral-port return rules), as the other half of an echo, or as packets of the same protocol.
fn answers_pass(acl: &Acl, egress: bool, far: IpAddr, packet: &Packet) -> bool {
    /// Ports of clients.
    const EPHEMERAL: std::ops::RangeInclusive<u16> = 1024..=u16::MAX;
    let passes = |detail: u16| acl_passes(acl, egress, far, &Packet { detail, ..packet.clone() });
    match (packet.protocol, packet.detail >> 8) {
        (6 | 17, _) => {
            // Between the ends of entries nothing changes.
            let ports = acl.entries.values().filter_map(|entry| entry.ports);
            let ends = ports.flat_map(|(from, to)| [from, to.saturating_add(1)]);
            ends.chain([*EPHEMERAL.start(), *EPHEMERAL.end()])
                .filter(|port| EPHEMERAL.contains(port))
                .all(passes)
        }
        (1, 8) => passes(0),
        (58, 128) => passes(129 << 8),
        (1 | 58, _) => true,
        _ => passes(0),
    }
}

fn acl_passes(acl: &Acl, egress: bool, far: IpAddr, packet: &Packet) -> bool {
    let entries = acl.entries.iter().filter(|((out, _), _)| *out == egress);
    let mut matching = entries.filter(|(_, entry)| {
        let protocol = entry.protocol == "-1" || entry.protocol == packet.protocol.to_string();
        let ports = !matches!(packet.protocol, 6 | 17)
            || entry.ports.is_none_or(|(from, to)| (from..=to).contains(&packet.detail));
        let icmp = !matches!(packet.protocol, 1 | 58)
            || entry.icmp.is_none_or(|(kind, code)| {
                let detail = i64::from(packet.detail);
                (kind == -1 || kind == detail >> 8) && (code == -1 || code == detail & 0xff)
            });
        protocol && ports && icmp && entry.block.contains(&far)
    });
    matching.next().is_some_and(|(_, entry)| entry.allow)
}

fn service_matches(key: &RuleKey, packet: &Packet) -> bool {
    let named = match packet.protocol {
        6 => "tcp".to_owned(),
        17 => "udp".to_owned(),
        1 => "icmp".to_owned(),
        58 => "icmpv6".to_owned(),
        number => number.to_string(),
    };
    if key.protocol == "-1" {
        return true;
    }
    if key.protocol != named {
        return false;
    }
    let detail = i64::from(packet.detail);
    match packet.protocol {
        6 | 17 => key.from <= detail && detail <= key.to,
        1 | 58 => (key.from == -1 || key.from == detail >> 8) && (key.to == -1 || key.to == detail & 0xff),
        _ => true,
    }
}
