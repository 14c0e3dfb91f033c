//! Steps, applied one by one; and what goes wrong on the way.

use std::collections::BTreeMap;

use mock_azure::{End, Packet, Settings};
use mock_cloud::Fault;
use plan::{Direction, GroupId, RuleService, StepAction};
use provider::{CloudReader, CloudWriter, ErrorKind};
use provider_azure::ids;

use crate::harness::{id, rule_body, slow};
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
async fn steps_at_one_list_at_the_same_time_do_not_refuse_each_other() {
    let mut scene = Scene::start().await;
    scene.apply(&create(planned("v", "p"), network("v"))).await;
    let carrier = planned_carrier("v", "p", "n");
    let put =
        |block: &str, port| step(&add(&carrier, Direction::Ingress, vec![from_block(block, tcp(port))]));
    let closing = |name: &str| step(&detach(name, vec![rest("n", Direction::Ingress)]));
    let steps = [
        put("10.2.0.0/16", 443),
        put("10.3.0.0/16", 443),
        put("10.4.0.0/16", 80),
        closing("b"),
        closing("c"),
    ];
    let current = [scene.observe().await];
    let done = steps.iter().map(|step| scene.writer.apply(&scene.scope, step, &current, &scene.ids));
    for (step, done) in steps.iter().zip(futures_util::future::join_all(done).await) {
        assert!(done.is_ok(), "{:?}: {:?}", step.action, done.err());
    }
    let observed = scene.observe().await;
    assert!(steps.iter().all(|step| scene.reader.holds(step, &observed, &scene.ids)));
}

/// What became of steps that are sent at one time: the calls that each tells, or why it failed.
async fn at_one_time(
    scene: &Scene,
    steps: &[plan::Step],
) -> Vec<Result<Vec<provider::CallRecord>, ErrorKind>> {
    let current = [scene.observe().await];
    let done = steps.iter().map(|step| scene.writer.apply(&scene.scope, step, &current, &scene.ids));
    let done = futures_util::future::join_all(done).await;
    done.into_iter()
        .map(|done| done.map(|applied| applied.calls).map_err(|failed| failed.error.kind))
        .collect()
}

#[tokio::test]
async fn steps_at_one_list_share_a_call_and_each_tells_it() {
    let mut scene = Scene::start().await;
    scene.apply(&create(planned("v", "p"), network("v"))).await;
    let carrier = planned_carrier("v", "p", "n");
    let put =
        |block: &str, port| step(&add(&carrier, Direction::Ingress, vec![from_block(block, tcp(port))]));
    let steps = [put("10.2.0.0/16", 443), put("10.3.0.0/16", 80), put("10.4.0.0/16", 22)];
    let current = [scene.observe().await];
    let documents: Vec<Option<String>> =
        steps.iter().map(|step| scene.writer.document(&scene.scope, step, &current, &scene.ids)).collect();
    assert!(documents[0].is_some() && documents.iter().all(|document| *document == documents[0]));
    scene.sim.front.world().calls.clear();
    let done = at_one_time(&scene, &steps).await;
    assert_eq!(scene.sim.mutations(), [PUT_LIST], "three rules of three steps are one call");
    assert!(done.iter().all(|calls| *calls == done[0] && calls.as_ref().is_ok_and(|calls| calls.len() == 1)));
    let observed = scene.observe().await;
    assert!(steps.iter().all(|step| scene.reader.holds(step, &observed, &scene.ids)));
    // What is true already goes along and tells no call.
    let done = at_one_time(&scene, &[put("10.2.0.0/16", 443), put("10.9.0.0/16", 443)]).await;
    assert_eq!(done.iter().map(|calls| calls.as_ref().unwrap().len()).collect::<Vec<_>>(), [0, 1]);
}

