//! Quota before, at the peak of the transition and after.
//!
//! While a step is in flight its object may be in either state, so additions count at once and removals only when
//! they have settled. Rules are counted for each family apart; a group reference counts in both
//! (`providers.md` 1.1).

use std::collections::{BTreeMap, BTreeSet};

use policy::{InterfaceId, NetworkId};

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
    groups: BTreeMap<Region, RegionCount>,
    region_of: BTreeMap<NetworkId, Region>,
    network_of: BTreeMap<GroupId, NetworkId>,
    titles: BTreeMap<GroupId, String>,
    limits: Limits,
}

/// Account and region.
type Region = (String, String);

/// Whether what a step adds fits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Room {
    /// Whenever it runs.
    Always,
    /// Once the removals from the same object that have settled are done.
    AfterRemovals,
    /// Not now.
    None,
}

/// A set with the numbers that it had.
#[derive(Clone, Debug)]
struct Counted<T> {
    now: BTreeSet<T>,
    before: (u32, u32),
    peak: (u32, u32),
    /// With everything that was removed again.
    ever: (u32, u32),
}

type Count<T> = fn(&BTreeSet<T>) -> (u32, u32);

impl<T: Ord + Clone> Counted<T> {
    fn new(now: BTreeSet<T>, count: Count<T>) -> Self {
        let before = count(&now);
        Self { now, before, peak: before, ever: before }
    }

    /// What the additions cost.
    fn cost(&self, more: &[T], count: Count<T>) -> (u32, u32) {
        count(&more.iter().filter(|item| !self.now.contains(item)).cloned().collect())
    }

    fn add(&mut self, more: &[T], count: Count<T>) {
        let cost = self.cost(more, count);
        self.ever = (self.ever.0 + cost.0, self.ever.1 + cost.1);
        self.now.extend(more.iter().cloned());
        let now = count(&self.now);
        self.peak = (self.peak.0.max(now.0), self.peak.1.max(now.1));
    }

    fn room(&self, more: &[T], count: Count<T>, limit: u32) -> Room {
        let (now, cost) = (count(&self.now), self.cost(more, count));
        let fits = |used: (u32, u32)| used.0 + cost.0 <= limit && used.1 + cost.1 <= limit;
        match (fits(now), fits(self.ever)) {
            (_, true) => Room::Always,
            (true, false) => Room::AfterRemovals,
            (false, false) => Room::None,
        }
    }
}

/// Groups of one region.
#[derive(Clone, Copy, Debug, Default)]
struct RegionCount {
    before: u32,
    now: u32,
    peak: u32,
    ever: u32,
}

fn rule_cost(rules: &BTreeSet<RuleSpec>) -> (u32, u32) {
    rules.iter().map(RuleSpec::cost).fold((0, 0), |sum, cost| (sum.0 + cost.0, sum.1 + cost.1))
}

fn slot_cost(groups: &BTreeSet<GroupId>) -> (u32, u32) {
    (groups.len() as u32, 0)
}

