//! Calls that fail, at every call of a change; and a process that dies after every call.

use std::collections::{BTreeMap, BTreeSet};

use plan::StepAction;

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

/// The call took effect and nobody heard: the driver reads what became of it, or the next pass finds it. Nobody makes a
/// second one.
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

/// Plants a fault at calls of every kind, in a first pass and in a change.
async fn at_every_call(factory: &dyn Factory, fault: fn(usize) -> Fault, kind: ErrorKind) -> Outcome {
    for change in [false, true] {
        let clean = start(factory, change).await?;
        let Clean { calls, inventory, telling } = clean_run(&*clean, change).await?;
        // What is refused leaves nothing behind, whichever of its kind it is.
        let is_refused = !matches!(fault(1), Fault::LostAnswer(_));
        let firsts: Vec<_> = telling.iter().map(|(first, _)| (*first, *first)).collect();
        for nth in ordinals(if is_refused { &firsts } else { &telling }) {
            let world = start(factory, change).await?;
            let faulted = world.writes().len() + nth;
            world.fault(fault(nth))?;
            let done = Pass::new(&*world).run(edition(change)).await?;
            ensure(world.has_struck(), || format!("{:?} did not strike", fault(nth)))?;
            world.heal();
            let at = || format!("{:?} at call {nth} of {calls}", fault(nth));
            let wrote = world.writes().len() + nth - faulted;
            // Whoever found what he had made goes on, with the calls of a pass in which nothing fails.
            let is_found = matches!(fault(nth), Fault::LostAnswer(_)) && done.is_complete() && wrote == calls;
            if !is_found {
                fails_once(&*world, &done, faulted, kind).map_err(|what| format!("{}: {what}", at()))?;
            }
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

/// A pass in which nothing goes wrong.
struct Clean {
    /// How many calls it makes.
    calls: usize,
    /// How many objects there are after it.
    inventory: usize,
    /// The first and the last call of every kind, by ordinal: an action in a kind of step. What is between them differs
    /// in the objects only.
    telling: Vec<(usize, usize)>,
}

async fn clean_run(world: &dyn World, change: bool) -> Result<Clean, Problem> {
    let before = world.writes().len();
    let passes = converge(world, edition(change)).await?;
    ensure(passes.len() == 1, || "a pass in which nothing fails does not do everything".to_owned())?;
    let writes = world.writes().split_off(before);
    let mut kinds: BTreeMap<(String, String), (usize, usize)> = BTreeMap::new();
    for done in &passes {
        for (number, action) in writes.iter().enumerate() {
            let ordinal = number + 1;
            let began = done.first_write.iter().filter(|(_, first)| **first <= before + ordinal);
            let id = began.max_by_key(|(id, first)| (**first, **id)).map(|(id, _)| *id);
            let step = done.steps.iter().find(|(step, _)| Some(step.id) == id);
            let kind = step.map(|(step, _)| kind_of(&step.action)).unwrap_or_default();
            kinds.entry((kind, action.clone())).or_insert((ordinal, ordinal)).1 = ordinal;
        }
    }
    let telling = kinds.into_values().collect();
    is_as_wanted(world, edition(change)).await?;
    Ok(Clean { calls: writes.len(), inventory: world.inventory().len(), telling })
}

/// Each once, in order.
fn ordinals(telling: &[(usize, usize)]) -> BTreeSet<usize> {
    telling.iter().flat_map(|(first, last)| [*first, *last]).collect()
}

/// The variant of an action.
fn kind_of(action: &StepAction) -> String {
    let text = format!("{action:?}");
    text.split([' ', '{', '(']).next().unwrap_or_default().to_owned()
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

/// A process dies before the first and the last of its calls of each kind; one without memory finds its objects and goes on.
pub async fn a_crash_after_any_call_converges(factory: &dyn Factory) -> Outcome {
    for change in [false, true] {
        let clean = start(factory, change).await?;
        let Clean { calls, inventory, telling } = clean_run(&*clean, change).await?;
        // Before the call that would have come next, and before any.
        for nth in ordinals(&telling).into_iter().map(|ordinal| ordinal - 1) {
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
