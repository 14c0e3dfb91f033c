//! Applies a plan step by step: make before break, verified and settled, never twice.
//!
//! A failed step stops only what depends on it. A scope that becomes unreadable half-way blocks the breaks
//! that depend on steps in it, and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::{join, join_all};
use futures_util::{StreamExt, stream};
use plan::{GroupId, Observed, Plan, Scope, ScopeId, Step, StepId, StepKind};
use provider::{Applied, CallRecord, Clock, CloudReader, CloudWriter, Failed, ProviderError};
use serde::Serialize;

use crate::waiting::wait_or_stop;

/// Steps that are sent at the same time, unless the caller says otherwise.
pub const CONCURRENT_MAX: usize = 8;
/// Documents that are written at the same time: many more than calls, of which each driver has its own bound. Most of
/// them wait for the end of an operation, at the rate that a cloud takes calls. A stop waits for them.
const DOCUMENTS_MAX: usize = 64;
/// How often a step's effect is looked for, and how long between looks.
const LOOKS_MAX: u32 = 20;
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// What became of a step.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum StepOutcome {
    /// Written and seen in a fresh read.
    Done,
    /// It was true already; nothing was sent.
    AlreadyTrue,
    /// The cloud refused or failed; the next pass looks again.
    Failed {
        /// Why.
        error: String,
        /// What to do; may be empty.
        hint: String,
    },
    /// Written, but its effect could not be seen.
    Unverified,
    /// Not tried, because of another step or a scope that cannot be read.
    Blocked {
        /// What it waited for.
        by: String,
    },
    /// Not tried, because a stop was asked for.
    Stopped,
}

impl StepOutcome {
    /// Whether the step is true now.
    pub fn is_done(&self) -> bool {
        matches!(self, Self::Done | Self::AlreadyTrue)
    }
}

/// One step with what became of it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct StepStatus {
    /// The step.
    pub id: StepId,
    /// Its title.
    pub title: String,
    /// What became of it.
    #[serde(flatten)]
    pub outcome: StepOutcome,
    /// The calls that were made, with the cloud's request ids.
    pub calls: Vec<(String, String)>,
}

/// Asks a running pass to stop after the calls in flight.
pub type StopFlag = Arc<AtomicBool>;

/// What is told while steps run.
pub enum Progress<'a> {
    /// A pass is about to write: the plan whose steps are sent next.
    Writing(&'a Plan),
    /// A step has an outcome.
    Step(&'a StepStatus),
    /// Waiting for changes to settle.
    Settling(Duration),
}

/// Everything that applying needs.
pub struct Applier<'a> {
    /// Reads.
    pub reader: &'a dyn CloudReader,
    /// Writes.
    pub writer: &'a dyn CloudWriter,
    /// Waits.
    pub clock: &'a dyn Clock,
    /// Stops.
    pub stop: StopFlag,
    /// Steps that are sent at the same time.
    pub concurrent_max: usize,
    /// The time (by the clock) since which nobody is known to have written. `None`: not known, as in a fresh
    /// process: an earlier one may have died a moment ago, and what it wrote may not have settled.
    pub quiet_since_ms: Option<u64>,
    /// Hears.
    pub progress: &'a (dyn Fn(Progress<'_>) + Send + Sync),
}

/// A step with what became of its write.
type Sent = (Step, Result<Applied, Failed>);

struct Run<'a> {
    plan: &'a Plan,
    reader: &'a dyn CloudReader,
    current: Vec<Observed>,
    unreadable: BTreeMap<ScopeId, String>,
    ids: BTreeMap<GroupId, GroupId>,
    statuses: BTreeMap<StepId, StepStatus>,
    verified_at: BTreeMap<StepId, u64>,
    read_at: u64,
}

