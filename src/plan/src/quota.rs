//! Quota before, at the peak of the transition and after.
//!
//! While a step is in flight its object may be in either state, so additions count at once and removals only when
//! they have settled. Rules are counted for each family apart; a group reference counts in both
//! (`providers.md` 1.1). Only scopes whose [`Limits`] say something are counted; what other clouds count is in
//! [`crate::usage`].

use std::collections::{BTreeMap, BTreeSet};

use policy::{InterfaceId, NetworkId};
use rustc_hash::FxHashMap;

use crate::diff::ScopeInput;
use crate::plan::{Block, QuotaLine};
use crate::scope::Direction;
use crate::state::{GroupId, Limits, RuleSpec};
use crate::step::StepAction;

/// Counts along a schedule.
#[derive(Clone, Debug, Default)]
pub(crate) struct Peaks<'a> {
    rules: FxHashMap<(GroupId, Direction), Counted<'a, RuleSpec>>,
    slots: FxHashMap<InterfaceId, Counted<'a, GroupId>>,
    groups: BTreeMap<Region, RegionCount>,
    region_of: BTreeMap<NetworkId, Region>,
    network_of: FxHashMap<GroupId, NetworkId>,
    titles: FxHashMap<GroupId, String>,
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

/// What counts in both families: `(IPv4, IPv6)`.
type Cost = (u32, u32);

/// What is counted.
trait Item: Ord + Clone {
    fn cost(&self) -> Cost;
}

impl Item for RuleSpec {
    fn cost(&self) -> Cost {
        self.cost()
    }
}

impl Item for GroupId {
    fn cost(&self) -> Cost {
        (1, 0)
    }
}

fn sum<'i, T: Item + 'i>(items: impl Iterator<Item = &'i T>) -> Cost {
    items.map(Item::cost).fold((0, 0), |sum, cost| (sum.0 + cost.0, sum.1 + cost.1))
}

/// A set with the numbers that it had. Most never change, so changes are kept beside what was observed.
#[derive(Clone, Debug)]
struct Counted<'a, T> {
    /// Sorted, as everything observed is.
    observed: &'a [T],
    added: BTreeSet<T>,
    removed: BTreeSet<T>,
    before: Cost,
    now: Cost,
    peak: Cost,
    /// With everything that was removed again.
    ever: Cost,
    limit: u32,
}

impl<'a, T: Item> Counted<'a, T> {
    fn new(observed: &'a [T], limit: u32) -> Self {
        let before = sum(observed.iter());
        let (added, removed) = (BTreeSet::new(), BTreeSet::new());
        Self { observed, added, removed, before, now: before, peak: before, ever: before, limit }
    }

    fn contains(&self, item: &T) -> bool {
        self.added.contains(item) || self.observed.binary_search(item).is_ok() && !self.removed.contains(item)
    }

    /// What the additions cost.
    fn cost(&self, more: &[T]) -> Cost {
        let fresh: BTreeSet<&T> = more.iter().filter(|item| !self.contains(item)).collect();
        sum(fresh.into_iter())
    }

    fn add(&mut self, more: &[T]) {
        let cost = self.cost(more);
        self.ever = (self.ever.0 + cost.0, self.ever.1 + cost.1);
        self.now = (self.now.0 + cost.0, self.now.1 + cost.1);
        self.peak = (self.peak.0.max(self.now.0), self.peak.1.max(self.now.1));
        self.added.extend(more.iter().cloned());
    }

    fn remove(&mut self, less: &[T]) {
        let gone: BTreeSet<&T> = less.iter().filter(|item| self.contains(item)).collect();
        let cost = sum(gone.iter().copied());
        self.now = (self.now.0 - cost.0, self.now.1 - cost.1);
        for item in gone {
            self.added.remove(item);
            self.removed.insert(item.clone());
        }
    }

    fn clear(&mut self) {
        self.added.clear();
        self.removed.extend(self.observed.iter().cloned());
        self.now = (0, 0);
    }

