//! Whatever fails, and wherever: the next pass goes on from what is there, and comes to the same end.

use std::collections::BTreeMap;

use mock_cloud::Fault;
use mock_gcp::Settings;
use plan::{Direction, GroupId, Observed, Owner, Step, StepAction};
use provider::{CloudReader, CloudWriter, ErrorKind};
use provider_gcp::Identity;

use crate::driver::{Driver, add, attach, class, create, delete, detach, remove, rest, step};
use crate::harness::slow;
use crate::normal::{assert_same, normal, planned};

const IN: Direction = Direction::Ingress;
/// Whatever stands for classes.
const IDENTITIES: [Identity; 2] = [Identity::SecureTags, Identity::NetworkTags];

/// Every kind of step and every kind of call.
fn scenario() -> Vec<Step> {
    let actions = [
        create("web", false),
        create("db", true),
        add("db", IN, "web tcp/5432, 10.0.0.0/8 tcp/22"),
        attach("a", &[class("web")]),
        attach("b", &[class("db")]),
        detach("b", &[rest(IN)]),
        detach("a", &[rest(IN), rest(Direction::Egress)]),
        attach("a", &[rest(Direction::Egress)]),
        remove("db", IN, "10.0.0.0/8 tcp/22"),
        create("old", true),
        delete("old"),
    ];
    actions.into_iter().map(step).collect()
}

/// Passes over the scenario until it is done; a pass ends at the first failure, and the next knows nothing but how far
/// it came. Gives how often each kind of error was met.
async fn run(driver: &mut Driver, passes_max: usize) -> BTreeMap<ErrorKind, u32> {
    let (mut steps, mut next) = (scenario(), 0);
    let mut met = BTreeMap::new();
    for _ in 0..passes_max {
        match pass(driver, &mut steps, &mut next).await {
            Ok(()) => return met,
            Err(kind) => *met.entry(kind).or_default() += 1,
        }
        // The process ends here: what it knew is gone.
        driver.start_over();
        driver.sim.front.world().advance_ms(120_000);
    }
    panic!("not done after {passes_max} passes: {:?}, {met:?}", steps.get(next));
}

async fn pass(driver: &mut Driver, steps: &mut Vec<Step>, next: &mut usize) -> Result<(), ErrorKind> {
    let observe = |driver: &Driver| {
        let (reader, scope) = (driver.reader.clone(), driver.scope.clone());
        async move { reader.observe(&scope).await.map_err(|error| error.kind) }
    };
    let mut seen = observe(driver).await?;
    while let Some(step) = steps.get(*next).cloned() {
        take_over(driver, &step, &seen);
        if !driver.holds(&step, &seen) {
            apply(driver, &step, &seen).await?;
            seen = observe(driver).await?;
            if !driver.holds(&step, &seen) {
                return Err(ErrorKind::NotFound);
            }
        }
        *next += 1;
        if *next == steps.len() {
            // As a plan would: a key that half a step left goes.
            let orphans = seen.groups.iter().filter(|group| group.id.as_str().starts_with("tagKeys/"));
            let gone =
                |group: GroupId| crate::driver::step(StepAction::DeleteGroup { group, name: String::new() });
            steps.extend(orphans.map(|group| gone(group.id.clone())));
        }
    }
    Ok(())
}

/// As a plan would: what is there by the name of a class is it.
fn take_over(driver: &mut Driver, step: &Step, seen: &Observed) {
    let StepAction::CreateGroup { group, name, .. } = &step.action else { return };
    let held = seen.groups.iter().find(|held| held.owner == Owner::Ours && held.name == *name);
    if let Some(held) = held {
        driver.ids.insert(group.clone(), held.id.clone());
    }
}

async fn apply(driver: &mut Driver, step: &Step, seen: &Observed) -> Result<(), ErrorKind> {
    let current = [seen.clone()];
    match driver.writer.apply(&driver.scope, step, &current, &driver.ids).await {
        Ok(done) => {
            if let (Some(created), StepAction::CreateGroup { group, .. }) = (done.created, &step.action) {
                driver.ids.insert(group.clone(), created);
            }
            Ok(())
        }
        Err(failed) => {
            assert!(failed.error.retryable(), "{step:?}: {:?}", failed.error);
            Err(failed.error.kind)
        }
    }
}

async fn end(driver: &Driver) -> Observed {
    normal(driver.look().await, &planned(&driver.ids))
}

/// What comes of it when nothing fails, and the calls that change something.
async fn clean(settings: Settings, identity: Identity) -> (Observed, Vec<String>) {
    let mut driver = Driver::start_with(settings, identity).await;
    assert_eq!(run(&mut driver, 1).await, BTreeMap::new());
    let calls = driver.sim.mutations();
    (end(&driver).await, calls)
}

