//! Network interfaces and their IP configurations.

use serde::Serialize;

use crate::resources::kept::kept;
use crate::resources::{Part, Reference, Rest, Tracked};

/// A network interface.
pub type Interface<R = Rest> = Tracked<InterfaceProperties<R>, R>;
/// One IP configuration of an interface: an address in a subnet.
pub type IpConfiguration<R = Rest> = Part<IpConfigurationProperties<R>, R>;

/// What an interface is.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InterfaceProperties<R = Rest> {
    /// Its addresses.
    pub ip_configurations: Vec<IpConfiguration<R>>,
    /// Its own security group, beside that of its subnet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network_security_group: Option<Reference<R>>,
    /// The machine that holds it; only read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub virtual_machine: Option<Reference<R>>,
    /// Six pairs of hexadecimal digits, as `00-0D-3A-1B-2C-3D`; only read, and absent until a machine has started with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mac_address: Option<String>,
    /// The private endpoint that it belongs to; only read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub private_endpoint: Option<Reference<R>>,
    /// The private link service that it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub private_link_service: Option<Reference<R>>,
    /// Services whose traffic goes through it; only read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hosted_workloads: Vec<String>,
    /// Everything else.
    #[serde(flatten)]
    pub rest: R,
}

kept!(InterfaceProperties {
    ip_configurations: "ipConfigurations",
    network_security_group: "networkSecurityGroup",
    virtual_machine: "virtualMachine",
    mac_address: "macAddress",
    private_endpoint: "privateEndpoint",
    private_link_service: "privateLinkService",
    hosted_workloads: "hostedWorkloads",
});

/// What an IP configuration is.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct IpConfigurationProperties<R = Rest> {
    /// Its private address; a machine that never ran may have none.
    #[serde(rename = "privateIPAddress", skip_serializing_if = "Option::is_none")]
    pub private_ip_address: Option<String>,
    /// Its subnet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subnet: Option<Reference<R>>,
    /// The application security groups that it is in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub application_security_groups: Option<Vec<Reference<R>>>,
    /// Its address in the internet.
    #[serde(rename = "publicIPAddress", skip_serializing_if = "Option::is_none")]
    pub public_ip_address: Option<Reference<R>>,
    /// The load balancers that send it packets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub load_balancer_backend_address_pools: Option<Vec<Reference<R>>>,
    /// The ports of load balancers that lead to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub load_balancer_inbound_nat_rules: Option<Vec<Reference<R>>>,
    /// Whether it is the first of its interface.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub primary: Option<bool>,
    /// Everything else.
    #[serde(flatten)]
    pub rest: R,
}

kept!(IpConfigurationProperties {
    private_ip_address: "privateIPAddress",
    subnet: "subnet",
    application_security_groups: "applicationSecurityGroups",
    public_ip_address: "publicIPAddress",
    load_balancer_backend_address_pools: "loadBalancerBackendAddressPools",
    load_balancer_inbound_nat_rules: "loadBalancerInboundNatRules",
    primary: "primary",
});