impl Applier<'_> {
    /// Applies a plan from what was read for it. Returns the status of every step, in order.
    pub async fn apply(&self, plan: &Plan, observed: Vec<Observed>) -> (Vec<StepStatus>, Vec<Observed>) {
        let mut run = Run {
            plan,
            reader: self.reader,
            current: observed,
            unreadable: BTreeMap::new(),
            ids: BTreeMap::new(),
            statuses: BTreeMap::new(),
            verified_at: BTreeMap::new(),
            read_at: self.clock.now_ms(),
        };
        self.wait_for_quiet(&mut run).await;
        while run.statuses.len() < plan.steps.len() {
            if self.is_stopped() {
                self.finish_rest(&mut run, |_| StepOutcome::Stopped);
                break;
            }
            self.block_hopeless(&mut run);
            let ready = run.ready(self.clock.now_ms());
            if !ready.is_empty() {
                self.run_batch(&mut run, ready).await;
            } else if let Some(wait) = run.next_settle(self.clock.now_ms()) {
                self.settle(wait).await;
            } else if run.statuses.len() < plan.steps.len() {
                self.finish_rest(&mut run, |step| StepOutcome::Blocked {
                    by: format!("a step that {} waits for", step.id.0 + 1),
                });
            }
        }
        (run.statuses.into_values().collect(), run.current)
    }

    /// What was read may have been written a moment before: nothing is built on it until that has settled.
    async fn wait_for_quiet(&self, run: &mut Run<'_>) {
        let settle_ms = run.plan.scopes.iter().map(|scope| scope.settle_ms).max().unwrap_or(0);
        let now_ms = self.clock.now_ms();
        let left_ms = (self.quiet_since_ms.unwrap_or(now_ms) + settle_ms).saturating_sub(now_ms);
        if left_ms == 0 || run.plan.steps.is_empty() {
            return;
        }
        self.settle(Duration::from_millis(left_ms)).await;
        if !self.is_stopped() {
            self.read(run, &all_scopes(run.plan)).await;
        }
    }

    async fn settle(&self, wait: Duration) {
        (self.progress)(Progress::Settling(wait));
        wait_or_stop(self.clock, &self.stop, wait).await;
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Steps that wait for a step that will never be verified.
    fn block_hopeless(&self, run: &mut Run<'_>) {
        loop {
            let blocked = run.plan.steps.iter().find_map(|step| {
                if run.statuses.contains_key(&step.id) {
                    return None;
                }
                let failed = step
                    .after
                    .iter()
                    .find(|id| run.statuses.contains_key(id) && !run.verified_at.contains_key(id));
                let by = failed.map(|id| format!("step {} ({})", id.0 + 1, run.statuses[id].title));
                let unread = run
                    .unreadable
                    .get(&step.scope)
                    .map(|why| format!("scope {} cannot be read: {why}", step.scope));
                by.or(unread).map(|by| (step, by))
            });
            let Some((step, by)) = blocked else { return };
            self.settle_status(run, step, StepOutcome::Blocked { by }, Vec::new());
        }
    }

    fn finish_rest(&self, run: &mut Run<'_>, outcome: impl Fn(&Step) -> StepOutcome) {
        for step in &run.plan.steps {
            if !run.statuses.contains_key(&step.id) {
                self.settle_status(run, step, outcome(step), Vec::new());
            }
        }
    }

    fn settle_status(
        &self,
        run: &mut Run<'_>,
        step: &Step,
        outcome: StepOutcome,
        calls: Vec<(String, String)>,
    ) {
        let status = StepStatus { id: step.id, title: step.title.clone(), outcome, calls };
        (self.progress)(Progress::Step(&status));
        run.statuses.insert(step.id, status);
    }

    async fn run_batch(&self, run: &mut Run<'_>, ready: Vec<Step>) {
        // Nothing is broken on an old read: look again, and check that what a break leans on still stands.
        let breaks = ready.iter().any(|step| step.action.kind() == StepKind::Break);
        if breaks && self.clock.now_ms() > run.read_at {
            self.read(run, &all_scopes(run.plan)).await;
        }
        let (ready, undone): (Vec<Step>, Vec<Step>) =
            ready.into_iter().partition(|step| run.still_stands(step));
        for step in undone {
            let by =
                "a step that it waits for was undone by somebody, or its scope cannot be read".to_owned();
            self.settle_status(run, &step, StepOutcome::Blocked { by }, Vec::new());
        }
        let writable: Vec<Step> =
            ready.into_iter().filter(|step| !run.unreadable.contains_key(&step.scope)).collect();
        let written = self.write(run, &writable).await;
        let mut waiting: Vec<(Step, Applied)> = Vec::new();
        for (step, result) in written {
            match result {
                Ok(applied) => {
                    if let (plan::StepAction::CreateGroup { group, .. }, Some(id)) =
                        (&step.action, &applied.created)
                    {
                        run.ids.insert(group.clone(), id.clone());
                    }
                    waiting.push((step, applied));
                }
                Err(Failed { calls, error }) => {
                    let outcome = StepOutcome::Failed { error: error.to_string(), hint: error.hint.clone() };
                    self.settle_status(run, &step, outcome, calls_of(&calls));
                }
            }
        }
        self.verify(run, waiting).await;
    }

    /// Sends steps; those that a stop leaves unsent are not among the results. Steps of one document are sent as one,
    /// since they share a write.
    async fn write(&self, run: &Run<'_>, steps: &[Step]) -> Vec<Sent> {
        let mut together: BTreeMap<(&ScopeId, String), Vec<&Step>> = BTreeMap::new();
        let mut alone: Vec<Vec<&Step>> = Vec::new();
        for step in steps {
            match self.document(run, step) {
                Some(document) => together.entry((&step.scope, document)).or_default().push(step),
                None => alone.push(vec![step]),
            }
        }
        let documents: Vec<Vec<&Step>> = together.into_values().collect();
        let (documents, alone) = join(
            self.send_all(run, documents, DOCUMENTS_MAX),
            self.send_all(run, alone, self.concurrent_max),
        )
        .await;
        let mut sent: Vec<_> = documents.into_iter().chain(alone).collect();
        sent.sort_by_key(|(step, _)| step.id);
        sent
    }

    /// Sends some lots of steps at the same time, and all steps of a lot at once.
    async fn send_all(&self, run: &Run<'_>, lots: Vec<Vec<&Step>>, most: usize) -> Vec<Sent> {
        let sent = lots.into_iter().map(|steps| async move {
            if self.is_stopped() {
                return Vec::new();
            }
            join_all(steps.into_iter().map(|step| self.send(run, step))).await
        });
        let sent: Vec<Vec<Sent>> = stream::iter(sent).buffered(most).collect().await;
        sent.into_iter().flatten().collect()
    }

    fn document(&self, run: &Run<'_>, step: &Step) -> Option<String> {
        self.writer.document(run.scope(step)?, step, &run.current, &run.ids)
    }

    async fn send(&self, run: &Run<'_>, step: &Step) -> Sent {
        let result = match run.scope(step).filter(|scope| scope.enforce) {
            Some(scope) => self.writer.apply(scope, step, &run.current, &run.ids).await,
            None => Err(ProviderError::new(
                provider::ErrorKind::Rejected,
                "apply",
                format!("scope {} is observed only", step.scope),
            )
            .into()),
        };
        (step.clone(), result)
    }

    /// Reads until every written step is seen, a bounded number of times; after a stop once more and not again.
    async fn verify(&self, run: &mut Run<'_>, mut waiting: Vec<(Step, Applied)>) {
        for look in 0..LOOKS_MAX {
            if waiting.is_empty() {
                return;
            }
            if look > 0 && self.is_stopped() {
                break;
            }
            if look > 0 {
                wait_or_stop(self.clock, &self.stop, LOOK_EVERY).await;
            }
            let scopes: Vec<Scope> = run
                .plan
                .scopes
                .iter()
                .filter(|scope| waiting.iter().any(|(step, _)| step.scope == scope.id))
                .cloned()
                .collect();
            self.read(run, &scopes).await;
            let mut unseen = Vec::new();
            for (step, applied) in waiting {
                if run.sees(&step) {
                    run.verified_at.insert(step.id, self.clock.now_ms());
                    let outcome =
                        if applied.calls.is_empty() { StepOutcome::AlreadyTrue } else { StepOutcome::Done };
                    self.settle_status(run, &step, outcome, calls_of(&applied.calls));
                } else {
                    unseen.push((step, applied));
                }
            }
            waiting = unseen;
        }
        for (step, applied) in waiting {
            self.settle_status(run, &step, StepOutcome::Unverified, calls_of(&applied.calls));
        }
    }

    async fn read(&self, run: &mut Run<'_>, scopes: &[Scope]) {
        run.read_at = self.clock.now_ms();
        for scope in scopes {
            match self.reader.observe(scope).await {
                Ok(observed) => {
                    run.unreadable.remove(&scope.id);
                    run.current.retain(|known| known.scope.as_ref() != Some(&scope.id));
                    run.current.push(observed);
                }
                Err(error) => {
                    tracing::warn!(scope = %scope.id, %error, "a scope could not be read while applying");
                    run.unreadable.insert(scope.id.clone(), error.to_string());
                }
            }
        }
    }
}

