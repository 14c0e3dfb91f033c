//! Tag keys, tag values, bindings, and the places of Resource Manager.

use mock_gcp::{Answer, Headers};
use serde_json::{Value, json};

use crate::harness::{Cloud, PROJECT, ZONE, instance, link, outcome, path, quick, read, rule};

const HOST: &str = "europe-west1-b-cloudresourcemanager.googleapis.com";

/// A request to the Resource Manager of the zone.
fn zonal(cloud: &Cloud, verb: &str, short: &str, body: &Value) -> Answer {
    let headers = Headers { host: HOST, ..Headers::default() };
    let body = if body.is_null() { String::new() } else { body.to_string() };
    cloud.front.handle(verb, &format!("/v3/{short}"), headers, body.as_bytes())
}

fn key(cloud: &Cloud, changes: Value) -> Answer {
    let mut body = json!({ "parent": PROJECT, "shortName": "tier", "purpose": "GCE_FIREWALL",
        "purposeData": { "network": "demo-project/v" } });
    for (field, value) in changes.as_object().unwrap() {
        body[field] = value.clone();
    }
    cloud.call("POST", "v3/tagKeys", body)
}

fn bind(cloud: &Cloud, vm: &str, value: &str) -> String {
    let body = json!({ "parent": cloud.full_name(vm), "tagValue": value });
    outcome(&zonal(cloud, "POST", "tagBindings", &body))
}

#[test]
fn an_enum_may_be_written_as_its_number() {
    let cloud = Cloud::quick();
    let made = read(&key(&cloud, json!({ "purpose": 1 })));
    assert_eq!(made["response"]["purpose"], "GCE_FIREWALL", "{made}");
    assert_eq!(cloud.front.world().complaints, Default::default());
    // A number that the enum does not have stays wrong.
    assert_eq!(outcome(&key(&cloud, json!({ "shortName": "other", "purpose": 9 }))), "ok");
    assert_eq!(cloud.front.world().complaints.len(), 1);
}

#[test]
fn a_key_for_firewalls_is_for_a_network_and_named_by_its_number() {
    let cloud = Cloud::quick();
    let made = read(&key(&cloud, json!({})));
    let response = &made["response"];
    assert_eq!((&made["done"], &response["namespacedName"]), (&json!(true), &json!("demo-project/tier")));
    assert_eq!(response["parent"], "projects/415104041262");
    let network = cloud.get("net/v")["id"].as_str().unwrap().to_owned();
    let by_number = format!("https://www.googleapis.com/compute/v1/{PROJECT}/global/networks/{network}");
    assert_eq!(response["purposeData"], json!({ "network": by_number }));
    assert_eq!(cloud.get(&format!("v3/{}", response["name"].as_str().unwrap()))["shortName"], "tier");
    assert_eq!(cloud.get("v3/tagKeys/namespaced?name=demo-project/tier")["name"], response["name"]);
    let listed = cloud.get("v3/tagKeys?parent=projects/demo-project");
    assert_eq!(listed["tagKeys"].as_array().unwrap().len(), 1);
    for (changes, expected) in [
        (json!({}), "ALREADY_EXISTS"),
        (json!({ "shortName": "-x" }), "INVALID_ARGUMENT"),
        (json!({ "shortName": "a", "purposeData": {} }), "INVALID_ARGUMENT"),
        (json!({ "shortName": "b", "purposeData": { "network": "demo-project/none" } }), "INVALID_ARGUMENT"),
        (json!({ "shortName": "c", "purposeData": { "network": by_number } }), "ok"),
        (json!({ "shortName": "d", "purposeData": { "organization": "auto" } }), "INVALID_ARGUMENT"),
        (json!({ "shortName": "e", "parent": "organizations/123456789012" }), "ok"),
        (
            json!({ "shortName": "f", "parent": "organizations/123456789012",
                "purposeData": { "organization": "auto" } }),
            "ok",
        ),
        (json!({ "shortName": "g", "parent": "organizations/1" }), "PERMISSION_DENIED"),
    ] {
        assert_eq!(outcome(&key(&cloud, changes.clone())), expected, "{changes}");
    }
    assert!(cloud.front.world().complaints.is_empty());
}

