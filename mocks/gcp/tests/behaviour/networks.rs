//! Networks, subnetworks, peerings, shared networks.

use serde_json::{Value, json};

use crate::harness::{Cloud, PROJECT, instance, link, path, read};

fn peering(to: &str) -> Value {
    json!({ "networkPeering": { "name": to, "network": link(&format!("net/{to}")), "exchangeSubnetRoutes": true } })
}

#[test]
fn networks_are_automatic_or_custom() {
    let cloud = Cloud::quick();
    assert_eq!(cloud.insert("net/auto", json!({ "autoCreateSubnetworks": true })), "ok");
    let made = cloud.get("net/auto");
    assert_eq!(made["subnetworks"].as_array().unwrap().len(), 3);
    assert_eq!(made["networkFirewallPolicyEnforcementOrder"], "AFTER_CLASSIC_FIREWALL");
    assert_eq!(cloud.get("sub/auto")["ipCidrRange"], "10.132.0.0/20");
    assert_eq!(cloud.insert("net/legacy", json!({})), "badRequest");
    assert_eq!(cloud.insert("net/v", json!({ "autoCreateSubnetworks": true })), "alreadyExists");
    let order = |word: &str| json!({ "networkFirewallPolicyEnforcementOrder": word });
    assert_eq!(cloud.ask("PATCH", "net/v", order("BEFORE_CLASSIC_FIREWALL")), "ok");
    assert_eq!(cloud.ask("PATCH", "net/v", order("FIRST")), "invalid");
    assert_eq!(cloud.get("net/v")["networkFirewallPolicyEnforcementOrder"], "BEFORE_CLASSIC_FIREWALL");
    assert_eq!(cloud.ask("POST", &format!("{}/switchToCustomMode", path("net/auto")), Value::Null), "ok");
    assert_eq!(cloud.delete("net/auto"), "resourceInUseByAnotherResource");
    assert_eq!(cloud.insert("net/auto2", json!({ "autoCreateSubnetworks": true })), "ok");
    assert_eq!([cloud.delete("net/auto2"), cloud.ask("GET", "sub/auto2", Value::Null)], ["ok", "notFound"]);
}

#[test]
fn what_is_used_cannot_be_deleted() {
    let cloud = Cloud::quick();
    cloud.vm("a", "sub/u", &[]);
    let in_use = "resourceInUseByAnotherResource";
    assert_eq!([cloud.delete("sub/u"), cloud.delete("net/w")], [in_use, in_use]);
    assert_eq!([cloud.delete("vm/a"), cloud.delete("sub/u"), cloud.delete("net/w")], ["ok", "ok", "ok"]);
    cloud.perform("DELETE", "sub/s", Value::Null);
    cloud.firewall("x", "1 in allow tcp * *");
    assert_eq!([cloud.delete("net/v"), cloud.delete("fw/x"), cloud.delete("net/v")], [in_use, "ok", "ok"]);
}

#[test]
fn ranges_do_not_overlap_and_dual_stack_gets_its_own() {
    let cloud = Cloud::quick();
    let insert = |name: &str, network: &str, range: &str| {
        let body = json!({ "network": link(network), "ipCidrRange": range });
        cloud.insert(&format!("sub/{name}"), body)
    };
    assert_eq!(insert("x", "net/v", "10.0.1.128/25"), "invalid");
    assert_eq!(insert("x", "net/v", "10.9.4.0/24"), "invalid", "a secondary range");
    assert_eq!(insert("x", "net/w", "10.9.4.0/24"), "ok", "another network");
    assert_eq!(insert("y", "net/v", "10.0.2.1/24"), "invalid");
    assert_eq!(insert("y", "net/none", "10.0.2.0/24"), "notFound");
    let six = cloud.get("sub/s")["internalIpv6Prefix"].as_str().unwrap().to_owned();
    assert!(six.starts_with("fd20:") && six.ends_with("/64"), "{six}");
    let dual = json!({ "network": link("net/w"), "ipCidrRange": "10.0.9.0/24", "stackType": "IPV4_IPV6" });
    let with = |word: &str| {
        let mut body = dual.clone();
        body["ipv6AccessType"] = json!(word);
        cloud.insert("sub/z", body)
    };
    assert_eq!([with("INTERNAL"), with("EXTERNAL")], ["invalid", "ok"], "w has no internal range");
    assert!(cloud.get("sub/z")["externalIpv6Prefix"].as_str().unwrap().starts_with("2600:1900:"));
    let fingerprint = cloud.get("sub/z")["fingerprint"].clone();
    let patch = json!({ "fingerprint": fingerprint, "logConfig": { "enable": true } });
    assert_eq!(cloud.ask("PATCH", "sub/z", patch.clone()), "ok");
    assert_eq!(cloud.ask("PATCH", "sub/z", patch), "conditionNotMet");
}

