//! Subnets and interfaces without a security group: one of ours is made, nobody who is not enforced loses or gains anything at
//! any moment, and the enforced end closed. What cannot have one says why.

use plan::{Attachment, StepAction};
use policy::Severity;
use provider_azure::observed::own_group;
use provider_azure::{AzureSettings, OwnGroups};
use serde_json::{Value, json};

use super::look;
use super::watch::{Watch, converge, crash, passing};
use crate::harness::{Sim, id, interface, rule_body, tagged};
use crate::scene::Scene;

const POLICY: &str = "
labels: { role: [web, db] }
rulesets:
  - name: shop
    rules:
      - { name: web-db, sources: [role=web], destinations: [role=db], services: [tcp/5432] }
";
/// What the neighbours without a role do, and always did.
const FREE: [&str; 3] = ["r s tcp 8080", "r 203.0.113.9 tcp 443", "10.99.0.1 s tcp 22"];
/// What Azure lets nobody do without a security group.
const SHUT: [&str; 2] = ["203.0.113.9 r udp 53", "203.0.113.9 q tcp 5432"];
const ALLOWED: &str = "p q tcp 5432";
const ENDS: [&str; 4] = ["p q tcp 22", "10.99.0.1 q udp 53", "r q tcp 5432", "p r tcp 80"];

/// Interfaces `p` (web), `q` (db), `r` and `s` without a role in the subnet `v/t`, which has no security group.
async fn scene_with(own_groups: OwnGroups) -> Scene {
    // Operations end long before every interface has heard of them.
    let settings = mock_azure::Settings {
        delay_ms: (50, 4_000),
        operation_ms: 10,
        retry_after_s: None,
        ..crate::harness::slow()
    };
    let sim = Sim::start(settings).await;
    for (name, role) in [("p", Some("web")), ("q", Some("db")), ("r", None), ("s", None)] {
        let mut body = interface("vnet/v/t", &[]);
        if let Some(role) = role {
            body["tags"] = json!({ "role": role });
        }
        sim.seed(&format!("nic/{name}"), body);
    }
    sim.front.world().advance_ms(600_000);
    over(sim, own_groups)
}

fn over(sim: Sim, own_groups: OwnGroups) -> Scene {
    let settings = AzureSettings { own_groups, ..AzureSettings::new("shop") };
    let mut scene = Scene::over_with(sim, settings);
    scene.scope.settle_ms = 5_000;
    scene
}

async fn scene() -> Scene {
    scene_with(OwnGroups::Subnet).await
}

fn own(place: &str) -> String {
    own_group("shop", &id("vnet/v"), &id(place)).as_str().to_owned()
}

/// The security group of a subnet or an interface.
fn group_of(scene: &Scene, short: &str) -> String {
    let group = &scene.sim.show(short)["properties"]["networkSecurityGroup"]["id"];
    group.as_str().unwrap_or_default().to_lowercase()
}

fn findings(desired: &plan::Desired, severity: Severity) -> Vec<String> {
    let found = desired.findings.iter().filter(|finding| finding.severity == severity);
    found.map(|finding| format!("{} {finding}", finding.code)).collect()
}

#[tokio::test]
async fn a_subnet_without_a_security_group_gets_one_that_changes_nothing_for_its_neighbours() {
    let mut scene = scene().await;
    let watch = Watch::new(&scene, &[FREE.as_slice(), &[ALLOWED]].concat(), &SHUT);
    let before = look(&scene, POLICY).await;
    assert_eq!(before.desired.uncovered, []);
    let notes = findings(&before.desired, Severity::Note);
    assert!(
        notes.iter().any(|note| note.starts_with("security-group-made") && note.contains("subnet v/t")),
        "{notes:?}"
    );
    assert_eq!(group_of(&scene, "vnet/v/t"), "", "to look makes nothing");
    scene.sim.front.world().calls.clear();
    let passes = converge(&mut scene, POLICY, &watch).await;
    assert!(passes.len() == 2 && passes[1].is_empty(), "{passes:#?}");
    assert_eq!(group_of(&scene, "vnet/v/t"), own("vnet/v/t").to_lowercase());
    assert_eq!(passing(&scene, &ENDS), [false; 4]);
    let subnets = scene.sim.mutations().iter().filter(|action| action.contains("subnets")).count();
    assert_eq!(subnets, 1, "{:?}", scene.sim.mutations());
    // Later changes are as everywhere.
    let wider = POLICY.replace("tcp/5432", "tcp/5432-5433");
    let passes = converge(&mut scene, &wider, &watch).await;
    assert!(passes.len() == 2, "{passes:#?}");
    assert_eq!(passing(&scene, &["p q tcp 5433"]), [true]);
    assert!(
        findings(&look(&scene, &wider).await.desired, Severity::Note).iter().all(|n| !n.contains("made"))
    );
    scene.sim.assert_no_complaints();
}

