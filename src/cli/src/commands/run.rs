//! `bulkhead run`: pass after pass until stopped.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::Ordering;

use provider::WallClock;
use reconcile::applying::CONCURRENT_MAX;
use reconcile::last_applied::LastApplied;
use reconcile::pass::{HeldBack, Pass, PassStatus};

use super::{stop_on_signals, tell};
use crate::session::{Failure, intent, open, scopes};
use crate::state::StateFolder;
use crate::{Exit, clouds};

pub(super) async fn run(config: &Path, allow: &[String], passes: Option<u64>) -> Result<Exit, Failure> {
    // Everything that is wrong with the files is said before the first pass.
    let (config, intent_now) = open(config, allow)?;
    let allowed = intent_now.guards.allow;
    let state = StateFolder::open(&config.state)
        .map_err(|error| Failure::new(error, "check `state` of the configuration"))?;
    let connections = clouds::connect(&config).await;
    let (readers, writers) = (connections.readers(), connections.writers());
    let scopes = scopes(&config);
    let clock = WallClock::default();
    let stop = stop_on_signals();
    let pass = Pass {
        reader: &readers,
        writer: Some(&writers),
        clock: &clock,
        scopes: &scopes,
        stop: stop.clone(),
        concurrent_max: CONCURRENT_MAX,
        quiet_since_ms: None,
        progress: &tell,
    };
    let mut number = 0;
    let fresh_intent =
        || match config.read_policy().map_err(Failure::from).and_then(|files| intent(&config, &files, allow))
        {
            Ok(intent) => Some(intent),
            Err(failure) => {
                // The last good policy is in the cloud already; a broken file changes nothing.
                failure.print();
                tracing::error!("the policy could not be read; this pass is skipped");
                None
            }
        };
    pass.run_loop(config.every, state.last_applied(), fresh_intent, |status| {
        number += 1;
        after(&state, &allowed, status);
        if passes.is_some_and(|limit| number >= limit) {
            stop.store(true, Ordering::Relaxed);
        }
    })
    .await;
    Ok(Exit::Done)
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
        Some(HeldBack::Nothing) => {}
        None => {
            if let Err(error) = state.audit(plan, allowed, &status.steps) {
                tracing::error!(%error, "the audit line could not be written");
            }
        }
    }
    if status.converged()
        && let Err(error) = state.store_last_applied(&LastApplied::of(&status.observed))
    {
        tracing::error!(%error, "what was applied could not be stored");
    }
}
