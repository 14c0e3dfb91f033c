//! What goes wrong while changes are made, and the writer to which it happens.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use mock_aws::{Ec2Front, World};
use mock_cloud::Fault;
use plan::{GroupId, Observed, Scope, Step};
use provider::{Applied, Clock, CloudWriter, ErrorKind, Failed, ProviderError};
use provider_aws::AwsWriter;

use crate::journal::Sent;

/// What goes wrong; all of it at once.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Fear {
    /// The process dies right after this write, counted from 0.
    pub crash_at: Option<usize>,
    /// The second network cannot be read from this write of the first pass on, nor in the pass after it.
    pub unreadable_from: Option<usize>,
    /// The cloud fails in this way: reads now and then, writes often.
    pub fault: Option<Fault>,
    /// Reads are up to this old.
    pub stale_ms: u64,
    /// The published token buckets are on, and others use all but this share of them.
    pub bucket_share: Option<f64>,
}

/// Calls that fail by a fault, of all: a pass in which a read fails writes little, and shows little.
const FAULT_RATE: f64 = 0.03;
/// The same for the first calls of every action that writes.
const WRITE_FAULT_RATE: f64 = 0.3;
const WRITES: [&str; 9] = [
    "AuthorizeSecurityGroupEgress",
    "AuthorizeSecurityGroupIngress",
    "CreateSecurityGroup",
    "CreateTags",
    "DeleteSecurityGroup",
    "ModifyNetworkInterfaceAttribute",
    "ModifySecurityGroupRules",
    "RevokeSecurityGroupEgress",
    "RevokeSecurityGroupIngress",
];
const WRITES_MAX: u64 = 12;

impl Fear {
    pub const NOTHING: Self =
        Self { crash_at: None, unreadable_from: None, fault: None, stale_ms: 0, bucket_share: None };

    /// Whether it outlasts the first pass.
    pub fn lasts(&self) -> bool {
        self.fault.is_some() || self.stale_ms > 0 || self.bucket_share.is_some()
    }

    pub fn begin(&self, world: &mut World) {
        if let Some(fault) = self.fault {
            plant(world, fault);
        }
        world.faults.rates = self.fault.map(|fault| (fault, FAULT_RATE)).into_iter().collect();
        world.faults.stale_ms = self.stale_ms;
        if let Some(share) = self.bucket_share {
            world.settings.throttle = true;
            world.settings.bucket_share = share;
        }
    }

    /// Ends faults, those that are planted for later calls too, and stale reads; what has struck stays counted.
    /// Buckets stay as they are: they are no accident.
    pub fn end(world: &mut World) {
        let past = std::mem::take(&mut world.faults);
        world.faults.fired = past.fired;
        world.faults.stale_reads = past.stale_reads;
    }
}

fn plant(world: &mut World, fault: Fault) {
    let mut random = fastrand::Rng::with_seed(world.settings.seed);
    for action in WRITES {
        for nth in (1..=WRITES_MAX).filter(|_| random.f64() < WRITE_FAULT_RATE) {
            world.faults.plant(action, nth, fault);
        }
    }
}

/// Reads that the cloud refused.
pub fn denied_reads(world: &World) -> usize {
    world.calls.all().iter().filter(|call| call.outcome == "UnauthorizedOperation").count()
}

/// A clock that moves the world, as long as the process lives.
pub struct WorldClock {
    pub front: Ec2Front,
    pub dead: Arc<AtomicBool>,
}

#[async_trait]
impl Clock for WorldClock {
    fn now_ms(&self) -> u64 {
        self.front.world().now_ms()
    }

    async fn sleep(&self, duration: Duration) {
        if !self.dead.load(Ordering::SeqCst) {
            self.front.world().advance_ms(duration.as_millis() as u64);
        }
    }
}

/// A writer that notes what is sent when, and to whom things happen.
pub struct Fearful {
    pub inner: AwsWriter,
    pub front: Ec2Front,
    pub fear: Fear,
    /// The network that becomes unreadable.
    pub second: String,
    pub dead: Arc<AtomicBool>,
    pub sent: Mutex<Vec<Sent>>,
    /// Writes so far, of all processes.
    pub written: Arc<AtomicUsize>,
}

#[async_trait]
impl CloudWriter for Fearful {
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
        self.note(step, number);
        let applied = self.inner.apply(scope, step, current, ids).await;
        if self.fear.crash_at == Some(number) {
            // Dead the moment after the write, long before it has settled.
            self.dead.store(true, Ordering::SeqCst);
            return applied.and(Err(dead()));
        }
        applied
    }
}

impl Fearful {
    fn note(&self, step: &Step, number: usize) {
        let mut world = self.front.world();
        if self.fear.unreadable_from == Some(number) {
            world.faults.denied.insert(self.second.clone());
        }
        let is_second_unread = !world.faults.denied.is_empty() && denied_reads(&world) > 0;
        let sent = Sent { step: step.id, at_ms: world.now_ms(), is_second_unread };
        self.sent.lock().unwrap().push(sent);
    }
}

fn dead() -> Failed {
    ProviderError::new(ErrorKind::Transient, "apply", "the process is dead").into()
}
