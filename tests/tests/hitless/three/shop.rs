//! The real drivers and passes over a shop in three clouds.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use plan::{Cloud, Desired, FilterGraph, GroupId, Observed, Plan, Scope, Step, StepId};
use policy::Snapshot;
use provider::{
    Applied, CallEstimate, Clock, CloudReader, CloudWriter, DomainReader, DomainWriter, ErrorKind, Failed,
    LowerInput, ProviderError,
};
use reconcile::applying::{Progress, StepOutcome};
use reconcile::pass::{Pass, PassStatus};

use super::change::{Change, intent};
use crate::clouds::{Behaviour, CLOUDS, Clouds, Drivers, Machine, Made, Site, Time, aws, scope};
use crate::estate::{DELAY_MS, Directions};
use crate::journal::{Passed, Sent};

/// A delay that every change is sure to have passed.
pub const SETTLE_MS: u64 = 1600;
/// Passes until nothing may be left to do.
const PASSES_MAX: usize = 6;

/// The site, role and tier of every machine; web is in AWS, applications in Azure, databases in Google Cloud.
const MACHINES: [(usize, &str, &str); 8] = [
    (0, "web", "gold"),
    (0, "web", "plain"),
    (1, "web", "plain"),
    (2, "app", "silver"),
    (2, "app", "plain"),
    (3, "db", "plain"),
    (3, "db", "gold"),
    (0, "db", "plain"),
];
/// The machine that is relabelled, and the one that moves to Azure.
const RELABELLED: usize = 2;
const MOVED: usize = 1;

/// What goes wrong.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Fear {
    /// The process dies right after this write, counted from 0.
    pub crash_at: Option<usize>,
    /// This cloud cannot be read from this write of the first pass on, nor in the pass after it.
    pub unreadable: Option<(Cloud, usize)>,
}

impl Fear {
    pub const NOTHING: Self = Self { crash_at: None, unreadable: None };
}

pub struct Shop {
    pub clouds: Clouds,
    pub passes: Vec<Passed>,
    pub crashed: bool,
    /// What the last pass knew.
    pub snapshot: Snapshot,
    /// The cloud that cannot be read.
    pub unreadable: Option<Cloud>,
    pub scopes: Vec<Scope>,
    change: Option<Change>,
    drivers: Drivers,
    sites: Vec<Site>,
    machines: Vec<Made>,
    /// Writes that were asked for, and reads that were refused, of all processes.
    written: Arc<AtomicUsize>,
    refused: Arc<AtomicUsize>,
}

fn sites() -> Vec<Site> {
    let site = |cloud, name, v4: &str, peer| Site {
        cloud,
        name,
        v4: v4.parse().unwrap(),
        v6: None,
        peer,
        foreign: Vec::new(),
        classic_first: false,
    };
    vec![
        site(Cloud::Aws, "a", "10.0.0.0/16", None),
        site(Cloud::Aws, "b", "10.1.0.0/16", Some(0)),
        site(Cloud::Azure, "c", "10.2.0.0/16", None),
        site(Cloud::Gcp, "e", "10.4.0.0/16", None),
    ]
}

fn machine(site: usize, name: &str, role: &str, tier: &str) -> Machine {
    let tags = [("role", role), ("tier", tier)].map(|(key, value)| (key.to_owned(), value.to_owned()));
    Machine {
        site,
        name: name.to_owned(),
        tags: tags.into(),
        more_v4: 0,
        v6: 0,
        open: false,
        is_managed: false,
    }
}

impl Shop {
    /// A shop that is as the policy wants it.
    pub async fn at_rest(directions: Directions, settle_ms: u64, seed: u64) -> Self {
        let clouds = Clouds::start(Behaviour { seed, delay_ms: DELAY_MS, operation_ms: 400 }).await;
        let sites = sites();
        let networks = clouds.seed_sites(&sites);
        let machines = MACHINES.iter().enumerate().map(|(number, (site, role, tier))| {
            clouds.seed_machine(&sites, &machine(*site, &format!("m{number}"), role, tier))
        });
        let machines = machines.collect();
        let of = |cloud: Cloud| {
            let own = sites.iter().zip(&networks).filter(|(site, _)| site.cloud == cloud);
            let networks: Vec<_> = own.map(|(_, network)| network.clone()).collect();
            let scope = scope(cloud, &format!("{cloud:?}").to_lowercase(), &networks);
            Scope { egress: directions == Directions::Both, settle_ms: SETTLE_MS, ..scope }
        };
        let scopes: Vec<Scope> = CLOUDS.into_iter().map(of).collect();
        let drivers = clouds.drivers("hitless", &scopes);
        let mut shop = Self {
            clouds,
            passes: Vec::new(),
            crashed: false,
            snapshot: Snapshot::default(),
            unreadable: None,
            scopes,
            change: None,
            drivers,
            sites,
            machines,
            written: Arc::default(),
            refused: Arc::default(),
        };
        shop.settled();
        shop.converge(Fear::NOTHING).await;
        shop.settled();
        shop.passes.clear();
        shop.written.store(0, Ordering::SeqCst);
        shop.scopes.iter_mut().for_each(|scope| scope.settle_ms = settle_ms);
        shop
    }

