//! Quota before, at the peak of the transition and after.
//!
//! While a step is in flight its object may be in either state, so additions count at once and removals only when
//! they have settled. Rules are counted for each family apart; a group reference counts in both
//! (`providers.md` 1.1).

use std::collections::{BTreeMap, BTreeSet};

use policy::InterfaceId;

use crate::diff::ScopeInput;
use crate::plan::{Block, QuotaLine};
use crate::scope::Direction;
use crate::state::{GroupId, Limits, RuleSpec};
use crate::step::StepAction;

/// Counts along a schedule.
#[derive(Clone, Debug, Default)]
pub(crate) struct Peaks {
    rules: BTreeMap<(GroupId, Direction), Counted<RuleSpec>>,
    slots: BTreeMap<InterfaceId, Counted<GroupId>>,
    groups: BTreeMap<crate::scope::ScopeId, (u32, u32, u32)>,
    titles: BTreeMap<GroupId, String>,
    scope_of: BTreeMap<GroupId, crate::scope::ScopeId>,
}

/// A set with the numbers that it had.
#[derive(Clone, Debug)]
struct Counted<T> {
    now: BTreeSet<T>,
    before: (u32, u32),
    peak: (u32, u32),
}

impl<T: Ord> Counted<T> {
    fn new(now: BTreeSet<T>, count: fn(&BTreeSet<T>) -> (u32, u32)) -> Self {
        let before = count(&now);
        Self { now, before, peak: before }
    }

    fn add(&mut self, more: impl IntoIterator<Item = T>, count: fn(&BTreeSet<T>) -> (u32, u32)) {
        self.now.extend(more);
        let now = count(&self.now);
        self.peak = (self.peak.0.max(now.0), self.peak.1.max(now.1));
    }
}

fn rule_cost(rules: &BTreeSet<RuleSpec>) -> (u32, u32) {
    rules.iter().map(RuleSpec::cost).fold((0, 0), |sum, cost| (sum.0 + cost.0, sum.1 + cost.1))
}

fn slot_cost(groups: &BTreeSet<GroupId>) -> (u32, u32) {
    (groups.len() as u32, 0)
}

