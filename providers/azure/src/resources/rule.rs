//! A security rule as it is on the wire. What it means is in [`crate::resources::normal`].

use serde::Serialize;

use crate::resources::kept::kept;
use crate::resources::{Part, Reference, Rest};

/// A security rule of a network security group.
pub type Rule<R = Rest> = Part<RuleProperties<R>, R>;

/// What a rule says. The cloud shows singular and plural fields alike, often with one of them empty.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RuleProperties<R = Rest> {
    /// For people, 140 characters at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// `*`, `Tcp`, `Udp`, `Icmp`, `Esp` or `Ah`.
    pub protocol: String,
    /// One range of source ports, or `*`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_port_range: Option<String>,
    /// One range of destination ports, or `*`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destination_port_range: Option<String>,
    /// One block, address, tag or `*`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_address_prefix: Option<String>,
    /// Several blocks or addresses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_address_prefixes: Option<Vec<String>>,
    /// Application security groups.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_application_security_groups: Option<Vec<Reference<R>>>,
    /// One block, address, tag or `*`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destination_address_prefix: Option<String>,
    /// Several blocks or addresses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destination_address_prefixes: Option<Vec<String>>,
    /// Application security groups.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destination_application_security_groups: Option<Vec<Reference<R>>>,
    /// Several ranges of source ports.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_port_ranges: Option<Vec<String>>,
    /// Several ranges of destination ports.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destination_port_ranges: Option<Vec<String>>,
    /// `Allow` or `Deny`.
    pub access: String,
    /// 100 to 4096, unique in its direction; default rules are above.
    pub priority: u32,
    /// `Inbound` or `Outbound`.
    pub direction: String,
    /// Everything else.
    #[serde(flatten)]
    pub rest: R,
}

kept!(RuleProperties {
    description: "description",
    protocol: "protocol",
    source_port_range: "sourcePortRange",
    destination_port_range: "destinationPortRange",
    source_address_prefix: "sourceAddressPrefix",
    source_address_prefixes: "sourceAddressPrefixes",
    source_application_security_groups: "sourceApplicationSecurityGroups",
    destination_address_prefix: "destinationAddressPrefix",
    destination_address_prefixes: "destinationAddressPrefixes",
    destination_application_security_groups: "destinationApplicationSecurityGroups",
    source_port_ranges: "sourcePortRanges",
    destination_port_ranges: "destinationPortRanges",
    access: "access",
    priority: "priority",
    direction: "direction",
});
