//! Long-running operations, etags, one operation at a time.

use mock_azure::{Answer, Headers, Settings};
use mock_cloud::Fault;
use serde_json::{Value, json};

use crate::harness::{Cloud, SIGNED, at, interface, outcome, quick, rule, subnet};

/// Operations run for a second.
fn slow() -> Cloud {
    Cloud::seeded(Settings { operation_ms: 1000, ..quick() })
}

fn follow(cloud: &Cloud, answer: &Answer) -> Value {
    let link =
        answer.header("azure-asyncoperation").unwrap().strip_prefix("https://management.azure.com").unwrap();
    let status = cloud.front.handle("GET", link, SIGNED, b"");
    assert_eq!(status.status, 200, "{}", status.body);
    serde_json::from_str(&status.body).unwrap()
}

fn body(answer: &Answer) -> Value {
    serde_json::from_str(&answer.body).unwrap()
}

#[test]
fn a_write_is_an_operation_that_ends_later() {
    let cloud = slow();
    let made = cloud.call("PUT", "nsg/x", at(json!({})));
    assert_eq!((made.status, &body(&made)["properties"]["provisioningState"]), (201, &json!("Updating")));
    assert_eq!(made.header("azure-asyncnotification"), Some("Enabled"));
    assert_eq!(follow(&cloud, &made), json!({ "status": "InProgress" }));
    assert_eq!(cloud.get("nsg/x")["properties"]["provisioningState"], "Updating");
    cloud.front.world().advance_ms(1000);
    assert_eq!(follow(&cloud, &made), json!({ "status": "Succeeded" }));
    assert_eq!(cloud.get("nsg/x")["properties"]["provisioningState"], "Succeeded");
    assert_eq!(cloud.call("PUT", "nsg/x", at(json!({}))).status, 200, "there already");
}

#[test]
fn the_etag_changes_again_when_the_operation_ends() {
    let cloud = slow();
    let first = cloud.get("nsg/n")["etag"].clone();
    let put = cloud.call("PUT", "nsg/n/r", rule("100 in allow Tcp * * 1"));
    let during = body(&put)["etag"].clone();
    assert_eq!(cloud.get("nsg/n")["etag"], during, "the group and its rules carry the same etag");
    cloud.front.world().advance_ms(1000);
    let after = cloud.get("nsg/n/r")["etag"].clone();
    assert_eq!(cloud.get("nsg/n")["etag"], after);
    assert!(first != during && during != after && first != after);
    assert!(after.as_str().unwrap().starts_with("W/\""), "weak: {after}");
}

