//! One pass over a domain, and the loop that drives passes.
//!
//! A pass is level-triggered, takes no hint about what changed, and does not retry inside: the next pass is the
//! retry. It never fails: it returns a status.

use std::sync::atomic::Ordering;
use std::time::Duration;

use plan::{Observed, Plan, Scope, ScopeId, Withheld, WithheldBecause};
use provider::{Clock, CloudReader, CloudWriter};

use crate::applying::{Applier, Progress, StepStatus, StopFlag};
use crate::last_applied::LastApplied;
use crate::planning::{Intent, Planned, Reading, make_plan, observe};
use crate::waiting::wait_or_stop;

/// What one pass did.
pub struct PassStatus {
    /// The plan, with what it was computed from.
    pub planned: Planned,
    /// Scopes that could not be read.
    pub unobserved: Vec<(ScopeId, String)>,
    /// Every step with its outcome; empty if nothing was applied.
    pub steps: Vec<StepStatus>,
    /// Why nothing was applied, if nothing was.
    pub held_back: Option<HeldBack>,
    /// The last read of each scope.
    pub observed: Vec<Observed>,
    /// What the next pass compares with.
    pub memory: LastApplied,
}

/// Why a plan was not applied.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HeldBack {
    /// There is nothing to do.
    Nothing,
    /// No scope has `enforce: true`.
    ObservedOnly,
    /// A guard, a quota, a finding or the proof blocks it.
    Blocked,
}

impl PassStatus {
    /// Whether the cloud is as the policy wants it, in every scope that is enforced and as far as this pass could see.
    pub fn converged(&self) -> bool {
        let plan = &self.planned.plan;
        let is_left_on_purpose =
            |withheld: &Withheld| matches!(withheld.because, WithheldBecause::ScopeObservedOnly(_));
        self.unobserved.is_empty()
            && plan.blocks.is_empty()
            && plan.withheld.iter().all(is_left_on_purpose)
            && (self.held_back == Some(HeldBack::Nothing)
                || self.held_back.is_none() && self.steps.iter().all(|step| step.outcome.is_done()))
    }

    /// Whether something may have been written.
    fn may_have_written(&self) -> bool {
        use crate::applying::StepOutcome::{Blocked, Stopped};
        self.steps.iter().any(|step| !matches!(step.outcome, Blocked { .. } | Stopped))
    }
}

/// What a pass works with. `writer: None` is a dry run: it cannot write because it holds no writer.
pub struct Pass<'a> {
    /// Reads.
    pub reader: &'a dyn CloudReader,
    /// Writes, if it may.
    pub writer: Option<&'a dyn CloudWriter>,
    /// Waits.
    pub clock: &'a dyn Clock,
    /// The domain.
    pub scopes: &'a [Scope],
    /// Stops.
    pub stop: StopFlag,
    /// Steps that are sent at the same time.
    pub concurrent_max: usize,
    /// See [`Applier::quiet_since_ms`]; the loop finds it out by itself after its first pass.
    pub quiet_since_ms: Option<u64>,
    /// Hears.
    pub progress: &'a (dyn Fn(Progress<'_>) + Send + Sync),
    /// Keeps what a later pass compares with: before the first write and at the end.
    pub remember: &'a (dyn Fn(&LastApplied) + Send + Sync),
}

impl Pass<'_> {
    /// Runs one pass.
    pub async fn run(&self, intent: &Intent, last: Option<&LastApplied>) -> PassStatus {
        let reading = observe(self.reader, self.scopes).await;
        self.run_on(reading, intent, last, self.quiet_since_ms).await
    }

    async fn run_on(
        &self,
        reading: Reading,
        intent: &Intent,
        last: Option<&LastApplied>,
        quiet_since_ms: Option<u64>,
    ) -> PassStatus {
        let unobserved =
            reading.unobserved.iter().map(|(id, error)| (id.clone(), error.to_string())).collect();
        let planned = make_plan(self.reader, intent, &reading, last);
        let observed: Vec<Observed> = reading.observed.into_iter().map(|(_, observed)| observed).collect();
        let held_back = held_back(&planned.plan);
        let known = last.cloned().unwrap_or_default();
        let (steps, observed) = match (held_back, self.writer) {
            (None, Some(writer)) => {
                (self.progress)(Progress::Writing(&planned.plan));
                (self.remember)(&known.without(&planned.plan.steps));
                let applier = Applier {
                    reader: self.reader,
                    writer,
                    clock: self.clock,
                    stop: self.stop.clone(),
                    concurrent_max: self.concurrent_max,
                    quiet_since_ms,
                    progress: self.progress,
                };
                applier.apply(&planned.plan, observed).await
            }
            _ => (Vec::new(), observed),
        };
        let memory = known.after(&planned.plan, &steps, &observed);
        (self.remember)(&memory);
        PassStatus { planned, unobserved, steps, held_back, observed, memory }
    }

    /// Runs passes until a stop is asked for; `after` hears of each. Where nothing has changed since a pass that found
    /// nothing to do, its plan and proof stand, and are not made again.
    pub async fn run_loop(
        &self,
        every: Duration,
        mut last: Option<LastApplied>,
        mut intent: impl FnMut() -> Option<Intent>,
        mut after: impl FnMut(&PassStatus),
    ) {
        let mut quiet_since_ms = self.quiet_since_ms;
        let mut steady: Option<Steady> = None;
        let started_ms = self.clock.now_ms();
        while !self.stop.load(Ordering::Relaxed) {
            if let Some(intent) = intent() {
                let reading = observe(self.reader, self.scopes).await;
                if let Some(steady) = steady.as_ref().filter(|steady| steady.stands(&intent, &reading)) {
                    after(&steady.status);
                } else {
                    let status = self.run_on(reading, &intent, last.as_ref(), quiet_since_ms).await;
                    quiet_since_ms = if status.may_have_written() {
                        Some(self.clock.now_ms())
                    } else {
                        quiet_since_ms.or(Some(started_ms))
                    };
                    after(&status);
                    let before = last.replace(status.memory.clone());
                    steady = Steady::of(intent, before.as_ref(), status);
                }
            }
            wait_or_stop(self.clock, &self.stop, every).await;
        }
    }
}

/// A pass that found nothing to do, with what it was made from.
///
/// INVARIANT: a plan is a function of the intent, of what is observed and of what is remembered. While these are the same, so
/// are the plan and its proof.
struct Steady {
    intent: Intent,
    status: PassStatus,
}

impl Steady {
    fn of(intent: Intent, remembered: Option<&LastApplied>, status: PassStatus) -> Option<Self> {
        let is_steady = status.held_back == Some(HeldBack::Nothing)
            && status.unobserved.is_empty()
            && remembered == Some(&status.memory);
        is_steady.then_some(Self { intent, status })
    }

    fn stands(&self, intent: &Intent, reading: &Reading) -> bool {
        let now = reading.observed.iter().map(|(_, observed)| observed);
        reading.unobserved.is_empty() && self.intent == *intent && now.eq(&self.status.observed)
    }
}

fn held_back(plan: &Plan) -> Option<HeldBack> {
    if !plan.blocks.is_empty() {
        Some(HeldBack::Blocked)
    } else if plan.steps.is_empty() {
        Some(HeldBack::Nothing)
    } else if !plan.scopes.iter().any(|scope| scope.enforce) {
        Some(HeldBack::ObservedOnly)
    } else {
        None
    }
}

#[cfg(test)]
#[path = "pass/tests.rs"]
mod tests;
