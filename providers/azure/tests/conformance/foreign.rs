//! What there is, and what of it is somebody else's.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use mock_azure::World;
use mock_azure::path::Kind;
use mock_azure::state::Typed;
use serde_json::{Value, json};

use crate::seed::show;

/// Everything by the driver's ids. A group of somebody else that nobody is in is in no network.
pub fn inventory(world: &World) -> BTreeSet<String> {
    let state = &world.state;
    let keys = |kind| state.of_kind(kind).map(|(key, _)| key.clone());
    let mut found: BTreeSet<String> = keys(Kind::VirtualNetwork).chain(keys(Kind::Interface)).collect();
    found.extend(keys(Kind::SecurityGroup));
    for (key, rule) in state.of_kind(Kind::Rule) {
        let list = key.split("/securityrules/").next().unwrap();
        found.insert(format!("{list}/{}", rule.name()));
    }
    let mut joined = BTreeSet::new();
    for (_, interface) in state.of_kind(Kind::Interface) {
        if let Typed::Interface { configurations, .. } = &interface.typed {
            joined.extend(configurations.iter().flat_map(|one| one.groups.clone()));
        }
    }
    let is_ours = |key: &String| key.contains("/bulkhead-conformance-") && !key.contains("-eu-");
    found.extend(keys(Kind::ApplicationGroup).filter(|key| joined.contains(key) || is_ours(key)));
    found
}

/// Security groups with the rules of somebody else, and everything else without what is ours in it.
pub fn text(world: &mut World, installation: &str) -> String {
    let prefix = format!("bulkhead-{installation}-");
    let is_ours = |name: &str| name.starts_with(&prefix) && !name.contains("-eu-");
    let mut text = String::new();
    for kind in [Kind::SecurityGroup, Kind::ApplicationGroup, Kind::Interface, Kind::VirtualNetwork] {
        let keys: Vec<String> = world.state.of_kind(kind).map(|(key, _)| key.clone()).collect();
        for key in keys {
            let mut shown = show(world, &key);
            if kind == Kind::ApplicationGroup && is_ours(shown["name"].as_str().unwrap()) {
                continue;
            }
            clean(&mut shown, &is_ours);
            writeln!(text, "{key} {shown}").unwrap();
        }
    }
    text
}

/// Takes out versions, references to what is ours, and rules of ours.
fn clean(value: &mut Value, is_ours: &dyn Fn(&str) -> bool) {
    let is_of_ours = |item: &Value| {
        let id = item["id"].as_str().unwrap_or_default();
        let is_rule = id.to_lowercase().contains("/securityrules/");
        let is_group = id.to_lowercase().contains("/applicationsecuritygroups/");
        (is_rule || is_group) && is_ours(id.rsplit('/').next().unwrap())
    };
    match value {
        Value::Array(items) => {
            items.retain(|item| !is_of_ours(item));
            items.iter_mut().for_each(|item| clean(item, is_ours));
        }
        Value::Object(fields) => {
            // An empty list and none are the same to the cloud.
            for (name, field) in fields.iter_mut() {
                if matches!(name.as_str(), "etag" | "appliedDnsServers") {
                    *field = Value::Null;
                }
                clean(field, is_ours);
            }
            fields.retain(|_, field| *field != json!([]) && !field.is_null());
        }
        _ => {}
    }
}
