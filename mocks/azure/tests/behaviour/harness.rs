//! Scripts of requests: `METHOD path [BODY] => expected`, with short names for paths and bodies.
//!
//! `nsg/a` is a network security group of the resource group `rg`, `nsg/a/r` its rule `r`; see [`path`].

use std::net::IpAddr;

use mock_azure::{Answer, AzureFront, End, Headers, Packet, Settings, World};
use serde_json::{Value, json};

pub const SUBSCRIPTION: &str = "/subscriptions/11111111-2222-4333-8444-555555555555";
pub const SIGNED: Headers<'_> = Headers { authorization: "Bearer x", if_match: None, endpoint: "" };

/// A simulation.
pub struct Cloud {
    pub front: AzureFront,
}

/// Operations end at once and nothing is throttled.
pub fn quick() -> Settings {
    Settings { throttle: false, operation_ms: 0, call_ms: 0, ..Settings::default() }
}

impl Cloud {
    pub fn new(settings: Settings) -> Self {
        Self { front: AzureFront::new(World::new(settings)) }
    }

    /// Two networks with both families, `v` and `w`, with subnets `s` and `t` and `u` in them, three application
    /// security groups, a security group.
    pub fn seeded(settings: Settings) -> Self {
        let cloud = Self::new(settings);
        let seed = |short: &str, body: Value| {
            cloud.front.world().perform("PUT", &path(short), &body).unwrap();
        };
        seed("rg", at(json!({})));
        seed("nsg/n", at(json!({})));
        for group in ["web", "db", "far"] {
            seed(&format!("asg/{group}"), at(json!({})));
        }
        seed("vnet/v", network(&["10.0.0.0/16", "fd00:a::/48"]));
        seed("vnet/w", network(&["10.1.0.0/16"]));
        seed("vnet/v/s", subnet(&["10.0.1.0/24", "fd00:a:0:1::/64"], None));
        seed("vnet/v/t", subnet(&["10.0.2.0/24"], None));
        seed("vnet/w/u", subnet(&["10.1.1.0/24"], None));
        cloud
    }

    pub fn quick() -> Self {
        Self::seeded(quick())
    }

    /// A request of a client: short path (a query may follow) and body.
    pub fn call(&self, method: &str, short: &str, body: Value) -> Answer {
        self.call_with(method, short, body, SIGNED)
    }

    pub fn call_with(&self, method: &str, short: &str, body: Value, headers: Headers<'_>) -> Answer {
        let (short, query) = short.split_once('?').unwrap_or((short, "api-version=2024-03-01"));
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.front.handle(method, &format!("{}?{query}", path(short)), headers, body.as_bytes())
    }

    pub fn get(&self, short: &str) -> Value {
        let answer = self.call("GET", short, Value::Null);
        assert_eq!(answer.status, 200, "GET {short}: {}", answer.body);
        serde_json::from_str(&answer.body).unwrap()
    }

    pub fn put(&self, short: &str, body: Value) -> String {
        outcome(&self.call("PUT", short, body))
    }

    pub fn delete(&self, short: &str) -> String {
        outcome(&self.call("DELETE", short, Value::Null))
    }

    /// Seeds, and says so when the cloud refuses.
    pub fn seed(&self, short: &str, body: Value) -> Value {
        self.front.world().perform("PUT", &path(short), &body).unwrap_or_else(|e| panic!("{short}: {e}"))
    }

    /// A rule in `n` from its short form.
    pub fn rule(&self, name: &str, short: &str) {
        self.seed(&format!("nsg/n/{name}"), rule(short));
    }

    /// An interface `name` in a subnet with application security groups.
    pub fn interface(&self, name: &str, subnet: &str, groups: &[&str]) {
        self.seed(&format!("nic/{name}"), interface(subnet, groups));
    }

    pub fn settle(&self) {
        self.front.world().advance_ms(10_000);
    }

    /// A packet from `SOURCE SERVICE DESTINATION`, such as `a tcp/443 b` or `192.0.2.1 icmp/8 a`: ends are names of
    /// interfaces or addresses, `a@ADDRESS` is an interface with another of its addresses.
    pub fn packet(&self, text: &str) -> Packet {
        let [source, service, destination] = text.split(' ').collect::<Vec<_>>().try_into().unwrap();
        let (word, number) = service.split_once('/').unwrap_or((service, "0"));
        let number: u16 = number.parse().unwrap();
        let (protocol, detail) = match word {
            "tcp" => (6, number),
            "udp" => (17, number),
            "icmp" => (1, number << 8),
            "icmpv6" => (58, number << 8),
            "esp" => (50, 0),
            "ah" => (51, 0),
            other => (other.parse().unwrap(), 0),
        };
        Packet { source: self.end(source), destination: self.end(destination), protocol, detail }
    }

    fn end(&self, text: &str) -> End {
        if let Ok(address) = text.parse::<IpAddr>() {
            return End::External(address);
        }
        let (name, address) = text.split_once('@').map_or((text, None), |(name, a)| (name, Some(a)));
        let body = self.get(&format!("nic/{name}"));
        let first = &body["properties"]["ipConfigurations"][0]["properties"]["privateIPAddress"];
        let address = address.unwrap_or_else(|| first.as_str().unwrap());
        End::Interface(body["id"].as_str().unwrap().to_lowercase(), address.parse().unwrap())
    }

