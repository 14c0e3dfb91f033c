//! A subscription that is as its policy says: classes of ten machines, each behind a security group of its own, with 13
//! rules for other classes of its virtual network and 13 for addresses.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use mock_azure::{AzureFront, Limits, Settings, World};
use plan::guard::GuardSettings;
use plan::{Attachment, Cloud, Drift, Gates, Scope, Transients};
use policy::file::{SourceFile, load};
use provider::CloudReader;
use provider_azure::{AzureReader, AzureSettings, AzureWriter, Writer};
use reconcile::mapping::{Case, Mapping, MappingEntry, Part};
use reconcile::pass::{HeldBack, Pass};
use reconcile::planning::Intent;
use serde_json::{Value, json};

use crate::replay::{Replay, Simulated};

const SUBSCRIPTION: &str = "11111111-2222-4333-8444-555555555555";
const MEMBERS: usize = 10;
const PEERS: usize = 13;
/// An application security group holds 4,000 addresses, and one is for all that is closed in a network.
const CLASSES_PER_NETWORK: usize = 250;

/// An estate and what should be.
pub struct Estate {
    pub replay: Replay,
    pub scope: Scope,
    pub intent: Intent,
}

impl Estate {
    /// A reader that has read nothing yet.
    pub fn reader(&self) -> Box<dyn CloudReader> {
        Box::new(AzureReader::new(self.replay.arm(), AzureSettings::new("bench")))
    }

    /// Made by the driver itself, over the simulator.
    pub async fn converged(classes: usize) -> Self {
        let settings = Settings {
            throttle: false,
            call_ms: 0,
            operation_ms: 0,
            delay_ms: (0, 0),
            ..Settings::default()
        };
        let mut world = World::new(Settings { limits: Limits::default(), ..settings });
        seed(&mut world, classes);
        let replay = Replay::new(AzureFront::new(world));
        let settings = AzureSettings::new("bench");
        let estate = Self { scope: scope(), intent: intent(classes, None), replay };
        let writer = AzureWriter::new(Writer::new(estate.replay.arm()), settings);
        let clock = Simulated(estate.replay.front.clone());
        let reader = estate.reader();
        let pass = Pass {
            reader: reader.as_ref(),
            writer: Some(&writer),
            clock: &clock,
            scopes: std::slice::from_ref(&estate.scope),
            stop: Default::default(),
            concurrent_max: 8,
            quiet_since_ms: Some(0),
            progress: &|_| {},
            remember: &|_| {},
        };
        for _ in 0..2 {
            let status = pass.run(&estate.intent, None).await;
            assert!(status.planned.plan.blocks.is_empty(), "{:#?}", status.planned.plan.blocks);
            if status.held_back == Some(HeldBack::Nothing) {
                return estate;
            }
            let undone = status.steps.iter().find(|step| !step.outcome.is_done());
            assert!(undone.is_none(), "{undone:#?}");
        }
        panic!("one pass does not bring it there");
    }
}

/// The address of a resource by its type and name.
fn at(kind: &str, name: &str) -> String {
    let provider =
        if kind.starts_with("virtualMachines") { "Microsoft.Compute" } else { "Microsoft.Network" };
    format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/rg/providers/{provider}/{kind}/{name}")
}

fn put(world: &mut World, at: &str, mut body: Value) {
    body["location"] = json!("westeurope");
    world.perform("PUT", at, &body).unwrap_or_else(|error| panic!("{at}: {error}"));
}

