//! A simulated organisation behind HTTP, with our client on its virtual time.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use mock_gcp::{GcpFront, Settings, World, serve};
use provider::Clock;
use provider_gcp::resources::{Firewall, FullName, PolicyRule, ResourcePath};
use provider_gcp::rest::Token;
use provider_gcp::{Api, ApiSettings, Endpoint, Estate, Reach, Writer, observe};
use serde_json::{Value, json};
use tokio::net::TcpListener;

pub const PROJECT: &str = "demo-project";
pub const NUMBER: &str = "415104041262";
pub const ZONE: &str = "europe-west1-b";

/// The simulation's virtual time: waiting moves it.
pub struct Simulated(pub GcpFront);

#[async_trait]
impl Clock for Simulated {
    fn now_ms(&self) -> u64 {
        self.0.world().now_ms()
    }

    async fn sleep(&self, duration: Duration) {
        self.0.world().advance_ms(duration.as_millis() as u64);
        tokio::task::yield_now().await;
    }
}

/// An organisation, a client, a writer.
pub struct Sim {
    pub front: GcpFront,
    pub api: Api,
    pub writer: Writer,
}

/// Operations take two and a half seconds, nothing is throttled.
pub fn slow() -> Settings {
    Settings {
        throttle: false,
        operation_ms: 2_500,
        call_ms: 1,
        default_network: false,
        ..Settings::default()
    }
}

impl Sim {
    pub async fn start(settings: Settings) -> Self {
        Self::start_as(settings, "simulated", |settings| settings).await
    }

    pub async fn start_as(
        settings: Settings,
        token: &'static str,
        change: impl Fn(ApiSettings) -> ApiSettings,
    ) -> Self {
        let front = GcpFront::new(World::new(settings));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(serve(front.clone(), listener));
        let settings =
            change(ApiSettings { share: 1.0, ..ApiSettings::new(Endpoint::parse(&endpoint).unwrap()) });
        let clock = Arc::new(Simulated(front.clone()));
        let api = Api::at_endpoint(settings, Arc::new(Token::new(token)), clock).unwrap();
        let sim = Self { front, writer: Writer::new(api.clone()), api };
        sim.seed_estate();
        sim
    }

    /// Networks `v` (both families) and `w`, peered; subnetworks `s` and `u`; the instances `a` (tag `web`, both
    /// families, an alias, an outer address, a second interface in `w`) and `b`; the classic rule `ssh`.
    fn seed_estate(&self) {
        self.seed("net/v", json!({ "autoCreateSubnetworks": false, "enableUlaInternalIpv6": true }));
        self.seed("net/w", json!({ "autoCreateSubnetworks": false }));
        let s = json!({ "network": link("net/v"), "ipCidrRange": "10.0.1.0/24", "stackType": "IPV4_IPV6",
            "ipv6AccessType": "INTERNAL",
            "secondaryIpRanges": [{ "rangeName": "pods", "ipCidrRange": "10.9.0.0/16" }] });
        self.seed("sub/s", s);
        self.seed("sub/u", json!({ "network": link("net/w"), "ipCidrRange": "10.1.1.0/24" }));
        for (from, to) in [("v", "w"), ("w", "v")] {
            let peering = json!({ "networkPeering": { "name": to, "network": link(&format!("net/{to}")),
                "exchangeSubnetRoutes": true } });
            self.perform("POST", &format!("{}/addPeering", path(&format!("net/{from}"))), peering);
        }
        let mut a = instance("sub/s", &["web"]);
        a["networkInterfaces"][0]["aliasIpRanges"] =
            json!([{ "ipCidrRange": "10.9.1.0/24", "subnetworkRangeName": "pods" }]);
        a["networkInterfaces"][0]["accessConfigs"] = json!([{ "name": "x", "type": "ONE_TO_ONE_NAT" }]);
        a["networkInterfaces"].as_array_mut().unwrap().push(json!({ "subnetwork": link("sub/u") }));
        a["labels"] = json!({ "role": "web" });
        a["serviceAccounts"] = json!([{ "email": "web@demo-project.iam.gserviceaccount.com" }]);
        self.seed("vm/a", a);
        self.seed("vm/b", instance("sub/s", &[]));
        let ssh = json!({ "network": link("net/v"), "sourceRanges": ["192.0.2.0/24"], "priority": 900,
            "allowed": [{ "IPProtocol": "tcp", "ports": ["22"] }] });
        self.seed("fw/ssh", ssh);
    }

    pub fn seed(&self, short: &str, mut body: Value) -> Value {
        let whole = path(short);
        body["name"] = json!(whole.name());
        self.perform("POST", whole.collection(), body)
    }

