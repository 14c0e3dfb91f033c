//! Every step: applied, seen, and applied again without a call.

use plan::{Direction, GroupId, Owner, RuleService, StepAction};
use provider::{CloudReader, CloudWriter, ErrorKind};
use provider_gcp::ids;
use serde_json::json;

use crate::driver::{
    Driver, add, attach, class, class_name, create, delete, detach, network, remove, rest, step,
};
use crate::harness::{NUMBER, PROJECT, link, path, slow};

const IN: Direction = Direction::Ingress;
const OUT: Direction = Direction::Egress;

#[tokio::test]
async fn every_step_is_made_true_once() {
    let mut driver = Driver::start(slow()).await;
    let order = json!({ "networkFirewallPolicyEnforcementOrder": "BEFORE_CLASSIC_FIREWALL" });
    driver.sim.perform("PATCH", path("net/v").as_str(), order);
    let first = driver.make(create("web", false)).await;
    let expected = [
        "cloudresourcemanager.tagKeys.create",
        "cloudresourcemanager.tagValues.create",
        "compute.networkFirewallPolicies.insert",
        "compute.networkFirewallPolicies.addAssociation",
    ];
    assert_eq!(first, expected);
    assert_eq!(driver.make(create("db", true)).await.len(), 3, "two for the tag, one for open egress");
    let patch = ["compute.networkFirewallPolicies.patch"];
    assert_eq!(driver.make(add("db", IN, "web tcp/5432, 10.0.0.0/8 tcp/22, fd00::/8 icmp")).await, patch);
    assert_eq!(driver.make(add("web", OUT, "10.0.0.0/8 tcp, 192.0.2.0/24 udp/53")).await, patch);
    assert_eq!(driver.make(attach("a", &[class("web")])).await, ["cloudresourcemanager.tagBindings.create"]);
    assert_eq!(driver.make(attach("b", &[class("db")])).await, ["cloudresourcemanager.tagBindings.create"]);
    assert!(driver.passes("a", "b", 5432) && driver.passes("192.0.2.1", "b", 22), "the classic rule is open");
    let closing = driver.make(detach("b", &[rest(IN)])).await;
    assert_eq!(closing.len(), 4, "a key, a value, the denies, the binding: {closing:?}");
    assert!(
        driver.passes("a", "b", 5432) && !driver.passes("192.0.2.1", "b", 22) && !driver.passes("a", "b", 80)
    );
    assert_eq!(driver.make(detach("a", &[rest(IN), rest(OUT)])).await.len(), 5);
    assert!(!driver.passes("a", "192.0.2.1", 443) && driver.passes("a", "10.9.9.9", 443));
    assert_eq!(driver.make(attach("a", &[rest(OUT)])).await, ["cloudresourcemanager.tagBindings.delete"]);
    assert!(driver.passes("a", "192.0.2.1", 443));
    assert_eq!(driver.make(StepAction::Mark { group: class("web") }).await.len(), 0);
    assert_eq!(driver.make(remove("db", IN, "web tcp/5432")).await, patch);
    assert!(!driver.passes("a", "b", 5432));
    // A relabel: the new class comes before the old one goes.
    assert_eq!(driver.make(attach("b", &[class("web")])).await.len(), 1);
    assert_eq!(driver.make(detach("b", &[class("db")])).await, ["cloudresourcemanager.tagBindings.delete"]);
    let gone = driver.make(delete("db")).await;
    let tags = ["cloudresourcemanager.tagValues.delete", "cloudresourcemanager.tagKeys.delete"];
    assert_eq!(gone, [&patch[..], &tags[..]].concat(), "its rules go with it");
    driver.sim.assert_no_complaints();
}

