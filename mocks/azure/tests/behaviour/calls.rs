//! Credentials, versions, limits of calls, denied scopes, the call log, logins.

use mock_azure::{Answer, Headers, Settings};
use serde_json::{Value, json};

use crate::harness::{Cloud, SIGNED, SUBSCRIPTION, at, outcome, path, quick, rule};

#[test]
fn a_request_needs_a_token_and_a_version() {
    let cloud = Cloud::quick();
    let with = |authorization: &str| {
        let headers = Headers { authorization, ..Headers::default() };
        let answer = cloud.call_with("GET", "nsg/n", Value::Null, headers);
        (answer.status, outcome(&answer))
    };
    assert_eq!(with(""), (401, "AuthenticationFailed".to_owned()));
    assert_eq!(with("Bearer expired"), (401, "ExpiredAuthenticationToken".to_owned()));
    assert_eq!(with("Bearer good").0, 200);
    for (query, expected) in [
        ("api-version=2024-03-01", "ok"),
        ("api-version=2022-01-01", "ok"),
        ("api-version=2026-03-01", "ok"),
        ("API-VERSION=2024-03-01", "ok"),
        ("api-version=2024-03-01-preview", "ok"),
        ("api-version=latest", "InvalidApiVersionParameter"),
        ("", "MissingApiVersionParameter"),
    ] {
        assert_eq!(outcome(&cloud.call("GET", &format!("nsg/n?{query}"), Value::Null)), expected, "{query}");
    }
}

#[test]
fn paths_that_nobody_knows_are_refused() {
    let cloud = Cloud::quick();
    let other = path("nsg/n").replace("11111111", "99999999");
    for (method, path, expected) in [
        ("GET", other, "SubscriptionNotFound"),
        ("GET", format!("{SUBSCRIPTION}/providers/Microsoft.Network/vpnSites"), "InvalidResourceType"),
        ("GET", path("nsg/none"), "ResourceNotFound"),
        ("GET", path("nsg/n/none"), "ResourceNotFound"),
        ("POST", format!("{}/reset", path("nsg/n")), "InvalidResourceType"),
        ("PUT", path("nsg/"), "HttpMethodNotSupported"),
    ] {
        let body = if method == "PUT" { json!({}) } else { Value::Null };
        assert_eq!(outcome(&cloud.call(method, &path, body)), expected, "{method} {path}");
    }
    let broken =
        cloud.front.handle("PUT", &format!("{}?api-version=2024-03-01", path("nsg/n")), SIGNED, b"{");
    assert_eq!(outcome(&broken), "InvalidRequestContent");
}

fn throttled() -> Cloud {
    let cloud = Cloud::seeded(quick());
    cloud.front.world().settings.throttle = true;
    cloud
}

#[test]
fn each_class_of_calls_has_its_bucket() {
    let burst = |method: &str| {
        let cloud = throttled();
        let body = if method == "PUT" { at(json!({})) } else { Value::Null };
        (0..1000).take_while(|_| cloud.call(method, "asg/none", body.clone()).status != 429).count()
    };
    assert_eq!([burst("GET"), burst("PUT"), burst("DELETE")], [250, 200, 200]);
}

#[test]
fn a_bucket_tells_what_is_left_and_when_to_come_back() {
    let cloud = throttled();
    let first = cloud.call("GET", "nsg/n", Value::Null);
    assert_eq!(first.header("x-ms-ratelimit-remaining-subscription-reads"), Some("249"));
    assert_eq!(first.header("x-ms-ratelimit-remaining-subscription-global-reads"), Some("3749"));
    let rest: Vec<Answer> = (0..250).map(|_| cloud.call("GET", "nsg/n", Value::Null)).collect();
    let last = &rest[249];
    assert_eq!((last.status, outcome(last).as_str()), (429, "SubscriptionRequestsThrottled"));
    assert_eq!(last.header("retry-after"), Some("1"));
    cloud.front.world().advance_ms(1000);
    let passed = (0..50).filter(|_| cloud.call("GET", "nsg/n", Value::Null).status == 200).count();
    assert_eq!(passed, 25, "25 reads come back each second");
}

#[test]
fn the_network_provider_counts_writes_in_five_minutes() {
    let cloud = throttled();
    for written in 0..2000 {
        // Slow enough for the bucket of writes.
        cloud.front.world().advance_ms(100);
        let answer = cloud.call("PUT", "asg/x", at(json!({})));
        if answer.status == 429 {
            assert_eq!(outcome(&answer), "TooManyRequests");
            let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
            assert!((1..=300).contains(&wait), "{wait}");
            cloud.front.world().advance_ms(wait * 1000);
            assert_eq!(cloud.call("PUT", "asg/x", at(json!({}))).status, 200, "a new window");
            assert_eq!(written, 1000);
            return;
        }
    }
    panic!("never throttled");
}

