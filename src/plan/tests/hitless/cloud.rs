//! The cloud as the checker sees it: groups, members, packets. Shares no code with the planner.
//!
//! A step is visible or not; an end of a flow sees its own set of visible steps.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use plan::{Direction, GroupId, Observed, Peer, RuleService, RuleSpec, Step, StepAction};

use crate::world::{INTERFACES, addresses_of, network_of};

/// Addresses that no interface holds: outside, and one inside the first network.
const OUTSIDE: [&str; 4] = ["192.0.2.7", "198.51.100.7", "10.1.200.1", "2001:db8::7"];

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Packet {
    pub protocol: u8,
    pub number: u16,
}

pub const PACKETS: [Packet; 6] = [
    Packet { protocol: 6, number: 80 },
    Packet { protocol: 6, number: 443 },
    Packet { protocol: 6, number: 5432 },
    Packet { protocol: 17, number: 53 },
    Packet { protocol: 1, number: 8 },
    Packet { protocol: 47, number: 0 },
];

/// One end of a flow.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct End {
    /// The interface; none is outside.
    pub interface: Option<&'static str>,
    pub address: IpAddr,
}

impl std::fmt::Display for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.interface.unwrap_or("outside"), self.address)
    }
}

pub fn ends() -> Vec<End> {
    let of = |name: &'static str| {
        addresses_of(name).into_iter().map(move |address| End { interface: Some(name), address })
    };
    let outside = OUTSIDE.iter().map(|text| End { interface: None, address: text.parse().unwrap() });
    INTERFACES.into_iter().flat_map(of).chain(outside).collect()
}

/// Every pair of ends between which a packet can go, at least one of them an interface.
pub fn flows() -> Vec<(End, End)> {
    let ends = ends();
    let pairs = ends.iter().flat_map(|&a| ends.iter().map(move |&b| (a, b)));
    let possible = pairs.filter(|(a, b)| {
        (a.interface.is_some() || b.interface.is_some())
            && a.interface != b.interface
            && a.address.is_ipv6() == b.address.is_ipv6()
    });
    possible.collect()
}

#[derive(Clone, Debug, Default)]
pub struct Group {
    pub network: String,
    pub name: String,
    pub rules: BTreeMap<Direction, BTreeSet<RuleSpec>>,
}

#[derive(Clone, Debug, Default)]
pub struct Cloud {
    pub groups: BTreeMap<GroupId, Group>,
    pub members: BTreeMap<String, BTreeSet<GroupId>>,
}

impl Cloud {
    pub fn of(observed: &[Observed]) -> Self {
        let mut cloud = Self::default();
        for group in observed.iter().flat_map(|o| &o.groups) {
            let lists = [(Direction::Ingress, &group.ingress), (Direction::Egress, &group.egress)];
            let rules = lists.map(|(d, list)| (d, list.iter().cloned().collect())).into();
            let (network, name) = (group.network.to_string(), group.name.clone());
            cloud.groups.insert(group.id.clone(), Group { network, name, rules });
        }
        for interface in observed.iter().flat_map(|o| &o.interfaces) {
            cloud.members.insert(interface.id.to_string(), interface.groups.iter().cloned().collect());
        }
        cloud
    }

    /// The effect of a step on what packets meet, whatever came before.
    pub fn see(&mut self, action: &StepAction) {
        match action {
            StepAction::CreateGroup { group, network, name, open_egress, .. } => {
                let entry = self.groups.entry(group.clone()).or_default();
                (entry.network, entry.name) = (network.to_string(), name.clone());
                if *open_egress {
                    let open = ["0.0.0.0/0", "::/0"].map(|block| RuleSpec {
                        peer: Peer::Cidr(block.parse().unwrap()),
                        service: RuleService::All,
                    });
                    entry.rules.entry(Direction::Egress).or_default().extend(open);
                }
            }
            StepAction::Mark { .. } => {}
            StepAction::AddRules { group, direction, rules } => {
                let entry = self.groups.entry(group.clone()).or_default();
                entry.rules.entry(*direction).or_default().extend(rules.iter().cloned());
            }
            StepAction::RemoveRules { group, direction, rules } => {
                let entry = self.groups.entry(group.clone()).or_default();
                entry.rules.entry(*direction).or_default().retain(|rule| !rules.contains(rule));
            }
            StepAction::Attach { interface, add } => {
                self.members.entry(interface.to_string()).or_default().extend(add.iter().cloned());
            }
            StepAction::Detach { interface, remove } => {
                let held = self.members.entry(interface.to_string()).or_default();
                held.retain(|group| !remove.contains(group));
            }
            StepAction::DeleteGroup { group, .. } => {
                self.groups.remove(group);
                self.members.values_mut().for_each(|held| {
                    held.remove(group);
                });
            }
        }
    }

