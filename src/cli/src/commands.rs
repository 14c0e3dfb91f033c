//! The commands, one file each.

mod apply;
mod explain;
mod flows;
mod plan;
mod run;
mod simulate;
mod suggest;

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ::plan::plan::{Block, ProofSummary};
use ::plan::{Plan, ScopeId};
use clap::CommandFactory;
use provider::ProviderError;
use reconcile::applying::StopFlag;
use tokio::signal::unix::{SignalKind, signal};

use crate::Exit;
use crate::args::{Arguments, Command};
use crate::session::Failure;
use crate::state::StateFolder;

/// Runs one command.
///
/// # Errors
/// What keeps it from going on.
pub async fn run(arguments: Arguments) -> Result<Exit, Failure> {
    match arguments.command {
        Command::Demo => crate::demo::story::tell().await,
        Command::Plan { source, format, output, check, allow, replay } => {
            let asked = plan::Asked { format, output, check, allow, replay };
            plan::run(&source.config, asked).await
        }
        Command::Apply { source, file, allow, allow_equivalent } => {
            apply::run(&source.config, file, &allow, allow_equivalent).await
        }
        Command::Run { source, allow, passes } => run::run(&source.config, &allow, passes).await,
        Command::Explain { source, from, to, service } => {
            explain::run(&source.config, &from, &to, service).await
        }
        Command::Flows { command } => flows::run(command).await,
        Command::Suggest { source, window, words, keys, drop, widen, any, addresses, output } => {
            let bounds = suggest::Asked { keys, drop, widen, any, addresses, output };
            suggest::run(&source.config, window, &words, bounds).await
        }
        Command::Simulate { cloud, listen, seed, estate, unthrottled } => {
            let (cloud, throttle) = (cloud.into(), !unthrottled);
            simulate::run(simulate::Simulation { cloud, listen, seed, estate, throttle }).await
        }
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Arguments::command(), "bulkhead", &mut std::io::stdout());
            Ok(Exit::Done)
        }
    }
}

/// The status of a plan that is not applied; nothing is proven about what could not be read.
fn status_of(plan: &Plan, unobserved: usize) -> Exit {
    status(&plan.proof, &plan.blocks, unobserved)
}

fn status(proof: &ProofSummary, blocks: &[Block], unobserved: usize) -> Exit {
    if !proof.equivalent && blocks.iter().any(|block| block.code == "proof") {
        Exit::NotProven
    } else if !blocks.is_empty() {
        Exit::Blocked
    } else if unobserved > 0 {
        Exit::Failed
    } else {
        Exit::Done
    }
}

/// Says which scopes could not be read; without them there is only half an answer.
pub(crate) fn warn_of_unobserved(unobserved: &[(ScopeId, ProviderError)]) {
    for (scope, error) in unobserved {
        anstream::eprintln!("scope {scope} could not be read: {error}");
        if !error.hint.is_empty() {
            anstream::eprintln!("  hint: {}", error.hint);
        }
    }
}

/// The state folder, for whoever writes.
fn open_state(path: &Path) -> Result<StateFolder, Failure> {
    StateFolder::open(path).map_err(|error| {
        let message = format!("cannot use the state folder `{}`: {error}", path.display());
        Failure::new(message, "check `state` of the configuration")
    })
}

/// Why nothing may be written: what is called could not be kept on record.
fn record_failure(error: io::Error) -> Failure {
    if error.kind() == io::ErrorKind::WouldBlock {
        return Failure::new(
            error,
            "wait until it has ended; `bulkhead run` is in the way only while it writes",
        );
    }
    Failure::new(
        format!("cannot write the journal or the audit log: {error}"),
        "check `state` of the configuration",
    )
}

fn say_unfinished() {
    anstream::eprintln!("an earlier apply did not get to its end; what it did is taken into account");
}

/// Whether standard output is a terminal that wants colour.
pub fn wants_color() -> bool {
    anstream::AutoStream::choice(&std::io::stdout()) != anstream::ColorChoice::Never
}

/// Waits for an interrupt or a termination. Both are caught from this call on.
///
/// # Errors
/// If the system does not let them be caught.
fn stop_signal() -> std::io::Result<impl Future<Output = ()>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// A flag that interrupt and termination set: the calls in flight end, nothing new begins.
fn stop_on_signals() -> Result<StopFlag, Failure> {
    let signal =
        stop_signal().map_err(|error| Failure::new(format!("signals cannot be caught: {error}"), ""))?;
    let stop: StopFlag = Arc::new(AtomicBool::new(false));
    let flag = stop.clone();
    tokio::spawn(async move {
        signal.await;
        anstream::eprintln!("stopping after the calls in flight");
        flag.store(true, Ordering::Relaxed);
    });
    Ok(stop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_of_a_plan_is_its_status() {
        let block = |code: &str| Block {
            code: code.to_owned(),
            subject: String::new(),
            message: String::new(),
            hint: String::new(),
            can_override: false,
        };
        let check = |equivalent: bool, codes: &[&str], unobserved: usize, expected: Exit| {
            let proof = ProofSummary { equivalent, ..ProofSummary::default() };
            let blocks: Vec<Block> = codes.iter().map(|code| block(code)).collect();
            assert_eq!(status(&proof, &blocks, unobserved), expected, "{codes:?}");
        };
        check(true, &[], 0, Exit::Done);
        check(true, &[], 1, Exit::Failed);
        check(true, &["quota"], 1, Exit::Blocked);
        check(false, &["proof", "quota"], 1, Exit::NotProven);
        // With a scope unread or drift left alone the end state is not meant to be equal.
        check(false, &[], 1, Exit::Failed);
        check(false, &[], 0, Exit::Done);
    }
}