#[test]
fn a_scope_without_permission_is_refused_and_silently_missing_from_lists() {
    let cloud = Cloud::quick();
    cloud.seed(&format!("{SUBSCRIPTION}/resourceGroups/other"), at(json!({})));
    let there = path("nsg/x").replace("/rg/", "/other/");
    cloud.seed(&there, at(json!({})));
    let all = format!("{SUBSCRIPTION}/providers/Microsoft.Network/networkSecurityGroups");
    let count = || cloud.get(&all)["value"].as_array().unwrap().len();
    assert_eq!(count(), 2);
    let scope = format!("{SUBSCRIPTION}/resourceGroups/other");
    cloud.front.world().faults.denied.insert(scope.clone());
    assert_eq!(count(), 1, "the trap of role assignments on some groups only");
    assert_eq!(outcome(&cloud.call("GET", &there, Value::Null)), "AuthorizationFailed");
    cloud.front.world().faults.denied.clear();
    cloud.front.world().faults.denied.insert(SUBSCRIPTION.to_owned());
    assert_eq!(cloud.call("GET", &all, Value::Null).status, 403);
}

#[test]
fn the_call_log_tells_what_was_asked_and_what_came_of_it() {
    let cloud = Cloud::quick();
    cloud.put("nsg/n/r", rule("100 in allow Tcp * * 1"));
    cloud.get("nsg/n");
    cloud.get("nsg");
    cloud.put("nsg/n/s", rule("100 in allow Tcp * * 1"));
    let world = cloud.front.world();
    let lines: Vec<String> = world
        .calls
        .all()
        .iter()
        .map(|call| format!("{} {} {} {}", call.ordinal, call.action, call.mutating, call.outcome))
        .collect();
    assert_eq!(
        lines,
        [
            "1 PUT networkSecurityGroups/securityRules true ok",
            "2 GET networkSecurityGroups false ok",
            "3 LIST networkSecurityGroups false ok",
            "4 PUT networkSecurityGroups/securityRules true SecurityRuleConflict",
        ]
    );
    assert_eq!(world.calls.mutations().values().sum::<usize>(), 1);
}

#[test]
fn tokens_are_handed_out() {
    let cloud = Cloud::new(Settings::default());
    let headers = Headers { endpoint: "http://127.0.0.1:1", ..Headers::default() };
    let ask = |method: &str, path: &str| {
        cloud.front.handle(method, path, headers, b"grant_type=client_credentials")
    };
    let known = ask("GET", "/tenant/v2.0/.well-known/openid-configuration");
    let known: Value = serde_json::from_str(&known.body).unwrap();
    assert_eq!(known["token_endpoint"], "http://127.0.0.1:1/tenant/oauth2/v2.0/token");
    let token: Value = serde_json::from_str(&ask("POST", "/tenant/oauth2/v2.0/token").body).unwrap();
    assert_eq!(token["token_type"], "Bearer");
    let authorization = format!("Bearer {}", token["access_token"].as_str().unwrap());
    let headers = Headers { authorization: &authorization, ..headers };
    let list = cloud.front.handle("GET", "/subscriptions?api-version=2022-12-01", headers, b"");
    let list: Value = serde_json::from_str(&list.body).unwrap();
    assert_eq!(list["value"][0]["id"], SUBSCRIPTION);
}

#[test]
fn an_estate_of_fifty_groups_is_workable() {
    let cloud = Cloud::quick();
    for group in 0..50 {
        let rules: Vec<Value> = (0..200)
            .map(|n| {
                let mut one = rule(&format!("{} in allow Tcp asg:web asg:db {}", 100 + n, n + 1));
                one["name"] = json!(format!("r{n}"));
                one
            })
            .collect();
        assert_eq!(cloud.put(&format!("nsg/g{group}"), at(json!({ "securityRules": rules }))), "ok");
    }
    cloud.seed("vnet/v/s", crate::harness::subnet(&["10.0.1.0/24"], Some("nsg/g0")));
    cloud.interface("a", "vnet/v/s", &["web"]);
    cloud.interface("b", "vnet/v/s", &["db"]);
    cloud.settle();
    let packet = cloud.packet("a tcp/200 b");
    let world = cloud.front.world();
    assert!((0..2000).all(|_| world.allows(&packet)));
}
