//! Short names for paths, and short forms of rules, instances and packets.
//!
//! `fw/a` is the classic rule `a` of the project, `net/v` a network, `pol/p` a global policy, `rpol/p` a regional one,
//! `vm/a` an instance; with a trailing `/` the list; see [`path`].

use std::net::IpAddr;

use mock_gcp::{Answer, End, GcpFront, Headers, Packet, Settings, World};
use serde_json::{Value, json};

pub const PROJECT: &str = "projects/demo-project";
pub const REGION: &str = "europe-west1";
pub const ZONE: &str = "europe-west1-b";

/// A simulation.
pub struct Cloud {
    pub front: GcpFront,
}

/// Operations end at once, nothing is throttled, there is no default network.
pub fn quick() -> Settings {
    Settings { throttle: false, operation_ms: 0, call_ms: 0, default_network: false, ..Settings::default() }
}

impl Cloud {
    pub fn new(settings: Settings) -> Self {
        Self { front: GcpFront::new(World::new(settings)) }
    }

    /// The networks `v` (both families) and `w`, with the subnetworks `s` and `u`.
    pub fn seeded(settings: Settings) -> Self {
        let cloud = Self::new(settings);
        cloud.seed("net/v", json!({ "autoCreateSubnetworks": false, "enableUlaInternalIpv6": true }));
        cloud.seed("net/w", json!({ "autoCreateSubnetworks": false }));
        cloud.seed(
            "sub/s",
            json!({ "network": link("net/v"), "ipCidrRange": "10.0.1.0/24", "stackType": "IPV4_IPV6",
                "ipv6AccessType": "INTERNAL",
                "secondaryIpRanges": [{ "rangeName": "pods", "ipCidrRange": "10.9.0.0/16" }] }),
        );
        cloud.seed("sub/u", json!({ "network": link("net/w"), "ipCidrRange": "10.1.1.0/24" }));
        cloud
    }

    pub fn quick() -> Self {
        Self::seeded(quick())
    }

    /// A request of a client: short path (a query may follow) and body.
    pub fn call(&self, verb: &str, short: &str, body: Value) -> Answer {
        let (short, query) = short.split_once('?').unwrap_or((short, ""));
        let whole = match query {
            "" => path(short),
            query => format!("{}?{query}", path(short)),
        };
        let prefix = if whole.starts_with("projects/") || whole.starts_with("locations/") {
            "/compute/v1/"
        } else {
            "/"
        };
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.front.handle(verb, &format!("{prefix}{whole}"), Headers::default(), body.as_bytes())
    }

    /// The outcome of a request: `ok`, `lost` or the error's reason or status.
    pub fn ask(&self, verb: &str, short: &str, body: Value) -> String {
        outcome(&self.call(verb, short, body))
    }

    pub fn get(&self, short: &str) -> Value {
        let answer = self.call("GET", short, Value::Null);
        assert_eq!(answer.status, 200, "GET {short}: {}", answer.body);
        read(&answer)
    }

    /// An insert by a client: the collection of the short path, the name into the body.
    pub fn insert(&self, short: &str, mut body: Value) -> String {
        let (kind, name) = short.split_once('/').unwrap();
        body["name"] = json!(name);
        self.ask("POST", &format!("{kind}/"), body)
    }

    pub fn delete(&self, short: &str) -> String {
        self.ask("DELETE", short, Value::Null)
    }

    /// Seeds, and says so when the cloud refuses.
    pub fn seed(&self, short: &str, mut body: Value) -> Value {
        let (kind, name) = short.split_once('/').unwrap();
        body["name"] = json!(name);
        self.perform("POST", &format!("{kind}/"), body)
    }

    pub fn perform(&self, verb: &str, short: &str, body: Value) -> Value {
        let (short, query) = short.split_once('?').unwrap_or((short, ""));
        let whole = if query.is_empty() { path(short) } else { format!("{}?{query}", path(short)) };
        let done = self.front.world().perform(verb, &whole, &body);
        done.unwrap_or_else(|error| panic!("{verb} {short}: {error}"))
    }

    /// An instance in a subnetwork (`sub/s`) with network tags.
    pub fn vm(&self, name: &str, subnetwork: &str, tags: &[&str]) -> Value {
        self.seed(&format!("vm/{name}"), instance(subnetwork, tags))
    }

    /// A classic rule in `v` from its short form.
    pub fn firewall(&self, name: &str, short: &str) {
        self.seed(&format!("fw/{name}"), firewall(short));
    }

