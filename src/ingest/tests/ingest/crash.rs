//! Whatever call fails or kills: each record once, and what stands beside the records too.

use std::collections::BTreeMap;
use std::sync::Arc;

use ingest::place::{Place, Settings};
use object_store::ObjectStore;
use object_store::memory::InMemory;
use object_store::path::Path;

use crate::faulty::{FAULTS, Fault, Plan};
use crate::world::{Hands, Totals, Written, finish, globbed, held, process, step};

/// Steps of a world.
const STEPS: usize = 5;

struct Run {
    world: Arc<dyn ObjectStore>,
    place: Place,
    /// The same store without faults, and the prefix in it.
    bare: Arc<dyn ObjectStore>,
    prefix: &'static str,
    plan: Plan,
    hands: Hands,
}

impl Run {
    fn in_memory() -> Self {
        let bare: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let place = Place::on(bare.clone(), Path::from("store"), "memory");
        Self { place, bare, prefix: "store", ..Self::empty() }
    }

    fn in_folder(folder: &std::path::Path) -> Self {
        let place = Place::create(folder.to_str().unwrap(), &Settings::default()).unwrap();
        let bare: Arc<dyn ObjectStore> =
            Arc::new(object_store::local::LocalFileSystem::new_with_prefix(folder).unwrap());
        Self { place, bare, prefix: "", ..Self::empty() }
    }

    fn empty() -> Self {
        let world: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let place = Place::on(world.clone(), Path::default(), "none");
        let (plan, hands) = (Plan::default(), Hands::new());
        Self { bare: world.clone(), world, place, prefix: "", plan, hands }
    }

    /// A process in which a call fails, then as many as are needed without faults; what a glob sees is never too much.
    async fn read_all(&self, at: Option<(u64, Fault)>, most: Totals) -> (u64, Option<String>) {
        self.plan.arm(at);
        let _ = process(&self.world, self.place.clone(), &self.plan, self.hands.now()).await;
        let made = (self.plan.calls(), self.plan.hit());
        let seen = globbed(&*self.bare, self.prefix).await;
        assert!(seen.0 <= most.0 && seen.1 <= most.1, "a glob sees {seen:?} of {most:?}");
        // The lock of a dead process expires.
        self.hands.pass(1000);
        self.plan.arm(None);
        let report = process(&self.world, self.place.clone(), &self.plan, self.hands.now()).await.unwrap();
        assert!(report.is_complete(), "{report:?}");
        made
    }

    async fn check(&self, written: &Written) {
        let (totals, records, cases) = held(&self.place).await;
        assert_eq!(totals, written.totals, "totals");
        assert_eq!(records, written.totals.0, "records that coverage tells of");
        assert_eq!(cases, written.cases, "cases in quarantine");
        assert_eq!(globbed(&*self.bare, self.prefix).await, written.totals, "what a glob sees");
    }
}

/// Runs a world; before each step `fault` chooses the call that fails. Gives how many calls each step made, and which failed.
async fn run(
    run: &Run,
    seed: u64,
    mut fault: impl FnMut(usize) -> Option<(u64, Fault)>,
) -> (Vec<u64>, Vec<String>) {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut written = Written::default();
    let (mut calls, mut hits) = (Vec::new(), Vec::new());
    for at in 0..STEPS {
        step(&*run.world, &mut random, &mut written).await;
        if at == STEPS - 1 {
            finish(&*run.world, &mut written).await;
        }
        let (made, hit) = run.read_all(fault(at), written.totals).await;
        calls.push(made);
        hits.extend(hit);
    }
    run.check(&written).await;
    (calls, hits)
}

#[tokio::test]
async fn an_undisturbed_run_holds_what_was_written() {
    let mut records = 0;
    for seed in 0..40 {
        let world = Run::in_memory();
        run(&world, seed, |_| None).await;
        records += held(&world.place).await.0.0;
    }
    println!("{records} records");
    assert!(records > 500);
}

/// Every call of a run fails once, in each of the four ways.
#[tokio::test]
async fn every_call_may_fail_or_kill() {
    let (mut runs, mut met) = (0, BTreeMap::<String, u64>::new());
    for seed in [1, 7] {
        let (calls, _) = run(&Run::in_memory(), seed, |_| None).await;
        for (step, calls) in calls.into_iter().enumerate() {
            for (call, fault) in (1..=calls).flat_map(|call| FAULTS.map(|fault| (call, fault))) {
                println!("seed {seed}, step {step}, call {call}, {fault:?}");
                let only = |at| (at == step).then_some((call, fault));
                let (_, hits) = run(&Run::in_memory(), seed, only).await;
                runs += 1;
                for hit in hits {
                    *met.entry(kind_of(&hit)).or_default() += 1;
                }
            }
        }
    }
    println!("{runs} runs with a fault at: {met:?}");
    for kind in
        ["put manifest.json", "put incoming", "copy flows", "delete incoming", "put lock.json", "get logs"]
    {
        assert!(met.contains_key(kind), "no fault at: {kind}");
    }
}

/// What was called, without names that are drawn.
fn kind_of(hit: &str) -> String {
    let (verb, path) = hit.split_once(' ').unwrap_or((hit, ""));
    let folder = path.trim_start_matches("store/").split('/').next().unwrap_or("");
    format!("{verb} {folder}")
}

/// Faults at random calls of many worlds, several in each.
#[tokio::test]
async fn random_calls_of_random_worlds_may_fail_or_kill() {
    let mut faults = 0;
    for seed in 100..300 {
        let mut random = fastrand::Rng::with_seed(seed);
        println!("seed {seed}");
        let choose = |_| Some((random.u64(1..60), *random.choice(&FAULTS).unwrap()));
        faults += run(&Run::in_memory(), seed, choose).await.1.len();
    }
    println!("{faults} faults");
    assert!(faults > 300);
}

#[tokio::test]
async fn a_folder_keeps_the_same_promises() {
    let mut faults = 0;
    for seed in 500..520 {
        let folder = tempfile::tempdir().unwrap();
        let mut random = fastrand::Rng::with_seed(seed);
        println!("seed {seed}");
        let choose = |_| Some((random.u64(1..60), *random.choice(&FAULTS).unwrap()));
        faults += run(&Run::in_folder(folder.path()), seed, choose).await.1.len();
    }
    println!("{faults} faults");
    assert!(faults > 30);
}