    fn room(&self, more: &[T]) -> Room {
        let cost = self.cost(more);
        let fits = |used: Cost| used.0 + cost.0 <= self.limit && used.1 + cost.1 <= self.limit;
        match (fits(self.now), fits(self.ever)) {
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
    limits: Limits,
}

impl<'a> Peaks<'a> {
    pub(crate) fn before(domain: &[ScopeInput<'a>]) -> Self {
        let mut peaks = Self::default();
        for input in domain.iter().filter(|input| input.observed.limits != Limits::UNCOUNTED) {
            let limits = input.observed.limits;
            let region = (input.scope.account.clone(), input.scope.region.clone());
            for network in &input.observed.networks {
                peaks.region_of.insert(network.id.clone(), region.clone());
            }
            let count =
                peaks.groups.entry(region).or_insert(RegionCount { limits, ..RegionCount::default() });
            count.limits = smaller(count.limits, limits);
            count.now += input.observed.groups.len() as u32;
            (count.before, count.peak, count.ever) = (count.now, count.now, count.now);
            for group in &input.observed.groups {
                peaks.network_of.insert(group.id.clone(), group.network.clone());
                if group.owner == crate::state::Owner::Ours {
                    peaks.titles.insert(group.id.clone(), group.name.clone());
                    peaks.add_lists(&group.id, &group.ingress, &group.egress, limits.rules_per_group);
                }
            }
            for interface in &input.observed.interfaces {
                peaks.slots.insert(
                    interface.id.clone(),
                    Counted::new(&interface.groups, limits.groups_per_interface),
                );
            }
        }
        peaks
    }

    fn add_lists(&mut self, group: &GroupId, ingress: &'a [RuleSpec], egress: &'a [RuleSpec], limit: u32) {
        for (direction, rules) in [(Direction::Ingress, ingress), (Direction::Egress, egress)] {
            self.rules.insert((group.clone(), direction), Counted::new(rules, limit));
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
                    let fits = |used: u32| used < count.limits.groups_per_region;
                    match (fits(count.now), fits(count.ever)) {
                        (_, true) => Room::Always,
                        (true, false) => Room::AfterRemovals,
                        (false, false) => Room::None,
                    }
                })
            }
            StepAction::AddRules { group, direction, rules } => {
                let list = self.rules.get(&(group.clone(), *direction));
                list.map_or(Room::Always, |list| list.room(rules))
            }
            StepAction::Attach { interface, add } => {
                self.slots.get(interface).map_or(Room::Always, |slots| slots.room(add))
            }
            _ => Room::Always,
        }
    }

    /// A step goes into flight: what it adds counts.
    pub(crate) fn raise(&mut self, action: &StepAction) {
        match action {
            StepAction::CreateGroup { group, description, open_egress, network, .. } => {
                let region = self.region_of.get(network).and_then(|region| self.groups.get(region));
                let Some(limit) = region.map(|count| count.limits.rules_per_group) else { return };
                self.titles.insert(group.clone(), format!("{description} in {network}"));
                self.network_of.insert(group.clone(), network.clone());
                self.add_lists(group, &[], &[], limit);
                if *open_egress && let Some(list) = self.rules.get_mut(&(group.clone(), Direction::Egress)) {
                    list.add(&crate::state::allow_everything());
                }
                if let Some(count) = self.region(group) {
                    count.now += 1;
                    count.ever += 1;
                    count.peak = count.peak.max(count.now);
                }
            }
            StepAction::AddRules { group, direction, rules } => {
                if let Some(list) = self.rules.get_mut(&(group.clone(), *direction)) {
                    list.add(rules);
                }
            }
            StepAction::Attach { interface, add } => {
                if let Some(slots) = self.slots.get_mut(interface) {
                    slots.add(add);
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
                    list.remove(rules);
                }
            }
            StepAction::Detach { interface, remove } => {
                if let Some(slots) = self.slots.get_mut(interface) {
                    slots.remove(remove);
                }
            }
            StepAction::DeleteGroup { group, .. } => {
                if let Some(count) = self.region(group) {
                    count.now = count.now.saturating_sub(1);
                }
                for direction in [Direction::Ingress, Direction::Egress] {
                    if let Some(list) = self.rules.get_mut(&(group.clone(), direction)) {
                        list.clear();
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
pub(crate) fn lines(domain: &[ScopeInput<'_>], peaks: &Peaks<'_>) -> (Vec<QuotaLine>, Vec<Block>) {
    let (mut worst, mut blocks) = (Vec::new(), Vec::new());
    let mut judge = |name: String, counts: Vec<Count<'_>>, subject: &dyn Fn(&str) -> String| {
        let kind = Kind { name, counts, subject };
        worst.extend(kind.worst());
        blocks.extend(kind.blocks());
    };
    for direction in [Direction::Ingress, Direction::Egress] {
        for (family, of) in [("IPv4", (|cost: Cost| cost.0) as fn(Cost) -> u32), ("IPv6", |cost| cost.1)] {
            let lists = peaks.rules.iter().filter(|((_, of), _)| *of == direction);
            let counts = lists.map(|((group, _), count)| count.of(group.as_str(), of));
            judge(format!("rules per group ({direction}, {family})"), counts.collect(), &|id| {
                peaks.titles.get(id).cloned().unwrap_or_else(|| id.to_owned())
            });
        }
    }
    let interfaces = || domain.iter().flat_map(|input| &input.observed.interfaces);
    let counts = peaks.slots.iter().map(|(id, count)| count.of(id.as_str(), |cost| cost.0));
    judge("groups per interface".to_owned(), counts.collect(), &|id| {
        let name = interfaces().find(|interface| interface.id.as_str() == id).map(|found| &*found.name);
        format!("{} ({id})", name.unwrap_or_default())
    });
    let regions: Vec<(String, Numbers, u32)> = peaks
        .groups
        .iter()
        .map(|((account, region), count)| {
            let numbers = Numbers { peak: count.peak, after: count.now, before: count.before };
            (format!("{account} {region}").trim().to_owned(), numbers, count.limits.groups_per_region)
        })
        .collect();
    let counts = regions.iter().map(|(region, numbers, limit)| (region.as_str(), *numbers, *limit));
    judge("groups in the region".to_owned(), counts.collect(), &str::to_owned);
    (worst, blocks)
}

/// Counts of one object; what compares first is what people look at first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub(crate) struct Numbers {
    pub(crate) peak: u32,
    pub(crate) after: u32,
    pub(crate) before: u32,
}

impl<T> Counted<'_, T> {
    fn of<'c>(&self, id: &'c str, of: fn(Cost) -> u32) -> Count<'c> {
        (id, Numbers { peak: of(self.peak), after: of(self.now), before: of(self.before) }, self.limit)
    }
}

/// An object by its id, with its numbers and its limit.
pub(crate) type Count<'k> = (&'k str, Numbers, u32);

/// All objects of one kind.
pub(crate) struct Kind<'k> {
    pub(crate) name: String,
    pub(crate) counts: Vec<Count<'k>>,
    pub(crate) subject: &'k dyn Fn(&str) -> String,
}

