//! Azure's resources as types that keep what they do not know.
//!
//! Every object has a `rest` map: a field that nobody here has heard of is sent back as it came. INVARIANT: what is
//! read and written back means the same, except where we meant to change it and where the cloud forbids a field to be
//! written ([`writable`]).

pub mod account;
pub mod application_group;
pub mod id;
pub mod interface;
pub mod kind;
pub mod machine;
pub mod manager;
pub mod network;
pub mod normal;
pub mod rule;
pub mod security_group;
pub mod writable;

mod kept;

use std::collections::BTreeMap;

use kept::kept;
pub use kept::{Passed, Unknown};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

pub use account::{ManagementGroup, ResourceGroup, Subscription};
pub use application_group::ApplicationGroup;
pub use id::{ArmId, Reference};
pub use interface::Interface;
pub use kind::Kind;
pub use machine::{Machine, ScaleSet};
pub use manager::ActiveAdminRule;
pub use network::{Network, Peering, Subnet};
pub use normal::{Access, Direction, NormalRule, Side};
pub use rule::Rule;
pub use security_group::SecurityGroup;

/// Fields that we do not know.
pub type Rest = Map<String, Value>;
/// Tags by name, as ARM keeps them.
pub type Tags = BTreeMap<String, String>;

/// A resource with a place and tags: everything around its properties.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub struct Tracked<P, R = Rest> {
    /// Its id; empty for one that is not there yet.
    #[serde(skip_serializing_if = "ArmId::is_empty")]
    pub id: ArmId,
    /// Its own name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The version that `If-Match` compares.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    /// Such as `westeurope`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub location: String,
    /// Tags.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags: Option<Tags>,
    /// What it is.
    pub properties: P,
    /// Everything else.
    #[serde(flatten)]
    pub rest: R,
}

kept!(Tracked of P {
    id: "id",
    name: "name",
    etag: "etag",
    location: "location",
    tags: "tags",
    properties: "properties",
});

/// A resource inside another one: a rule, a subnet, a peering, an IP configuration.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub struct Part<P, R = Rest> {
    /// Its id; empty for one that is not there yet.
    #[serde(skip_serializing_if = "ArmId::is_empty")]
    pub id: ArmId,
    /// Its own name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The version that `If-Match` compares: that of the resource around it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    /// What it is.
    pub properties: P,
    /// Everything else.
    #[serde(flatten)]
    pub rest: R,
}

kept!(Part of P {
    id: "id",
    name: "name",
    etag: "etag",
    properties: "properties",
});

/// What the cloud shows as `null` where it means nothing.
pub(crate) fn null_as_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Whether something is as it was last written: no operation is under way on it, and none has failed.
pub(crate) fn is_settled(rest_of_properties: &impl Unknown) -> bool {
    let state = rest_of_properties.provisioning_state();
    state.is_none_or(|state| state.eq_ignore_ascii_case(kept::SUCCEEDED))
}

impl<P> Tracked<P> {
    /// A resource that is not there yet.
    pub fn new(location: &str, tags: Tags, properties: P) -> Self {
        Self {
            id: ArmId::default(),
            name: String::new(),
            etag: None,
            location: location.to_owned(),
            tags: Some(tags),
            properties,
            rest: Rest::new(),
        }
    }
}

impl<P, R> Tracked<P, R> {
    /// Its tags, also where the cloud shows none.
    pub fn tags(&self) -> Tags {
        self.tags.clone().unwrap_or_default()
    }
}

