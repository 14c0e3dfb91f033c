//! What one complete read of several subscriptions found, as a plain value.
//!
//! Everything is under its id; references between things lead to something that is here too, unless they leave the
//! subscriptions that were read.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;

use crate::resources::{ArmId, NormalRule, Tags};

/// The whole read.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Estate {
    /// Subscriptions by guid, in lower case.
    pub subscriptions: BTreeMap<String, Subscription>,
    /// Resource groups.
    pub resource_groups: BTreeMap<ArmId, ResourceGroup>,
    /// Virtual networks.
    pub networks: BTreeMap<ArmId, Network>,
    /// Subnets of all networks.
    pub subnets: BTreeMap<ArmId, Subnet>,
    /// Network interfaces of every kind.
    pub interfaces: BTreeMap<ArmId, Interface>,
    /// Virtual machines.
    pub machines: BTreeMap<ArmId, Machine>,
    /// Network security groups.
    pub security_groups: BTreeMap<ArmId, SecurityGroup>,
    /// Application security groups.
    pub application_groups: BTreeMap<ArmId, ApplicationGroup>,
}

/// A subscription.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Subscription {
    /// Its guid, as it came.
    pub id: String,
    /// For people.
    pub name: String,
    /// The tenant that it trusts.
    pub tenant: String,
    /// Tags.
    pub tags: Tags,
}

/// A resource group.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ResourceGroup {
    /// Tags.
    pub tags: Tags,
    /// The resource that manages everything in it.
    pub managed_by: Option<ArmId>,
}

/// A virtual network.
#[derive(Clone, PartialEq, Debug)]
pub struct Network {
    /// The version that was read.
    pub etag: String,
    /// Such as `westeurope`.
    pub location: String,
    /// Tags.
    pub tags: Tags,
    /// Its addresses, of both families.
    pub blocks: BTreeSet<IpNet>,
    /// Its sides of peerings.
    pub peerings: Vec<Peering>,
    /// The security admin rules in force in it, judged before every security group, lowest priority number first.
    pub admin_rules: Vec<AdminRule>,
}

/// One side of a peering.
#[derive(Clone, PartialEq, Debug)]
pub struct Peering {
    /// Its id.
    pub id: ArmId,
    /// The other network; it may be in a subscription that was not read.
    pub remote: ArmId,
    /// The other network's addresses, as this side knows them.
    pub remote_blocks: BTreeSet<IpNet>,
    /// Whether both sides are there.
    pub is_connected: bool,
    /// Whether the networks reach each other, and `VirtualNetwork` means both.
    pub has_access: bool,
    /// Whether packets from elsewhere may come through.
    pub is_forwarding: bool,
}

/// A security admin rule in force.
#[derive(Clone, PartialEq, Debug)]
pub struct AdminRule {
    /// Its id, below its network manager.
    pub id: ArmId,
    /// What it means.
    pub rule: NormalRule,
}

/// A subnet.
#[derive(Clone, PartialEq, Debug)]
pub struct Subnet {
    /// Its virtual network.
    pub network: ArmId,
    /// Its addresses, of both families.
    pub blocks: BTreeSet<IpNet>,
    /// Its security group.
    pub security_group: Option<ArmId>,
    /// Whether it has routes of its own: an appliance may stand before it.
    pub has_routes: bool,
    /// Whether its last write has ended well.
    pub is_settled: bool,
    /// The services that it is handed to, such as `Microsoft.Sql/managedInstances`.
    pub delegations: Vec<String>,
    /// Who else has an address in it without an interface that anybody can see: gateways, firewalls, load balancers.
    pub occupants: Vec<Occupant>,
}

/// Something with an address in a subnet that is no interface.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Occupant {
    /// Its id.
    pub id: ArmId,
    /// Whether a policy can reach it.
    pub attach: Attach,
}

