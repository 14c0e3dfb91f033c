//! Firewall policies: rules, fingerprints, associations, costs, the order of a network.

use serde_json::{Value, json};

use crate::harness::{Cloud, link, outcome, path, quick, read, rule};

const OPEN: &str = "in allow tcp:443 0.0.0.0/0 *";

fn with_policy() -> Cloud {
    let cloud = Cloud::quick();
    cloud.seed("pol/p", json!({}));
    cloud
}

fn add(cloud: &Cloud, short: &str) -> String {
    cloud.ask("POST", &format!("{}/addRule", path("pol/p")), rule(short))
}

fn priorities(policy: &Value) -> Vec<u64> {
    policy["rules"].as_array().unwrap().iter().map(|rule| rule["priority"].as_u64().unwrap()).collect()
}

const PREDEFINED: [u64; 4] = [2_147_483_644, 2_147_483_645, 2_147_483_646, 2_147_483_647];

#[test]
fn a_new_policy_has_the_predefined_rules_and_a_fingerprint() {
    let cloud = with_policy();
    let held = cloud.get("pol/p");
    assert_eq!(priorities(&held), PREDEFINED);
    assert!(held["rules"].as_array().unwrap().iter().all(|rule| rule["action"] == "goto_next"));
    assert_eq!((&held["ruleTupleCount"], &held["kind"]), (&json!(0), &json!("compute#firewallPolicy")));
    assert_eq!(held["fingerprint"].as_str().unwrap().len(), 12);
    for action in ["patchRule", "removeRule"] {
        let at = format!("{}/{action}?priority=2147483647", path("pol/p"));
        assert_eq!(cloud.ask("POST", &at, json!({ "action": "deny" })), "invalid");
    }
}

#[test]
fn rules_are_added_changed_moved_and_removed_by_priority() {
    let cloud = with_policy();
    assert_eq!(add(&cloud, &format!("100 {OPEN}")), "ok");
    let again = cloud.call("POST", &format!("{}/addRule", path("pol/p")), rule(&format!("100 {OPEN}")));
    assert_eq!(
        read(&again)["error"]["message"],
        "Invalid value for field 'resource.priority': '100'. Cannot have rules with the same priorities."
    );
    let at = |action: &str, priority: u64| format!("{}/{action}?priority={priority}", path("pol/p"));
    assert_eq!(cloud.ask("POST", &at("patchRule", 100), json!({ "description": "x", "priority": 90 })), "ok");
    assert_eq!(cloud.get(&at("getRule", 90))["description"], "x");
    let missing = cloud.call("GET", &at("getRule", 100), Value::Null);
    assert_eq!(outcome(&missing), "invalid");
    assert!(missing.body.contains("The firewall policy does not contain a rule at priority 100."));
    assert_eq!(add(&cloud, &format!("50 {OPEN}")), "ok");
    assert_eq!(cloud.ask("POST", &at("patchRule", 50), json!({ "priority": 90 })), "invalid");
    assert_eq!(cloud.ask("POST", &at("removeRule", 90), Value::Null), "ok");
    assert_eq!(cloud.ask("POST", &at("removeRule", 90), Value::Null), "invalid");
    assert_eq!(priorities(&cloud.get("pol/p"))[..1], [50]);
    let mut free = rule(&format!("1 {OPEN}"));
    free.as_object_mut().unwrap().remove("priority");
    let asked = format!("{}/addRule?minPriority=50&maxPriority=51", path("pol/p"));
    assert_eq!(cloud.ask("POST", &asked, free.clone()), "ok");
    assert_eq!(cloud.ask("POST", &asked, free.clone()), "badRequest");
    assert_eq!(cloud.ask("POST", &format!("{}/addRule", path("pol/p")), free), "required");
    assert_eq!(priorities(&cloud.get("pol/p"))[..2], [50, 51]);
}