impl Peaks {
    pub(crate) fn before(domain: &[ScopeInput<'_>]) -> Self {
        let limits = domain.iter().map(|input| input.observed.limits).reduce(smaller).unwrap_or_default();
        let mut peaks = Self { limits, ..Self::default() };
        for input in domain {
            let region = (input.scope.account.clone(), input.scope.region.clone());
            for network in &input.observed.networks {
                peaks.region_of.insert(network.id.clone(), region.clone());
            }
            let count = peaks.groups.entry(region).or_default();
            count.now += input.observed.groups.len() as u32;
            (count.before, count.peak, count.ever) = (count.now, count.now, count.now);
            for group in &input.observed.groups {
                peaks.network_of.insert(group.id.clone(), group.network.clone());
                if group.owner == crate::state::Owner::Ours {
                    peaks.titles.insert(group.id.clone(), group.name.clone());
                    peaks.add_lists(&group.id, &group.ingress, &group.egress);
                }
            }
            for interface in &input.observed.interfaces {
                let counted = Counted::new(interface.groups.iter().cloned().collect(), slot_cost);
                peaks.slots.insert(interface.id.clone(), counted);
            }
        }
        peaks
    }

    fn add_lists(&mut self, group: &GroupId, ingress: &[RuleSpec], egress: &[RuleSpec]) {
        for (direction, rules) in [(Direction::Ingress, ingress), (Direction::Egress, egress)] {
            let counted = Counted::new(rules.iter().cloned().collect(), rule_cost);
            self.rules.insert((group.clone(), direction), counted);
        }
    }

    fn region(&mut self, group: &GroupId) -> Option<&mut RegionCount> {
        let region = self.region_of.get(self.network_of.get(group)?)?;
        self.groups.get_mut(region)
    }

    /// Whether what the step adds fits into its object now.
    pub(crate) fn room(&self, action: &StepAction) -> Room {
        match action {
            StepAction::CreateGroup { network, .. } => {
                let count = self.region_of.get(network).and_then(|region| self.groups.get(region));
                count.map_or(Room::Always, |count| {
                    let fits = |used: u32| used < self.limits.groups_per_region;
                    match (fits(count.now), fits(count.ever)) {
                        (_, true) => Room::Always,
                        (true, false) => Room::AfterRemovals,
                        (false, false) => Room::None,
                    }
                })
            }
            StepAction::AddRules { group, direction, rules } => {
                let list = self.rules.get(&(group.clone(), *direction));
                list.map_or(Room::Always, |list| list.room(rules, rule_cost, self.limits.rules_per_group))
            }
            StepAction::Attach { interface, add } => {
                let slots = self.slots.get(interface);
                let limit = self.limits.groups_per_interface;
                slots.map_or(Room::Always, |slots| slots.room(add, slot_cost, limit))
            }
            _ => Room::Always,
        }
    }

    /// A step goes into flight: what it adds counts.
    pub(crate) fn raise(&mut self, action: &StepAction) {
        match action {
            StepAction::CreateGroup { group, description, open_egress, network, .. } => {
                self.titles.insert(group.clone(), format!("{description} in {network}"));
                self.network_of.insert(group.clone(), network.clone());
                self.add_lists(group, &[], &[]);
                if *open_egress && let Some(list) = self.rules.get_mut(&(group.clone(), Direction::Egress)) {
                    list.add(&crate::state::allow_everything(), rule_cost);
                }
                if let Some(count) = self.region(group) {
                    count.now += 1;
                    count.ever += 1;
                    count.peak = count.peak.max(count.now);
                }
            }
            StepAction::AddRules { group, direction, rules } => {
                if let Some(list) = self.rules.get_mut(&(group.clone(), *direction)) {
                    list.add(rules, rule_cost);
                }
            }
            StepAction::Attach { interface, add } => {
                if let Some(slots) = self.slots.get_mut(interface) {
                    slots.add(add, slot_cost);
                }
            }
            _ => {}
        }
    }

    /// A step has settled: what it removes stops counting.
    pub(crate) fn settle(&mut self, action: &StepAction) {
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
            StepAction::DeleteGroup { group, .. } => {
                if let Some(count) = self.region(group) {
                    count.now = count.now.saturating_sub(1);
                }
                for direction in [Direction::Ingress, Direction::Egress] {
                    if let Some(list) = self.rules.get_mut(&(group.clone(), direction)) {
                        list.now.clear();
                    }
                }
            }
            _ => {}
        }
    }

    /// Whether a removal makes room in the object that an addition fills.
    pub(crate) fn same_object(&self, addition: &StepAction, removal: &StepAction) -> bool {
        match (addition, removal) {
            (
                StepAction::AddRules { group, direction, .. },
                StepAction::RemoveRules { group: other, direction: that, .. },
            ) => group == other && direction == that,
            (StepAction::Attach { interface, .. }, StepAction::Detach { interface: other, .. }) => {
                interface == other
            }
            (StepAction::CreateGroup { network, .. }, StepAction::DeleteGroup { group, .. }) => {
                let region = |network: &NetworkId| self.region_of.get(network);
                self.network_of.get(group).is_some_and(|other| region(network) == region(other))
            }
            _ => false,
        }
    }
}

/// The worst object of each kind, and a block for each that is over at the peak or at the end.
pub(crate) fn lines(domain: &[ScopeInput<'_>], peaks: &Peaks) -> (Vec<QuotaLine>, Vec<Block>) {
    let limits = peaks.limits;
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
    let region = peaks.groups.iter().map(|((account, region), count)| QuotaLine {
        name: "groups in the region".to_owned(),
        subject: format!("{account} {region}").trim().to_owned(),
        before: count.before,
        peak: count.peak,
        after: count.now,
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
