//! Guards: changes so large that somebody should look first (DESIGN 6).

use std::collections::{BTreeMap, BTreeSet};

use crate::changes::{self, Reach};
use crate::plan::Block;
use crate::prove::Context;
use crate::scope::Direction;
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

/// Few rules are always a large share: so many may go, unless none may.
const FEW_RULES: usize = 5;

/// The guards that a plan trips. `domain` is the state before, with what others changed by hand set back.
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
    let (removed, rules) = removed_rules(domain, steps);
    let few = removed <= FEW_RULES && settings.remove_rules_percent > 0;
    if !few && over(removed, rules, settings.remove_rules_percent) {
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

/// Rules that are removed and rules that there are, in groups of ours with a member: what an interrupted apply
/// left in groups that nobody is in, and rules that were not in the given state, are nobody's loss.
fn removed_rules(domain: &[&Observed], steps: &[Step]) -> (usize, usize) {
    let used: BTreeSet<_> = domain.iter().flat_map(|o| &o.interfaces).flat_map(|i| &i.groups).collect();
    let groups = domain.iter().flat_map(|observed| &observed.groups);
    let counted: BTreeMap<_, _> = groups
        .filter(|group| group.owner == Owner::Ours && used.contains(&group.id))
        .map(|group| (&group.id, group))
        .collect();
    let deleted: BTreeSet<_> = steps
        .iter()
        .filter_map(|step| match &step.action {
            StepAction::DeleteGroup { group, .. } => Some(group),
            _ => None,
        })
        .collect();
    let removed = |step: &Step| match &step.action {
        StepAction::RemoveRules { group, .. } if deleted.contains(group) => 0,
        StepAction::RemoveRules { group, direction, rules } => counted.get(group).map_or(0, |held| {
            let list = if *direction == Direction::Ingress { &held.ingress } else { &held.egress };
            rules.iter().filter(|rule| list.contains(rule)).count()
        }),
        StepAction::DeleteGroup { group, .. } => {
            counted.get(group).map_or(0, |held| held.ingress.len() + held.egress.len())
        }
        _ => 0,
    };
    let total = counted.values().map(|group| group.ingress.len() + group.egress.len()).sum();
    (steps.iter().map(removed).sum(), total)
}

fn block(code: &str, subject: String, message: String, what: &str) -> Block {
    let hint = format!("{what}; if it is meant, apply with `--allow {code}` (recorded)");
    Block { code: code.to_owned(), subject, message, hint, can_override: true }
}

fn over(part: usize, whole: usize, allowed_percent: u32) -> bool {
    part * 100 > whole * allowed_percent as usize
}

fn percent(part: usize, whole: usize) -> usize {
    (part * 100).checked_div(whole).unwrap_or(0)
}

/// Protected flows that pass before and not after.
pub fn protect<'a>(
    protected: &[policy::Rule],
    before: &'a Context<'a>,
    after: &'a Context<'a>,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::{AttachClass, GroupState, InterfaceState, RuleService, RuleSpec};
    use crate::{Peer, StepId};

    /// One group of ours with ten rules, on an interface or not; a step takes seven of them out.
    fn check_removal(member: bool) -> Vec<String> {
        let rule = |port: u16| RuleSpec {
            peer: Peer::Group("sg-1".into()),
            service: RuleService::Ports { protocol: 6, first: port, last: port },
        };
        let group = GroupState {
            id: "sg-1".into(),
            network: "vpc-1".into(),
            name: "ours".to_owned(),
            owner: Owner::Ours,
            ingress: (1..=10).map(rule).collect(),
            egress: Vec::new(),
            tag_drift: BTreeMap::new(),
        };
        let interface = InterfaceState {
            id: "eni-1".into(),
            network: "vpc-1".into(),
            workload: "i-1".into(),
            name: "web-1".to_owned(),
            addresses: Vec::new(),
            groups: if member { vec!["sg-1".into()] } else { Vec::new() },
            attach: AttachClass::Direct,
            tags: BTreeMap::new(),
            path_filters: Vec::new(),
            mac: None,
        };
        let observed = Observed { groups: vec![group], interfaces: vec![interface], ..Observed::default() };
        let rules = (1..=7).map(rule).collect();
        let step = Step {
            id: StepId(0),
            scope: "scope".into(),
            action: StepAction::RemoveRules { group: "sg-1".into(), direction: Direction::Ingress, rules },
            title: String::new(),
            reasons: Vec::new(),
            after: Vec::new(),
            settled_after: Vec::new(),
        };
        let blocks = check(&[&observed], &[step], &Reach::default(), &GuardSettings::default());
        blocks.into_iter().map(|block| format!("{}: {}", block.code, block.message)).collect()
    }

    #[test]
    fn too_many_removed_rules_trip_the_guard() {
        assert_eq!(check_removal(true), ["remove-rules: 7 of 10 rules are removed (70 %, allowed are 20 %)"]);
    }

    #[test]
    fn rules_of_a_group_that_nobody_is_in_are_no_loss() {
        assert!(check_removal(false).is_empty());
    }
}
