//! What may run while the second network cannot be read: no break that depends on it, every make that does not.

use plan::{Plan, ScopeId, Step, StepKind};
use reconcile::applying::{StepOutcome, StepStatus};

use crate::journal::Passed;
use crate::shop::Shop;

/// Steps that ran against this, and makes that were kept from running.
pub fn faults(shop: &Shop) -> Vec<String> {
    let second = ScopeId::from(shop.second());
    shop.passes.iter().flat_map(|passed| of_pass(passed, &second)).collect()
}

/// The same of one pass and the scope that it could not read.
pub fn of_pass(passed: &Passed, dark: &ScopeId) -> Vec<String> {
    let broken = broken(passed, dark).into_iter().map(|step| format!("ran: {}", step.title));
    let held = held_makes(passed, dark).into_iter().map(|step| format!("was held: {}", step.title));
    broken.chain(held).collect()
}

/// Steps that waited for a network that could not be read.
pub fn held(shop: &Shop) -> usize {
    let dark = shop.passes.iter().filter(|passed| passed.is_dark());
    dark.map(held_in_pass).sum()
}

/// Steps of a pass that waited.
pub fn held_in_pass(passed: &Passed) -> usize {
    let is_held = |outcome: &StepOutcome| matches!(outcome, StepOutcome::Blocked { .. });
    let blocked = passed.statuses.iter().filter(|status| is_held(&status.outcome)).count();
    blocked + if passed.is_partial { passed.plan.withheld.len() } else { 0 }
}

/// Breaks that were sent although they depend on what could not be read. On a partial plan, that is all of them.
fn broken<'a>(passed: &'a Passed, second: &ScopeId) -> Vec<&'a Step> {
    let sent = passed.sent.iter().filter(|sent| sent.is_second_unread || passed.is_partial);
    let steps = sent.filter_map(|sent| passed.plan.step(sent.step));
    let breaks = steps.filter(|step| step.action.kind() == StepKind::Break);
    breaks.filter(|step| passed.is_partial || depends(&passed.plan, step, second, false)).collect()
}

/// Makes that were kept from running although nothing failed and nothing that they depend on is in the second network.
fn held_makes<'a>(passed: &'a Passed, second: &ScopeId) -> Vec<&'a Step> {
    let has_failed = |status: &StepStatus| matches!(status.outcome, StepOutcome::Failed { .. });
    if !passed.is_dark() || passed.statuses.iter().any(has_failed) {
        return Vec::new();
    }
    let blocked = |step: &&Step| {
        let status = passed.statuses.iter().find(|status| status.id == step.id);
        status.is_some_and(|status| matches!(status.outcome, StepOutcome::Blocked { .. }))
    };
    let makes = passed.plan.steps.iter().filter(|step| step.action.kind() == StepKind::Make).filter(blocked);
    makes.filter(|step| !depends(&passed.plan, step, second, true)).collect()
}

/// Whether a step is in a scope or waits for one that is; `through` others, if asked.
fn depends(plan: &Plan, step: &Step, scope: &ScopeId, through: bool) -> bool {
    step.scope == *scope
        || step
            .after
            .iter()
            .filter_map(|id| plan.step(*id))
            .any(|other| other.scope == *scope || through && depends(plan, other, scope, through))
}
