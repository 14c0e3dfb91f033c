//! Instances with their interfaces, and the groups that make instances.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::resources::{ResourcePath, Rest, null_as_default};

/// An instance.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Instance {
    /// Its path.
    #[serde(rename = "selfLink")]
    pub path: ResourcePath,
    /// Google's number for it: tag bindings name it by that.
    #[serde(default)]
    pub id: String,
    /// Such as `RUNNING` or `TERMINATED`.
    #[serde(default)]
    pub status: String,
    /// Its network tags.
    #[serde(default, deserialize_with = "null_as_default")]
    pub tags: Tags,
    /// Labels.
    #[serde(default, deserialize_with = "null_as_default")]
    pub labels: BTreeMap<String, String>,
    /// The service account that it runs as; one at most.
    #[serde(default, deserialize_with = "null_as_default")]
    pub service_accounts: Vec<ServiceAccount>,
    /// Its interfaces, the primary one first.
    #[serde(default, deserialize_with = "null_as_default")]
    pub network_interfaces: Vec<Nic>,
    /// Names and texts, among them who made it.
    #[serde(default, deserialize_with = "null_as_default")]
    pub metadata: Metadata,
    /// Whether it may send packets that are not from itself.
    #[serde(default)]
    pub can_ip_forward: Option<bool>,
    /// Everything else.
    #[serde(flatten)]
    pub rest: Rest,
}

impl Instance {
    /// A text of its metadata.
    pub fn metadata(&self, key: &str) -> Option<&str> {
        self.metadata.items.iter().find(|item| item.key == key)?.value.as_deref()
    }
}

/// Network tags.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
pub struct Tags {
    /// The tags.
    #[serde(default, deserialize_with = "null_as_default")]
    pub items: Vec<String>,
    /// Their version.
    #[serde(default)]
    pub fingerprint: String,
}

/// A service account.
#[derive(Clone, PartialEq, Debug, Deserialize)]
pub struct ServiceAccount {
    /// Its name.
    #[serde(default)]
    pub email: String,
    /// Everything else.
    #[serde(flatten)]
    pub rest: Rest,
}

/// Metadata of an instance.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
pub struct Metadata {
    /// Names and texts.
    #[serde(default, deserialize_with = "null_as_default")]
    pub items: Vec<MetadataItem>,
}

/// One text of the metadata.
#[derive(Clone, PartialEq, Debug, Deserialize)]
pub struct MetadataItem {
    /// Its name.
    #[serde(default)]
    pub key: String,
    /// The text.
    #[serde(default)]
    pub value: Option<String>,
}

/// A network interface.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Nic {
    /// `nic0`, `nic1`, …
    #[serde(default)]
    pub name: String,
    /// Its network.
    #[serde(default)]
    pub network: ResourcePath,
    /// Its subnetwork.
    #[serde(default)]
    pub subnetwork: ResourcePath,
    /// Its inner IPv4 address.
    #[serde(default, rename = "networkIP")]
    pub network_ip: Option<String>,
    /// Its inner IPv6 address.
    #[serde(default)]
    pub ipv6_address: Option<String>,
    /// How long the prefix is that its IPv6 address stands for.
    #[serde(default)]
    pub internal_ipv6_prefix_length: Option<u8>,
    /// Blocks that are its own as well.
    #[serde(default, deserialize_with = "null_as_default")]
    pub alias_ip_ranges: Vec<AliasRange>,
    /// Its outer IPv4 addresses.
    #[serde(default, deserialize_with = "null_as_default")]
    pub access_configs: Vec<AccessConfig>,
    /// Its outer IPv6 addresses.
    #[serde(default, deserialize_with = "null_as_default")]
    pub ipv6_access_configs: Vec<AccessConfig>,
    /// Everything else.
    #[serde(flatten)]
    pub rest: Rest,
}

/// A block of an interface.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AliasRange {
    /// The block, or one address.
    #[serde(default)]
    pub ip_cidr_range: String,
    /// Everything else.
    #[serde(flatten)]
    pub rest: Rest,
}

/// Outer addresses of an interface.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AccessConfig {
    /// An IPv4 address.
    #[serde(default, rename = "natIP")]
    pub nat_ip: Option<String>,
    /// The first IPv6 address.
    #[serde(default)]
    pub external_ipv6: Option<String>,
    /// How long its prefix is.
    #[serde(default)]
    pub external_ipv6_prefix_length: Option<u8>,
    /// Everything else.
    #[serde(flatten)]
    pub rest: Rest,
}

/// A group that makes instances from a template, and makes them anew.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InstanceGroupManager {
    /// Its path.
    #[serde(rename = "selfLink")]
    pub path: ResourcePath,
    /// What its instances are made from.
    #[serde(default)]
    pub instance_template: ResourcePath,
    /// Everything else.
    #[serde(flatten)]
    pub rest: Rest,
}
