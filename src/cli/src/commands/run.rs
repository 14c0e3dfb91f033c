//! `bulkhead run`: pass after pass until stopped.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::sync::atomic::Ordering;

use plan::Plan;
use provider::WallClock;
use reconcile::applying::{CONCURRENT_MAX, Progress, StepOutcome};
use reconcile::last_applied::LastApplied;
use reconcile::pass::{HeldBack, Pass, PassStatus};

use super::{open_state, record_failure, say_unfinished, status_of, stop_on_signals};
use crate::display::Display;
use crate::session::{Failure, intent, open, read_policy};
use crate::state::{Noting, StateFolder};
use crate::{Exit, clouds};

pub(super) async fn run(config: &Path, allow: &[String], passes: Option<u64>) -> Result<Exit, Failure> {
    // Everything that is wrong with the files is said before the first pass.
    let (config, intent_now) = open(config, allow)?;
    let allowed = intent_now.guards.allow;
    let state = open_state(&config.state)?;
    match state.unfinished() {
        // Another process is in the middle of an apply: that is nobody's death.
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
        unfinished => unfinished.map_err(record_failure)?.iter().for_each(|_| say_unfinished()),
    }
    let display = Display::on_terminal();
    let connections = clouds::connect(&config, &display).await?;
    let (readers, writers) = (connections.readers(), connections.writers());
    let scopes = connections.scopes();
    let clock = WallClock::default();
    let stop = stop_on_signals()?;
    let writer = Noting { writer: &writers, state: &state };
    let pass = Pass {
        reader: &readers,
        writer: Some(&writer),
        clock: &clock,
        scopes: &scopes,
        stop: stop.clone(),
        concurrent_max: CONCURRENT_MAX,
        quiet_since_ms: None,
        progress: &|progress: Progress<'_>| {
            if let Progress::Writing(plan) = &progress {
                begin(&state, plan, &allowed);
            }
            display.tell(progress);
        },
        remember: &|memory: &LastApplied| {
            if let Err(error) = state.store_last_applied(memory) {
                tracing::error!(%error, "what was applied could not be stored");
            }
        },
    };
    let ended = Ended::default();
    let last_one = |status: Exit, untried: usize| {
        ended.pass(status, untried);
        if passes == Some(ended.passes.get()) && !stop.swap(true, Ordering::Relaxed) {
            ended.by_limit.set(true);
        }
    };
    let fresh_intent = || match read_policy(&config).and_then(|files| intent(&config, &files, allow)) {
        Ok(intent) => Some(intent),
        Err(failure) => {
            // The last good policy is in the cloud already; a broken file changes nothing.
            failure.print();
            tracing::error!("the policy could not be read; this pass is skipped");
            last_one(Exit::Failed, 0);
            None
        }
    };
    pass.run_loop(config.every, state.last_applied(), fresh_intent, |status| {
        after(&state, &allowed, status);
        let untried = status.steps.iter().filter(|step| step.outcome == StepOutcome::Stopped).count();
        last_one(status_of_pass(status), untried);
    })
    .await;
    Ok(ended.exit())
}

/// How the passes ended.
#[derive(Default)]
struct Ended {
    passes: Cell<u64>,
    /// The status of the last pass.
    last: Cell<Option<Exit>>,
    /// Steps of the last pass that a stop left untried.
    untried: Cell<usize>,
    /// Whether the last pass was the last that was asked for.
    by_limit: Cell<bool>,
}

impl Ended {
    fn pass(&self, status: Exit, untried: usize) {
        self.passes.set(self.passes.get() + 1);
        self.last.set(Some(status));
        self.untried.set(untried);
    }

    /// The status of the last pass if that was the limit. A stop that was asked for is no failure.
    fn exit(&self) -> Exit {
        if self.by_limit.get() {
            return self.last.get().unwrap_or(Exit::Done);
        }
        match (self.passes.get(), self.untried.get()) {
            (0, _) => anstream::eprintln!("stopped before the first pass"),
            (number, 0) => anstream::eprintln!("stopped after pass {number}; nothing was under way"),
            (number, untried) => anstream::eprintln!(
                "stopped in pass {number}; steps not tried: {untried}; the next pass takes them up"
            ),
        }
        Exit::Done
    }
}

fn status_of_pass(status: &PassStatus) -> Exit {
    match status_of(&status.planned.plan, status.unobserved.len()) {
        Exit::Done if !status.steps.iter().all(|step| step.outcome.is_done()) => Exit::Failed,
        status => status,
    }
}

fn after(state: &StateFolder, allowed: &BTreeSet<String>, status: &PassStatus) {
    let plan = &status.planned.plan;
    tracing::info!(
        steps = status.steps.len(),
        drift = plan.drift.len(),
        exposures = plan.proof.exposures.len(),
        unobserved = status.unobserved.len(),
        proven = plan.proof.equivalent,
        "pass done"
    );
    for (scope, error) in &status.unobserved {
        tracing::warn!(%scope, %error, "a scope could not be read");
    }
    for item in &plan.drift {
        tracing::warn!(scope = %item.scope, object = %item.object, difference = %item.difference, repaired = item.repaired, "drift");
    }
    match status.held_back {
        Some(HeldBack::Blocked) => {
            for block in &plan.blocks {
                tracing::error!(code = %block.code, subject = %block.subject, message = %block.message, "the plan is blocked");
            }
        }
        Some(HeldBack::ObservedOnly) => {
            tracing::info!(steps = plan.steps.len(), "no scope has `enforce: true`: nothing is written")
        }
        Some(HeldBack::Nothing) => {
            if let Err(error) = state.end() {
                tracing::warn!(%error, "the journal of an earlier apply stays");
            }
        }
        None => record(state, allowed, status),
    }
}

/// Notes that a pass begins to write. If that is not possible, the writer sends nothing.
fn begin(state: &StateFolder, plan: &Plan, allowed: &BTreeSet<String>) {
    if let Err(error) = state.begin(&plan.base, plan, allowed) {
        tracing::error!(%error, "the journal could not be begun; nothing is written in this pass");
    }
}

/// Writes the audit line of a pass; then its journal is not needed any more.
fn record(state: &StateFolder, allowed: &BTreeSet<String>, status: &PassStatus) {
    let plan = &status.planned.plan;
    if let Err(error) = state.audit(plan, allowed, &status.steps) {
        tracing::error!(%error, "the audit line could not be written; the journal keeps what was called");
        return state.abandon();
    }
    let all_done = status.steps.iter().all(|step| step.outcome.is_done());
    let noted = if all_done { state.end() } else { state.leave_unfinished(&plan.base) };
    if let Err(error) = noted {
        tracing::error!(%error, "the journal could not be closed");
    }
}
