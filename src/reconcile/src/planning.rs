//! observe → compile → lower → diff → prove, as one plan. Holds only readers.

use std::collections::BTreeMap;

use plan::guard::GuardSettings;
use plan::plan::{Block, DriftItem, EstateSummary, FORMAT_VERSION};
use plan::prove::Context;
use plan::report::settle_waits;
use plan::{
    Desired, Observed, Plan, Scope, ScopeId, ScopeInput, Step, changes, digest, guard, plan_steps, prove,
};
use policy::compile::compile;
use policy::file::PolicyFiles;
use policy::{CompiledPolicy, EnforcementMode, Finding, Snapshot};
use provider::{CloudReader, LowerInput, ProviderError};

use crate::inventory;
use crate::last_applied::LastApplied;
use crate::mapping::Mapping;

/// What a plan is made from, besides what is observed.
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
    let snapshot = inventory::snapshot(&intent.files, &intent.mapping, &domain);
    let compilation = compile(&snapshot);
    let compiled = compilation.policy;
    let desired: Vec<Desired> = (0..domain.len())
        .map(|scope| {
            reader.lower(&LowerInput {
                installation: &intent.installation,
                compiled: &compiled,
                snapshot: &snapshot,
                domain: &domain,
                scope,
            })
        })
        .collect();
    let inputs: Vec<ScopeInput<'_>> = domain
        .iter()
        .zip(&desired)
        .map(|((scope, observed), desired)| ScopeInput { scope, observed, desired })
        .collect();
    let unobserved: Vec<ScopeId> = reading.unobserved.iter().map(|(id, _)| id.clone()).collect();
    let mut steps = plan_steps(&inputs, &unobserved);
    let drift = drift_of(&domain, &mut steps.steps, last);

    let before: Vec<&Observed> = domain.iter().map(|(_, observed)| *observed).collect();
    let graph_before = reader.semantics(&before);
    // A plan without steps leaves everything as it is: nothing to read again, nothing to compare.
    let graph_after = (!steps.steps.is_empty()).then(|| {
        let end: Vec<Observed> = before.iter().map(|observed| plan::after(observed, &steps.steps)).collect();
        reader.semantics(&end.iter().collect::<Vec<_>>())
    });
    let graph_end = graph_after.as_ref().unwrap_or(&graph_before);
    let proof = prove(graph_end, &compiled, &snapshot);
    let after = Context::new(graph_end, &compiled, &snapshot);
    let now = Context::new(&graph_before, &compiled, &snapshot);
    let reach = graph_after.as_ref().map(|_| changes::compare(&now, &after)).unwrap_or_default();
    // Guards ask what the change of policy or labels does: closing what somebody opened by hand is no loss.
    let restored: Option<Vec<Observed>> =
        last.map(|last| before.iter().map(|observed| last.restore(observed)).collect());
    let restored: Option<Vec<&Observed>> = restored.as_ref().map(|restored| restored.iter().collect());
    let graph_restored = restored.as_ref().map(|restored| reader.semantics(restored));
    let intended = graph_restored.as_ref().map(|graph| Context::new(graph, &compiled, &snapshot));
    let loss = match (&intended, &graph_after) {
        (Some(intended), Some(_)) => changes::compare(intended, &after),
        _ => reach.clone(),
    };
    let (restored, intended) = (restored.as_ref().unwrap_or(&before), intended.as_ref().unwrap_or(&now));

    let mut findings: Vec<Finding> = intent.files.findings.clone();
    findings.extend(inventory::findings(&domain));
    findings.extend(compilation.findings);
    findings.extend(desired.iter().flat_map(|desired| desired.findings.clone()));
    findings.append(&mut steps.findings);
    findings.extend(reading.unobserved.iter().map(unobserved_finding));
    let (blocking, findings): (Vec<_>, Vec<_>) = findings.into_iter().partition(Finding::is_blocking);
    let mut blocks = steps.blocks;
    blocks.extend(blocking.into_iter().map(block_from));
    blocks.extend(guard::check(restored, &steps.steps, &loss, &intent.guards));
    blocks.extend(guard::protect(&intent.files.protect, intended, &after, &intent.guards));
    // With a scope unread or drift left alone the end state is not meant to be equal to the intent.
    let partial = !unobserved.is_empty() || drift.iter().any(|item| !item.repaired);
    blocks.extend(proof_blocks(&domain, &proof, partial));
    blocks.sort();
    blocks.dedup();

    let estimate = estimate(reader, &domain, &steps.steps);
    let mut plan = Plan {
        format_version: FORMAT_VERSION,
        installation: intent.installation.clone(),
        policy_digest: intent.policy_digest.clone(),
        policy_commit: intent.policy_commit.clone(),
        base: digest::base_digest(&intent.policy_digest, &before, &steps.steps),
        scopes: domain.iter().map(|(scope, _)| (*scope).clone()).collect(),
        steps: steps.steps,
        changes: reach.lines,
        transients: steps.transients,
        blocks,
        findings,
        drift,
        quota: steps.quota,
        calls: estimate.0,
        duration_ms: estimate.1,
        proof,
        uncovered: desired.iter().flat_map(|desired| desired.uncovered.clone()).collect(),
        estate: summary(&domain, &desired, &snapshot, &compiled),
    };
    plan.duration_ms +=
        settle_waits(&plan) as u64 * domain.iter().map(|(scope, _)| scope.settle_ms).max().unwrap_or(0);
    Planned { plan, snapshot, compiled }
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