#[test]
fn a_write_with_an_old_etag_is_refused() {
    let cloud = slow();
    let put = |tag: Option<&str>| {
        let headers = Headers { if_match: tag, ..SIGNED };
        let answer = cloud.call_with("PUT", "nsg/n/r", rule("100 in allow Tcp * * 1"), headers);
        (answer.status, outcome(&answer), body(&answer)["etag"].as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(put(Some("*")).0, 412, "nothing there to match");
    let (status, _, during) = put(None);
    assert_eq!(status, 201);
    cloud.front.world().advance_ms(1000);
    assert_eq!(
        put(Some(&during)).1,
        "PreconditionFailed",
        "the etag of the answer is stale once the operation ends"
    );
    let now = cloud.get("nsg/n")["etag"].as_str().unwrap().to_owned();
    assert_eq!(put(Some(&now)).0, 200, "a rule matches the etag of its group");
    cloud.front.world().advance_ms(1000);
    assert_eq!(put(Some("*")).0, 200);
    cloud.front.world().advance_ms(1000);
    let headers = Headers { if_match: Some(&now), ..SIGNED };
    assert_eq!(cloud.call_with("DELETE", "nsg/n/r", Value::Null, headers).status, 412);
}

#[test]
fn a_resource_has_one_operation_at_a_time() {
    let cloud = slow();
    assert_eq!(cloud.put("nsg/n/a", rule("100 in allow Tcp * * 1")), "ok");
    let second = cloud.call("PUT", "nsg/n/b", rule("101 in allow Tcp * * 1"));
    assert_eq!((second.status, outcome(&second).as_str()), (429, "RetryableErrorDueToAnotherOperation"));
    assert_eq!(second.header("retry-after"), Some("1"));
    assert_eq!(cloud.put("nsg/m", at(json!({}))), "ok", "another resource is free");
    assert_eq!(cloud.put("vnet/v/s", subnet(&["10.0.1.0/24"], None)), "ok");
    assert_eq!(cloud.put("vnet/v/t", subnet(&["10.0.2.0/24"], None)), "AnotherOperationInProgress");
    cloud.front.world().advance_ms(1000);
    assert_eq!(cloud.put("nsg/n/b", rule("101 in allow Tcp * * 1")), "ok");
}

#[test]
fn what_is_referred_to_must_not_be_under_an_operation() {
    let cloud = slow();
    assert_eq!(cloud.put("asg/new", at(json!({}))), "ok");
    let answer = cloud.call("PUT", "nic/i", interface("vnet/v/s", &["new"]));
    assert_eq!((answer.status, outcome(&answer).as_str()), (429, "RetryableError"));
    assert_eq!(body(&answer)["error"]["details"][0]["code"], "ReferencedResourceNotProvisioned");
    cloud.front.world().advance_ms(1000);
    assert_eq!(cloud.put("nic/i", interface("vnet/v/s", &["new"])), "ok");
}

#[test]
fn a_delete_ends_later_and_a_second_one_finds_nothing() {
    let cloud = slow();
    let answer = cloud.call("DELETE", "nsg/n", Value::Null);
    assert_eq!((answer.status, answer.body.as_str()), (202, ""));
    assert_eq!(cloud.get("nsg/n")["properties"]["provisioningState"], "Deleting");
    let result =
        answer.header("location").unwrap().strip_prefix("https://management.azure.com").unwrap().to_owned();
    assert_eq!(cloud.front.handle("GET", &result, SIGNED, b"").status, 202);
    cloud.front.world().advance_ms(1000);
    assert_eq!(cloud.front.handle("GET", &result, SIGNED, b"").status, 204);
    assert_eq!(follow(&cloud, &answer), json!({ "status": "Succeeded" }));
    assert_eq!(cloud.call("GET", "nsg/n", Value::Null).status, 404);
    assert_eq!(cloud.call("DELETE", "nsg/n", Value::Null).status, 204);
}

#[test]
fn an_operation_that_fails_says_why_and_does_not_reach_the_interfaces() {
    let cloud = slow();
    cloud.seed("vnet/v/s", subnet(&["10.0.1.0/24"], Some("nsg/n")));
    cloud.interface("a", "vnet/v/s", &[]);
    let action = "PUT networkSecurityGroups/securityRules";
    cloud.front.world().fail_operation(action, 2, "InternalServerError", "An error occurred.");
    assert_eq!(cloud.put("nsg/n/one", rule("100 in allow Tcp * * 1")), "ok");
    cloud.front.world().advance_ms(1000);
    let answer = cloud.call("PUT", "nsg/n/two", rule("101 in allow Tcp * * 2"));
    assert_eq!(answer.status, 201, "the write itself is accepted");
    cloud.front.world().advance_ms(1000);
    let status = follow(&cloud, &answer);
    assert_eq!(
        (&status["status"], &status["error"]["code"]),
        (&json!("Failed"), &json!("InternalServerError"))
    );
    assert_eq!(cloud.get("nsg/n/two")["properties"]["provisioningState"], "Failed");
    cloud.check_packets("192.0.2.1 tcp/1 a pass\n192.0.2.1 tcp/2 a cut");
    assert_eq!(cloud.put("nsg/n/three", rule("102 in allow Tcp * * 3")), "ok");
    cloud.check_packets("192.0.2.1 tcp/3 a pass\n192.0.2.1 tcp/2 a cut");
    assert_eq!(cloud.put("nsg/n/two", rule("101 in allow Tcp * * 2")), "ok");
    cloud.check_packets("192.0.2.1 tcp/2 a pass");
}

#[test]
fn a_failed_delete_leaves_the_resource() {
    let cloud = slow();
    cloud.front.world().fail_operation(
        "DELETE networkSecurityGroups",
        1,
        "Canceled",
        "The operation was canceled.",
    );
    let answer = cloud.call("DELETE", "nsg/n", Value::Null);
    cloud.front.world().advance_ms(1000);
    assert_eq!(follow(&cloud, &answer)["error"]["code"], "Canceled");
    assert_eq!(cloud.get("nsg/n")["properties"]["provisioningState"], "Failed");
    assert_eq!(cloud.delete("nsg/n"), "ok");
}

#[test]
fn a_lost_answer_was_applied_and_a_server_error_was_not() {
    let cloud = Cloud::quick();
    let plant = |nth, fault| cloud.front.world().faults.plant("PUT applicationSecurityGroups", nth, fault);
    plant(1, Fault::LostAnswer);
    plant(2, Fault::ServerError);
    plant(3, Fault::AccessDenied);
    plant(4, Fault::Throttle);
    let outcomes: Vec<String> =
        ["a", "b", "c", "d", "e"].map(|name| cloud.put(&format!("asg/{name}"), at(json!({})))).into();
    assert_eq!(outcomes, ["lost", "InternalServerError", "AuthorizationFailed", "TooManyRequests", "ok"]);
    let there: Vec<u16> = ["a", "b", "c", "d", "e"]
        .map(|name| cloud.call("GET", &format!("asg/{name}"), Value::Null).status)
        .into();
    assert_eq!(there, [200, 404, 404, 404, 200]);
}

#[test]
fn effective_groups_are_an_operation_with_an_answer() {
    let cloud = slow();
    cloud.seed("vnet/v/s", subnet(&["10.0.1.0/24"], Some("nsg/n")));
    cloud.rule("r", "100 in allow Tcp * * 1");
    cloud.interface("a", "vnet/v/s", &[]);
    let ask = || {
        cloud.call(
            "POST",
            &format!("{}/effectiveNetworkSecurityGroups", crate::harness::path("nic/a")),
            Value::Null,
        )
    };
    assert_eq!(outcome(&ask()), "NetworkInterfaceNotAttachedToRunningVm");
    let machine = json!({ "networkProfile": { "networkInterfaces": [crate::harness::id("nic/a")] } });
    cloud.seed("vm/m", at(machine));
    let answer = ask();
    assert_eq!(answer.status, 202);
    cloud.front.world().advance_ms(1000);
    let result =
        answer.header("location").unwrap().strip_prefix("https://management.azure.com").unwrap().to_owned();
    let found = body(&cloud.front.handle("GET", &result, SIGNED, b""));
    let rules = found["value"][0]["effectiveSecurityRules"].as_array().unwrap();
    assert_eq!(rules.len(), 7, "one of ours and the six default ones");
    assert_eq!(rules[0]["name"], "securityRules/r");
    assert_eq!(found["value"][0]["association"]["subnet"], crate::harness::id("vnet/v/s"));
}

#[test]
fn a_disturbance_needs_no_turn_and_the_next_write_sees_it() {
    // Drift by somebody else while our operation runs.
    let cloud = slow();
    let mine = cloud.call("PUT", "nsg/n/mine", rule("100 in allow Tcp * * 1"));
    cloud.rule("theirs", "101 in allow Tcp * * 2");
    cloud.front.world().advance_ms(1000);
    assert_eq!(follow(&cloud, &mine)["status"], "Succeeded");
    assert_eq!(cloud.get("nsg/n/")["value"].as_array().unwrap().len(), 2);
}
