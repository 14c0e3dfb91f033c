//! What goes wrong in the middle: nothing is lost, the error says what to do next, the next pass converges.

use std::time::Duration;

use axum::http::Method;
use mock_azure::{Headers, Settings};
use mock_cloud::Fault;
use provider::{Clock, ErrorKind, ProviderError};
use provider_azure::write::{Flush, Membership, RuleChange};
use provider_azure::{Writer, observe};
use serde_json::{Value, json};

use crate::harness::{SUBSCRIPTION, Sim, Simulated, delete, id, put, rule, rule_body, slow};
use crate::overheard::{Then, overheard};

const PUT_RULE: &str = "PUT networkSecurityGroups/securityRules";
const OURS: &str = "300 in allow Tcp asg:web asg:db 443";

async fn put_ours(sim: &Sim) -> Result<usize, ProviderError> {
    sim.writer
        .change_rules(&id("nsg/n"), &put(rule("ours", OURS)), None)
        .await
        .map(|written| written.calls.len())
}

/// Somebody writes between our read and our write.
async fn disturbed(sim: &Sim, path: &'static str, body: Value) -> Writer {
    let arm = overheard(sim, move |heard| {
        if !matches!(*heard.method, Method::PUT | Method::DELETE) {
            return Then::Listen;
        }
        heard.front.world().perform("PUT", id(path).as_str(), &body).unwrap();
        Then::Leave
    })
    .await;
    Writer::new(arm)
}

#[tokio::test]
async fn a_change_between_read_and_write_is_a_conflict_and_survives() {
    let sim = Sim::start(slow()).await;
    sim.rule("ours", "300 in allow Tcp * * 1");
    let refused = |error: ProviderError| {
        assert_eq!((error.kind, error.code.as_str()), (ErrorKind::Conflict, "PreconditionFailed"));
        assert!(error.retryable() && !error.request_id.is_empty() && !error.hint.is_empty());
    };
    let drift = || rule_body("210 in allow Tcp Internet * 80");
    let writer = disturbed(&sim, "nsg/n/drift", drift()).await;
    let change =
        RuleChange { put: vec![rule("ours", OURS)], delete: vec!["theirs".to_owned()], flush: Flush::AsIs };
    refused(writer.change_rules(&id("nsg/n"), &change, None).await.unwrap_err());
    let writer = disturbed(&sim, "nsg/n/drift", drift()).await;
    refused(writer.change_rules(&id("nsg/n"), &put(rule("ours", OURS)), None).await.unwrap_err());
    let writer = disturbed(&sim, "nsg/n/drift", drift()).await;
    refused(writer.change_rules(&id("nsg/n"), &delete("ours"), None).await.unwrap_err());
    let moved = crate::harness::interface("vnet/v/s", &["db"]);
    let writer = disturbed(&sim, "nic/b", moved.clone()).await;
    let membership: Membership = [("c".to_owned(), [id("asg/web")].into())].into();
    refused(writer.put_membership(&id("nic/b"), &membership, None).await.unwrap_err());
    let writer =
        disturbed(&sim, "vnet/v/t", json!({ "properties": { "addressPrefix": "10.0.3.0/24" } })).await;
    refused(writer.put_subnet_group(&id("vnet/v/t"), Some(&id("nsg/n")), None).await.unwrap_err());

    let rules = sim.show("nsg/n")["properties"]["securityRules"].as_array().unwrap().len();
    assert_eq!(rules, 3, "ours, theirs and the new one are there");
    assert_eq!(sim.show("vnet/v/t")["properties"]["addressPrefix"], "10.0.3.0/24");
    // The next pass reads again.
    writer.change_rules(&id("nsg/n"), &change, None).await.unwrap();
    writer.put_membership(&id("nic/b"), &membership, None).await.unwrap();
    assert_eq!(sim.show("nsg/n/drift")["properties"]["priority"], 210);
    sim.assert_no_complaints();
}

