//! Four ways to decide on a packet, on generated policies with estates, must give one answer:
//! the oracle (`policy::decide`), the compiled policy, the simulated cloud that the plan was carried out in, and
//! the proof over the filter graph. The proof is also held to the other side: of a spoiled rule it must find a
//! packet that the simulator really treats differently.
//!
//! `BULKHEAD_WORLDS` sets the number of worlds (2,000), `BULKHEAD_SEED` where seeds start; each world has
//! [`PACKETS`] packets. Seeds that failed once are kept in `regressions.txt` and replayed by every run. What a run
//! looked at is printed, in CI too.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod cloud;
#[path = "../clouds/mod.rs"]
#[allow(dead_code, reason = "shared with the hitless test, which uses the rest of it")]
mod clouds;
mod corrupt;
mod coverage;
mod estate;
mod packets;
mod rules;
mod three;

use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result, ensure};
use plan::{Desired, Observed, ScopeInput, Step, plan_steps, prove};
use policy::{CompiledPolicy, EnforcementMode, Evaluator, Flow, Snapshot, Verdict, compile, decide};
use provider::LowerInput;
use reconcile::inventory;

use crate::coverage::Coverage;
use crate::estate::Estate;

/// Packets through each world.
const PACKETS: u64 = 26;
/// One world of so many has a rule spoiled.
const SPOILED_EVERY: u64 = 20;
/// One world of so many is changed after the first plan.
const CHANGED_EVERY: u64 = 4;
/// After so many failures the rest is not looked at.
const FAILURES_MAX: usize = 5;

/// A policy with an estate, compiled, and the plan carried out in a simulated cloud.
struct Case {
    estate: Estate,
    snapshot: Snapshot,
    compiled: CompiledPolicy,
    /// The end of the plan, scope by scope.
    ends: Vec<Observed>,
    cloud: cloud::Cloud,
}

/// What is there, with what people wrote.
fn snapshot_of(estate: &Estate) -> Snapshot {
    inventory::snapshot(&estate.files, &estate::mapping(), &estate.scopes())
}

/// The compiled policy, and the steps from what is there to what it asks for.
fn plan_of(estate: &Estate, snapshot: &Snapshot) -> Result<(CompiledPolicy, Vec<Step>)> {
    let domain = estate.scopes();
    let compiled = compile(snapshot).policy;
    let desired: Vec<Desired> = (0..domain.len())
        .map(|scope| {
            let installation = "test";
            let input = LowerInput { installation, compiled: &compiled, snapshot, domain: &domain, scope };
            provider_aws::lower::lower(&input)
        })
        .collect();
    for finding in desired.iter().flat_map(|desired| &desired.findings) {
        ensure!(!finding.is_blocking(), "lowering blocks: {}", finding.message);
    }
    let inputs = domain.iter().zip(&desired);
    let inputs: Vec<ScopeInput<'_>> =
        inputs.map(|((scope, observed), desired)| ScopeInput { scope, observed, desired }).collect();
    let steps = plan_steps(&inputs, &[]);
    ensure!(steps.blocks.is_empty(), "the plan is blocked: {:?}", steps.blocks);
    Ok((compiled, steps.steps))
}

impl Case {
    fn new(rng: &mut fastrand::Rng) -> Result<Self> {
        let policy = rules::policy(rng, &rules::SERVICES);
        let mut estate = estate::estate(rng, policy);
        let snapshot = snapshot_of(&estate);
        estate::attach_foreign(rng, &mut estate, &snapshot);
        let cloud = cloud::Cloud::new(&estate.scopes());
        let compiled = compile(&snapshot).policy;
        let mut case = Self { estate, snapshot, compiled, ends: Vec::new(), cloud };
        case.carry_out()?;
        Ok(case)
    }

    /// Plans from what is there and carries the plan out.
    fn carry_out(&mut self) -> Result<()> {
        let (compiled, steps) = plan_of(&self.estate, &self.snapshot)?;
        let states = self.estate.domain.iter().map(|(_, observed)| plan::after(observed, &steps));
        self.ends = states.collect();
        self.compiled = compiled;
        self.cloud.carry_out(&steps).context("the simulated cloud refuses the plan")
    }

    /// Other rules, and now and then other labels: a second plan from where the first one ended.
    fn change(&mut self, rng: &mut fastrand::Rng) -> Result<()> {
        for ((_, observed), end) in self.estate.domain.iter_mut().zip(&self.ends) {
            *observed = self.cloud.with_real_ids(end);
        }
        self.estate.files.policy.rulesets = rules::policy(rng, &rules::SERVICES).rulesets;
        let old = self.estate.clone();
        estate::retag(rng, &mut self.estate);
        let modes = |snapshot: &Snapshot| -> Vec<EnforcementMode> {
            snapshot.workloads.iter().map(|workload| workload.mode).collect()
        };
        let relabelled = snapshot_of(&self.estate);
        // An interface that is no longer enforced keeps our group where nothing else would remain on it: a case of
        // its own, in which the cloud does not mean what the policy says.
        if modes(&relabelled) != modes(&self.snapshot) {
            self.estate = old;
        }
        self.snapshot = snapshot_of(&self.estate);
        self.carry_out()
    }

