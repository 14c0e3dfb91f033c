//! The cases. Each starts its own worlds and says what is wrong in one line.

mod calm;
mod drift;
mod faults;
mod foreign;
mod hitless;
mod packets;
mod quota;
mod reads;

pub(super) use calm::{
    a_step_that_is_true_already_makes_no_call, after_predicts_what_is_read,
    no_pass_makes_more_calls_than_estimated, the_second_pass_is_empty,
};
pub(super) use drift::{
    a_member_that_somebody_took_out_is_repaired, a_rule_that_somebody_added_is_repaired,
    a_rule_that_somebody_removed_is_repaired, an_object_that_somebody_deleted_is_repaired,
};
pub(super) use faults::{
    a_conflict_is_left_to_the_next_pass, a_crash_after_any_call_converges,
    a_failing_service_is_left_to_the_next_pass, a_lost_answer_leaves_no_duplicate,
    a_throttled_call_is_left_to_the_next_pass, every_call_is_told,
};
pub(super) use foreign::foreign_objects_stay_as_they_are;
pub(super) use hitless::{
    a_crash_in_a_change_is_hitless, a_rule_is_added_hitless, a_rule_is_removed_hitless,
    a_rule_is_replaced_hitless, a_workload_is_relabelled_hitless,
};
pub(super) use packets::{
    ipv6_packets_pass_as_the_policy_says, packets_pass_as_the_policy_says, semantics_say_what_packets_do,
};
pub(super) use quota::a_quota_at_the_peak_blocks_before_the_first_write;
pub(super) use reads::{every_page_is_read, half_a_read_is_an_error_and_nothing_is_written};

use plan::{GroupState, InterfaceState, Observed, Owner, StepAction};

use super::estate::Policy;
use super::pass::{Done, Pass};
use super::world::{Factory, Seed, World};
use super::{Outcome, Problem, ensure};

/// A change needs few passes: one, and one more for each fault. More is a loop.
const PASSES_MAX: usize = 6;

/// A new shop.
async fn shop(factory: &dyn Factory) -> Box<dyn World> {
    factory.start(&Seed::shop(true)).await
}

/// Passes until one does everything that it wants; what each did.
async fn converge(world: &dyn World, policy: Policy) -> Result<Vec<Done>, Problem> {
    let mut passes = Vec::new();
    for _ in 0..PASSES_MAX {
        let done = Pass::new(world).run(policy).await?;
        let is_complete = done.is_complete();
        passes.push(done);
        if is_complete {
            return Ok(passes);
        }
    }
    let last = passes.last().map(Done::why).unwrap_or_default();
    Err(Problem::Failed(format!("it does not converge in {PASSES_MAX} passes: {last}")))
}

/// A shop that is as its first policy wants it, and has settled.
async fn converged_shop(factory: &dyn Factory) -> Result<Box<dyn World>, Problem> {
    let world = shop(factory).await;
    converge(&*world, Policy::First).await?;
    world.settle();
    Ok(world)
}

async fn observe(world: &dyn World) -> Result<Observed, Problem> {
    Ok(world.reader().observe(&world.scope()).await?)
}

/// Whether nothing is left to do but marks.
async fn is_as_wanted(world: &dyn World, policy: Policy) -> Outcome {
    let (steps, done) = Pass::new(world).dry_run(policy).await?;
    let left = steps.iter().filter(|step| !matches!(step.action, StepAction::Mark { .. }));
    let left: Vec<&str> = left.map(|step| step.title.as_str()).collect();
    ensure(left.is_empty() && done.held.is_none(), || {
        format!("left to do: {left:?}, held back by {:?}", done.held)
    })
}

fn interface<'a>(observed: &'a Observed, name: &str) -> Result<&'a InterfaceState, Problem> {
    let found = observed.interfaces.iter().find(|interface| interface.name == name);
    found.ok_or_else(|| Problem::Failed(format!("workload {name} was not read")))
}

/// The groups of ours that a workload is in.
fn our_groups<'a>(observed: &'a Observed, interface: &InterfaceState) -> Vec<&'a GroupState> {
    let ours = observed.groups.iter().filter(|group| group.owner == Owner::Ours);
    ours.filter(|group| interface.groups.contains(&group.id)).collect()
}

/// The group of ours with the rules towards a workload.
fn carrier<'a>(observed: &'a Observed, name: &str) -> Result<(&'a InterfaceState, &'a GroupState), Problem> {
    let interface = interface(observed, name)?;
    let carrier = our_groups(observed, interface).into_iter().max_by_key(|group| group.ingress.len());
    let carrier = carrier.filter(|group| !group.ingress.is_empty());
    let carrier =
        carrier.ok_or_else(|| Problem::Failed(format!("{name} is in no group of ours with rules")))?;
    Ok((interface, carrier))
}
