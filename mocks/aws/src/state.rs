//! The objects of a simulated EC2 account and region, and the errors that EC2 gives.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;

/// Tags of one object.
pub type Tags = BTreeMap<String, String>;

/// An EC2 error: code and message.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{code}: {message}")]
pub struct Ec2Error {
    /// The code that clients branch on.
    pub code: String,
    /// What is wrong.
    pub message: String,
}

/// An error with a code.
pub fn refuse(code: &str, message: impl Into<String>) -> Ec2Error {
    Ec2Error { code: code.to_owned(), message: message.into() }
}

/// Everything that the API knows.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// VPCs by id.
    pub vpcs: BTreeMap<String, Vpc>,
    /// Subnets by id.
    pub subnets: BTreeMap<String, Subnet>,
    /// Security groups by id.
    pub groups: BTreeMap<String, Group>,
    /// Network interfaces by id.
    pub interfaces: BTreeMap<String, Interface>,
    /// Instances by id.
    pub instances: BTreeMap<String, Instance>,
    /// Peerings by id.
    pub peerings: BTreeMap<String, Peering>,
    /// Network ACLs by id.
    pub acls: BTreeMap<String, Acl>,
    /// Tags of peerings and network ACLs by id.
    pub other_tags: BTreeMap<String, Tags>,
    /// Interfaces that were attached to an instance and not made with it: they outlive it.
    pub kept_interfaces: BTreeSet<String>,
    /// Numbers ids.
    pub counter: u64,
}

/// A VPC.
#[derive(Clone, Debug, Default)]
pub struct Vpc {
    /// IPv4 and IPv6 blocks.
    pub cidrs: Vec<IpNet>,
    /// Whether it is the default VPC, in which a revoke of nothing is no error.
    pub is_default: bool,
    /// Tags.
    pub tags: Tags,
}

/// A subnet.
#[derive(Clone, Debug)]
pub struct Subnet {
    /// Its VPC.
    pub vpc: String,
    /// Its IPv4 block.
    pub cidr: IpNet,
    /// Its IPv6 block.
    pub ipv6: Option<IpNet>,
    /// Tags.
    pub tags: Tags,
    /// The next host number to give out.
    pub next_host: u32,
    /// The addresses that are given out.
    pub used: BTreeSet<IpAddr>,
}

/// A security group.
#[derive(Clone, Debug)]
pub struct Group {
    /// Its VPC.
    pub vpc: String,
    /// Unique in the VPC, letter case aside.
    pub name: String,
    /// Never changes.
    pub description: String,
    /// Tags.
    pub tags: Tags,
    /// Rules by `sgr-` id.
    pub rules: BTreeMap<String, GroupRule>,
}

/// The far end of a rule.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Source {
    /// A block of addresses.
    Cidr(IpNet),
    /// The members of a group.
    Group(String),
}

/// What makes a rule one: description and tags are not part of it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct RuleKey {
    /// Whether it is for traffic from members.
    pub egress: bool,
    /// `tcp`, `udp`, `icmp`, `icmpv6`, a number, or `-1`.
    pub protocol: String,
    /// First port, ICMP type, or −1.
    pub from: i64,
    /// Last port, ICMP code, or −1.
    pub to: i64,
    /// The far end.
    pub source: Source,
}

/// One rule.
#[derive(Clone, Debug)]
pub struct GroupRule {
    /// What makes it one.
    pub key: RuleKey,
    /// For people.
    pub description: String,
    /// Tags.
    pub tags: Tags,
    /// The peering that a reference names.
    pub peering: Option<String>,
}

/// A network interface.
#[derive(Clone, Debug, Default)]
pub struct Interface {
    /// Its VPC.
    pub vpc: String,
    /// Its subnet.
    pub subnet: String,
    /// Private addresses, primary first.
    pub addresses: Vec<IpAddr>,
    /// The groups on it.
    pub groups: BTreeSet<String>,
    /// Tags.
    pub tags: Tags,
    /// `interface`, `network_load_balancer`, `lambda`, …
    pub kind: String,
    /// The service that made it, if one did; then its groups cannot be set here.
    pub requester: Option<String>,
    /// For people.
    pub description: String,
    /// The instance that it is attached to.
    pub instance: Option<String>,
}

/// An instance.
#[derive(Clone, Debug, Default)]
pub struct Instance {
    /// Its VPC.
    pub vpc: String,
    /// Tags.
    pub tags: Tags,
    /// Whether it runs.
    pub terminated: bool,
}

/// A peering.
#[derive(Clone, Debug)]
pub struct Peering {
    /// Who asked.
    pub requester: String,
    /// Who was asked.
    pub accepter: String,
    /// `pending-acceptance`, `active`, `deleted`.
    pub status: String,
}

/// A network ACL.
#[derive(Clone, Debug, Default)]
pub struct Acl {
    /// Its VPC.
    pub vpc: String,
    /// Whether it is the VPC's default.
    pub is_default: bool,
    /// By direction (egress) and number.
    pub entries: BTreeMap<(bool, u32), AclEntry>,
    /// The subnets behind it.
    pub subnets: BTreeSet<String>,
}

/// One entry of a network ACL.
#[derive(Clone, Debug)]
pub struct AclEntry {
    /// A number, or `-1`.
    pub protocol: String,
    /// Whether it lets pass.
    pub allow: bool,
    /// The far end.
    pub block: IpNet,
    /// First and last port.
    pub ports: Option<(u16, u16)>,
    /// ICMP type and code; −1 is any.
    pub icmp: Option<(i64, i64)>,
}

impl State {
    /// A new id with this prefix; the same for the same history.
    pub fn new_id(&mut self, prefix: &str) -> String {
        self.counter += 1;
        // Spread, so that ids do not sort by age.
        let spread = self.counter.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 4;
        format!("{prefix}-{spread:017x}", spread = spread & 0x0fff_ffff_ffff_ffff)
    }

    /// Whether references work between two VPCs.
    pub fn peered(&self, a: &str, b: &str) -> bool {
        a == b || self.active_peering(a, b).is_some()
    }

    /// The active peering between two VPCs.
    pub fn active_peering(&self, a: &str, b: &str) -> Option<&str> {
        let between = |peering: &Peering| {
            let ends = (peering.requester.as_str(), peering.accepter.as_str());
            peering.status == "active" && (ends == (a, b) || ends == (b, a))
        };
        self.peerings.iter().find(|(_, peering)| between(peering)).map(|(id, _)| id.as_str())
    }

    /// The tags of any object.
    pub fn tags_mut(&mut self, id: &str) -> Option<&mut Tags> {
        let prefix = id.split('-').next().unwrap_or_default();
        match prefix {
            "sg" => self.groups.get_mut(id).map(|group| &mut group.tags),
            "eni" => self.interfaces.get_mut(id).map(|interface| &mut interface.tags),
            "i" => self.instances.get_mut(id).map(|instance| &mut instance.tags),
            "vpc" => self.vpcs.get_mut(id).map(|vpc| &mut vpc.tags),
            "subnet" => self.subnets.get_mut(id).map(|subnet| &mut subnet.tags),
            "sgr" => {
                self.groups.values_mut().find_map(|group| group.rules.get_mut(id)).map(|rule| &mut rule.tags)
            }
            "acl" if self.acls.contains_key(id) => Some(self.other_tags.entry(id.to_owned()).or_default()),
            "pcx" if self.peerings.contains_key(id) => {
                Some(self.other_tags.entry(id.to_owned()).or_default())
            }
            _ => None,
        }
    }
}
