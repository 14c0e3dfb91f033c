//! Calls that fail, at every call of a change; and a process that dies after every call.

use super::super::estate::Policy;
use super::super::pass::{Done, Pass, StepOutcome};
use super::super::world::{Factory, Fault, World};
use super::super::{Outcome, Problem, ensure};
use super::{converge, converged_shop, is_as_wanted, shop};
use crate::ErrorKind;

/// Whoever finds that somebody changed the object looks again: in the next pass.
pub async fn a_conflict_is_left_to_the_next_pass(factory: &dyn Factory) -> Outcome {
    at_every_call(factory, Fault::Conflict, ErrorKind::Conflict).await
}

/// Throttling is planned for: what is refused is not sent again in the same pass.
pub async fn a_throttled_call_is_left_to_the_next_pass(factory: &dyn Factory) -> Outcome {
    at_every_call(factory, Fault::Throttle, ErrorKind::Throttled).await
}

/// A service that fails may or may not have done it: the next pass looks.
pub async fn a_failing_service_is_left_to_the_next_pass(factory: &dyn Factory) -> Outcome {
    at_every_call(factory, Fault::ServerError, ErrorKind::Transient).await
}

/// The call took effect and nobody heard: the next pass finds what it made, and makes no second one.
pub async fn a_lost_answer_leaves_no_duplicate(factory: &dyn Factory) -> Outcome {
    at_every_call(factory, Fault::LostAnswer, ErrorKind::Transient).await
}

/// The audit is as long as what the cloud heard: of calls that work, and of those that fail.
pub async fn every_call_is_told(factory: &dyn Factory) -> Outcome {
    for fault in [None, Some(Fault::ServerError(1)), Some(Fault::LostAnswer(1))] {
        let world = start(factory, true).await?;
        if let Some(fault) = fault {
            world.fault(fault)?;
        }
        let done = Pass::new(&*world).run(edition(true)).await?;
        ensure(done.lies.is_empty(), || format!("with {fault:?} the audit is wrong: {:?}", done.lies))?;
    }
    Ok(())
}

/// Plants a fault at every call of a first pass, and of a change.
async fn at_every_call(factory: &dyn Factory, fault: fn(usize) -> Fault, kind: ErrorKind) -> Outcome {
    for change in [false, true] {
        let clean = start(factory, change).await?;
        let (calls, inventory) = clean_run(&*clean, change).await?;
        for nth in 1..=calls {
            let world = start(factory, change).await?;
            let faulted = world.writes().len() + nth;
            world.fault(fault(nth))?;
            let done = Pass::new(&*world).run(edition(change)).await?;
            world.heal();
            let at = || format!("{:?} at call {nth} of {calls}", fault(nth));
            fails_once(&*world, &done, faulted, kind).map_err(|what| format!("{}: {what}", at()))?;
            ends_alike(&*world, change, inventory).await.map_err(|problem| within(&at(), problem))?;
        }
    }
    Ok(())
}

async fn start(factory: &dyn Factory, change: bool) -> Result<Box<dyn World>, Problem> {
    if !change {
        return Ok(shop(factory).await);
    }
    let world = converged_shop(factory).await?;
    world.relabel("web-2", "role", "cache");
    Ok(world)
}

fn edition(change: bool) -> Policy {
    if change { Policy::Cache } else { Policy::First }
}

/// How many calls a pass makes, and how many objects there are after it.
async fn clean_run(world: &dyn World, change: bool) -> Result<(usize, usize), Problem> {
    let before = world.writes().len();
    let passes = converge(world, edition(change)).await?;
    ensure(passes.len() == 1, || "a pass in which nothing fails does not do everything".to_owned())?;
    is_as_wanted(world, edition(change)).await?;
    Ok((world.writes().len() - before, world.inventory().len()))
}

/// The step whose call met the fault failed with the right kind, and made no call after it.
fn fails_once(world: &dyn World, done: &Done, faulted: usize, kind: ErrorKind) -> Result<(), String> {
    let began = done.first_write.iter().filter(|(_, first)| **first <= faulted);
    let Some((&id, _)) = began.max_by_key(|(id, first)| (**first, **id)) else {
        return Err("no step began before the fault".to_owned());
    };
    let later = done.first_write.iter().filter(|(other, _)| **other > id);
    let next = later.map(|(_, first)| *first).min().unwrap_or(world.writes().len() + 1);
    let found = done.steps.iter().find(|(step, _)| step.id == id);
    let Some((step, outcome)) = found else { return Err("a step without an outcome".to_owned()) };
    match outcome {
        StepOutcome::Failed(error) if error.kind != kind => {
            return Err(format!("{} failed as {:?} and not as {kind:?}: {error}", step.title, error.kind));
        }
        StepOutcome::Failed(_) => {}
        other => return Err(format!("{} met the fault and is {other:?}", step.title)),
    }
    if next != faulted + 1 {
        let more = next.saturating_sub(faulted + 1);
        return Err(format!("{}: {more} more calls after the one that failed", step.title));
    }
    Ok(())
}

/// The next passes do the rest, and nothing is left over.
async fn ends_alike(world: &dyn World, change: bool, inventory: usize) -> Outcome {
    converge(world, edition(change)).await?;
    is_as_wanted(world, edition(change)).await?;
    let left = world.inventory().len();
    ensure(left == inventory, || format!("{left} objects where an undisturbed pass leaves {inventory}"))
}

fn within(at: &str, problem: Problem) -> Problem {
    match problem {
        Problem::Failed(what) => Problem::Failed(format!("{at}: {what}")),
        not_run => not_run,
    }
}

/// A process dies after each of its calls; one without memory finds its objects and goes on.
pub async fn a_crash_after_any_call_converges(factory: &dyn Factory) -> Outcome {
    for change in [false, true] {
        let clean = start(factory, change).await?;
        let (calls, inventory) = clean_run(&*clean, change).await?;
        for nth in 0..calls {
            let world = start(factory, change).await?;
            world.fault(Fault::DeadAfter(nth))?;
            let done = Pass::new(&*world).run(edition(change)).await?;
            ensure(!done.is_complete(), || format!("dead after call {nth} of {calls}, and all was done"))?;
            world.heal();
            let at = format!("dead after call {nth} of {calls}");
            ends_alike(&*world, change, inventory).await.map_err(|problem| within(&at, problem))?;
        }
    }
    Ok(())
}
