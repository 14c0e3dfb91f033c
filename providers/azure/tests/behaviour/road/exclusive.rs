//! Scopes that become exclusive and additive again: what others let pass behind our band stops at enforced interfaces and
//! passes again, and nothing else changes for anybody at any moment.

use plan::{Attachment, Step, StepAction};
use provider_azure::AzureSettings;
use serde_json::{Value, json};

use super::look;
use super::watch::{Watch, converge, crash, passing};
use crate::harness::{Sim, id, interface, rule_body};
use crate::scene::{Scene, network};

const POLICY: &str = "
labels: { role: [web, db] }
rulesets:
  - name: shop
    rules:
      - { name: web-db, sources: [role=web], destinations: [role=db], services: [tcp/5432] }
";
/// What others let pass behind our band, and what comes by default.
const FOREIGN: [&str; 2] = ["203.0.113.9 b udp 53", "a b tcp 9000"];

/// Interfaces `a` (web), `b` (db), and `c`, `d` without a role; a rule of others behind the band for everybody.
async fn scene() -> Scene {
    let settings = mock_azure::Settings { delay_ms: (50, 4_000), ..crate::harness::slow() };
    let sim = Sim::start(settings).await;
    sim.front.world().perform("DELETE", id("nsg/n/theirs").as_str(), &Value::Null).unwrap();
    sim.rule("names", "4010 in allow Udp * * 53");
    for name in ["c", "d"] {
        sim.seed(&format!("nic/{name}"), interface("vnet/v/s", &[]));
    }
    for (name, role) in [("a", "web"), ("b", "db")] {
        label(&sim, name, json!({ "role": role }));
    }
    sim.front.world().advance_ms(600_000);
    Scene::over(sim)
}

fn label(sim: &Sim, name: &str, tags: Value) {
    let mut body = sim.show(&format!("nic/{name}"));
    body["tags"] = tags;
    sim.front.world().perform("PUT", id(&format!("nic/{name}")).key(), &body).unwrap();
}

#[tokio::test]
async fn a_scope_becomes_exclusive_and_additive_again_and_what_is_allowed_passes_at_every_moment() {
    let mut scene = scene().await;
    assert_eq!(passing(&scene, &FOREIGN), [true, true]);
    let free = ["203.0.113.9 c udp 53", "d c tcp 8080", "c d tcp 22"];
    let start = Watch::new(&scene, &["a b tcp 5432", free[0], free[1], free[2]], &["203.0.113.9 b tcp 22"]);
    converge(&mut scene, POLICY, &start).await;
    assert_eq!(passing(&scene, &FOREIGN), [true, false], "additive keeps what others have");
    let never = ["a b tcp 9000", "b a tcp 5432", "203.0.113.9 b tcp 22"];
    let watch = Watch::new(&scene, &["a b tcp 5432", free[0], free[1], free[2]], &never);
    for round in 0..2 {
        scene.attach_as(Attachment::Exclusive);
        scene.sim.front.world().calls.clear();
        let passes = converge(&mut scene, POLICY, &watch).await;
        assert!(passes.len() == 2 && passes[1].is_empty(), "{passes:#?}");
        assert_eq!(passing(&scene, &FOREIGN), [false, false], "round {round}");
        // Two interfaces, both ways; denies of both ways with a probe, once.
        let interfaces = scene.sim.mutations().iter().filter(|a| a.contains("networkInterfaces")).count();
        let lists = scene.sim.mutations().iter().filter(|a| a.contains("networkSecurityGroups")).count();
        assert!(interfaces <= 4 && lists <= if round == 0 { 2 } else { 0 }, "{:?}", scene.sim.mutations());
        scene.attach_as(Attachment::Additive);
        let passes = converge(&mut scene, POLICY, &watch).await;
        assert!(passes.len() == 2 && passes[1].is_empty(), "{passes:#?}");
        assert_eq!(passing(&scene, &FOREIGN), [true, false], "round {round}");
    }
    scene.sim.assert_no_complaints();
}

#[tokio::test]
async fn a_scope_that_is_exclusive_from_the_start_closes_and_opens() {
    let mut scene = scene().await;
    scene.attach_as(Attachment::Exclusive);
    let free = ["203.0.113.9 c udp 53", "d c tcp 8080"];
    let watch = Watch::new(&scene, &["a b tcp 5432", free[0], free[1]], &["203.0.113.9 b tcp 22"]);
    converge(&mut scene, POLICY, &watch).await;
    assert_eq!(passing(&scene, &FOREIGN), [false, false]);
    assert_eq!(passing(&scene, &["168.63.129.16 b tcp 80"]), [true], "probes are kept");
    // Nobody is enforced any more: the interfaces leave every group that closes, whatever the scope is by now.
    for name in ["a", "b"] {
        label(&scene.sim, name, json!({}));
    }
    scene.attach_as(Attachment::Additive);
    let watch = Watch::new(&scene, &["a b tcp 5432", free[0], free[1]], &[]);
    let passes = converge(&mut scene, POLICY, &watch).await;
    assert!(passes.len() == 2, "{passes:#?}");
    assert_eq!(passing(&scene, &FOREIGN), [true, true]);
    let groups = scene.sim.show("nic/b")["properties"]["ipConfigurations"][0]["properties"]
        ["applicationSecurityGroups"]
        .to_string();
    assert!(!groups.contains("closed-") && !groups.contains("sealed-"), "{groups}");
}

