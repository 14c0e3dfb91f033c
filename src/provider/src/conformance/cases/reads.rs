//! Reads: all pages, or an error.

use std::collections::BTreeSet;

use plan::Observed;

use super::super::estate::Policy;
use super::super::pass::{Held, Pass};
use super::super::world::{Factory, Fault, Seed};
use super::super::{Outcome, ensure};
use super::observe;

/// Every list has more than two pages, and every thing on them is read.
pub async fn every_page_is_read(factory: &dyn Factory) -> Outcome {
    let world = factory.start(&Seed::crowd(factory.page_items())).await;
    let observed = observe(&*world).await?;
    let (there, read) = (world.inventory(), ids(&observed));
    let items = 2 * factory.page_items();
    ensure(there.len() > items, || "the crowd of the world fits on two pages".to_owned())?;
    let missing: Vec<&String> = there.difference(&read).take(3).collect();
    ensure(missing.is_empty(), || {
        format!("{} of {} were not read, such as {missing:?}", there.difference(&read).count(), there.len())
    })
}

fn ids(observed: &Observed) -> BTreeSet<String> {
    let networks = observed.networks.iter().map(|network| network.id.to_string());
    let interfaces = observed.interfaces.iter().map(|interface| interface.id.to_string());
    let groups = observed.groups.iter().map(|group| group.id.to_string());
    let lists = observed.path_filters.iter().map(|list| list.id.clone());
    let rules = observed
        .path_filters
        .iter()
        .flat_map(|list| list.rules.iter().map(move |rule| format!("{}/{}", list.id, rule.name)));
    networks.chain(interfaces).chain(groups).chain(lists).chain(rules).collect()
}

/// Whichever call of an observation fails: it is an error (or was read again, completely), and a pass writes nothing.
pub async fn half_a_read_is_an_error_and_nothing_is_written(factory: &dyn Factory) -> Outcome {
    let world = factory.start(&Seed::crowd(factory.page_items())).await;
    let before = world.reads();
    let whole = observe(&*world).await?;
    let calls = world.reads() - before;
    ensure(calls > 3, || format!("the world counted {calls} reading calls in an observation of many pages"))?;
    let mut errors = 0;
    for nth in 1..=calls {
        world.fault(Fault::ReadFails(nth))?;
        match world.reader().observe(&world.scope()).await {
            Ok(observed) => ensure(observed == whole, || {
                format!("reading call {nth} of {calls} failed, and what was read is not everything")
            })?,
            Err(error) => {
                ensure(error.retryable(), || format!("a read that failed is {:?}: {error}", error.kind))?;
                errors += 1;
            }
        }
        world.heal();
        world.fault(Fault::ReadFails(nth))?;
        let done = Pass::new(&*world).run(Policy::First).await?;
        world.heal();
        if matches!(done.held, Some(Held::Unread(_))) {
            ensure(world.writes().is_empty(), || format!("written after a read that failed at call {nth}"))?;
        } else {
            // It was read again: that pass may write. The next ones start over.
            return ensure(done.is_complete(), || done.why());
        }
    }
    ensure(errors > 0, || "no failing read was an error: the fault never struck".to_owned())
}
