//! From a snapshot to a compiled policy: expand, intern, classify.
//!
//! INVARIANT: compile is total and deterministic; what is wrong with the input comes back as findings.
//! Cost is rules (expanded) + workloads + matches between distinct label sets and selectors; an index from
//! label to selectors keeps the last from being label sets × selectors.

mod ahead;
mod classes;
pub mod evaluate;
mod expand;
mod findings;
mod lists;
mod translations;

use std::collections::BTreeSet;
use std::hash::BuildHasher;

use rustc_hash::{FxBuildHasher, FxHashMap};

use crate::compiled::{Compilation, CompiledPolicy, CompiledRule, CompiledSelector, SelectorId};
use crate::few::Few;
use crate::name::{LabelValue, Name};
use crate::ruleset::{Actor, Policy};
use crate::selector::Selector;
use crate::snapshot::Snapshot;

/// Compiles a snapshot.
pub fn compile(snapshot: &Snapshot) -> Compilation {
    let mut interner = Interner::default();
    let rules = expand::expand(&snapshot.policy, &mut interner);
    let (policy, unknown) = classes::classify(snapshot, interner.selectors, rules);
    let findings = findings::findings(snapshot, &policy, unknown);
    Compilation { policy, findings }
}

/// The members of a label group, nested groups flattened.
pub(crate) fn members(policy: &Policy, group: &Name) -> BTreeSet<LabelValue> {
    expand::flattened(policy, group)
}

/// The selectors of one side of a rule, outside every scope: for rules that are not compiled, such as
/// protected flows.
pub fn selects(policy: &Policy, actors: &[Actor]) -> Vec<Selector> {
    expand::selectors(policy, actors)
}

/// Gives equal selectors one id. The table holds hashes only, and half of each: a hundred thousand then fit the
/// cache, which every look into it would miss otherwise.
#[derive(Default)]
struct Interner {
    ids: FxHashMap<u32, SelectorId>,
    selectors: Vec<Selector>,
}

impl Interner {
    fn reserve(&mut self, more: usize) {
        self.ids.reserve(more);
        self.selectors.reserve(more);
    }

    fn intern(&mut self, selector: Selector) -> SelectorId {
        let next = SelectorId(self.selectors.len() as u32);
        let mut hash = (FxBuildHasher.hash_one(&selector) >> 32) as u32;
        loop {
            let id = *self.ids.entry(hash).or_insert(next);
            if id == next {
                self.selectors.push(selector);
                return id;
            }
            if self.selectors[id.0 as usize] == selector {
                return id;
            }
            hash = hash.wrapping_add(1);
        }
    }
}

/// A compiled policy without classes yet: what `expand` makes.
fn unclassified(selectors: Vec<Selector>, rules: Vec<CompiledRule>) -> CompiledPolicy {
    let selectors =
        selectors.into_iter().map(|selector| CompiledSelector { selector, classes: Few::default() });
    CompiledPolicy { selectors: selectors.collect(), rules, ..CompiledPolicy::default() }
}
