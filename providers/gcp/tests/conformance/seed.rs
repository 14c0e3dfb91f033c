//! What an organisation starts with.

use mock_gcp::World;
use mock_gcp::state::Kind;
use provider::conformance::{Seed, SeedWorkload};
use serde_json::{Value, json};

pub const PROJECT: &str = "demo-project";
pub const NUMBER: &str = "415104041262";
const REGION: &str = "europe-west1";
const ZONE: &str = "europe-west1-b";

/// Networks, workloads and objects of somebody else. IPv6 blocks are Google's to give.
pub fn fill(world: &mut World, seed: &Seed) {
    for (number, network) in seed.networks.iter().enumerate() {
        // Both orders between classic rules and policies.
        let order = if number % 2 == 0 { "AFTER_CLASSIC_FIREWALL" } else { "BEFORE_CLASSIC_FIREWALL" };
        let body = json!({ "name": network.name, "autoCreateSubnetworks": false, "enableUlaInternalIpv6": true,
            "networkFirewallPolicyEnforcementOrder": order });
        perform(world, "POST", &format!("projects/{PROJECT}/global/networks"), &body);
        let body = json!({ "name": network.name, "network": network_path(&network.name),
            "ipCidrRange": network.v4, "stackType": "IPV4_IPV6", "ipv6AccessType": "INTERNAL" });
        perform(world, "POST", &format!("projects/{PROJECT}/regions/{REGION}/subnetworks"), &body);
    }
    for &(a, b) in &seed.peered {
        for (from, to) in [(a, b), (b, a)] {
            let (from, to) = (&seed.networks[from].name, &seed.networks[to].name);
            let peering = json!({ "networkPeering": { "name": to, "network": network_path(to),
                "exchangeSubnetRoutes": true } });
            perform(world, "POST", &format!("{}/addPeering", network_path(from)), &peering);
        }
    }
    for workload in &seed.workloads {
        start(world, seed, workload);
    }
    for (number, name) in seed.foreign.iter().enumerate() {
        add_foreign(world, seed, number, name);
    }
}

fn start(world: &mut World, seed: &Seed, workload: &SeedWorkload) {
    let subnetwork = &seed.networks[workload.network].name;
    let labels: Value = workload.tags.iter().map(|(key, value)| (key.clone(), json!(value))).collect();
    let body = json!({ "name": workload.name, "labels": labels,
        "machineType": format!("zones/{ZONE}/machineTypes/e2-micro"),
        "networkInterfaces": [{ "stackType": "IPV4_IPV6",
            "subnetwork": format!("projects/{PROJECT}/regions/{REGION}/subnetworks/{subnetwork}") }] });
    perform(world, "POST", &format!("projects/{PROJECT}/zones/{ZONE}/instances"), &body);
}

/// A classic rule for a network tag, and a tag value of the same name; the first ones are on the first workload.
fn add_foreign(world: &mut World, seed: &Seed, number: usize, name: &str) {
    let network = &seed.networks[0].name;
    let rule = json!({ "name": name, "network": network_path(network), "description": "somebody else's",
        "sourceRanges": ["192.0.2.0/24"], "targetTags": [name],
        "allowed": [{ "IPProtocol": "tcp", "ports": ["22"] }] });
    perform(world, "POST", &format!("projects/{PROJECT}/global/firewalls"), &rule);
    let value = tag(world, network, name);
    if number == 0 {
        let path = instance(&seed.workloads[0].name);
        let shown = perform(world, "GET", &path, &Value::Null);
        let tags = json!({ "items": [name], "fingerprint": shown["tags"]["fingerprint"] });
        perform(world, "POST", &format!("{path}/setTags"), &tags);
        bind(world, &seed.workloads[0].name, &value);
    }
}

/// A tag key for a network with one value, `tagValues/N`.
pub fn tag(world: &mut World, network: &str, name: &str) -> String {
    let key = json!({ "parent": format!("projects/{NUMBER}"), "shortName": name, "purpose": "GCE_FIREWALL",
        "purposeData": { "network": format!("{PROJECT}/{network}") } });
    let key = perform(world, "POST", "v3/tagKeys", &key);
    let value = json!({ "parent": key["name"], "shortName": name });
    let value = perform(world, "POST", "v3/tagValues", &value);
    value["name"].as_str().unwrap().to_owned()
}

/// Puts a tag value on an instance.
pub fn bind(world: &mut World, name: &str, value: &str) {
    let body = json!({ "parent": full_name(world, name), "tagValue": value });
    perform(world, "POST", &format!("{ZONE}-cloudresourcemanager.googleapis.com/v3/tagBindings"), &body);
}

/// Takes a tag value off an instance.
pub fn unbind(world: &mut World, name: &str, value: &str) {
    let parent = full_name(world, name).replace('/', "%2F");
    let path = format!("{ZONE}-cloudresourcemanager.googleapis.com/v3/tagBindings/{parent}%2F{value}");
    perform(world, "DELETE", &path, &Value::Null);
}

fn full_name(world: &World, name: &str) -> String {
    let found = world.state.get_kind(&instance(name), Kind::Instance).unwrap();
    format!("//compute.googleapis.com/projects/{NUMBER}/zones/{ZONE}/instances/{}", found.id)
}

pub fn instance(name: &str) -> String {
    format!("projects/{PROJECT}/zones/{ZONE}/instances/{name}")
}

pub fn network_path(name: &str) -> String {
    format!("projects/{PROJECT}/global/networks/{name}")
}

/// The back door.
pub fn perform(world: &mut World, verb: &str, path: &str, body: &Value) -> Value {
    world.perform(verb, path, body).unwrap_or_else(|error| panic!("{verb} {path}: {error}"))
}