#[test]
fn without_an_organisation_there_are_no_tags_for_firewalls() {
    let cloud = Cloud::seeded(mock_gcp::Settings { organization: 0, ..quick() });
    assert_eq!(outcome(&key(&cloud, json!({}))), "FAILED_PRECONDITION");
}

#[test]
fn values_are_limited_and_what_is_used_stays() {
    let mut settings = quick();
    settings.limits.values_per_key = 2;
    let cloud = Cloud::seeded(settings);
    let key = read(&key(&cloud, json!({})))["response"]["name"].clone();
    let value = |name: &str| cloud.call("POST", "v3/tagValues", json!({ "parent": key, "shortName": name }));
    let web = read(&value("web"))["response"]["name"].as_str().unwrap().to_owned();
    assert_eq!([outcome(&value("web")), outcome(&value("db"))], ["ALREADY_EXISTS", "ok"]);
    let full = value("more");
    assert_eq!((full.status, outcome(&full).as_str()), (403, "PERMISSION_DENIED"));
    let listed = cloud.get(&format!("v3/tagValues?parent={}", key.as_str().unwrap()));
    assert_eq!(listed["tagValues"].as_array().unwrap().len(), 2);
    cloud.vm("a", "sub/s", &[]);
    cloud.bind("a", &web);
    let whole = format!("v3/{}", key.as_str().unwrap());
    assert_eq!(cloud.delete(&whole), "FAILED_PRECONDITION", "it has values");
    assert_eq!(cloud.delete(&format!("v3/{web}")), "FAILED_PRECONDITION", "it is bound");
    cloud.unbind("a", &web);
    assert_eq!(cloud.delete(&format!("v3/{web}?etag=x")), "ABORTED");
    assert_eq!(cloud.delete(&format!("v3/{web}")), "ok");
    assert_eq!(cloud.delete(&format!("v3/{web}")), "PERMISSION_DENIED", "gone and hidden look the same");
    assert_eq!(cloud.ask("GET", &format!("v3/{web}"), Value::Null), "PERMISSION_DENIED");
}

#[test]
fn bindings_belong_to_the_resource_manager_of_the_zone() {
    let cloud = Cloud::seeded(mock_gcp::Settings { operation_ms: 1000, ..quick() });
    cloud.vm("a", "sub/s", &[]);
    let web = cloud.tag("v", "web");
    let body = json!({ "parent": cloud.full_name("a"), "tagValue": web });
    let global = cloud.call("POST", "v3/tagBindings", body.clone());
    assert_eq!(global.status, 400);
    assert!(
        global.body.contains("Resource location 'europe-west1-b' does not match service location 'global'")
    );
    let made = read(&zonal(&cloud, "POST", "tagBindings", &body));
    let name = made["name"].as_str().unwrap();
    assert!(name.contains(ZONE) && made.get("done").is_none(), "{made}");
    let elsewhere = cloud.call("GET", &format!("v3/{name}"), Value::Null);
    assert!(
        elsewhere
            .body
            .contains("Operation location 'europe-west1-b' does not match service location 'global'")
    );
    cloud.front.world().advance_ms(1000);
    let done = read(&zonal(&cloud, "GET", name, &Value::Null));
    assert_eq!((&done["done"], &done["response"]["tagValue"]), (&json!(true), &json!(web)));
    // The same by a first part of the path.
    let at = format!("{HOST}/v3/tagBindings?parent={}", cloud.full_name("a").replace('/', "%2F"));
    let listed = cloud.get(&at);
    let binding = &listed["tagBindings"][0];
    assert_eq!(binding["tagValueNamespacedName"], "demo-project/k-web/web");
    let effective = cloud.get(&at.replace("tagBindings", "effectiveTags"));
    assert_eq!(effective["effectiveTags"][0]["namespacedTagKey"], "demo-project/k-web");
    let name = binding["name"].as_str().unwrap();
    assert!(
        name.starts_with("tagBindings/%2F%2Fcompute.googleapis.com%2Fprojects%2F415104041262%2Fzones%2F")
    );
    assert_eq!(cloud.delete(&format!("{HOST}/v3/{name}")), "ok");
    assert_eq!(cloud.delete(&format!("{HOST}/v3/{name}")), "NOT_FOUND");
    assert!(cloud.get(&at).get("tagBindings").is_none());
    // Keys and values are global.
    assert_eq!(
        outcome(&zonal(&cloud, "GET", "tagKeys?parent=projects/demo-project", &Value::Null)),
        "INVALID_ARGUMENT"
    );
}

