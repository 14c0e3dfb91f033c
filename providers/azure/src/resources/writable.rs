//! What may be written: a resource as it was read, without the fields that only the cloud writes.
//!
//! The cloud ignores some read-only fields and answers others with 400 (terraform-provider-azurerm 32505), so none is
//! sent. Which they are is from the models of `azure-mgmt-network` 33.1.0 on PyPI. Fields that nobody knows are kept.

use serde::Serialize;
use serde_json::Value;
use std::sync::Arc;

use provider::{ErrorKind, ProviderError};

/// Read-only fields of every resource and part.
const OF_ANY: [&str; 1] = ["etag"];
/// Read-only fields of every tracked resource: they are in the path already.
const OF_TRACKED: [&str; 2] = ["name", "type"];
/// Read-only properties of every resource and part.
const PROPERTIES_OF_ANY: [&str; 2] = ["provisioningState", "resourceGuid"];

/// Read-only properties of a security group.
const SECURITY_GROUP: [&str; 4] = ["defaultSecurityRules", "networkInterfaces", "subnets", "flowLogs"];
/// Read-only properties of an interface.
const INTERFACE: [&str; 8] = [
    "virtualMachine",
    "privateEndpoint",
    "tapConfigurations",
    "macAddress",
    "primary",
    "vnetEncryptionSupported",
    "hostedWorkloads",
    "dscpConfiguration",
];
/// Read-only properties of an IP configuration.
const IP_CONFIGURATION: [&str; 1] = ["privateLinkConnectionProperties"];
/// Read-only properties of a subnet.
const SUBNET: [&str; 6] = [
    "privateEndpoints",
    "ipConfigurations",
    "ipConfigurationProfiles",
    "resourceNavigationLinks",
    "serviceAssociationLinks",
    "purpose",
];

/// Which resource is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Written {
    /// A network security group with its rules.
    SecurityGroup,
    /// One rule.
    Rule,
    /// An application security group.
    ApplicationGroup,
    /// An interface with its IP configurations.
    Interface,
    /// A subnet.
    Subnet,
}

/// The body of a PUT.
///
/// # Errors
/// Never in practice: our types are JSON.
pub fn body<T: Serialize>(action: &str, kind: Written, resource: &T) -> Result<Vec<u8>, ProviderError> {
    let failed = |error: serde_json::Error| {
        let message = "the request could not be written as JSON";
        let mut failed = ProviderError::new(ErrorKind::Rejected, action, message);
        failed.source = Some(Arc::new(error));
        failed
    };
    let value = serde_json::to_value(resource).map_err(failed)?;
    serde_json::to_vec(&writable(kind, value)).map_err(failed)
}

/// A document without what only the cloud writes.
#[must_use]
pub fn writable(kind: Written, mut document: Value) -> Value {
    match kind {
        Written::SecurityGroup => {
            tracked(&mut document, &SECURITY_GROUP);
            each(&mut document, "securityRules", |rule| part(rule, &[]));
        }
        Written::ApplicationGroup => tracked(&mut document, &[]),
        Written::Interface => {
            tracked(&mut document, &INTERFACE);
            without(document.pointer_mut("/properties/dnsSettings"), &APPLIED);
            each(&mut document, "ipConfigurations", |one| part(one, &IP_CONFIGURATION));
        }
        Written::Rule => part(&mut document, &[]),
        Written::Subnet => {
            part(&mut document, &SUBNET);
            each(&mut document, "delegations", |one| part(one, &["actions"]));
            each(&mut document, "serviceEndpoints", |one| without(Some(one), &["provisioningState"]));
        }
    }
    document
}

/// What the cloud works out from the settings of names.
const APPLIED: [&str; 3] = ["appliedDnsServers", "internalFqdn", "internalDomainNameSuffix"];

fn tracked(document: &mut Value, properties: &[&str]) {
    without(Some(document), &OF_TRACKED);
    part(document, properties);
}

fn part(document: &mut Value, properties: &[&str]) {
    without(Some(document), &OF_ANY);
    let inner = document.get_mut("properties");
    if let Some(inner) = inner {
        without(Some(inner), &PROPERTIES_OF_ANY);
        without(Some(inner), properties);
    }
}

fn without(object: Option<&mut Value>, fields: &[&str]) {
    if let Some(object) = object.and_then(Value::as_object_mut) {
        object.retain(|field, _| !fields.contains(&field.as_str()));
    }
}

fn each(document: &mut Value, list: &str, change: impl Fn(&mut Value)) {
    let items = document.get_mut("properties").and_then(|p| p.get_mut(list)).and_then(Value::as_array_mut);
    items.into_iter().flatten().for_each(change);
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_what_the_cloud_writes_is_left_out() {
        let read = json!({
            "id": "/n", "name": "n", "type": "t", "etag": "W/\"1\"", "location": "l", "tags": { "a": "b" },
            "kept": 1,
            "properties": {
                "provisioningState": "Succeeded", "resourceGuid": "g", "flushConnection": false, "new": [1],
                "defaultSecurityRules": [{}], "subnets": [{}], "networkInterfaces": [{}], "flowLogs": [{}],
                "securityRules": [{
                    "id": "/n/r", "name": "r", "type": "t", "etag": "e", "odd": true,
                    "properties": { "provisioningState": "Succeeded", "priority": 100, "newer": {} } }],
            },
        });
        let sent = json!({
            "id": "/n", "location": "l", "tags": { "a": "b" }, "kept": 1,
            "properties": {
                "flushConnection": false, "new": [1],
                "securityRules": [{
                    "id": "/n/r", "name": "r", "type": "t", "odd": true,
                    "properties": { "priority": 100, "newer": {} } }],
            },
        });
        assert_eq!(writable(Written::SecurityGroup, read), sent);
    }

    #[test]
    fn an_interface_keeps_its_settings() {
        let read = json!({ "name": "i", "properties": {
            "macAddress": "00", "enableIPForwarding": true, "primary": true,
            "dnsSettings": { "dnsServers": ["10.0.0.4"], "appliedDnsServers": ["10.0.0.4"] },
            "ipConfigurations": [{ "name": "c", "etag": "e", "properties": {
                "primary": true, "provisioningState": "Succeeded", "privateIPAddress": "10.0.0.5" } }] } });
        let sent = json!({ "properties": {
            "enableIPForwarding": true, "dnsSettings": { "dnsServers": ["10.0.0.4"] },
            "ipConfigurations": [{ "name": "c", "properties": {
                "primary": true, "privateIPAddress": "10.0.0.5" } }] } });
        assert_eq!(writable(Written::Interface, read), sent);
    }
}
