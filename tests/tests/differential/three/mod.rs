//! The same over three clouds at once: a generated policy over a generated estate in AWS, Azure and Google Cloud is
//! planned and applied by the real drivers on the simulators until a pass finds nothing to do. Then, of every packet,
//! the oracle, the compiled policy, the filter graph of a fresh read and the data planes of both ends must say the same;
//! and so does the proof, of the planned end and of what was read.
//!
//! `BULKHEAD_CLOUD_WORLDS` sets the number of worlds, `BULKHEAD_SEED` where seeds start.

mod coverage;
mod estate;
mod graph;
mod spoil;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::{Context, Result, bail, ensure};
use fastrand::Rng;
use plan::guard::GuardSettings;
use policy::compiled::essential_services;
use policy::{End, Evaluator, Flow, Snapshot, Verdict, decide};
use provider::Clock;
use reconcile::pass::{HeldBack, Pass, PassStatus};
use reconcile::planning::Intent;

use crate::clouds::{Behaviour, Clouds, Drivers, packet};
use crate::{packets, regressions, report, run_all, setting, show};
use coverage::Seen;
use estate::Estate;

const INSTALLATION: &str = "diff";
/// Worlds of a run, and packets through each.
const WORLDS: u64 = 200;
const PACKETS: u64 = 250;
/// One world of so many is changed and applied again.
const CHANGED_EVERY: u64 = 4;
/// One world of so many has a rule of ours spoiled through the back door.
const SPOILED_EVERY: u64 = 5;
/// Passes until nothing is left to do, at most.
const PASSES_MAX: usize = 3;
/// Every change has reached every interface.
const SETTLED_MS: u64 = 600_000;

/// An estate in the clouds.
struct World {
    clouds: Clouds,
    drivers: Drivers,
    estate: Estate,
}

impl World {
    async fn new(seed: u64, rng: &mut Rng) -> Self {
        let behaviour = Behaviour { seed, delay_ms: (20, 1_500), operation_ms: 400 };
        let clouds = Clouds::start(behaviour).await;
        let estate = Estate::new(rng, &clouds);
        let drivers = clouds.drivers(INSTALLATION, &estate.scopes);
        Self { clouds, drivers, estate }
    }

    fn intent(&self) -> Intent {
        let allow = ["lose-peer", "remove-rules", "lose-all-ingress"].map(str::to_owned).into();
        Intent {
            installation: INSTALLATION.to_owned(),
            files: self.estate.files.clone(),
            policy_digest: String::new(),
            policy_commit: None,
            mapping: crate::estate::mapping(),
            translations: self.estate.translations.clone(),
            guards: GuardSettings { allow, ..GuardSettings::default() },
        }
    }

    /// One pass; it reads everything.
    async fn pass(&self) -> PassStatus {
        let clock = self.clouds.time();
        let pass = Pass {
            reader: &self.drivers.reader,
            writer: Some(&self.drivers.writer),
            clock: &clock as &dyn Clock,
            scopes: &self.estate.scopes,
            stop: Arc::new(AtomicBool::new(false)),
            concurrent_max: 4,
            quiet_since_ms: None,
            progress: &|_| {},
            remember: &|_| {},
        };
        pass.run(&self.intent(), None).await
    }

    /// Passes until one is empty: that one, after everything has settled. `None` if a cloud cannot say what the policy
    /// wants. Every end that is planned is proven.
    async fn converge(&self, seen: &mut Seen) -> Result<Option<PassStatus>> {
        for _ in 0..PASSES_MAX {
            let status = self.pass().await;
            let plan = &status.planned.plan;
            ensure!(status.unobserved.is_empty(), "not read: {:?}", status.unobserved);
            ensure!(plan.proof.equivalent, "the proof finds {:#?}", plan.proof.witnesses);
            ensure!(plan.withheld.is_empty(), "withheld: {:#?}", plan.withheld);
            if status.held_back == Some(HeldBack::Blocked) {
                plan.blocks.iter().for_each(|block| seen.block(&block.code));
                return Ok(None);
            }
            seen.steps += plan.steps.len() as u64;
            if plan.steps.is_empty() {
                self.clouds.time().advance_ms(SETTLED_MS);
                return Ok(Some(status));
            }
            let open: Vec<_> = status.steps.iter().filter(|step| !step.outcome.is_done()).collect();
            ensure!(open.is_empty(), "left open: {open:#?}");
        }
        let last: Vec<String> = self.pass().await.planned.plan.steps.into_iter().map(|s| s.title).collect();
        bail!("does not converge: {last:#?}")
    }

