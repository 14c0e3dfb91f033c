//! Half a read is no read.

use mock_cloud::Fault;
use mock_gcp::Settings;
use provider::{Clock, ErrorKind, ProviderError};
use provider_gcp::{ApiSettings, observe};
use serde_json::json;

use crate::harness::{PROJECT, Sim, Simulated, instance, link, reach, slow};

async fn error(sim: &Sim) -> ProviderError {
    observe(&sim.api, &reach()).await.unwrap_err()
}

/// Every call of a read, by action.
async fn actions(sim: &Sim) -> Vec<String> {
    sim.front.world().calls.clear();
    sim.estate().await;
    let mut all: Vec<String> = sim.front.world().calls.all().iter().map(|call| call.action.clone()).collect();
    all.sort();
    all.dedup();
    all
}

#[tokio::test]
async fn any_call_that_fails_fails_the_whole() {
    let sim = Sim::start(slow()).await;
    let value = sim.tag("web");
    sim.perform(
        "POST",
        "v3/tagBindings",
        json!({ "parent": sim.full_name("a").as_str(), "tagValue": value }),
    );
    let actions = actions(&sim).await;
    assert!(actions.len() >= 16, "{actions:?}");
    for action in &actions {
        for (fault, kind) in
            [(Fault::ServerError, ErrorKind::Transient), (Fault::Throttle, ErrorKind::Throttled)]
        {
            sim.front.world().faults.plant(action, 1, fault);
            assert_eq!(error(&sim).await.kind, kind, "{action} {fault:?}");
        }
    }
    let before = sim.front.world().calls.all().len();
    sim.estate().await;
    assert!(sim.front.world().calls.all().len() > before, "and then it works again");
}

#[tokio::test]
async fn a_place_that_cannot_be_reached_is_no_empty_place() {
    let sim = Sim::start(slow()).await;
    let zone = format!("projects/{PROJECT}/zones/us-central1-a");
    sim.front.world().faults.denied.insert(zone);
    let found = error(&sim).await;
    assert_eq!((found.kind, found.code.as_str()), (ErrorKind::Transient, "PARTIAL"), "{found}");
    assert!(found.message.contains("us-central1-a"), "{found}");
}

#[tokio::test]
async fn what_may_not_be_read_is_denied_with_a_hint() {
    let sim = Sim::start(slow()).await;
    for action in ["compute.firewalls.list", "compute.networks.getEffectiveFirewalls", "compute.projects.get"]
    {
        sim.front.world().faults.plant(action, 1, Fault::AccessDenied);
        let found = error(&sim).await;
        assert_eq!((found.kind, found.code.as_str()), (ErrorKind::Denied, "forbidden"), "{found}");
        assert!(found.hint.contains(action), "{}", found.hint);
    }
}

#[tokio::test]
async fn folders_and_tag_keys_that_may_not_be_read_are_named() {
    let sim = Sim::start(slow()).await;
    sim.front.world().faults.plant("cloudresourcemanager.organizations.get", 1, Fault::AccessDenied);
    sim.front.world().faults.plant("cloudresourcemanager.tagKeys.list", 1, Fault::AccessDenied);
    let estate = sim.estate().await;
    let unreadable: Vec<&str> = estate.unreadable.keys().map(String::as_str).collect();
    assert_eq!(unreadable, ["organizations/123456789012", "projects/415104041262 tag keys"]);
}

#[tokio::test]
async fn bindings_that_may_not_be_read_fail_where_rules_name_tags() {
    let sim = Sim::start(slow()).await;
    let value = sim.tag("web");
    let rule = json!({ "priority": 1, "action": "allow", "direction": "INGRESS",
        "targetSecureTags": [{ "name": value }],
        "match": { "srcIpRanges": ["10.0.0.0/8"], "layer4Configs": [{ "ipProtocol": "all" }] } });
    sim.seed("pol/p", json!({ "rules": [rule] }));
    sim.front.world().faults.plant("cloudresourcemanager.tagBindings.list", 2, Fault::AccessDenied);
    assert_eq!(error(&sim).await.kind, ErrorKind::Denied);
}

#[tokio::test]
async fn an_instance_that_goes_while_it_is_read_is_gone() {
    let sim = Sim::start(slow()).await;
    sim.tag("web");
    sim.seed("vm/c", instance("sub/u", &[]));
    // Google says "denied or gone" of bindings; the instance itself tells which.
    sim.front.world().faults.plant("cloudresourcemanager.tagBindings.list", 1, Fault::AccessDenied);
    assert_eq!(error(&sim).await.kind, ErrorKind::Denied);
    assert_eq!(sim.estate().await.instances.len(), 3);
}

#[tokio::test]
async fn our_pace_keeps_us_below_the_limits_of_a_project() {
    let settings = Settings { throttle: true, ..slow() };
    let sim = Sim::start_as(settings, "simulated", |settings| ApiSettings { share: 0.05, ..settings }).await;
    sim.tag("web");
    for n in 0..60 {
        sim.seed(&format!("vm/x{n}"), instance("sub/u", &[]));
    }
    let started = Simulated(sim.front.clone()).now_ms();
    sim.estate().await;
    let took = Simulated(sim.front.clone()).now_ms() - started;
    assert!((60_000..200_000).contains(&took), "62 bindings at 30 a minute: {took}");
    let world = sim.front.world();
    assert!(world.calls.all().iter().all(|call| call.outcome == "ok"));
}

#[tokio::test]
async fn a_throttle_is_told_and_then_obeyed() {
    let mut settings = Settings { throttle: true, ..slow() };
    settings.limits.calls_per_minute = 100;
    settings.limits.page_items = 1;
    settings.limits.firewalls = 1_000;
    let sim = Sim::start(settings).await;
    for n in 0..150 {
        let rule = json!({ "network": link("net/v"), "sourceRanges": ["10.0.0.0/8"],
            "allowed": [{ "IPProtocol": "tcp" }] });
        sim.seed(&format!("fw/x{n}"), rule);
    }
    let mut throttled = 0;
    for _ in 0..12 {
        match observe(&sim.api, &reach()).await {
            Ok(estate) => {
                assert_eq!(estate.firewalls.len(), 151);
                assert!(throttled > 0, "the first pass knows nothing of the low limit");
                return;
            }
            Err(error) => {
                assert_eq!((error.kind, error.code.as_str()), (ErrorKind::Throttled, "rateLimitExceeded"));
                assert!(error.retryable() && !error.hint.is_empty());
                throttled += 1;
            }
        }
    }
    panic!("throttled for ever");
}