#[tokio::test]
async fn a_change_of_rules_at_the_moment_of_the_switch_cuts_nothing() {
    let mut scene = scene().await;
    converge(&mut scene, POLICY, &Watch::default()).await;
    // What a rule of others let pass behind the band the policy allows by now.
    let policy = POLICY.replace("rulesets:", "ip_lists: { out: { addresses: [203.0.113.0/24] } }\nrulesets:");
    let wider = format!(
        "{policy}      - {{ name: names, sources: [list:out], destinations: [role=db], services: [udp/53] }}\n"
    );
    let watch = Watch::new(&scene, &["203.0.113.9 b udp 53", "a b tcp 5432"], &["203.0.113.9 b tcp 22"]);
    scene.attach_as(Attachment::Exclusive);
    let steps = look(&scene, &wider).await.steps;
    let allows = |step: &&Step| matches!(&step.action, StepAction::AddRules { .. });
    let closes = |step: &&Step| matches!(&step.action, StepAction::Detach { interface, .. } if interface.as_str().ends_with("/b"));
    let (add, close) = (steps.iter().find(allows).unwrap(), steps.iter().find(closes).unwrap());
    assert!(close.settled_after.contains(&add.id), "{close:#?} waits for {add:#?}");
    converge(&mut scene, &wider, &watch).await;
    assert_eq!(passing(&scene, &["198.51.100.9 b udp 53"]), [false]);
}

#[tokio::test]
async fn a_crash_at_any_call_of_a_switch_is_mended_by_the_next_pass() {
    for attachment in [Attachment::Exclusive, Attachment::Additive] {
        let mut writes = 0;
        loop {
            let mut scene = scene().await;
            if attachment == Attachment::Additive {
                scene.attach_as(Attachment::Exclusive);
            }
            converge(&mut scene, POLICY, &Watch::default()).await;
            let free = ["a b tcp 5432", "203.0.113.9 c udp 53"];
            let watch = Watch::new(&scene, &free, &["a b tcp 9000"]);
            scene.attach_as(attachment);
            let from = scene.sim.front.world().now_ms();
            let has_died = crash(&mut scene, POLICY, writes).await;
            watch.check(&scene, from);
            converge(&mut scene, POLICY, &watch).await;
            assert_eq!(passing(&scene, &FOREIGN), [attachment == Attachment::Additive, false]);
            if !has_died {
                break;
            }
            writes += 1;
        }
        assert!(writes >= 2, "{writes} calls");
    }
}

#[tokio::test]
async fn what_stands_before_an_exclusive_scope_blocks_until_it_is_moved() {
    let mut scene = scene().await;
    converge(&mut scene, POLICY, &Watch::default()).await;
    scene.attach_as(Attachment::Exclusive);
    for (place, blocks) in
        [("300 in allow Tcp Internet * 22", true), ("300 in deny Tcp Internet * 22", false)]
    {
        scene.sim.rule("ssh", place);
        let desired = look(&scene, POLICY).await.desired;
        let found: Vec<String> =
            desired.findings.iter().filter(|f| f.is_blocking()).map(ToString::to_string).collect();
        assert_eq!(found.len(), usize::from(blocks), "{found:?}");
        assert!(
            found.iter().all(|text| text.contains("`ssh`") && text.contains("priority 300")),
            "{found:?}"
        );
    }
    // Behind a deny of others that takes all of it, nothing passes.
    scene.sim.seed("nsg/n/more", rule_body("310 in allow Tcp Internet * 22"));
    assert!(look(&scene, POLICY).await.desired.findings.iter().all(|finding| !finding.is_blocking()));
}

#[tokio::test]
async fn one_list_serves_scopes_of_both_kinds() {
    let scene = scene().await;
    let sim = scene.sim;
    for subnet in ["v/x 10.0.3.0/24", "w/u 10.1.1.0/24"] {
        let (subnet, block) = subnet.split_once(' ').unwrap();
        let group = json!({ "id": id("nsg/n") });
        let body = json!({ "properties": { "addressPrefix": block, "networkSecurityGroup": group } });
        sim.seed(&format!("vnet/{subnet}"), body);
    }
    for (name, subnet) in [("f", "v/x"), ("g", "w/u")] {
        sim.seed(&format!("nic/{name}"), interface(&format!("vnet/{subnet}"), &[]));
        label(&sim, name, json!({ "role": "db" }));
    }
    sim.front.world().advance_ms(600_000);
    let mut settings = AzureSettings::new("shop");
    settings.exclusive.insert(crate::scene::scope().id);
    let mut scene = Scene::over_with(sim, settings);
    for round in 0..2 {
        for (name, vnet, attachment) in
            [("azure", "v", Attachment::Exclusive), ("w", "w", Attachment::Additive)]
        {
            scene.scope.id = name.into();
            scene.scope.networks = vec![network(vnet)];
            scene.scope.attachment = attachment;
            converge(&mut scene, POLICY, &Watch::default()).await;
            let damaged = |group: &plan::GroupState| group.id.as_str().starts_with("damaged:");
            assert!(!scene.observe().await.groups.iter().any(damaged), "{name}");
        }
        assert_eq!(passing(&scene, &["203.0.113.9 f udp 53", "203.0.113.9 g udp 53"]), [false, true]);
        assert_eq!(passing(&scene, &["a b tcp 5432", "a f tcp 5432", "g f tcp 22"]), [true, true, false]);
        if round == 0 {
            scene.sim.front.world().calls.clear();
        }
    }
    assert_eq!(scene.sim.mutations(), [""; 0], "the second round finds nothing to do");
}