    /// A tag key for a network, and values of keys of their own: name → `tagValues/N`.
    pub fn tag(&self, network: &str, name: &str) -> String {
        let key = json!({ "parent": PROJECT, "shortName": format!("k-{name}"), "purpose": "GCE_FIREWALL",
            "purposeData": { "network": format!("demo-project/{network}") } });
        let key = self.perform("POST", "v3/tagKeys", key);
        let value = json!({ "parent": key["name"], "shortName": name });
        self.perform("POST", "v3/tagValues", value)["name"].as_str().unwrap().to_owned()
    }

    /// The full name of an instance.
    pub fn full_name(&self, vm: &str) -> String {
        let id = self.get(&format!("vm/{vm}"))["id"].as_str().unwrap().to_owned();
        format!("//compute.googleapis.com/projects/415104041262/zones/{ZONE}/instances/{id}")
    }

    pub fn bind(&self, vm: &str, value: &str) {
        let body = json!({ "parent": self.full_name(vm), "tagValue": value });
        self.perform("POST", "v3/tagBindings", body);
    }

    pub fn unbind(&self, vm: &str, value: &str) {
        let name = self.full_name(vm).replace('/', "%2F");
        self.perform("DELETE", &format!("v3/tagBindings/{name}/{value}"), Value::Null);
    }

    /// An action on a short path with a body, as seeding.
    pub fn act(&self, short: &str, action: &str, body: Value) -> Value {
        self.perform("POST", &format!("{}/{action}", path(short)), body)
    }

    /// Attaches a policy to a network, by the name of the network.
    pub fn attach(&self, policy: &str, network: &str) {
        let body = json!({ "name": network, "attachmentTarget": link(&format!("net/{network}")) });
        self.act(policy, "addAssociation", body);
    }

    pub fn settle(&self) {
        self.front.world().advance_ms(10_000);
    }

    /// A packet from `SOURCE SERVICE DESTINATION`, such as `a tcp/443 b` or `192.0.2.1 icmp/8 a`: ends are names of
    /// instances or addresses; `a@ADDRESS` is an instance with another of its addresses, `a.1` its second interface.
    pub fn packet(&self, text: &str) -> Packet {
        let [source, service, destination] = text.split(' ').collect::<Vec<_>>().try_into().unwrap();
        let (word, number) = service.split_once('/').unwrap_or((service, "0"));
        let number: u16 = number.parse().unwrap();
        let (protocol, detail) = match word {
            "tcp" => (6, number),
            "udp" => (17, number),
            "icmp" => (1, number << 8),
            "icmpv6" => (58, number << 8),
            other => (other.parse().unwrap(), number),
        };
        Packet { source: self.end(source), destination: self.end(destination), protocol, detail }
    }

