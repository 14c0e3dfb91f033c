//! What the cloud refuses in rules, and what it shows of them.

use mock_azure::Limits;
use serde_json::{Value, json};

use crate::harness::{Cloud, at, id, network, quick, rule, subnet};

#[test]
fn rules_are_refused_for_what_is_wrong_in_them() {
    for (short, expected) in [
        ("100 in allow Tcp * * 443", "ok"),
        ("4096 out deny * * * *", "ok"),
        ("99 in allow Tcp * * 443", "SecurityRuleInvalidPriority"),
        ("4097 in allow Tcp * * 443", "SecurityRuleInvalidPriority"),
        ("100 in allow Sctp * * 443", "SecurityRuleInvalidProtocol"),
        ("100 in allow Icmp * * *", "ok"),
        ("100 in allow Esp * * *", "ok"),
        ("100 in allow Ah * * *", "ok"),
        ("100 in allow tcp virtualnetwork INTERNET 1-65535", "ok"),
        ("100 in allow Tcp Storage.WestEurope * 443", "ok"),
        ("100 in allow Tcp NoSuchTag * 443", "SecurityRuleInvalidAddressPrefix"),
        ("100 in allow Tcp 10.0.0.0/33 * 443", "SecurityRuleInvalidAddressPrefix"),
        (
            "100 in allow Tcp 10.0.0.1 fd00::1 443",
            "ResourceCannotContainAddressPrefixesFromDifferentAddressFamilies",
        ),
        (
            "100 in allow Tcp 10.0.0.0/8,fd00::/8 * 443",
            "ResourceCannotContainAddressPrefixesFromDifferentAddressFamilies",
        ),
        ("100 in allow Tcp fd00::/8,2001:db8::/32 * 443", "ok"),
        ("100 in allow Tcp 10.0.0.0/8,VirtualNetwork * 443", "SecurityRuleParameterContainsUnsupportedValue"),
        ("100 in allow Tcp 10.0.0.0/8,* * 443", "SecurityRuleParameterContainsUnsupportedValue"),
        ("100 in allow Tcp * * 70000", "SecurityRuleInvalidPortRange"),
        ("100 in allow Tcp * * 20-10", "SecurityRuleInvalidPortRange"),
        ("100 in allow Tcp * * 80,443,8000-8080", "ok"),
        ("100 in allow Tcp asg:web asg:db 443", "ok"),
        ("100 in allow Tcp asg:none * 443", "InvalidResourceReference"),
    ] {
        assert_eq!(Cloud::quick().put("nsg/n/r", rule(short)), expected, "{short}");
    }
}

#[test]
fn a_side_is_a_prefix_or_prefixes_or_groups() {
    let cloud = Cloud::quick();
    let with = |field: &str, value: Value| {
        let mut body = rule("100 in allow Tcp 10.0.0.0/8 * 443");
        body["properties"][field] = value;
        cloud.put("nsg/n/r", body)
    };
    assert_eq!(
        with("sourceApplicationSecurityGroups", json!([id("asg/web")])),
        "SecurityRuleParametersConflict"
    );
    assert_eq!(with("sourceAddressPrefixes", json!(["10.0.0.0/8"])), "SecurityRuleParametersConflict");
    assert_eq!(with("sourcePortRanges", json!(["1"])), "SecurityRuleParametersConflict");
    assert_eq!(with("sourceAddressPrefix", Value::Null), "SecurityRuleParametersMissing");
    assert_eq!(with("destinationPortRange", Value::Null), "SecurityRuleParametersMissing");
    assert_eq!(with("sourceAddressPrefixes", json!([])), "ok");
}

#[test]
fn priorities_are_unique_for_each_direction_of_a_group() {
    let cloud = Cloud::quick();
    assert_eq!(cloud.put("nsg/n/a", rule("100 in allow Tcp * * 1")), "ok");
    assert_eq!(cloud.put("nsg/n/b", rule("100 in allow Tcp * * 2")), "SecurityRuleConflict");
    assert_eq!(cloud.put("nsg/n/b", rule("100 out allow Tcp * * 2")), "ok");
    assert_eq!(
        cloud.put("nsg/n/a", rule("100 in deny Tcp * * 1")),
        "ok",
        "a rule does not clash with itself"
    );
    assert_eq!(cloud.put("nsg/n/c", rule("101 in allow Tcp * * 2")), "ok");
    assert_eq!(
        cloud.put("nsg/n/c", rule("100 in allow Tcp * * 2")),
        "SecurityRuleConflict",
        "nor is there a swap"
    );
    assert_eq!(cloud.get("nsg/n/c")["properties"]["priority"], 101, "nothing was applied");
}