impl<P> Part<P> {
    /// A part that is not there yet.
    pub fn new(name: &str, properties: P) -> Self {
        Self { id: ArmId::default(), name: name.to_owned(), etag: None, properties, rest: Rest::new() }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use serde::de::DeserializeOwned;
    use serde_json::json;

    /// Reads and writes back with a field that nobody knows put into every object.
    fn check_kept<T: Serialize + DeserializeOwned>(mut document: Value) {
        strew(&mut document);
        let read: T = serde_json::from_value(document.clone()).unwrap();
        assert_eq!(serde_json::to_value(read).unwrap(), document);
    }

    fn strew(value: &mut Value) {
        match value {
            Value::Object(fields) => {
                // Tags are names and texts, nothing else.
                fields.iter_mut().filter(|(name, _)| *name != "tags").for_each(|(_, inner)| strew(inner));
                fields.insert("unheardOf".to_owned(), json!({ "a": [1, null, 2.5] }));
            }
            Value::Array(items) => items.iter_mut().for_each(strew),
            _ => {}
        }
    }

    #[test]
    fn null_is_nothing() {
        let nulls = json!({ "id": "/S/n", "name": null, "etag": null, "location": null, "tags": null, "properties": {
            "securityRules": null, "defaultSecurityRules": null, "ipConfigurations": null, "hostedWorkloads": null,
            "subnets": null, "addressSpace": null, "virtualNetworkPeerings": null, "networkProfile": null } });
        let group: SecurityGroup = serde_json::from_value(nulls.clone()).unwrap();
        assert_eq!((group.properties.security_rules.len(), group.tags()), (0, Tags::new()));
        assert!(serde_json::from_value::<Interface>(nulls.clone()).is_ok());
        assert!(serde_json::from_value::<Network>(nulls.clone()).is_ok());
        assert!(serde_json::from_value::<Machine>(nulls).is_ok());
    }

    #[test]
    fn what_nobody_knows_is_kept_at_every_depth() {
        let tracked = |properties: Value| {
            json!({ "id": "/S/n", "name": "n", "type": "t", "etag": "e", "location": "l",
                "tags": { "a": "b" }, "zones": ["1"], "properties": properties })
        };
        let rule = json!({ "id": "/S/n/r", "name": "r", "etag": "e", "properties": {
            "protocol": "TCP", "access": "allow", "direction": "inbound", "priority": 100,
            "sourceAddressPrefix": "", "sourceAddressPrefixes": [], "sourcePortRange": "*",
            "destinationApplicationSecurityGroups": [{ "id": "/S/ASG" }], "sourcePortRanges": ["1-2"] } });
        check_kept::<Rule>(rule.clone());
        check_kept::<SecurityGroup>(tracked(json!({
            "securityRules": [rule], "defaultSecurityRules": [rule], "flushConnection": true })));
        check_kept::<ApplicationGroup>(tracked(json!({ "resourceGuid": "g" })));
        check_kept::<Interface>(tracked(json!({
            "networkSecurityGroup": { "id": "/S/nsg" }, "virtualMachine": { "id": "/S/vm" },
            "hostedWorkloads": ["w"], "dnsSettings": { "dnsServers": ["10.0.0.4"] },
            "ipConfigurations": [{ "id": "/S/n/c", "name": "c", "properties": {
                "privateIPAddress": "10.0.0.5", "primary": true, "subnet": { "id": "/S/v/s" },
                "publicIPAddress": { "id": "/S/p", "sku": { "name": "Standard" } },
                "applicationSecurityGroups": [{ "id": "/S/ASG" }] } }] })));
        check_kept::<Network>(tracked(json!({
            "addressSpace": { "addressPrefixes": ["10.0.0.0/16"] },
            "subnets": [{ "name": "s", "properties": {
                "addressPrefix": "10.0.0.0/24", "addressPrefixes": ["10.0.0.0/24"],
                "networkSecurityGroup": { "id": "/S/nsg" }, "ipConfigurations": [{ "id": "/S/n/c" }],
                "delegations": [{ "name": "d", "properties": { "serviceName": "x", "actions": ["y"] } }] } }],
            "virtualNetworkPeerings": [{ "name": "p", "properties": {
                "remoteVirtualNetwork": { "id": "/S/w" }, "peeringState": "Connected",
                "remoteAddressSpace": { "addressPrefixes": ["10.1.0.0/16"] },
                "allowVirtualNetworkAccess": true, "allowForwardedTraffic": false } }] })));
        check_kept::<Machine>(tracked(json!({
            "virtualMachineScaleSet": { "id": "/S/ss" },
            "networkProfile": { "networkInterfaces": [{ "id": "/S/n", "properties": { "primary": true } }] } })));
        check_kept::<ScaleSet>(tracked(json!({ "orchestrationMode": "Flexible" })));
        check_kept::<ActiveAdminRule>(json!({ "id": "/S/m/r", "kind": "Custom", "properties": {
            "direction": "Inbound", "access": "Deny", "priority": 1, "protocol": "Any",
            "sources": [{ "addressPrefix": "*", "addressPrefixType": "IPPrefix" }], "destinations": [],
            "destinationPortRanges": ["22"] } }));
        check_kept::<ResourceGroup>(json!({
            "id": "/S/rg", "name": "rg", "location": "l", "managedBy": "/S/aks", "tags": { "a": "b" } }));
        check_kept::<Subscription>(json!({
            "id": "/subscriptions/s", "subscriptionId": "s", "displayName": "S", "state": "Enabled" }));
    }
}
