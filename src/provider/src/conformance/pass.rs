//! A pass as `reconcile` makes it, one step at a time: observe → compile → lower → plan → prove → apply.
//!
//! Make before break; each step is called at most once; a break waits until what it leans on was seen and has
//! settled, and looks again. The pass also listens: whatever the driver says about its calls must be what the cloud
//! has heard.

use std::collections::BTreeMap;

use plan::plan::{Block, Transient, Witness};
use plan::{Desired, GroupId, Observed, Scope, ScopeInput, Step, StepAction, StepId, StepKind};
use policy::compile;

use super::estate::{INSTALLATION, Policy, snapshot};
use super::world::World;
use crate::quota::quota;
use crate::{CloudReader, CloudWriter, Failed, LowerInput, ProviderError};

/// How often a step's effect is looked for, and how long between looks.
const LOOKS_MAX: u32 = 20;
const LOOK_EVERY_MS: u64 = 500;

/// One pass over a world. Every pass is a new process.
pub struct Pass<'a> {
    world: &'a dyn World,
    scope: Scope,
    reader: Box<dyn CloudReader>,
    writer: Box<dyn CloudWriter>,
}

/// Why nothing was applied.
#[derive(Debug)]
pub enum Held {
    /// The scope could not be read.
    Unread(ProviderError),
    /// The plan is blocked.
    Blocked(Vec<Block>),
    /// The end state is not what the policy says.
    NotProven(Vec<Witness>),
}

/// What became of a step.
#[derive(Debug)]
pub enum StepOutcome {
    /// Written and seen.
    Done,
    /// The cloud refused, or failed.
    Failed(ProviderError),
    /// Written and not seen.
    Unseen,
    /// Not tried, because of another step.
    Blocked,
}

/// What a pass did.
#[derive(Debug, Default)]
pub struct Done {
    /// Why nothing was applied, if nothing was.
    pub held: Option<Held>,
    /// Every step with its outcome.
    pub steps: Vec<(Step, StepOutcome)>,
    /// Transients that the plan named.
    pub transients: Vec<Transient>,
    /// What was read before the first step, and after the last.
    pub read: Option<(Observed, Observed)>,
    /// What planned groups became.
    pub ids: BTreeMap<GroupId, GroupId>,
    /// What the driver said about its calls and the cloud does not confirm.
    pub lies: Vec<String>,
    /// The ordinal among all writes of the world at which each step began.
    pub first_write: BTreeMap<StepId, usize>,
}

impl Done {
    /// Whether everything that was wanted was done.
    pub fn is_complete(&self) -> bool {
        self.held.is_none() && self.steps.iter().all(|(_, outcome)| matches!(outcome, StepOutcome::Done))
    }

    /// What is not as it should be, in a few words.
    pub fn why(&self) -> String {
        let open = self.steps.iter().filter(|(_, outcome)| !matches!(outcome, StepOutcome::Done));
        let open: Vec<String> = open.map(|(step, o)| format!("{}: {o:?}", step.title)).collect();
        format!("held back by {:?}, steps {open:?}", self.held)
    }
}

struct Run {
    current: Observed,
    read_at: u64,
    seen_at: BTreeMap<StepId, u64>,
    done: Done,
}

impl<'a> Pass<'a> {
    /// A pass with a new reader and a new writer.
    pub fn new(world: &'a dyn World) -> Self {
        Self { world, scope: world.scope(), reader: world.reader(), writer: world.writer() }
    }

    /// Makes the pass.
    pub async fn run(&self, policy: Policy) -> Result<Done, String> {
        let observed = match self.reader.observe(&self.scope).await {
            Ok(observed) => observed,
            Err(error) => return Ok(Done { held: Some(Held::Unread(error)), ..Done::default() }),
        };
        let (steps, done) = self.plan(policy, &observed)?;
        let mut run = Run { current: observed, read_at: self.world.now_ms(), seen_at: BTreeMap::new(), done };
        if run.done.held.is_some() || steps.is_empty() {
            return Ok(run.done);
        }
        self.wait_for_quiet(&mut run).await;
        let before = run.current.clone();
        for step in &steps {
            let outcome = self.step(&mut run, &steps, step).await;
            run.done.steps.push((step.clone(), outcome));
        }
        run.done.read = Some((before, run.current));
        Ok(run.done)
    }

    /// What a pass would do; nothing is written.
    pub async fn dry_run(&self, policy: Policy) -> Result<(Vec<Step>, Done), String> {
        let observed = self.reader.observe(&self.scope).await.map_err(|error| error.to_string())?;
        self.plan(policy, &observed)
    }