fn seed(world: &mut World, classes: usize) {
    put(world, &format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/rg"), json!({}));
    let network_of = |class: usize| at("virtualNetworks", &format!("vnet-{}", class / CLASSES_PER_NETWORK));
    let mut subnets: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for class in 0..classes {
        let nsg = at("networkSecurityGroups", &format!("nsg-{class}"));
        put(world, &nsg, json!({ "tags": { "owner": "network-team" } }));
        let (network, own) = (class / CLASSES_PER_NETWORK, class % CLASSES_PER_NETWORK);
        let subnet = json!({ "addressPrefix": format!("10.{network}.{own}.0/24"),
            "networkSecurityGroup": { "id": nsg } });
        let subnet = json!({ "name": format!("subnet-{class}"), "properties": subnet });
        subnets.entry(network_of(class)).or_default().push(subnet);
    }
    for (number, (network, subnets)) in subnets.into_iter().enumerate() {
        let space = json!({ "addressPrefixes": [format!("10.{number}.0.0/16")] });
        put(world, &network, json!({ "properties": { "addressSpace": space, "subnets": subnets } }));
    }
    for number in 0..classes * MEMBERS {
        let class = number % classes;
        let interface = at("networkInterfaces", &format!("vm-{number}-nic"));
        let subnet = json!({ "id": format!("{}/subnets/subnet-{class}", network_of(class)) });
        put(
            world,
            &interface,
            json!({ "properties": { "ipConfigurations": [
            { "name": "ipconfig1", "properties": { "subnet": subnet } }] } }),
        );
        let tags = json!({ "role": format!("r{class}"), "owner": "them" });
        let profile = json!({ "networkInterfaces": [{ "id": interface }] });
        let body = json!({ "tags": tags, "properties": { "networkProfile": profile } });
        put(world, &at("virtualMachines", &format!("vm-{number}")), body);
    }
}

fn scope() -> Scope {
    Scope {
        id: "bench".into(),
        cloud: Cloud::Azure,
        account: SUBSCRIPTION.to_owned(),
        region: "westeurope".to_owned(),
        networks: Vec::new(),
        enforce: true,
        egress: false,
        attachment: Attachment::Additive,
        drift: Drift::Repair,
        settle_ms: 0,
        transients: Transients::Keep,
        gates: Gates::default(),
    }
}

/// Rules of every class besides, each for a list and a port of its own.
#[derive(Clone, Copy)]
pub struct Extra {
    pub rules: usize,
    pub first_port: usize,
}

/// What should be.
pub fn intent(classes: usize, extra: Option<Extra>) -> Intent {
    let extra = extra.unwrap_or(Extra { rules: 0, first_port: 0 });
    let mut text = String::from("labels:\n  role: [");
    (0..classes).for_each(|class| write!(text, "r{class}, ").unwrap());
    text.push_str("other]\nip_lists:\n");
    for list in 0..PEERS {
        writeln!(text, "  l{list}: {{ addresses: [192.0.2.{}] }}", list * 2 + 1).unwrap();
    }
    for list in 0..extra.rules {
        writeln!(text, "  e{list}: {{ addresses: [198.51.100.{}] }}", list * 2 + 1).unwrap();
    }
    text.push_str(
        "enforcement:\n  - { match: [not role=other], mode: full }\nrulesets:\n  - name: bench\n    rules:\n",
    );
    for class in 0..classes {
        for peer in 0..PEERS {
            let own = format!("destinations: [role=r{class}], services: [tcp/{}]", 1000 + 4 * peer);
            let first = class / CLASSES_PER_NETWORK * CLASSES_PER_NETWORK;
            let count = CLASSES_PER_NETWORK.min(classes - first);
            let source = first + (class - first + peer + 1) % count;
            writeln!(text, "      - {{ name: c{class}-{peer}, sources: [role=r{source}], {own} }}").unwrap();
            let own = format!("destinations: [role=r{class}], services: [tcp/{}]", 2000 + 4 * peer);
            writeln!(text, "      - {{ name: l{class}-{peer}, sources: [list:l{peer}], {own} }}").unwrap();
        }
    }
    for (class, list) in (0..classes).flat_map(|class| (0..extra.rules).map(move |list| (class, list))) {
        let port = extra.first_port + list;
        let own = format!("destinations: [role=r{class}], services: [tcp/{port}]");
        writeln!(text, "      - {{ name: e{class}-{list}, sources: [list:e{list}], {own} }}").unwrap();
    }
    let entry = MappingEntry {
        key: "role".into(),
        tag: "role".to_owned(),
        part: Part::Whole,
        case: Case::Lower,
        values: BTreeMap::new(),
    };
    // Everything is open before the first pass: that it closes is what is asked for.
    let allow = ["lose-peer", "remove-rules", "lose-all-ingress"].map(str::to_owned);
    Intent {
        installation: "bench".to_owned(),
        files: load(&[SourceFile { name: "bench.yaml".to_owned(), text }]).unwrap(),
        policy_digest: String::new(),
        policy_commit: None,
        mapping: Mapping { entries: vec![entry] },
        translations: Vec::new(),
        guards: GuardSettings { allow: BTreeSet::from(allow), ..GuardSettings::default() },
    }
}
