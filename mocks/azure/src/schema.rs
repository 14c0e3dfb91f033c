//! Which fields a client may write: unknown and read-only fields of a body are complained about.
//!
//! The field names are those of the models of the crate `azure_mgmt_network` 0.21.0 (package-2024-03, made from the
//! swagger of 2024-03-01); which of them are read-only is from the models of `azure-mgmt-network` 33.1.0 on PyPI.
//! Below a field that is marked as writable as a whole nothing is looked at.

use serde_json::Value;

use crate::path::Kind;
use crate::state::Object;

/// Something in a body that the cloud's schema does not allow to be written.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Complaint {
    /// The id of the resource.
    pub resource: String,
    /// Where in the body, such as `properties.securityRules[0].etag`.
    pub field: String,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What is wrong with a field.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Problem {
    /// The schema has it, for reading. It was ignored.
    ReadOnly,
    /// The schema does not have it, and neither did the resource. It was kept.
    Unknown,
}

enum Field {
    Write,
    Read,
    Object(Fields),
    List(Fields),
}

type Fields = &'static [(&'static str, Field)];

use Field::{List, Read, Write};

const RULE: Fields = &[
    ("id", Write),
    ("name", Write),
    ("type", Write),
    ("etag", Read),
    (
        "properties",
        Field::Object(&[
            ("description", Write),
            ("protocol", Write),
            ("sourcePortRange", Write),
            ("destinationPortRange", Write),
            ("sourceAddressPrefix", Write),
            ("sourceAddressPrefixes", Write),
            ("sourceApplicationSecurityGroups", Write),
            ("destinationAddressPrefix", Write),
            ("destinationAddressPrefixes", Write),
            ("destinationApplicationSecurityGroups", Write),
            ("sourcePortRanges", Write),
            ("destinationPortRanges", Write),
            ("access", Write),
            ("priority", Write),
            ("direction", Write),
            ("provisioningState", Read),
        ]),
    ),
];

const GROUP: Fields = &[
    ("id", Write),
    ("name", Read),
    ("type", Read),
    ("location", Write),
    ("tags", Write),
    ("etag", Read),
    (
        "properties",
        Field::Object(&[
            ("flushConnection", Write),
            ("securityRules", List(RULE)),
            ("defaultSecurityRules", Read),
            ("networkInterfaces", Read),
            ("subnets", Read),
            ("flowLogs", Read),
            ("resourceGuid", Read),
            ("provisioningState", Read),
        ]),
    ),
];

const APPLICATION_GROUP: Fields = &[
    ("id", Write),
    ("name", Read),
    ("type", Read),
    ("location", Write),
    ("tags", Write),
    ("etag", Read),
    ("properties", Field::Object(&[("resourceGuid", Read), ("provisioningState", Read)])),
];

const CONFIGURATION: Fields = &[
    ("id", Write),
    ("name", Write),
    ("type", Write),
    ("etag", Read),
    (
        "properties",
        Field::Object(&[
            ("gatewayLoadBalancer", Write),
            ("virtualNetworkTaps", Write),
            ("applicationGatewayBackendAddressPools", Write),
            ("loadBalancerBackendAddressPools", Write),
            ("loadBalancerInboundNatRules", Write),
            ("privateIPAddress", Write),
            ("privateIPAddressPrefixLength", Write),
            ("privateIPAllocationMethod", Write),
            ("privateIPAddressVersion", Write),
            ("subnet", Write),
            ("primary", Write),
            ("publicIPAddress", Write),
            ("applicationSecurityGroups", Write),
            ("provisioningState", Read),
            ("privateLinkConnectionProperties", Read),
        ]),
    ),
];

const INTERFACE: Fields = &[
    ("id", Write),
    ("name", Read),
    ("type", Read),
    ("location", Write),
    ("tags", Write),
    ("etag", Read),
    ("extendedLocation", Write),
    (
        "properties",
        Field::Object(&[
            ("virtualMachine", Read),
            ("networkSecurityGroup", Write),
            ("privateEndpoint", Read),
            ("ipConfigurations", List(CONFIGURATION)),
            ("tapConfigurations", Read),
            ("dnsSettings", Write),
            ("macAddress", Read),
            ("primary", Read),
            ("vnetEncryptionSupported", Read),
            ("enableAcceleratedNetworking", Write),
            ("disableTcpStateTracking", Write),
            ("enableIPForwarding", Write),
            ("hostedWorkloads", Read),
            ("dscpConfiguration", Read),
            ("resourceGuid", Read),
            ("provisioningState", Read),
            ("workloadType", Write),
            ("nicType", Write),
            ("privateLinkService", Write),
            ("migrationPhase", Write),
            ("auxiliaryMode", Write),
            ("auxiliarySku", Write),
        ]),
    ),
];

