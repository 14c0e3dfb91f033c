//! Security admin rules of a network manager.

use serde_json::{Value, json};

use crate::harness::{Cloud, SUBSCRIPTION, at, outcome, path, subnet};

fn manager(rest: &str) -> String {
    format!("{SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.Network/networkManagers/m{rest}")
}

/// A manager whose configuration `c` applies to the network `v`, not yet committed.
fn managed(rules: &[(&str, u32, &str, &str, &str)]) -> Cloud {
    let cloud = Cloud::quick();
    cloud.seed("vnet/v/s", subnet(&["10.0.1.0/24"], Some("nsg/n")));
    cloud.interface("a", "vnet/v/s", &[]);
    cloud.interface("far", "vnet/w/u", &[]);
    cloud.seed(&manager(""), at(json!({})));
    cloud.seed(&manager("/networkGroups/g"), json!({}));
    let member = json!({ "properties": { "resourceId": path("vnet/v") } });
    cloud.seed(&manager("/networkGroups/g/staticMembers/v"), member);
    cloud.seed(
        &manager("/securityAdminConfigurations/c"),
        json!({ "properties": { "description": "guard" } }),
    );
    let applies =
        json!({ "properties": { "appliesToGroups": [{ "networkGroupId": manager("/networkGroups/g") }] } });
    cloud.seed(&manager("/securityAdminConfigurations/c/ruleCollections/k"), applies);
    for (name, priority, access, source, port) in rules {
        cloud.seed(
            &manager(&format!("/securityAdminConfigurations/c/ruleCollections/k/rules/{name}")),
            json!({ "kind": "Custom", "properties": {
                "direction": "Inbound", "access": access, "priority": priority, "protocol": "Tcp",
                "sources": [{ "addressPrefix": source, "addressPrefixType": "IPPrefix" }],
                "destinationPortRanges": [port] } }),
        );
    }
    cloud
}

fn commit(cloud: &Cloud, configurations: &[String]) -> String {
    let body = json!({ "targetLocations": ["westeurope"], "configurationIds": configurations, "commitType": "SecurityAdmin" });
    outcome(&cloud.call("POST", &manager("/commit"), body))
}

/// The network `v` whose managers let nobody at SSH from inside.
pub fn guarded() -> Cloud {
    let cloud = managed(&[("deny", 10, "Deny", "10.0.0.0/8", "22")]);
    assert_eq!(commit(&cloud, &[manager("/securityAdminConfigurations/c")]), "ok");
    cloud
}

#[test]
fn admin_rules_come_before_the_security_groups() {
    let cloud = managed(&[
        ("deny", 10, "Deny", "10.0.0.0/8", "22"),
        ("always", 20, "AlwaysAllow", "0.0.0.0/0", "9100"),
        ("allow", 30, "Allow", "0.0.0.0/0", "80"),
    ]);
    cloud.rule("close", "4000 in deny Tcp * * 80,9100");
    cloud.check_packets("10.0.2.9 tcp/22 a pass\n10.0.2.9 tcp/9100 a cut");
    assert_eq!(commit(&cloud, &[manager("/securityAdminConfigurations/c")]), "ok");
    cloud.check_packets(
        "10.0.2.9 tcp/22 a cut
         10.0.2.9 tcp/9100 a pass
         10.0.2.9 tcp/80 a cut
         10.0.2.9 tcp/81 a pass
         10.0.2.9 tcp/22 far pass",
    );
    assert_eq!(commit(&cloud, &[]), "ok");
    cloud.check_packets("10.0.2.9 tcp/22 a pass");
}

#[test]
fn rules_are_in_force_as_they_were_committed() {
    let cloud = managed(&[("deny", 10, "Deny", "10.0.0.0/8", "22")]);
    let configuration = manager("/securityAdminConfigurations/c");
    commit(&cloud, std::slice::from_ref(&configuration));
    cloud.delete(&format!("{configuration}/ruleCollections/k/rules/deny"));
    cloud.check_packets("10.0.2.9 tcp/22 a cut");
    assert_eq!(cloud.delete(&configuration), "CannotDeleteDeployedConfiguration");
    commit(&cloud, std::slice::from_ref(&configuration));
    cloud.check_packets("10.0.2.9 tcp/22 a pass");
    assert_eq!(cloud.delete(&configuration), "ok");
}

#[test]
fn active_rules_are_listed_for_a_manager_and_for_a_network() {
    let cloud = managed(&[("one", 10, "Deny", "10.0.0.0/8", "22"), ("two", 11, "Deny", "10.0.0.0/8", "23")]);
    commit(&cloud, &[manager("/securityAdminConfigurations/c")]);
    let ask = |path: String, body: Value| -> Vec<String> {
        let answer = cloud.call("POST", &path, body);
        assert_eq!(answer.status, 200, "{}", answer.body);
        let body: Value = serde_json::from_str(&answer.body).unwrap();
        let ids = body["value"].as_array().unwrap().iter();
        ids.map(|one| one["id"].as_str().unwrap().rsplit('/').next().unwrap().to_owned()).collect()
    };
    let active = manager("/listActiveSecurityAdminRules");
    assert_eq!(ask(active.clone(), json!({ "regions": ["westeurope"] })), ["one", "two"]);
    assert_eq!(ask(active.clone(), json!({ "regions": ["northeurope"] })), Vec::<String>::new());
    let effective = |name: &str| format!("{}/listNetworkManagerEffectiveSecurityAdminRules", path(name));
    assert_eq!(ask(effective("vnet/v"), json!({})), ["one", "two"]);
    assert_eq!(ask(effective("vnet/w"), json!({})), Vec::<String>::new());
    cloud.front.world().settings.limits.page_items = 1;
    assert_eq!(ask(active.clone(), json!({})), ["one"]);
    assert_eq!(ask(active, json!({ "skipToken": "1" })), ["two"]);
}

#[test]
fn admin_rules_are_checked() {
    let cloud = managed(&[]);
    let put = |properties: Value| {
        cloud.put(
            &manager("/securityAdminConfigurations/c/ruleCollections/k/rules/r"),
            json!({ "properties": properties }),
        )
    };
    let good = json!({ "direction": "Inbound", "access": "Deny", "priority": 1, "protocol": "Any" });
    assert_eq!(put(good.clone()), "ok");
    for (field, value) in [("priority", json!(0)), ("access", json!("Maybe")), ("direction", json!("Up"))] {
        let mut bad = good.clone();
        bad[field] = value;
        assert_eq!(put(bad), "InvalidRequestFormat", "{field}");
    }
}
