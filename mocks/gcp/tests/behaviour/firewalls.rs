//! Classic rules: what is refused, filled in, merged, counted.

use mock_gcp::Settings;
use serde_json::{Value, json};

use crate::harness::{Cloud, firewall, link, quick, read};

fn names(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|n| format!("{prefix}{n}")).collect()
}

fn blocks(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("10.{}.{}.0/24", n / 256, n % 256)).collect()
}

/// The outcome of an insert of a rule with changed fields; null takes one away.
fn with(cloud: &Cloud, short: &str, changes: Value) -> String {
    let mut body = firewall(short);
    for (field, value) in changes.as_object().unwrap() {
        body[field] = value.clone();
    }
    body.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    let outcome = cloud.insert("fw/x", body);
    cloud.delete("fw/x");
    outcome
}

#[test]
fn wrong_rules_are_refused() {
    let cloud = Cloud::quick();
    let base = "1000 in allow tcp:443 10.0.0.0/8 tag:web";
    let table = [
        (json!({}), "ok"),
        (json!({ "denied": [{ "IPProtocol": "all" }] }), "badRequest"),
        (json!({ "allowed": null }), "badRequest"),
        (json!({ "allowed": [{ "ports": ["1"] }] }), "required"),
        (json!({ "allowed": [{ "IPProtocol": "tcp", "ports": ["70000"] }] }), "invalid"),
        (json!({ "allowed": [{ "IPProtocol": "tcp", "ports": ["9-1"] }] }), "invalid"),
        (json!({ "allowed": [{ "IPProtocol": "icmp", "ports": ["1"] }] }), "invalid"),
        (json!({ "allowed": [{ "IPProtocol": "tpc" }] }), "invalid"),
        (json!({ "allowed": [{ "IPProtocol": "132", "ports": ["1-2"] }] }), "ok"),
        (json!({ "priority": 65536 }), "invalid"),
        (json!({ "priority": 65535 }), "ok"),
        (json!({ "priority": 0 }), "ok"),
        (json!({ "direction": "SIDEWAYS" }), "invalid"),
        (json!({ "direction": "EGRESS", "sourceTags": ["a"] }), "invalid"),
        (json!({ "direction": "EGRESS", "sourceServiceAccounts": ["a@b"], "targetTags": null }), "invalid"),
        (json!({ "direction": "EGRESS", "destinationRanges": ["192.0.2.0/24"], "sourceRanges": null }), "ok"),
        (json!({ "sourceRanges": ["10.0.0.1/8"] }), "invalid"),
        (json!({ "sourceRanges": ["10.0.0.1"] }), "ok"),
        (json!({ "sourceRanges": ["10.0.0.0/8", "fd00::/8"] }), "invalid"),
        (json!({ "sourceRanges": ["fd00::/8"] }), "ok"),
        (json!({ "sourceRanges": ["fd00::/8"], "destinationRanges": ["10.0.0.0/8"] }), "invalid"),
        (json!({ "sourceRanges": blocks(5000) }), "ok"),
        (json!({ "sourceRanges": blocks(5001) }), "invalid"),
        (json!({ "sourceTags": names("t", 30) }), "ok"),
        (json!({ "sourceTags": names("t", 31) }), "invalid"),
        (json!({ "targetTags": names("t", 70) }), "ok"),
        (json!({ "targetTags": names("t", 71) }), "invalid"),
        (json!({ "targetTags": ["Web"] }), "invalid"),
        (json!({ "sourceServiceAccounts": ["a@b"] }), "invalid"),
        (json!({ "sourceServiceAccounts": ["a@b"], "targetTags": null }), "ok"),
        (json!({ "targetServiceAccounts": names("a@", 10), "targetTags": null }), "ok"),
        (json!({ "targetServiceAccounts": names("a@", 11), "targetTags": null }), "invalid"),
        (json!({ "network": "global/networks/none" }), "notFound"),
        (json!({ "network": null }), "notFound"),
    ];
    for (changes, expected) in table {
        let shown: String = changes.to_string().chars().take(90).collect();
        assert_eq!(with(&cloud, base, changes), expected, "{shown}");
    }
    assert_eq!(cloud.insert("fw/Bad_Name", firewall(base)), "invalid");
    assert_eq!(cloud.insert("fw/x", firewall(base)), "ok");
    assert_eq!(cloud.insert("fw/x", firewall(base)), "alreadyExists");
    assert_eq!(cloud.delete("fw/none"), "notFound");
}

