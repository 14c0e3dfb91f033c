//! Instances: interfaces, tags and labels with fingerprints, service accounts, groups.

use serde_json::{Value, json};

use crate::harness::{Cloud, PROJECT, ZONE, instance, link, path, read};

#[test]
fn interfaces_get_addresses_of_both_families() {
    let cloud = Cloud::quick();
    let mut body = instance("sub/s", &["web", "db"]);
    body["networkInterfaces"][0]["aliasIpRanges"] =
        json!([{ "ipCidrRange": "10.9.1.0/24", "subnetworkRangeName": "pods" }]);
    body["networkInterfaces"].as_array_mut().unwrap().push(json!({ "subnetwork": link("sub/u") }));
    body["networkInterfaces"][1]["accessConfigs"] = json!([{ "name": "out" }]);
    assert_eq!(cloud.insert("vm/a", body.clone()), "ok");
    let held = cloud.get("vm/a");
    let (first, second) = (&held["networkInterfaces"][0], &held["networkInterfaces"][1]);
    assert_eq!((&first["networkIP"], &second["networkIP"]), (&json!("10.0.1.2"), &json!("10.1.1.2")));
    assert!(second["accessConfigs"][0]["natIP"].as_str().unwrap().starts_with("34.76."));
    assert!(first["ipv6Address"].as_str().unwrap().starts_with("fd20:"));
    assert_eq!((&first["name"], &second["name"]), (&json!("nic0"), &json!("nic1")));
    assert_eq!((&first["network"], &second["network"]), (&link("net/v"), &link("net/w")));
    assert_eq!((&held["status"], &held["tags"]["items"]), (&json!("RUNNING"), &json!(["db", "web"])));
    assert_eq!(held["zone"], json!(format!("https://www.googleapis.com/compute/v1/{PROJECT}/zones/{ZONE}")));
    assert!(cloud.front.world().complaints.is_empty(), "{:?}", cloud.front.world().complaints);
    let wrong = |change: &dyn Fn(&mut Value)| {
        let mut body = instance("sub/s", &[]);
        change(&mut body);
        cloud.insert("vm/b", body)
    };
    assert_eq!(wrong(&|b| b["networkInterfaces"] = json!([])), "badRequest");
    assert_eq!(wrong(&|b| b["networkInterfaces"][0]["networkIP"] = json!("10.0.1.2")), "invalid", "taken");
    assert_eq!(wrong(&|b| b["networkInterfaces"][0]["networkIP"] = json!("10.0.2.2")), "invalid");
    assert_eq!(wrong(&|b| b["networkInterfaces"][0] = json!({ "network": link("net/v") })), "invalid");
    assert_eq!(wrong(&|b| b["networkInterfaces"][0] = json!({})), "notFound", "no default network");
    let aliases = json!([{ "ipCidrRange": "10.8.0.0/24" }]);
    assert_eq!(wrong(&|b| b["networkInterfaces"][0]["aliasIpRanges"] = aliases.clone()), "invalid");
    let twice = json!([{ "subnetwork": link("sub/s") }, { "subnetwork": link("sub/s") }]);
    assert_eq!(wrong(&|b| b["networkInterfaces"] = twice.clone()), "invalid");
    assert_eq!(wrong(&|b| b["networkInterfaces"][0]["networkIP"] = json!("10.0.1.77")), "ok");
    let elsewhere = format!("{PROJECT}/zones/us-central1-a/instances");
    let mut body = instance("sub/s", &[]);
    body["name"] = json!("far");
    assert_eq!(cloud.ask("POST", &elsewhere, body.clone()), "invalid", "another region");
    assert_eq!(cloud.ask("POST", &format!("{PROJECT}/zones/moon-a/instances"), body), "notFound");
}

