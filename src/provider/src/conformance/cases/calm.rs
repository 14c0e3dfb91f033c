//! Passes in which nothing goes wrong.

use std::collections::BTreeMap;

use plan::{GroupId, Observed, Peer, RuleSpec, Step};

use super::super::estate::Policy;
use super::super::pass::Pass;
use super::super::world::{Factory, World};
use super::super::{Outcome, ensure};
use super::{converge, converged_shop, shop};

/// What was written is read back as what is wanted: a pass after a pass has nothing to do, marks included.
pub async fn the_second_pass_is_empty(factory: &dyn Factory) -> Outcome {
    let world = shop(factory).await;
    for policy in [Policy::First, Policy::Replaced, Policy::Cache] {
        if policy == Policy::Cache {
            world.relabel("web-2", "role", "cache");
        }
        converge(&*world, policy).await?;
        let writes = world.writes().len();
        let second = Pass::new(&*world).run(policy).await?;
        ensure(second.is_complete() && second.steps.is_empty(), || {
            let steps: Vec<&str> = second.steps.iter().map(|(step, _)| step.title.as_str()).collect();
            format!("after {policy:?} the second pass wants {steps:?}")
        })?;
        ensure(world.writes().len() == writes, || "an empty pass wrote".to_owned())?;
    }
    Ok(())
}

/// `apply` is idempotent: each step once more, with what is read now, makes no call.
pub async fn a_step_that_is_true_already_makes_no_call(factory: &dyn Factory) -> Outcome {
    let world = shop(factory).await;
    for policy in [Policy::First, Policy::Replaced, Policy::Cache] {
        if policy == Policy::Cache {
            world.relabel("web-3", "role", "cache");
        }
        let (steps, _) = Pass::new(&*world).dry_run(policy).await?;
        let done = Pass::new(&*world).run(policy).await?;
        ensure(done.is_complete(), || done.why())?;
        let (scope, reader, writer) = (world.scope(), world.reader(), world.writer());
        // What a later step undoes is not true any more: only the last word on each object counts.
        for step in steps.iter().filter(|step| !is_undone(step, &steps)) {
            let current = reader.observe(&scope).await?;
            let before = world.writes().len();
            let again = writer.apply(&scope, step, &[current], &done.ids).await;
            let applied = again.map_err(|failed| format!("{} once more: {}", step.title, failed.error))?;
            let heard = world.writes().split_off(before);
            ensure(applied.calls.is_empty() && heard.is_empty(), || {
                format!("{} was true already, and called {heard:?}", step.title)
            })?;
        }
    }
    Ok(())
}

fn is_undone(step: &Step, steps: &[Step]) -> bool {
    use plan::StepAction::{AddRules, Attach, CreateGroup, DeleteGroup, Mark, RemoveRules};
    let deleted = |id: &GroupId| {
        steps.iter().any(|later| matches!(&later.action, DeleteGroup { group, .. } if group == id))
    };
    match &step.action {
        CreateGroup { group, .. } | Mark { group } | AddRules { group, .. } | RemoveRules { group, .. } => {
            deleted(group)
        }
        Attach { add, .. } => add.iter().any(deleted),
        _ => false,
    }
}

/// `after` is what the proof looks at: it must be what is read when the steps are done.
pub async fn after_predicts_what_is_read(factory: &dyn Factory) -> Outcome {
    let world = shop(factory).await;
    for policy in [Policy::First, Policy::Replaced, Policy::Cache, Policy::First] {
        match policy {
            Policy::Cache => world.relabel("web-2", "role", "cache"),
            _ => world.relabel("web-2", "role", "web"),
        }
        let done = Pass::new(&*world).run(policy).await?;
        ensure(done.is_complete(), || done.why())?;
        let Some((before, after)) = &done.read else { continue };
        let steps: Vec<&Step> = done.steps.iter().map(|(step, _)| step).collect();
        let predicted = renamed(world.reader().after(before, &steps), &done.ids);
        let differ = difference(&predicted, after);
        ensure(differ.is_empty(), || {
            format!("{policy:?}: predicted and read differ: {}", differ.join("; "))
        })?;
    }
    Ok(())
}

/// A state with what planned groups became.
fn renamed(mut state: Observed, ids: &BTreeMap<GroupId, GroupId>) -> Observed {
    let real = |id: &mut GroupId| {
        if let Some(known) = ids.get(id) {
            id.clone_from(known);
        }
    };
    let real_peer = |rule: &mut RuleSpec| {
        if let Peer::Group(id) = &mut rule.peer {
            real(id);
        }
    };
    for group in &mut state.groups {
        real(&mut group.id);
        group.ingress.iter_mut().chain(&mut group.egress).for_each(real_peer);
        group.ingress.sort();
        group.egress.sort();
    }
    state.groups.sort_by(|a, b| a.id.cmp(&b.id));
    for interface in &mut state.interfaces {
        interface.groups.iter_mut().for_each(real);
        interface.groups.sort();
    }
    for rule in state.path_filters.iter_mut().flat_map(|list| &mut list.rules) {
        rule.targets.iter_mut().for_each(real);
        rule.targets.sort();
        rule.peers.iter_mut().for_each(|peer| {
            if let Peer::Group(id) = peer {
                real(id);
            }
        });
        rule.peers.sort();
    }
    state
}

/// Where two states differ, one line each.
fn difference(a: &Observed, b: &Observed) -> Vec<String> {
    let mut lines = Vec::new();
    let mut compare = |what: &str, a: Vec<String>, b: Vec<String>| {
        lines
            .extend(a.iter().filter(|text| !b.contains(text)).map(|text| format!("{what} predicted {text}")));
        lines.extend(b.iter().filter(|text| !a.contains(text)).map(|text| format!("{what} read {text}")));
    };
    fn texts<T: std::fmt::Debug>(items: &[T]) -> Vec<String> {
        items.iter().map(|item| format!("{item:?}")).collect()
    }
    compare("group", texts(&a.groups), texts(&b.groups));
    compare("interface", texts(&a.interfaces), texts(&b.interfaces));
    compare("path filter", texts(&a.path_filters), texts(&b.path_filters));
    lines
}

/// `estimate` is what a reviewer is told, and what the pace is planned with.
pub async fn no_pass_makes_more_calls_than_estimated(factory: &dyn Factory) -> Outcome {
    let world = converged_shop(factory).await?;
    for policy in [Policy::Added, Policy::Replaced, Policy::Cache] {
        world.relabel("web-2", "role", if policy == Policy::Cache { "cache" } else { "web" });
        calls_fit(&*world, policy).await?;
        world.settle();
    }
    calls_fit(&*factory.start(&super::Seed::shop(false)).await, Policy::First).await
}

async fn calls_fit(world: &dyn World, policy: Policy) -> Outcome {
    let before = world.writes().len();
    let done = Pass::new(world).run(policy).await?;
    ensure(done.is_complete() && !done.steps.is_empty(), || done.why())?;
    let observed =
        done.read.as_ref().map(|(before, _)| before).ok_or_else(|| "nothing was read".to_owned())?;
    // A pass sends one step at a time.
    let batches: Vec<Vec<&Step>> = done.steps.iter().map(|(step, _)| vec![step]).collect();
    let estimate = world.reader().estimate(&world.scope(), observed, &batches);
    let (most, made) = (estimate.calls.values().sum::<u32>() as usize, world.writes().len() - before);
    ensure(made <= most, || format!("{policy:?}: estimated {:?}, made {made} calls", estimate.calls))
}
