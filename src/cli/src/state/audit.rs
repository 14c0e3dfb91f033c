//! Audit lines: one apply, as one line of JSON.

use std::collections::{BTreeMap, BTreeSet};

use plan::{Direction, GroupId, Plan, RuleSpec, ScopeId, StepAction, StepId};
use reconcile::applying::{StepOutcome, StepStatus};
use serde::{Deserialize, Serialize};

use super::journal::{Note, SentStep};
use super::{now, who};

/// One apply.
#[derive(Serialize)]
pub(super) struct AuditLine {
    at: String,
    #[serde(flatten)]
    head: Head,
    /// Only of a process that could not write the line itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    died: Option<Died>,
    steps: Vec<AuditStep>,
}

/// Who applied what.
#[derive(Clone, Serialize, Deserialize, Default)]
pub(super) struct Head {
    who: String,
    installation: String,
    policy_digest: String,
    policy_commit: Option<String>,
    plan: String,
    /// Those of the command line and those of the configuration.
    overridden_guards: BTreeSet<String>,
}

/// What is known of a process that died.
#[derive(Serialize)]
struct Died {
    began: Option<String>,
    found_by: String,
    outcome: &'static str,
}

/// One step, with what it changed as texts: what it takes away and what it puts there.
#[derive(Serialize)]
struct AuditStep {
    id: StepId,
    title: String,
    #[serde(flatten)]
    outcome: Outcome,
    calls: Vec<(String, String)>,
    scope: Option<ScopeId>,
    #[serde(flatten)]
    changed: Changed,
}

/// What became of a step.
#[derive(Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
enum Outcome {
    /// It was sent, and the process died before it heard what became of it.
    Unanswered,
    /// What the applier says.
    #[serde(untagged)]
    Known(StepOutcome),
}

/// What a step changes.
#[derive(Serialize, Deserialize, Default)]
pub(super) struct Changed {
    /// The group or interface: the cloud's id, or `new:NETWORK/NAME` for a group that the step creates.
    object: String,
    before: Vec<String>,
    after: Vec<String>,
}

impl Head {
    pub fn new(plan: &Plan, base: &str, allowed: &BTreeSet<String>) -> Self {
        Self {
            who: who(),
            installation: plan.installation.clone(),
            policy_digest: plan.policy_digest.clone(),
            policy_commit: plan.policy_commit.clone(),
            plan: base.to_owned(),
            overridden_guards: allowed.clone(),
        }
    }
}

impl AuditLine {
    pub fn new(head: Head, plan: &Plan, steps: &[StepStatus]) -> Self {
        let steps = steps.iter().map(|status| AuditStep::new(plan, status)).collect();
        Self { at: now(), head, died: None, steps }
    }

    /// The line that a process that died did not write, from what it noted.
    pub fn of_the_dead(base: &str, notes: Vec<Note>) -> Self {
        let unknown = || "unknown".to_owned();
        let mut head = Head { who: unknown(), plan: base.to_owned(), ..Head::default() };
        let mut began = None;
        let mut steps: BTreeMap<StepId, AuditStep> = BTreeMap::new();
        for note in notes {
            match note {
                Note::Began { at, head: noted } => (began, head) = (Some(at), noted),
                Note::Sent(step) => drop(steps.insert(step.id, AuditStep::sent(step))),
                Note::Answered { id, calls, failed } => {
                    if let Some(step) = steps.get_mut(&id) {
                        step.outcome = Outcome::Known(outcome(&calls, failed));
                        step.calls = calls;
                    }
                }
            }
        }
        let outcome = "the process died, or could not write this line; steps are as far as it noted them";
        let died = Died { began, found_by: who(), outcome };
        Self { at: now(), head, died: Some(died), steps: steps.into_values().collect() }
    }
}

/// What became of a step that was answered; nobody looked whether its effect is visible.
fn outcome(calls: &[(String, String)], failed: Option<(String, String)>) -> StepOutcome {
    match failed {
        Some((error, hint)) => StepOutcome::Failed { error, hint },
        None if calls.is_empty() => StepOutcome::AlreadyTrue,
        None => StepOutcome::Unverified,
    }
}

impl AuditStep {
    fn new(plan: &Plan, status: &StepStatus) -> Self {
        let step = plan.step(status.id);
        Self {
            id: status.id,
            title: status.title.clone(),
            outcome: Outcome::Known(status.outcome.clone()),
            calls: status.calls.clone(),
            scope: step.map(|step| step.scope.clone()),
            changed: step.map(|step| Changed::by(&step.action)).unwrap_or_default(),
        }
    }

    fn sent(step: SentStep) -> Self {
        let SentStep { id, title, scope, changed } = step;
        Self { id, title, outcome: Outcome::Unanswered, calls: Vec::new(), scope: Some(scope), changed }
    }
}

impl Changed {
    /// The object of an action, with what of it is there before and after.
    pub fn by(action: &StepAction) -> Self {
        let rules = |direction: &Direction, rules: &[RuleSpec]| -> Vec<String> {
            rules.iter().map(|rule| format!("{direction} {rule}")).collect()
        };
        let texts = |groups: &[GroupId]| groups.iter().map(|group| format!("group {group}")).collect();
        let none = Vec::new;
        let changed =
            |object: &dyn ToString, before, after| Self { object: object.to_string(), before, after };
        match action {
            StepAction::CreateGroup { group, open_egress, .. } => {
                let egress = if *open_egress { "everything" } else { "nothing" };
                changed(group, none(), vec![format!("a group with ingress nothing, egress {egress}")])
            }
            StepAction::Mark { group } => {
                changed(group, vec!["other tags".to_owned()], vec!["our tags".to_owned()])
            }
            StepAction::AddRules { group, direction, rules: added } => {
                changed(group, none(), rules(direction, added))
            }
            StepAction::RemoveRules { group, direction, rules: removed } => {
                changed(group, rules(direction, removed), none())
            }
            StepAction::Attach { interface, add } => changed(interface, none(), texts(add)),
            StepAction::Detach { interface, remove } => changed(interface, texts(remove), none()),
            StepAction::DeleteGroup { group, name } => changed(group, vec![format!("group {name}")], none()),
        }
    }
}
