//! Writes the logs of a small project into a folder, for readers that nobody here wrote.
//!
//! `flow_logs_gcp FOLDER [SEED]`: `FOLDER/bucket` holds what a sink writes; `sent.tsv` says what was put on the wire
//! and how far it came, `interfaces.tsv` whether the subnetwork of each interface says who machines are.

use std::error::Error;
use std::path::{Path, PathBuf};

use mock_cloud::time::unix_ms;
use mock_cloud::traffic::{Shape, judge, random};
use mock_cloud::{Conversation, Passage};
use mock_gcp::flow_logs::{Settings, write};
use mock_gcp::{End, World};
use serde_json::json;

const PROJECT: &str = "projects/demo-project";

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = PathBuf::from(arguments.next().ok_or("the folder to write into is missing")?);
    let seed = arguments.next().map_or(Ok(1), |seed| seed.parse())?;
    let world = world()?;
    let passages = judge(&[&world], traffic(&world, seed));
    for (key, bytes) in write(&world, &passages, &Settings { seed, late_s: 900, ..Settings::default() }) {
        put(&folder.join("bucket").join(key), &bytes)?;
    }
    let rows = passages.iter().map(|passage| passage.row() + "\n");
    put(&folder.join("sent.tsv"), (format!("{}\n", Passage::HEADER) + &rows.collect::<String>()).as_bytes())?;
    let mut interfaces = String::new();
    for interface in world.state.nics() {
        let Some((_, _, nic)) = world.state.nic(&interface) else { continue };
        interfaces += &format!("{interface}\t{}\n", nic.subnetwork);
    }
    put(&folder.join("interfaces.tsv"), interfaces.as_bytes())?;
    Ok(())
}

fn put(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    std::fs::create_dir_all(path.parent().unwrap_or(path))?;
    std::fs::write(path, bytes)
}

/// Machines on two subnetworks that report everything, one of them without details; rules with and without logging.
fn world() -> Result<World, Box<dyn Error>> {
    let mut world =
        World::new(mock_gcp::Settings { default_network: false, operation_ms: 0, ..Default::default() });
    let network = json!({ "name": "v", "autoCreateSubnetworks": false });
    world.perform("POST", &format!("{PROJECT}/global/networks"), &network)?;
    for (name, block, metadata) in
        [("told", "10.0.1.0/24", "INCLUDE_ALL_METADATA"), ("bare", "10.0.2.0/24", "EXCLUDE_ALL_METADATA")]
    {
        let subnetwork = json!({ "name": name, "network": "global/networks/v", "ipCidrRange": block,
            "logConfig": { "enable": true, "flowSampling": 1.0, "aggregationInterval": "INTERVAL_30_SEC",
                "metadata": metadata } });
        world.perform("POST", &format!("{PROJECT}/regions/europe-west1/subnetworks"), &subnetwork)?;
    }
    let rule = |name: &str, direction: &str, access: &str, protocol: &str, ports: &[&str], logged: bool| {
        let mut service = json!({ "IPProtocol": protocol });
        if let (false, Some(fields)) = (ports.is_empty(), service.as_object_mut()) {
            fields.insert("ports".to_owned(), json!(ports));
        }
        json!({ "name": name, "network": "global/networks/v", "direction": direction, access: [service],
            "logConfig": { "enable": logged } })
    };
    for body in [
        rule("in-db", "INGRESS", "allowed", "tcp", &["5432", "3306"], true),
        rule("in-web", "INGRESS", "allowed", "tcp", &["80", "443"], false),
        rule("in-dns", "INGRESS", "allowed", "udp", &["53"], true),
        rule("in-ping", "INGRESS", "allowed", "icmp", &[], true),
        rule("no-ssh", "INGRESS", "denied", "tcp", &["22"], true),
        rule("no-redis", "EGRESS", "denied", "tcp", &["6379"], true),
    ] {
        world.perform("POST", &format!("{PROJECT}/global/firewalls"), &body)?;
    }
    for (name, subnetwork) in [("a", "told"), ("b", "told"), ("c", "bare"), ("d", "bare")] {
        let machine = json!({ "name": name, "networkInterfaces": [
            { "subnetwork": format!("regions/europe-west1/subnetworks/{subnetwork}") }] });
        world.perform("POST", &format!("{PROJECT}/zones/europe-west1-b/instances"), &machine)?;
    }
    world.advance_ms(10_000);
    Ok(world)
}

fn traffic(world: &World, seed: u64) -> Vec<Conversation> {
    let mut ends: Vec<End> = Vec::new();
    for interface in world.state.nics() {
        let Some((_, _, nic)) = world.state.nic(&interface) else { continue };
        ends.extend(nic.primary.iter().map(|address| End::Interface(interface.clone(), *address)));
    }
    ends.extend(
        ["192.0.2.1", "198.51.100.7"].into_iter().filter_map(|text| text.parse().ok()).map(End::External),
    );
    let from_ms = unix_ms(world.now_ms());
    random(&ends, &Shape { seed, count: 1_000, from_ms, span_ms: 3_600_000 })
}
