//! Complaints about fields that a client should not write.

use mock_azure::Problem;
use serde_json::{Value, json};

use crate::harness::{Cloud, at, rule};

/// The complaints so far, as `resource field problem`.
fn complaints(cloud: &Cloud) -> Vec<String> {
    let world = cloud.front.world();
    let line = |complaint: &mock_azure::Complaint| {
        let name = complaint.resource.rsplit('/').next().unwrap();
        let word = if complaint.problem == Problem::ReadOnly { "read-only" } else { "unknown" };
        format!("{name} {} {word}", complaint.field)
    };
    world.complaints.iter().map(line).collect()
}

#[test]
fn a_clean_body_is_no_complaint() {
    let cloud = Cloud::quick();
    let mut body = rule("100 in allow Tcp asg:web asg:db 80,443");
    body["name"] = json!("r");
    body["properties"]["description"] = json!("text");
    cloud.put("nsg/n/r", body);
    cloud.put("nic/i", crate::harness::interface("vnet/v/s", &["web"]));
    assert_eq!(complaints(&cloud), Vec::<String>::new());
}

#[test]
fn what_was_read_and_is_written_back_is_complained_about_and_ignored() {
    let cloud = Cloud::quick();
    cloud.rule("r", "100 in allow Tcp * * 1");
    let mut read = cloud.get("nsg/n");
    read["properties"]["resourceGuid"] = json!("mine");
    assert_eq!(cloud.put("nsg/n", read), "ok");
    assert_ne!(cloud.get("nsg/n")["properties"]["resourceGuid"], "mine");
    assert_eq!(
        complaints(&cloud),
        [
            "n etag read-only",
            "n name read-only",
            "n properties.defaultSecurityRules read-only",
            "n properties.provisioningState read-only",
            "n properties.resourceGuid read-only",
            "n properties.securityRules[0].etag read-only",
            "n properties.securityRules[0].properties.provisioningState read-only",
            "n type read-only",
        ]
    );
}

#[test]
fn an_unknown_field_is_complained_about_unless_it_was_there() {
    let cloud = Cloud::quick();
    let newer = || {
        at(json!({ "newer": 1, "securityRules": [{ "name": "r", "surprise": 1,
        "properties": rule("100 in allow Tcp * * 1")["properties"] }] }))
    };
    cloud.front.world().perform("PUT", &crate::harness::path("nsg/n"), &newer()).unwrap();
    assert_eq!(complaints(&cloud), Vec::<String>::new(), "seeding is nobody's mistake");
    assert_eq!(cloud.put("nsg/n", newer()), "ok");
    assert_eq!(complaints(&cloud), Vec::<String>::new(), "what was there is carried on");
    let mut body = newer();
    body["properties"]["securityRules"][0]["properties"]["prioritty"] = json!(5);
    body["properties"]["mine"] = Value::Null;
    cloud.put("nsg/n", body);
    assert_eq!(
        complaints(&cloud),
        ["n properties.mine unknown", "n properties.securityRules[0].properties.prioritty unknown"]
    );
}

#[test]
fn other_kinds_are_open() {
    let cloud = Cloud::quick();
    cloud.put("vm/m", at(json!({ "hardwareProfile": { "vmSize": "Standard_B1s" } })));
    assert_eq!(complaints(&cloud), Vec::<String>::new());
    cloud.put("vm/m", json!({ "location": "westeurope", "name": "m" }));
    assert_eq!(complaints(&cloud), ["m name read-only"]);
}
