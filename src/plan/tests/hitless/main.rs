//! Plans against brute force (DESIGN 7.1): at every moment, at every end, both bounds hold.
//!
//! The checker (`cloud`, `brute`, `replay`) is written apart from the planner: it works on interfaces and concrete
//! packets, and knows nothing of cells, rounds or pairs.

#![allow(clippy::disallowed_methods, reason = "a test takes its size from the environment")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod brute;
mod cloud;
mod random;
mod replay;
mod scenarios;
mod special;
mod world;

use plan::order::plan_steps_grouped;
use plan::{Observed, Steps, Transients, plan_steps};

use brute::{Brute, EVERY_MOMENT_MAX};
use cloud::{Cloud, PACKETS, flows};
use world::{Case, Enforce};

/// Plans a change and checks everything that must hold of the plan.
fn check(before: &str, after: &str, enforce: Enforce) -> Steps {
    check_with(before, after, enforce, Transients::Keep)
}

/// The same under a setting for transients.
fn check_with(before: &str, after: &str, enforce: Enforce, transients: Transients) -> Steps {
    let mut case = Case::new(before, after, enforce);
    case.scopes.iter_mut().for_each(|scope| scope.transients = transients);
    let plan = plan_steps(&case.inputs(), &[]);
    let together = plan_steps_grouped(&case.inputs(), &[], 0);
    for (plan, apart) in [(&plan, true), (&together, false)] {
        if let Err(why) = examine(&case, plan, apart) {
            panic!("{enforce:?}\n  before: {before}\n  after:  {after}\n{}\n{why}", describe(plan));
        }
    }
    plan
}

/// `apart`: interfaces were ordered one by one, so every transient must be unavoidable.
fn examine(case: &Case, plan: &Steps, apart: bool) -> Result<(), String> {
    if let Some(block) = plan.blocks.first() {
        return Err(format!("blocked: {block:?}"));
    }
    runs_as_listed(case, plan)?;
    reaches_the_end(case, plan)?;
    if plan.steps.len() > EVERY_MOMENT_MAX {
        let mut rng = fastrand::Rng::with_seed(1);
        return (0..3).try_for_each(|_| replay::replay(case, plan, &mut rng));
    }
    let brute = Brute::new(case, &plan.steps);
    brute.check(plan)?;
    match brute.order_without_violation() {
        Some(order) if apart && !plan.transients.is_empty() => {
            Err(format!("the order {order:?} needs no transient"))
        }
        _ => Ok(()),
    }
}

/// The cloud takes the steps one after the other.
fn runs_as_listed(case: &Case, plan: &Steps) -> Result<(), String> {
    let mut cloud = Cloud::of(&case.observed);
    for (place, step) in plan.steps.iter().enumerate() {
        if step.id.0 as usize != place || step.after.iter().any(|id| *id >= step.id) {
            return Err(format!("step {place} waits for a later one"));
        }
        if !step.settled_after.iter().all(|id| step.after.contains(id)) {
            return Err(format!("step {place} has settled_after beyond after"));
        }
        if let Some(why) = cloud.refuses(step) {
            return Err(format!("the cloud refuses step {place}: {why}"));
        }
        cloud.see(&step.action);
    }
    Ok(())
}

/// The end of the plan allows what the second state allows; `after` agrees; a second plan is empty.
fn reaches_the_end(case: &Case, plan: &Steps) -> Result<(), String> {
    let mut end = Cloud::of(&case.observed);
    plan.steps.iter().for_each(|step| end.see(&step.action));
    let applied: Vec<Observed> = case.observed.iter().map(|o| plan::after(o, &plan.steps)).collect();
    let expected = Cloud::of(&case.expected);
    let said = Cloud::of(&applied);
    for (flow, packet) in flows().into_iter().flat_map(|flow| PACKETS.map(|packet| (flow, packet))) {
        for &unread in case.readings() {
            let [ends, should, says] = [&end, &expected, &said].map(|c| c.admits(flow, packet, unread));
            if ends != should || ends != says {
                let names = format!("{} → {} {packet:?}", flow.0, flow.1);
                return Err(format!("{names}: {ends} at the end, {should} expected, {says} by `after`"));
            }
        }
    }
    let again = Case { observed: applied, ..case.clone() };
    let rest = plan_steps(&again.inputs(), &[]);
    if rest.steps.is_empty() { Ok(()) } else { Err(format!("not at rest afterwards:\n{}", describe(&rest))) }
}

fn describe(plan: &Steps) -> String {
    let ids = |list: &[plan::StepId]| list.iter().map(|id| id.0.to_string()).collect::<Vec<_>>().join(",");
    let steps = plan.steps.iter().map(|step| {
        let (after, settled) = (ids(&step.after), ids(&step.settled_after));
        format!("  {} {:?} after [{after}] settled [{settled}]", step.id.0, step.action)
    });
    let named = plan.transients.iter().map(|named| format!("  {named:?}"));
    steps.chain(named).collect::<Vec<_>>().join("\n")
}
