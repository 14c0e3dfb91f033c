//! Microsoft.Network's own models (azure_mgmt_network 0.21, made from the swagger of 2024-03-01) read what the Azure
//! driver sends and what it makes of what it reads, and write it back: nothing may be missing, nothing may differ.
//!
//! A field that the swagger does not have is dropped by the models, so it shows as missing. Empty lists and nulls are
//! left out by them and mean nothing. The fixtures are checked against the driver in `provider-azure`.

use std::collections::BTreeSet;
use std::path::Path;

use azure_mgmt_network::package_2024_03::models;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

fn fixture(name: &str) -> Value {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(format!("{name}.json"));
    serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap()
}

/// Without nulls and empty lists.
fn told(value: &Value) -> Value {
    let says = |value: &Value| !value.is_null() && value.as_array().is_none_or(|list| !list.is_empty());
    match value {
        Value::Object(fields) => fields
            .iter()
            .map(|(name, inner)| (name.clone(), told(inner)))
            .filter(|(_, inner)| says(inner))
            .collect(),
        Value::Array(items) => items.iter().map(told).collect(),
        other => other.clone(),
    }
}

fn differing(at: &str, ours: &Value, theirs: &Value, found: &mut BTreeSet<String>) {
    match (ours, theirs) {
        (Value::Object(a), Value::Object(b)) => {
            for name in a.keys().chain(b.keys()) {
                let inner = |of: &serde_json::Map<String, Value>| of.get(name).cloned().unwrap_or_default();
                differing(&format!("{at}.{name}"), &inner(a), &inner(b), found);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (n, (a, b)) in a.iter().zip(b).enumerate() {
                differing(&format!("{at}[{n}]"), a, b, found);
            }
        }
        _ if ours == theirs => {}
        _ => drop(found.insert(format!("{at}: ours {ours}, theirs {theirs}"))),
    }
}

fn check<T: Serialize + DeserializeOwned>(name: &str, seen: &mut BTreeSet<String>) {
    seen.insert(name.to_owned());
    let ours = fixture(name);
    let model: T = serde_json::from_value(ours.clone()).unwrap_or_else(|error| panic!("{name}: {error}"));
    let theirs = serde_json::to_value(&model).unwrap();
    let mut found = BTreeSet::new();
    differing(name, &told(&ours), &told(&theirs), &mut found);
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn every_fixture_goes_through_the_models_unchanged() {
    let mut seen = BTreeSet::new();
    for folder in ["sent", "read"] {
        let of = |name: &str| format!("{folder}/{name}");
        check::<models::ApplicationSecurityGroup>(&of("application_group"), &mut seen);
        check::<models::NetworkSecurityGroup>(&of("security_group"), &mut seen);
        check::<models::SecurityRule>(&of("rule"), &mut seen);
        check::<models::NetworkInterface>(&of("interface"), &mut seen);
        check::<models::Subnet>(&of("subnet"), &mut seen);
    }
    check::<models::NetworkSecurityGroup>("sent/security_group_new", &mut seen);
    check::<models::NetworkInterface>("read/interface_of_machine", &mut seen);
    check::<models::VirtualNetwork>("read/network", &mut seen);
    check::<models::EffectiveBaseSecurityAdminRuleUnion>("read/admin_rule", &mut seen);

    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    for folder in ["sent", "read"] {
        for entry in std::fs::read_dir(root.join(folder)).unwrap() {
            let name = entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned();
            assert!(seen.contains(&format!("{folder}/{name}")), "{folder}/{name} is judged by nobody");
        }
    }
}

#[test]
fn a_field_that_the_swagger_does_not_have_is_found() {
    let mut ours = fixture("sent/rule");
    ours["properties"]["destinationPortRang"] = Value::from("443");
    let model: models::SecurityRule = serde_json::from_value(ours.clone()).unwrap();
    let mut found = BTreeSet::new();
    differing("rule", &told(&ours), &told(&serde_json::to_value(&model).unwrap()), &mut found);
    assert_eq!(found.len(), 1, "{found:?}");
}
