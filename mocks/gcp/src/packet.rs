//! Whether a packet passes, as the interfaces of the data plane see the world at a time.
//!
//! Written from `providers.md` 1.3 alone. Hierarchical policies first, from the organisation down; then classic rules
//! and network firewall policies in the order that the network has; then the implied rules. In a policy the first
//! rule that matches decides, or leaves it to what comes next; among classic rules the lowest priority decides, and
//! at the same priority a deny wins. Connections are stateful: only the packet that opens one is asked about. Where
//! an interface is and which addresses it has is always as of now. Whether there is a route is no question here;
//! peerings only decide whose tag values count as a source.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;
use mock_cloud::traffic::Stage;
use mock_cloud::{Edge, End, Packet};

use crate::link::{project_of, region_of};
use crate::plane::{Held, Key};
use crate::rule::{Action, Context, Direction, Rule, ServiceMatch, Side, Target};
use crate::state::Nic;
use crate::world::World;

/// The metadata server, which is always reachable.
const METADATA: &str = "169.254.169.254";

/// One end's question: may this interface open or accept the packet?
struct Question<'a> {
    world: &'a World,
    own: &'a str,
    instance: &'a str,
    network: &'a str,
    direction: Direction,
    packet: &'a Packet,
    at: Option<u64>,
}

/// What an interface does with a packet.
#[derive(Clone, Debug)]
pub(crate) struct Ruling {
    /// Whether it passes.
    pub passes: bool,
    /// The rule that says so; none is an implied one.
    pub by: Option<(Key, Rule)>,
}

/// What one layer says: the rule that decides, or that it is left to what comes next.
type Says<'a> = Option<(&'a Key, &'a Rule)>;

impl World {
    /// Whether the data plane lets the packet pass now. An interface is named `projects/P/zones/Z/instances/I/nicN`.
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
        let ends = [(&packet.source, Direction::Egress), (&packet.destination, Direction::Ingress)];
        ends.into_iter().all(|(end, direction)| match end {
            End::External(_) => true,
            End::Interface(own, address) => self.ruling(own, *address, direction, packet, at).passes,
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
        match self.state.nic(own) {
            Some((instance, _, nic)) if nic.has(address) => {
                let network = nic.network.as_str();
                Question { world: self, own, instance, network, direction, packet, at }.ruling()
            }
            _ => Ruling { passes: false, by: None },
        }
    }
}

/// Rules are stateful: only the packet that opens a connection is asked about.
impl Edge for World {
    fn holds(&self, interface: &str) -> bool {
        self.state.nic(interface).is_some()
    }

    fn passes(&self, stage: Stage, packet: &Packet, _: u16, at_ms: u64) -> bool {
        let (end, direction) = match stage {
            Stage::Leaves => (&packet.source, Direction::Egress),
            Stage::Arrives => (&packet.destination, Direction::Ingress),
            Stage::AnswerLeaves | Stage::AnswerArrives => return true,
        };
        let End::Interface(own, address) = end else { return true };
        self.ruling(own, *address, direction, packet, Some(at_ms)).passes
    }
}

impl Question<'_> {
    fn ruling(&self) -> Ruling {
        let outwards = self.direction == Direction::Egress;
        if outwards && METADATA.parse() == Ok(self.packet.destination.address()) {
            return Ruling { passes: true, by: None };
        }
        let order = Key::Order(self.network.to_owned());
        let policies_first = self.view(&order) == Some(&Held::BeforeClassic);
        let says = self.hierarchy().or_else(|| {
            if policies_first {
                self.network_policies().or_else(|| self.classic())
            } else {
                self.classic().or_else(|| self.network_policies())
            }
        });
        match says {
            Some((key, rule)) => {
                Ruling { passes: rule.action == Action::Allow, by: Some((key.clone(), rule.clone())) }
            }
            // The implied rules: everything out, nothing in.
            None => Ruling { passes: outwards, by: None },
        }
    }

    fn view(&self, key: &Key) -> Option<&Held> {
        self.world.plane.view(self.own, key, self.at)
    }