fn proof_blocks(
    domain: &[(&Scope, &Observed)],
    proof: &plan::plan::ProofSummary,
    partial: bool,
) -> Vec<Block> {
    let block = |code: &str, message: String, hint: &str| Block {
        code: code.to_owned(),
        subject: "the end state of the plan".to_owned(),
        message,
        hint: hint.to_owned(),
        can_override: false,
    };
    let mut blocks = Vec::new();
    if !proof.equivalent && !partial {
        let message = format!(
            "{} packets show that our objects would not mean what the policy says",
            proof.witnesses.len()
        );
        blocks.push(block(
            "proof",
            message,
            "this is a fault of Bulkhead; please report it with the JSON form of the plan",
        ));
    }
    if !proof.exposures.is_empty() && domain.iter().any(|(scope, _)| scope.gates.exposure) {
        let message = format!("{} foreign rules admit more than the policy", proof.exposures.len());
        blocks.push(block(
            "exposure",
            message,
            "take the foreign groups off, or use `attachment: exclusive`",
        ));
    }
    if !proof.obstructions.is_empty() && domain.iter().any(|(scope, _)| scope.gates.obstruction) {
        let message = format!("{} foreign filters cut what the policy allows", proof.obstructions.len());
        blocks.push(block("obstruction", message, "open the network ACL, or narrow the policy"));
    }
    blocks
}

/// Sorts out drift: what differs from what was last applied. In a scope that only reports, the steps on drifted
/// objects are taken out of the plan.
fn drift_of(
    domain: &[(&Scope, &Observed)],
    steps: &mut Vec<Step>,
    last: Option<&LastApplied>,
) -> Vec<DriftItem> {
    let Some(last) = last else { return Vec::new() };
    let mut items = Vec::new();
    for (scope, observed) in domain {
        for (object, item) in last.compare(scope, observed) {
            if !item.repaired {
                steps.retain(|step| !crate::last_applied::concerns(&step.action, &object));
            }
            items.push(item);
        }
    }
    renumber(steps);
    items
}

/// Ids are indexes: after steps were taken out, the rest is numbered anew.
fn renumber(steps: &mut [Step]) {
    let new: BTreeMap<plan::StepId, plan::StepId> =
        steps.iter().enumerate().map(|(number, step)| (step.id, plan::StepId(number as u32))).collect();
    for step in steps {
        step.id = new[&step.id];
        for list in [&mut step.after, &mut step.settled_after] {
            *list = list.iter().filter_map(|id| new.get(id).copied()).collect();
        }
    }
}

fn estimate(
    reader: &dyn CloudReader,
    domain: &[(&Scope, &Observed)],
    steps: &[Step],
) -> (BTreeMap<String, u32>, u64) {
    let (mut calls, mut duration_ms) = (BTreeMap::new(), 0);
    for (scope, _) in domain {
        let own: Vec<&Step> = steps.iter().filter(|step| step.scope == scope.id).collect();
        let estimate = reader.estimate(scope, &own);
        for (action, count) in estimate.calls {
            *calls.entry(action).or_default() += count;
        }
        duration_ms = duration_ms.max(estimate.duration_ms);
    }
    (calls, duration_ms)
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
