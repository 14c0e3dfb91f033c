//! Networks and machines of the simulated Azure subscription.

use ipnet::IpNet;
use mock_azure::{Settings, World};
use policy::NetworkId;
use serde_json::{Value, json};

use super::{Behaviour, Foreign, Machine, Made, Site, Tags};

pub const SUBSCRIPTION: &str = "11111111-2222-4333-8444-555555555555";
/// Rules of others that let everything pass stand here: below all of ours.
const OPEN_PRIORITY: u32 = 4_090;
/// Rules of others that are judged before ours.
const FOREIGN_PRIORITY: u32 = 200;

pub fn world(behaviour: Behaviour) -> World {
    let Behaviour { seed, delay_ms, operation_ms } = behaviour;
    let settings =
        Settings { seed, delay_ms, operation_ms, throttle: false, call_ms: 0, ..Settings::default() };
    let mut world = World::new(settings);
    put(&mut world, "", json!({ "location": "westeurope" }));
    world
}

/// A virtual network with one subnet behind a security group that lets everything pass after our band.
pub fn site(world: &mut World, site: &Site, peer: Option<(&Site, &NetworkId)>) -> NetworkId {
    let name = site.name;
    let foreign = site.foreign.iter().zip(FOREIGN_PRIORITY..);
    let foreign = foreign.map(|(rule, priority)| rule_body(&format!("theirs-{priority}"), priority, rule));
    let open = [("Inbound", OPEN_PRIORITY), ("Outbound", OPEN_PRIORITY + 1)].map(|(direction, priority)| {
        json!({ "name": format!("open-{direction}"), "properties": {
            "priority": priority, "direction": direction, "access": "Allow", "protocol": "*",
            "sourcePortRange": "*", "destinationPortRange": "*",
            "sourceAddressPrefix": "*", "destinationAddressPrefix": "*" } })
    });
    let rules: Vec<Value> = foreign.chain(open).collect();
    put(world, &network(&format!("networkSecurityGroups/nsg-{name}")), at(json!({ "securityRules": rules })));
    let space: Vec<IpNet> = std::iter::once(site.v4).chain(site.v6).collect();
    let part =
        |block: &IpNet| IpNet::new(block.addr(), if block.addr().is_ipv6() { 64 } else { 24 }).unwrap();
    let subnet = json!({ "name": "s", "properties": {
        "addressPrefixes": space.iter().map(part).collect::<Vec<_>>(),
        "networkSecurityGroup": { "id": whole(&network(&format!("networkSecurityGroups/nsg-{name}"))) } } });
    let body = json!({ "addressSpace": { "addressPrefixes": space }, "subnets": [subnet] });
    let id = network(&format!("virtualNetworks/{name}"));
    put(world, &id, at(body));
    if let Some((other, _)) = peer {
        for (from, to) in [(name, other.name), (other.name, name)] {
            let remote = whole(&network(&format!("virtualNetworks/{to}")));
            let body = json!({ "properties": { "remoteVirtualNetwork": { "id": remote } } });
            put(world, &network(&format!("virtualNetworks/{from}/virtualNetworkPeerings/{to}")), body);
        }
    }
    whole(&id).to_lowercase().as_str().into()
}

fn rule_body(name: &str, priority: u32, rule: &Foreign) -> Value {
    let (near, far) = if rule.egress { ("source", "destination") } else { ("destination", "source") };
    let mut properties = json!({
        "priority": priority,
        "direction": if rule.egress { "Outbound" } else { "Inbound" },
        "access": if rule.allow { "Allow" } else { "Deny" },
        "protocol": if rule.protocol == 6 { "Tcp" } else { "Udp" },
        "sourcePortRange": "*",
        "destinationPortRange": format!("{}-{}", rule.ports.0, rule.ports.1),
    });
    properties[format!("{near}AddressPrefix")] = json!("*");
    properties[format!("{far}AddressPrefix")] = json!(rule.block);
    json!({ "name": name, "properties": properties })
}

/// A network interface that is its own workload, or one of a cluster.
pub fn machine(world: &mut World, site: &Site, machine: &Machine) -> Made {
    let subnet = whole(&network(&format!("virtualNetworks/{}/subnets/s", site.name)));
    let one = |number: usize, version: &str| {
        json!({ "name": format!("c{number}"), "properties": {
            "subnet": { "id": subnet }, "privateIPAddressVersion": version, "primary": number == 0 } })
    };
    let fours = 1 + machine.more_v4;
    let configurations: Vec<Value> = (0..fours + machine.v6)
        .map(|number| one(number, if number < fours { "IPv4" } else { "IPv6" }))
        .collect();
    let mut body = at(json!({ "ipConfigurations": configurations }));
    let mut tags = machine.tags.clone();
    if machine.is_managed {
        tags.insert("aks-managed-poolName".to_owned(), "pool".to_owned());
    }
    body["tags"] = json!(tags);
    let id = network(&format!("networkInterfaces/{}", machine.name));
    put(world, &id, body);
    let key = whole(&id).to_lowercase();
    Made { workload: key.as_str().into(), interface: key.as_str().into() }
}

pub fn retag(world: &mut World, made: &Made, tags: &Tags) {
    let id = made.interface.as_str();
    let mut body = world.perform("GET", id, &Value::Null).unwrap();
    let held = body["tags"].as_object().cloned().unwrap_or_default();
    let kept = held.into_iter().filter(|(name, _)| name.starts_with("aks-"));
    let mut wanted = json!(tags);
    kept.for_each(|(name, value)| wanted[name] = value);
    body["tags"] = wanted;
    world.perform("PUT", id, &body).unwrap();
}

pub fn remove(world: &mut World, made: &Made) {
    world.perform("DELETE", made.interface.as_str(), &Value::Null).unwrap();
}

fn network(rest: &str) -> String {
    format!("/providers/Microsoft.Network/{rest}")
}

fn whole(rest: &str) -> String {
    format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/rg{rest}")
}

fn at(properties: Value) -> Value {
    json!({ "location": "westeurope", "properties": properties })
}

fn put(world: &mut World, rest: &str, body: Value) {
    world.perform("PUT", &whole(rest), &body).unwrap_or_else(|error| panic!("{rest}: {error}"));
}
