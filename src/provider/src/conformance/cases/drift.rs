//! Somebody changes our objects by hand: each kind is found by what is read, and repaired.

use plan::{Owner, Peer, RuleService, RuleSpec};

use super::super::estate::Policy;
use super::super::pass::Pass;
use super::super::world::{Factory, Meddling, World};
use super::super::{Outcome, Problem, ensure};
use super::{carrier, converge, converged_shop, interface, is_as_wanted, observe};

/// A rule that nobody wants, in a group of ours.
pub async fn a_rule_that_somebody_added_is_repaired(factory: &dyn Factory) -> Outcome {
    let world = converged_shop(factory).await?;
    let observed = observe(&*world).await?;
    let service = RuleService::Ports { protocol: policy::service::protocol::TCP, first: 22, last: 22 };
    let spec = |block| RuleSpec { peer: Peer::Cidr(block), service };
    let rule = "198.51.100.0/24".parse().map(spec).map_err(|_| "a block of the suite is wrong".to_owned())?;
    let group = carrier(&observed, "db-1")?.1.id.clone();
    repaired(&*world, &[Meddling::AddRule { group, rule }]).await
}

/// Each rule towards a workload, one after the other.
pub async fn a_rule_that_somebody_removed_is_repaired(factory: &dyn Factory) -> Outcome {
    let world = converged_shop(factory).await?;
    let observed = observe(&*world).await?;
    let (_, group) = carrier(&observed, "db-1")?;
    let removals = group.ingress.iter();
    let removals = removals.map(|rule| Meddling::RemoveRule { group: group.id.clone(), rule: rule.clone() });
    repaired(&*world, &removals.collect::<Vec<_>>()).await
}

/// A workload out of each of our groups that it is in.
pub async fn a_member_that_somebody_took_out_is_repaired(factory: &dyn Factory) -> Outcome {
    let world = converged_shop(factory).await?;
    let observed = observe(&*world).await?;
    let member = interface(&observed, "web-1")?;
    let foreign = observed.groups.iter().filter(|group| group.owner != Owner::Ours);
    let foreign: Vec<_> = foreign.map(|group| &group.id).collect();
    // Memberships that are no group with rules (who is closed) are ours too.
    let groups = member.groups.iter().filter(|id| !foreign.contains(id));
    let all = groups.map(|id| Meddling::TakeOut { interface: member.id.clone(), group: id.clone() });
    repaired(&*world, &all.collect::<Vec<_>>()).await
}

/// The object behind a group, with its members and everything that names it.
pub async fn an_object_that_somebody_deleted_is_repaired(factory: &dyn Factory) -> Outcome {
    let world = converged_shop(factory).await?;
    let observed = observe(&*world).await?;
    let group = carrier(&observed, "db-1")?.1.id.clone();
    repaired(&*world, &[Meddling::Delete { group }]).await
}

/// Each meddling that this cloud knows is seen, repaired, and leaves everything as it was.
async fn repaired(world: &dyn World, all: &[Meddling]) -> Outcome {
    let (mut done, mut unsupported) = (0, String::new());
    for meddling in all {
        let inventory = world.inventory().len();
        if let Err(reason) = world.meddle(meddling) {
            unsupported = reason.0;
            continue;
        }
        done += 1;
        let (steps, _) = Pass::new(world).dry_run(Policy::First).await?;
        ensure(!steps.is_empty(), || format!("nobody saw {meddling:?}"))?;
        converge(world, Policy::First).await?;
        is_as_wanted(world, Policy::First).await?;
        // That the driver reads nothing amiss is its word; that it wrote is the world's.
        ensure(world.inventory().len() == inventory, || {
            format!("{meddling:?}: objects are missing or left over")
        })?;
    }
    if done == 0 { Err(Problem::NotRun(unsupported)) } else { Ok(()) }
}
