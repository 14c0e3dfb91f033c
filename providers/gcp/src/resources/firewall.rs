//! Classic firewall rules, as they are on the wire.

use serde::{Deserialize, Serialize};

use crate::resources::Rest;

/// A classic firewall rule. Fields that are missing and lists that are empty mean the same.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Firewall {
    /// Unique in its project.
    #[serde(default)]
    pub name: String,
    /// For people; ownership is marked here, since firewalls have no labels. 2048 characters at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// A link to its network.
    #[serde(default)]
    pub network: String,
    /// 0 to 65535, 1000 if it is missing; a low number comes first, and at the same number deny wins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<u32>,
    /// `INGRESS` (also if it is missing) or `EGRESS`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direction: Option<String>,
    /// Blocks of one family.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_ranges: Option<Vec<String>>,
    /// Blocks of one family.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination_ranges: Option<Vec<String>>,
    /// Network tags.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_tags: Option<Vec<String>>,
    /// Service accounts; not together with tags.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_service_accounts: Option<Vec<String>>,
    /// Network tags; without any target it is for the whole network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_tags: Option<Vec<String>>,
    /// Service accounts; not together with tags.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_service_accounts: Option<Vec<String>>,
    /// What it allows; not together with `denied`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed: Option<Vec<Layer4>>,
    /// What it denies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub denied: Option<Vec<Layer4>>,
    /// Whether it does nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled: Option<bool>,
    /// Everything else.
    #[serde(flatten)]
    pub rest: Rest,
}

/// A protocol with its ports.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Layer4 {
    /// `all`, a name such as `tcp`, or a number.
    #[serde(default, rename = "IPProtocol")]
    pub protocol: String,
    /// Such as `443` or `1-1024`; none is every port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ports: Option<Vec<String>>,
    /// Everything else.
    #[serde(flatten)]
    pub rest: Rest,
}
