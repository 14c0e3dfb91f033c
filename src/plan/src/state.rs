//! What is (observed) and what should be (desired), in cloud-neutral words.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use policy::service::{has_ports, protocol};
use policy::{AddressSet, Finding, InterfaceId, NetworkId, RuleRef, ServiceSet, WorkloadId, name_type};
use serde::{Deserialize, Serialize};

use crate::scope::ScopeId;

name_type!(
    /// A group: the cloud's own id, or `new:NETWORK/NAME` for one that a plan creates.
    GroupId
);

impl GroupId {
    /// The id of a group that does not exist yet, by the network and the name that it will have.
    pub fn planned(network: &NetworkId, name: &str) -> Self {
        Self::from(format!("new:{network}/{name}"))
    }

    /// Whether the group does not exist yet.
    pub fn is_planned(&self) -> bool {
        self.planned_name().is_some()
    }

    /// The name of a group that does not exist yet; no driver plans a name with a `/` in it.
    pub fn planned_name(&self) -> Option<&str> {
        let place = self.as_str().strip_prefix("new:")?;
        place.rsplit_once('/').map(|(_, name)| name)
    }
}

/// Everything that one complete read of a scope saw. Half a read is an error, never a smaller value.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Observed {
    /// The scope that was read.
    pub scope: Option<ScopeId>,
    /// The networks of the scope; sorted by id, as is every list below.
    pub networks: Vec<NetworkState>,
    /// The interfaces in them.
    pub interfaces: Vec<InterfaceState>,
    /// The groups in them, ours and foreign.
    pub groups: Vec<GroupState>,
    /// Ordered lists of rules on the path: network ACLs, network security groups, firewall policies. Where a cloud's
    /// rules stand in such lists, `groups` holds what they say of each group as facts that can be planned, and
    /// `semantics` reads only the lists.
    pub path_filters: Vec<PathFilter>,
    /// What the cloud allows at most.
    pub limits: Limits,
}

/// One network.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct NetworkState {
    /// Its id.
    pub id: NetworkId,
    /// Its name for people; empty if it has none.
    pub name: String,
    /// The blocks that it routes to itself, both families.
    pub cidrs: Vec<IpNet>,
    /// Active peerings.
    pub peerings: Vec<Peering>,
}

/// An active peering as seen from one side.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Peering {
    /// The network on the other side.
    pub peer: NetworkId,
    /// The cloud's id of the peering, which a reference may have to name.
    pub handle: String,
    /// Whether a rule may name groups of the other side. Addresses are seen as they are over every peering.
    pub identity: bool,
}

/// Whether the groups of an interface can be written.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttachClass {
    /// Directly.
    Direct,
    /// Only through the service that owns it, which is named.
    ThroughService(String),
    /// Not at all, and why.
    Never(String),
}

/// One interface.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct InterfaceState {
    /// Its id.
    pub id: InterfaceId,
    /// The network that it sits in.
    pub network: NetworkId,
    /// The workload that it belongs to: the instance, or the interface itself when it has none.
    pub workload: WorkloadId,
    /// A name for people.
    pub name: String,
    /// All private addresses, primary first, both families.
    pub addresses: Vec<IpAddr>,
    /// The groups on it, sorted.
    pub groups: Vec<GroupId>,
    /// Whether the groups can be written.
    pub attach: AttachClass,
    /// The tags of the instance, overridden by those of the interface.
    pub tags: BTreeMap<String, String>,
    /// The path filters that it sits behind, by id, the one nearest to it last.
    pub path_filters: Vec<String>,
    /// The MAC address, twelve hexadecimal digits, where flow logs name interfaces by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac: Option<String>,
}

/// Whose a group is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Owner {
    /// Ours: it carries the whole mark of this installation.
    Ours,
    /// Somebody else's: reported, never changed.
    Foreign,
    /// Marked by half: reported, not touched. Says what is missing.
    Suspect(String),
}

