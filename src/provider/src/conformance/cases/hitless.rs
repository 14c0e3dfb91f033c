//! Changes on the data plane: both bounds of DESIGN 7.1 at every moment at which some interface hears of something.

use super::super::estate::{Policy, snapshot};
use super::super::pass::{Done, Pass};
use super::super::probes::{Family, flows, watch};
use super::super::world::{Factory, Fault, World};
use super::super::{Outcome, Problem, ensure};
use super::{converge, converged_shop, observe};

/// One rule more.
pub async fn a_rule_is_added_hitless(factory: &dyn Factory) -> Outcome {
    hitless(factory, Policy::Added, None).await
}

/// One rule less.
pub async fn a_rule_is_removed_hitless(factory: &dyn Factory) -> Outcome {
    hitless(factory, Policy::Removed, None).await
}

/// A wider rule in the place of a rule: what both allow never stops.
pub async fn a_rule_is_replaced_hitless(factory: &dyn Factory) -> Outcome {
    hitless(factory, Policy::Replaced, None).await
}

/// A workload changes its role: what both roles may do never stops.
pub async fn a_workload_is_relabelled_hitless(factory: &dyn Factory) -> Outcome {
    hitless(factory, Policy::First, Some("app")).await
}

async fn hitless(factory: &dyn Factory, policy: Policy, role: Option<&str>) -> Outcome {
    let world = converged_shop(factory).await?;
    let from_ms = world.now_ms();
    if let Some(role) = role {
        world.relabel("web-2", "role", role);
    }
    let passes = converge(&*world, policy).await?;
    judge(&*world, from_ms, &passes, &[Family::V4, Family::V6]).await
}

async fn judge(world: &dyn World, from_ms: u64, passes: &[Done], families: &[Family]) -> Outcome {
    world.settle();
    let observed = observe(world).await?;
    let snapshot = snapshot(&Policy::First.files(world)?, &world.scope(), &observed);
    let packets: Vec<_> = families.iter().flat_map(|family| flows(&snapshot, *family)).collect();
    let transients: Vec<_> = passes.iter().flat_map(|done| done.transients.clone()).collect();
    let moved = watch(world, &observed, &packets, from_ms, &transients)?;
    ensure(moved > 0, || "the change moved no packet".to_owned())
}

/// The process dies after each call of a relabel together with a new rule, and a fresh one goes on at once.
pub async fn a_crash_in_a_change_is_hitless(factory: &dyn Factory) -> Outcome {
    for nth in 0.. {
        let world = converged_shop(factory).await?;
        let from_ms = world.now_ms();
        world.relabel("web-2", "role", "app");
        world.fault(Fault::DeadAfter(nth))?;
        let first = Pass::new(&*world).run(Policy::Replaced).await?;
        world.heal();
        let is_over = first.is_complete();
        let mut passes = vec![first];
        passes.extend(converge(&*world, Policy::Replaced).await?);
        // One family is enough here: the process dies between calls, and a call knows no family.
        judge(&*world, from_ms, &passes, &[Family::V4]).await.map_err(|problem| match problem {
            Problem::Failed(what) => Problem::Failed(format!("dead after call {nth}: {what}")),
            not_run => not_run,
        })?;
        if is_over {
            break;
        }
    }
    Ok(())
}
