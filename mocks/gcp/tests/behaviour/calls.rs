//! Limits of calls, credentials, denied scopes, the call log, errors on the wire.

use mock_cloud::Fault;
use mock_gcp::{Headers, Settings};
use serde_json::{Value, json};

use crate::harness::{Cloud, PROJECT, firewall, outcome, path, quick, read};

/// Ten calls a minute, and every call takes no time.
fn limited() -> Cloud {
    let mut settings = Settings { throttle: true, ..quick() };
    settings.limits.calls_per_minute = 10;
    settings.limits.manager_calls_per_minute = 2;
    Cloud::seeded(settings)
}

#[test]
fn a_group_of_calls_is_refused_until_the_next_minute_begins() {
    let cloud = limited();
    cloud.front.world().advance_ms(59_000);
    let get = || cloud.ask("GET", "net/v", Value::Null);
    for _ in 0..10 {
        assert_eq!(get(), "ok");
    }
    let refused = cloud.call("GET", "net/v", Value::Null);
    let error = &read(&refused)["error"];
    assert_eq!((refused.status, &error["errors"][0]["reason"]), (403, &json!("rateLimitExceeded")));
    assert_eq!(error["details"][0]["reason"], "RATE_LIMIT_EXCEEDED");
    // Other groups have their own.
    assert_eq!(cloud.ask("GET", "net/", Value::Null), "ok");
    let mut body = firewall("1 in allow tcp * *");
    body["name"] = json!("x");
    let made = read(&cloud.call("POST", "fw/", body));
    let operation = made["selfLink"].as_str().unwrap().split_once("/v1/").unwrap().1.to_owned();
    assert_eq!(cloud.ask("GET", &operation, Value::Null), "ok");
    // Full again at the start of the minute, not a minute later.
    cloud.front.world().advance_ms(999);
    assert_eq!(get(), "rateLimitExceeded");
    cloud.front.world().advance_ms(1);
    for _ in 0..10 {
        assert_eq!(get(), "ok");
    }
    assert_eq!(get(), "rateLimitExceeded");
}

#[test]
fn every_project_and_resource_manager_have_their_own_limits() {
    let cloud = limited();
    let project = json!({ "projectId": "another-one", "parent": "organizations/123456789012" });
    cloud.perform("POST", "v3/projects", project);
    for _ in 0..10 {
        assert_eq!(cloud.ask("GET", PROJECT, Value::Null), "ok");
    }
    assert_eq!(cloud.ask("GET", PROJECT, Value::Null), "rateLimitExceeded");
    assert_eq!(cloud.ask("GET", "projects/415104041262", Value::Null), "rateLimitExceeded", "by its number");
    assert_eq!(cloud.ask("GET", "projects/another-one", Value::Null), "ok");
    let search = || cloud.call("GET", "v3/projects:search", Value::Null);
    assert_eq!([search().status, search().status, search().status], [200, 200, 429]);
    assert_eq!(outcome(&search()), "RESOURCE_EXHAUSTED");
}

#[test]
fn filtered_lists_cost_what_they_look_at() {
    let mut settings = Settings { throttle: true, ..quick() };
    settings.limits.scanned_per_minute = 3;
    let cloud = Cloud::seeded(settings);
    for name in ["a", "b"] {
        cloud.firewall(name, "1 in allow tcp * *");
    }
    let list = |query: &str| cloud.ask("GET", &format!("fw/?{query}"), Value::Null);
    assert_eq!(list("filter=name%3Da"), "ok");
    assert_eq!(list("filter=name%3Da"), "rateLimitExceeded");
    assert_eq!(list("maxResults=1"), "ok", "without a filter it costs nothing");
}

#[test]
fn what_was_throttled_or_refused_changed_nothing() {
    let cloud = limited();
    for _ in 0..10 {
        cloud.ask("PATCH", "net/v", json!({}));
    }
    assert_eq!(cloud.insert("fw/x", firewall("1 in allow tcp * *")), "rateLimitExceeded");
    assert_eq!(cloud.ask("GET", "fw/x", Value::Null), "notFound");
}