#[tokio::test]
async fn a_resource_under_anothers_operation_is_a_conflict_until_it_ends() {
    let sim = Sim::start(slow()).await;
    let as_somebody = |path: &str, body: Value| {
        let headers = Headers { authorization: "Bearer other", ..Headers::default() };
        let path = format!("{}?api-version=2024-03-01", id(path));
        let answer = sim.front.handle("PUT", &path, headers, body.to_string().as_bytes());
        assert!(answer.status < 300, "{}", answer.body);
    };
    as_somebody("nsg/n/other", rule_body("400 in allow Tcp * * 1"));
    as_somebody("nic/b", crate::harness::interface("vnet/v/s", &[]));
    as_somebody("vnet/v/t", json!({ "properties": { "addressPrefix": "10.0.2.0/24" } }));
    let membership: Membership = [("c".to_owned(), [id("asg/web")].into())].into();
    let errors = [
        put_ours(&sim).await.unwrap_err(),
        sim.writer.put_membership(&id("nic/b"), &membership, None).await.unwrap_err(),
        sim.writer.put_subnet_group(&id("vnet/v/s"), None, Some(&id("nsg/n"))).await.unwrap_err(),
    ];
    let codes = errors.each_ref().map(|error| (error.kind, error.code.as_str()));
    let busy = (ErrorKind::Conflict, "RetryableErrorDueToAnotherOperation");
    assert_eq!(codes, [busy, busy, (ErrorKind::Conflict, "AnotherOperationInProgress")]);
    assert!(errors[0].message.contains("free again in 3 s"), "{}", errors[0]);
    sim.front.world().advance_ms(3_000);
    assert_eq!(put_ours(&sim).await.unwrap(), 1);
    sim.writer.put_membership(&id("nic/b"), &membership, None).await.unwrap();
    sim.writer.put_subnet_group(&id("vnet/v/s"), None, Some(&id("nsg/n"))).await.unwrap();
}

#[tokio::test]
async fn an_operation_that_fails_after_a_minute_says_why_and_the_next_pass_converges() {
    for retry_after_s in [None, Some(0), Some(7)] {
        let sim = Sim::start(Settings { operation_ms: 60_000, retry_after_s, ..slow() }).await;
        sim.front.world().fail_operation(PUT_RULE, 1, "InternalServerError", "An error\r\noccurred.");
        let error = put_ours(&sim).await.unwrap_err();
        assert_eq!((error.kind, error.code.as_str()), (ErrorKind::Transient, "InternalServerError"));
        assert_eq!(error.message, "InternalServerError: An error occurred");
        assert!(!error.request_id.is_empty());
        let looks = sim.outcomes("GET operations").len();
        assert!((2..=310).contains(&looks), "{looks} looks at {retry_after_s:?}");
        let took = sim.front.world().now_ms();
        assert!((60_000..95_000).contains(&took), "{took} ms");
        let estate = sim.estate().await;
        assert!(!estate.security_groups[&id("nsg/n")].rules["ours"].is_settled, "the next pass sees it");
        assert_eq!(put_ours(&sim).await.unwrap(), 1, "there, but not in force: written again");
        assert_eq!(put_ours(&sim).await.unwrap(), 0);
        assert!(sim.estate().await.security_groups[&id("nsg/n")].rules["ours"].is_settled);
    }
}

#[tokio::test]
async fn a_whole_group_or_interface_whose_write_failed_is_written_again() {
    let sim = Sim::start(slow()).await;
    let both = vec![rule("ours", OURS), rule("more", "310 in allow Tcp asg:web asg:db 80")];
    let change = RuleChange { put: both, delete: Vec::new(), flush: Flush::AsIs };
    let membership: Membership = [("c".to_owned(), [id("asg/web")].into())].into();
    let fail = |action: &str| sim.front.world().fail_operation(action, 1, "OperationPreempted", "x");
    fail("PUT networkSecurityGroups");
    let error = sim.writer.change_rules(&id("nsg/n"), &change, None).await.unwrap_err();
    assert_eq!((error.kind, error.code.as_str()), (ErrorKind::Conflict, "OperationPreempted"));
    assert_eq!(sim.writer.change_rules(&id("nsg/n"), &change, None).await.unwrap().calls.len(), 1);
    assert_eq!(sim.writer.change_rules(&id("nsg/n"), &change, None).await.unwrap().calls.len(), 0);
    fail("PUT networkInterfaces");
    sim.writer.put_membership(&id("nic/b"), &membership, None).await.unwrap_err();
    assert_eq!(sim.writer.put_membership(&id("nic/b"), &membership, None).await.unwrap().calls.len(), 1);
    fail("DELETE networkSecurityGroups/securityRules");
    sim.writer.change_rules(&id("nsg/n"), &delete("ours"), None).await.unwrap_err();
    assert_eq!(sim.writer.change_rules(&id("nsg/n"), &delete("ours"), None).await.unwrap().calls.len(), 1);
    sim.assert_no_complaints();
}

