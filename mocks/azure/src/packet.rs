//! Whether a packet passes, as the interfaces of the data plane see the world at a time.
//!
//! Written from `providers.md` 1.2 alone. Inbound: security admin rules, the subnet's security group, the
//! interface's; outbound the other way round. In each the first rule that matches decides, and every one must
//! allow. Two rules that a viewer sees at the same priority while a change is under way are taken in the order of
//! their names. Connections are stateful: only the packet that opens one is asked about. Where an interface is and
//! which addresses it has is always as of now. Whether there is a route is no question here; peerings only decide
//! what `VirtualNetwork` means.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;
use mock_cloud::traffic::Stage;
use mock_cloud::{Edge, End, Packet};

use crate::plane::{Held, Key};
use crate::state::{Access, Direction, Rule, Side, Typed, network_of_subnet};
use crate::world::World;

/// Where health probes come from, and the platform's services.
const PLATFORM: &str = "168.63.129.16";
/// The instance metadata service.
const METADATA: &str = "169.254.169.254";
/// The port that simulated connections are opened from.
const SOURCE_PORT: u16 = 50_000;

/// What an interface does with a packet.
#[derive(Clone, Debug)]
pub(crate) struct Ruling {
    /// Whether it passes.
    pub passes: bool,
    /// What says so.
    pub by: By,
}

/// What decides over a packet.
#[derive(Clone, Debug)]
pub(crate) enum By {
    /// Nothing filters here.
    Nothing,
    /// A security admin rule.
    Admin(Rule),
    /// A security group by its key, and its rule.
    Group(String, RuleName),
}

/// A rule of a security group.
#[derive(Clone, Debug)]
pub(crate) enum RuleName {
    /// By its name in lower case.
    Own(String),
    /// One that every group has.
    Default(&'static str),
    /// None: the platform's own services are reached without.
    Platform,
}

/// One end's question: may this interface open or accept the packet?
struct Question<'a> {
    world: &'a World,
    own: &'a str,
    network: &'a str,
    direction: Direction,
    packet: &'a Packet,
    at: Option<u64>,
    space: &'a [IpNet],
}

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
        let ends = [(&packet.source, Direction::Outbound), (&packet.destination, Direction::Inbound)];
        ends.into_iter().all(|(end, direction)| match end {
            End::Interface(id, address) => self.ruling(id, *address, direction, packet, at).passes,
            End::External(_) => true,
        })
    }

    /// What an interface does with a packet, and which rule says so.
    pub(crate) fn ruling(
        &self,
        own: &str,
        address: IpAddr,
        direction: Direction,
        packet: &Packet,
        at: Option<u64>,
    ) -> Ruling {
        let Some(Typed::Interface { configurations, .. }) = self.state.get(own).map(|held| &held.typed)
        else {
            return Ruling { passes: false, by: By::Nothing };
        };
        let Some(subnet) = configurations.iter().find(|one| one.address == address).map(|one| &one.subnet)
        else {
            return Ruling { passes: false, by: By::Nothing };
        };
        let network = network_of_subnet(subnet).unwrap_or_default();
        let space = match self.plane.view(own, &Key::Network(network.to_owned()), at) {
            Some(Held::Blocks(blocks)) => blocks.as_slice(),
            _ => &[],
        };
        let question = Question { world: self, own, network, direction, packet, at, space };
        if let Some(rule) = question.admin() {
            match rule.access {
                Access::Deny => return Ruling { passes: false, by: By::Admin(rule.clone()) },
                Access::AlwaysAllow => return Ruling { passes: true, by: By::Admin(rule.clone()) },
                Access::Allow => {}
            }
        }
        let mut keys = [Key::OfSubnet(subnet.clone()), Key::OfInterface(own.to_owned())];
        if direction == Direction::Outbound {
            keys.reverse();
        }
        let groups = keys.iter().filter_map(|key| match self.plane.view(own, key, at) {
            Some(Held::Group(group)) => Some(group),
            _ => None,
        });
        let mut last = Ruling { passes: question.passes_unfiltered(), by: By::Nothing };
        for group in groups {
            // Both must allow: the last one that did is the one that says so.
            last = question.group_says(group);
            if !last.passes {
                break;
            }
        }
        last
    }
}

/// Security groups and admin rules are stateful: only the packet that opens a connection is asked about.
impl Edge for World {
    fn holds(&self, interface: &str) -> bool {
        self.state.get(interface).is_some_and(|held| held.kind.is_interface())
    }

    fn passes(&self, stage: Stage, packet: &Packet, _: u16, at_ms: u64) -> bool {
        let (end, direction) = match stage {
            Stage::Leaves => (&packet.source, Direction::Outbound),
            Stage::Arrives => (&packet.destination, Direction::Inbound),
            Stage::AnswerLeaves | Stage::AnswerArrives => return true,
        };
        let End::Interface(id, address) = end else { return true };
        self.ruling(id, *address, direction, packet, Some(at_ms)).passes
    }
}