#[tokio::test]
async fn interfaces_get_one_each_where_that_is_asked_for() {
    let mut scene = scene_with(OwnGroups::Interface).await;
    let watch = Watch::new(&scene, &[FREE.as_slice(), &[ALLOWED]].concat(), &SHUT);
    let passes = converge(&mut scene, POLICY, &watch).await;
    assert!(passes.len() == 2 && passes[1].is_empty(), "{passes:#?}");
    assert_eq!(passing(&scene, &ENDS), [false; 4]);
    assert_eq!(group_of(&scene, "vnet/v/t"), "");
    for (name, expected) in [("p", true), ("q", true), ("r", false), ("s", false)] {
        let short = format!("nic/{name}");
        let expected = if expected { own(&short).to_lowercase() } else { String::new() };
        assert_eq!(group_of(&scene, &short), expected, "{name}");
    }
    scene.sim.assert_no_complaints();
}

#[tokio::test]
async fn a_crash_at_any_call_leaves_everything_open_and_the_next_pass_ends_it() {
    for own_groups in [OwnGroups::Subnet, OwnGroups::Interface] {
        let mut writes = 0;
        loop {
            let mut scene = scene_with(own_groups).await;
            let watch = Watch::new(&scene, &[FREE.as_slice(), &[ALLOWED]].concat(), &SHUT);
            let from = scene.sim.front.world().now_ms();
            let has_died = crash(&mut scene, POLICY, writes).await;
            watch.check(&scene, from);
            let mut fresh = over(scene.sim, own_groups);
            let passes = converge(&mut fresh, POLICY, &watch).await;
            assert!(passes.len() <= 3, "{passes:#?}");
            assert_eq!(passing(&fresh, &ENDS), [false; 4], "after {writes}");
            if !has_died {
                break;
            }
            writes += 1;
        }
        assert!(writes >= 6, "{writes} calls");
    }
}

#[tokio::test]
async fn the_prediction_is_what_becomes_of_it_and_the_estimate_is_enough() {
    for own_groups in [OwnGroups::Subnet, OwnGroups::Interface] {
        use provider::CloudReader;
        let mut scene = scene_with(own_groups).await;
        let look = look(&scene, POLICY).await;
        let steps: Vec<&plan::Step> = look.steps.iter().collect();
        let predicted = scene.reader.after(&look.observed, &steps);
        let batches: Vec<Vec<&plan::Step>> = steps.iter().map(|step| vec![*step]).collect();
        let estimated = scene.reader.estimate(&scene.scope, &look.observed, &batches).calls;
        scene.sim.front.world().calls.clear();
        for step in &look.steps {
            let done = scene.try_apply(&step.action).await.unwrap();
            if let (StepAction::CreateGroup { group, .. }, Some(created)) = (&step.action, done.created) {
                scene.ids.insert(group.clone(), created);
            }
        }
        let mut made: std::collections::BTreeMap<String, u32> = std::collections::BTreeMap::new();
        for action in scene.sim.mutations() {
            *made.entry(action).or_default() += 1;
        }
        let all: u32 = estimated.values().sum();
        assert!(made.values().sum::<u32>() <= all, "{made:?} of {estimated:?}");
        for part in ["subnets/write", "networkSecurityGroups/write"] {
            let count = |calls: &std::collections::BTreeMap<String, u32>| -> u32 {
                calls.iter().filter(|(action, _)| action.ends_with(part)).map(|(_, n)| n).sum()
            };
            assert!(count(&made) <= count(&estimated), "{part}: {made:?} of {estimated:?}");
        }
        let (predicted, found) = (scene.renamed(predicted), scene.observe().await);
        assert_eq!(predicted.interfaces, found.interfaces);
        assert_eq!(predicted.path_filters, found.path_filters);
        assert_eq!(predicted.groups, found.groups);
    }
}

#[tokio::test]
async fn a_name_that_is_taken_blocks() {
    let short = own("vnet/v/t");
    for (tags, rule) in [(json!({ "team": "theirs" }), None), (json!({}), Some("100 in deny Tcp * * 22"))] {
        let scene = scene().await;
        let mut body = tagged(json!({}));
        body["tags"] = tags;
        if rule.is_some() {
            body["tags"] = json!({ "bulkhead:installation": "shop", "bulkhead:role": "own-group", "bulkhead:network": "rg/v" });
        }
        body["location"] = json!("westeurope");
        let put = |path: &str, body: &Value| scene.sim.front.world().perform("PUT", path, body).unwrap();
        put(&short, &body);
        if let Some(rule) = rule {
            put(&format!("{short}/securityRules/theirs"), &rule_body(rule));
        }
        let blocking = findings(&look(&scene, POLICY).await.desired, Severity::Blocking);
        assert!(blocking.len() == 1 && blocking[0].starts_with("security-group-taken"), "{blocking:?}");
    }
}