#[test]
fn the_name_of_a_binding_may_be_encoded_once_more() {
    let cloud = Cloud::quick();
    cloud.vm("a", "sub/s", &[]);
    let value = cloud.tag("v", "web");
    for again in ["%2F", "%252F"] {
        assert_eq!(bind(&cloud, "a", &value), "ok");
        let name = cloud.full_name("a").replace('/', again);
        let gone = zonal(&cloud, "DELETE", &format!("tagBindings/{name}/{value}"), &Value::Null);
        assert_eq!(outcome(&gone), "ok", "{name}");
    }
}

#[test]
fn an_interface_has_ten_values_and_an_instance_one_of_each_key() {
    let cloud = Cloud::quick();
    let mut two = instance("sub/s", &[]);
    two["networkInterfaces"].as_array_mut().unwrap().push(json!({ "subnetwork": link("sub/u") }));
    cloud.seed("vm/a", two);
    cloud.vm("b", "sub/s", &[]);
    let values: Vec<String> = (0..11).map(|n| cloud.tag("v", &format!("t{n}"))).collect();
    for value in &values[..10] {
        assert_eq!(bind(&cloud, "a", value), "ok");
    }
    assert_eq!(bind(&cloud, "a", &values[0]), "ALREADY_EXISTS");
    assert_eq!(bind(&cloud, "a", &values[10]), "FAILED_PRECONDITION");
    let there = cloud.tag("w", "there");
    assert_eq!(bind(&cloud, "a", &there), "ok", "the other interface has room");
    assert_eq!(bind(&cloud, "b", &there), "FAILED_PRECONDITION", "no interface in that network");
    let key = cloud.get(&format!("v3/{}", values[0]))["parent"].clone();
    let sibling = cloud.perform("POST", "v3/tagValues", json!({ "parent": key, "shortName": "sibling" }));
    let sibling = sibling["name"].as_str().unwrap().to_owned();
    assert_eq!(bind(&cloud, "b", &values[0]), "ok");
    assert_eq!(bind(&cloud, "b", &sibling), "FAILED_PRECONDITION", "a second value of the key");
    cloud.front.world().settings.limits.bound_values_per_key = 10;
    assert_eq!(bind(&cloud, "b", &sibling), "ok");
    assert_eq!(bind(&cloud, "b", "tagValues/1"), "PERMISSION_DENIED");
    let by_name = json!({ "parent": cloud.full_name("b"), "tagValueNamespacedName": "demo-project/k-t1/t1" });
    assert_eq!(outcome(&zonal(&cloud, "POST", "tagBindings", &by_name)), "ok");
    let unknown =
        json!({ "parent": cloud.full_name("b").replace("instances/", "instances/9"), "tagValue": there });
    assert_eq!(outcome(&zonal(&cloud, "POST", "tagBindings", &unknown)), "PERMISSION_DENIED");
}