    /// The steps, proven, or why they may not be made.
    fn plan(&self, policy: Policy, observed: &Observed) -> Result<(Vec<Step>, Done), String> {
        let snapshot = snapshot(&policy.files(self.world)?, &self.scope, observed);
        let compiled = compile::compile(&snapshot).policy;
        let domain = [(&self.scope, observed)];
        let installation = INSTALLATION;
        let input =
            LowerInput { installation, compiled: &compiled, snapshot: &snapshot, domain: &domain, scope: 0 };
        let desired: Desired = self.reader.lower(&input);
        let inputs = [ScopeInput { scope: &self.scope, observed, desired: &desired }];
        let steps = plan::plan_steps(&inputs, &[]);
        let mut done = Done { transients: steps.transients, ..Done::default() };
        let blocking = desired.findings.iter().filter(|finding| finding.is_blocking());
        let mut blocks: Vec<Block> = blocking.map(block).collect();
        blocks.extend(steps.blocks);
        blocks.extend(quota(&*self.reader, &[observed], &steps.steps).1);
        if !blocks.is_empty() {
            done.held = Some(Held::Blocked(blocks));
            return Ok((steps.steps, done));
        }
        let end = self.reader.after(observed, &steps.steps.iter().collect::<Vec<_>>());
        let proof = plan::prove(&self.reader.semantics(&[&end]), &compiled, &snapshot);
        done.held = (!proof.equivalent).then_some(Held::NotProven(proof.witnesses));
        Ok((steps.steps, done))
    }

    /// An earlier process may have died a moment ago: nothing is built on what it wrote before that has settled.
    async fn wait_for_quiet(&self, run: &mut Run) {
        self.world.advance_ms(self.scope.settle_ms);
        self.read(run).await;
    }

    async fn step(&self, run: &mut Run, steps: &[Step], step: &Step) -> StepOutcome {
        if !step.after.iter().all(|id| run.seen_at.contains_key(id)) {
            return StepOutcome::Blocked;
        }
        let settled = step.settled_after.iter().filter_map(|id| run.seen_at.get(id)).max();
        let wait_until = settled.map_or(0, |at| at + self.scope.settle_ms);
        self.world.advance_ms(wait_until.saturating_sub(self.world.now_ms()));
        if step.action.kind() == StepKind::Break {
            // Nothing is broken on an old read, and not before what it leans on still stands.
            let is_fresh = self.world.now_ms() == run.read_at || self.read(run).await;
            let leaned_on = step.settled_after.iter().filter_map(|id| steps.get(id.0 as usize));
            let mut makes = leaned_on.filter(|make| make.action.kind() == StepKind::Make);
            if !is_fresh || !makes.all(|make| self.reader.holds(make, &run.current, &run.done.ids)) {
                return StepOutcome::Blocked;
            }
        }
        if let Err(error) = self.write(run, step).await {
            return StepOutcome::Failed(error);
        }
        for _ in 0..LOOKS_MAX {
            if self.read(run).await && self.reader.holds(step, &run.current, &run.done.ids) {
                run.seen_at.insert(step.id, self.world.now_ms());
                return StepOutcome::Done;
            }
            self.world.advance_ms(LOOK_EVERY_MS);
        }
        StepOutcome::Unseen
    }

    async fn write(&self, run: &mut Run, step: &Step) -> Result<(), ProviderError> {
        let before = self.world.writes().len();
        run.done.first_write.insert(step.id, before + 1);
        let current = std::slice::from_ref(&run.current);
        let answer = self.writer.apply(&self.scope, step, current, &run.done.ids).await;
        let heard = self.world.writes().split_off(before);
        let (told, result) = match answer {
            Ok(applied) => {
                if let (StepAction::CreateGroup { group, .. }, Some(id)) = (&step.action, applied.created) {
                    run.done.ids.insert(group.clone(), id);
                }
                (applied.calls, Ok(()))
            }
            Err(Failed { calls, error }) => (calls, Err(error)),
        };
        if told.len() != heard.len() {
            let told: Vec<String> = told.into_iter().map(|call| call.action).collect();
            run.done.lies.push(format!("{}: it told of {told:?}, the cloud heard {heard:?}", step.title));
        }
        result
    }

    async fn read(&self, run: &mut Run) -> bool {
        let Ok(observed) = self.reader.observe(&self.scope).await else { return false };
        run.current = observed;
        run.read_at = self.world.now_ms();
        true
    }
}

fn block(finding: &policy::Finding) -> Block {
    Block {
        code: finding.code.clone(),
        subject: finding.subject.clone(),
        message: finding.message.clone(),
        hint: finding.hint.clone(),
        can_override: false,
    }
}
