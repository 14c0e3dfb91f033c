//! Steps, applied one by one; and what goes wrong on the way.

use std::collections::BTreeMap;

use mock_cloud::Fault;
use plan::{Direction, GroupId, StepAction};
use provider::{CloudReader, CloudWriter, ErrorKind};
use provider_azure::ids;

use crate::harness::{id, rule_body};
use crate::scene::{
    Scene, add, attach, create, detach, from_block, from_group, network, planned, planned_carrier, remove,
    rest, step, tcp,
};

const PUT_RULE: &str = "PUT networkSecurityGroups/securityRules";
const PUT_LIST: &str = "PUT networkSecurityGroups";
const PUT_INTERFACE: &str = "PUT networkInterfaces";
const PUT_GROUP: &str = "PUT applicationSecurityGroups";

/// Everything from nothing: two classes, rules between them, members that are closed otherwise.
fn whole() -> Vec<StepAction> {
    let (p, q) = (planned("v", "p"), planned("v", "q"));
    let carrier = planned_carrier("v", "p", "n");
    vec![
        create(p.clone(), network("v")),
        create(q.clone(), network("v")),
        create(carrier.clone(), network("v")),
        add(
            &carrier,
            Direction::Ingress,
            vec![from_group(&q, tcp(443)), from_block("10.2.0.0/16", tcp(443))],
        ),
        attach("a", vec![p.clone(), carrier.clone()]),
        attach("i", vec![p, carrier.clone()]),
        detach("b", vec![rest("n", Direction::Ingress), rest("n", Direction::Egress)]),
        remove(&carrier, Direction::Ingress, vec![from_block("10.2.0.0/16", tcp(443))]),
    ]
}

#[tokio::test]
async fn each_step_is_the_fewest_calls_and_holds() {
    let mut scene = Scene::start().await;
    let foreign = scene.foreign();
    let mut calls = Vec::new();
    for action in whole() {
        calls.push(scene.apply(&action).await);
    }
    // To close is a group, a deny and the interface: here in both directions.
    assert_eq!(calls, [1, 1, 0, 1, 1, 1, 5, 1]);
    let (p, carrier) = (planned("v", "p"), planned_carrier("v", "p", "n"));
    for (action, expected) in [
        (detach("i", vec![p.clone(), carrier.clone()]), 1),
        (detach("e", vec![rest("n", Direction::Ingress)]), 1),
        (attach("b", vec![rest("n", Direction::Ingress)]), 1),
        (detach("a", vec![p.clone(), carrier.clone()]), 1),
        (StepAction::DeleteGroup { group: carrier, name: String::new() }, 1),
        (StepAction::DeleteGroup { group: p, name: String::new() }, 1),
    ] {
        assert_eq!(scene.apply(&action).await, expected, "{action:?}");
    }
    scene.assert_foreign(&foreign);
    scene.sim.assert_no_complaints();
}

#[tokio::test]
async fn steps_about_one_security_group_that_are_sent_together_are_all_made_true() {
    let mut scene = Scene::start().await;
    for action in &whole()[..3] {
        scene.apply(action).await;
    }
    let [p, q] = ["p", "q"].map(|class| planned_carrier("v", class, "n"));
    let actions = [
        add(&p, Direction::Ingress, vec![from_block("10.2.0.0/16", tcp(443))]),
        add(
            &q,
            Direction::Ingress,
            vec![from_block("10.3.0.0/16", tcp(8443)), from_block("fd00::/64", tcp(1))],
        ),
        detach("b", vec![rest("n", Direction::Ingress), rest("n", Direction::Egress)]),
    ];
    let steps = actions.each_ref().map(step);
    let observed = [scene.observe().await];
    let [first, second, third] =
        steps.each_ref().map(|step| scene.writer.apply(&scene.scope, step, &observed, &scene.ids));
    let (first, second, third) = tokio::join!(first, second, third);
    for (outcome, action) in [first, second, third].into_iter().zip(&actions) {
        outcome.unwrap_or_else(|failed| panic!("{action:?}: {:?}", failed.error));
    }
    let now = scene.observe().await;
    for step in &steps {
        assert!(scene.reader.holds(step, &now, &scene.ids), "{step:?}");
    }
}

