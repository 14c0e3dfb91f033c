//! observe → compile → lower → diff → prove, as one plan. Holds only readers.

use std::collections::{BTreeMap, BTreeSet};

use plan::guard::GuardSettings;
use plan::plan::{Block, Change, DriftItem, EstateSummary, Exposure, FORMAT_VERSION, ProofSummary};
use plan::prove::Context;
use plan::report::settle_waits;
use plan::{
    Desired, Observed, Plan, Scope, ScopeId, ScopeInput, Step, Steps, WithheldBecause, changes, digest,
    guard, plan_steps, prove,
};
use policy::compile::compile;
use policy::file::PolicyFiles;
use policy::{CompiledPolicy, EnforcementMode, Finding, Snapshot, Translation};
use provider::{CloudReader, LowerInput, ProviderError};

use crate::inventory;
use crate::last_applied::{LastApplied, Object, object_of};
use crate::mapping::Mapping;

/// What a plan is made from, besides what is observed.
#[derive(Clone, PartialEq, Debug)]
pub struct Intent {
    /// The installation whose objects are made.
    pub installation: String,
    /// The policy files, read.
    pub files: PolicyFiles,
    /// Their digest.
    pub policy_digest: String,
    /// The commit of the policy folder, if it is a git checkout.
    pub policy_commit: Option<String>,
    /// Tags → labels.
    pub mapping: Mapping,
    /// What becomes of addresses between networks that are not connected.
    pub translations: Vec<Translation>,
    /// The guards.
    pub guards: GuardSettings,
}

/// What could be read of a domain, and what could not.
#[derive(Default)]
pub struct Reading {
    /// Scopes with their complete observation.
    pub observed: Vec<(Scope, Observed)>,
    /// Scopes that could not be read, and why.
    pub unobserved: Vec<(ScopeId, ProviderError)>,
}

/// A plan with what it was computed from.
pub struct Planned {
    /// The plan.
    pub plan: Plan,
    /// The snapshot.
    pub snapshot: Snapshot,
    /// The compiled policy.
    pub compiled: CompiledPolicy,
}

/// Reads every scope of a domain; each is complete or an error.
pub async fn observe(reader: &dyn CloudReader, scopes: &[Scope]) -> Reading {
    let mut reading = Reading::default();
    for scope in scopes {
        match reader.observe(scope).await {
            Ok(observed) => reading.observed.push((scope.clone(), observed)),
            Err(error) => reading.unobserved.push((scope.id.clone(), error)),
        }
    }
    reading
}

/// Makes the plan of a domain. Pure but for the reader's own pure parts.
pub fn make_plan(
    reader: &dyn CloudReader,
    intent: &Intent,
    reading: &Reading,
    last: Option<&LastApplied>,
) -> Planned {
    let domain: Vec<(&Scope, &Observed)> =
        reading.observed.iter().map(|(scope, observed)| (scope, observed)).collect();
    let mut snapshot = inventory::snapshot(&intent.files, &intent.mapping, &domain);
    snapshot.translations.clone_from(&intent.translations);
    let compilation = compile(&snapshot);
    let desired = lower(reader, intent, &compilation.policy, &snapshot, &domain);
    let inputs: Vec<ScopeInput<'_>> = domain
        .iter()
        .zip(&desired)
        .map(|((scope, observed), desired)| ScopeInput { scope, observed, desired })
        .collect();
    let unobserved: Vec<ScopeId> = reading.unobserved.iter().map(|(id, _)| id.clone()).collect();
    let mut steps = plan_steps(&inputs, &unobserved);
    let drift = leave_out(&domain, &mut steps, last);
    let judged = judge(reader, intent, (&domain, &steps, last), &compilation.policy, &snapshot);

    let mut findings: Vec<Finding> = intent.files.findings.clone();
    findings.extend(compilation.findings);
    findings.extend(desired.iter().flat_map(|desired| desired.findings.clone()));
    findings.append(&mut steps.findings);
    findings.extend(inventory::findings(&intent.mapping, &domain));
    findings.extend(reading.unobserved.iter().map(unobserved_finding));
    let (blocking, findings): (Vec<_>, Vec<_>) = findings.into_iter().partition(Finding::is_blocking);
    let observed: Vec<&Observed> = domain.iter().map(|(_, observed)| *observed).collect();
    let (counted, over) = provider::quota::quota(reader, &observed, &steps.steps);
    let mut blocks = steps.blocks;
    blocks.extend(over);
    blocks.extend(blocking.into_iter().map(block_from));
    blocks.extend(judged.blocks);
    blocks.sort();
    blocks.dedup();

    let (calls, duration_ms) = estimate(reader, &domain, &steps.steps);
    let mut plan = Plan {
        format_version: FORMAT_VERSION,
        installation: intent.installation.clone(),
        policy_digest: intent.policy_digest.clone(),
        policy_commit: intent.policy_commit.clone(),
        base: String::new(),
        scopes: domain.iter().map(|(scope, _)| (*scope).clone()).collect(),
        steps: steps.steps,
        withheld: steps.withheld,
        changes: judged.changes,
        transients: steps.transients,
        blocks,
        findings,
        drift,
        quota: steps.quota.into_iter().chain(counted).collect(),
        calls,
        duration_ms,
        proof: judged.proof,
        uncovered: desired.iter().flat_map(|desired| desired.uncovered.clone()).collect(),
        estate: summary(&domain, &desired, &snapshot, &compilation.policy),
    };
    plan.base = digest::base_digest(&plan, &observed);
    plan.duration_ms +=
        settle_waits(&plan) as u64 * domain.iter().map(|(scope, _)| scope.settle_ms).max().unwrap_or(0);
    Planned { plan, snapshot, compiled: compilation.policy }
}