#[tokio::test]
async fn somebody_elses_security_group_that_came_meanwhile_is_a_conflict_and_then_the_one() {
    let mut scene = scene().await;
    let planned = look(&scene, POLICY).await;
    let mut subnet = scene.sim.show("vnet/v/t");
    subnet["properties"]["networkSecurityGroup"] = json!({ "id": id("nsg/n") });
    let create = planned
        .steps
        .iter()
        .find(|step| matches!(&step.action, StepAction::CreateGroup { name, .. } if name.contains('|')));
    let create = create.unwrap().action.clone();
    scene.sim.front.world().perform("PUT", id("vnet/v/t").as_str(), &subnet).unwrap();
    let failed = {
        use provider::CloudWriter;
        let step = crate::scene::step(&create);
        let current = [planned.observed];
        scene.writer.apply(&scene.scope, &step, &current, &scene.ids).await.unwrap_err()
    };
    assert_eq!(failed.error.kind, provider::ErrorKind::Conflict, "{:?}", failed.error);
    converge(&mut scene, POLICY, &Watch::default()).await;
    assert_eq!(group_of(&scene, "vnet/v/t"), id("nsg/n").key());
    assert_eq!(passing(&scene, &["p q tcp 5432", "p q tcp 22"]), [true, false]);
}

#[tokio::test]
async fn one_that_was_taken_off_its_subnet_is_put_back_and_stops_nobody_before() {
    let mut scene = scene().await;
    converge(&mut scene, POLICY, &Watch::default()).await;
    let mut subnet = scene.sim.show("vnet/v/t");
    subnet["properties"].as_object_mut().unwrap().remove("networkSecurityGroup");
    scene.sim.front.world().perform("PUT", id("vnet/v/t").as_str(), &subnet).unwrap();
    scene.sim.front.world().advance_ms(600_000);
    assert_eq!(passing(&scene, &ENDS), [true; 4]);
    // What the policy allows by now passes while nobody is closed, and goes on.
    let wider = POLICY.replace("tcp/5432", "tcp/5432-5433");
    let watch = Watch::new(&scene, &[FREE.as_slice(), &[ALLOWED, "p q tcp 5433"]].concat(), &SHUT);
    let passes = converge(&mut scene, &wider, &watch).await;
    assert!(!passes[0].is_empty() && passes.len() == 2, "{passes:#?}");
    assert_eq!(passing(&scene, &ENDS), [false; 4]);
    assert_eq!(group_of(&scene, "vnet/v/t"), own("vnet/v/t").to_lowercase());
}

#[tokio::test]
async fn where_none_can_be_made_the_interface_says_why() {
    let uncovered = |scene: Scene| async move {
        let desired = look(&scene, POLICY).await.desired;
        let found: Vec<String> = desired.uncovered.iter().map(|one| one.reason.clone()).collect();
        assert_eq!(found.len(), 2, "{found:?}");
        found[0].clone()
    };
    let change = |scene: &Scene, short: &str, change: &dyn Fn(&mut Value)| {
        let mut body = scene.sim.show(short);
        change(&mut body);
        scene.sim.front.world().perform("PUT", id(short).as_str(), &body).unwrap();
    };
    let none = scene_with(OwnGroups::None).await;
    assert_eq!(uncovered(none).await, "no network security group is on its path");
    let delegated = scene().await;
    change(&delegated, "vnet/v/t", &|body| {
        body["properties"]["delegations"] =
            json!([{ "name": "d", "properties": { "serviceName": "Microsoft.Netapp/volumes" } }]);
    });
    assert!(uncovered(delegated).await.contains("delegated"));
    let guarded = scene().await;
    change(&guarded, "nic/s", &|body| {
        body["properties"]["networkSecurityGroup"] = json!({ "id": id("nsg/n") });
    });
    assert!(uncovered(guarded).await.contains("security_groups: interface"));
    let public = scene().await;
    change(&public, "nic/r", &|body| {
        body["properties"]["ipConfigurations"][0]["properties"]["loadBalancerBackendAddressPools"] = json!([{ "id": "/subscriptions/x/resourceGroups/rg/providers/Microsoft.Network/loadBalancers/l/backendAddressPools/p" }]);
    });
    assert!(uncovered(public).await.contains("a load balancer"));
    let routed = scene().await;
    change(&routed, "vnet/v/t", &|body| {
        body["properties"]["routeTable"] =
            json!({ "id": "/subscriptions/x/resourceGroups/rg/providers/Microsoft.Network/routeTables/r" });
    });
    assert!(uncovered(routed).await.contains("route table"));
    let reserved = scene().await;
    reserved.sim.seed("vnet/v/GatewaySubnet", json!({ "properties": { "addressPrefix": "10.0.9.0/27" } }));
    for (name, role) in [("p", "web"), ("q", "db")] {
        let mut body = interface("vnet/v/GatewaySubnet", &[]);
        body["tags"] = json!({ "role": role });
        let path = id(&format!("nic/{name}"));
        reserved.sim.front.world().perform("DELETE", path.as_str(), &Value::Null).unwrap();
        reserved.sim.seed(&format!("nic/{name}"), body);
    }
    assert!(uncovered(reserved).await.contains("reserves"));
}

#[tokio::test]
async fn an_exclusive_scope_makes_them_too() {
    let mut scene = scene().await;
    scene.attach_as(Attachment::Exclusive);
    let watch = Watch::new(&scene, &[FREE.as_slice(), &[ALLOWED]].concat(), &SHUT);
    converge(&mut scene, POLICY, &watch).await;
    assert_eq!(passing(&scene, &ENDS), [false; 4]);
}
