//! Changes of rules: the calls that they take, and how long the published rates make them take.
//!
//! Time is virtual and jumps to whatever is waited for next, so that what is told is waiting: for the rates, and for
//! operations, which end at once and are looked at after a second.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use provider::Clock;
use provider_gcp::{GcpReader, GcpWriter};
use reconcile::applying::CONCURRENT_MAX;
use reconcile::pass::{HeldBack, Pass};
use tokio::time::Instant;

use crate::estate::{Estate, Extra, intent, settings};
use crate::replay::Replay;

/// Rules of a class that change.
const RULES: usize = 20;
/// Classes of a network.
const CLASSES: usize = 50;
/// Calls of Resource Manager, and of a group of Compute Engine, that a project may make in a minute (`providers.md` 1.3).
const RATES: (usize, usize) = (600, 1_500);
/// How long an operation is waited for.
const OPERATION_S: f64 = 1.0;

/// Prints what changes of all classes take. Most calls ask for the tags of each instance, before the change and when
/// it is looked at.
pub async fn print(classes: usize) {
    let estate = Estate::converged(classes).await;
    let old = Some(Extra { rules: RULES, first_port: 3000 });
    let new = Some(Extra { rules: RULES, first_port: 5000 });
    let networks = classes.div_ceil(CLASSES);
    // Rules for other ports do not wait for each other: what goes and what comes is one write of each policy.
    for (name, to) in [("added", old), ("replaced", new), ("removed", None)] {
        let (manager, compute, calls, time) = change(&estate, classes, to).await;
        let rules = classes * RULES;
        let least = networks;
        let minutes = |calls: usize, rate: usize| (calls.div_ceil(rate).max(1) - 1) as f64 * 60.0;
        let floor = minutes(manager, RATES.0).max(minutes(compute, RATES.1));
        let reads = manager + compute - calls;
        println!(
            "| {rules} rules {name} | {networks} | {calls} | {least} | {reads} | {floor:.1} s | {time:.1} s |"
        );
        assert_eq!(calls, least, "the fewest calls");
        assert!(time <= 1.05 * floor + OPERATION_S);
    }
}

/// The calls of Resource Manager, of Compute Engine, and those that write; and how many seconds they take.
async fn change(estate: &Estate, classes: usize, to: Option<Extra>) -> (usize, usize, usize, f64) {
    let clock =
        Jumping { replay: estate.replay.clone(), start: Instant::now(), from_ms: now_ms(&estate.replay) };
    let clock = Arc::new(clock);
    let api = estate.replay.api_on(clock.clone());
    let reader = GcpReader::new(api.clone(), settings());
    let writer = GcpWriter::new(api, settings());
    let pass = Pass {
        reader: &reader,
        writer: Some(&writer),
        clock: &*clock,
        scopes: std::slice::from_ref(&estate.scope),
        stop: Default::default(),
        concurrent_max: CONCURRENT_MAX,
        quiet_since_ms: Some(0),
        progress: &|_| {},
        remember: &|_| {},
    };
    estate.replay.front.world().calls.clear();
    let begin = clock.now_ms();
    let status = pass.run(&intent(classes, to), None).await;
    let undone = status.steps.iter().find(|step| !step.outcome.is_done());
    assert!(undone.is_none() && status.held_back.is_none(), "{undone:#?} {:#?}", status.planned.plan.blocks);
    let (manager, compute, calls) = {
        let world = estate.replay.front.world();
        let is_of_manager = |action: &str| action.starts_with("cloudresourcemanager");
        let manager = world.calls.all().iter().filter(|call| is_of_manager(&call.action)).count();
        let calls: usize = world.calls.mutations().values().sum();
        (manager, world.calls.all().len() - manager, calls)
    };
    let time = (clock.now_ms() - begin) as f64 / 1e3;
    let again = pass.run(&intent(classes, to), None).await;
    assert_eq!(again.held_back, Some(HeldBack::Nothing));
    (manager, compute, calls, time)
}

fn now_ms(replay: &Replay) -> u64 {
    replay.front.world().now_ms()
}

/// The runtime's time, which the simulation follows.
struct Jumping {
    replay: Replay,
    start: Instant,
    from_ms: u64,
}

#[async_trait]
impl Clock for Jumping {
    fn now_ms(&self) -> u64 {
        let now = self.from_ms + self.start.elapsed().as_millis() as u64;
        let mut world = self.replay.front.world();
        let behind = now.saturating_sub(world.now_ms());
        world.advance_ms(behind);
        now
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
        self.now_ms();
    }
}
