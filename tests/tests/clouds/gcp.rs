//! Networks and machines of the simulated Google project.

use ipnet::IpNet;
use mock_gcp::{Settings, World};
use policy::NetworkId;
use serde_json::{Value, json};

use super::{Behaviour, Foreign, Machine, Made, Site, Tags};

pub const PROJECT: &str = "demo-project";
const REGION: &str = "europe-west1";
const ZONE: &str = "europe-west1-b";
/// Classic rules of others: before everything else of them, and after.
const FOREIGN_PRIORITY: u32 = 100;
const OPEN_PRIORITY: u32 = 60_000;

pub fn world(behaviour: Behaviour) -> World {
    let Behaviour { seed, delay_ms, operation_ms } = behaviour;
    World::new(Settings {
        seed,
        delay_ms,
        operation_ms,
        throttle: false,
        call_ms: 0,
        default_network: false,
        ..Settings::default()
    })
}

/// A network with one subnetwork. Classic rules let everything in where nobody closes: to everybody if they are judged
/// last, to machines with the network tag `open` if they are judged first, and then foreign rules come before ours too.
pub fn site(world: &mut World, site: &Site, peer: Option<(&Site, &NetworkId)>) -> NetworkId {
    let name = site.name;
    let order = if site.classic_first { "AFTER_CLASSIC_FIREWALL" } else { "BEFORE_CLASSIC_FIREWALL" };
    let network = json!({ "name": name, "autoCreateSubnetworks": false,
        "enableUlaInternalIpv6": site.v6.is_some(), "networkFirewallPolicyEnforcementOrder": order });
    post(world, "global/networks", network);
    let block = IpNet::new(site.v4.addr(), 24).unwrap();
    let mut subnetwork = json!({ "name": name, "network": format!("projects/{PROJECT}/global/networks/{name}"),
        "ipCidrRange": block });
    if site.v6.is_some() {
        subnetwork["stackType"] = json!("IPV4_IPV6");
        subnetwork["ipv6AccessType"] = json!("INTERNAL");
    }
    post(world, &format!("regions/{REGION}/subnetworks"), subnetwork);
    if let Some((other, _)) = peer {
        for (from, to) in [(name, other.name), (other.name, name)] {
            let peering = json!({ "networkPeering": { "name": to, "exchangeSubnetRoutes": true,
                "network": format!("projects/{PROJECT}/global/networks/{to}") } });
            post(world, &format!("global/networks/{from}/addPeering"), peering);
        }
    }
    let foreign = site.foreign.iter().zip(FOREIGN_PRIORITY..).filter(|_| site.classic_first);
    for (rule, priority) in foreign {
        let body = rule_body(&format!("{name}-{priority}"), name, priority, rule);
        post(world, "global/firewalls", body);
    }
    for (family, block) in [("4", "0.0.0.0/0"), ("6", "::/0")] {
        let mut open = json!({ "name": format!("{name}-open{family}"), "priority": OPEN_PRIORITY,
            "network": format!("projects/{PROJECT}/global/networks/{name}"),
            "sourceRanges": [block], "allowed": [{ "IPProtocol": "all" }] });
        if site.classic_first {
            open["targetTags"] = json!(["open"]);
        }
        post(world, "global/firewalls", open);
    }
    format!("projects/{PROJECT}/global/networks/{name}").as_str().into()
}

fn rule_body(name: &str, network: &str, priority: u32, rule: &Foreign) -> Value {
    let service = json!([{ "IPProtocol": if rule.protocol == 6 { "tcp" } else { "udp" },
        "ports": [format!("{}-{}", rule.ports.0, rule.ports.1)] }]);
    let mut body = json!({ "name": name, "priority": priority,
        "network": format!("projects/{PROJECT}/global/networks/{network}"),
        "direction": if rule.egress { "EGRESS" } else { "INGRESS" } });
    body[if rule.egress { "destinationRanges" } else { "sourceRanges" }] = json!([rule.block]);
    body[if rule.allow { "allowed" } else { "denied" }] = service;
    body
}

/// An instance; a managed one is a node of a cluster.
pub fn machine(world: &mut World, site: &Site, machine: &Machine) -> Made {
    let mut labels = json!(machine.tags);
    if machine.is_managed {
        labels["goog-gke-node"] = json!("");
    }
    let tags: &[&str] = if machine.open { &["open"] } else { &[] };
    let stack = if machine.v6 > 0 { "IPV4_IPV6" } else { "IPV4_ONLY" };
    let body = json!({ "name": machine.name, "machineType": format!("zones/{ZONE}/machineTypes/e2-micro"),
        "labels": labels, "tags": { "items": tags },
        "networkInterfaces": [{ "stackType": stack,
            "subnetwork": format!("projects/{PROJECT}/regions/{REGION}/subnetworks/{}", site.name) }] });
    post(world, &format!("zones/{ZONE}/instances"), body);
    let path = instance(&machine.name);
    Made { workload: path.as_str().into(), interface: format!("{path}#nic0").as_str().into() }
}

fn instance(name: &str) -> String {
    format!("projects/{PROJECT}/zones/{ZONE}/instances/{name}")
}

pub fn retag(world: &mut World, made: &Made, tags: &Tags) {
    let path = made.workload.as_str();
    let shown = world.perform("GET", path, &Value::Null).unwrap();
    let held = shown["labels"].as_object().cloned().unwrap_or_default();
    let mut labels = json!(tags);
    held.into_iter().filter(|(key, _)| key.starts_with("goog-")).for_each(|(key, value)| labels[key] = value);
    let body = json!({ "labels": labels, "labelFingerprint": shown["labelFingerprint"] });
    world.perform("POST", &format!("{path}/setLabels"), &body).unwrap();
}

pub fn remove(world: &mut World, made: &Made) {
    world.perform("DELETE", made.workload.as_str(), &Value::Null).unwrap();
}

fn post(world: &mut World, rest: &str, body: Value) {
    let path = format!("projects/{PROJECT}/{rest}");
    world.perform("POST", &path, &body).unwrap_or_else(|error| panic!("{path}: {error}"));
}