#[test]
fn what_is_left_out_is_filled_in() {
    let cloud = Cloud::quick();
    let body = json!({ "network": link("net/v"), "allowed": [{ "IPProtocol": "tcp" }] });
    assert_eq!(cloud.insert("fw/x", body), "ok");
    let held = cloud.get("fw/x");
    assert_eq!(
        [&held["direction"], &held["priority"], &held["disabled"], &held["sourceRanges"], &held["kind"]],
        [&json!("INGRESS"), &json!(1000), &json!(false), &json!(["0.0.0.0/0"]), &json!("compute#firewall")]
    );
    assert_eq!((&held["selfLink"], &held["network"]), (&link("fw/x"), &link("net/v")));
    assert!(held["id"].as_str().unwrap().parse::<u64>().is_ok() && held.get("fingerprint").is_none());
    let body =
        json!({ "network": link("net/v"), "direction": "EGRESS", "denied": [{ "IPProtocol": "all" }] });
    assert_eq!(cloud.insert("fw/y", body), "ok");
    assert_eq!(cloud.get("fw/y")["destinationRanges"], json!(["0.0.0.0/0"]));
}

#[test]
fn patch_merges_and_update_replaces() {
    let cloud = Cloud::quick();
    cloud.firewall("x", "900 in allow tcp:443 * tag:web");
    assert_eq!(cloud.ask("PATCH", "fw/x", json!({ "sourceTags": ["db"] })), "ok");
    let held = cloud.get("fw/x");
    // The filled-in range stays and keeps the rule open to everybody.
    assert_eq!((&held["sourceTags"], &held["sourceRanges"]), (&json!(["db"]), &json!(["0.0.0.0/0"])));
    assert_eq!(cloud.ask("PATCH", "fw/x", json!({ "sourceRanges": null, "priority": 800 })), "ok");
    let held = cloud.get("fw/x");
    assert_eq!(
        (held.get("sourceRanges"), &held["targetTags"], &held["priority"]),
        (None, &json!(["web"]), &json!(800))
    );
    assert_eq!(cloud.ask("PATCH", "fw/x", json!({ "denied": [{ "IPProtocol": "all" }] })), "badRequest");
    let whole = json!({ "name": "x", "network": link("net/v"), "allowed": [{ "IPProtocol": "udp" }] });
    assert_eq!(cloud.ask("PUT", "fw/x", whole), "ok");
    let held = cloud.get("fw/x");
    assert_eq!((held.get("targetTags"), &held["priority"]), (None, &json!(1000)));
    for fixed in
        [json!({ "name": "y" }), json!({ "network": link("net/w") }), json!({ "direction": "EGRESS" })]
    {
        assert_eq!(cloud.ask("PATCH", "fw/x", fixed), "invalid");
    }
}

#[test]
fn the_last_writer_wins_without_a_fingerprint() {
    let cloud = Cloud::quick();
    cloud.firewall("x", "900 in allow tcp:443 * *");
    assert_eq!(cloud.ask("PATCH", "fw/x", json!({ "priority": 1 })), "ok");
    assert_eq!(cloud.ask("PATCH", "fw/x", json!({ "priority": 2 })), "ok");
    assert_eq!(cloud.get("fw/x")["priority"], 2);
}

#[test]
fn the_quota_of_the_project_counts_rules_and_is_read() {
    let mut settings = quick();
    settings.limits.firewalls = 2;
    let cloud = Cloud::seeded(settings);
    cloud.firewall("a", "1 in allow tcp * *");
    cloud.firewall("b", "1 in allow tcp * *");
    let answer = cloud.call("POST", "fw/", {
        let mut body = firewall("1 in allow tcp * *");
        body["name"] = json!("c");
        body
    });
    let error = &read(&answer)["error"];
    assert_eq!((answer.status, &error["errors"][0]["reason"]), (403, &json!("quotaExceeded")));
    assert_eq!(error["message"], "Quota 'FIREWALLS' exceeded.  Limit: 2.0 globally.");
    let project = cloud.get("projects/demo-project");
    let quotas = project["quotas"].as_array().unwrap();
    let firewalls = quotas.iter().find(|quota| quota["metric"] == "FIREWALLS").unwrap();
    assert_eq!((&firewalls["limit"], &firewalls["usage"]), (&json!(2.0), &json!(2.0)));
}

#[test]
fn the_default_network_has_four_pre_made_rules() {
    let cloud = Cloud::new(Settings { default_network: true, ..quick() });
    let rules = cloud.get("fw/")["items"].as_array().unwrap().clone();
    let told: Vec<(&str, u64)> = rules
        .iter()
        .map(|rule| (rule["name"].as_str().unwrap(), rule["priority"].as_u64().unwrap()))
        .collect();
    let names = ["icmp", "internal", "rdp", "ssh"].map(|name| format!("default-allow-{name}"));
    assert_eq!(told, names.iter().map(|name| (name.as_str(), 65534)).collect::<Vec<_>>());
    assert!(cloud.front.world().complaints.is_empty());
}