#[tokio::test]
async fn an_operation_that_does_not_end_is_left_to_the_next_pass() {
    let sim = Sim::start(Settings { operation_ms: 3_600_000, ..slow() }).await;
    let error = put_ours(&sim).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Transient);
    assert!(error.message.contains("900 s"), "{error}");
    assert!(sim.front.world().now_ms() <= 901_000);
}

#[tokio::test]
async fn looks_that_are_lost_are_made_again_and_the_write_is_not() {
    let sim = Sim::start(slow()).await;
    let plant = |nth, fault| sim.front.world().faults.plant("GET operations", nth, fault);
    plant(1, Fault::Throttle);
    plant(2, Fault::ServerError);
    assert_eq!(put_ours(&sim).await.unwrap(), 1);
    (1..=20).for_each(|nth| plant(nth, Fault::ServerError));
    let error = sim.writer.change_rules(&id("nsg/n"), &delete("ours"), None).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Transient);
    assert!(error.message.contains("accepted"), "{error}");
    assert_eq!(sim.outcomes("DELETE networkSecurityGroups/securityRules"), ["ok"], "sent once");
}

#[tokio::test]
async fn a_throttle_is_reported_and_obeyed() {
    let sim = Sim::start(slow()).await;
    sim.front.world().faults.plant(PUT_RULE, 1, Fault::Throttle);
    let error = put_ours(&sim).await.unwrap_err();
    assert_eq!((error.kind, error.code.as_str()), (ErrorKind::Throttled, "TooManyRequests"));
    assert!(error.message.contains("free again in 1 s"), "{error}");
    let before = sim.front.world().now_ms();
    sim.estate().await;
    assert_eq!(sim.outcomes(PUT_RULE).len(), 1, "not sent again");
    put_ours(&sim).await.unwrap();
    assert!(sim.front.world().now_ms() >= before + 1_000);
}

#[tokio::test]
async fn paced_calls_are_never_throttled() {
    let sim = Sim::start(Settings { throttle: true, operation_ms: 100, ..slow() }).await;
    for n in 0..260 {
        let group = id(&format!("asg/paced{n}"));
        sim.writer.create_application_group(&group, "westeurope", &Default::default()).await.unwrap();
    }
    let world = sim.front.world();
    let refused =
        world.calls.all().iter().find(|call| call.outcome != "ok" && call.outcome != "ResourceNotFound");
    assert_eq!(refused, None);
}

#[tokio::test]
async fn a_lost_answer_may_have_been_applied_and_the_next_pass_looks() {
    let sim = Sim::start(slow()).await;
    sim.front.world().faults.plant(PUT_RULE, 1, Fault::LostAnswer);
    let error = put_ours(&sim).await.unwrap_err();
    assert_eq!((error.kind, error.code.as_str()), (ErrorKind::Transient, ""));
    assert_eq!(sim.outcomes(PUT_RULE).len(), 1, "not sent again");
    // Its operation is still under way: the next pass meets it.
    assert_eq!(put_ours(&sim).await.unwrap_err().kind, ErrorKind::Conflict);
    Simulated(sim.front.clone()).sleep(Duration::from_secs(3)).await;
    assert_eq!(put_ours(&sim).await.unwrap(), 0, "it had been applied");
}

#[tokio::test]
async fn expired_credentials_say_what_to_do() {
    let sim = Sim::start_as(slow(), "expired", |settings| settings).await;
    let errors =
        [observe(&sim.arm, &[SUBSCRIPTION.to_owned()]).await.unwrap_err(), put_ours(&sim).await.unwrap_err()];
    for error in errors {
        assert_eq!((error.kind, error.code.as_str()), (ErrorKind::Denied, "ExpiredAuthenticationToken"));
        assert!(error.hint.contains("log in") && !error.retryable(), "{}", error.hint);
    }
    assert_eq!(sim.mutations(), Vec::<String>::new());
}

#[tokio::test]
async fn what_may_not_be_written_names_the_action() {
    let sim = Sim::start(slow()).await;
    sim.front.world().faults.plant(PUT_RULE, 1, Fault::AccessDenied);
    let error = put_ours(&sim).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Denied);
    let action = "Microsoft.Network/networkSecurityGroups/securityRules/write";
    assert!(error.hint.contains(action), "{}", error.hint);
    assert_eq!(error.action, action);
}