#[test]
fn both_the_singular_and_the_plural_fields_come_back() {
    let cloud = Cloud::quick();
    cloud.put("nsg/n/one", rule("100 in allow Tcp 10.0.0.0/8 * 443"));
    cloud.put("nsg/n/many", rule("101 in allow Tcp 10.0.0.0/8,10.1.0.0/16 asg:web 80,443"));
    let one = &cloud.get("nsg/n/one")["properties"];
    assert_eq!(
        (&one["sourceAddressPrefix"], &one["sourceAddressPrefixes"]),
        (&json!("10.0.0.0/8"), &json!([]))
    );
    assert_eq!((&one["destinationPortRange"], &one["destinationPortRanges"]), (&json!("443"), &json!([])));
    let many = &cloud.get("nsg/n/many")["properties"];
    assert_eq!(many["destinationPortRanges"], json!(["80", "443"]));
    assert_eq!(many["destinationAddressPrefixes"], json!([]));
    assert_eq!(many["destinationApplicationSecurityGroups"], json!([id("asg/web")]));
}

/// The answer to one rule more than a limit allows.
fn beyond(limits: Limits, rules: &[&str]) -> Vec<String> {
    let cloud = Cloud::seeded(mock_azure::Settings { limits, ..quick() });
    rules.iter().enumerate().map(|(n, short)| cloud.put(&format!("nsg/n/r{n}"), rule(short))).collect()
}

#[test]
fn limits_are_counted_over_all_rules_of_a_group() {
    let few = Limits { rules_per_group: 1, ..Limits::default() };
    let answers = beyond(few, &["100 in allow Tcp * * 1", "101 in allow Tcp * * 2"]);
    assert_eq!(answers, ["ok", "SecurityRuleCountLimitReached"]);
    let few = Limits { addresses_per_group: 3, ..Limits::default() };
    let answers = beyond(
        few,
        &[
            "100 in allow Tcp 10.0.0.1,10.0.0.2 * 1",
            "101 in allow Tcp 10.0.0.3,10.0.0.4 * 1",
            "101 in allow Tcp * 10.0.0.3,10.0.0.4 1",
        ],
    );
    assert_eq!(answers, ["ok", "SecurityRuleAddressesOrPortsPerSecurityGroupLimitReached", "ok"]);
    let few = Limits { groups_per_side: 1, ..Limits::default() };
    assert_eq!(
        beyond(few, &["100 in allow Tcp asg:web,db asg:db 1"]),
        ["NumberOfApplicationSecurityGroupsReferencedInSecurityRuleLimitReached"]
    );
    let few = Limits { application_groups_per_group: 1, ..Limits::default() };
    let answers = beyond(few, &["100 in allow Tcp asg:web asg:web 1", "101 in allow Tcp asg:db asg:web 1"]);
    assert_eq!(answers, ["ok", "NumberOfApplicationSecurityGroupsReferencedInSecurityGroupLimitReached"]);
}

#[test]
fn a_group_takes_a_thousand_rules_and_not_one_more() {
    let cloud = Cloud::quick();
    let rules = |count: u32| -> Vec<Value> {
        (0..count)
            .map(|n| {
                let mut one = rule(&format!("{} in allow Tcp * * 443", 100 + n));
                one["name"] = json!(format!("r{n}"));
                one
            })
            .collect()
    };
    assert_eq!(cloud.put("nsg/n", at(json!({ "securityRules": rules(1000) }))), "ok");
    assert_eq!(cloud.put("nsg/n/more", rule("4000 in allow Tcp * * 1")), "SecurityRuleCountLimitReached");
    assert_eq!(
        cloud.put("nsg/m", at(json!({ "securityRules": rules(1001) }))),
        "SecurityRuleCountLimitReached"
    );
}

#[test]
fn the_groups_of_a_rule_share_a_network() {
    let cloud = Cloud::quick();
    cloud.interface("a", "vnet/v/s", &["web"]);
    cloud.interface("b", "vnet/w/u", &["far"]);
    let refused = "AllApplicationSecurityGroupsInSecurityRuleMustBeFromSameVnet";
    assert_eq!(cloud.put("nsg/n/r", rule("100 in allow Tcp asg:web asg:far 1")), refused);
    assert_eq!(cloud.put("nsg/n/r", rule("100 in allow Tcp asg:web,far * 1")), refused);
    assert_eq!(
        cloud.put("nsg/n/r", rule("100 in allow Tcp asg:web asg:db 1")),
        "ok",
        "an empty group is of none"
    );
    // The first member of a group that the rule names must be in the network of the others.
    let member = crate::harness::interface("vnet/w/u", &["db"]);
    assert_eq!(cloud.put("nic/c", member), refused);
    assert_eq!(cloud.put("nic/c", crate::harness::interface("vnet/v/s", &["db"])), "ok");
}

#[test]
fn names_are_checked() {
    let cloud = Cloud::quick();
    let long = "x".repeat(81);
    for (name, expected) in [
        ("a-b.c_", "ok"),
        ("a-", "InvalidResourceName"),
        ("_a", "InvalidResourceName"),
        ("a b", "InvalidResourceName"),
        (long.as_str(), "InvalidResourceName"),
    ] {
        assert_eq!(cloud.put(&format!("nsg/n/{name}"), rule("100 in allow Tcp * * 1")), expected, "{name}");
        cloud.delete(&format!("nsg/n/{name}"));
    }
    assert_eq!(cloud.put("vnet/v/-x", subnet(&["10.0.9.0/24"], None)), "InvalidResourceName");
    assert_eq!(cloud.put("vnet/x-", network(&["10.9.0.0/16"])), "InvalidResourceName");
}