    pub fn now_ms(&self) -> u64 {
        self.clouds.time().now_ms()
    }

    /// Lets every change reach everybody.
    pub fn settled(&self) {
        self.clouds.time().advance_ms(DELAY_MS.1 + 1_000);
    }

    /// Makes a change, without applying it. A machine that comes or goes does so before anything is watched.
    pub fn make(&mut self, change: Change) {
        self.change = Some(change);
        match change {
            Change::Relabel => {
                let tags = machine(0, "", "app", "plain").tags;
                self.clouds.retag(&self.machines[RELABELLED], &tags);
            }
            Change::Moved => {
                aws::remove(&mut self.clouds.aws.world(), &self.machines[MOVED]);
                let (_, role, tier) = MACHINES[MOVED];
                let made = self.clouds.seed_machine(&self.sites, &machine(2, "moved", role, tier));
                self.machines[MOVED] = made;
                self.settled();
            }
            _ => {}
        }
    }

    /// The plan of a pass that writes nothing.
    pub async fn planned(&mut self) -> Plan {
        let (dead, hears) = (Arc::default(), |_: Progress<'_>| {});
        self.run(None, &self.drivers.reader, dead, &hears).await.planned.plan
    }

    pub async fn converge_under(&mut self, fear: Fear) {
        self.pass(fear).await;
        if fear.unreadable.is_some() {
            // One more in the dark.
            self.pass(Fear { unreadable: fear.unreadable.map(|(cloud, _)| (cloud, 0)), ..fear }).await;
        }
        self.unreadable = fear.unreadable.map(|(cloud, _)| cloud);
        self.converge(Fear { unreadable: None, ..fear }).await;
    }

    async fn converge(&mut self, fear: Fear) {
        for _ in 0..PASSES_MAX {
            self.pass(fear).await;
            let last = self.passes.last().unwrap();
            assert!(last.plan.blocks.is_empty(), "{:?}", last.plan.blocks);
            assert!(last.plan.proof.equivalent, "{:?}", last.plan.proof.witnesses);
            if last.plan.is_empty() && !last.is_partial {
                return;
            }
        }
        panic!("does not converge: {:#?}", self.passes.last().map(|passed| &passed.statuses));
    }

    /// One pass of a process that knows nothing of earlier ones.
    async fn pass(&mut self, fear: Fear) {
        let fear = Fear { crash_at: fear.crash_at.filter(|_| !self.crashed), ..fear };
        let refused_before = self.refused.load(Ordering::SeqCst);
        let dead: Arc<AtomicBool> = Arc::default();
        let dark: Arc<AtomicBool> = Arc::default();
        let is_second_look = !self.passes.is_empty() && fear.unreadable.is_some();
        dark.store(is_second_look, Ordering::SeqCst);
        let reader = Fearful {
            inner: self.drivers.reader.clone(),
            cloud: fear.unreadable.map(|(cloud, _)| cloud),
            dark: dark.clone(),
            refused: self.refused.clone(),
        };
        let writer = FearfulWriter {
            inner: self.drivers.writer.clone(),
            time: self.clouds.time(),
            fear,
            dark,
            refused: self.refused.clone(),
            refused_before,
            dead: dead.clone(),
            sent: Mutex::default(),
            written: self.written.clone(),
        };
        let verified: Mutex<BTreeMap<StepId, u64>> = Mutex::default();
        let hears = |progress: Progress<'_>| {
            if let Progress::Step(step) = progress
                && matches!(step.outcome, StepOutcome::Done | StepOutcome::AlreadyTrue)
            {
                verified.lock().unwrap().insert(step.id, self.now_ms());
            }
        };
        let status = self.run(Some(&writer), &reader, dead.clone(), &hears).await;
        self.crashed |= dead.load(Ordering::SeqCst);
        let passed = Passed {
            is_converged: status.converged(),
            is_partial: !status.unobserved.is_empty(),
            plan: status.planned.plan,
            statuses: status.steps,
            sent: writer.sent.into_inner().unwrap(),
            verified_ms: verified.into_inner().unwrap(),
            denied_reads: self.refused.load(Ordering::SeqCst) - refused_before,
            ended_ms: self.now_ms(),
        };
        self.snapshot = status.planned.snapshot;
        self.passes.push(passed);
    }