#[tokio::test]
async fn a_failure_at_any_call_is_made_good_by_the_next_pass() {
    for identity in IDENTITIES {
        let (expected, calls) = clean(slow(), identity).await;
        let mut seen: BTreeMap<&str, u64> = BTreeMap::new();
        let mut tried = 0;
        for action in &calls {
            let nth = seen.entry(action).or_default();
            *nth += 1;
            for fault in [Fault::ServerError, Fault::LostAnswer] {
                let mut driver = Driver::start_with(slow(), identity).await;
                driver.sim.front.world().faults.plant(action, *nth, fault);
                let met = run(&mut driver, 2).await;
                let what = format!("{identity:?}: {fault:?} at {action} {nth}");
                assert_same(&what, &expected, &end(&driver).await);
                if fault == Fault::LostAnswer {
                    assert_eq!(driver.sim.mutations().len(), calls.len(), "{what}: nothing twice");
                } else {
                    assert_eq!(met.values().sum::<u32>(), 1, "{what}: {met:?}");
                }
                driver.sim.assert_no_complaints();
                tried += 1;
            }
        }
        println!("{identity:?}: {} calls, {tried} failures", calls.len());
    }
}

#[tokio::test]
async fn an_operation_that_fails_at_its_end_is_made_good() {
    for identity in IDENTITIES {
        let (expected, calls) = clean(slow(), identity).await;
        let mut actions: Vec<&String> = calls.iter().collect();
        actions.sort();
        actions.dedup();
        for action in actions.into_iter().filter(|action| action.starts_with("compute.")) {
            let mut driver = Driver::start_with(slow(), identity).await;
            driver.sim.front.world().fail_operation(action, 1, "INTERNAL_ERROR", "It did not work.", 503);
            let met = run(&mut driver, 2).await;
            assert_eq!(met, BTreeMap::from([(ErrorKind::Transient, 1)]), "{identity:?} {action}");
            assert_same(action, &expected, &end(&driver).await);
        }
    }
}

#[tokio::test]
async fn random_failures_come_to_the_same_end() {
    for identity in IDENTITIES {
        let mut all: BTreeMap<ErrorKind, u32> = BTreeMap::new();
        for seed in 0..6 {
            let settings = Settings { seed, ..slow() };
            let (expected, _) = clean(settings.clone(), identity).await;
            let mut driver = Driver::start_with(settings, identity).await;
            {
                let mut world = driver.sim.front.world();
                world.faults.rates =
                    [(Fault::Throttle, 0.003), (Fault::ServerError, 0.003), (Fault::LostAnswer, 0.05)].into();
            }
            for (kind, count) in run(&mut driver, 60).await {
                *all.entry(kind).or_default() += count;
            }
            driver.sim.front.world().faults.rates.clear();
            assert_same(&format!("{identity:?} seed {seed}"), &expected, &end(&driver).await);
        }
        println!("{identity:?}: met {all:?}");
        assert!(all.values().sum::<u32>() > 3, "{identity:?}: {all:?}");
    }
}

#[tokio::test]
async fn a_policy_that_was_read_too_early_is_a_conflict_and_no_rule_is_lost() {
    let mut driver = Driver::start(slow()).await;
    driver.make(create("web", false)).await;
    let policy = provider_gcp::ids::policy("shop", &crate::driver::network("v"));
    let mut conflicts = 0;
    for priority in 1..=20 {
        let more = step(add("web", IN, &format!("10.{priority}.0.0/16 tcp/1")));
        let current = [driver.look().await];
        driver.sim.front.world().faults.stale_ms = 60_000;
        let theirs = serde_json::json!({ "priority": priority, "action": "goto_next", "direction": "INGRESS",
            "match": { "srcIpRanges": ["10.0.0.0/8"], "layer4Configs": [{ "ipProtocol": "tcp" }] } });
        driver.sim.perform("POST", &format!("{policy}/addRule"), theirs);
        let done = driver.writer.apply(&driver.scope, &more, &current, &driver.ids).await;
        driver.sim.front.world().faults.stale_ms = 0;
        if let Err(failed) = done {
            assert_eq!(
                (failed.error.kind, failed.error.code.as_str()),
                (ErrorKind::Conflict, "conditionNotMet")
            );
            assert_eq!(failed.calls.len(), 1);
            conflicts += 1;
        }
        driver.apply(&more).await.unwrap();
        driver.sim.front.world().advance_ms(120_000);
    }
    assert!(conflicts > 0);
    println!("{conflicts} conflicts of 20");
    let observed = driver.look().await;
    let web = observed.groups.iter().find(|group| group.id == driver.ids[&class("web")]).unwrap();
    let list = observed.path_filters.iter().find(|list| list.id == policy.as_str()).unwrap();
    let foreign = list.rules.iter().filter(|rule| rule.owner == Owner::Foreign).count();
    assert_eq!((web.ingress.len(), foreign), (20, 20 + 2), "theirs, and what is left to the next list");
}