#[tokio::test]
async fn a_step_that_is_refused_is_left_out_and_a_call_that_fails_is_everybodys() {
    let mut scene = Scene::start().await;
    scene.apply(&create(planned("v", "p"), network("v"))).await;
    let carrier = planned_carrier("v", "p", "n");
    let put =
        |block: &str, service| step(&add(&carrier, Direction::Ingress, vec![from_block(block, service)]));
    let unsaid = RuleService::Icmp { protocol: 1, kind: 8, code: Some(0) };
    let good = [put("10.2.0.0/16", tcp(443)), put("10.3.0.0/16", tcp(80))];
    let steps = [good[0].clone(), put("10.4.0.0/16", unsaid), good[1].clone()];
    let done = at_one_time(&scene, &steps).await;
    assert_eq!((done[1].clone(), done[0].is_ok(), done[2].is_ok()), (Err(ErrorKind::Rejected), true, true));
    let more = [put("10.5.0.0/16", tcp(443)), put("10.6.0.0/16", tcp(80))];
    scene.sim.front.world().faults.plant(PUT_LIST, 1, Fault::ServerError);
    let done = at_one_time(&scene, &more).await;
    assert_eq!(done, [Err(ErrorKind::Transient), Err(ErrorKind::Transient)]);
    scene.sim.front.world().faults = mock_cloud::Faults::default();
    for done in at_one_time(&scene, &more).await {
        assert_eq!(done.unwrap().len(), 1);
    }
    // The cloud refuses a group that is not there: the other step does not suffer for it.
    let gone = ids::of_asg(&id("asg/bulkhead-prod-0123456789abcdef"));
    let steps = [
        step(&add(&carrier, Direction::Ingress, vec![from_group(&gone, tcp(1))])),
        put("10.7.0.0/16", tcp(443)),
    ];
    let done = at_one_time(&scene, &steps).await;
    assert_eq!((done[0].clone(), done[1].is_ok()), (Err(ErrorKind::NotFound), true));
}

#[tokio::test]
async fn a_closed_interface_still_hears_health_probes_and_nobody_else() {
    let mut scene = Scene::start().await;
    let passes = |scene: &Scene, from: &str, port: u16| {
        let shown = scene.sim.show("nic/b");
        let address = shown["properties"]["ipConfigurations"][0]["properties"]["privateIPAddress"].as_str();
        let destination = End::Interface(id("nic/b").key().to_owned(), address.unwrap().parse().unwrap());
        let packet =
            Packet { source: End::External(from.parse().unwrap()), destination, protocol: 6, detail: port };
        scene.sim.front.world().allows_by_api(&packet)
    };
    assert!(passes(&scene, "168.63.129.16", 8443) && passes(&scene, "10.0.0.99", 8443), "open before");
    scene.apply(&detach("b", vec![rest("n", Direction::Ingress)])).await;
    assert!(passes(&scene, "168.63.129.16", 8443) && passes(&scene, "168.63.129.16", 65_535));
    assert!(!passes(&scene, "168.63.129.17", 8443) && !passes(&scene, "10.0.0.99", 8443));
}

#[tokio::test]
async fn a_closing_waits_for_the_group_that_another_one_is_making() {
    let scene = Scene::start_with(Settings { operation_ms: 120_000, ..slow() }).await;
    let current = [scene.observe().await];
    let is_being_made = || {
        let world = scene.sim.front.world();
        let mut made = world.state.of_kind(mock_azure::path::Kind::ApplicationGroup);
        made.any(|(_, group)| group.id.contains("-closed-in-") && group.provisioning.is_busy())
    };
    let closing = |name: &str, nsg: &str| step(&detach(name, vec![rest(nsg, Direction::Ingress)]));
    let (first, second) = (closing("b", "n"), closing("d", "m"));
    let later = async {
        while !is_being_made() {
            tokio::task::yield_now().await;
        }
        scene.writer.apply(&scene.scope, &second, &current, &scene.ids).await
    };
    let now = scene.writer.apply(&scene.scope, &first, &current, &scene.ids);
    let (now, later) = tokio::time::timeout(std::time::Duration::from_secs(20), async {
        futures_util::future::join(now, later).await
    })
    .await
    .unwrap();
    assert!(now.is_ok() && later.is_ok(), "{:?} {:?}", now.err(), later.err());
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
        for (place, action) in [PUT_GROUP, PUT_LIST, PUT_INTERFACE].into_iter().enumerate() {
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
    let alone: Vec<Vec<&plan::Step>> = steps.iter().map(|step| vec![step]).collect();
    let observed = scene.observe().await;
    let found = scene.reader.estimate(&scene.scope, &observed, &alone);
    let count = |action: &str| found.calls.get(&format!("Microsoft.Network/{action}")).copied().unwrap_or(0);
    assert_eq!(count("networkInterfaces/write"), 3);
    assert_eq!(count("applicationSecurityGroups/write"), 4);
    assert_eq!(count("networkSecurityGroups/securityRules/write"), 2);
    assert_eq!(count("networkSecurityGroups/write"), 2, "two facts, and probes with a deny");
    assert_eq!(found.duration_ms, 0, "the buckets are full");
    let many: Vec<Vec<&plan::Step>> = std::iter::repeat_n(vec![&steps[4]], 1_200).collect();
    let long = scene.reader.estimate(&scene.scope, &observed, &many);
    assert!(long.duration_ms >= 300_000, "a thousand in five minutes: {}", long.duration_ms);
}
