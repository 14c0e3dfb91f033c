//! The real driver and passes over a simulated shop.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use mock_aws::{Ec2Front, serve};
use plan::{Attachment, Scope, StepId};
use policy::Snapshot;
use provider::{Clock, CloudWriter};
use provider_aws::{AwsReader, AwsSettings, AwsWriter, Ec2};
use reconcile::applying::{Progress, StepOutcome};
use reconcile::pass::{Pass, PassStatus};
use tokio::sync::OnceCell;

use crate::change::{Change, intent};
use crate::estate::{Directions, Estate, settle};
use crate::fear::{Fear, Fearful, WorldClock, denied_reads};
use crate::journal::Passed;

/// A delay that every change is sure to have passed.
pub const SETTLE_MS: u64 = 1600;

pub struct Shop {
    pub front: Ec2Front,
    pub passes: Vec<Passed>,
    pub crashed: bool,
    /// Writes that were asked for.
    written: Arc<AtomicUsize>,
    /// What the last pass knew of the world and of the policy.
    pub snapshot: Snapshot,
    pub changes: BTreeSet<Change>,
    pub directions: Directions,
    reader: AwsReader,
    writer: AwsWriter,
    scopes: Vec<Scope>,
    estate: Estate,
}

/// Passes until nothing may be left to do.
const PASSES_MAX: usize = 6;
/// The same while calls are throttled by the buckets.
const THROTTLED_PASSES_MAX: usize = 40;
/// Passes during which a fear lasts.
const FEARFUL_PASSES: usize = 4;

/// Machines of [`Change::TiersTalk`]: two of each tier, web in the first network and databases in the second.
const TIERS: [(usize, &str, &str); 8] = [
    (0, "web", "plain"),
    (1, "web", "plain"),
    (3, "web", "gold"),
    (5, "web", "gold"),
    (2, "db", "plain"),
    (4, "db", "plain"),
    (6, "db", "gold"),
    (7, "db", "gold"),
];

impl Shop {
    /// A shop that is as the policy wants it, and whose future is drawn from a seed.
    pub async fn at_rest(directions: Directions, settle_ms: u64, seed: u64) -> Self {
        static SHOPS: [OnceCell<Estate>; 2] = [const { OnceCell::const_new() }; 2];
        let converged = SHOPS[directions as usize].get_or_init(|| Self::converged(directions)).await;
        let mut estate = converged.clone();
        estate.world = estate.world.fork(seed);
        Self::open(estate, directions, settle_ms).await
    }

    async fn converged(directions: Directions) -> Estate {
        let mut shop = Self::open(Estate::new(), directions, SETTLE_MS).await;
        shop.converge(Fear::NOTHING).await;
        shop.settled_at();
        let mut world = shop.front.world().clone();
        world.calls.clear();
        Estate { world, ..shop.estate }
    }