#[test]
fn tokens_expire_and_none_is_needed() {
    let cloud = Cloud::quick();
    let ask = |authorization: &str| {
        let headers = Headers { authorization, ..Headers::default() };
        let at = format!("/compute/v1/{}", path("net/v"));
        cloud.front.handle("GET", &at, headers, b"")
    };
    assert_eq!([ask("").status, ask("Bearer x").status, ask("Bearer expired").status], [200, 200, 401]);
    assert_eq!(read(&ask("Bearer expired"))["error"]["status"], "UNAUTHENTICATED");
}

#[test]
fn a_denied_scope_refuses_reads_and_writes_and_is_missing_in_lists_of_all() {
    let cloud = Cloud::quick();
    cloud.front.world().faults.denied.insert(format!("{PROJECT}/zones/europe-west1-b"));
    assert_eq!(cloud.ask("GET", "vm/", Value::Null), "forbidden");
    assert_eq!(cloud.ask("GET", "vm/a", Value::Null), "forbidden");
    assert_eq!(cloud.ask("GET", "fw/", Value::Null), "ok");
    let all = format!("{PROJECT}/aggregated/instances");
    let partial = cloud.get(&all);
    let unreachable = partial["unreachables"].as_array().unwrap();
    assert!(unreachable.len() == 1 && unreachable[0].as_str().unwrap().ends_with("/zones/europe-west1-b"));
    assert_eq!(partial["items"]["zones/europe-west1-b"]["warning"]["code"], "UNREACHABLE");
    assert_eq!(partial["items"]["zones/europe-west1-c"]["warning"]["code"], "NO_RESULTS_ON_PAGE");
    cloud.front.world().faults.denied.insert(PROJECT.to_owned());
    assert_eq!(cloud.ask("GET", &all, Value::Null), "forbidden");
    assert_eq!(cloud.insert("fw/x", firewall("1 in allow tcp * *")), "forbidden");
}

#[test]
fn every_error_has_a_status_word() {
    let cloud = Cloud::quick();
    for (verb, short, code, word) in [
        ("GET", "fw/none", 404, "NOT_FOUND"),
        ("GET", "projects/no-such-project", 404, "NOT_FOUND"),
        ("GET", "projects/demo-project/global/routes", 404, "NOT_FOUND"),
        ("POST", "fw/", 400, "INVALID_ARGUMENT"),
        ("GET", "v3/tagKeys", 400, "INVALID_ARGUMENT"),
        ("GET", "v3/tagValues/1", 403, "PERMISSION_DENIED"),
    ] {
        let answer = cloud.call(verb, short, Value::Null);
        let error = &read(&answer)["error"];
        assert_eq!(
            (answer.status, &error["code"], &error["status"]),
            (code, &json!(code), &json!(word)),
            "{short}"
        );
    }
    let missing = read(&cloud.call("GET", "fw/none", Value::Null));
    let message = "The resource 'projects/demo-project/global/firewalls/none' was not found";
    assert_eq!(missing["error"]["message"], message);
    let bad = cloud.front.handle(
        "POST",
        "/compute/v1/projects/demo-project/global/firewalls",
        Headers::default(),
        b"{",
    );
    assert_eq!(outcome(&bad), "parseError");
}

#[test]
fn every_call_is_logged_with_googles_own_name() {
    let cloud = Cloud::quick();
    cloud.front.world().faults.plant("compute.networks.get", 1, Fault::ServerError);
    cloud.ask("GET", "net/v", Value::Null);
    cloud.insert("fw/x", firewall("1 in allow tcp * *"));
    cloud.call("POST", "projects/demo-project/listXpnHosts", json!({}));
    let world = cloud.front.world();
    let told: Vec<String> = world
        .calls
        .all()
        .iter()
        .map(|call| format!("{} {} {}", call.action, call.outcome, call.mutating))
        .collect();
    assert_eq!(
        told,
        [
            "compute.networks.get backendError false",
            "compute.firewalls.insert ok true",
            "compute.projects.listXpnHosts ok false",
        ]
    );
    assert_eq!(
        world.calls.mutations().into_iter().collect::<Vec<_>>(),
        [("compute.firewalls.insert".to_owned(), 1)]
    );
}
