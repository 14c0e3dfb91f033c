//! Four ways to decide on a packet, on generated policies with estates, must give one answer:
//! the oracle (`policy::decide`), the compiled policy, the simulated cloud that the plan was carried out in, and
//! the proof over the filter graph. The proof is also held to the other side: of a spoiled rule it must find a
//! packet that the simulator really treats differently.
//!
//! `BULKHEAD_WORLDS` sets the number of worlds (2,000), `BULKHEAD_SEED` where seeds start; each world has
//! [`PACKETS`] packets. Seeds that failed once are kept in `regressions.txt` and replayed by every run.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod cloud;
mod corrupt;
mod coverage;
mod estate;
mod packets;
mod rules;

use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result, ensure};
use plan::{Desired, Observed, Scope, ScopeInput, plan_steps, prove};
use policy::{Compilation, Evaluator, Snapshot, compile, decide};
use provider::LowerInput;
use reconcile::inventory;

use crate::coverage::Coverage;

/// Packets through each world.
const PACKETS: u64 = 26;
/// One world of so many has a rule spoiled.
const SPOILED_EVERY: u64 = 20;
/// After so many failures the rest is not looked at.
const FAILURES_MAX: usize = 5;

/// A policy with an estate, compiled, and the plan carried out in a simulated cloud.
struct Case {
    snapshot: Snapshot,
    compiled: policy::CompiledPolicy,
    ends: Vec<Observed>,
    /// For each of `ends`, whether its scope enforces egress.
    egress: Vec<bool>,
    cloud: cloud::Cloud,
}

fn build(rng: &mut fastrand::Rng) -> Result<Case> {
    let policy = rules::policy(rng);
    let mut estate = estate::estate(rng, policy);
    let domain: Vec<(&Scope, &Observed)> = estate.domain.iter().map(|(s, o)| (s, o)).collect();
    let snapshot = inventory::snapshot(&estate.files, &estate::mapping(), &domain);
    estate::attach_foreign(rng, &mut estate, &snapshot);
    let domain: Vec<(&Scope, &Observed)> = estate.domain.iter().map(|(s, o)| (s, o)).collect();
    let Compilation { policy: compiled, .. } = compile(&snapshot);
    let desired: Vec<Desired> = (0..domain.len())
        .map(|scope| {
            provider_aws::lower::lower(&LowerInput {
                installation: "test",
                compiled: &compiled,
                snapshot: &snapshot,
                domain: &domain,
                scope,
            })
        })
        .collect();
    for finding in desired.iter().flat_map(|desired| &desired.findings) {
        ensure!(!finding.is_blocking(), "lowering blocks: {}", finding.message);
    }
    let inputs: Vec<ScopeInput<'_>> = domain
        .iter()
        .zip(&desired)
        .map(|((scope, observed), desired)| ScopeInput { scope, observed, desired })
        .collect();
    let steps = plan_steps(&inputs, &[]);
    ensure!(steps.blocks.is_empty(), "the plan is blocked: {:?}", steps.blocks);
    let ends = domain.iter().map(|(_, observed)| plan::after(observed, &steps.steps)).collect();
    let egress = domain.iter().map(|(scope, _)| scope.egress).collect();
    let mut cloud = cloud::Cloud::new(&domain);
    cloud.carry_out(&steps.steps).context("the simulated cloud refuses the plan")?;
    Ok(Case { snapshot, compiled, ends, egress, cloud })
}

fn prove_case(case: &Case) -> plan::plan::ProofSummary {
    let ends: Vec<&Observed> = case.ends.iter().collect();
    prove(&provider_aws::semantics::semantics(&ends), &case.compiled, &case.snapshot)
}

/// One world: every decision on every packet.
fn run(seed: u64, coverage: &mut Coverage) -> Result<()> {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut case = build(&mut rng)?;
    coverage.worlds += 1;
    let proof = prove_case(&case);
    ensure!(proof.equivalent, "the proof finds {:#?}", proof.witnesses);
    let evaluator = Evaluator::new(&case.compiled, &case.snapshot);
    let flows = packets::flows(&mut rng, &case.snapshot, PACKETS);
    for flow in &flows {
        let decision = decide(&case.snapshot, flow);
        let passes = decision.verdict != policy::Verdict::Blocked;
        coverage.note(&case.snapshot, flow, passes);
        let compiled = evaluator.decide(flow);
        ensure!(compiled == decision, "{flow:?}\noracle {decision:?}\ncompiled {compiled:?}");
        let cloud = case.cloud.passes(flow);
        ensure!(cloud == passes, "{flow:?}\noracle {decision:?}\nthe cloud passes it: {cloud}");
    }
    if seed.is_multiple_of(SPOILED_EVERY) {
        corrupt::check(&mut rng, &mut case, &flows, coverage)?;
    }
    Ok(())
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |text| text.parse().unwrap())
}

/// Runs seeds on every core; the failures, with their seeds.
fn run_all(seeds: &[u64]) -> (Coverage, Vec<String>) {
    let next = AtomicU64::new(0);
    let work = || {
        let (mut coverage, mut failures) = (Coverage::default(), Vec::new());
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
        let mut sum = (Coverage::default(), Vec::new());
        for worker in workers {
            let (coverage, failures) = worker.join().unwrap();
            sum.0.add(&coverage);
            sum.1.extend(failures);
        }
        sum
    })
}

fn regressions() -> Vec<u64> {
    let lines = include_str!("regressions.txt").lines().map(str::trim);
    let seeds = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    seeds.map(|line| line.split_whitespace().next().unwrap().parse().unwrap()).collect()
}

fn report(failures: &[String]) {
    assert!(
        failures.is_empty(),
        "{}\n\nadd these seeds to tests/tests/differential/regressions.txt once they are understood",
        failures.join("\n\n")
    );
}

#[test]
fn seeds_that_failed_once_pass() {
    let (_, failures) = run_all(&regressions());
    report(&failures);
}

#[test]
fn oracle_compiled_policy_proof_and_cloud_agree() {
    let first = setting("BULKHEAD_SEED", 1);
    let worlds = setting("BULKHEAD_WORLDS", 2_000);
    let seeds: Vec<u64> = (first..first + worlds).collect();
    let (coverage, failures) = run_all(&seeds);
    println!("{coverage}");
    report(&failures);
    coverage.check(worlds);
}
