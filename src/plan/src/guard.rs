//! Guards: changes so large that somebody should look first (DESIGN 6).

use std::collections::BTreeSet;

use crate::changes::{self, Reach};
use crate::plan::Block;
use crate::prove::Context;
use crate::state::{Observed, Owner};
use crate::step::{Step, StepAction};

/// The numbers of the guards, and which are overridden.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GuardSettings {
    /// Share of a scope's interfaces that may lose an allowed peer, in percent.
    pub lose_peer_percent: u32,
    /// Share of our rules that may be removed, in percent.
    pub remove_rules_percent: u32,
    /// Interfaces that may lose all ingress.
    pub lose_all_ingress: u32,
    /// Guards that are overridden, by name; recorded in the audit line.
    pub allow: BTreeSet<String>,
}

impl Default for GuardSettings {
    fn default() -> Self {
        Self { lose_peer_percent: 10, remove_rules_percent: 20, lose_all_ingress: 0, allow: BTreeSet::new() }
    }
}

/// The guards that a plan trips.
pub fn check(domain: &[&Observed], steps: &[Step], reach: &Reach, settings: &GuardSettings) -> Vec<Block> {
    let mut blocks = Vec::new();
    for observed in domain {
        let interfaces = observed.interfaces.len();
        let losing = observed.interfaces.iter().filter(|i| reach.losers.contains(&i.id)).count();
        let subject = observed.scope.as_ref().map(ToString::to_string).unwrap_or_default();
        if over(losing, interfaces, settings.lose_peer_percent) {
            let message = format!(
                "{losing} of {interfaces} interfaces lose an allowed peer ({} %, allowed are {} %)",
                percent(losing, interfaces),
                settings.lose_peer_percent
            );
            blocks.push(block("lose-peer", subject.clone(), message, "read what closes below"));
        }
        let isolated = observed.interfaces.iter().filter(|i| reach.isolated.contains(&i.id)).count();
        if isolated > settings.lose_all_ingress as usize {
            let names: Vec<&str> = observed
                .interfaces
                .iter()
                .filter(|i| reach.isolated.contains(&i.id))
                .take(3)
                .map(|i| i.name.as_str())
                .collect();
            let message = format!("{isolated} interfaces lose all ingress, such as {}", names.join(", "));
            blocks.push(block(
                "lose-all-ingress",
                subject,
                message,
                "check their labels and the rules towards them",
            ));
        }
    }
    let ours = domain.iter().flat_map(|observed| &observed.groups).filter(|group| group.owner == Owner::Ours);
    let rules: usize = ours.map(|group| group.ingress.len() + group.egress.len()).sum();
    let removed: usize = steps
        .iter()
        .map(|step| match &step.action {
            StepAction::RemoveRules { rules, .. } => rules.len(),
            _ => 0,
        })
        .sum();
    // Few rules are always a large share: a handful may go.
    const ALWAYS_ALLOWED: usize = 5;
    if removed > ALWAYS_ALLOWED && over(removed, rules, settings.remove_rules_percent) {
        let message = format!(
            "{removed} of {rules} rules are removed ({} %, allowed are {} %)",
            percent(removed, rules),
            settings.remove_rules_percent
        );
        blocks.push(block("remove-rules", "all scopes".to_owned(), message, "read what closes below"));
    }
    blocks.retain(|block| !settings.allow.contains(&block.code));
    blocks
}

fn block(code: &str, subject: String, message: String, what: &str) -> Block {
    let hint = format!("{what}; if it is meant, apply with `--allow {code}` (recorded)");
    Block { code: code.to_owned(), subject, message, hint, can_override: true }
}

fn over(part: usize, whole: usize, allowed_percent: u32) -> bool {
    part * 100 > whole * allowed_percent as usize
}

fn percent(part: usize, whole: usize) -> usize {
    if whole == 0 { 0 } else { part * 100 / whole }
}

/// Protected flows that pass before and not after.
pub fn protect(
    protected: &[policy::Rule],
    before: &Context<'_>,
    after: &Context<'_>,
    settings: &GuardSettings,
) -> Vec<Block> {
    let mut blocks = Vec::new();
    for rule in protected {
        if let Some(example) = changes::cut_example(rule, before, after) {
            let message = format!("a protected flow is cut: {example}");
            blocks.push(block(
                "protect",
                rule.name.to_string(),
                message,
                "it is listed under `protect:` of the policy",
            ));
        }
    }
    blocks.retain(|block| !settings.allow.contains(&block.code));
    blocks
}
