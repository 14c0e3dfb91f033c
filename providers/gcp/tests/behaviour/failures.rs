//! What goes wrong in the middle: the error says what to do next, the next pass converges.

use std::time::Duration;

use mock_cloud::Fault;
use mock_gcp::Settings;
use provider::{Clock, ErrorKind};
use provider_gcp::{ApiSettings, observe};
use serde_json::json;

use crate::harness::{PROJECT, Sim, Simulated, firewall, path, reach, slow};

fn ssh() -> provider_gcp::resources::Firewall {
    firewall("x", json!({ "sourceRanges": ["10.0.0.0/8"], "allowed": [{ "IPProtocol": "tcp" }] }))
}

#[tokio::test]
async fn an_operation_that_fails_says_why() {
    let sim = Sim::start(slow()).await;
    for (code, http, kind) in [
        ("QUOTA_EXCEEDED", 403, ErrorKind::OverQuota),
        ("RESOURCE_IN_USE_BY_ANOTHER_RESOURCE", 400, ErrorKind::Conflict),
        ("RESOURCE_NOT_READY", 400, ErrorKind::Conflict),
        ("INTERNAL_ERROR", 503, ErrorKind::Transient),
        ("INVALID_USAGE", 400, ErrorKind::Rejected),
        ("RATE_LIMIT_EXCEEDED", 403, ErrorKind::Throttled),
    ] {
        sim.front.world().fail_operation("compute.firewalls.insert", 1, code, "It did not work.", http);
        let failed = sim.writer.create_firewall(PROJECT, &ssh()).await.unwrap_err();
        assert_eq!((failed.error.kind, failed.error.code.as_str()), (kind, code));
        assert_eq!(failed.error.message, format!("{code}: It did not work"));
        assert!(failed.error.request_id.starts_with("operation-"), "{:?}", failed.error);
        assert_eq!(failed.calls.len(), 1, "the call was made");
    }
    sim.writer.create_firewall(PROJECT, &ssh()).await.unwrap();
}

#[tokio::test]
async fn zonal_regional_and_other_operations_say_why_too() {
    let sim = Sim::start(slow()).await;
    let value = sim.tag("web");
    let fail = |action: &str| sim.front.world().fail_operation(action, 1, "QUOTA_EXCEEDED", "Full.", 403);
    fail("compute.instances.setTags");
    let tags =
        sim.writer.change_network_tags(&path("vm/a"), &["x".to_owned()].into(), &[].into(), None).await;
    assert_eq!(tags.unwrap_err().error.kind, ErrorKind::OverQuota);
    fail("compute.regionNetworkFirewallPolicies.insert");
    let policy = sim.writer.create_policy(&path("rpol/p"), "ours", &[]).await;
    assert_eq!(policy.unwrap_err().error.kind, ErrorKind::OverQuota);
    fail("cloudresourcemanager.tagBindings.create");
    let bound = sim.writer.bind(&sim.full_name("a"), &value).await.unwrap_err();
    assert_eq!((bound.error.kind, bound.error.code.as_str()), (ErrorKind::Denied, "PERMISSION_DENIED"));
    assert!(bound.error.request_id.starts_with("operations/"), "{:?}", bound.error);
}

#[tokio::test]
async fn looks_at_an_operation_may_be_lost_but_not_for_ever() {
    let sim = Sim::start(slow()).await;
    for nth in 1..=3 {
        sim.front.world().faults.plant("compute.globalOperations.wait", nth, Fault::ServerError);
    }
    sim.writer.create_firewall(PROJECT, &ssh()).await.unwrap();
    for nth in 1..=9 {
        sim.front.world().faults.plant("compute.globalOperations.wait", nth, Fault::Throttle);
    }
    let failed = sim.writer.delete_firewall(&path("fw/x"), None).await.unwrap_err();
    assert_eq!(failed.error.kind, ErrorKind::Transient);
    assert!(failed.error.message.contains("accepted"), "{}", failed.error);
    assert_eq!(sim.outcomes("compute.globalOperations.wait").len(), 9);
}

#[tokio::test]
async fn an_operation_without_end_is_left_and_found_done_later() {
    let settings = Settings { operation_ms: 400_000, ..slow() };
    let sim = Sim::start_as(settings, "simulated", |settings| ApiSettings {
        operation_timeout: Duration::from_secs(100),
        ..settings
    });
    let sim = sim.await;
    let failed = sim.writer.create_firewall(PROJECT, &ssh()).await.unwrap_err();
    assert_eq!(failed.error.kind, ErrorKind::Transient);
    assert!(failed.error.message.contains("more than 100 s"), "{}", failed.error);
    sim.front.world().advance_ms(400_000);
    assert_eq!(sim.writer.create_firewall(PROJECT, &ssh()).await.unwrap().calls.len(), 0);
}

#[tokio::test]
async fn a_write_under_anothers_operation_is_a_conflict() {
    let sim = Sim::start(slow()).await;
    sim.seed("pol/p", json!({}));
    let rule = json!({ "priority": 7, "action": "deny", "direction": "INGRESS",
        "match": { "srcIpRanges": ["10.0.0.0/8"], "layer4Configs": [{ "ipProtocol": "all" }] } });
    let at = format!("/compute/v1/{}/addRule", path("pol/p"));
    let answer = sim.front.handle("POST", &at, mock_gcp::Headers::default(), rule.to_string().as_bytes());
    assert_eq!(answer.status, 200, "{}", answer.body);
    let busy = sim.writer.delete_policy(&path("pol/p"), None).await.unwrap_err();
    assert_eq!((busy.error.kind, busy.error.code.as_str()), (ErrorKind::Conflict, "resourceNotReady"));
    sim.front.world().advance_ms(2_500);
    sim.writer.delete_policy(&path("pol/p"), None).await.unwrap();
}

#[tokio::test]
async fn writes_of_one_resource_wait_for_each_other() {
    let sim = Sim::start(slow()).await;
    sim.seed("pol/p", json!({}));
    let add = |n: u32| {
        let writer = sim.writer.clone();
        async move {
            let added = crate::harness::rule(&format!("{n} allow 443 10.0.0.0/8 *"));
            let edit = move |rules: &[provider_gcp::resources::PolicyRule]| [rules, &[added]].concat();
            writer.patch_policy(&path("pol/p"), None, edit).await.map(|written| written.calls.len())
        }
    };
    let done = futures_util::future::join_all((1..=5).map(add)).await;
    assert!(done.iter().all(|done| matches!(done, Ok(1))), "{done:?}");
    assert_eq!(sim.show("pol/p")["rules"].as_array().unwrap().len(), 9);
}

#[tokio::test]
async fn expired_credentials_are_denied_with_a_hint() {
    let sim = Sim::start_as(slow(), "expired", |settings| settings).await;
    let error = observe(&sim.api, &reach()).await.unwrap_err();
    assert_eq!((error.kind, error.code.as_str()), (ErrorKind::Denied, "authError"));
    assert!(error.hint.contains("gcloud auth login"), "{}", error.hint);
    assert!(Simulated(sim.front.clone()).now_ms() < 1_000);
}