    /// What the data planes do with a packet. One whose address is translated on the way leaves its own network under its
    /// own address, and comes from outside to the other.
    fn delivered(&self, snapshot: &Snapshot, flow: &Flow) -> bool {
        if ![&flow.source, &flow.destination].iter().any(|end| coverage::is_translated(snapshot, end)) {
            return self.clouds.passes(&packet(flow));
        }
        let outside = |end: &End| End { interface: None, address: end.address };
        let ends = [
            Flow { source: own(snapshot, &flow.source), destination: outside(&flow.destination), ..*flow },
            Flow { source: outside(&flow.source), destination: own(snapshot, &flow.destination), ..*flow },
        ];
        ends.iter().all(|flow| self.clouds.passes(&packet(flow)))
    }

    /// Every decision on every packet.
    fn compare(&self, status: &PassStatus, flows: &[Flow], seen: &mut Seen) -> Result<()> {
        let planned = &status.planned;
        let snapshot = &planned.snapshot;
        let evaluator = Evaluator::new(&planned.compiled, snapshot);
        let graph = graph::Graph::new(&self.drivers.reader, &status.observed);
        for flow in flows {
            let decision = decide(snapshot, flow);
            let compiled = evaluator.decide(flow);
            ensure!(compiled == decision, "{flow:?}\noracle {decision:?}\ncompiled {compiled:?}");
            let policy_passes = decision.verdict != Verdict::Blocked;
            let [egress, ingress] = self.estate.expected(flow, &decision);
            let passes = egress && ingress;
            seen.note(snapshot, flow, policy_passes, passes != policy_passes);
            let graph = graph.passes(snapshot, flow);
            ensure!(
                graph == [egress, ingress],
                "{flow:?}\noracle {decision:?}\nwith what is foreign {:?}, the graph {graph:?}",
                [egress, ingress]
            );
            // Where rules know no ICMP types these belong to a connection, and pass with it: they open none.
            if essential_services().contains(flow.service) {
                continue;
            }
            let cloud = self.delivered(snapshot, flow);
            ensure!(
                cloud == passes,
                "{flow:?}\noracle {decision:?}\nwith what is foreign {passes}, the clouds {cloud}"
            );
        }
        Ok(())
    }
}

/// An end under its own address.
fn own(snapshot: &Snapshot, end: &End) -> End {
    let interface = snapshot.interfaces().map(|(_, _, interface)| interface);
    let held = interface.clone().find(|interface| Some(&interface.id) == end.interface.as_ref());
    let mut addresses = held.into_iter().flat_map(|interface| &interface.addresses);
    let is_alike = |address: &&std::net::IpAddr| address.is_ipv6() == end.address.is_ipv6();
    let is_real = held.is_none_or(|interface| interface.addresses.contains(&end.address));
    let address = addresses.find(is_alike).copied().filter(|_| !is_real).unwrap_or(end.address);
    End { interface: end.interface.clone(), address }
}

/// One world.
async fn world(seed: u64, seen: &mut Seen) -> Result<()> {
    let mut rng = Rng::with_seed(seed);
    let mut world = World::new(seed, &mut rng).await;
    seen.common.worlds += 1;
    let Some(mut status) = world.converge(seen).await? else { return Ok(()) };
    let mut flows = packets::flows(&mut rng, &status.planned.snapshot, PACKETS);
    world.compare(&status, &flows, seen)?;
    if seed % CHANGED_EVERY == 1 {
        world.estate.change(&mut rng, &world.clouds);
        let Some(changed) = world.converge(seen).await.context("after a change")? else { return Ok(()) };
        seen.common.changed += 1;
        status = changed;
        flows = packets::flows(&mut rng, &status.planned.snapshot, PACKETS);
        world.compare(&status, &flows, seen).context("after a change")?;
    }
    if seed.is_multiple_of(SPOILED_EVERY) {
        spoil::check(&mut rng, &world, &status, &flows, seen).await?;
    }
    Ok(())
}

fn run(seed: u64, seen: &mut Seen) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(world(seed, seen))
}

#[test]
fn seeds_that_failed_once_over_three_clouds_pass() {
    let seeds = regressions(include_str!("../regressions_three.txt"));
    let (seen, failures) = run_all(&seeds, run, Seen::add);
    show(&format!("\nthree clouds: {} of {} kept seeds replayed\n", seen.common.worlds, seeds.len()));
    report(&failures, "regressions_three.txt");
    assert!(!seeds.is_empty() && seen.common.worlds == seeds.len() as u64, "every kept seed was replayed");
}

#[test]
fn oracle_compiled_policy_graph_and_three_clouds_agree() {
    let first = setting("BULKHEAD_SEED", 1);
    let worlds = setting("BULKHEAD_CLOUD_WORLDS", WORLDS);
    let started = std::time::Instant::now();
    let seeds: Vec<u64> = (first..first + worlds).collect();
    let (seen, failures) = run_all(&seeds, run, Seen::add);
    let seconds = started.elapsed().as_secs_f64();
    show(&format!("\nthree clouds: seeds {first} to {}, {seconds:.1} s\n{seen}", first + worlds - 1));
    report(&failures, "regressions_three.txt");
    seen.check(worlds, PACKETS);
}
