//! `bulkhead apply`: makes a plan true. A stored plan is applied only if it is still the plan.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use plan::guard::GuardSettings;
use plan::report::{self, Style};
use plan::{GroupId, Observed, Plan, Step};
use provider::WallClock;
use reconcile::applying::{Applier, CONCURRENT_MAX, Progress, StepOutcome, StepStatus, calls_made};
use reconcile::last_applied::LastApplied;
use reconcile::planning::{make_plan, observe};

use super::plan::unreadable;
use super::{
    open_state, record_failure, say_unfinished, status_of, stop_on_signals, wants_color, warn_of_unobserved,
};
use crate::display::Display;
use crate::session::{Failure, open};
use crate::state::{Noting, StateFolder};
use crate::{Exit, clouds, stored};

pub(super) async fn run(
    config: &Path,
    file: Option<PathBuf>,
    allow: &[String],
    allow_equivalent: bool,
) -> Result<Exit, Failure> {
    let (config, mut intent) = open(config, allow)?;
    let state = open_state(&config.state)?;
    let stored = file.map(|path| stored::read(&path)).transpose()?;
    if let Some(stored) = &stored {
        take_over(&stored.allow, &mut intent.guards);
    }
    let stored = stored.map(|stored| stored.plan);
    let unfinished = state.unfinished().map_err(record_failure)?;
    let display = Display::on_terminal();
    let connections = clouds::connect(&config, &display).await?;
    let (readers, writers) = (connections.readers(), connections.writers());
    let reading = observe(&readers, &connections.scopes()).await;
    if reading.observed.is_empty() {
        return Err(unreadable(&reading.unobserved));
    }
    warn_of_unobserved(&reading.unobserved);
    let known = state.last_applied();
    let plan = make_plan(&readers, &intent, &reading, known.as_ref()).plan;
    let known = known.unwrap_or_default();
    let unobserved = reading.unobserved.len();
    let observed: Vec<Observed> = reading.observed.into_iter().map(|(_, observed)| observed).collect();
    if let Some(stored) = &stored {
        still_true(stored, &plan, &observed, unfinished.as_deref(), allow_equivalent)?;
    } else if unfinished.is_some() {
        say_unfinished();
    }
    if !plan.blocks.is_empty() || plan.steps.is_empty() || !plan.scopes.iter().any(|scope| scope.enforce) {
        anstream::print!("{}", report::terminal(&plan, Style { color: wants_color() }));
        if plan.blocks.is_empty() && !plan.steps.is_empty() {
            anstream::eprintln!("no scope has `enforce: true`: nothing is written");
        }
        if plan.steps.is_empty() && plan.blocks.is_empty() {
            remember(&state, &known.after(&plan, &[], &observed))?;
            state.end().map_err(record_failure)?;
        }
        return Ok(status_of(&plan, unobserved));
    }
    let stop = stop_on_signals()?;
    let journal = stored.as_ref().map_or(plan.base.as_str(), |stored| stored.base.as_str());
    state.begin(journal, &plan, &intent.guards.allow).map_err(record_failure)?;
    // If we die half-way, nobody knows what we left in what the steps touch.
    remember(&state, &known.without(&plan.steps))?;
    let clock = WallClock::default();
    let applier = Applier {
        reader: &readers,
        writer: &Noting { writer: &writers, state: &state },
        clock: &clock,
        stop,
        concurrent_max: CONCURRENT_MAX,
        quiet_since_ms: None,
        progress: &|progress: Progress<'_>| display.tell(progress),
    };
    let (steps, last_read) = applier.apply(&plan, observed).await;
    state.audit(&plan, &intent.guards.allow, &steps).map_err(record_failure)?;
    remember(&state, &known.after(&plan, &steps, &last_read))?;
    let good = steps.iter().all(|step| step.outcome.is_done());
    // What a failed apply did is not a move of the world either: the same plan may be tried again.
    let noted = if good { state.end() } else { state.leave_unfinished(journal) };
    noted.map_err(record_failure)?;
    say_done(&steps);
    Ok(if good && unobserved == 0 { Exit::Done } else { Exit::Failed })
}