    pub fn perform(&self, verb: &str, at: &str, body: Value) -> Value {
        self.front.world().perform(verb, at, &body).unwrap_or_else(|error| panic!("{verb} {at}: {error}"))
    }

    pub fn show(&self, short: &str) -> Value {
        self.perform("GET", path(short).as_str(), Value::Null)
    }

    pub async fn estate(&self) -> Estate {
        observe(&self.api, &reach()).await.unwrap()
    }

    /// The full name of an instance.
    pub fn full_name(&self, vm: &str) -> FullName {
        FullName::of_instance(NUMBER, ZONE, self.show(&format!("vm/{vm}"))["id"].as_str().unwrap())
    }

    /// A tag key for the network `v` with one value of that name, seeded; `tagValues/N`.
    pub fn tag(&self, name: &str) -> String {
        let key = json!({ "parent": format!("projects/{NUMBER}"), "shortName": format!("k-{name}"),
            "purpose": "GCE_FIREWALL", "purposeData": { "network": format!("{PROJECT}/v") } });
        let key = self.perform("POST", "v3/tagKeys", key);
        let value = self.perform("POST", "v3/tagValues", json!({ "parent": key["name"], "shortName": name }));
        value["name"].as_str().unwrap().to_owned()
    }

    /// Calls that were accepted and changed something, since the log was cleared.
    pub fn mutations(&self) -> Vec<String> {
        let world = self.front.world();
        let calls = world.calls.all().iter().filter(|call| call.mutating && call.outcome == "ok");
        calls.map(|call| call.action.clone()).collect()
    }

    /// What came of every call of an action, since the log was cleared.
    pub fn outcomes(&self, action: &str) -> Vec<String> {
        let world = self.front.world();
        let calls = world.calls.all().iter().filter(|call| call.action == action);
        calls.map(|call| call.outcome.clone()).collect()
    }

    pub fn assert_no_complaints(&self) {
        assert_eq!(self.front.world().complaints, Default::default());
    }
}

pub fn reach() -> Reach {
    Reach::of(&[PROJECT.to_owned()])
}

/// The path of a short name: `net/N`, `fw/N`, `sub/N`, `pol/N`, `rpol/N`, `vm/N`, `mig/N`, `tpl/N`.
pub fn path(short: &str) -> ResourcePath {
    let (kind, name) = short.split_once('/').unwrap();
    let at = match kind {
        "net" => "global/networks".to_owned(),
        "fw" => "global/firewalls".to_owned(),
        "pol" => "global/firewallPolicies".to_owned(),
        "tpl" => "global/instanceTemplates".to_owned(),
        "rpol" => "regions/europe-west1/firewallPolicies".to_owned(),
        "sub" => "regions/europe-west1/subnetworks".to_owned(),
        "vm" => format!("zones/{ZONE}/instances"),
        "mig" => format!("zones/{ZONE}/instanceGroupManagers"),
        other => panic!("{other}"),
    };
    ResourcePath::new(&format!("projects/{PROJECT}/{at}/{name}"))
}

/// The link to a short name.
pub fn link(short: &str) -> Value {
    json!(path(short).link())
}

pub fn instance(subnetwork: &str, tags: &[&str]) -> Value {
    let stack = if subnetwork == "sub/s" { "IPV4_IPV6" } else { "IPV4_ONLY" };
    json!({ "machineType": format!("zones/{ZONE}/machineTypes/e2-micro"), "tags": { "items": tags },
        "networkInterfaces": [{ "subnetwork": link(subnetwork), "stackType": stack }] })
}

/// A rule of a policy: `PRIORITY ACTION PORT SOURCE TARGET`; source and target are blocks, `tagValues/N`, or `*`.
pub fn rule(short: &str) -> PolicyRule {
    let [priority, action, port, source, target]: [&str; 5] =
        short.split(' ').collect::<Vec<_>>().try_into().unwrap();
    let mut body = json!({ "priority": priority.parse::<u32>().unwrap(), "action": action,
        "direction": "INGRESS", "description": short, "disabled": false, "enableLogging": false,
        "match": { "layer4Configs": [{ "ipProtocol": "tcp", "ports": [port] }] } });
    if source.starts_with("tagValues/") {
        body["match"]["srcSecureTags"] = json!([{ "name": source }]);
    } else {
        body["match"]["srcIpRanges"] = json!([source]);
    }
    if target != "*" {
        body["targetSecureTags"] = json!([{ "name": target }]);
    }
    serde_json::from_value(body).unwrap()
}

/// A classic rule for `v` from its fields.
pub fn firewall(name: &str, fields: Value) -> Firewall {
    let mut body = json!({ "name": name, "network": link("net/v"), "description": name });
    for (field, value) in fields.as_object().unwrap() {
        body[field] = value.clone();
    }
    serde_json::from_value(body).unwrap()
}