impl Run<'_> {
    fn scope(&self, step: &Step) -> Option<&Scope> {
        self.plan.scopes.iter().find(|scope| scope.id == step.scope)
    }

    /// Steps whose predecessors are verified, and settled where they must be.
    fn ready(&self, now_ms: u64) -> Vec<Step> {
        let ready = |step: &&Step| {
            !self.statuses.contains_key(&step.id)
                && step.after.iter().all(|id| self.verified_at.contains_key(id))
                && step.settled_after.iter().all(|id| self.settled_at(*id).is_some_and(|at| at <= now_ms))
        };
        self.plan.steps.iter().filter(ready).cloned().collect()
    }

    fn settled_at(&self, id: StepId) -> Option<u64> {
        let step = self.plan.step(id)?;
        let settle = self.plan.scopes.iter().find(|scope| scope.id == step.scope)?.settle_ms;
        Some(self.verified_at.get(&id)? + settle)
    }

    /// Time until the next step may become ready.
    fn next_settle(&self, now_ms: u64) -> Option<Duration> {
        let waiting = self.plan.steps.iter().filter(|step| !self.statuses.contains_key(&step.id));
        let possible = waiting.filter(|step| step.after.iter().all(|id| self.verified_at.contains_key(id)));
        let settled =
            possible.filter_map(|step| step.settled_after.iter().filter_map(|id| self.settled_at(*id)).max());
        settled.filter(|at| *at > now_ms).min().map(|at| Duration::from_millis(at - now_ms))
    }

    fn observed(&self, scope: &ScopeId) -> Option<&Observed> {
        if self.unreadable.contains_key(scope) {
            return None;
        }
        self.current.iter().find(|observed| observed.scope.as_ref() == Some(scope))
    }

    fn sees(&self, step: &Step) -> bool {
        self.observed(&step.scope).is_some_and(|observed| self.reader.holds(step, observed, &self.ids))
    }

    /// Whether everything that a break waits for is still true in the last read.
    fn still_stands(&self, step: &Step) -> bool {
        step.action.kind() == StepKind::Make
            || step
                .settled_after
                .iter()
                .filter_map(|id| self.plan.step(*id))
                .filter(|s| s.action.kind() == StepKind::Make)
                .all(|make| self.sees(make))
    }
}

/// How many calls steps made: one that several share counts once.
pub fn calls_made<'a>(steps: impl IntoIterator<Item = &'a StepStatus>) -> usize {
    let calls = steps.into_iter().flat_map(|step| &step.calls);
    let mut told = BTreeSet::new();
    // A call without an id is told by the step that made it alone.
    calls.filter(|(action, id)| id.is_empty() || told.insert((action, id))).count()
}

fn all_scopes(plan: &Plan) -> Vec<Scope> {
    plan.scopes.clone()
}

fn calls_of(calls: &[CallRecord]) -> Vec<(String, String)> {
    calls.iter().map(|call| (call.action.clone(), call.request_id.clone())).collect()
}