#[test]
fn wrong_rules_are_refused() {
    let cloud = with_policy();
    let tag = cloud.tag("v", "web");
    let many = |n: usize| (0..n).map(|n| format!("10.{}.{}.0/24", n / 256, n % 256)).collect::<Vec<_>>();
    let tags = |n: usize| vec![json!({ "name": tag }); n];
    let table: Vec<(&str, Value, &str)> = vec![
        ("", json!({}), "ok"),
        ("", json!({ "action": "mirror" }), "invalid"),
        ("", json!({ "action": "apply_security_profile_group" }), "ok"),
        ("", json!({ "direction": "IN" }), "invalid"),
        ("", json!({ "action": "goto_next", "enableLogging": true }), "badRequest"),
        ("", json!({ "priority": 2_147_483_648_u64 }), "invalid"),
        ("match", json!({ "layer4Configs": [] }), "required"),
        ("match", json!({ "srcIpRanges": [] }), "invalid"),
        ("match", json!({ "srcIpRanges": ["10.0.0.0/8", "::/0"] }), "invalid"),
        ("match", json!({ "srcIpRanges": many(5000) }), "quotaExceeded"),
        ("match", json!({ "srcIpRanges": many(5001) }), "invalid"),
        ("match", json!({ "srcSecureTags": tags(256) }), "ok"),
        ("match", json!({ "srcSecureTags": tags(257) }), "invalid"),
        ("match", json!({ "srcSecureTags": [{ "name": "tagValues/1" }] }), "invalid"),
        ("match", json!({ "srcAddressGroups": many(11) }), "invalid"),
        ("match", json!({ "srcFqdns": many(101) }), "invalid"),
        ("", json!({ "targetSecureTags": tags(257) }), "invalid"),
        ("", json!({ "targetSecureTags": tags(1), "targetServiceAccounts": ["a@b"] }), "invalid"),
        ("", json!({ "direction": "EGRESS" }), "invalid"),
    ];
    for (at, changes, expected) in table {
        let mut body = rule(&format!("100 {OPEN}"));
        let target = if at.is_empty() { &mut body } else { &mut body[at] };
        for (field, value) in changes.as_object().unwrap() {
            target[field] = value.clone();
        }
        let outcome = cloud.ask("POST", &format!("{}/addRule", path("pol/p")), body);
        let shown: String = changes.to_string().chars().take(90).collect();
        assert_eq!(outcome, expected, "{shown}");
        cloud.ask("POST", &format!("{}/removeRule?priority=100", path("pol/p")), Value::Null);
    }
    let mut out = rule("100 out allow tcp 10.0.0.0/8 *");
    out["match"]["srcSecureTags"] = json!(tags(1));
    assert_eq!(cloud.ask("POST", &format!("{}/addRule", path("pol/p")), out), "invalid");
}

#[test]
fn patch_needs_the_newest_fingerprint_and_replaces_all_rules() {
    let cloud = with_policy();
    let first = cloud.get("pol/p")["fingerprint"].clone();
    assert_eq!(add(&cloud, &format!("100 {OPEN}")), "ok");
    let now = cloud.get("pol/p")["fingerprint"].clone();
    assert_ne!(first, now, "every change gives a new one");
    let patch = |fingerprint: &Value, rules: &[&str]| {
        let rules: Vec<Value> = rules.iter().map(|short| rule(short)).collect();
        cloud.call("PATCH", "pol/p", json!({ "fingerprint": fingerprint, "rules": rules }))
    };
    let stale = patch(&first, &[]);
    let error = &read(&stale)["error"];
    assert_eq!((stale.status, &error["errors"][0]["reason"]), (412, &json!("conditionNotMet")));
    assert_eq!(outcome(&patch(&Value::Null, &[])), "conditionNotMet");
    let two = [format!("10 {OPEN}"), format!("20 {OPEN}")];
    assert_eq!(outcome(&patch(&now, &[&two[0], &two[1]])), "ok");
    assert_eq!(priorities(&cloud.get("pol/p")), [&[10, 20], &PREDEFINED[..]].concat());
    let now = cloud.get("pol/p")["fingerprint"].clone();
    assert_eq!(outcome(&patch(&now, &[&two[0], &two[0]])), "invalid", "one priority twice");
    let closed = "2147483647 in deny all 0.0.0.0/0 *";
    assert_eq!(outcome(&patch(&now, &[closed])), "invalid", "a predefined rule");
    // What was read may be sent back, predefined rules and all.
    let held = cloud.get("pol/p");
    let again = json!({ "fingerprint": held["fingerprint"], "rules": held["rules"], "description": "d" });
    assert_eq!(cloud.ask("PATCH", "pol/p", again), "ok");
    assert_eq!(cloud.get("pol/p")["rules"], held["rules"]);
    assert_eq!(cloud.get("pol/p")["description"], "d");
}