/// One group: its members are the interfaces that list it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct GroupState {
    /// Its id.
    pub id: GroupId,
    /// The network that it belongs to.
    pub network: NetworkId,
    /// Its name, unique in the network (letter case does not count).
    pub name: String,
    /// Whose it is.
    pub owner: Owner,
    /// Rules for traffic towards members, sorted.
    pub ingress: Vec<RuleSpec>,
    /// Rules for traffic from members, sorted.
    pub egress: Vec<RuleSpec>,
    /// Tags of ours on it that are not as they should be: `key` → value found (empty if missing).
    pub tag_drift: BTreeMap<String, String>,
}

/// One allow rule of a group: what makes it one. Descriptions and rule ids are not part of it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct RuleSpec {
    /// The other end.
    pub peer: Peer,
    /// The service.
    pub service: RuleService,
}

/// The other end of a rule.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Peer {
    /// The members of a group, by identity.
    Group(GroupId),
    /// Addresses, whoever holds them.
    Cidr(IpNet),
    /// Something that this version does not read (a prefix list, a group of another account), by its id.
    Opaque(String),
}

/// The service of a rule: one contiguous piece, as clouds write it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RuleService {
    /// Every protocol.
    All,
    /// Every packet of one protocol.
    Protocol(u8),
    /// A range of destination ports of TCP or UDP, not all of them.
    Ports {
        /// TCP or UDP.
        protocol: u8,
        /// First port.
        first: u16,
        /// Last port.
        last: u16,
    },
    /// One ICMP type, with one code or all.
    Icmp {
        /// ICMP or ICMPv6.
        protocol: u8,
        /// The type.
        kind: u8,
        /// The code; all if `None`.
        code: Option<u8>,
    },
}

impl RuleService {
    /// The services as a set.
    pub fn to_set(self) -> ServiceSet {
        match self {
            Self::All => ServiceSet::all(),
            Self::Protocol(protocol) => ServiceSet::protocol(protocol),
            Self::Ports { protocol, first, last } => ServiceSet::range(protocol, first, last),
            Self::Icmp { protocol, kind, code } => {
                let base = u16::from(kind) << 8;
                let (first, last) = code.map_or((0, 0xff), |code| (u16::from(code), u16::from(code)));
                ServiceSet::range(protocol, base | first, base | last)
            }
        }
    }

    /// Ports as the shortest form: all ports of a protocol are the protocol.
    pub fn ports(protocol: u8, first: u16, last: u16) -> Self {
        debug_assert!(has_ports(protocol));
        if (first, last) == (0, u16::MAX) {
            Self::Protocol(protocol)
        } else {
            Self::Ports { protocol, first, last }
        }
    }
}

impl fmt::Display for RuleService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use std::fmt::Write;
        let plain = f.width().is_none() && f.precision().is_none();
        match *self {
            // As the set would be written, without making it.
            Self::Ports { protocol, first, last }
                if plain && has_ports(protocol) && first <= last && (first, last) != (0, u16::MAX) =>
            {
                f.write_str(if protocol == protocol::TCP { "tcp" } else { "udp" })?;
                f.write_char('/')?;
                if first == last { write!(f, "{first}") } else { write!(f, "{first}-{last}") }
            }
            _ => f.pad(&self.to_set().to_string()),
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Group(id) => write!(f, "{id}"),
            Self::Cidr(block) => write!(f, "{block}"),
            Self::Opaque(id) => write!(f, "{id} (not read)"),
        }
    }
}

impl fmt::Display for RuleSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.peer, self.service)
    }
}

impl RuleSpec {
    /// What the rule counts against the quota: `(IPv4, IPv6)`. A group reference counts in both families.
    pub fn cost(&self) -> (u32, u32) {
        match &self.peer {
            Peer::Cidr(IpNet::V4(_)) => (1, 0),
            Peer::Cidr(IpNet::V6(_)) => (0, 1),
            Peer::Group(_) | Peer::Opaque(_) => (1, 1),
        }
    }
}

/// What the cloud allows at most, where it counts rules, members and groups one by one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Limits {
    /// Rules of one group in one direction, counted apart for each family.
    pub rules_per_group: u32,
    /// Groups on one interface.
    pub groups_per_interface: u32,
    /// Groups in the region.
    pub groups_per_region: u32,
}