    async fn open(estate: Estate, directions: Directions, settle_ms: u64) -> Self {
        let front = Ec2Front::new(estate.world.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(serve(front.clone(), listener));
        let settings = AwsSettings { share: 1.0, ..AwsSettings::new("hitless") };
        let scopes = estate.scopes(directions, settle_ms);
        let clock = Arc::new(WorldClock { front: front.clone(), dead: Arc::default() });
        let ec2 = Ec2::at_endpoint(&endpoint, &settings, &scopes[0], clock);
        Self {
            reader: AwsReader::new(ec2.clone(), settings.clone()),
            writer: AwsWriter::new(ec2, settings),
            passes: Vec::new(),
            crashed: false,
            written: Arc::default(),
            snapshot: Snapshot::default(),
            changes: BTreeSet::new(),
            directions,
            front,
            scopes,
            estate,
        }
    }

    pub fn second(&self) -> &str {
        &self.estate.vpcs[1]
    }

    pub fn now_ms(&self) -> u64 {
        self.front.world().now_ms()
    }

    fn denied_reads(&self) -> usize {
        denied_reads(&self.front.world())
    }

    /// Makes a change, without applying it.
    pub fn make(&mut self, change: Change) {
        self.changes.insert(change);
        match change {
            Change::Relabel => self.tag(2, "role", "app"),
            Change::TiersTalk => {
                for (machine, role, tier) in TIERS {
                    self.tag(machine, "role", role);
                    self.tag(machine, "tier", tier);
                }
            }
            Change::TiersMoved => [0, 2].into_iter().for_each(|machine| self.tag(machine, "tier", "gold")),
            Change::Exclusive => {
                self.scopes.iter_mut().for_each(|scope| scope.attachment = Attachment::Exclusive);
            }
            _ => {}
        }
    }

    fn tag(&self, machine: usize, key: &str, value: &str) {
        let machine = self.estate.machines[machine].as_str();
        let params = [("ResourceId.1", machine), ("Tag.1.Key", key), ("Tag.1.Value", value)];
        self.front.world().perform("CreateTags", &params).unwrap();
    }

    /// Brings some changes about, long before anything is watched.
    pub async fn bring_about(&mut self, changes: &[Change]) {
        changes.iter().for_each(|change| self.make(*change));
        self.converge(Fear::NOTHING).await;
        self.settled_at();
        self.passes.clear();
        self.written.store(0, Ordering::SeqCst);
    }

    /// Lets everything settle; the time at which it has.
    pub fn settled_at(&self) -> u64 {
        let mut world = self.front.world();
        settle(&mut world);
        world.now_ms()
    }

    /// The steps of a pass that writes nothing.
    pub async fn planned_steps(&mut self) -> usize {
        let (dead, hears) = (Arc::default(), |_: Progress<'_>| {});
        let status = self.run(None, dead, &hears).await;
        status.planned.plan.steps.len()
    }

    pub async fn converge_under(&mut self, fear: Fear) {
        fear.begin(&mut self.front.world());
        self.pass(fear).await;
        let lasting = Fear { unreadable_from: None, ..fear };
        if fear.unreadable_from.is_some() {
            self.pass(lasting).await;
            self.front.world().faults.denied.clear();
        }
        if fear.lasts() {
            for _ in 0..FEARFUL_PASSES {
                self.pass(lasting).await;
            }
        }
        Fear::end(&mut self.front.world());
        self.converge(Fear { fault: None, stale_ms: 0, ..lasting }).await;
    }

    async fn converge(&mut self, fear: Fear) {
        let passes_max = if fear.lasts() { THROTTLED_PASSES_MAX } else { PASSES_MAX };
        for _ in 0..passes_max {
            self.pass(fear).await;
            let last = self.passes.last().unwrap();
            assert!(fear.lasts() || last.plan.blocks.is_empty(), "{:?}", last.plan.blocks);
            if last.plan.is_empty() && !last.is_partial {
                return;
            }
        }
        panic!("does not converge");
    }

    /// One pass of a process that knows nothing of earlier ones.
    async fn pass(&mut self, fear: Fear) {
        let fear = Fear { crash_at: fear.crash_at.filter(|_| !self.crashed), ..fear };
        let denied_before = self.denied_reads();
        let dead: Arc<AtomicBool> = Arc::default();
        let writer = Fearful {
            inner: self.writer.clone(),
            front: self.front.clone(),
            fear,
            second: self.second().to_owned(),
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
        let status = self.run(Some(&writer), dead.clone(), &hears).await;
        self.crashed |= dead.load(Ordering::SeqCst);
        let passed = Passed {
            is_converged: status.converged(),
            is_partial: !status.unobserved.is_empty(),
            plan: status.planned.plan,
            statuses: status.steps,
            sent: writer.sent.into_inner().unwrap(),
            verified_ms: verified.into_inner().unwrap(),
            denied_reads: self.denied_reads() - denied_before,
            ended_ms: self.now_ms(),
        };
        self.snapshot = status.planned.snapshot;
        self.passes.push(passed);
    }

    async fn run(
        &self,
        writer: Option<&dyn CloudWriter>,
        dead: Arc<AtomicBool>,
        progress: &(dyn Fn(Progress<'_>) + Send + Sync),
    ) -> PassStatus {
        let clock = WorldClock { front: self.front.clone(), dead: dead.clone() };
        let pass = Pass {
            reader: &self.reader,
            writer,
            clock: &clock as &dyn Clock,
            scopes: &self.scopes,
            stop: dead,
            concurrent_max: 4,
            quiet_since_ms: None,
            progress,
            remember: &|_| {},
        };
        pass.run(&intent(&self.changes), None).await
    }
}