#[test]
fn attributes_are_counted_for_each_rule_and_limited_for_the_policy() {
    let mut settings = quick();
    settings.limits.policy_tuples = 8;
    let cloud = Cloud::seeded(settings);
    cloud.seed("pol/p", json!({}));
    assert_eq!(add(&cloud, "1 in allow tcp:443 10.0.0.0/8 *"), "ok");
    let held = cloud.get("pol/p");
    assert_eq!((&held["ruleTupleCount"], &held["rules"][0]["ruleTupleCount"]), (&json!(3), &json!(3)));
    assert_eq!(add(&cloud, "2 in allow tcp:1,2,3 10.0.0.0/8,11.0.0.0/8 *"), "quotaExceeded");
    assert_eq!(add(&cloud, "2 in allow tcp:1,2 10.0.0.0/8,11.0.0.0/8 *"), "ok");
    assert_eq!(cloud.get("pol/p")["ruleTupleCount"], 8);
    let cloud = with_policy();
    let web = cloud.tag("v", "web");
    assert_eq!(add(&cloud, &format!("1 in allow tcp:443 10.0.0.0/8+{web} {web}")), "ok");
    assert_eq!(add(&cloud, "2 in allow tcp:443 10.0.0.0/8 sa:a@b"), "ok");
    let held = cloud.get("pol/p");
    assert_eq!((&held["rules"][0]["ruleTupleCount"], &held["ruleTupleCount"]), (&json!(5), &json!(9)));
}

#[test]
fn rules_are_cloned_from_another_policy() {
    let cloud = with_policy();
    cloud.seed("pol/q", json!({}));
    assert_eq!(add(&cloud, &format!("100 {OPEN}")), "ok");
    let from = format!("{}/cloneRules?sourceFirewallPolicy={}", path("pol/q"), path("pol/p"));
    assert_eq!(cloud.ask("POST", &from, Value::Null), "ok");
    assert_eq!(cloud.get("pol/q")["rules"], cloud.get("pol/p")["rules"]);
    let none = format!("{}/cloneRules?sourceFirewallPolicy={}", path("pol/q"), path("pol/none"));
    assert_eq!(cloud.ask("POST", &none, Value::Null), "notFound");
}

#[test]
fn a_network_has_one_policy_and_it_is_exchanged_in_one_call() {
    let cloud = with_policy();
    cloud.seed("pol/q", json!({}));
    let add = |policy: &str, name: &str, query: &str| {
        let body = json!({ "name": name, "attachmentTarget": link("net/v") });
        cloud.ask("POST", &format!("{}/addAssociation{query}", path(policy)), body)
    };
    assert_eq!(add("pol/p", "v", ""), "ok");
    assert_eq!(add("pol/p", "v", ""), "invalid", "the name is taken");
    assert_eq!(cloud.get("net/v")["firewallPolicy"], link("pol/p"));
    assert_eq!(cloud.delete("pol/p"), "resourceInUseByAnotherResource");
    assert_eq!(cloud.delete("net/v"), "resourceInUseByAnotherResource");
    assert_eq!(add("pol/q", "v", ""), "invalid", "the network has one");
    assert_eq!(add("pol/q", "v", "?replaceExistingAssociation=true"), "ok");
    assert_eq!(cloud.get("net/v")["firewallPolicy"], link("pol/q"));
    assert!(cloud.get("pol/p").get("associations").is_none());
    let association = cloud.get(&format!("{}/getAssociation?name=v", path("pol/q")));
    assert_eq!(association["attachmentTarget"], link("net/v"));
    let remove = |name: &str| {
        cloud.ask("POST", &format!("{}/removeAssociation?name={name}", path("pol/q")), Value::Null)
    };
    assert_eq!([remove("none"), remove("v"), remove("v")], ["invalid", "ok", "invalid"]);
    assert_eq!(cloud.delete("pol/p"), "ok");
    // A regional policy is another place.
    cloud.seed("rpol/r", json!({}));
    assert_eq!([add("rpol/r", "v", ""), add("pol/q", "v", "")], ["ok", "ok"]);
    let none = json!({ "name": "n", "attachmentTarget": link("net/none") });
    assert_eq!(cloud.ask("POST", &format!("{}/addAssociation", path("pol/q")), none), "notFound");
}

