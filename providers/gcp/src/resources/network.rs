//! Networks, their peerings and their subnetworks.

use serde::Deserialize;

use crate::resources::{ResourcePath, Rest, null_as_default};

/// A VPC network.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Network {
    /// Its path.
    #[serde(rename = "selfLink")]
    pub path: ResourcePath,
    /// Google's number for it: tag keys name it by that.
    #[serde(default)]
    pub id: String,
    /// `AFTER_CLASSIC_FIREWALL` (the default) or `BEFORE_CLASSIC_FIREWALL`.
    #[serde(default)]
    pub network_firewall_policy_enforcement_order: Option<String>,
    /// Whether it has a subnetwork in every region.
    #[serde(default)]
    pub auto_create_subnetworks: Option<bool>,
    /// Its sides of peerings.
    #[serde(default, deserialize_with = "null_as_default")]
    pub peerings: Vec<Peering>,
    /// Everything else.
    #[serde(flatten)]
    pub rest: Rest,
}

/// One side of a peering.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Peering {
    /// Its name.
    #[serde(default)]
    pub name: String,
    /// The other network.
    #[serde(default)]
    pub network: ResourcePath,
    /// `ACTIVE` when both sides are there.
    #[serde(default)]
    pub state: String,
    /// `IPV4_ONLY` or `IPV4_IPV6`.
    #[serde(default)]
    pub stack_type: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    pub rest: Rest,
}

/// A subnetwork.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Subnetwork {
    /// Its path.
    #[serde(rename = "selfLink")]
    pub path: ResourcePath,
    /// Its network.
    #[serde(default)]
    pub network: ResourcePath,
    /// Its IPv4 addresses.
    #[serde(default)]
    pub ip_cidr_range: Option<String>,
    /// Further IPv4 addresses, for aliases.
    #[serde(default, deserialize_with = "null_as_default")]
    pub secondary_ip_ranges: Vec<SecondaryRange>,
    /// Its inner IPv6 addresses.
    #[serde(default)]
    pub internal_ipv6_prefix: Option<String>,
    /// Its outer IPv6 addresses.
    #[serde(default)]
    pub external_ipv6_prefix: Option<String>,
    /// `PRIVATE`, or what it is kept for, such as `REGIONAL_MANAGED_PROXY` or `PRIVATE_SERVICE_CONNECT`.
    #[serde(default)]
    pub purpose: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    pub rest: Rest,
}

/// A further range of a subnetwork.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SecondaryRange {
    /// Its name.
    #[serde(default)]
    pub range_name: String,
    /// Its addresses.
    #[serde(default)]
    pub ip_cidr_range: String,
    /// Everything else.
    #[serde(flatten)]
    pub rest: Rest,
}