#[tokio::test]
async fn steps_at_one_policy_share_a_call_and_each_tells_it() {
    let mut driver = Driver::start(slow()).await;
    driver.make(create("web", false)).await;
    driver.make(create("db", false)).await;
    let current = [driver.look().await];
    let at_one_time = async |actions: Vec<StepAction>| {
        let steps: Vec<plan::Step> = actions.into_iter().map(step).collect();
        let documents: Vec<Option<String>> = steps
            .iter()
            .map(|step| driver.writer.document(&driver.scope, step, &current, &driver.ids))
            .collect();
        assert!(documents[0].is_some() && documents.iter().all(|document| *document == documents[0]));
        let done = steps.iter().map(|step| driver.writer.apply(&driver.scope, step, &current, &driver.ids));
        let done = futures_util::future::join_all(done).await;
        let calls: Vec<_> =
            done.into_iter().map(|done| done.map(|d| d.calls).map_err(|failed| failed.error.kind)).collect();
        let observed = driver.look().await;
        let seen: Vec<bool> = steps.iter().map(|step| plan::holds(step, &observed, &driver.ids)).collect();
        (calls, seen)
    };
    let three = vec![
        add("db", IN, "web tcp/5432"),
        add("web", IN, "10.0.0.0/8 tcp/22"),
        add("web", OUT, "10.0.0.0/8 tcp/443"),
    ];
    let (calls, seen) = at_one_time(three).await;
    assert!(calls.iter().all(|told| *told == calls[0] && told.as_ref().is_ok_and(|told| told.len() == 1)));
    assert_eq!(seen, [true; 3]);
    let (calls, seen) = at_one_time(vec![add("db", IN, "web tcp/5432"), add("db", IN, "web tcp/80")]).await;
    let told: Vec<usize> = calls.iter().map(|told| told.as_ref().unwrap().len()).collect();
    assert_eq!((told, seen), (vec![0, 1], vec![true; 2]), "what is true already tells no call");
    // One that no rule can say is left out.
    let echo = RuleService::Icmp { protocol: 1, kind: 8, code: None };
    let mut unsaid = add("web", IN, "web tcp/1");
    if let StepAction::AddRules { rules, .. } = &mut unsaid {
        rules[0].service = echo;
    }
    let (calls, seen) = at_one_time(vec![unsaid, add("web", IN, "web tcp/81")]).await;
    assert_eq!(
        (calls[0].clone(), calls[1].is_ok(), seen),
        (Err(ErrorKind::Rejected), true, vec![false, true])
    );
    // What the cloud refuses is written step by step, and each tells both calls.
    let mut gone = add("web", IN, "web tcp/1");
    if let StepAction::AddRules { rules, .. } = &mut gone {
        rules[0].peer = plan::Peer::Group(GroupId::from("tagValues/999999"));
    }
    let (calls, seen) = at_one_time(vec![gone, add("web", IN, "web tcp/82")]).await;
    assert!(calls[0].is_err() && !seen[0] && seen[1]);
    assert_eq!(calls[1].as_ref().map(Vec::len), Ok(2), "the refused call and its own");
    // A call that fails fails for everybody.
    let patch = "compute.networkFirewallPolicies.patch";
    driver.sim.front.world().faults.plant(patch, 1, mock_cloud::Fault::ServerError);
    let (calls, _) = at_one_time(vec![add("web", IN, "web tcp/90"), add("web", IN, "web tcp/91")]).await;
    assert_eq!(calls, [Err(ErrorKind::Transient), Err(ErrorKind::Transient)]);
}

#[tokio::test]
async fn foreign_rules_in_our_policy_are_never_touched() {
    let mut driver = Driver::start(slow()).await;
    driver.make(create("web", false)).await;
    let policy = ids::policy("shop", &network("v"));
    let theirs = json!({ "priority": 7, "action": "allow", "direction": "INGRESS", "description": "theirs",
        "ruleName": "n", "enableLogging": true, "match": { "srcRegionCodes": ["DE"],
        "srcIpRanges": ["10.0.0.0/8"], "layer4Configs": [{ "ipProtocol": "sctp", "ports": ["9"] }] } });
    driver.sim.perform("POST", &format!("{policy}/addRule"), theirs);
    let inside = json!({ "priority": 1_000_500, "action": "goto_next", "direction": "EGRESS",
        "match": { "destIpRanges": ["10.0.0.0/8"], "layer4Configs": [{ "ipProtocol": "all" }] } });
    driver.sim.perform("POST", &format!("{policy}/addRule"), inside);
    let shown = |driver: &Driver| -> Vec<serde_json::Value> {
        let all = driver.sim.perform("GET", policy.as_str(), serde_json::Value::Null);
        let rules = all["rules"].as_array().unwrap().iter();
        rules.filter(|rule| rule["priority"] == 7 || rule["priority"] == 1_000_500).cloned().collect()
    };
    let before = shown(&driver);
    driver.make(add("web", IN, "10.0.0.0/8 tcp/1, web tcp/2")).await;
    driver.make(attach("a", &[class("web")])).await;
    driver.make(detach("a", &[rest(IN)])).await;
    driver.make(remove("web", IN, "10.0.0.0/8 tcp/1")).await;
    driver.make(detach("a", &[class("web")])).await;
    driver.make(delete("web")).await;
    assert_eq!((before.len(), shown(&driver)), (2, before));
    let observed = driver.look().await;
    let list = observed.path_filters.iter().find(|list| list.id == policy.as_str()).unwrap();
    let owners: Vec<_> = list.rules.iter().map(|rule| (rule.owner.clone(), rule.name.as_str())).collect();
    assert_eq!(list.owner, Owner::Ours);
    assert_eq!(owners.iter().filter(|(owner, _)| *owner == Owner::Ours).count(), 2, "the denies: {owners:?}");
}

