//! Security admin rules of Azure Virtual Network Manager, as they are in force in a network.
//!
//! They are judged before every security group; `AlwaysAllow` and `Deny` are final.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::resources::normal::{self, NormalRule, Unreadable};
use crate::resources::{ArmId, Rest, Side};

/// A security admin rule in force.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ActiveAdminRule {
    /// Its id, below its network manager.
    #[serde(default, deserialize_with = "crate::resources::null_as_default")]
    pub id: ArmId,
    /// `Custom` or `Default`.
    #[serde(default, deserialize_with = "crate::resources::null_as_default")]
    pub kind: String,
    /// Why it exists, from its configuration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub configuration_description: Option<String>,
    /// What it says.
    #[serde(default, deserialize_with = "crate::resources::null_as_default")]
    pub properties: AdminRuleProperties,
    /// Everything else.
    #[serde(flatten)]
    pub rest: Rest,
}

/// What a security admin rule says.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AdminRuleProperties {
    /// `Inbound` or `Outbound`.
    #[serde(default, deserialize_with = "crate::resources::null_as_default")]
    pub direction: String,
    /// `Allow`, `AlwaysAllow` or `Deny`.
    #[serde(default, deserialize_with = "crate::resources::null_as_default")]
    pub access: String,
    /// 1 to 4096; lower comes first.
    #[serde(default, deserialize_with = "crate::resources::null_as_default")]
    pub priority: u32,
    /// `Tcp`, `Udp`, `Icmp`, `Esp`, `Ah` or `Any`.
    #[serde(default, deserialize_with = "crate::resources::null_as_default")]
    pub protocol: String,
    /// Who opens; nothing is everybody.
    #[serde(default, deserialize_with = "crate::resources::null_as_default")]
    pub sources: Vec<AdminAddress>,
    /// Who is connected to; nothing is everybody.
    #[serde(default, deserialize_with = "crate::resources::null_as_default")]
    pub destinations: Vec<AdminAddress>,
    /// Nothing is every port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_port_ranges: Option<Vec<String>>,
    /// Nothing is every port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination_port_ranges: Option<Vec<String>>,
    /// Everything else.
    #[serde(flatten)]
    pub rest: Rest,
}

/// A block, a service tag, or a network group.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AdminAddress {
    /// The block, tag or id.
    #[serde(default, deserialize_with = "crate::resources::null_as_default")]
    pub address_prefix: String,
    /// `IPPrefix`, `ServiceTag` or `NetworkGroup`.
    #[serde(default)]
    pub address_prefix_type: Value,
    /// Everything else.
    #[serde(flatten)]
    pub rest: Rest,
}

impl ActiveAdminRule {
    /// What it means, in the form of a security rule.
    ///
    /// # Errors
    /// When a field holds something that no rule can hold.
    pub fn normal(&self) -> Result<NormalRule, Unreadable> {
        let (name, said) = (self.id.as_str(), &self.properties);
        let ports = |ranges: &Option<Vec<String>>| match ranges.as_deref() {
            None | Some([]) => Ok(vec![(0, u16::MAX)]),
            Some(_) => normal::ports(name, &None, ranges),
        };
        Ok(NormalRule {
            direction: normal::direction(name, &said.direction)?,
            priority: said.priority,
            access: normal::access(name, &said.access)?,
            protocol: normal::protocol(name, &said.protocol)?,
            source: side(&said.sources),
            source_ports: ports(&said.source_port_ranges)?,
            destination: side(&said.destinations),
            destination_ports: ports(&said.destination_port_ranges)?,
        })
    }
}

fn side(addresses: &[AdminAddress]) -> Side {
    let words: Vec<&str> = addresses.iter().map(|one| one.address_prefix.as_str()).collect();
    match normal::addresses(&words) {
        Side::Of { blocks, tags } if blocks.is_empty() && tags.is_empty() => Side::Any,
        // A network group stays as a tag with its id: who is in it is not said here.
        other => other,
    }
}