#[tokio::test]
async fn one_rule_more_is_one_put_of_one_rule() {
    let mut scene = Scene::start().await;
    let carrier = planned_carrier("v", "p", "n");
    scene.apply(&create(planned("v", "p"), network("v"))).await;
    scene.sim.front.world().calls.clear();
    scene.apply(&add(&carrier, Direction::Ingress, vec![from_block("10.2.0.0/16", tcp(443))])).await;
    scene.apply(&add(&carrier, Direction::Ingress, vec![from_block("10.3.0.0/16", tcp(443))])).await;
    assert_eq!(scene.sim.mutations(), [PUT_RULE, PUT_RULE]);
    scene.sim.front.world().calls.clear();
    let many = vec![from_block("10.4.0.0/16", tcp(443)), from_block("10.4.0.0/16", tcp(80))];
    scene.apply(&add(&carrier, Direction::Egress, many)).await;
    assert_eq!(scene.sim.mutations(), [PUT_LIST], "two rules are one call");
}

#[tokio::test]
async fn tags_are_set_back_beside_those_of_others() {
    let mut scene = Scene::start().await;
    scene.apply(&create(planned("v", "p"), network("v"))).await;
    let group = scene.ids[&planned("v", "p")].clone();
    let short = format!("asg/{}", ids::asg_name(&group));
    let mut body = scene.sim.show(&short);
    body["tags"]["bulkhead:role"] = "other".into();
    body["tags"]["cost"] = "7".into();
    scene.sim.front.world().perform("PUT", group.as_str(), &body).unwrap();
    let drift = scene.observe().await.groups.iter().find(|held| held.id == group).unwrap().tag_drift.clone();
    assert_eq!(drift, BTreeMap::from([("bulkhead:role".to_owned(), "other".to_owned())]));
    assert_eq!(scene.apply(&StepAction::Mark { group }).await, 1);
    assert_eq!(scene.sim.show(&short)["tags"]["cost"], "7");
}

#[tokio::test]
async fn what_is_not_ours_is_not_touched() {
    let mut scene = Scene::start().await;
    let foreign = scene.foreign();
    let web = GroupId::from(id("asg/web").key());
    for (action, kind) in [
        (StepAction::DeleteGroup { group: web.clone(), name: String::new() }, ErrorKind::Conflict),
        (StepAction::Mark { group: web.clone() }, ErrorKind::Conflict),
        (add(&web, Direction::Ingress, vec![from_block("10.0.0.0/8", tcp(1))]), ErrorKind::Rejected),
        (
            add(&rest("n", Direction::Ingress), Direction::Ingress, vec![from_block("10.0.0.0/8", tcp(1))]),
            ErrorKind::Rejected,
        ),
        (
            StepAction::DeleteGroup { group: rest("n", Direction::Ingress), name: String::new() },
            ErrorKind::Rejected,
        ),
    ] {
        let failed = scene.try_apply(&action).await.unwrap_err();
        assert_eq!((failed.error.kind, failed.calls.len()), (kind, 0), "{action:?}");
    }
    let name = crate::scene::class_name("v", "p");
    scene.sim.seed(&format!("asg/{name}"), crate::harness::tagged(serde_json::json!({})));
    let taken = scene.try_apply(&create(planned("v", "p"), network("v"))).await.unwrap_err();
    assert_eq!(taken.error.kind, ErrorKind::Conflict);
    scene.assert_foreign(&foreign);
}