impl Question<'_> {
    fn far(&self) -> &End {
        if self.direction == Direction::Inbound { &self.packet.source } else { &self.packet.destination }
    }

    fn admin(&self) -> Option<&Rule> {
        let key = Key::Admin(self.network.to_owned());
        let Some(Held::Admin(rules)) = self.world.plane.view(self.own, &key, self.at) else { return None };
        rules.iter().find(|rule| self.matches(rule))
    }

    /// Without a security group everything passes, but a standard public address is closed until one opens it.
    fn passes_unfiltered(&self) -> bool {
        self.direction == Direction::Outbound || !self.is_internet(self.far().address())
    }

    fn group_says(&self, group: &str) -> Ruling {
        let first = self
            .world
            .plane
            .named_rules(self.own, group, self.at)
            .filter(|(_, rule)| self.matches(rule))
            .min_by_key(|(_, rule)| rule.priority);
        let (passes, rule) = match first {
            Some((name, rule)) => (rule.access != Access::Deny, RuleName::Own(name.to_owned())),
            None if self.is_platform() => (true, RuleName::Platform),
            None => self.default_rule(),
        };
        Ruling { passes, by: By::Group(group.to_owned(), rule) }
    }

    /// The rules 65000, 65001 and 65500.
    fn default_rule(&self) -> (bool, RuleName) {
        let (source, destination) = (self.packet.source.address(), self.packet.destination.address());
        let inside = self.in_space(source) && self.in_space(destination);
        let (passes, name) = match self.direction {
            Direction::Inbound if inside => (true, "AllowVnetInBound"),
            Direction::Inbound if is(source, PLATFORM) => (true, "AllowAzureLoadBalancerInBound"),
            Direction::Inbound => (false, "DenyAllInBound"),
            Direction::Outbound if inside => (true, "AllowVnetOutBound"),
            Direction::Outbound if self.is_internet(destination) => (true, "AllowInternetOutBound"),
            Direction::Outbound => (false, "DenyAllOutBound"),
        };
        (passes, RuleName::Default(name))
    }

    fn matches(&self, rule: &Rule) -> bool {
        rule.direction == self.direction
            && self.service_matches(rule)
            && self.side_matches(&rule.source, &self.packet.source)
            && self.side_matches(&rule.destination, &self.packet.destination)
            && (!self.is_platform() || names_platform(&rule.destination))
    }

    /// Packets to the platform's own services meet only rules that name them by their tags.
    fn is_platform(&self) -> bool {
        let to = self.packet.destination.address();
        self.direction == Direction::Outbound && (is(to, PLATFORM) || is(to, METADATA))
    }

    fn service_matches(&self, rule: &Rule) -> bool {
        // `Icmp` is ICMP for IPv4; ICMPv6 is only met by `*`.
        if rule.protocol.is_some_and(|number| number != self.packet.protocol) {
            return false;
        }
        let within =
            |ranges: &[(u16, u16)], port: u16| ranges.iter().any(|(from, to)| (*from..=*to).contains(&port));
        match self.packet.protocol {
            6 | 17 => {
                within(&rule.source_ports, SOURCE_PORT) && within(&rule.destination_ports, self.packet.detail)
            }
            // No ports, and ICMP types cannot be told apart: a rule for all protocols and some ports is not for these.
            _ => rule.protocol.is_some() || rule.destination_ports.contains(&(0, u16::MAX)),
        }
    }

    fn side_matches(&self, side: &Side, end: &End) -> bool {
        let address = end.address();
        match side {
            Side::Any => true,
            Side::Of(blocks, tags) => {
                blocks.iter().any(|block| block.contains(&address))
                    || tags.iter().any(|tag| self.tag_matches(tag, address))
            }
            Side::Groups(groups) => self.is_member(groups, end),
        }
    }

    /// Members count in their own virtual network only.
    fn is_member(&self, groups: &BTreeSet<String>, end: &End) -> bool {
        let End::Interface(id, address) = end else { return false };
        let there = match self.world.state.get(id).map(|held| &held.typed) {
            Some(Typed::Interface { configurations, .. }) => configurations.first(),
            _ => None,
        };
        if there.and_then(|one| network_of_subnet(&one.subnet)) != Some(self.network) {
            return false;
        }
        groups.iter().any(|group| {
            let key = Key::Member(group.clone(), id.clone());
            matches!(
                self.world.plane.view(self.own, &key, self.at),
                Some(Held::Addresses(addresses)) if addresses.contains(address)
            )
        })
    }

    fn tag_matches(&self, tag: &str, address: IpAddr) -> bool {
        match tag {
            "VirtualNetwork" => self.in_space(address),
            "AzureLoadBalancer" => is(address, PLATFORM),
            "Internet" => self.is_internet(address),
            "AzurePlatformDNS" | "AzurePlatformLKM" => is(address, PLATFORM),
            "AzurePlatformIMDS" => is(address, METADATA),
            _ => {
                let blocks = self.world.service_tags.get(tag);
                blocks.is_some_and(|blocks| blocks.iter().any(|block| block.contains(&address)))
            }
        }
    }

    fn in_space(&self, address: IpAddr) -> bool {
        self.space.iter().any(|block| block.contains(&address))
    }

    fn is_internet(&self, address: IpAddr) -> bool {
        !self.in_space(address) && !is(address, PLATFORM) && is_public(address)
    }
}

fn names_platform(side: &Side) -> bool {
    matches!(side, Side::Of(_, tags) if tags.iter().any(|tag| tag.starts_with("AzurePlatform")))
}

fn is(address: IpAddr, text: &str) -> bool {
    text.parse() == Ok(address)
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let shared =
                v4.octets().first() == Some(&100) && v4.octets().get(1).is_some_and(|b| b & 0xc0 == 64);
            !(v4.is_private() || v4.is_loopback() || v4.is_link_local() || v4.is_multicast() || shared)
        }
        IpAddr::V6(v6) => {
            let head = v6.segments().first().copied().unwrap_or(0);
            !(v6.is_loopback() || head & 0xfe00 == 0xfc00 || head & 0xffc0 == 0xfe80 || v6.is_multicast())
        }
    }
}
