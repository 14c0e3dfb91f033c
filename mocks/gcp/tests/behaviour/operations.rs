//! Operations, repeated requests, planned failures, lost answers.

use mock_cloud::Fault;
use mock_gcp::Settings;
use serde_json::{Value, json};

use crate::harness::{Cloud, PROJECT, firewall, instance, outcome, path, quick, read, rule};

/// Operations run for a second.
fn slow() -> Cloud {
    Cloud::seeded(Settings { operation_ms: 1000, ..quick() })
}

fn named(name: &str) -> Value {
    let mut body = firewall("1000 in allow tcp:1 * *");
    body["name"] = json!(name);
    body
}

/// The path of an operation.
fn at(operation: &Value) -> String {
    operation["selfLink"].as_str().unwrap().split_once("/compute/v1/").unwrap().1.to_owned()
}

#[test]
fn an_operation_is_pending_then_running_then_done() {
    let cloud = slow();
    let made = read(&cloud.call("POST", "fw/", named("x")));
    assert_eq!(
        [&made["kind"], &made["operationType"], &made["status"]],
        [&json!("compute#operation"), &json!("insert"), &json!("PENDING")]
    );
    assert!(made["id"].as_str().unwrap().parse::<u64>().is_ok());
    let held = cloud.get("fw/x");
    assert_eq!((&made["targetLink"], &made["targetId"]), (&held["selfLink"], &held["id"]));
    let status = |ms| {
        cloud.front.world().advance_ms(ms);
        cloud.get(&at(&made))["status"].as_str().unwrap().to_owned()
    };
    assert_eq!([status(0), status(300), status(600), status(100)], ["PENDING", "RUNNING", "RUNNING", "DONE"]);
    let done = cloud.get(&at(&made));
    assert_eq!((&done["progress"], done.get("error")), (&json!(100), None));
    assert!(done["endTime"].as_str().unwrap() > done["insertTime"].as_str().unwrap());
    let by_number = format!("{PROJECT}/global/operations/{}", made["id"].as_str().unwrap());
    assert_eq!(cloud.get(&by_number)["name"], made["name"]);
    assert_eq!(cloud.get(&format!("{PROJECT}/global/operations"))["items"].as_array().unwrap().len(), 1);
    assert_eq!(cloud.ask("GET", &format!("{PROJECT}/global/operations/none"), Value::Null), "notFound");
}

#[test]
fn operations_are_zonal_regional_and_global_and_waiting_takes_virtual_time() {
    let cloud = slow();
    let mut vm = instance("sub/s", &[]);
    vm["name"] = json!("a");
    let zonal = read(&cloud.call("POST", "vm/", vm));
    let regional = read(&cloud.call("POST", "rpol/", json!({ "name": "r" })));
    assert!(
        zonal["zone"].as_str().unwrap().ends_with("/zones/europe-west1-b") && zonal.get("region").is_none()
    );
    assert!(regional["region"].as_str().unwrap().ends_with("/regions/europe-west1"));
    for operation in [&zonal, &regional] {
        let done = read(&cloud.call("POST", &format!("{}/wait", at(operation)), Value::Null));
        assert_eq!(done["status"], "DONE");
    }
    assert_eq!(cloud.front.world().now_ms(), 1000);
    cloud.front.world().settings.operation_ms = 300_000;
    let long = read(&cloud.call("POST", "fw/", named("x")));
    let waited = read(&cloud.call("POST", &format!("{}/wait", at(&long)), Value::Null));
    assert_eq!((&waited["status"], cloud.front.world().now_ms()), (&json!("RUNNING"), 121_000));
}

#[test]
fn the_same_request_id_is_one_request() {
    let cloud = slow();
    let id = "9f6d1c1e-0000-4000-8000-000000000001";
    let send = |body: Value, id: &str| cloud.call("POST", &format!("fw/?requestId={id}"), body);
    let first = read(&send(named("x"), id));
    cloud.front.world().advance_ms(1000);
    let again = read(&send(named("x"), id));
    assert_eq!((&again["name"], &again["status"]), (&first["name"], &json!("DONE")));
    assert_eq!(again["clientOperationId"], id);
    assert_eq!(outcome(&send(named("x"), "9f6d1c1e-0000-4000-8000-000000000002")), "alreadyExists");
    assert_eq!(outcome(&send(named("y"), "00000000-0000-0000-0000-000000000000")), "invalid");
    assert_eq!(outcome(&send(named("y"), "once")), "invalid");
    // A request that was refused may be sent again.
    assert_eq!(outcome(&send(named("Bad"), "9f6d1c1e-0000-4000-8000-000000000003")), "invalid");
    assert_eq!(outcome(&send(named("z"), "9f6d1c1e-0000-4000-8000-000000000003")), "ok");
}