#[tokio::test]
async fn a_rule_that_somebody_changed_is_put_right() {
    for change in [
        "4090 in allow Tcp 10.2.0.0/16 * 443",
        "1500 in deny Tcp 10.2.0.0/16 * 443",
        "1500 out allow Tcp 10.2.0.0/16 * 443",
        "1500 in allow Tcp Internet * 443",
    ] {
        let mut scene = Scene::start().await;
        let (p, carrier) = (planned("v", "p"), planned_carrier("v", "p", "n"));
        let rule = from_block("10.2.0.0/16", tcp(443));
        scene.apply(&create(p, network("v"))).await;
        let put = add(&carrier, Direction::Ingress, vec![rule]);
        scene.apply(&put).await;
        let own = |scene: &Scene| {
            let shown = scene.sim.show("nsg/n");
            let rules = shown["properties"]["securityRules"].as_array().unwrap().clone();
            rules
                .iter()
                .map(|rule| rule["name"].as_str().unwrap().to_owned())
                .filter(|name| name.starts_with("bulkhead"))
                .collect::<Vec<_>>()
        };
        let name = own(&scene).remove(0);
        scene.sim.seed(&format!("nsg/n/{name}"), rule_body(change));
        let damaged = ids::damaged(id("nsg/n").key());
        assert!(!scene.reader.holds(&step(&put), &scene.observe().await, &scene.ids), "{change}");
        scene.apply(&put).await;
        scene.apply(&StepAction::DeleteGroup { group: damaged, name: String::new() }).await;
        assert_eq!(own(&scene), [format!("{name}-2")], "{change}");
    }
}

#[tokio::test]
async fn whatever_fails_is_said_with_the_calls_before_and_the_next_pass_converges() {
    let closing = detach("b", vec![rest("n", Direction::Ingress)]);
    for (fault, kind) in [
        (Fault::Throttle, ErrorKind::Throttled),
        (Fault::ServerError, ErrorKind::Transient),
        (Fault::LostAnswer, ErrorKind::Transient),
        (Fault::AccessDenied, ErrorKind::Denied),
    ] {
        for (place, action) in [PUT_GROUP, PUT_RULE, PUT_INTERFACE].into_iter().enumerate() {
            let mut scene = Scene::start().await;
            scene.sim.front.world().faults.plant(action, 1, fault);
            let failed = scene.try_apply(&closing).await.unwrap_err();
            assert_eq!((failed.error.kind, failed.calls.len()), (kind, place + 1), "{fault:?} {action}");
            // What was done is still under way where its answer was lost.
            scene.sim.front.world().advance_ms(3_000);
            let done = place + usize::from(fault == Fault::LostAnswer);
            assert_eq!(scene.apply(&closing).await, 3 - done, "{fault:?} {action}");
        }
    }
}

#[tokio::test]
async fn a_crash_at_any_call_is_mended_by_the_same_steps() {
    let actions = whole();
    let mut reached = Vec::new();
    for at in 1..20 {
        let mut scene = Scene::start().await;
        // Every call that writes from here on fails: as if the process had died.
        for action in [PUT_RULE, PUT_LIST, PUT_INTERFACE, PUT_GROUP] {
            for nth in at..at + 20 {
                scene.sim.front.world().faults.plant(action, nth, Fault::ServerError);
            }
        }
        let mut failed = 0;
        for action in &actions {
            failed += usize::from(scene.try_apply(action).await.is_err());
        }
        reached.push(failed);
        scene.sim.front.world().faults = mock_cloud::Faults::default();
        scene.ids.clear();
        for action in &actions[..actions.len() - 1] {
            scene.try_apply(action).await.unwrap();
        }
        for action in &actions {
            scene.apply(action).await;
        }
        if failed == 0 {
            break;
        }
    }
    println!("steps that failed, by the call of a kind at which everything ends: {reached:?}");
    assert_eq!(reached.last(), Some(&0));
}

#[tokio::test]
async fn calls_are_estimated_as_they_are_made() {
    let scene = Scene::start().await;
    let steps: Vec<plan::Step> = whole().iter().map(step).collect();
    let found = scene.reader.estimate(&scene.scope, &steps.iter().collect::<Vec<_>>());
    let count = |action: &str| found.calls.get(&format!("Microsoft.Network/{action}")).copied().unwrap_or(0);
    assert_eq!(count("networkInterfaces/write"), 3);
    assert_eq!(count("applicationSecurityGroups/write"), 4);
    assert_eq!(count("networkSecurityGroups/securityRules/write"), 3);
    assert_eq!(found.duration_ms, 0, "the buckets are full");
    let many: Vec<&plan::Step> = std::iter::repeat_n(&steps[4], 1_200).collect();
    let long = scene.reader.estimate(&scene.scope, &many);
    assert!(long.duration_ms >= 300_000, "a thousand in five minutes: {}", long.duration_ms);
}