fn say_done(steps: &[StepStatus]) {
    let count = |wanted: fn(&StepOutcome) -> bool| steps.iter().filter(|step| wanted(&step.outcome)).count();
    let calls = calls_made(steps);
    anstream::println!("{} of {} steps done, {calls} calls", count(StepOutcome::is_done), steps.len());
    let untried = count(|outcome| *outcome == StepOutcome::Stopped);
    if untried > 0 {
        anstream::eprintln!("stopped; steps not tried: {untried}; the next apply takes them up");
    }
}

fn remember(state: &StateFolder, memory: &LastApplied) -> Result<(), Failure> {
    state
        .store_last_applied(memory)
        .map_err(|error| Failure::new(format!("cannot store what was applied: {error}"), ""))
}

/// Lets a stored plan override what whoever made it overrode.
fn take_over(allow: &BTreeSet<String>, guards: &mut GuardSettings) {
    if !allow.is_empty() {
        let names: Vec<&str> = allow.iter().map(String::as_str).collect();
        anstream::eprintln!("the plan overrides guards, as it was told to: {}", names.join(", "));
    }
    guards.allow.extend(allow.iter().cloned());
}

/// Refuses a stored plan if the world has moved. What its own interrupted apply did is not a move.
fn still_true(
    stored: &Plan,
    fresh: &Plan,
    observed: &[Observed],
    unfinished: Option<&str>,
    allow_equivalent: bool,
) -> Result<(), Failure> {
    if stored.base == fresh.base {
        return Ok(());
    }
    let names = names(observed);
    let left = effects(&fresh.steps, &names);
    let meant = effects(&stored.steps, &names);
    let own = unfinished == Some(stored.base.as_str());
    if (own || allow_equivalent) && left.is_subset(&meant) {
        anstream::eprintln!("{} of the plan's changes are left", left.len());
        return Ok(());
    }
    let what = if left.is_subset(&meant) {
        "what is left of it has the same effect or less"
    } else {
        "it would now do something else"
    };
    let hint = if left.is_subset(&meant) {
        "make a fresh plan, or apply with --allow-equivalent"
    } else {
        "make a fresh plan with `bulkhead plan -o FILE` and review it"
    };
    Err(Failure::new(
        format!("the world has moved since the plan was made: {what}; nothing was written"),
        hint,
    ))
}

/// Groups by `network/name`, so that a planned group and the one that it became are one.
fn names(observed: &[Observed]) -> BTreeMap<GroupId, String> {
    let groups = observed.iter().flat_map(|observed| &observed.groups);
    groups.map(|group| (group.id.clone(), format!("{}/{}", group.network, group.name))).collect()
}

/// What steps do, one text for each rule, membership or object.
fn effects(steps: &[Step], names: &BTreeMap<GroupId, String>) -> BTreeSet<String> {
    use plan::StepAction as A;
    let name = |id: &GroupId| {
        let planned = id.as_str().strip_prefix("new:").map(str::to_owned);
        planned.or_else(|| names.get(id).cloned()).unwrap_or_else(|| id.to_string())
    };
    let rule = |rule: &plan::RuleSpec| match &rule.peer {
        plan::Peer::Group(id) => format!("{} {}", name(id), rule.service),
        _ => rule.to_string(),
    };
    let of = |step: &Step| -> Vec<String> {
        match &step.action {
            A::CreateGroup { group, open_egress, .. } => {
                let egress = if *open_egress { " with all egress" } else { "" };
                vec![format!("create {}{egress}", name(group))]
            }
            A::Mark { group } => vec![format!("mark {}", name(group))],
            A::DeleteGroup { group, .. } => vec![format!("delete {}", name(group))],
            A::AddRules { group, direction, rules } => {
                rules.iter().map(|r| format!("+ {} {direction} {}", name(group), rule(r))).collect()
            }
            A::RemoveRules { group, direction, rules } => {
                rules.iter().map(|r| format!("- {} {direction} {}", name(group), rule(r))).collect()
            }
            A::Attach { interface, add } => {
                add.iter().map(|g| format!("+ {interface} {}", name(g))).collect()
            }
            A::Detach { interface, remove } => {
                remove.iter().map(|g| format!("- {interface} {}", name(g))).collect()
            }
        }
    };
    steps.iter().flat_map(of).collect()
}
