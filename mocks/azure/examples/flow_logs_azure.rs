//! Writes the flow logs of a small subscription into a folder, for readers that nobody here wrote.
//!
//! `flow_logs_azure FOLDER [SEED]`: `FOLDER/network` holds the blobs of virtual network flow logs, `FOLDER/group` those
//! of security group flow logs; `sent.tsv` says what was put on the wire and how far it came, `interfaces.tsv` the MAC
//! address of each interface and whether security groups filter it.

use std::error::Error;
use std::path::{Path, PathBuf};

use mock_azure::flow_logs::{FlowLogs, Kind, Settings};
use mock_azure::state::Typed;
use mock_azure::{End, World};
use mock_cloud::time::unix_ms;
use mock_cloud::traffic::{Shape, judge, random};
use mock_cloud::written::gather;
use mock_cloud::{Conversation, Passage};
use serde_json::{Value, json};

const HERE: &str = "/resourceGroups/rg";

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = PathBuf::from(arguments.next().ok_or("the folder to write into is missing")?);
    let seed = arguments.next().map_or(Ok(1), |seed| seed.parse())?;
    let (world, interfaces) = world()?;
    let passages = judge(&[&world], traffic(&world, seed));
    for (name, kind) in [("network", Kind::VirtualNetwork), ("group", Kind::SecurityGroup)] {
        let from_ms = unix_ms(world.now_ms());
        let mut logs = FlowLogs::new(Settings { kind, seed, ..Settings::default() }, from_ms);
        logs.add(&world, &passages);
        // In steps, as blobs grow.
        let steps = (0..200).flat_map(|minute| logs.advance(from_ms + minute * 60_000));
        for (key, bytes) in gather(steps) {
            put(&folder.join(name).join(key), &bytes)?;
        }
    }
    let rows = passages.iter().map(|passage| passage.row() + "\n");
    put(&folder.join("sent.tsv"), (format!("{}\n", Passage::HEADER) + &rows.collect::<String>()).as_bytes())?;
    put(&folder.join("interfaces.tsv"), interfaces.as_bytes())?;
    Ok(())
}

fn put(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    std::fs::create_dir_all(path.parent().unwrap_or(path))?;
    std::fs::write(path, bytes)
}

/// Three interfaces behind a security group and one that nothing filters; flows have a timeout.
fn world() -> Result<(World, String), Box<dyn Error>> {
    let mut world = World::new(mock_azure::Settings { operation_ms: 0, ..Default::default() });
    let of = format!("{HERE}/providers/Microsoft.Network");
    let at = |properties: Value| json!({ "location": "westeurope", "properties": properties });
    world.perform("PUT", HERE, &json!({ "location": "westeurope" }))?;
    let group = world.perform("PUT", &format!("{of}/networkSecurityGroups/guard"), &at(json!({})))?;
    for (name, access, priority, port) in [("in-db", "Allow", 100, "5432"), ("no-ssh", "Deny", 200, "22")] {
        let rule = json!({ "properties": { "protocol": "*", "access": access, "direction": "Inbound",
            "priority": priority, "sourceAddressPrefix": "*", "sourcePortRange": "*",
            "destinationAddressPrefix": "*", "destinationPortRange": port } });
        world.perform("PUT", &format!("{of}/networkSecurityGroups/guard/securityRules/{name}"), &rule)?;
    }
    let subnet = |name: &str, block: &str, guarded: bool| {
        let mut properties = json!({ "addressPrefix": block });
        if let (true, Some(fields)) = (guarded, properties.as_object_mut()) {
            fields.insert("networkSecurityGroup".to_owned(), json!({ "id": group.get("id") }));
        }
        json!({ "name": name, "properties": properties })
    };
    let network =
        at(json!({ "addressSpace": { "addressPrefixes": ["10.0.0.0/16"] }, "flowTimeoutInMinutes": 4,
        "subnets": [subnet("guarded", "10.0.1.0/24", true), subnet("open", "10.0.2.0/24", false)] }));
    let network = world.perform("PUT", &format!("{of}/virtualNetworks/v"), &network)?;
    let network = network.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut interfaces = String::new();
    for (name, subnet) in [("a", "guarded"), ("b", "guarded"), ("c", "guarded"), ("d", "open")] {
        let id = json!({ "id": format!("{network}/subnets/{subnet}") });
        let body = at(json!({ "ipConfigurations": [{ "name": "c", "properties": { "subnet": id } }] }));
        let made = world.perform("PUT", &format!("{of}/networkInterfaces/{name}"), &body)?;
        let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
        let mac = text(made.get("properties").and_then(|properties| properties.get("macAddress")));
        interfaces += &format!("{}\t{mac}\t{subnet}\n", text(made.get("id")).to_lowercase());
    }
    world.advance_ms(10_000);
    Ok((world, interfaces))
}

fn traffic(world: &World, seed: u64) -> Vec<Conversation> {
    let mut ends: Vec<End> = Vec::new();
    for (key, held) in world.state.interfaces() {
        let Typed::Interface { configurations, .. } = &held.typed else { continue };
        ends.extend(configurations.iter().map(|one| End::Interface(key.clone(), one.address)));
    }
    ends.extend(
        ["192.0.2.1", "198.51.100.7"].into_iter().filter_map(|text| text.parse().ok()).map(End::External),
    );
    let from_ms = unix_ms(world.now_ms());
    random(&ends, &Shape { seed, count: 1_000, from_ms, span_ms: 3_600_000 })
}
