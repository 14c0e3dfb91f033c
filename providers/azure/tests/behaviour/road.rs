//! The whole road on Azure: a label policy over the scene is planned, proven, applied, and holds; and what the graph says
//! of every packet between the interfaces is what the simulation's data plane does (tcp/443 is left out: a foreign rule lets it
//! pass to a service tag, which the graph takes for anybody).

mod exclusive;
mod own;
mod watch;

use mock_cloud::{End, Packet};
use plan::{Desired, Effect, FilterGraph, NodeIndex, Observed, Peers, ScopeInput, Stage, Step, StepAction};
use policy::compile::compile;
use policy::file::{PolicyFiles, SourceFile, load};
use policy::{CompiledPolicy, ServicePoint, Snapshot};
use provider::conformance::snapshot;
use provider::{CloudReader, LowerInput};
use serde_json::json;

use crate::harness::id;
use crate::scene::Scene;

const POLICY: &str = "
labels: { role: [web, app, db], env: [prod] }
ip_lists: { office: { addresses: [203.0.113.0/24] } }
rulesets:
  - name: shop
    rules:
      - { name: office, sources: [list:office], destinations: [role=web], services: [tcp/443] }
      - { name: web-db, sources: [role=web], destinations: [role=db], services: [tcp/5432] }
      - { name: app-db, sources: [role=app], destinations: [role=db], services: [tcp/5432] }
      - { name: gossip, sources: [role=db], destinations: [role=db], services: [udp/7000-7010] }
";
const ROLES: [(&str, &str); 6] =
    [("a", "web"), ("i", "web"), ("b", "db"), ("c", "db"), ("f", "app"), ("g", "db")];

fn files(text: &str) -> PolicyFiles {
    load(&[SourceFile { name: "policy.yaml".to_owned(), text: text.to_owned() }]).unwrap()
}

/// What one look at the scene leads to.
pub struct Look {
    pub observed: Observed,
    snapshot: Snapshot,
    compiled: CompiledPolicy,
    pub steps: Vec<Step>,
    pub desired: Desired,
}

pub async fn look(scene: &Scene, text: &str) -> Look {
    let observed = scene.observe().await;
    let snapshot = snapshot(&files(text), &scene.scope, &observed);
    let compiled = compile(&snapshot).policy;
    let domain = [(&scene.scope, &observed)];
    let input = LowerInput {
        installation: "shop",
        compiled: &compiled,
        snapshot: &snapshot,
        domain: &domain,
        scope: 0,
    };
    let desired = scene.reader.lower(&input);
    let inputs = [ScopeInput { scope: &scene.scope, observed: &observed, desired: &desired }];
    let planned = plan::plan_steps(&inputs, &[]);
    assert!(planned.blocks.is_empty(), "{:?}", planned.blocks);
    Look { steps: planned.steps, observed, snapshot, compiled, desired }
}

impl Look {
    pub fn assert_proven(&self, scene: &Scene) {
        let steps: Vec<&Step> = self.steps.iter().collect();
        let end = scene.reader.after(&self.observed, &steps);
        let proof = plan::prove(&scene.reader.semantics(&[&end]), &self.compiled, &self.snapshot);
        assert!(proof.equivalent, "{:#?}", proof.witnesses);
    }
}

/// Applies until nothing is left to do; the number of steps of each pass.
async fn converge(scene: &mut Scene, text: &str) -> Vec<usize> {
    let mut passes = Vec::new();
    loop {
        let look = look(scene, text).await;
        let blocking: Vec<_> = look.desired.findings.iter().filter(|finding| finding.is_blocking()).collect();
        assert!(blocking.is_empty(), "{blocking:?}");
        look.assert_proven(scene);
        passes.push(look.steps.len());
        if look.steps.is_empty() {
            return passes;
        }
        assert!(passes.len() < 3, "{:?}", look.steps.iter().map(|step| &step.title).collect::<Vec<_>>());
        for step in &look.steps {
            let done = scene.try_apply(&step.action).await;
            let done = done.unwrap_or_else(|failed| panic!("{}: {:?}", step.title, failed.error));
            if let (StepAction::CreateGroup { group, .. }, Some(created)) = (&step.action, done.created) {
                scene.ids.insert(group.clone(), created);
            }
        }
    }
}