#[test]
fn hierarchical_policies_have_numbers_and_are_on_folders() {
    let cloud = Cloud::quick();
    let list = "locations/global/firewallPolicies";
    let at = "organizations/123456789012";
    assert_eq!(
        cloud.ask("POST", &format!("{list}?parentId=folders/1"), json!({ "shortName": "x" })),
        "invalid"
    );
    let operation = cloud.call("POST", &format!("{list}?parentId={at}"), json!({ "shortName": "x" }));
    let operation = read(&operation);
    let policy = operation["targetLink"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    let name = operation["name"].as_str().unwrap();
    assert_eq!(cloud.get(&format!("locations/global/operations/{name}?parentId={at}"))["status"], "DONE");
    let add = json!({ "name": "a", "attachmentTarget": at });
    assert_eq!(cloud.ask("POST", &format!("{list}/{policy}/addAssociation"), add), "ok");
    let found = cloud.get(&format!("{list}/listAssociations?targetResource={at}"));
    assert_eq!(found["associations"][0]["shortName"], "x");
    let all = cloud.get(&format!("{list}?parentId={at}"));
    assert_eq!((all["items"].as_array().unwrap().len(), &all["items"][0]["parent"]), (1, &json!(at)));
    assert!(cloud.get(&format!("{list}?parentId=folders/1")).get("items").is_none());
}

#[test]
fn effective_firewalls_tell_what_is_in_force() {
    let cloud = with_policy();
    let (web, db) = (cloud.tag("v", "web"), cloud.tag("v", "db"));
    cloud.vm("a", "sub/s", &["front"]);
    cloud.bind("a", &web);
    cloud.firewall("mine", "1 in allow tcp * tag:front");
    cloud.firewall("theirs", "1 in allow tcp * tag:back");
    cloud.attach("pol/p", "v");
    assert_eq!(add(&cloud, &format!("1 in allow tcp 0.0.0.0/0 {web}")), "ok");
    assert_eq!(add(&cloud, &format!("2 in allow tcp 0.0.0.0/0 {db}")), "ok");
    cloud.seed("rpol/r", json!({}));
    cloud.act("rpol/r", "addAssociation", json!({ "name": "v", "attachmentTarget": link("net/v") }));
    let list = "locations/global/firewallPolicies?parentId=organizations/123456789012";
    let org = cloud.perform("POST", list, json!({ "shortName": "org" }));
    let org = format!("locations/global/firewallPolicies/{}", org["name"].as_str().unwrap());
    let node = json!({ "name": "o", "attachmentTarget": "organizations/123456789012" });
    cloud.perform("POST", &format!("{org}/addAssociation"), node);
    let told = |found: &Value| {
        let policies = found["firewallPolicys"].as_array().unwrap().iter();
        let policies = policies
            .map(|p| format!("{} {}", p["type"].as_str().unwrap(), priorities(p).len() - PREDEFINED.len()));
        let rules =
            found["firewalls"].as_array().unwrap().iter().map(|r| r["name"].as_str().unwrap().to_owned());
        rules.chain(policies).collect::<Vec<_>>().join(", ")
    };
    let of_network = cloud.get(&format!("{}/getEffectiveFirewalls", path("net/v")));
    assert_eq!(told(&of_network), "mine, theirs, HIERARCHY 0, NETWORK 2");
    let of_region = format!("{}/getEffectiveFirewalls?network={}", path("rpol/"), path("net/v"));
    assert_eq!(told(&cloud.get(&of_region)), "mine, theirs, HIERARCHY 0, NETWORK 2, NETWORK_REGIONAL 0");
    let of_instance = cloud.get(&format!("{}/getEffectiveFirewalls?networkInterface=nic0", path("vm/a")));
    assert_eq!(told(&of_instance), "mine, HIERARCHY 0, NETWORK 1, NETWORK_REGIONAL 0");
    let none = format!("{}/getEffectiveFirewalls?networkInterface=nic1", path("vm/a"));
    assert_eq!(cloud.ask("GET", &none, Value::Null), "invalid");
}