impl Limits {
    /// Of a cloud that counts something else: its driver does (`CloudReader::usage`).
    pub const UNCOUNTED: Self =
        Self { rules_per_group: u32::MAX, groups_per_interface: u32::MAX, groups_per_region: u32::MAX };
}

impl Default for Limits {
    /// The defaults of AWS (`providers.md` 1.1).
    fn default() -> Self {
        Self { rules_per_group: 60, groups_per_interface: 5, groups_per_region: 2500 }
    }
}

/// An ordered list of rules on the path, first match wins: a network ACL, a network security group, the classic firewall
/// rules of a network, a firewall policy.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PathFilter {
    /// Its id.
    pub id: String,
    /// Its name for people.
    pub name: String,
    /// Whose the list itself is. Rules of ours may stand in a list of somebody else.
    pub owner: Owner,
    /// Rules in order of evaluation, the cloud's own default rules among them; what none matches is denied.
    pub rules: Vec<PathRule>,
}

/// One rule of a path filter.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PathRule {
    /// Its number or name.
    pub name: String,
    /// Its place in the order; smaller numbers come first.
    pub priority: u32,
    /// Whose it is.
    pub owner: Owner,
    /// The direction that it filters.
    pub direction: crate::scope::Direction,
    /// What it does with what it matches.
    pub effect: PathEffect,
    /// The groups whose members it is for; everybody behind the list if empty.
    pub targets: Vec<GroupId>,
    /// The far ends, any of them; everybody if empty.
    pub peers: Vec<Peer>,
    /// The services, any of them.
    pub services: Vec<RuleService>,
}

/// What a rule of a path filter does.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PathEffect {
    /// Lets the packet pass.
    Allow,
    /// Stops it.
    Deny,
    /// Leaves it to the next list.
    Next,
}

/// What should be, in one scope: made by the driver's `lower`, a pure function.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Desired {
    /// The groups that should exist.
    pub groups: Vec<DesiredGroup>,
    /// What should be on each interface that we write. Interfaces that are not listed are left alone,
    /// except that our groups come off them where something else remains.
    pub members: BTreeMap<InterfaceId, Membership>,
    /// Interfaces that the policy wants enforced and that cannot be written.
    pub uncovered: Vec<Uncovered>,
    /// What cannot be expressed (blocking), fallbacks to addresses (notes).
    pub findings: Vec<Finding>,
}

/// One group that should exist.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DesiredGroup {
    /// `GroupId::planned(network, name)`; rules of other desired groups refer to it by this id.
    pub id: GroupId,
    /// The network that it belongs to.
    pub network: NetworkId,
    /// The name that it gets when it has to be created.
    pub name: String,
    /// For people: the labels of the class.
    pub description: String,
    /// Rules towards members, each with the policy rules that it comes from (empty: essential).
    pub ingress: BTreeMap<RuleSpec, Vec<RuleRef>>,
    /// Rules from members.
    pub egress: BTreeMap<RuleSpec, Vec<RuleRef>>,
}

/// What should be on one interface.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Membership {
    /// Our groups, by the planned ids of the desired groups.
    pub groups: Vec<GroupId>,
    /// Whether foreign groups come off.
    pub exclusive: bool,
}

/// An interface that the policy wants enforced and that cannot be written.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Uncovered {
    /// The interface.
    pub interface: InterfaceId,
    /// For people: name and labels.
    pub name: String,
    /// Why.
    pub reason: String,
}

/// A CIDR block as a set.
pub fn block_set(block: IpNet) -> AddressSet {
    AddressSet::from(block)
}

/// The rules that let everything pass, one for each family: what ingress-only scopes keep for egress.
pub fn allow_everything() -> [RuleSpec; 2] {
    let rule = |block: IpNet| RuleSpec { peer: Peer::Cidr(block), service: RuleService::All };
    [rule(IpNet::V4(ipnet::Ipv4Net::default())), rule(IpNet::V6(ipnet::Ipv6Net::default()))]
}

/// Whether a protocol number has ICMP types; re-exported for drivers that read rules.
pub fn is_icmp(number: u8) -> bool {
    matches!(number, protocol::ICMP | protocol::ICMPV6)
}