fn lower(
    reader: &dyn CloudReader,
    intent: &Intent,
    compiled: &CompiledPolicy,
    snapshot: &Snapshot,
    domain: &[(&Scope, &Observed)],
) -> Vec<Desired> {
    let installation = intent.installation.as_str();
    let input = |scope| LowerInput { installation, compiled, snapshot, domain, scope };
    (0..domain.len()).map(|scope| reader.lower(&input(scope))).collect()
}

/// What the states before and after a plan say about it.
struct Judged {
    proof: ProofSummary,
    changes: Vec<Change>,
    blocks: Vec<Block>,
}

/// Proves the state that the policy wants, and compares what there is with what the plan leaves.
fn judge(
    reader: &dyn CloudReader,
    intent: &Intent,
    (domain, steps, last): (&[(&Scope, &Observed)], &Steps, Option<&LastApplied>),
    compiled: &CompiledPolicy,
    snapshot: &Snapshot,
) -> Judged {
    let before: Vec<&Observed> = domain.iter().map(|(_, observed)| *observed).collect();
    let graph = |states: &[Observed]| reader.semantics(&states.iter().collect::<Vec<_>>());
    let changed = |steps: &[&Step]| -> Vec<Observed> {
        before.iter().map(|observed| reader.after(observed, steps)).collect()
    };
    let made: Vec<&Step> = steps.steps.iter().collect();
    let wanted: Vec<&Step> = steps.steps.iter().chain(steps.withheld.iter().map(|w| &w.step)).collect();
    let graph_now = reader.semantics(&before);
    // Without steps everything stays as it is: nothing to read again, nothing to compare.
    let graph_end = (!made.is_empty()).then(|| graph(&changed(&made)));
    let graph_wanted = (wanted.len() > made.len()).then(|| graph(&changed(&wanted)));
    let end = graph_end.as_ref().unwrap_or(&graph_now);
    let proof = prove(graph_wanted.as_ref().unwrap_or(end), compiled, snapshot);

    let (now, end) = (Context::new(&graph_now, compiled, snapshot), Context::new(end, compiled, snapshot));
    let reach = graph_end.as_ref().map(|_| changes::compare(&now, &end)).unwrap_or_default();
    // Guards ask what the change of policy or labels does: closing what somebody opened by hand is no loss.
    let undo: Vec<Step> =
        last.map(|last| before.iter().flat_map(|observed| last.undo(observed)).collect()).unwrap_or_default();
    // Nothing to undo: what there is is what was meant.
    let restored = (!undo.is_empty()).then(|| changed(&undo.iter().collect::<Vec<_>>()));
    let graph_restored = restored.as_ref().map(|restored| graph(restored));
    let intended = graph_restored.as_ref().map(|graph| Context::new(graph, compiled, snapshot));
    let loss = match (&intended, &graph_end) {
        (Some(intended), Some(_)) => changes::compare(intended, &end),
        _ => reach.clone(),
    };
    let restored = restored.as_ref().map_or(before, |restored| restored.iter().collect());
    let mut blocks = guard::check(&restored, &steps.steps, &loss, &intent.guards);
    let intended = intended.as_ref().unwrap_or(&now);
    blocks.extend(guard::protect(&intent.files.protect, intended, &end, &intent.guards));
    blocks.extend(proof_blocks(domain, &proof));
    Judged { proof, changes: reach.lines, blocks }
}