impl Kind<'_> {
    /// The one with the least room: the highest of those with the smallest limit.
    pub(crate) fn worst(&self) -> Option<QuotaLine> {
        let left = |numbers: Numbers, limit: u32| i64::from(limit) - i64::from(numbers.peak);
        let worst = self.counts.iter().copied();
        let worst = worst.max_by_key(|&(id, numbers, limit)| (-left(numbers, limit), numbers, id));
        worst.map(|count| self.line(count))
    }

    /// A block for each that the plan brings over its limit, or further over it; by id.
    pub(crate) fn blocks(&self) -> Vec<Block> {
        let is_over = |numbers: Numbers, limit: u32| {
            let most = numbers.peak.max(numbers.after);
            most > limit && most > numbers.before
        };
        let over = self.counts.iter().copied().filter(|&(_, numbers, limit)| is_over(numbers, limit));
        let mut over: Vec<Count<'_>> = over.collect();
        over.sort_unstable();
        over.into_iter().map(|count| block(&self.line(count))).collect()
    }

    fn line(&self, (id, numbers, limit): Count<'_>) -> QuotaLine {
        QuotaLine {
            name: self.name.clone(),
            subject: (self.subject)(id),
            before: numbers.before,
            peak: numbers.peak,
            after: numbers.after,
            limit,
        }
    }
}

fn smaller(a: Limits, b: Limits) -> Limits {
    Limits {
        rules_per_group: a.rules_per_group.min(b.rules_per_group),
        groups_per_interface: a.groups_per_interface.min(b.groups_per_interface),
        groups_per_region: a.groups_per_region.min(b.groups_per_region),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_removed_counts_again_when_it_comes_back() {
        let observed = ["a", "b"].map(GroupId::from);
        let (a, c) = (GroupId::from("a"), GroupId::from("c"));
        let mut slots = Counted::new(&observed, 3);
        slots.add(&[a.clone(), c.clone()]);
        slots.remove(std::slice::from_ref(&a));
        assert_eq!((slots.now.0, slots.peak.0, slots.ever.0), (2, 3, 3));
        slots.add(&[a.clone(), a.clone()]);
        assert_eq!((slots.now.0, slots.peak.0, slots.ever.0), (3, 3, 4));
        assert_eq!(slots.room(&[a]), Room::AfterRemovals);
        let roomy = Counted { limit: 4, ..slots.clone() };
        assert_eq!(roomy.room(&[GroupId::from("d")]), Room::AfterRemovals);
        slots.remove(&[c]);
        slots.clear();
        assert_eq!(slots.now.0, 0);
    }
}
