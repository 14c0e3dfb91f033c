//! What there is, and what of it is somebody else's.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use mock_gcp::World;
use mock_gcp::link::own_path;
use mock_gcp::state::{Kind, text_of, texts_of};
use serde_json::Value;

use crate::seed::network_path;
use crate::tagged_hand;

/// Everything by the driver's ids; also policies that are attached to nothing, and keys without a value.
pub fn inventory(world: &World) -> BTreeSet<String> {
    let state = &world.state;
    let networks = state.of_kind(Kind::Network).map(|(path, _)| path.clone());
    let mut found: BTreeSet<String> = networks.collect();
    found.extend(state.nics().map(|nic| nic.replace("/nic", "#nic")));
    found.extend(state.tag_values.keys().map(|value| format!("tagValues/{value}")));
    let used: BTreeSet<&str> = state.tag_values.values().map(|value| value.parent.as_str()).collect();
    let keys = state.tag_keys.keys().map(|key| format!("tagKeys/{key}"));
    found.extend(keys.filter(|key| !used.contains(key.as_str())));
    for (path, policy) in state.of_kind(Kind::FirewallPolicy) {
        found.insert(path.clone());
        let rules = policy.body["rules"].as_array().into_iter().flatten();
        found.extend(rules.map(|rule| format!("{path}/{}", rule["priority"])));
    }
    for (_, rule) in state.of_kind(Kind::Firewall) {
        let network = own_path(text_of(&rule.body, "network").unwrap());
        found.insert(format!("{}/{}", list_of(world, network), text_of(&rule.body, "name").unwrap()));
    }
    found
}

/// The list of the classic rules of a network.
fn list_of(world: &World, network: &str) -> String {
    let body = &world.state.get_kind(network, Kind::Network).unwrap().body;
    let is_last = text_of(body, "networkFirewallPolicyEnforcementOrder") == Some("BEFORE_CLASSIC_FIREWALL");
    format!("{}:{network}", if is_last { "classic-last" } else { "classic-first" })
}

/// Classic rules, tags and policies of somebody else, and what of theirs is on instances and networks.
pub fn text(world: &World, installation: &str) -> String {
    let mut text = String::new();
    let is_ours = |description: Option<&str>| {
        description.is_some_and(|text| text.starts_with(&format!("bulkhead installation={installation} ")))
    };
    for kind in [Kind::Firewall, Kind::FirewallPolicy] {
        for (path, found) in world.state.of_kind(kind) {
            if !is_ours(text_of(&found.body, "description")) {
                writeln!(text, "{path} {}", Value::from(found.body.clone())).unwrap();
            }
        }
    }
    let mut foreign = BTreeSet::new();
    for (number, tag) in world.state.tag_keys.iter().chain(&world.state.tag_values) {
        if !is_ours(text_of(&tag.body, "description")) {
            foreign.insert(*number);
            writeln!(text, "tag {number} {}", Value::from(tag.body.clone())).unwrap();
        }
    }
    for (instance, value) in world.state.bindings.iter().filter(|(_, value)| foreign.contains(value)) {
        writeln!(text, "{instance} has {value}").unwrap();
    }
    for (path, instance) in world.state.of_kind(Kind::Instance) {
        let tags = texts_of(instance.body["tags"].as_object().unwrap(), "items");
        let theirs: Vec<String> =
            tags.into_iter().filter(|tag| !tagged_hand::is_ours(world, installation, tag)).collect();
        writeln!(text, "{path} {theirs:?} {}", instance.body["networkInterfaces"]).unwrap();
    }
    for (path, network) in world.state.of_kind(Kind::Network) {
        let order = text_of(&network.body, "networkFirewallPolicyEnforcementOrder");
        debug_assert_eq!(network_path(path.rsplit('/').next().unwrap()), *path);
        writeln!(text, "{path} {order:?} {:?}", network.body.get("peerings")).unwrap();
    }
    text
}