#[test]
fn a_peering_is_active_once_both_sides_name_each_other() {
    let cloud = Cloud::quick();
    let add = |near: &str, far: &str| {
        cloud.ask("POST", &format!("{}/addPeering", path(&format!("net/{near}"))), peering(far))
    };
    let state = |net: &str| cloud.get(&format!("net/{net}"))["peerings"][0]["state"].clone();
    assert_eq!(add("v", "v"), "invalid");
    assert_eq!(add("v", "none"), "notFound");
    assert_eq!([add("v", "w"), add("v", "w")], ["ok", "alreadyExists"]);
    assert_eq!(state("v"), "INACTIVE");
    assert_eq!(add("w", "v"), "ok");
    assert_eq!([state("v"), state("w")], [json!("ACTIVE"), json!("ACTIVE")]);
    assert_eq!(cloud.delete("net/w"), "resourceInUseByAnotherResource");
    let update = json!({ "networkPeering": { "name": "w", "exportCustomRoutes": true } });
    assert_eq!(cloud.ask("PATCH", &format!("{}/updatePeering", path("net/v")), update), "ok");
    assert_eq!(cloud.get("net/v")["peerings"][0]["exportCustomRoutes"], true);
    let remove =
        |name: &str| cloud.ask("POST", &format!("{}/removePeering", path("net/w")), json!({ "name": name }));
    assert_eq!([remove("none"), remove("v")], ["invalid", "ok"]);
    assert_eq!(state("v"), "INACTIVE");
    cloud.seed("net/o", json!({ "autoCreateSubnetworks": false }));
    cloud.seed("sub/o", json!({ "network": link("net/o"), "ipCidrRange": "10.0.0.0/16" }));
    assert_eq!(add("o", "v"), "badRequest", "the ranges overlap");
    assert!(cloud.front.world().complaints.is_empty());
}

#[test]
fn a_service_project_uses_the_networks_of_its_host() {
    let cloud = Cloud::quick();
    let project = json!({ "projectId": "service-one", "parent": "organizations/123456789012" });
    cloud.perform("POST", "v3/projects", project);
    let zone = "projects/service-one/zones/europe-west1-b/instances";
    let mut body = instance("sub/u", &[]);
    body["name"] = json!("x");
    assert_eq!(cloud.ask("POST", zone, body.clone()), "forbidden");
    let attach = json!({ "xpnResource": { "id": "service-one", "type": "PROJECT" } });
    let enable = format!("{PROJECT}/enableXpnResource");
    assert_eq!(cloud.ask("POST", &enable, attach.clone()), "badRequest", "no host yet");
    assert_eq!(cloud.ask("POST", &format!("{PROJECT}/enableXpnHost"), Value::Null), "ok");
    assert_eq!(cloud.ask("POST", &enable, attach.clone()), "ok");
    assert_eq!(cloud.ask("POST", zone, body), "ok");
    assert_eq!(cloud.get(PROJECT)["xpnProjectStatus"], "HOST");
    assert_eq!(cloud.get("projects/service-one/getXpnHost")["name"], "demo-project");
    assert_eq!(cloud.get(&format!("{PROJECT}/getXpnHost")), json!({}));
    let resources = cloud.get(&format!("{PROJECT}/getXpnResources"));
    assert_eq!(resources["resources"], json!([{ "id": "service-one", "type": "PROJECT" }]));
    let hosts = cloud.call("POST", "projects/service-one/listXpnHosts", json!({}));
    assert_eq!(read(&hosts)["items"][0]["name"], "demo-project");
    assert_eq!(cloud.ask("POST", &format!("{PROJECT}/disableXpnHost"), Value::Null), "badRequest");
    assert_eq!(cloud.ask("POST", &format!("{PROJECT}/disableXpnResource"), attach), "ok");
    assert_eq!(cloud.get("projects/service-one/getXpnHost"), json!({}));
    assert!(cloud.front.world().complaints.is_empty());
}