    /// What the cloud would answer to a step: the rules of its interface.
    pub fn refuses(&self, step: &Step) -> Option<String> {
        let missing = |id: &GroupId| (!self.groups.contains_key(id)).then(|| format!("no group {id}"));
        let list = |group: &GroupId, direction: Direction| {
            self.groups.get(group).and_then(|g| g.rules.get(&direction)).cloned().unwrap_or_default()
        };
        match &step.action {
            StepAction::CreateGroup { network, name, .. } => {
                let same = |g: &&Group| g.network == network.as_str() && g.name.eq_ignore_ascii_case(name);
                self.groups.values().find(same).map(|g| format!("name `{}` is in use", g.name))
            }
            StepAction::Mark { group } => missing(group),
            StepAction::AddRules { group, direction, rules } => {
                let present = list(group, *direction);
                let named = rules.iter().filter_map(|rule| match &rule.peer {
                    Peer::Group(id) => missing(id),
                    _ => None,
                });
                let twice = rules.iter().find(|rule| present.contains(rule)).map(|r| format!("{r} is there"));
                missing(group).or(twice).or_else(|| { named }.next())
            }
            StepAction::RemoveRules { group, direction, rules } => {
                let present = list(group, *direction);
                let absent =
                    rules.iter().find(|rule| !present.contains(rule)).map(|r| format!("{r} is absent"));
                missing(group).or(absent)
            }
            StepAction::Attach { add, .. } => add.iter().find_map(missing),
            StepAction::Detach { interface, remove } => {
                let held = self.members.get(interface.as_str())?;
                let absent =
                    remove.iter().find(|id| !held.contains(*id)).map(|id| format!("{id} is not on it"));
                let empty = held.iter().all(|id| remove.contains(id)).then(|| "the last group".to_owned());
                absent.or(empty)
            }
            StepAction::DeleteGroup { group, .. } => {
                let member = self.members.iter().find(|(_, held)| held.contains(group));
                let names =
                    |g: &Group| g.rules.values().flatten().any(|r| r.peer == Peer::Group(group.clone()));
                let named = self.groups.iter().find(|(id, g)| *id != group && names(g));
                let member = member.map(|(name, _)| format!("{name} is a member"));
                missing(group).or(member).or_else(|| named.map(|(id, _)| format!("named by {id}")))
            }
        }
    }

    /// Whether one end lets the packet pass, given what unread peers match.
    pub fn end_admits(&self, own: End, direction: Direction, far: End, packet: Packet, unread: bool) -> bool {
        let Some(name) = own.interface else { return true };
        let none = BTreeSet::new();
        let held = |end: End| end.interface.and_then(|name| self.members.get(name)).unwrap_or(&none);
        let matches = |peer: &Peer| match peer {
            Peer::Group(id) => held(far).contains(id),
            Peer::Cidr(block) => block.contains(&far.address),
            Peer::Opaque(_) => unread,
        };
        debug_assert!(!network_of(name).is_empty());
        held(own)
            .iter()
            .filter_map(|id| self.groups.get(id)?.rules.get(&direction))
            .flatten()
            .any(|rule| matches(&rule.peer) && service_has(rule.service, packet))
    }

    pub fn admits(&self, flow: (End, End), packet: Packet, unread: bool) -> bool {
        self.end_admits(flow.0, Direction::Egress, flow.1, packet, unread)
            && self.end_admits(flow.1, Direction::Ingress, flow.0, packet, unread)
    }
}

fn service_has(service: RuleService, packet: Packet) -> bool {
    match service {
        RuleService::All => true,
        RuleService::Protocol(number) => packet.protocol == number,
        RuleService::Ports { protocol, first, last } => {
            packet.protocol == protocol && (first..=last).contains(&packet.number)
        }
        RuleService::Icmp { protocol, kind, .. } => {
            packet.protocol == protocol && packet.number == u16::from(kind)
        }
    }
}
