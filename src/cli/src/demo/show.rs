//! What the demo shows of its estate and of an apply, as lines of text.

use std::collections::BTreeMap;
use std::time::Duration;

use plan::report::short_paths;
use plan::{Plan, StepAction};
use policy::{LabelKey, LabelSet, Snapshot};
use reconcile::applying::{Progress, StepStatus};

/// Rounds with more steps than this are counted, not listed.
const LISTED_MAX: usize = 12;

/// Something that happened during an apply.
pub enum Event {
    /// A step has an outcome.
    Step(StepStatus),
    /// What was made had to settle for so long.
    Wait(Duration),
}

impl Event {
    /// Keeps what is told, if it is an event.
    pub fn of(progress: Progress<'_>) -> Option<Self> {
        match progress {
            Progress::Writing(_) => None,
            Progress::Step(status) => Some(Self::Step(status.clone())),
            Progress::Settling(wait) => Some(Self::Wait(wait)),
        }
    }
}

/// The estate by labels: one line for each application and environment, with the interfaces of each role.
pub fn estate(snapshot: &Snapshot) -> Vec<String> {
    let mut places: BTreeMap<String, BTreeMap<String, u32>> = BTreeMap::new();
    for (_, workload, _) in snapshot.interfaces() {
        let mut place = workload.labels.clone();
        let role = place.remove("role").map_or("without a role".to_owned(), |role| role.to_string());
        *places.entry(columns(&place)).or_default().entry(role).or_default() += 1;
    }
    let roles = |roles: BTreeMap<String, u32>| {
        roles.iter().map(|(role, count)| format!("{count} {role}")).collect::<Vec<_>>().join(", ")
    };
    places.into_iter().map(|(place, counts)| format!("  {place}  {}", roles(counts))).collect()
}

/// What somebody changed, and what becomes of it. Two parts of one object may be said in the same words.
pub fn drift(plan: &Plan) -> Vec<String> {
    let line = |item: &plan::plan::DriftItem| {
        let word = if item.repaired { "repaired" } else { "reported" };
        short_paths(&format!("drift: {}: {} ({word})", item.object, item.difference))
    };
    let mut lines: Vec<String> = plan.drift.iter().map(line).collect();
    lines.dedup();
    lines
}

fn columns(labels: &LabelSet) -> String {
    let of =
        |key: &str| labels.get(&LabelKey::from(key)).map_or(String::new(), |value| format!("{key}={value}"));
    format!("{:<13}  {:<8}", of("app"), of("env"))
}

/// An apply in its order: what ran together, each step seen in a fresh read, and what was waited for.
pub fn rounds(plan: &Plan, events: &[Event]) -> Vec<String> {
    let mut lines = Vec::new();
    let mut round: Vec<&StepStatus> = Vec::new();
    for event in events {
        match event {
            Event::Step(status) => round.push(status),
            Event::Wait(wait) => {
                let what = if round.is_empty() { "what others may have written" } else { "that" };
                lines.extend(round_lines(plan, &std::mem::take(&mut round)));
                lines.push(format!("      … {:.1} s until {what} has settled", wait.as_secs_f64()));
            }
        }
    }
    lines.extend(round_lines(plan, &round));
    lines
}

fn round_lines(plan: &Plan, round: &[&StepStatus]) -> Vec<String> {
    let listed = |status: &&&StepStatus| round.len() <= LISTED_MAX || !status.outcome.is_done();
    let mut lines: Vec<String> = round
        .iter()
        .filter(listed)
        .map(|status| short_paths(&format!("{:>4} {:?} {}", status.id.0 + 1, status.outcome, status.title)))
        .collect();
    if round.len() > LISTED_MAX {
        let done = round.iter().filter(|status| status.outcome.is_done());
        let words: Vec<&str> =
            done.filter_map(|status| plan.step(status.id)).map(|step| words(&step.action)).collect();
        let runs = words.chunk_by(|a, b| a == b);
        let counts: Vec<String> =
            runs.filter_map(|run| Some(format!("{} × {}", run.len(), run.first()?))).collect();
        lines.push(format!("{:>4} steps done and seen in a fresh read: {}", words.len(), counts.join(", ")));
    }
    lines
}

fn words(action: &StepAction) -> &'static str {
    match action {
        StepAction::CreateGroup { .. } => "make a group",
        StepAction::Mark { .. } => "mark a group",
        StepAction::AddRules { .. } => "add rules to a group",
        StepAction::Attach { .. } => "attach an interface",
        StepAction::RemoveRules { .. } => "take rules out of a group",
        StepAction::Detach { .. } => "detach an interface",
        StepAction::DeleteGroup { .. } => "delete a group",
    }
}
