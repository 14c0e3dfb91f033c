//! A project that is as its policy says: networks of 50 classes of ten instances, each class with ten rules for other
//! classes of its network and ten for addresses.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use mock_gcp::{GcpFront, Limits, Settings, World};
use plan::guard::GuardSettings;
use plan::{Attachment, Cloud, Drift, Gates, Scope, Transients};
use policy::file::{SourceFile, load};
use provider::CloudReader;
use provider_gcp::{GcpReader, GcpSettings, GcpWriter};
use reconcile::mapping::{Case, Mapping, MappingEntry, Part};
use reconcile::pass::{HeldBack, Pass};
use reconcile::planning::Intent;
use serde_json::{Value, json};

use crate::replay::{Replay, Simulated};

const PROJECT: &str = "demo-project";
const REGION: &str = "europe-west1";
const ZONE: &str = "europe-west1-b";
const MEMBERS: usize = 10;
const PEERS: usize = 10;
/// So that a policy has about a thousand rules.
const CLASSES_PER_NETWORK: usize = 50;
/// Attributes of a policy: raised, as a thousand rules of one tag each need.
const ATTRIBUTES_MAX: usize = 20_000;

/// An estate and what should be.
pub struct Estate {
    pub replay: Replay,
    pub scope: Scope,
    pub intent: Intent,
}

impl Estate {
    /// A reader that has read nothing yet.
    pub fn reader(&self) -> Box<dyn CloudReader> {
        Box::new(GcpReader::new(self.replay.api(), settings()))
    }

    /// Made by the driver itself, over the simulator.
    pub async fn converged(classes: usize) -> Self {
        let limits = Limits { policy_tuples: ATTRIBUTES_MAX, ..Limits::default() };
        let mut world = World::new(Settings {
            limits,
            throttle: false,
            call_ms: 0,
            operation_ms: 0,
            delay_ms: (0, 0),
            default_network: false,
            ..Settings::default()
        });
        seed(&mut world, classes);
        let replay = Replay::new(GcpFront::new(world));
        let estate = Self { scope: scope(), intent: intent(classes, None), replay };
        let writer = GcpWriter::new(estate.replay.api(), settings());
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
            assert!(status.unobserved.is_empty(), "{:?}", status.unobserved);
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

fn insert(world: &mut World, collection: &str, name: &str, mut body: Value) {
    body["name"] = json!(name);
    let at = format!("projects/{PROJECT}/{collection}");
    world.perform("POST", &at, &body).unwrap_or_else(|error| panic!("{at}: {error}"));
}

fn link(at: &str) -> Value {
    json!(format!("https://www.googleapis.com/compute/v1/projects/{PROJECT}/{at}"))
}

fn seed(world: &mut World, classes: usize) {
    for network in 0..classes.div_ceil(CLASSES_PER_NETWORK) {
        let name = format!("net-{network}");
        let order = "BEFORE_CLASSIC_FIREWALL";
        let body = json!({ "autoCreateSubnetworks": false, "networkFirewallPolicyEnforcementOrder": order });
        insert(world, "global/networks", &name, body);
        let body = json!({ "network": link(&format!("global/networks/{name}")),
            "ipCidrRange": format!("10.{network}.0.0/20") });
        insert(world, &format!("regions/{REGION}/subnetworks"), &name, body);
    }
    for number in 0..classes * MEMBERS {
        let class = number % classes;
        let subnetwork = format!("regions/{REGION}/subnetworks/net-{}", class / CLASSES_PER_NETWORK);
        let body = json!({
            "machineType": format!("zones/{ZONE}/machineTypes/e2-micro"),
            "labels": { "role": format!("r{class}"), "owner": "them" },
            "networkInterfaces": [{ "subnetwork": link(&subnetwork), "stackType": "IPV4_ONLY" }] });
        insert(world, &format!("zones/{ZONE}/instances"), &format!("vm-{number}"), body);
    }
}

/// Of the driver.
pub fn settings() -> GcpSettings {
    GcpSettings { attributes_max: ATTRIBUTES_MAX, ..GcpSettings::new("bench") }
}

fn scope() -> Scope {
    Scope {
        id: "bench".into(),
        cloud: Cloud::Gcp,
        account: PROJECT.to_owned(),
        region: String::new(),
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
            let source = first + (class - first + peer + 1) % CLASSES_PER_NETWORK.min(classes - first);
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