/// A network interface.
#[derive(Clone, PartialEq, Debug)]
pub struct Interface {
    /// The version that was read.
    pub etag: String,
    /// Such as `westeurope`.
    pub location: String,
    /// The virtual network that it is in; empty if it is in none.
    pub network: ArmId,
    /// Its own security group, beside that of its subnet.
    pub security_group: Option<ArmId>,
    /// Whether it has a public address, or a load balancer before it. Whether the internet reaches such without a security
    /// group depends on their kind, which is not read.
    pub is_fronted: bool,
    /// Its addresses.
    pub configurations: Vec<IpConfiguration>,
    /// Its MAC address, twelve hexadecimal digits.
    pub mac: Option<String>,
    /// The machine that holds it.
    pub machine: Option<ArmId>,
    /// The scale set that it belongs to.
    pub scale_set: Option<ArmId>,
    /// Its own tags.
    pub tags: Tags,
    /// The tags of its machine, or of its scale set.
    pub machine_tags: Tags,
    /// The tags of its resource group.
    pub resource_group_tags: Tags,
    /// Whether its last write has ended well.
    pub is_settled: bool,
    /// Whether a policy can reach it.
    pub attach: Attach,
}

/// An address of an interface.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct IpConfiguration {
    /// Its name.
    pub name: String,
    /// Its subnet.
    pub subnet: ArmId,
    /// Its private address, once it has one.
    pub address: Option<IpAddr>,
    /// The application security groups that it is in.
    pub groups: BTreeSet<ArmId>,
}

/// Whether the membership of something can be written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Attach {
    /// By a write of the interface.
    Direct,
    /// Only by the service that made it: a write of the interface is refused or undone.
    Through {
        /// Which kind of service.
        service: Service,
        /// The resource of the service, if it is known.
        by: Option<ArmId>,
        /// Why it is so.
        why: &'static str,
    },
    /// By nobody.
    Never {
        /// Why it is so.
        why: &'static str,
    },
}

/// Services that make interfaces.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Service {
    /// A uniform scale set: membership stands in its model.
    ScaleSet,
    /// A private endpoint.
    PrivateEndpoint,
    /// A private link service.
    PrivateLinkService,
    /// A managed Kubernetes cluster.
    Kubernetes,
    /// A load balancer.
    LoadBalancer,
    /// Another service that manages its resource group.
    Managed,
}

/// A virtual machine.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Machine {
    /// Its tags.
    pub tags: Tags,
    /// The flexible scale set that it is in.
    pub scale_set: Option<ArmId>,
    /// Its interfaces.
    pub interfaces: BTreeSet<ArmId>,
}

/// A network security group.
#[derive(Clone, PartialEq, Debug)]
pub struct SecurityGroup {
    /// The version that was read.
    pub etag: String,
    /// Such as `westeurope`.
    pub location: String,
    /// Tags.
    pub tags: Tags,
    /// Its own rules by name.
    pub rules: BTreeMap<String, SecurityRule>,
    /// The rules that it ends with.
    pub default_rules: Vec<SecurityRule>,
    /// Whether open connections are judged again when a rule changes.
    pub is_flushing: bool,
    /// Whether the last write has ended well: else interfaces may not have heard of it.
    pub is_settled: bool,
    /// Who seems to manage it, if somebody does.
    pub owner: Option<Owner>,
}

/// A rule of a network security group.
#[derive(Clone, PartialEq, Debug)]
pub struct SecurityRule {
    /// Its name.
    pub name: String,
    /// For people.
    pub description: String,
    /// What it means.
    pub rule: NormalRule,
    /// Whether its last write has ended well.
    pub is_settled: bool,
    /// Who seems to have made it, if somebody did.
    pub owner: Option<Owner>,
}

/// A guess about who manages something, with what it is based on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Owner {
    /// Who.
    pub who: OwnerKind,
    /// What says so, such as a tag or a prefix of a name.
    pub evidence: String,
}

/// Controllers that put back what others change.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum OwnerKind {
    /// Azure Kubernetes Service, or the cloud provider of a cluster.
    Kubernetes,
    /// Cluster API.
    ClusterApi,
    /// Databricks.
    Databricks,
    /// A service's network intent policy, such as that of SQL managed instances.
    IntentPolicy,
    /// Just-in-time access of Defender for Cloud.
    JustInTime,
    /// Another service that manages the resource group.
    Managed,
}

/// An application security group.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ApplicationGroup {
    /// The version that was read.
    pub etag: String,
    /// Such as `westeurope`.
    pub location: String,
    /// Tags: the ownership mark is in them.
    pub tags: Tags,
}
