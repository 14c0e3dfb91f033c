//! What is not ours.

use super::super::estate::Policy;
use super::super::world::Factory;
use super::super::{Outcome, ensure};
use super::{converge, shop};

/// Through a first pass, changes of policy and labels and the way back nothing of somebody else changes.
pub async fn foreign_objects_stay_as_they_are(factory: &dyn Factory) -> Outcome {
    let world = shop(factory).await;
    let before = world.foreign();
    ensure(before.lines().count() > 1, || "the world shows no foreign objects".to_owned())?;
    for (policy, role) in
        [(Policy::First, "web"), (Policy::Replaced, "web"), (Policy::Cache, "cache"), (Policy::First, "web")]
    {
        world.relabel("web-1", "role", role);
        converge(&*world, policy).await?;
        let after = world.foreign();
        let missing = |text: &str, of: &str| {
            of.lines().find(|line| !text.contains(line)).unwrap_or("nothing").to_owned()
        };
        ensure(after == before, || {
            let (old, new) = (missing(&after, &before), missing(&before, &after));
            format!("with {policy:?} something foreign changed: before {old}, after {new}")
        })?;
    }
    Ok(())
}
