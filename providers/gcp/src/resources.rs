//! The resources as they are on the wire, typed as far as we look at them.
//!
//! INVARIANT: what is read and written back keeps every field that we do not know, at every depth of a rule: a patch
//! that replaces the rules of a policy must not erase what Google added since.

pub mod balancer;
pub mod firewall;
pub mod instance;
pub mod manager;
pub mod network;
pub mod path;
pub mod policy;

use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

pub use balancer::{BackendService, ForwardingRule, HealthCheck};
pub use firewall::{Firewall, Layer4};
pub use instance::{Instance, InstanceGroupManager, Nic};
pub use manager::{FullName, Node, Project, TagBinding, TagKey, TagValue};
pub use network::{Network, Peering, Subnetwork};
pub use path::ResourcePath;
pub use policy::{Association, EffectivePolicy, Policy, PolicyRule, RuleMatch, SecureTag};

/// The fields that we do not know.
pub type Rest = Map<String, Value>;

/// The default for a field that is null, as for one that is missing.
pub(crate) fn null_as_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use serde::Serialize;
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
                fields.values_mut().for_each(strew);
                fields.insert("unheardOf".to_owned(), json!({ "a": [1, null, 2.5] }));
            }
            Value::Array(items) => items.iter_mut().for_each(strew),
            _ => {}
        }
    }

    #[test]
    fn what_nobody_knows_is_kept_at_every_depth_of_a_rule() {
        check_kept::<PolicyRule>(json!({
            "kind": "compute#firewallPolicyRule", "priority": 7, "action": "allow", "direction": "INGRESS",
            "description": "d", "ruleName": "n", "disabled": false, "enableLogging": true, "ruleTupleCount": 3,
            "targetSecureTags": [{ "name": "tagValues/1", "state": "EFFECTIVE" }],
            "targetServiceAccounts": ["a@b"], "targetResources": ["l"], "securityProfileGroup": "g",
            "match": { "srcIpRanges": ["10.0.0.0/8"], "destIpRanges": [], "srcFqdns": ["a.example"],
                "srcSecureTags": [{ "name": "tagValues/2" }], "srcAddressGroups": ["g"],
                "layer4Configs": [{ "ipProtocol": "tcp", "ports": ["1-2"] }] } }));
        check_kept::<Firewall>(json!({
            "name": "f", "selfLink": "l", "id": "1", "network": "n", "priority": 1000, "direction": "INGRESS",
            "description": "d", "disabled": false, "logConfig": { "enable": true }, "targetTags": ["t"],
            "sourceRanges": ["::/0"], "allowed": [{ "IPProtocol": "tcp", "ports": ["443"] }] }));
    }

    #[test]
    fn null_is_nothing() {
        let nulls = json!({ "selfLink": "l", "name": "n", "rules": null, "associations": null, "match": null,
            "peerings": null, "networkInterfaces": null, "labels": null, "tags": null, "metadata": null,
            "allowed": null, "secondaryIpRanges": null, "serviceAccounts": null });
        assert_eq!(serde_json::from_value::<Policy>(nulls.clone()).unwrap().rules, None);
        assert!(serde_json::from_value::<PolicyRule>(nulls.clone()).is_ok());
        assert!(serde_json::from_value::<Network>(nulls.clone()).is_ok());
        assert!(serde_json::from_value::<Subnetwork>(nulls.clone()).is_ok());
        assert!(serde_json::from_value::<Instance>(nulls.clone()).is_ok());
        assert!(serde_json::from_value::<Firewall>(nulls).is_ok());
    }
}