impl Peaks {
    pub(crate) fn before(domain: &[ScopeInput<'_>]) -> Self {
        let mut peaks = Self::default();
        for input in domain {
            let count = input.observed.groups.len() as u32;
            peaks.groups.insert(input.scope.id.clone(), (count, count, count));
            for group in input.observed.groups.iter().filter(|g| g.owner == crate::state::Owner::Ours) {
                for (direction, rules) in
                    [(Direction::Ingress, &group.ingress), (Direction::Egress, &group.egress)]
                {
                    let counted = Counted::new(rules.iter().cloned().collect(), rule_cost);
                    peaks.rules.insert((group.id.clone(), direction), counted);
                }
                peaks.titles.insert(group.id.clone(), group.name.clone());
                peaks.scope_of.insert(group.id.clone(), input.scope.id.clone());
            }
            for interface in &input.observed.interfaces {
                let counted = Counted::new(interface.groups.iter().cloned().collect(), slot_cost);
                peaks.slots.insert(interface.id.clone(), counted);
            }
        }
        peaks
    }

    /// Steps go into flight: what they add counts.
    pub(crate) fn raise(&mut self, actions: &[StepAction]) {
        for action in actions {
            match action {
                StepAction::CreateGroup { group, description, open_egress, network, .. } => {
                    self.titles.insert(group.clone(), format!("{description} in {network}"));
                    for direction in [Direction::Ingress, Direction::Egress] {
                        self.rules
                            .insert((group.clone(), direction), Counted::new(BTreeSet::new(), rule_cost));
                    }
                    if *open_egress
                        && let Some(list) = self.rules.get_mut(&(group.clone(), Direction::Egress))
                    {
                        list.add(crate::state::allow_everything(), rule_cost);
                    }
                    for count in self.groups.values_mut() {
                        count.2 += 1;
                        count.1 = count.1.max(count.2);
                    }
                }
                StepAction::AddRules { group, direction, rules } => {
                    if let Some(list) = self.rules.get_mut(&(group.clone(), *direction)) {
                        list.add(rules.iter().cloned(), rule_cost);
                    }
                }
                StepAction::Attach { interface, add } => {
                    if let Some(slots) = self.slots.get_mut(interface) {
                        slots.add(add.iter().cloned(), slot_cost);
                    }
                }
                _ => {}
            }
        }
    }

    /// Steps have settled: what they remove stops counting.
    pub(crate) fn settle(&mut self, actions: &[StepAction]) {
        for action in actions {
            match action {
                StepAction::RemoveRules { group, direction, rules } => {
                    if let Some(list) = self.rules.get_mut(&(group.clone(), *direction)) {
                        list.now.retain(|rule| !rules.contains(rule));
                    }
                }
                StepAction::Detach { interface, remove } => {
                    if let Some(slots) = self.slots.get_mut(interface) {
                        slots.now.retain(|group| !remove.contains(group));
                    }
                }
                StepAction::DeleteGroup { .. } => {
                    self.groups.values_mut().for_each(|count| count.2 = count.2.saturating_sub(1))
                }
                _ => {}
            }
        }
    }
}

/// The worst object of each kind, and a block for each that is over at the peak or at the end.
pub(crate) fn lines(domain: &[ScopeInput<'_>], peaks: &Peaks) -> (Vec<QuotaLine>, Vec<Block>) {
    let limits = domain.iter().map(|input| input.observed.limits).reduce(smaller).unwrap_or_default();
    let mut all = rule_lines(peaks, limits);
    let names: BTreeMap<&InterfaceId, &str> = domain
        .iter()
        .flat_map(|input| &input.observed.interfaces)
        .map(|i| (&i.id, i.name.as_str()))
        .collect();
    let slots = peaks.slots.iter().map(|(id, count)| QuotaLine {
        name: "groups per interface".to_owned(),
        subject: format!("{} ({id})", names.get(id).copied().unwrap_or_default()),
        before: count.before.0,
        peak: count.peak.0,
        after: count.now.len() as u32,
        limit: limits.groups_per_interface,
    });
    all.push(slots.collect());
    let region = peaks.groups.iter().map(|(scope, (before, peak, after))| QuotaLine {
        name: "groups in the region".to_owned(),
        subject: scope.to_string(),
        before: *before,
        peak: *peak,
        after: *after,
        limit: limits.groups_per_region,
    });
    all.push(region.collect());
    let over = all
        .iter()
        .flatten()
        .filter(|line| line.peak.max(line.after) > line.limit && line.peak.max(line.after) > line.before);
    let blocks = over.map(block).collect();
    let worst = all
        .into_iter()
        .filter_map(|lines| lines.into_iter().max_by_key(|line| (line.peak, line.after, line.before)));
    (worst.collect(), blocks)
}

fn smaller(a: Limits, b: Limits) -> Limits {
    Limits {
        rules_per_group: a.rules_per_group.min(b.rules_per_group),
        groups_per_interface: a.groups_per_interface.min(b.groups_per_interface),
        groups_per_region: a.groups_per_region.min(b.groups_per_region),
    }
}

fn rule_lines(peaks: &Peaks, limits: Limits) -> Vec<Vec<QuotaLine>> {
    let mut all = Vec::new();
    for direction in [Direction::Ingress, Direction::Egress] {
        for (family, pick) in [("IPv4", 0), ("IPv6", 1)] {
            let of = |pair: (u32, u32)| if pick == 0 { pair.0 } else { pair.1 };
            let lists = peaks.rules.iter().filter(|((_, d), _)| *d == direction);
            all.push(
                lists
                    .map(|((group, _), count)| QuotaLine {
                        name: format!("rules per group ({direction}, {family})"),
                        subject: peaks.titles.get(group).cloned().unwrap_or_else(|| group.to_string()),
                        before: of(count.before),
                        peak: of(count.peak),
                        after: of(rule_cost(&count.now)),
                        limit: limits.rules_per_group,
                    })
                    .collect(),
            );
        }
    }
    all
}

fn block(line: &QuotaLine) -> Block {
    let when = if line.after > line.limit { "at the end" } else { "at the peak of the change" };
    let used = if line.after > line.limit { line.after } else { line.peak };
    Block {
        code: "quota".to_owned(),
        subject: line.subject.clone(),
        message: format!("{}: {used} of {} {when}", line.name, line.limit),
        hint: "raise the quota, drop or merge rules, or take a group off the interface; nothing was widened and nothing was written".to_owned(),
        can_override: false,
    }
}