    fn end(&self, text: &str) -> End {
        if let Ok(address) = text.parse::<IpAddr>() {
            return End::External(address);
        }
        let (name, address) = text.split_once('@').map_or((text, None), |(name, a)| (name, Some(a)));
        let (name, nic) = name.split_once('.').unwrap_or((name, "0"));
        let body = self.get(&format!("vm/{name}"));
        let own = &body["networkInterfaces"][nic.parse::<usize>().unwrap()]["networkIP"];
        let address = address.unwrap_or_else(|| own.as_str().unwrap());
        let id = format!("{PROJECT}/zones/{ZONE}/instances/{name}/nic{nic}");
        End::Interface(id, address.parse().unwrap())
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

/// The path of a short name: `net/N`, `fw/N`, `sub/N`, `pol/N`, `rpol/N`, `vm/N`, `tpl/N`, `mig/N`; with a trailing `/`
/// the list. Anything else is a path already.
pub fn path(short: &str) -> String {
    let (kind, rest) = short.split_once('/').unwrap_or((short, ""));
    let collection = match kind {
        "net" => "global/networks".to_owned(),
        "fw" => "global/firewalls".to_owned(),
        "pol" => "global/firewallPolicies".to_owned(),
        "tpl" => "global/instanceTemplates".to_owned(),
        "rpol" => format!("regions/{REGION}/firewallPolicies"),
        "sub" => format!("regions/{REGION}/subnetworks"),
        "vm" => format!("zones/{ZONE}/instances"),
        "mig" => format!("zones/{ZONE}/instanceGroupManagers"),
        _ => return short.to_owned(),
    };
    format!("{PROJECT}/{collection}/{rest}").trim_end_matches('/').to_owned()
}

/// The link to a short name.
pub fn link(short: &str) -> Value {
    json!(format!("https://www.googleapis.com/compute/v1/{}", path(short)))
}

pub fn instance(subnetwork: &str, tags: &[&str]) -> Value {
    let stack = if subnetwork == "sub/s" { "IPV4_IPV6" } else { "IPV4_ONLY" };
    json!({ "machineType": format!("zones/{ZONE}/machineTypes/e2-micro"), "tags": { "items": tags },
        "networkInterfaces": [{ "subnetwork": link(subnetwork), "stackType": stack }] })
}

/// A classic rule: `PRIORITY in|out allow|deny PROTOCOL[:PORTS] FAR TARGET`. The far side and the target are `*`,
/// blocks, `tag:a,b` or `sa:x`, with `+` between kinds of sources.
pub fn firewall(short: &str) -> Value {
    let [priority, direction, access, service, far, target] =
        short.split(' ').collect::<Vec<_>>().try_into().unwrap_or_else(|_| panic!("{short}"));
    let (protocol, ports) = service.split_once(':').map_or((service, None), |(p, ports)| (p, Some(ports)));
    let mut entry = json!({ "IPProtocol": protocol });
    if let Some(ports) = ports {
        entry["ports"] = json!(ports.split(',').collect::<Vec<_>>());
    }
    let ingress = direction == "in";
    let mut body = json!({ "network": link("net/v"), "priority": priority.parse::<u32>().unwrap(),
        "direction": if ingress { "INGRESS" } else { "EGRESS" },
        if access == "allow" { "allowed" } else { "denied" }: [entry] });
    let list = |text: &str| json!(text.split(',').collect::<Vec<_>>());
    for part in far.split('+').filter(|part| *part != "*") {
        match part.split_once(':').filter(|(kind, _)| ["tag", "sa"].contains(kind)) {
            Some(("tag", tags)) => body["sourceTags"] = list(tags),
            Some((_, accounts)) => body["sourceServiceAccounts"] = list(accounts),
            None if ingress => body["sourceRanges"] = list(part),
            None => body["destinationRanges"] = list(part),
        }
    }
    match target.split_once(':') {
        Some(("tag", tags)) => body["targetTags"] = list(tags),
        Some((_, accounts)) => body["targetServiceAccounts"] = list(accounts),
        None => {}
    }
    body
}

/// A rule of a policy: `PRIORITY in|out ACTION PROTOCOL[:PORTS] FAR TARGET`. The far side is blocks or
/// `tagValues/N`, with `+` between; the target is `*`, `tagValues/N` or `sa:x`.
pub fn rule(short: &str) -> Value {
    let [priority, direction, action, service, far, target] =
        short.split(' ').collect::<Vec<_>>().try_into().unwrap_or_else(|_| panic!("{short}"));
    let (protocol, ports) = service.split_once(':').map_or((service, None), |(p, ports)| (p, Some(ports)));
    let mut entry = json!({ "ipProtocol": protocol });
    if let Some(ports) = ports {
        entry["ports"] = json!(ports.split(',').collect::<Vec<_>>());
    }
    let ingress = direction == "in";
    let mut matcher = json!({ "layer4Configs": [entry] });
    for part in far.split('+') {
        let all = part.split(',');
        if part.starts_with("tagValues/") {
            matcher["srcSecureTags"] = all.map(|name| json!({ "name": name })).collect();
        } else {
            let field = if ingress { "srcIpRanges" } else { "destIpRanges" };
            matcher[field] = json!(all.collect::<Vec<_>>());
        }
    }
    let mut body = json!({ "priority": priority.parse::<u32>().unwrap(), "action": action, "match": matcher,
        "direction": if ingress { "INGRESS" } else { "EGRESS" } });
    if let Some(account) = target.strip_prefix("sa:") {
        body["targetServiceAccounts"] = json!([account]);
    } else if target != "*" {
        body["targetSecureTags"] = target.split(',').map(|name| json!({ "name": name })).collect();
    }
    body
}

pub fn read(answer: &Answer) -> Value {
    serde_json::from_str(&answer.body).unwrap_or_else(|error| panic!("{error}: {}", answer.body))
}

/// `ok`, `lost`, or the error's reason; Resource Manager's errors have a status only.
pub fn outcome(answer: &Answer) -> String {
    match answer {
        Answer { drop_connection: true, .. } => "lost".to_owned(),
        Answer { status: 200..=299, .. } => "ok".to_owned(),
        answer => {
            let error = &read(answer)["error"];
            assert_eq!(error["code"], answer.status, "{error}");
            let reason = error["errors"][0]["reason"].as_str().or(error["status"].as_str());
            reason.unwrap().to_owned()
        }
    }
}
