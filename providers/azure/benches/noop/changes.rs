//! Changes of rules: the calls that they take, and how long the published rates make them take.
//!
//! Time is virtual and jumps to whatever is waited for next, so that what is told is waiting: for the rates, and for
//! operations, which end at once and are looked at after a second.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use provider::Clock;
use provider_azure::{AzureReader, AzureSettings, AzureWriter, Writer};
use reconcile::applying::CONCURRENT_MAX;
use reconcile::pass::{HeldBack, Pass};
use tokio::time::Instant;

use crate::estate::{Estate, Extra, intent};
use crate::replay::Replay;

/// Rules of a security group that change.
const RULES: usize = 20;
/// ARM's buckets for writes and reads of a principal in a subscription: how many at once, and how many a second after
/// that (`providers.md` 1.2).
const WRITES: (usize, f64) = (200, 10.0);
const READS: (usize, f64) = (250, 25.0);
/// How long an operation is waited for.
const OPERATION_S: f64 = 1.0;

/// Prints what changes of all security groups take.
pub async fn print(classes: usize) {
    let estate = Estate::converged(classes).await;
    let old = Some(Extra { rules: RULES, first_port: 3000 });
    let new = Some(Extra { rules: RULES, first_port: 5000 });
    // Rules for other ports do not wait for each other: what goes and what comes is one write of each group.
    for (name, to) in [("added", old), ("replaced", new), ("removed", None)] {
        let (reads, calls, time) = change(&estate, classes, to).await;
        let rules = classes * RULES;
        let least = classes;
        let at_rate =
            |calls: usize, (at_once, a_second): (usize, f64)| calls.saturating_sub(at_once) as f64 / a_second;
        let floor = at_rate(calls, WRITES).max(at_rate(reads, READS));
        println!(
            "| {rules} rules {name} | {classes} | {calls} | {least} | {reads} | {floor:.1} s | {time:.1} s |"
        );
        assert_eq!(calls, least, "the fewest calls");
        assert!(time <= 1.05 * floor + OPERATION_S);
    }
}

/// The calls that read and those that write, and how many seconds they take.
async fn change(estate: &Estate, classes: usize, to: Option<Extra>) -> (usize, usize, f64) {
    let clock =
        Jumping { replay: estate.replay.clone(), start: Instant::now(), from_ms: now_ms(&estate.replay) };
    let clock = Arc::new(clock);
    let arm = estate.replay.arm_on(clock.clone());
    let settings = AzureSettings::new("bench");
    let reader = AzureReader::new(arm.clone(), settings.clone());
    let writer = AzureWriter::new(Writer::new(arm), settings);
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
    let (reads, calls) = {
        let world = estate.replay.front.world();
        (world.calls.reads(), world.calls.writes().len())
    };
    let time = (clock.now_ms() - begin) as f64 / 1e3;
    let again = pass.run(&intent(classes, to), None).await;
    assert_eq!(again.held_back, Some(HeldBack::Nothing));
    (reads, calls, time)
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