#[test]
fn a_lost_answer_was_applied_and_its_request_id_finds_it() {
    let cloud = slow();
    cloud.front.world().faults.plant("compute.firewalls.insert", 1, Fault::LostAnswer);
    let id = "9f6d1c1e-0000-4000-8000-000000000001";
    let send = || cloud.call("POST", &format!("fw/?requestId={id}"), named("x"));
    assert_eq!([outcome(&send()), outcome(&send())], ["lost", "ok"]);
    assert_eq!(cloud.get("fw/")["items"].as_array().unwrap().len(), 1);
}

#[test]
fn faults_are_planted_by_googles_own_names() {
    let cloud = Cloud::quick();
    let plant = |nth, fault| cloud.front.world().faults.plant("compute.firewalls.insert", nth, fault);
    plant(1, Fault::LostAnswer);
    plant(2, Fault::ServerError);
    plant(3, Fault::AccessDenied);
    plant(4, Fault::Throttle);
    let outcomes = ["a", "b", "c", "d", "e"].map(|name| outcome(&cloud.call("POST", "fw/", named(name))));
    assert_eq!(outcomes, ["lost", "backendError", "forbidden", "rateLimitExceeded", "ok"]);
    let there =
        ["a", "b", "c", "d", "e"].map(|name| cloud.call("GET", &format!("fw/{name}"), Value::Null).status);
    assert_eq!(there, [200, 404, 404, 404, 200]);
}

#[test]
fn an_operation_that_fails_says_why_and_has_no_effect() {
    let cloud = slow();
    cloud.vm("a", "sub/s", &[]);
    let message = "Internal error. Please try again.";
    cloud.front.world().fail_operation("compute.firewalls.insert", 2, "INTERNAL_ERROR", message, 503);
    assert_eq!(outcome(&cloud.call("POST", "fw/", named("one"))), "ok");
    let failed = read(&cloud.call("POST", "fw/", named("two")));
    assert_eq!((&failed["status"], failed.get("error")), (&json!("PENDING"), None), "it is accepted");
    let done = read(&cloud.call("POST", &format!("{}/wait", at(&failed)), Value::Null));
    assert_eq!(done["error"]["errors"], json!([{ "code": "INTERNAL_ERROR", "message": message }]));
    assert_eq!((&done["httpErrorStatusCode"], &done["status"]), (&json!(503), &json!("DONE")));
    assert_eq!(done["httpErrorMessage"], "SERVICE UNAVAILABLE");
    assert_eq!(cloud.ask("GET", "fw/two", Value::Null), "notFound");
    cloud.check_packets("192.0.2.1 tcp/1 a pass");
    assert_eq!(cloud.delete("fw/one"), "ok");
    cloud.check_packets("192.0.2.1 tcp/1 a cut");
    // So do operations of Resource Manager.
    cloud.front.world().fail_operation("cloudresourcemanager.tagKeys.create", 1, "x", "No.", 403);
    let body = json!({ "parent": PROJECT, "shortName": "k" });
    let failed = read(&cloud.call("POST", "v3/tagKeys", body.clone()));
    cloud.front.world().advance_ms(1000);
    let done = cloud.get(&format!("v3/{}", failed["name"].as_str().unwrap()));
    assert_eq!((&done["done"], &done["error"]["code"]), (&json!(true), &json!(7)));
    assert_eq!(cloud.ask("POST", "v3/tagKeys", body), "ok");
}

#[test]
fn a_resource_under_an_operation_is_not_ready_for_another() {
    let cloud = slow();
    cloud.seed("pol/p", json!({}));
    let add = |n: u32| {
        cloud.ask(
            "POST",
            &format!("{}/addRule", path("pol/p")),
            rule(&format!("{n} in allow tcp 0.0.0.0/0 *")),
        )
    };
    assert_eq!([add(1), add(2)], ["ok", "resourceNotReady"]);
    assert_eq!(cloud.insert("fw/x", named("x")), "ok", "another resource is free");
    assert_eq!(cloud.delete("fw/x"), "resourceNotReady");
    cloud.front.world().advance_ms(1000);
    assert_eq!([add(2), cloud.delete("fw/x")], ["ok", "ok"]);
}

#[test]
fn a_disturbance_needs_no_turn_and_the_next_write_sees_it() {
    // Drift by somebody else while our operation runs.
    let cloud = slow();
    cloud.seed("pol/p", json!({}));
    let fingerprint = cloud.get("pol/p")["fingerprint"].clone();
    cloud.act("pol/p", "addRule", rule("7 in allow tcp 0.0.0.0/0 *"));
    assert_eq!(cloud.ask("PATCH", "pol/p", json!({ "fingerprint": fingerprint })), "conditionNotMet");
}
