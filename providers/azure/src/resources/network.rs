//! Virtual networks, their subnets and peerings.

use serde::{Deserialize, Serialize};

use crate::resources::{Part, Reference, Rest, Tracked};

/// A virtual network.
pub type Network = Tracked<NetworkProperties>;
/// A subnet.
pub type Subnet = Part<SubnetProperties>;
/// One side of a peering.
pub type Peering = Part<PeeringProperties>;

/// Blocks of addresses.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AddressSpace {
    /// As text.
    #[serde(default, deserialize_with = "crate::resources::null_as_default")]
    pub address_prefixes: Vec<String>,
    /// Everything else.
    #[serde(flatten)]
    pub rest: Rest,
}

/// What a virtual network is.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NetworkProperties {
    /// Its addresses.
    #[serde(default, deserialize_with = "crate::resources::null_as_default")]
    pub address_space: AddressSpace,
    /// Its subnets.
    #[serde(default, deserialize_with = "crate::resources::null_as_default")]
    pub subnets: Vec<Subnet>,
    /// Its sides of peerings.
    #[serde(default, deserialize_with = "crate::resources::null_as_default")]
    pub virtual_network_peerings: Vec<Peering>,
    /// Everything else.
    #[serde(flatten)]
    pub rest: Rest,
}

/// What a subnet is.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SubnetProperties {
    /// Its block, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address_prefix: Option<String>,
    /// Its blocks, if it has several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address_prefixes: Option<Vec<String>>,
    /// Its security group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network_security_group: Option<Reference>,
    /// Who has an address in it; only read.
    #[serde(
        default,
        deserialize_with = "crate::resources::null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub ip_configurations: Vec<Reference>,
    /// The services that it is handed to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delegations: Option<Vec<Delegation>>,
    /// Everything else.
    #[serde(flatten)]
    pub rest: Rest,
}

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