#[test]
fn tags_are_ineffective_when_the_value_or_its_network_is_gone() {
    let cloud = Cloud::quick();
    let (web, there) = (cloud.tag("v", "web"), cloud.tag("w", "there"));
    cloud.seed("pol/p", json!({}));
    cloud.act("pol/p", "addRule", rule(&format!("1 in allow tcp {web},{there} {web}")));
    let states = || {
        let found = cloud.get(&format!("{}/getRule?priority=1", path("pol/p")));
        let word = |tag: &Value| tag["state"].as_str().unwrap().to_owned();
        let sources = found["match"]["srcSecureTags"].as_array().unwrap().iter();
        sources.map(word).chain([word(&found["targetSecureTags"][0])]).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(states(), "EFFECTIVE EFFECTIVE EFFECTIVE");
    assert_eq!(cloud.delete(&format!("v3/{web}")), "ok");
    assert_eq!(states(), "INEFFECTIVE EFFECTIVE INEFFECTIVE");
    cloud.perform("DELETE", "sub/u", Value::Null);
    assert_eq!(cloud.delete("net/w"), "ok");
    assert_eq!(states(), "INEFFECTIVE INEFFECTIVE INEFFECTIVE");
    // What the policy names already may be written again; nothing new may name it.
    let held = cloud.get("pol/p");
    let again = json!({ "fingerprint": held["fingerprint"], "rules": held["rules"] });
    assert_eq!(cloud.ask("PATCH", "pol/p", again), "ok");
    cloud.seed("pol/q", json!({}));
    let new = rule(&format!("1 in allow tcp {web} *"));
    assert_eq!(cloud.ask("POST", &format!("{}/addRule", path("pol/q")), new), "invalid");
}

#[test]
fn bindings_go_with_their_instance_and_come_with_its_parameters() {
    let cloud = Cloud::quick();
    let web = cloud.tag("v", "web");
    let key = cloud.get(&format!("v3/{web}"))["parent"].as_str().unwrap().to_owned();
    let mut body = instance("sub/s", &[]);
    body["params"] = json!({ "resourceManagerTags": { key: web } });
    assert_eq!(cloud.insert("vm/a", body), "ok");
    assert!(cloud.get("vm/a").get("params").is_none());
    assert_eq!(cloud.delete(&format!("v3/{web}")), "FAILED_PRECONDITION");
    assert_eq!(cloud.delete("vm/a"), "ok");
    assert_eq!(cloud.delete(&format!("v3/{web}")), "ok");
}

#[test]
fn a_rehearsal_changes_nothing() {
    let cloud = Cloud::quick();
    let body = json!({ "parent": PROJECT, "shortName": "x" });
    assert_eq!(cloud.ask("POST", "v3/tagKeys?validateOnly=true", body.clone()), "ok");
    assert_eq!(cloud.ask("POST", "v3/tagKeys", body.clone()), "ok");
    assert_eq!(cloud.ask("POST", "v3/tagKeys?validateOnly=true", body), "ALREADY_EXISTS");
}

#[test]
fn folders_and_projects_are_listed_below_their_parents() {
    let cloud = Cloud::quick();
    let org = "organizations/123456789012";
    let made = cloud.call("POST", "v3/folders", json!({ "parent": org, "displayName": "prod" }));
    let folder = read(&made)["response"]["name"].as_str().unwrap().to_owned();
    let project = json!({ "projectId": "shop-prod", "parent": folder, "labels": { "env": "prod" } });
    assert_eq!(cloud.ask("POST", "v3/projects", project.clone()), "ok");
    assert_eq!(cloud.ask("POST", "v3/projects", project), "ALREADY_EXISTS");
    assert_eq!(
        cloud.ask("POST", "v3/projects", json!({ "projectId": "x", "parent": org })),
        "INVALID_ARGUMENT"
    );
    let ids = |short: &str| {
        let found = cloud.get(short);
        let all = found["projects"].as_array().cloned().unwrap_or_default();
        all.iter().map(|p| p["projectId"].as_str().unwrap().to_owned()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(ids(&format!("v3/projects?parent={org}")), "demo-project");
    assert_eq!(ids(&format!("v3/projects?parent={folder}")), "shop-prod");
    assert_eq!(ids("v3/projects:search"), "demo-project shop-prod");
    assert_eq!(ids(&format!("v3/projects:search?query=parent:{folder}")), "shop-prod");
    let first = cloud.get("v3/projects:search?pageSize=1");
    let next = first["nextPageToken"].as_str().unwrap();
    assert_eq!(ids(&format!("v3/projects:search?pageSize=1&pageToken={next}")), "shop-prod");
    assert_eq!(cloud.get(&format!("v3/folders?parent={org}"))["folders"][0]["displayName"], "prod");
    assert_eq!(cloud.get("v3/projects/415104041262")["projectId"], "demo-project");
    cloud.front.world().faults.denied.insert("projects/shop-prod".to_owned());
    assert_eq!(ids("v3/projects:search"), "demo-project");
}
