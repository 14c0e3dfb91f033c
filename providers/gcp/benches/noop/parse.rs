//! The recorded answers, read alone.

use std::collections::BTreeMap;
use std::hint::black_box;

use axum::body::Bytes;
use provider_gcp::resources::{
    EffectivePolicy, Firewall, Instance, Network, Policy, Subnetwork, TagBinding, TagKey, TagValue,
};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Address and body of every answer.
pub type Answers = [(String, Bytes)];

/// A list of Compute Engine in one place, or what is in force on a network.
#[derive(Deserialize)]
#[allow(dead_code, reason = "what is read is only dropped")]
#[serde(bound = "T: DeserializeOwned")]
struct Items<T> {
    #[serde(
        default = "Vec::new",
        alias = "tagKeys",
        alias = "tagValues",
        alias = "tagBindings",
        alias = "firewallPolicys"
    )]
    items: Vec<T>,
}

/// A list over all places.
#[derive(Deserialize)]
#[allow(dead_code, reason = "what is read is only dropped")]
#[serde(bound = "T: DeserializeOwned")]
struct Everywhere<T> {
    #[serde(default = "BTreeMap::new")]
    items: BTreeMap<String, Place<T>>,
}

#[derive(Deserialize)]
#[allow(dead_code, reason = "what is read is only dropped")]
#[serde(bound = "T: DeserializeOwned")]
struct Place<T> {
    #[serde(default = "Vec::new", alias = "instances", alias = "subnetworks", alias = "firewallPolicies")]
    held: Vec<T>,
}

/// Reads every answer into the driver's own types of what it holds.
pub fn as_ours(answers: &Answers) {
    fn read<T: DeserializeOwned>(body: &[u8]) {
        black_box(serde_json::from_slice::<T>(body).unwrap());
    }
    for (at, body) in answers {
        let path = at.split('?').next().unwrap_or_default();
        let everywhere = path.contains("/aggregated/");
        match path.rsplit('/').next().unwrap_or_default() {
            "networks" => read::<Items<Network>>(body),
            "firewalls" => read::<Items<Firewall>>(body),
            "instances" if everywhere => read::<Everywhere<Instance>>(body),
            "subnetworks" if everywhere => read::<Everywhere<Subnetwork>>(body),
            "firewallPolicies" if everywhere => read::<Everywhere<Policy>>(body),
            "getEffectiveFirewalls" => read::<Items<EffectivePolicy>>(body),
            "tagKeys" => read::<Items<TagKey>>(body),
            "tagValues" => read::<Items<TagValue>>(body),
            "tagBindings" => read::<Items<TagBinding>>(body),
            _ if path.contains("/firewallPolicies/") => read::<Policy>(body),
            // Projects, folders, and lists of which nothing is here.
            _ => read::<Value>(body),
        }
    }
}

/// Reads every answer as JSON without a schema.
pub fn as_json(answers: &Answers) {
    for (_, body) in answers {
        black_box(serde_json::from_slice::<Value>(body).unwrap());
    }
}
