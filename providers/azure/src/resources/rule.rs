//! A security rule as it is on the wire. What it means is in [`crate::resources::normal`].

use serde::{Deserialize, Serialize};

use crate::resources::{Part, Reference, Rest};

/// A security rule of a network security group.
pub type Rule = Part<RuleProperties>;

/// What a rule says. The cloud shows singular and plural fields alike, often with one of them empty.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RuleProperties {
    /// For people, 140 characters at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// `*`, `Tcp`, `Udp`, `Icmp`, `Esp` or `Ah`.
    #[serde(default, deserialize_with = "crate::resources::null_as_default")]
    pub protocol: String,
    /// One range of source ports, or `*`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_port_range: Option<String>,
    /// One range of destination ports, or `*`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination_port_range: Option<String>,
    /// One block, address, tag or `*`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_address_prefix: Option<String>,
    /// Several blocks or addresses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_address_prefixes: Option<Vec<String>>,
    /// Application security groups.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_application_security_groups: Option<Vec<Reference>>,
    /// One block, address, tag or `*`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination_address_prefix: Option<String>,
    /// Several blocks or addresses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination_address_prefixes: Option<Vec<String>>,
    /// Application security groups.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination_application_security_groups: Option<Vec<Reference>>,
    /// Several ranges of source ports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_port_ranges: Option<Vec<String>>,
    /// Several ranges of destination ports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination_port_ranges: Option<Vec<String>>,
    /// `Allow` or `Deny`.
    #[serde(default, deserialize_with = "crate::resources::null_as_default")]
    pub access: String,
    /// 100 to 4096, unique in its direction; default rules are above.
    #[serde(default, deserialize_with = "crate::resources::null_as_default")]
    pub priority: u32,
    /// `Inbound` or `Outbound`.
    #[serde(default, deserialize_with = "crate::resources::null_as_default")]
    pub direction: String,
    /// Everything else.
    #[serde(flatten)]
    pub rest: Rest,
}
