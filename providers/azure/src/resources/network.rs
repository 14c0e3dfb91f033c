//! Virtual networks, their subnets and peerings.

use serde::{Deserialize, Serialize};

use crate::resources::kept::kept;
use crate::resources::{Part, Reference, Rest, Tracked};

/// A virtual network.
pub type Network<R = Rest> = Tracked<NetworkProperties<R>, R>;
/// A subnet.
pub type Subnet<R = Rest> = Part<SubnetProperties<R>, R>;
/// One side of a peering.
pub type Peering = Part<PeeringProperties>;

/// Blocks of addresses.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AddressSpace<R = Rest> {
    /// As text.
    pub address_prefixes: Vec<String>,
    /// Everything else.
    #[serde(flatten)]
    pub rest: R,
}

kept!(AddressSpace { address_prefixes: "addressPrefixes" });

/// What a virtual network is.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NetworkProperties<R = Rest> {
    /// Its addresses.
    pub address_space: AddressSpace<R>,
    /// Its subnets.
    pub subnets: Vec<Subnet<R>>,
    /// Its sides of peerings.
    pub virtual_network_peerings: Vec<Peering>,
    /// Everything else.
    #[serde(flatten)]
    pub rest: R,
}

kept!(NetworkProperties {
    address_space: "addressSpace",
    subnets: "subnets",
    virtual_network_peerings: "virtualNetworkPeerings",
});

/// What a subnet is.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SubnetProperties<R = Rest> {
    /// Its block, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address_prefix: Option<String>,
    /// Its blocks, if it has several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address_prefixes: Option<Vec<String>>,
    /// Its security group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network_security_group: Option<Reference<R>>,
    /// Its own routes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route_table: Option<Reference<R>>,
    /// Who has an address in it; only read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ip_configurations: Vec<Reference<R>>,
    /// The services that it is handed to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delegations: Option<Vec<Delegation>>,
    /// Everything else.
    #[serde(flatten)]
    pub rest: R,
}

kept!(SubnetProperties {
    address_prefix: "addressPrefix",
    address_prefixes: "addressPrefixes",
    network_security_group: "networkSecurityGroup",
    route_table: "routeTable",
    ip_configurations: "ipConfigurations",
    delegations: "delegations",
});

/// A service that a subnet is handed to.
pub type Delegation = Part<DelegationProperties>;

/// What a delegation says.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DelegationProperties {
    /// Such as `Microsoft.Sql/managedInstances`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_name: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    pub rest: Rest,
}

/// What one side of a peering is.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PeeringProperties {
    /// The other network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote_virtual_network: Option<Reference>,
    /// The other network's addresses, as known here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote_address_space: Option<AddressSpace>,
    /// `Initiated`, `Connected` or `Disconnected`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peering_state: Option<String>,
    /// Whether the networks reach each other, and `VirtualNetwork` means both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_virtual_network_access: Option<bool>,
    /// Whether packets from elsewhere may come through.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_forwarded_traffic: Option<bool>,
    /// Everything else.
    #[serde(flatten)]
    pub rest: Rest,
}