#[test]
fn tags_and_labels_need_their_newest_fingerprint() {
    let cloud = Cloud::quick();
    cloud.vm("a", "sub/s", &["web"]);
    let at = |action: &str| format!("{}/{action}", path("vm/a"));
    let old = cloud.get("vm/a")["tags"]["fingerprint"].clone();
    let set = |fingerprint: &Value, items: Value| {
        cloud.ask("POST", &at("setTags"), json!({ "items": items, "fingerprint": fingerprint }))
    };
    assert_eq!(set(&Value::Null, json!(["db"])), "conditionNotMet");
    assert_eq!(set(&old, json!(["db", "db"])), "ok");
    assert_eq!(cloud.get("vm/a")["tags"]["items"], json!(["db"]));
    assert_eq!(set(&old, json!([])), "conditionNotMet");
    let now = cloud.get("vm/a")["tags"]["fingerprint"].clone();
    let many = |n: usize| (0..n).map(|n| format!("t{n}")).collect::<Vec<_>>();
    assert_eq!([set(&now, json!(many(65))), set(&now, json!(["Web"]))], ["invalid", "invalid"]);
    assert_eq!(set(&now, json!(many(64))), "ok");
    let labels = cloud.get("vm/a")["labelFingerprint"].clone();
    let label = json!({ "labels": { "tier": "front" }, "labelFingerprint": labels });
    assert_eq!(cloud.ask("POST", &at("setLabels"), label.clone()), "ok");
    assert_eq!(cloud.ask("POST", &at("setLabels"), label), "conditionNotMet");
    assert_eq!(cloud.get("vm/a")["labels"]["tier"], "front");
}

#[test]
fn a_service_account_changes_on_a_stopped_instance_only() {
    let cloud = Cloud::quick();
    cloud.vm("a", "sub/s", &[]);
    let act = |action: &str, body: Value| cloud.ask("POST", &format!("{}/{action}", path("vm/a")), body);
    let account = json!({ "email": "web@x.iam", "scopes": [] });
    assert_eq!(act("setServiceAccount", account.clone()), "badRequest");
    assert_eq!([act("stop", Value::Null), act("setServiceAccount", account)], ["ok", "ok"]);
    assert_eq!(act("start", Value::Null), "ok");
    assert_eq!(cloud.get("vm/a")["serviceAccounts"][0]["email"], "web@x.iam");
}

#[test]
fn a_group_makes_instances_that_say_so_and_makes_them_anew() {
    let cloud = Cloud::quick();
    let properties = instance("sub/s", &["web"]);
    assert_eq!(cloud.insert("tpl/t", json!({ "properties": properties })), "ok");
    let group = json!({ "instanceTemplate": link("tpl/t"), "targetSize": 2, "baseInstanceName": "web" });
    assert_eq!(cloud.insert("mig/g", group), "ok");
    assert_eq!(cloud.delete("tpl/t"), "resourceInUseByAnotherResource");
    let names = || {
        let all = cloud.get("vm/")["items"].as_array().cloned().unwrap_or_default();
        all.iter().map(|vm| vm["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let first = names()[0].clone();
    assert!(names().len() == 2 && first.starts_with("web-") && first.len() == 8);
    let items = cloud.get(&format!("vm/{first}"))["metadata"]["items"].as_array().unwrap().clone();
    let created_by = items.iter().find(|item| item["key"] == "created-by").unwrap();
    let by_number = format!("projects/415104041262/zones/{ZONE}/instanceGroupManagers/g");
    assert_eq!(created_by["value"], json!(by_number));
    let managed = cloud.call("POST", &format!("{}/listManagedInstances", path("mig/g")), Value::Null);
    assert_eq!(read(&managed)["managedInstances"].as_array().unwrap().len(), 2);
    // Tags that were set are lost when the group makes the instance anew.
    let fingerprint = cloud.get(&format!("vm/{first}"))["tags"]["fingerprint"].clone();
    let tags = json!({ "items": ["other"], "fingerprint": fingerprint });
    assert_eq!(cloud.ask("POST", &format!("{}/setTags", path(&format!("vm/{first}"))), tags), "ok");
    let again = json!({ "instances": [link(&format!("vm/{first}"))] });
    assert_eq!(cloud.ask("POST", &format!("{}/recreateInstances", path("mig/g")), again), "ok");
    assert_eq!(cloud.get(&format!("vm/{first}"))["tags"]["items"], json!(["web"]));
    let resize = |size: u32| cloud.ask("POST", &format!("{}/resize?size={size}", path("mig/g")), Value::Null);
    assert_eq!((resize(3), names().len()), ("ok".to_owned(), 3));
    assert_eq!((resize(1), names().len()), ("ok".to_owned(), 1));
    assert_eq!((resize(400), names().len()), ("quotaExceeded".to_owned(), 1), "all or nothing");
    assert_eq!((cloud.delete("mig/g"), names().len()), ("ok".to_owned(), 0));
    assert!(cloud.front.world().complaints.is_empty(), "{:?}", cloud.front.world().complaints);
}
