//! A simulated tenant behind HTTP, with our client on its virtual time.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
use azure_core::time::OffsetDateTime;
use mock_azure::{AzureFront, Settings, World, serve};
use provider::Clock;
use provider_azure::resources::{ArmId, Rule};
use provider_azure::write::{Flush, RuleChange};
use provider_azure::{Arm, ArmSettings, Endpoint, Estate, Writer, observe};
use serde_json::{Value, json};
use tokio::net::TcpListener;

pub const SUBSCRIPTION: &str = "11111111-2222-4333-8444-555555555555";

/// Hands out one token.
#[derive(Debug)]
pub struct Fixed(pub &'static str);

#[async_trait]
impl TokenCredential for Fixed {
    async fn get_token(
        &self,
        _: &[&str],
        _: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        Ok(AccessToken::new(self.0.to_owned(), OffsetDateTime::now_utc() + Duration::from_secs(3600)))
    }
}

/// The simulation's virtual time: waiting moves it.
pub struct Simulated(pub AzureFront);

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

/// A tenant, a client, a writer.
pub struct Sim {
    pub front: AzureFront,
    pub arm: Arm,
    pub writer: Writer,
}

/// Operations take two and a half seconds, nothing is throttled.
pub fn slow() -> Settings {
    Settings { throttle: false, operation_ms: 2_500, call_ms: 1, ..Settings::default() }
}

impl Sim {
    pub async fn start(settings: Settings) -> Self {
        Self::start_as(settings, "simulated", |settings| settings).await
    }

    pub async fn start_as(
        settings: Settings,
        token: &'static str,
        change: impl Fn(ArmSettings) -> ArmSettings,
    ) -> Self {
        let front = AzureFront::new(World::new(settings));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(serve(front.clone(), listener));
        let settings =
            change(ArmSettings { share: 1.0, ..ArmSettings::new(Endpoint::parse(&endpoint).unwrap()) });
        let arm =
            Arm::at_endpoint(settings, Arc::new(Fixed(token)), Arc::new(Simulated(front.clone()))).unwrap();
        let sim = Self { front, writer: Writer::new(arm.clone()), arm };
        sim.seed_estate();
        sim
    }

    /// Networks `v` and `w`, peered; subnets `v/s` with the security group `n`, `v/t`, `w/u`; application security
    /// groups `web` and `db`; interfaces `a` and `b` in `v/s`, `a` on the machine `vm`.
    fn seed_estate(&self) {
        self.seed("", json!({ "tags": { "team": "shop" } }));
        self.seed("nsg/n", tagged(json!({})));
        self.rule("theirs", "200 in allow Tcp Internet * 22");
        for group in ["web", "db"] {
            self.seed(&format!("asg/{group}"), tagged(json!({})));
        }
        let blocks = |blocks: &[&str]| at(json!({ "addressSpace": { "addressPrefixes": blocks } }));
        self.seed("vnet/v", blocks(&["10.0.0.0/16", "fd00:a::/48"]));
        self.seed("vnet/w", blocks(&["10.1.0.0/16"]));
        self.seed(
            "vnet/v/s",
            json!({ "properties": {
            "addressPrefixes": ["10.0.1.0/24", "fd00:a:0:1::/64"],
            "networkSecurityGroup": { "id": id("nsg/n") } } }),
        );
        self.seed("vnet/v/t", json!({ "properties": { "addressPrefix": "10.0.2.0/24" } }));
        self.seed("vnet/w/u", json!({ "properties": { "addressPrefix": "10.1.1.0/24" } }));
        for (from, to) in [("v", "w"), ("w", "v")] {
            let peering =
                json!({ "properties": { "remoteVirtualNetwork": { "id": id(&format!("vnet/{to}")) } } });
            self.seed(&format!("peer/{from}/{to}"), peering);
        }
        self.seed("nic/a", interface("vnet/v/s", &["web"]));
        self.seed("nic/b", interface("vnet/v/s", &[]));
        self.seed("vm/vm", machine(&["nic/a"]));
    }

    pub fn seed(&self, short: &str, body: Value) -> Value {
        let body = if body.get("location").is_none() && !short.matches('/').count().ge(&2) {
            let mut body = body;
            body["location"] = json!("westeurope");
            body
        } else {
            body
        };
        self.front
            .world()
            .perform("PUT", id(short).as_str(), &body)
            .unwrap_or_else(|e| panic!("{short}: {e}"))
    }

    pub fn rule(&self, name: &str, short: &str) {
        self.seed(&format!("nsg/n/{name}"), rule_body(short));
    }

    pub fn show(&self, short: &str) -> Value {
        self.front.world().perform("GET", id(short).as_str(), &Value::Null).unwrap()
    }

    pub async fn estate(&self) -> Estate {
        observe(&self.arm, &[SUBSCRIPTION.to_owned()]).await.unwrap()
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

/// The id of a short name: empty is the resource group `rg`; `nsg/N[/RULE]`, `vnet/N[/SUBNET]`, `peer/N/PEERING`,
/// `asg/N`, `nic/N`, `vm/N`, `vmss/N[/N/NIC]`; a leading `other:` is in the resource group `other`.
pub fn id(short: &str) -> ArmId {
    let (group, short) = short.split_once(':').unwrap_or(("rg", short));
    let group = format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/{group}");
    let (kind, names) = short.split_once('/').unwrap_or((short, ""));
    let types: &[&str] = match kind {
        "" => return ArmId::new(&group),
        "nsg" => &["Microsoft.Network/networkSecurityGroups", "securityRules"],
        "vnet" => &["Microsoft.Network/virtualNetworks", "subnets"],
        "peer" => &["Microsoft.Network/virtualNetworks", "virtualNetworkPeerings"],
        "asg" => &["Microsoft.Network/applicationSecurityGroups"],
        "nic" => &["Microsoft.Network/networkInterfaces"],
        "vm" => &["Microsoft.Compute/virtualMachines"],
        "vmss" => &["Microsoft.Compute/virtualMachineScaleSets", "virtualMachines", "networkInterfaces"],
        other => panic!("{other}"),
    };
    let parts: Vec<String> = types.iter().zip(names.split('/')).map(|(t, n)| format!("{t}/{n}")).collect();
    ArmId::new(&format!("{group}/providers/{}", parts.join("/")))
}

pub fn at(properties: Value) -> Value {
    json!({ "location": "westeurope", "properties": properties })
}

pub fn tagged(properties: Value) -> Value {
    json!({ "location": "westeurope", "tags": { "owner": "them" }, "properties": properties })
}

pub fn interface(subnet: &str, groups: &[&str]) -> Value {
    let groups: Vec<Value> =
        groups.iter().map(|group| json!({ "id": id(&format!("asg/{group}")) })).collect();
    tagged(json!({ "ipConfigurations": [
        { "name": "c", "properties": { "subnet": { "id": id(subnet) }, "applicationSecurityGroups": groups } }] }))
}

pub fn machine(interfaces: &[&str]) -> Value {
    let list: Vec<Value> = interfaces.iter().map(|short| json!({ "id": id(short) })).collect();
    tagged(json!({ "networkProfile": { "networkInterfaces": list } }))
}

/// `PRIORITY in|out allow|deny PROTOCOL SOURCE DESTINATION PORTS`: sides are `*`, a tag, a block, several blocks with
/// `,` between, or `asg:web,db`; ports are `*` or ranges with `,` between.
pub fn rule_body(short: &str) -> Value {
    let words: Vec<&str> = short.split(' ').collect();
    let [priority, direction, access, protocol, source, destination, ports] =
        words.try_into().unwrap_or_else(|_| panic!("{short}"));
    let mut properties = json!({
        "priority": priority.parse::<u32>().unwrap(),
        "direction": if direction == "in" { "Inbound" } else { "Outbound" },
        "access": if access == "allow" { "Allow" } else { "Deny" },
        "protocol": protocol,
        "sourcePortRange": "*",
    });
    for (end, text) in [("source", source), ("destination", destination)] {
        if let Some(groups) = text.strip_prefix("asg:") {
            let groups: Vec<Value> =
                groups.split(',').map(|group| json!({ "id": id(&format!("asg/{group}")) })).collect();
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

/// A rule of ours in its short form.
pub fn rule(name: &str, short: &str) -> Rule {
    let mut body = rule_body(short);
    body["name"] = json!(name);
    serde_json::from_value(body).unwrap()
}

/// A change that puts one rule.
pub fn put(rule: Rule) -> RuleChange {
    RuleChange { put: vec![rule], delete: Vec::new(), flush: Flush::AsIs }
}

/// A change that deletes one rule.
pub fn delete(name: &str) -> RuleChange {
    RuleChange { put: Vec::new(), delete: vec![name.to_owned()], flush: Flush::AsIs }
}