const SUBNET: Fields = &[
    ("id", Write),
    ("name", Write),
    ("type", Write),
    ("etag", Read),
    (
        "properties",
        Field::Object(&[
            ("addressPrefix", Write),
            ("addressPrefixes", Write),
            ("networkSecurityGroup", Write),
            ("routeTable", Write),
            ("natGateway", Write),
            ("serviceEndpoints", Write),
            ("serviceEndpointPolicies", Write),
            ("privateEndpoints", Read),
            ("ipConfigurations", Read),
            ("ipConfigurationProfiles", Read),
            ("ipAllocations", Write),
            ("resourceNavigationLinks", Read),
            ("serviceAssociationLinks", Read),
            ("delegations", Write),
            ("purpose", Read),
            ("provisioningState", Read),
            ("privateEndpointNetworkPolicies", Write),
            ("privateLinkServiceNetworkPolicies", Write),
            ("applicationGatewayIPConfigurations", Write),
            ("sharingScope", Write),
            ("defaultOutboundAccess", Write),
        ]),
    ),
];

const PEERING: Fields = &[
    ("id", Write),
    ("name", Write),
    ("type", Write),
    ("etag", Read),
    (
        "properties",
        Field::Object(&[
            ("allowVirtualNetworkAccess", Write),
            ("allowForwardedTraffic", Write),
            ("allowGatewayTransit", Write),
            ("useRemoteGateways", Write),
            ("remoteVirtualNetwork", Write),
            ("localAddressSpace", Write),
            ("localVirtualNetworkAddressSpace", Write),
            ("remoteAddressSpace", Write),
            ("remoteVirtualNetworkAddressSpace", Write),
            ("remoteBgpCommunities", Write),
            ("remoteVirtualNetworkEncryption", Read),
            ("peeringState", Write),
            ("peeringSyncLevel", Write),
            ("provisioningState", Read),
            ("doNotVerifyRemoteGateways", Write),
            ("resourceGuid", Read),
            ("peerCompleteVnets", Write),
            ("enableOnlyIPv6Peering", Write),
            ("localSubnetNames", Write),
            ("remoteSubnetNames", Write),
        ]),
    ),
];

const NETWORK: Fields = &[
    ("id", Write),
    ("name", Read),
    ("type", Read),
    ("location", Write),
    ("tags", Write),
    ("etag", Read),
    ("extendedLocation", Write),
    (
        "properties",
        Field::Object(&[
            ("addressSpace", Write),
            ("dhcpOptions", Write),
            ("flowTimeoutInMinutes", Write),
            ("subnets", List(SUBNET)),
            ("virtualNetworkPeerings", List(PEERING)),
            ("resourceGuid", Read),
            ("provisioningState", Read),
            ("enableDdosProtection", Write),
            ("enableVmProtection", Write),
            ("ddosProtectionPlan", Write),
            ("bgpCommunities", Write),
            ("encryption", Write),
            ("ipAllocations", Write),
            ("flowLogs", Read),
            ("privateEndpointVNetPolicies", Write),
        ]),
    ),
];

/// For the kinds without a table: what every resource shows and nobody writes.
const ANY: Fields = &[("name", Read), ("type", Read), ("etag", Read)];

/// Takes the read-only fields out of a body and lists what is wrong with it. Fields that the schema does not have
/// are kept; they are no complaint where `held`, the resource as it is read, has them too.
pub fn clean(kind: Kind, resource: &str, body: &mut Object, held: Option<&Value>) -> Vec<Complaint> {
    let (fields, closed) = match kind {
        Kind::Rule => (RULE, true),
        Kind::SecurityGroup => (GROUP, true),
        Kind::ApplicationGroup => (APPLICATION_GROUP, true),
        Kind::Interface => (INTERFACE, true),
        Kind::VirtualNetwork => (NETWORK, true),
        Kind::Subnet => (SUBNET, true),
        Kind::Peering => (PEERING, true),
        _ => (ANY, false),
    };
    let mut found = Vec::new();
    walk(fields, "", body, held, &mut found);
    let kept = found.into_iter().filter(|(_, problem)| closed || *problem == Problem::ReadOnly);
    kept.map(|(field, problem)| Complaint { resource: resource.to_owned(), field, problem }).collect()
}

fn walk(
    fields: Fields,
    at: &str,
    body: &mut Object,
    held: Option<&Value>,
    found: &mut Vec<(String, Problem)>,
) {
    let names: Vec<String> = body.keys().cloned().collect();
    for name in names {
        let path = if at.is_empty() { name.clone() } else { format!("{at}.{name}") };
        let there = held.and_then(|held| held.get(&name));
        let field = fields.iter().find(|(known, _)| *known == name).map(|(_, field)| field);
        match field {
            Some(Field::Write) => {}
            Some(Field::Read) => {
                body.remove(&name);
                found.push((path, Problem::ReadOnly));
            }
            Some(Field::Object(inner)) => {
                if let Some(Value::Object(part)) = body.get_mut(&name) {
                    walk(inner, &path, part, there, found);
                }
            }
            Some(Field::List(inner)) => {
                let items = body.get_mut(&name).and_then(Value::as_array_mut);
                for (n, item) in items.into_iter().flatten().enumerate() {
                    let known = there.and_then(|list| same_name(list, item)).cloned();
                    if let Value::Object(part) = item {
                        walk(inner, &format!("{path}[{n}]"), part, known.as_ref(), found);
                    }
                }
            }
            None if there.is_none() => found.push((path, Problem::Unknown)),
            None => {}
        }
    }
}

fn same_name<'a>(list: &'a Value, item: &Value) -> Option<&'a Value> {
    let name = item.get("name")?;
    list.as_array()?.iter().find(|held| held.get("name") == Some(name))
}
