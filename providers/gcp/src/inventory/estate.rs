//! What one complete read of several projects found, as a plain value.
//!
//! Everything is under its path; projects in paths are ids. References between things lead to something that is here
//! too, unless they leave the projects that were read.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;

use crate::resources::{
    BackendService, EffectivePolicy, ForwardingRule, FullName, HealthCheck, Policy, ResourcePath,
};

/// The whole read.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Estate {
    /// Projects by id.
    pub projects: BTreeMap<String, Project>,
    /// Networks.
    pub networks: BTreeMap<ResourcePath, Network>,
    /// Subnetworks.
    pub subnetworks: BTreeMap<ResourcePath, Subnetwork>,
    /// Instances.
    pub instances: BTreeMap<ResourcePath, Instance>,
    /// Classic firewall rules.
    pub firewalls: BTreeMap<ResourcePath, Firewall>,
    /// Network firewall policies, global and regional, with their rules as they came and what they are attached to.
    pub policies: BTreeMap<ResourcePath, Policy>,
    /// Where load balancers take packets.
    pub forwarding_rules: BTreeMap<ResourcePath, ForwardingRule>,
    /// What is behind load balancers.
    pub backend_services: BTreeMap<ResourcePath, BackendService>,
    /// Health checks.
    pub health_checks: BTreeMap<ResourcePath, HealthCheck>,
    /// Tag keys for firewalls, by name (`tagKeys/N`).
    pub tag_keys: BTreeMap<String, TagKey>,
    /// Their values, by name (`tagValues/N`).
    pub tag_values: BTreeMap<String, TagValue>,
    /// What could not be read and why; the rest is right without it.
    pub unreadable: BTreeMap<String, String>,
}

/// A project.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Project {
    /// Its number.
    pub number: String,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Folders and organisation above it, nearest first, as far as they may be read.
    pub above: Vec<String>,
    /// Whether it shares its networks.
    pub is_host: bool,
    /// The host project whose networks it uses.
    pub host: Option<String>,
    /// The service projects that use its networks, whether or not they were read.
    pub services: BTreeSet<String>,
    /// Quotas on the number of things, such as `FIREWALLS`.
    pub quotas: BTreeMap<String, Quota>,
}

/// A quota.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Quota {
    /// How many there may be.
    pub limit: u64,
    /// How many there are.
    pub usage: u64,
}

/// What is judged first on a network, after the hierarchical policies.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Order {
    /// Classic rules, then the policies of the network: Google's default.
    ClassicFirst,
    /// The policies of the network, then classic rules.
    PolicyFirst,
}

/// A network.
#[derive(Clone, PartialEq, Debug)]
pub struct Network {
    /// Google's number for it.
    pub id: String,
    /// What is judged first.
    pub order: Order,
    /// Whether it has a subnetwork in every region.
    pub is_automatic: bool,
    /// Its sides of peerings.
    pub peerings: Vec<Peering>,
    /// All policies in force on it, as it tells, in the order of judgement within each kind: those of the organisation
    /// and folders (`HIERARCHY`), Google's own, and its own ones again.
    pub in_force: Vec<EffectivePolicy>,
}

impl Network {
    /// The policies of the organisation and of folders that are in force on it, judged first, in this order.
    pub fn hierarchical(&self) -> impl Iterator<Item = &EffectivePolicy> {
        self.in_force.iter().filter(|policy| policy.kind == "HIERARCHY")
    }
}

/// One side of a peering.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Peering {
    /// Its name.
    pub name: String,
    /// The other network; it may be in a project that was not read.
    pub remote: ResourcePath,
    /// Whether both sides are there.
    pub is_active: bool,
}

/// A subnetwork.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Subnetwork {
    /// Its network.
    pub network: ResourcePath,
    /// Its addresses, of both families, with those for aliases.
    pub blocks: BTreeSet<IpNet>,
    /// `PRIVATE`, or what it is kept for: packets of managed proxies come from `REGIONAL_MANAGED_PROXY`.
    pub purpose: String,
}

/// An instance.
#[derive(Clone, PartialEq, Debug)]
pub struct Instance {
    /// By numbers, as bindings name it.
    pub full_name: FullName,
    /// Such as `RUNNING`.
    pub status: String,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Network tags: they hold for all interfaces as target, and for the primary one's addresses as source.
    pub tags: BTreeSet<String>,
    /// The version of the network tags.
    pub tags_fingerprint: String,
    /// The service account that it runs as.
    pub account: Option<String>,
    /// The tag values bound to it (`tagValues/N`). Empty also where no binding can matter, see
    /// [`crate::inventory::observe`].
    pub secure_tags: BTreeSet<String>,
    /// Its interfaces, the primary one first.
    pub interfaces: Vec<Interface>,
    /// Whether it may send packets that are not from itself.
    pub is_forwarding: bool,
    /// Whether its membership can be written, and lasts.
    pub attach: Attach,
}

/// A network interface.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Interface {
    /// `nic0`, …
    pub name: String,
    /// Its network.
    pub network: ResourcePath,
    /// Its subnetwork.
    pub subnetwork: ResourcePath,
    /// Its inner IPv4 address, once it has one.
    pub primary: Option<IpAddr>,
    /// Its inner IPv6 addresses: one address, or the block that stands for it.
    pub ipv6: Option<IpNet>,
    /// Further inner blocks.
    pub aliases: Vec<IpNet>,
    /// Outer addresses of both families; an outer IPv6 address is its own, an outer IPv4 one is translated.
    pub external: Vec<IpNet>,
}

/// Whether the membership of an instance can be written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Attach {
    /// By a write of the instance or of a binding.
    Direct,
    /// It can be written, and whoever made the instance makes it anew without: membership belongs in its template.
    Through {
        /// Who made it.
        maker: Maker,
        /// What says so.
        evidence: String,
    },
}

/// Who makes instances.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Maker {
    /// A managed instance group.
    InstanceGroup,
    /// A Kubernetes cluster.
    Kubernetes,
    /// Dataproc.
    Dataproc,
    /// Dataflow.
    Dataflow,
    /// Composer.
    Composer,
    /// Vertex AI.
    Vertex,
}

/// A classic firewall rule.
#[derive(Clone, PartialEq, Debug)]
pub struct Firewall {
    /// Its network.
    pub network: ResourcePath,
    /// What it says, as it came.
    pub rule: crate::resources::Firewall,
}

/// A tag key for firewalls.
#[derive(Clone, PartialEq, Debug)]
pub struct TagKey {
    /// The network that its values work in; none is every network of the organisation.
    pub network: Option<ResourcePath>,
    /// What it says, as it came.
    pub key: crate::resources::TagKey,
}

/// A value of a tag key for firewalls.
pub type TagValue = crate::resources::TagValue;
