//! Quotas: what does not fit, at the peak of a change and not only at its end, is refused before the first write.

use plan::{Observed, Owner};

use super::super::estate::Policy;
use super::super::pass::{Held, Pass};
use super::super::world::{Factory, Quota, World};
use super::super::{Outcome, Problem, ensure};
use super::{converged_shop, interface, observe};

/// For each quota: lowered to what is used, then a change that needs more. It is blocked with nothing written, or is
/// made in an order that fits and meets no refusal. At least one must be blocked.
pub async fn a_quota_at_the_peak_blocks_before_the_first_write(factory: &dyn Factory) -> Outcome {
    let (mut blocked, mut unsupported) = (0, Vec::new());
    for quota in Quota::ALL {
        let world = converged_shop(factory).await?;
        let used = used(&observe(&*world).await?, quota)?;
        let most = match world.quota(quota, used) {
            Ok(most) => most,
            Err(reason) => {
                unsupported.push(reason.0);
                continue;
            }
        };
        let policy = change(&*world, quota);
        let before = world.writes().len();
        let done = Pass::new(&*world).run(policy).await?;
        let wrote = world.writes().len() - before;
        match &done.held {
            Some(Held::Blocked(blocks)) => {
                ensure(wrote == 0, || format!("{quota:?}: blocked, and {wrote} calls were made"))?;
                let number = most.to_string();
                let is_told = |block: &plan::plan::Block| block.message.contains(&number);
                ensure(blocks.iter().any(is_told), || {
                    format!("{quota:?} of {most}: no block tells the number: {blocks:?}")
                })?;
                blocked += 1;
            }
            _ => ensure(done.is_complete(), || {
                format!("{quota:?} of {most}: not blocked, {wrote} calls, and then {}", done.why())
            })?,
        }
    }
    if unsupported.len() == Quota::ALL.len() {
        return Err(Problem::NotRun(unsupported.join("; ")));
    }
    ensure(blocked > 0, || "no quota was in the way of a change that needs more".to_owned())
}

fn used(observed: &Observed, quota: Quota) -> Result<u32, Problem> {
    let used = match quota {
        Quota::RulesPerGroup => {
            let lists = observed.groups.iter().flat_map(|group| [&group.ingress, &group.egress]);
            let cost = |pick: fn((u32, u32)) -> u32| {
                lists.clone().map(move |list| list.iter().map(|rule| pick(rule.cost())).sum::<u32>()).max()
            };
            cost(|pair| pair.0).max(cost(|pair| pair.1)).unwrap_or(0)
        }
        Quota::GroupsPerInterface => interface(observed, "web-2")?.groups.len() as u32,
        Quota::Groups => observed.groups.len() as u32,
        Quota::RulesPerList => {
            let lists = observed.path_filters.iter().filter(|list| list.owner == Owner::Ours);
            lists.map(|list| list.rules.len()).max().unwrap_or(0) as u32
        }
    };
    Ok(used)
}

/// A change that needs more than is used: of groups on an interface only while it is made.
fn change(world: &dyn World, quota: Quota) -> Policy {
    match quota {
        Quota::RulesPerGroup | Quota::RulesPerList => Policy::Added,
        Quota::GroupsPerInterface => {
            world.relabel("web-2", "role", "app");
            Policy::First
        }
        Quota::Groups => {
            world.relabel("web-2", "role", "cache");
            Policy::Cache
        }
    }
}