#[tokio::test]
async fn a_policy_of_somebody_else_in_the_place_of_ours_is_left_there() {
    let mut driver = Driver::start(slow()).await;
    driver.sim.seed("pol/theirs", json!({}));
    let at = format!("{}/addAssociation", path("pol/theirs"));
    driver.sim.perform("POST", &at, json!({ "name": "v", "attachmentTarget": link("net/v") }));
    let failed = driver.apply(&step(create("web", false))).await.unwrap_err();
    assert_eq!(failed.error.kind, ErrorKind::Conflict);
    assert!(failed.error.message.contains("theirs") && !failed.error.hint.is_empty(), "{}", failed.error);
    let calls: Vec<&str> = failed.calls.iter().map(|call| call.action.as_str()).collect();
    assert_eq!(calls, ["cloudresourcemanager.tagKeys.create", "cloudresourcemanager.tagValues.create"]);
    let predicted = driver.reader.after(&driver.look().await, &[&step(create("db", true))]);
    assert!(predicted.groups.iter().find(|group| group.id == class("db")).unwrap().egress.is_empty());
}

#[tokio::test]
async fn half_a_creation_is_cleaned_up_or_taken_over() {
    let mut driver = Driver::start(slow()).await;
    let orphan = |name: &str| {
        json!({ "parent": format!("projects/{NUMBER}"), "purpose": "GCE_FIREWALL",
            "shortName": ids::class_key("shop", &network("v"), &class_name(name)),
            "description": format!("bulkhead installation=shop role=class; {}", network("v")),
            "purposeData": { "network": format!("{PROJECT}/v") } })
    };
    for name in ["web", "old"] {
        driver.sim.perform("POST", "v3/tagKeys", orphan(name));
    }
    let observed = driver.look().await;
    let keys: Vec<GroupId> = observed
        .groups
        .iter()
        .filter(|group| group.id.as_str().starts_with("tagKeys/"))
        .map(|group| group.id.clone())
        .collect();
    assert_eq!(keys.len(), 2);
    let made = driver.apply(&step(create("web", false))).await.unwrap();
    assert_eq!(made.calls[0].action, "cloudresourcemanager.tagValues.create", "the key was there");
    // The steps were planned together: the key that is used now stays.
    let mut deleted = 0;
    for key in keys {
        let current = [observed.clone()];
        let gone = step(StepAction::DeleteGroup { group: key, name: String::new() });
        let done =
            provider::CloudWriter::apply(&driver.writer, &driver.scope, &gone, &current, &driver.ids).await;
        deleted += done.unwrap().calls.len();
        assert!(plan::holds(&gone, &driver.look().await, &driver.ids));
    }
    assert_eq!(deleted, 1);
}