    /// The policies of the folders above the network's project: a shared network follows its host.
    fn hierarchy(&self) -> Says<'_> {
        let above = self.world.state.above(project_of(self.network));
        let policies = above.iter().flat_map(|node| self.attached(node));
        self.first(policies)
    }

    /// The global policies, then those of the region.
    fn network_policies(&self) -> Says<'_> {
        let attached = self.attached(self.network);
        let (regional, global): (Vec<String>, Vec<String>) =
            attached.into_iter().partition(|policy| policy.contains("/regions/"));
        let here = region_of(self.instance);
        self.first(global.into_iter().chain(regional.into_iter().filter(|policy| region_of(policy) == here)))
    }

    /// The policies on a network, folder or organisation, in their order.
    fn attached(&self, target: &str) -> Vec<String> {
        let first = Key::Attached(target.to_owned(), String::new());
        let all = self.world.plane.range(self.own, first.., self.at);
        let mut found: Vec<(u32, &String, &String)> = all
            .map_while(|(key, held)| match (key, held) {
                (Key::Attached(of, policy), Held::Attached(priority, name)) if of == target => {
                    Some((*priority, name, policy))
                }
                _ => None,
            })
            .collect();
        found.sort_unstable();
        found.into_iter().map(|(.., policy)| policy.clone()).collect()
    }

    fn first(&self, mut policies: impl Iterator<Item = String>) -> Says<'_> {
        policies.find_map(|policy| self.policy(&policy))
    }

    fn policy(&self, policy: &str) -> Says<'_> {
        let range = Key::PolicyRule(policy.to_owned(), 0)..=Key::PolicyRule(policy.to_owned(), u32::MAX);
        let facts = self.world.plane.range(self.own, range, self.at);
        let mut rules = facts.filter_map(|(key, held)| Some((key, rule(held)?)));
        // Facts come in the order of their priorities.
        rules.find(|(_, rule)| self.matches(rule)).filter(|(_, rule)| rule.action != Action::GotoNext)
    }

    fn classic(&self) -> Says<'_> {
        let first = Key::Classic(self.network.to_owned(), String::new());
        let facts = self.world.plane.range(self.own, first.., self.at);
        let own = facts.take_while(|(key, _)| matches!(key, Key::Classic(of, _) if of == self.network));
        let rules = own.filter_map(|(key, held)| Some((key, rule(held)?)));
        rules.filter(|(_, rule)| self.matches(rule)).min_by_key(|(_, rule)| (rule.priority, rule.action))
    }

    fn matches(&self, rule: &Rule) -> bool {
        !rule.is_disabled
            && rule.direction == self.direction
            && (rule.networks.is_empty() || rule.networks.contains(self.network))
            && rule.services.iter().any(|service| self.service_matches(service))
            && self.side_matches(&rule.source, &self.packet.source)
            && self.side_matches(&rule.destination, &self.packet.destination)
            && self.is_target(&rule.target)
    }

    fn service_matches(&self, service: &ServiceMatch) -> bool {
        let within = |(from, to): &(u16, u16)| (*from..=*to).contains(&self.packet.detail);
        service.protocol.is_none_or(|number| number == self.packet.protocol)
            && (service.ports.is_empty() || service.ports.iter().any(within))
    }

    fn is_target(&self, target: &Target) -> bool {
        match target {
            Target::All => true,
            Target::Tags(tags) => self.has_tag(self.instance, tags),
            Target::Accounts(accounts) => self.has_account(self.instance, accounts),
            Target::SecureTags(values) => {
                values.iter().any(|value| self.is_tagged(self.instance, self.network, *value))
            }
        }
    }

    fn side_matches(&self, side: &Side, end: &End) -> bool {
        let address = end.address();
        let contains = |block: &IpNet| block.contains(&address);
        let listed = |list: &String| {
            self.world.address_lists.get(list).is_some_and(|blocks| blocks.iter().any(contains))
        };
        side.context.as_ref().is_none_or(|context| self.is_in(context, end))
            && (side.is_open()
                || side.ranges.iter().any(contains)
                || side.lists.iter().any(listed)
                || self.is_identified(side, end))
    }

    /// Whether an end has one of the identities of a side: with an address of its own and not an alias, in this
    /// network; tag values also in networks that are peers.
    fn is_identified(&self, side: &Side, end: &End) -> bool {
        let End::Interface(id, address) = end else { return false };
        let Some((instance, number, nic)) = self.world.state.nic(id) else { return false };
        if !nic.primary.contains(address) {
            return false;
        }
        let is_here = nic.network == self.network;
        // Network tags say something of the first interface only.
        (is_here && number == 0 && self.has_tag(instance, &side.tags))
            || (is_here && self.has_account(instance, &side.accounts))
            || (is_here || self.is_peer(nic))
                && side.secure_tags.iter().any(|value| self.is_tagged(instance, &nic.network, *value))
    }

    fn has_tag(&self, instance: &str, tags: &BTreeSet<String>) -> bool {
        let key = Key::Tags(instance.to_owned());
        !tags.is_empty() && matches!(self.view(&key), Some(Held::Tags(held)) if !held.is_disjoint(tags))
    }

    fn has_account(&self, instance: &str, accounts: &BTreeSet<String>) -> bool {
        let key = Key::Account(instance.to_owned());
        matches!(self.view(&key), Some(Held::Account(held)) if accounts.contains(held))
    }

    /// Whether an instance's interface in a network has an effective tag value.
    fn is_tagged(&self, instance: &str, network: &str, value: u64) -> bool {
        self.view(&Key::Bound(instance.to_owned(), value)).is_some()
            && matches!(
                self.view(&Key::TagValue(value)),
                Some(Held::For(of)) if of.as_deref().is_none_or(|of| of == network)
            )
    }

    fn is_peer(&self, nic: &Nic) -> bool {
        let key = Key::Peers(self.network.to_owned());
        matches!(self.view(&key), Some(Held::Networks(peers)) if peers.contains(&nic.network))
    }

    fn is_in(&self, context: &Context, end: &End) -> bool {
        let network = match end {
            End::Interface(id, _) => self.world.state.nic(id).map(|(_, _, nic)| nic.network.as_str()),
            End::External(_) => None,
        };
        let outside = network.is_none() && is_public(end.address());
        match context {
            Context::Internet => outside,
            Context::NonInternet => !outside,
            Context::IntraVpc => network == Some(self.network),
            Context::VpcNetworks(networks) => network.is_some_and(|network| networks.contains(network)),
        }
    }
}

fn rule(held: &Held) -> Option<&Rule> {
    if let Held::Rule(rule) = held { Some(rule) } else { None }
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => !(v4.is_private() || v4.is_loopback() || v4.is_link_local()),
        IpAddr::V6(v6) => {
            let head = v6.segments().first().copied().unwrap_or(0);
            !(v6.is_loopback() || head & 0xfe00 == 0xfc00 || head & 0xffc0 == 0xfe80)
        }
    }
}