/// Leaves out what is not to be written now: objects that drifted in a scope that only reports, and scopes that are
/// observed only beside others that are enforced. Returns the drift.
fn leave_out(
    domain: &[(&Scope, &Observed)],
    steps: &mut Steps,
    last: Option<&LastApplied>,
) -> Vec<DriftItem> {
    let found: Vec<(Object, DriftItem)> = last
        .into_iter()
        .flat_map(|last| domain.iter().flat_map(|(scope, observed)| last.compare(scope, observed)))
        .collect();
    let left_alone: BTreeMap<(&ScopeId, &Object), &str> = found
        .iter()
        .filter(|(_, item)| !item.repaired)
        .map(|(object, item)| ((&item.scope, object), item.object.as_str()))
        .collect();
    let enforced: BTreeSet<&ScopeId> =
        domain.iter().filter(|(scope, _)| scope.enforce).map(|(scope, _)| &scope.id).collect();
    plan::withhold(steps, |step| {
        let object = object_of(&step.action);
        let drifted = left_alone.get(&(&step.scope, &object));
        let drifted = drifted.map(|object| WithheldBecause::Drifted((*object).to_owned()));
        let observed_only = !enforced.is_empty() && !enforced.contains(&step.scope);
        drifted.or_else(|| observed_only.then(|| WithheldBecause::ScopeObservedOnly(step.scope.clone())))
    });
    found.into_iter().map(|(_, item)| item).collect()
}

fn unobserved_finding((scope, error): &(ScopeId, ProviderError)) -> Finding {
    let hint =
        if error.hint.is_empty() { "steps that depend on it wait until it can be read" } else { &error.hint };
    Finding::new(policy::Severity::Warning, "scope-unobserved", scope, error, hint)
}

fn block_from(finding: Finding) -> Block {
    Block {
        code: finding.code,
        subject: finding.subject,
        message: finding.message,
        hint: finding.hint,
        can_override: false,
    }
}

/// What keeps the plan from being applied: a failed proof always, the other two statements where the scope says so.
fn proof_blocks(domain: &[(&Scope, &Observed)], proof: &ProofSummary) -> Vec<Block> {
    let block = |code: &str, subject: &str, message: String, hint: &str| Block {
        code: code.to_owned(),
        subject: subject.to_owned(),
        message,
        hint: hint.to_owned(),
        can_override: false,
    };
    let mut blocks = Vec::new();
    if !proof.equivalent {
        let message = "at least one packet shows that our objects would not mean what the policy says";
        let hint = "this is a fault of Bulkhead; please report it with the JSON form of the plan";
        blocks.push(block("proof", "the end state of the plan", message.to_owned(), hint));
    }
    for (scope, observed) in domain {
        let own = |found: &[Exposure]| {
            found.iter().filter(|e| observed.networks.iter().any(|network| network.id == e.network)).count()
        };
        let (exposed, obstructed) = (own(&proof.exposures), own(&proof.obstructions));
        if scope.gates.exposure && exposed > 0 {
            let message = format!("{exposed} foreign rules admit more than the policy");
            let hint = "take the foreign groups off, or use `attachment: exclusive`";
            blocks.push(block("exposure", scope.id.as_str(), message, hint));
        }
        if scope.gates.obstruction && obstructed > 0 {
            let message = format!("{obstructed} foreign filters cut what the policy allows");
            let hint = "open the network ACL, or narrow the policy";
            blocks.push(block("obstruction", scope.id.as_str(), message, hint));
        }
    }
    blocks
}

/// Calls by action, and the time of the slowest account and region: scopes of one share its buckets.
fn estimate(
    reader: &dyn CloudReader,
    domain: &[(&Scope, &Observed)],
    steps: &[Step],
) -> (BTreeMap<String, u32>, u64) {
    let mut calls = BTreeMap::new();
    let mut duration_ms: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    let batches = plan::batches(steps);
    for (scope, observed) in domain {
        let of_scope = |step: &&Step| step.scope == scope.id;
        let own: Vec<Vec<&Step>> =
            batches.iter().map(|batch| batch.iter().copied().filter(of_scope).collect()).collect();
        let estimate = reader.estimate(scope, observed, &own);
        for (action, count) in estimate.calls {
            *calls.entry(action).or_default() += count;
        }
        *duration_ms.entry((&scope.account, &scope.region)).or_default() += estimate.duration_ms;
    }
    (calls, duration_ms.into_values().max().unwrap_or(0))
}

fn summary(
    domain: &[(&Scope, &Observed)],
    desired: &[Desired],
    snapshot: &Snapshot,
    compiled: &CompiledPolicy,
) -> EstateSummary {
    let mut members: BTreeMap<String, u32> = BTreeMap::new();
    for (index, workload, interface) in snapshot.interfaces() {
        if workload.mode == EnforcementMode::Full && interface.enforces.ingress {
            *members.entry(compiled.class(compiled.class_of[index]).description.clone()).or_default() += 1;
        }
    }
    EstateSummary {
        networks: domain.iter().map(|(_, observed)| observed.networks.len() as u32).sum(),
        workloads: snapshot.workloads.len() as u32,
        interfaces: domain.iter().map(|(_, observed)| observed.interfaces.len() as u32).sum(),
        enforced: desired.iter().map(|desired| desired.members.len() as u32).sum(),
        classes: members.len() as u32,
        members,
    }
}