    async fn run(
        &self,
        writer: Option<&dyn CloudWriter>,
        reader: &dyn CloudReader,
        dead: Arc<AtomicBool>,
        progress: &(dyn Fn(Progress<'_>) + Send + Sync),
    ) -> PassStatus {
        let clock = Mortal { time: self.clouds.time(), dead: dead.clone() };
        let pass = Pass {
            reader,
            writer,
            clock: &clock as &dyn Clock,
            scopes: &self.scopes,
            stop: dead,
            concurrent_max: 4,
            quiet_since_ms: None,
            progress,
            remember: &|_| {},
        };
        pass.run(&intent(self.change), None).await
    }
}

/// A clock that moves the clouds as long as the process lives.
struct Mortal {
    time: Time,
    dead: Arc<AtomicBool>,
}

#[async_trait]
impl Clock for Mortal {
    fn now_ms(&self) -> u64 {
        self.time.now_ms()
    }

    async fn sleep(&self, duration: Duration) {
        if !self.dead.load(Ordering::SeqCst) {
            self.time.sleep(duration).await;
        }
    }
}

/// A reader of which one cloud goes dark.
struct Fearful {
    inner: DomainReader,
    cloud: Option<Cloud>,
    dark: Arc<AtomicBool>,
    refused: Arc<AtomicUsize>,
}

#[async_trait]
impl CloudReader for Fearful {
    async fn observe(&self, scope: &Scope) -> Result<Observed, ProviderError> {
        if self.dark.load(Ordering::SeqCst) && self.cloud == Some(scope.cloud) {
            self.refused.fetch_add(1, Ordering::SeqCst);
            return Err(ProviderError::new(ErrorKind::Denied, "observe", "may not be read any more"));
        }
        self.inner.observe(scope).await
    }

    fn lower(&self, input: &LowerInput<'_>) -> Desired {
        self.inner.lower(input)
    }

    fn semantics(&self, domain: &[&Observed]) -> FilterGraph {
        self.inner.semantics(domain)
    }

    fn after(&self, observed: &Observed, steps: &[&Step]) -> Observed {
        self.inner.after(observed, steps)
    }

    fn holds(&self, step: &Step, observed: &Observed, ids: &BTreeMap<GroupId, GroupId>) -> bool {
        self.inner.holds(step, observed, ids)
    }

    fn estimate(&self, scope: &Scope, observed: &Observed, batches: &[Vec<&Step>]) -> CallEstimate {
        self.inner.estimate(scope, observed, batches)
    }
}

/// A writer that notes what is sent when, and to whom things happen.
struct FearfulWriter {
    inner: DomainWriter,
    time: Time,
    fear: Fear,
    dark: Arc<AtomicBool>,
    refused: Arc<AtomicUsize>,
    refused_before: usize,
    dead: Arc<AtomicBool>,
    sent: Mutex<Vec<Sent>>,
    written: Arc<AtomicUsize>,
}

#[async_trait]
impl CloudWriter for FearfulWriter {
    async fn apply(
        &self,
        scope: &Scope,
        step: &Step,
        current: &[Observed],
        ids: &BTreeMap<GroupId, GroupId>,
    ) -> Result<Applied, Failed> {
        let number = self.written.fetch_add(1, Ordering::SeqCst);
        if self.fear.crash_at.is_some_and(|at| number > at) {
            return Err(dead());
        }
        if self.fear.unreadable.is_some_and(|(_, at)| number >= at) {
            self.dark.store(true, Ordering::SeqCst);
        }
        let is_second_unread = self.refused.load(Ordering::SeqCst) > self.refused_before;
        let sent = Sent { step: step.id, at_ms: self.time.now_ms(), is_second_unread };
        self.sent.lock().unwrap().push(sent);
        let applied = self.inner.apply(scope, step, current, ids).await;
        if self.fear.crash_at == Some(number) {
            // Dead the moment after the write, long before it has settled.
            self.dead.store(true, Ordering::SeqCst);
            return applied.and(Err(dead()));
        }
        applied
    }

    fn document(
        &self,
        scope: &Scope,
        step: &Step,
        current: &[Observed],
        ids: &BTreeMap<GroupId, GroupId>,
    ) -> Option<String> {
        self.inner.document(scope, step, current, ids)
    }
}

fn dead() -> Failed {
    ProviderError::new(ErrorKind::Transient, "apply", "the process is dead").into()
}
