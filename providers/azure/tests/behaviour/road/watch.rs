//! The whole road with the data plane looked at whenever an interface hears of something.

use std::collections::BTreeSet;
use std::net::IpAddr;

use mock_cloud::{End, Packet};
use plan::{StepAction, StepKind};
use provider::{CloudReader, CloudWriter};

use super::look;
use crate::harness::id;
use crate::scene::{Scene, step};

/// Longer than any change takes to reach an interface.
const SETTLE_MS: u64 = 600_000;

/// Packets that pass at every moment, and such as never do.
#[derive(Default)]
pub struct Watch {
    pub always: Vec<Packet>,
    pub never: Vec<Packet>,
}

/// `FROM TO PROTOCOL PORT`: an end is the short name of an interface, or an address outside.
pub fn packet(scene: &Scene, words: &str) -> Packet {
    let words: Vec<&str> = words.split(' ').collect();
    let [from, to, protocol, port] = words.as_slice() else { panic!("{words:?}") };
    let end = |text: &str| match text.parse::<IpAddr>() {
        Ok(address) => End::External(address),
        Err(_) => {
            let short = format!("nic/{text}");
            let shown = scene.sim.show(&short);
            let address = &shown["properties"]["ipConfigurations"][0]["properties"]["privateIPAddress"];
            End::Interface(id(&short).key().to_owned(), address.as_str().unwrap().parse().unwrap())
        }
    };
    let protocol = if *protocol == "tcp" { 6 } else { 17 };
    Packet { source: end(from), destination: end(to), protocol, detail: port.parse().unwrap() }
}

/// What passes now of some packets.
pub fn passing(scene: &Scene, packets: &[&str]) -> Vec<bool> {
    let packets: Vec<Packet> = packets.iter().map(|words| packet(scene, words)).collect();
    packets.iter().map(|packet| scene.sim.front.world().allows(packet)).collect()
}

impl Watch {
    pub fn new(scene: &Scene, always: &[&str], never: &[&str]) -> Self {
        let packets = |words: &[&str]| words.iter().map(|words| packet(scene, words)).collect();
        Self { always: packets(always), never: packets(never) }
    }

    /// Looks at every moment from a time on; how many they were.
    pub fn check(&self, scene: &Scene, from_ms: u64) -> usize {
        let world = scene.sim.front.world();
        let mut looks = 0;
        let watched = [(&self.always, true), (&self.never, false)];
        for (packet, expected) in watched.into_iter().flat_map(|(all, e)| all.iter().map(move |p| (p, e))) {
            let ends = [&packet.source, &packet.destination];
            let interfaces = ends.into_iter().filter_map(|end| match end {
                End::Interface(id, _) => Some(id),
                End::External(_) => None,
            });
            let mut moments: BTreeSet<u64> = interfaces.flat_map(|id| world.moments(id, from_ms)).collect();
            moments.extend([from_ms, world.now_ms()]);
            moments.retain(|moment| *moment <= world.now_ms());
            for moment in moments {
                assert_eq!(world.allows_at(packet, moment), expected, "{packet:?} at {moment}");
                looks += 1;
            }
        }
        looks
    }
}

/// Applies until nothing is left to do, waiting before each break as a pass does; the titles of the steps of each pass.
pub async fn converge(scene: &mut Scene, text: &str, watch: &Watch) -> Vec<Vec<String>> {
    let from = scene.sim.front.world().now_ms();
    let mut passes = Vec::new();
    loop {
        let look = look(scene, text).await;
        let blocking: Vec<_> = look.desired.findings.iter().filter(|finding| finding.is_blocking()).collect();
        assert!(blocking.is_empty(), "{blocking:?}");
        look.assert_proven(scene);
        passes.push(look.steps.iter().map(|step| step.title.clone()).collect::<Vec<_>>());
        if look.steps.is_empty() {
            break;
        }
        assert!(passes.len() < 4, "{passes:#?}");
        for step in &look.steps {
            if step.action.kind() == StepKind::Break {
                scene.sim.front.world().advance_ms(SETTLE_MS);
            }
            let done = scene.try_apply(&step.action).await;
            let done = done.unwrap_or_else(|failed| panic!("{}: {:?}", step.title, failed.error));
            if let (StepAction::CreateGroup { group, .. }, Some(created)) = (&step.action, done.created) {
                scene.ids.insert(group.clone(), created);
            }
        }
    }
    scene.sim.front.world().advance_ms(SETTLE_MS);
    assert!(watch.check(scene, from) > 0 || watch.always.is_empty() && watch.never.is_empty());
    passes
}

/// One pass that dies after so many writes; whether it did.
pub async fn crash(scene: &mut Scene, text: &str, writes: u64) -> bool {
    let look = look(scene, text).await;
    scene.sim.front.world().faults.die_after(writes);
    let mut has_died = false;
    for action in look.steps.iter().map(|step| &step.action) {
        if action.kind() == StepKind::Break {
            scene.sim.front.world().advance_ms(SETTLE_MS);
        }
        let Ok(observed) = scene.reader.observe(&scene.scope).await else {
            has_died = true;
            break;
        };
        match scene.writer.apply(&scene.scope, &step(action), &[observed], &scene.ids).await {
            Ok(done) => {
                if let (StepAction::CreateGroup { group, .. }, Some(created)) = (action, done.created) {
                    scene.ids.insert(group.clone(), created);
                }
            }
            Err(_) => {
                has_died = true;
                break;
            }
        }
    }
    scene.sim.front.world().faults.heal();
    scene.sim.front.world().advance_ms(SETTLE_MS);
    has_died
}