#[tokio::test]
async fn damaged_rules_of_ours_are_taken_away_and_written_anew() {
    let mut driver = Driver::start(slow()).await;
    driver.make(create("web", false)).await;
    driver.make(add("web", IN, "10.0.0.0/8 tcp/1")).await;
    driver.make(attach("b", &[class("web")])).await;
    driver.make(detach("b", &[rest(IN)])).await;
    let policy = ids::policy("shop", &network("v"));
    let held = driver.sim.perform("GET", policy.as_str(), serde_json::Value::Null);
    let ours = held["rules"].as_array().unwrap().iter().find(|rule| rule["action"] == "allow").unwrap();
    let mut changed = ours.clone();
    changed["disabled"] = json!(true);
    changed.as_object_mut().unwrap().remove("ruleTupleCount");
    changed.as_object_mut().unwrap().remove("kind");
    let at = format!("{policy}/patchRule?priority={}", ours["priority"]);
    driver.sim.perform("POST", &at, changed);
    let damaged = ids::damaged(policy.as_str());
    let observed = driver.look().await;
    assert!(observed.groups.iter().any(|group| group.id == damaged));
    let web = driver.ids[&class("web")].clone();
    assert!(observed.groups.iter().find(|group| group.id == web).unwrap().ingress.is_empty());
    driver.make(add("web", IN, "10.0.0.0/8 tcp/1")).await;
    let calls = driver.make(StepAction::DeleteGroup { group: damaged, name: String::new() }).await;
    assert_eq!(calls, ["compute.networkFirewallPolicies.patch"]);
    let rules = driver.sim.perform("GET", policy.as_str(), serde_json::Value::Null);
    assert_eq!(rules["rules"].as_array().unwrap().len(), 4 + 3, "one allow, two denies, four predefined");
    assert!(!driver.passes("192.0.2.1", "b", 23), "it is still closed");
}

#[tokio::test]
async fn what_cannot_be_written_is_said_and_nothing_is_sent() {
    let mut driver = Driver::start(slow()).await;
    driver.make(create("web", false)).await;
    driver.make(attach("a", &[class("web")])).await;
    let places = ids::places("l", "r", IN);
    for (action, kind, words) in [
        (add("web", OUT, "web tcp/443"), ErrorKind::Rejected, "no rule of a firewall policy can say"),
        (add("gone", IN, "web tcp/443"), ErrorKind::NotFound, "is not there"),
        (add("web", IN, "gone tcp/443"), ErrorKind::NotFound, "is not there"),
        (attach("a", &[places]), ErrorKind::Rejected, "cannot be written"),
        (attach("nobody", &[class("web")]), ErrorKind::NotFound, ""),
        (delete("web"), ErrorKind::Conflict, "is still on 1 interfaces"),
    ] {
        driver.sim.front.world().calls.clear();
        let failed = driver.apply(&step(action.clone())).await.unwrap_err();
        assert_eq!(failed.error.kind, kind, "{action:?} {}", failed.error);
        assert!(failed.error.message.contains(words), "{}", failed.error);
        assert_eq!((failed.calls.len(), driver.sim.mutations().len()), (0, 0), "{action:?}");
    }
    let many: Vec<String> = (0..4100u32).map(|n| format!("10.{}.{}.0/24 tcp/1", n / 256, n % 256)).collect();
    let failed = driver.apply(&step(add("web", IN, &many.join(", ")))).await.unwrap_err();
    assert_eq!((failed.error.kind, failed.calls.len()), (ErrorKind::OverQuota, 0));
    assert!(failed.error.message.contains("4103 attributes"), "{}", failed.error);
}

#[tokio::test]
async fn calls_are_estimated_as_they_are_made() {
    let mut driver = Driver::start(slow()).await;
    let actions = [
        create("web", false),
        attach("b", &[class("web")]),
        detach("b", &[rest(IN)]),
        create("db", true),
        add("db", IN, "web tcp/1"),
        attach("a", &[class("db")]),
        detach("a", &[rest(IN)]),
        remove("db", IN, "web tcp/1"),
        detach("a", &[class("db")]),
        attach("a", &[rest(IN)]),
        StepAction::Mark { group: class("db") },
    ];
    let steps: Vec<plan::Step> = actions.into_iter().map(step).collect();
    let all: Vec<Vec<&plan::Step>> = steps.iter().map(|step| vec![step]).collect();
    let observed = driver.look().await;
    let estimate = driver.reader.estimate(&driver.scope, &observed, &all);
    let mut made = std::collections::BTreeMap::new();
    for step in &steps {
        for call in driver.apply(step).await.unwrap().calls {
            *made.entry(call.action).or_insert(0u32) += 1;
        }
    }
    assert_eq!(estimate.calls, made);
    assert_eq!(estimate.duration_ms, 0, "it fits into the first minute");
    let many: Vec<Vec<&plan::Step>> = std::iter::repeat_n(vec![&steps[5]], 1000).collect();
    assert_eq!(
        driver.reader.estimate(&driver.scope, &observed, &many).duration_ms,
        4 * 60_000,
        "3,000 calls, 600 a minute"
    );
}