async fn labelled() -> Scene {
    let scene = Scene::start().await;
    for (name, role) in ROLES {
        let short = format!("nic/{name}");
        let mut body = scene.sim.show(&short);
        body["tags"] = json!({ "role": role, "env": "prod" });
        scene.sim.front.world().perform("PUT", id(&short).key(), &body).unwrap();
    }
    scene
}

#[tokio::test]
async fn a_policy_is_planned_proven_applied_and_holds() {
    let mut scene = labelled().await;
    let foreign = scene.foreign();
    let passes = converge(&mut scene, POLICY).await;
    assert!(passes[0] > 10 && passes[1..] == [0], "one pass, then nothing: {passes:?}");
    scene.assert_foreign(&foreign);
    scene.sim.assert_no_complaints();
}

#[tokio::test]
async fn a_change_and_drift_are_brought_back_in_one_pass() {
    let mut scene = labelled().await;
    converge(&mut scene, POLICY).await;
    let wider = POLICY.replace("tcp/5432", "tcp/5432-5433").replace("203.0.113.0/24", "203.0.113.0/25");
    let passes = converge(&mut scene, &wider).await;
    assert!(passes.len() == 2 && passes[0] > 0, "{passes:?}");
    // Somebody takes an interface out of its groups: the simulation answers with it open again.
    let mut body = scene.sim.show("nic/b");
    body["properties"]["ipConfigurations"][0]["properties"]["applicationSecurityGroups"] = json!([]);
    scene.sim.front.world().perform("PUT", id("nic/b").key(), &body).unwrap();
    let passes = converge(&mut scene, &wider).await;
    assert!(passes.len() == 2 && passes[0] > 0, "{passes:?}");
}

#[tokio::test]
async fn the_graph_says_of_every_packet_what_the_data_plane_does() {
    let mut scene = labelled().await;
    converge(&mut scene, POLICY).await;
    scene.sim.front.world().advance_ms(600_000);
    let observed = scene.observe().await;
    let graph = scene.reader.semantics(&[&observed]);
    let (mut asked, mut passed) = (0, 0);
    for (from, source) in observed.interfaces.iter().enumerate() {
        for (to, destination) in observed.interfaces.iter().enumerate().filter(|(to, _)| *to != from) {
            for (protocol, port) in [(6, 8080), (6, 5432), (6, 22), (17, 7005), (17, 53)] {
                let service = ServicePoint::port(protocol, port);
                let own = (source.addresses[0], destination.addresses[0]);
                let ends = [(from, to, own.1, false), (to, from, own.0, true)];
                let says = ends.iter().all(|&(at, peer, address, ingress)| {
                    let node = &graph.nodes[at];
                    let stages = if ingress { &node.ingress } else { &node.egress };
                    stages.iter().all(|stage| passes(&graph, stage, (at, peer), address, service))
                });
                let end = |place: usize, address| {
                    End::Interface(observed.interfaces[place].id.as_str().to_owned(), address)
                };
                let (protocol, detail) = (service.protocol, service.detail);
                let packet =
                    Packet { source: end(from, own.0), destination: end(to, own.1), protocol, detail };
                let does = scene.sim.front.world().allows(&packet);
                assert_eq!(says, does, "{} → {} {service}", source.name, destination.name);
                (asked, passed) = (asked + 1, passed + usize::from(does));
            }
        }
    }
    println!("{passed} of {asked} packets pass");
    assert!(asked > 300 && passed * 10 > asked && passed * 10 < asked * 9, "{passed} of {asked}");
}

fn passes(
    graph: &FilterGraph,
    stage: &Stage,
    (at, peer): (usize, usize),
    address: std::net::IpAddr,
    service: ServicePoint,
) -> bool {
    let same_network = graph.nodes[at].network == graph.nodes[peer].network;
    stage.lists.iter().any(|&list| {
        let hit = graph.lists[list as usize].entries.iter().find(|entry| {
            entry.services.contains(service)
                && match &entry.peers {
                    Peers::Addresses(set) => set.contains(address),
                    Peers::Members(members) => same_network && members.contains(&NodeIndex(peer as u32)),
                }
        });
        hit.is_some_and(|entry| entry.effect == Effect::Permit)
    })
}
