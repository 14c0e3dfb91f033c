//! What clients should not send is noted, by Google's own schema.

use mock_gcp::Problem;
use serde_json::{Value, json};

use crate::harness::{Cloud, firewall, instance, path, rule};

/// The complaints about one request, as `field problem`.
fn complaints(verb: &str, short: &str, body: Value) -> Vec<String> {
    let cloud = Cloud::quick();
    cloud.seed("pol/p", json!({}));
    cloud.firewall("x", "1 in allow tcp * *");
    cloud.call(verb, short, body);
    let found = cloud.front.world().complaints.clone();
    found.into_iter().map(|one| format!("{} {:?}", one.field, one.problem)).collect()
}

#[test]
fn good_bodies_give_no_complaint() {
    let mut body = firewall("1 in allow tcp:443 tag:a+10.0.0.0/8 tag:b");
    body["name"] = json!("y");
    body["logConfig"] = json!({ "enable": true });
    assert!(complaints("POST", "fw/?requestId=9f6d1c1e-0000-4000-8000-000000000001", body).is_empty());
    assert!(complaints("PATCH", "fw/x", json!({ "sourceRanges": null })).is_empty(), "null takes away");
    let at = format!("{}/addRule?maxPriority=9&minPriority=1", path("pol/p"));
    assert!(complaints("POST", &at, rule("1 in allow tcp:1 10.0.0.0/8 tagValues/1")).is_empty());
    let mut vm = instance("sub/s", &["web"]);
    vm["name"] = json!("a");
    vm["labels"] = json!({ "any": "thing" });
    assert!(complaints("POST", "vm/", vm).is_empty());
    assert!(
        complaints("GET", "fw/?$alt=json&%24apiVersion=2026-09-01&alt=json&prettyPrint=false", json!(null))
            .is_empty()
    );
}

#[test]
fn every_kind_of_mistake_is_found() {
    let mut body = firewall("1 in allow tcp:443 10.0.0.0/8 *");
    body["name"] = json!("Wrong_Name");
    body["id"] = json!("1");
    body["selfLink"] = json!("x");
    body["colour"] = json!("red");
    body["priority"] = json!("900");
    body["direction"] = json!("IN");
    body["allowed"][0]["port"] = json!(["1"]);
    body["sourceRanges"] = json!("10.0.0.0/8");
    assert_eq!(
        complaints("POST", "fw/", body),
        [
            "allowed[0].port Unknown",
            "colour Unknown",
            "direction NotInEnum",
            "id ReadOnly",
            "name NotInPattern",
            "priority WrongType",
            "selfLink ReadOnly",
            "sourceRanges WrongType",
        ]
    );
    let mut deep = rule("1 in allow tcp:1 10.0.0.0/8 tagValues/1");
    deep["match"]["layer4Configs"][0]["protocol"] = json!("tcp");
    deep["targetSecureTags"][0]["state"] = json!("EFFECTIVE");
    deep["priority"] = json!(3_000_000_000_u32);
    let at = format!("{}/addRule", path("pol/p"));
    assert_eq!(
        complaints("POST", &at, deep),
        [
            "match.layer4Configs[0].protocol Unknown",
            "priority WrongType",
            "targetSecureTags[0].state ReadOnly",
        ]
    );
    assert_eq!(
        complaints("GET", "fw/?max=1&maxResults=many", json!(null)),
        ["max Unknown", "maxResults WrongType"]
    );
    assert_eq!(complaints("POST", "fw/", json!(null)), [" Body"]);
    assert_eq!(complaints("DELETE", "fw/x", json!({ "a": 1 })), [" Body"]);
}

#[test]
fn seeding_gives_no_complaint_and_each_is_kept_with_its_method() {
    let cloud = Cloud::quick();
    cloud.seed("fw/x", {
        let mut body = firewall("1 in allow tcp * *");
        body["colour"] = json!("red");
        body
    });
    assert!(cloud.front.world().complaints.is_empty());
    cloud.ask(
        "POST",
        "v3/tagKeys",
        json!({ "parent": "projects/demo-project", "shortName": "x", "createTime": "x" }),
    );
    let world = cloud.front.world();
    let complaint = world.complaints.first().unwrap();
    assert_eq!(complaint.action, "cloudresourcemanager.tagKeys.create");
    assert_eq!((complaint.field.as_str(), complaint.problem), ("createTime", Problem::ReadOnly));
}
