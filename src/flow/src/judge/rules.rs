//! Sorted lists of rules, each kept once: what an end can be told by is which rules select it, and nothing else.

use policy::compiled::CompiledRuleId;
use rustc_hash::FxHashMap;

/// A list of compiled rules by its number; 0 is the empty one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub(super) struct RulesId(pub u32);

/// Every list that was met.
pub(super) struct RuleLists {
    lists: Vec<Box<[u32]>>,
    ids: FxHashMap<Box<[u32]>, RulesId>,
}

impl RuleLists {
    pub(super) fn new() -> Self {
        let mut lists = Self { lists: Vec::new(), ids: FxHashMap::default() };
        lists.intern(&[]);
        lists
    }

    /// The number of a sorted list.
    pub(super) fn intern(&mut self, list: &[u32]) -> RulesId {
        if let Some(&id) = self.ids.get(list) {
            return id;
        }
        let id = RulesId(self.lists.len() as u32);
        self.lists.push(list.into());
        self.ids.insert(list.into(), id);
        id
    }

    /// The number of a sorted list of rules as a class has it.
    pub(super) fn intern_ids(&mut self, list: &[CompiledRuleId]) -> RulesId {
        let list: Vec<u32> = list.iter().map(|id| id.0).collect();
        self.intern(&list)
    }

    /// The number of the sorted union of lists.
    pub(super) fn union(&mut self, lists: impl IntoIterator<Item = u32>) -> RulesId {
        let mut all: Vec<u32> = lists.into_iter().collect();
        all.sort_unstable();
        all.dedup();
        self.intern(&all)
    }

    pub(super) fn get(&self, id: RulesId) -> &[u32] {
        &self.lists[id.0 as usize]
    }

    /// What is in both; `scratch` is overwritten. Steps through the longer list by leaps.
    pub(super) fn intersection(&mut self, a: RulesId, b: RulesId, scratch: &mut Vec<u32>) -> RulesId {
        if a == b || a.0 == 0 {
            return a;
        }
        if b.0 == 0 {
            return b;
        }
        scratch.clear();
        let (a, b) = (self.get(a), self.get(b));
        let (short, mut long) = if a.len() <= b.len() { (a, b) } else { (b, a) };
        for &rule in short {
            long = &long[leap(long, rule)..];
            if long.first() == Some(&rule) {
                scratch.push(rule);
            }
        }
        self.intern(scratch)
    }
}

/// How many items at the head of a sorted list are less than `rule`: doubling steps, then halving ones.
fn leap(list: &[u32], rule: u32) -> usize {
    let mut step = 1;
    while step <= list.len() && list[step - 1] < rule {
        step *= 2;
    }
    let from = step / 2;
    let to = step.min(list.len());
    from + list[from..to].partition_point(|&other| other < rule)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_intersection_is_what_a_look_at_every_item_finds() {
        let mut rng = fastrand::Rng::with_seed(5);
        let (mut lists, mut scratch) = (RuleLists::new(), Vec::new());
        let mut shared = 0;
        for _ in 0..2_000 {
            let mut list = || {
                let length = rng.usize(..40);
                (0..length).map(|_| rng.u32(..60)).collect::<Vec<_>>()
            };
            let (a, b) = (list(), list());
            let (a, b) = (lists.union(a), lists.union(b));
            let expected: Vec<u32> =
                lists.get(a).iter().copied().filter(|rule| lists.get(b).contains(rule)).collect();
            shared += expected.len();
            let found = lists.intersection(a, b, &mut scratch);
            assert_eq!(lists.get(found), expected);
        }
        println!("{shared} rules in both");
        assert!(shared > 1_000);
    }
}
