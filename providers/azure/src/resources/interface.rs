//! Network interfaces and their IP configurations.

use serde::{Deserialize, Serialize};

use crate::resources::{Part, Reference, Rest, Tracked};

/// A network interface.
pub type Interface = Tracked<InterfaceProperties>;
/// One IP configuration of an interface: an address in a subnet.
pub type IpConfiguration = Part<IpConfigurationProperties>;

/// What an interface is.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InterfaceProperties {
    /// Its addresses.
    #[serde(default, deserialize_with = "crate::resources::null_as_default")]
    pub ip_configurations: Vec<IpConfiguration>,
    /// Its own security group, beside that of its subnet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network_security_group: Option<Reference>,
    /// The machine that holds it; only read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub virtual_machine: Option<Reference>,
    /// The private endpoint that it belongs to; only read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub private_endpoint: Option<Reference>,
    /// The private link service that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub private_link_service: Option<Reference>,
    /// Services whose traffic goes through it; only read.
    #[serde(
        default,
        deserialize_with = "crate::resources::null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub hosted_workloads: Vec<String>,
    /// Everything else.
    #[serde(flatten)]
    pub rest: Rest,
}

/// What an IP configuration is.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IpConfigurationProperties {
    /// Its private address; a machine that never ran may have none.
    #[serde(default, rename = "privateIPAddress", skip_serializing_if = "Option::is_none")]
    pub private_ip_address: Option<String>,
    /// Its subnet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subnet: Option<Reference>,
    /// The application security groups that it is in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub application_security_groups: Option<Vec<Reference>>,
    /// Whether it is the first of its interface.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub primary: Option<bool>,
    /// Everything else.
    #[serde(flatten)]
    pub rest: Rest,
}
