//! Security groups and application security groups as a whole.

use mock_azure::{Limits, Settings};
use serde_json::{Value, json};

use crate::harness::{Cloud, at, id, outcome, path, quick, rule, subnet};

fn named(name: &str, short: &str) -> Value {
    let mut body = rule(short);
    body["name"] = json!(name);
    body
}

#[test]
fn a_put_of_a_group_replaces_its_rules() {
    let cloud = Cloud::quick();
    let rules = json!([named("a", "100 in allow Tcp * * 1"), named("b", "101 in allow Tcp * * 2")]);
    assert_eq!(cloud.put("nsg/n", at(json!({ "securityRules": rules }))), "ok");
    assert_eq!(
        cloud.put("nsg/n", at(json!({ "securityRules": [named("b", "100 in allow Tcp * * 2")] }))),
        "ok"
    );
    let left = cloud.get("nsg/n/");
    let names: Vec<&str> =
        left["value"].as_array().unwrap().iter().map(|r| r["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["b"], "the rule that was left out is gone, and its priority is free");
    assert_eq!(cloud.put("nsg/n", at(json!({}))), "ok");
    assert_eq!(cloud.get("nsg/n")["properties"]["securityRules"], json!([]));
}

#[test]
fn a_refused_put_of_a_group_changes_nothing() {
    let cloud = Cloud::quick();
    cloud.rule("keep", "100 in allow Tcp * * 1");
    let before = cloud.get("nsg/n");
    for (rules, expected) in [
        (
            json!([named("a", "100 in allow Tcp * * 1"), named("b", "100 in allow Tcp * * 2")]),
            "SecurityRuleConflict",
        ),
        (
            json!([named("a", "100 in allow Tcp * * 1"), named("A", "101 in allow Tcp * * 2")]),
            "DuplicateResourceName",
        ),
        (json!([named("a", "100 in allow Tcp asg:none * 1")]), "InvalidResourceReference"),
    ] {
        assert_eq!(cloud.put("nsg/n", at(json!({ "securityRules": rules }))), expected);
    }
    assert_eq!(cloud.get("nsg/n"), before);
}

#[test]
fn every_group_ends_with_the_six_default_rules() {
    let group = Cloud::quick().get("nsg/n");
    let rules = group["properties"]["defaultSecurityRules"].as_array().unwrap();
    let lines: Vec<String> = rules
        .iter()
        .map(|rule| {
            let of = |field: &str| rule["properties"][field].as_str().unwrap().to_owned();
            let (name, priority) = (rule["name"].as_str().unwrap(), &rule["properties"]["priority"]);
            format!("{priority} {name}: {} to {}", of("sourceAddressPrefix"), of("destinationAddressPrefix"))
        })
        .collect();
    assert_eq!(
        lines,
        [
            "65000 AllowVnetInBound: VirtualNetwork to VirtualNetwork",
            "65001 AllowAzureLoadBalancerInBound: AzureLoadBalancer to *",
            "65500 DenyAllInBound: * to *",
            "65000 AllowVnetOutBound: VirtualNetwork to VirtualNetwork",
            "65001 AllowInternetOutBound: * to Internet",
            "65500 DenyAllOutBound: * to *",
        ]
    );
}

#[test]
fn a_group_in_use_is_not_deleted_and_shows_who_uses_it() {
    let cloud = Cloud::quick();
    cloud.seed("vnet/v/s", subnet(&["10.0.1.0/24"], Some("nsg/n")));
    assert_eq!(cloud.delete("nsg/n"), "InUseNetworkSecurityGroupCannotBeDeleted");
    assert_eq!(cloud.get("nsg/n")["properties"]["subnets"], json!([id("vnet/v/s")]));
    cloud.seed("vnet/v/s", subnet(&["10.0.1.0/24"], None));
    let mut body = crate::harness::interface("vnet/v/s", &[]);
    body["properties"]["networkSecurityGroup"] = id("nsg/n");
    cloud.seed("nic/i", body);
    assert_eq!(cloud.delete("nsg/n"), "InUseNetworkSecurityGroupCannotBeDeleted");
    assert_eq!(cloud.get("nsg/n")["properties"]["networkInterfaces"], json!([id("nic/i")]));
    cloud.seed("nic/i", crate::harness::interface("vnet/v/s", &[]));
    assert_eq!(cloud.delete("nsg/n"), "ok");
    assert_eq!(outcome(&cloud.call("GET", "nsg/n", Value::Null)), "ResourceNotFound");
}

#[test]
fn an_application_group_stays_while_a_member_or_a_rule_has_it() {
    let cloud = Cloud::quick();
    cloud.interface("a", "vnet/v/s", &["web"]);
    assert_eq!(cloud.delete("asg/web"), "InUseApplicationSecurityGroupCannotBeDeleted");
    cloud.interface("a", "vnet/v/s", &[]);
    cloud.rule("r", "100 in allow Tcp asg:web * 1");
    assert_eq!(cloud.delete("asg/web"), "InUseApplicationSecurityGroupCannotBeDeleted");
    assert_eq!(cloud.delete("nsg/n/r"), "ok");
    assert_eq!(cloud.delete("asg/web"), "ok");
}

#[test]
fn groups_are_counted_for_each_location() {
    let limits = Limits { security_groups: 2, application_groups: 3, ..Limits::default() };
    let cloud = Cloud::seeded(Settings { limits, ..quick() });
    assert_eq!(cloud.put("nsg/b", at(json!({}))), "ok");
    assert_eq!(cloud.put("nsg/c", at(json!({}))), "ResourceCountExceedsLimitDueToTemplate");
    assert_eq!(cloud.put("nsg/b", at(json!({}))), "ok", "one that is there is not counted twice");
    assert_eq!(cloud.put("nsg/d", json!({ "location": "northeurope" })), "ok");
    assert_eq!(cloud.put("asg/more", at(json!({}))), "ResourceCountExceedsLimitDueToTemplate");
}

#[test]
fn a_resource_needs_a_group_a_location_and_a_parent() {
    let cloud = Cloud::quick();
    assert_eq!(cloud.put("nsg/x", json!({ "properties": {} })), "LocationRequired");
    assert_eq!(cloud.put("nsg/n", json!({ "location": "northeurope" })), "InvalidResourceLocation");
    assert_eq!(cloud.put("nsg/none/r", rule("100 in allow Tcp * * 1")), "ParentResourceNotFound");
    let elsewhere = path("nsg/n").replace("/rg/", "/other/");
    assert_eq!(cloud.put(&elsewhere, at(json!({}))), "ResourceGroupNotFound");
    assert_eq!(outcome(&cloud.call("GET", &elsewhere, Value::Null)), "ResourceGroupNotFound");
}

#[test]
fn ids_are_compared_without_letter_case() {
    let cloud = Cloud::quick();
    assert_eq!(
        cloud.put(&path("nsg/N").to_uppercase().replace("SUBSCRIPTIONS", "subscriptions"), at(json!({}))),
        "ok"
    );
    assert_eq!(
        cloud.get("nsg/n")["id"],
        json!(path("nsg/n")),
        "one group, with the spelling of its creation"
    );
}

#[test]
fn unknown_fields_and_tags_are_kept() {
    let cloud = Cloud::quick();
    let body = json!({ "location": "westeurope", "tags": { "a": "b" },
        "properties": { "flushConnection": true, "newerSetting": { "deep": [1] } } });
    assert_eq!(cloud.put("nsg/n", body), "ok");
    let read = cloud.get("nsg/n");
    assert_eq!(read["properties"]["newerSetting"], json!({ "deep": [1] }));
    assert_eq!(read["properties"]["flushConnection"], json!(true));
    assert_eq!(outcome(&cloud.call("PATCH", "nsg/n", json!({ "tags": { "c": "d" } }))), "ok");
    assert_eq!(cloud.get("nsg/n")["tags"], json!({ "c": "d" }));
    assert_eq!(outcome(&cloud.call("PATCH", "nsg/n", json!({ "properties": {} }))), "InvalidRequestContent");
}
