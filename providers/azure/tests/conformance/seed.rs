//! What a subscription starts with.

use mock_azure::World;
use provider::conformance::{Seed, SeedWorkload};
use serde_json::{Value, json};

pub const SUBSCRIPTION: &str = "11111111-2222-4333-8444-555555555555";
pub const LOCATION: &str = "westeurope";

/// Networks with a subnet and a security group each, machines, and objects of somebody else.
pub fn fill(world: &mut World, seed: &Seed) {
    put(world, &group(), json!({}));
    for network in &seed.networks {
        put(world, &nsg(&network.name), json!({ "tags": { "owner": "them" } }));
        // By itself Azure stops what goes to private addresses of networks that are not peered.
        let out = json!({ "properties": { "priority": 4096, "direction": "Outbound", "access": "Allow",
            "protocol": "*", "sourceAddressPrefix": "*", "sourcePortRange": "*",
            "destinationAddressPrefix": "*", "destinationPortRange": "*" } });
        put(world, &format!("{}/securityRules/out", nsg(&network.name)), out);
        let v6 = network.v6.replace("/56", "/64");
        let subnet = json!({ "name": "s", "properties": { "addressPrefixes": [network.v4, v6],
            "networkSecurityGroup": { "id": nsg(&network.name) } } });
        let body = json!({ "properties": { "subnets": [subnet],
            "addressSpace": { "addressPrefixes": [network.v4, network.v6] } } });
        put(world, &vnet(&network.name), body);
    }
    for &(a, b) in &seed.peered {
        for (from, to) in [(a, b), (b, a)] {
            let (from, to) = (&seed.networks[from].name, &seed.networks[to].name);
            let body = json!({ "properties": { "remoteVirtualNetwork": { "id": vnet(to) } } });
            put(world, &format!("{}/virtualNetworkPeerings/{to}", vnet(from)), body);
        }
    }
    for (number, name) in seed.foreign.iter().enumerate() {
        put(world, &asg(name), json!({ "tags": { "owner": "them" } }));
        let rule = json!({ "properties": { "priority": 200 + number, "direction": "Inbound", "access": "Allow",
            "protocol": "Tcp", "sourceAddressPrefix": "192.0.2.0/24", "sourcePortRange": "*",
            "destinationPortRange": "22", "destinationApplicationSecurityGroups": [{ "id": asg(name) }] } });
        put(world, &format!("{}/securityRules/{name}", nsg(&seed.networks[0].name)), rule);
    }
    for (number, workload) in seed.workloads.iter().enumerate() {
        let groups = if number == 0 { vec![asg(&seed.foreign[0])] } else { Vec::new() };
        start(world, seed, workload, &groups);
    }
}

fn start(world: &mut World, seed: &Seed, workload: &SeedWorkload, groups: &[String]) {
    let subnet = format!("{}/subnets/s", vnet(&seed.networks[workload.network].name));
    let groups: Vec<Value> = groups.iter().map(|id| json!({ "id": id })).collect();
    let configuration = |name: &str, version: &str| {
        json!({ "name": name, "properties": { "subnet": { "id": subnet }, "primary": version == "IPv4",
            "privateIPAddressVersion": version, "applicationSecurityGroups": groups } })
    };
    let both = [configuration("four", "IPv4"), configuration("six", "IPv6")];
    put(world, &nic(&workload.name), json!({ "properties": { "ipConfigurations": both } }));
    let tags: Value = workload.tags.iter().map(|(key, value)| (key.clone(), json!(value))).collect();
    let body = json!({ "tags": tags, "properties": { "networkProfile": {
        "networkInterfaces": [{ "id": nic(&workload.name) }] } } });
    put(world, &machine(&workload.name), body);
}

fn group() -> String {
    format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/rg")
}

fn of_network(kind: &str, name: &str) -> String {
    format!("{}/providers/Microsoft.Network/{kind}/{name}", group())
}

pub fn vnet(name: &str) -> String {
    of_network("virtualNetworks", name)
}

pub fn nsg(network: &str) -> String {
    of_network("networkSecurityGroups", &format!("{network}-nsg"))
}

pub fn asg(name: &str) -> String {
    of_network("applicationSecurityGroups", name)
}

pub fn nic(workload: &str) -> String {
    of_network("networkInterfaces", &format!("{workload}-nic"))
}

pub fn machine(name: &str) -> String {
    format!("{}/providers/Microsoft.Compute/virtualMachines/{name}", group())
}

/// The back door.
pub fn put(world: &mut World, id: &str, mut body: Value) -> Value {
    // Parts of a resource have no place of their own.
    if !id.contains("/securityRules/") && !id.contains("/virtualNetworkPeerings/") {
        body["location"] = json!(LOCATION);
    }
    perform(world, "PUT", id, &body)
}

pub fn show(world: &mut World, id: &str) -> Value {
    perform(world, "GET", id, &Value::Null)
}

pub fn perform(world: &mut World, verb: &str, id: &str, body: &Value) -> Value {
    world.perform(verb, id, body).unwrap_or_else(|error| panic!("{verb} {id}: {error}"))
}