    /// Every decision on every packet.
    fn compare(&self, flows: &[Flow], coverage: &mut Coverage) -> Result<()> {
        let proof = prove_case(self);
        ensure!(proof.equivalent, "the proof finds {:#?}", proof.witnesses);
        let evaluator = Evaluator::new(&self.compiled, &self.snapshot);
        for flow in flows {
            let decision = decide(&self.snapshot, flow);
            let passes = decision.verdict != Verdict::Blocked;
            coverage.note(&self.snapshot, flow, passes);
            let compiled = evaluator.decide(flow);
            ensure!(compiled == decision, "{flow:?}\noracle {decision:?}\ncompiled {compiled:?}");
            let cloud = self.cloud.passes(flow);
            ensure!(cloud == passes, "{flow:?}\noracle {decision:?}\nthe cloud passes it: {cloud}");
        }
        Ok(())
    }
}

fn prove_case(case: &Case) -> plan::plan::ProofSummary {
    let ends: Vec<&Observed> = case.ends.iter().collect();
    prove(&provider_aws::semantics::semantics(&ends), &case.compiled, &case.snapshot)
}

/// One world; one in [`CHANGED_EVERY`] is changed and looked at again, one in [`SPOILED_EVERY`] is spoiled.
fn run(seed: u64, coverage: &mut Coverage) -> Result<()> {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut case = Case::new(&mut rng)?;
    coverage.worlds += 1;
    let mut flows = packets::flows(&mut rng, &case.snapshot, PACKETS);
    case.compare(&flows, coverage)?;
    if seed % CHANGED_EVERY == 1 {
        case.change(&mut rng)?;
        coverage.changed += 1;
        flows = packets::flows(&mut rng, &case.snapshot, PACKETS);
        case.compare(&flows, coverage).context("after a change")?;
    }
    if seed.is_multiple_of(SPOILED_EVERY) {
        corrupt::check(&mut rng, &mut case, &flows, coverage)?;
    }
    Ok(())
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |text| text.parse().unwrap())
}

/// Runs seeds on every core; what they looked at, and the failures with their seeds.
fn run_all<C: Default + Send>(
    seeds: &[u64],
    run: impl Fn(u64, &mut C) -> Result<()> + Sync,
    add: impl Fn(&mut C, &C),
) -> (C, Vec<String>) {
    let next = AtomicU64::new(0);
    let work = || {
        let (mut coverage, mut failures) = (C::default(), Vec::new());
        while failures.len() < FAILURES_MAX {
            let place = next.fetch_add(1, Ordering::Relaxed) as usize;
            let Some(&seed) = seeds.get(place) else { break };
            if let Err(error) = run(seed, &mut coverage) {
                failures.push(format!("seed {seed}: {error:#}"));
            }
        }
        (coverage, failures)
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let mut sum = (C::default(), Vec::new());
        for worker in workers {
            let (coverage, failures) = worker.join().unwrap();
            add(&mut sum.0, &coverage);
            sum.1.extend(failures);
        }
        sum
    })
}

/// The seeds of a file of regressions.
fn regressions(file: &str) -> Vec<u64> {
    let lines = file.lines().map(str::trim);
    let seeds = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    seeds.map(|line| line.split_whitespace().next().unwrap().parse().unwrap()).collect()
}

/// Prints past the capture of the test harness: a run that passes must show what it has looked at.
fn show(text: &str) {
    std::io::stderr().write_all(text.as_bytes()).unwrap();
}

fn report(failures: &[String], file: &str) {
    assert!(
        failures.is_empty(),
        "{}\n\nadd these seeds to tests/tests/differential/{file} once they are understood",
        failures.join("\n\n")
    );
}

#[test]
fn seeds_that_failed_once_pass() {
    let seeds = regressions(include_str!("regressions.txt"));
    let (coverage, failures) = run_all(&seeds, run, Coverage::add);
    show(&format!("\ndifferential: {} of {} kept seeds replayed\n", coverage.worlds, seeds.len()));
    report(&failures, "regressions.txt");
    assert!(!seeds.is_empty() && coverage.worlds == seeds.len() as u64, "every kept seed was replayed");
}

#[test]
fn oracle_compiled_policy_proof_and_cloud_agree() {
    let first = setting("BULKHEAD_SEED", 1);
    let worlds = setting("BULKHEAD_WORLDS", 2_000);
    let seeds: Vec<u64> = (first..first + worlds).collect();
    let (coverage, failures) = run_all(&seeds, run, Coverage::add);
    show(&format!("\ndifferential: seeds {first} to {}\n{coverage}", first + worlds - 1));
    report(&failures, "regressions.txt");
    coverage.check(worlds, PACKETS);
}