    /// Lines `PACKET pass` or `PACKET cut`, by the API and, once settled, by the data plane.
    pub fn check_packets(&self, script: &str) {
        self.settle();
        for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let (packet, expected) = line.rsplit_once(' ').unwrap();
            let packet = self.packet(packet);
            let world = self.front.world();
            assert_eq!(world.allows_by_api(&packet), expected == "pass", "by the API: {line}");
            assert_eq!(world.allows(&packet), expected == "pass", "on the data plane: {line}");
        }
    }
}

/// The path of a short name: `rg`, `nsg/N[/RULE]`, `vnet/N[/SUBNET]`, `peer/N/PEERING`, `asg/N`, `nic/N`, `vm/N`;
/// with a trailing `/` the list; anything that begins with `/` is a path already.
pub fn path(short: &str) -> String {
    const KINDS: [(&str, &str, &str); 8] = [
        ("nsg", "Microsoft.Network/networkSecurityGroups", "securityRules"),
        ("vnet", "Microsoft.Network/virtualNetworks", "subnets"),
        ("peer", "Microsoft.Network/virtualNetworks", "virtualNetworkPeerings"),
        ("asg", "Microsoft.Network/applicationSecurityGroups", ""),
        ("nic", "Microsoft.Network/networkInterfaces", ""),
        ("lb", "Microsoft.Network/loadBalancers", ""),
        ("vm", "Microsoft.Compute/virtualMachines", ""),
        ("vmss", "Microsoft.Compute/virtualMachineScaleSets", "virtualMachines"),
    ];
    let group = format!("{SUBSCRIPTION}/resourceGroups/rg");
    if short.starts_with('/') {
        return short.to_owned();
    }
    let (kind, names) = short.split_once('/').unwrap_or((short, ""));
    if kind == "rg" {
        return group;
    }
    let (_, outer, inner) =
        KINDS.iter().find(|(word, ..)| *word == kind).unwrap_or_else(|| panic!("{short}"));
    let base = format!("{group}/providers/{outer}");
    match names.split_once('/') {
        None if names.is_empty() => base,
        None => format!("{base}/{names}"),
        Some((name, "")) => format!("{base}/{name}/{inner}"),
        Some((name, part)) => format!("{base}/{name}/{inner}/{part}"),
    }
}

/// A reference to a resource by its short name.
pub fn id(short: &str) -> Value {
    json!({ "id": path(short) })
}

/// A tracked resource with these properties.
pub fn at(properties: Value) -> Value {
    json!({ "location": "westeurope", "properties": properties })
}

pub fn network(blocks: &[&str]) -> Value {
    at(json!({ "addressSpace": { "addressPrefixes": blocks } }))
}

pub fn subnet(blocks: &[&str], group: Option<&str>) -> Value {
    let mut body = json!({ "properties": { "addressPrefixes": blocks } });
    if let Some(group) = group {
        body["properties"]["networkSecurityGroup"] = id(group);
    }
    body
}

pub fn interface(subnet: &str, groups: &[&str]) -> Value {
    let groups: Vec<Value> = groups.iter().map(|group| id(&format!("asg/{group}"))).collect();
    at(json!({ "ipConfigurations": [{ "name": "c", "properties": {
        "subnet": id(subnet), "applicationSecurityGroups": groups } }] }))
}

/// `PRIORITY in|out allow|deny PROTOCOL SOURCE DESTINATION PORTS`: sides are `*`, a tag, a block, several blocks
/// with `,` between, or `asg:web,db`; ports are `*` or ranges with `,` between.
pub fn rule(short: &str) -> Value {
    let [priority, direction, access, protocol, source, destination, ports] =
        short.split(' ').collect::<Vec<_>>().try_into().unwrap_or_else(|_| panic!("{short}"));
    let mut properties = json!({
        "priority": priority.parse::<u32>().unwrap(),
        "direction": if direction == "in" { "Inbound" } else { "Outbound" },
        "access": if access == "allow" { "Allow" } else { "Deny" },
        "protocol": protocol,
        "sourcePortRange": "*",
    });
    for (end, text) in [("source", source), ("destination", destination)] {
        if let Some(groups) = text.strip_prefix("asg:") {
            let groups: Vec<Value> = groups.split(',').map(|group| id(&format!("asg/{group}"))).collect();
            properties[format!("{end}ApplicationSecurityGroups")] = json!(groups);
        } else if text.contains(',') {
            properties[format!("{end}AddressPrefixes")] = json!(text.split(',').collect::<Vec<_>>());
        } else {
            properties[format!("{end}AddressPrefix")] = json!(text);
        }
    }
    if ports.contains(',') {
        properties["destinationPortRanges"] = json!(ports.split(',').collect::<Vec<_>>());
    } else {
        properties["destinationPortRange"] = json!(ports);
    }
    json!({ "properties": properties })
}

/// `ok`, `lost`, or the error's code.
pub fn outcome(answer: &Answer) -> String {
    match answer {
        Answer { drop_connection: true, .. } => "lost".to_owned(),
        Answer { status: 200..=299, .. } => "ok".to_owned(),
        Answer { body, .. } => {
            let body: Value = serde_json::from_str(body).unwrap();
            body["error"]["code"].as_str().unwrap().to_owned()
        }
    }
}
