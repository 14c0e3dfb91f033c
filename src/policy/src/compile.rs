//! From a snapshot to a compiled policy: expand, intern, classify.
//!
//! INVARIANT: compile is total and deterministic; what is wrong with the input comes back as findings.
//! Cost is rules (expanded) + workloads + matches between distinct label sets and selectors; an index from
//! label to selectors keeps the last from being label sets × selectors.

mod classes;
pub mod evaluate;
mod expand;
mod findings;

use rustc_hash::FxHashMap;

use crate::compiled::{Compilation, CompiledPolicy, CompiledRule, CompiledSelector, SelectorId};
use crate::ruleset::{Actor, Policy};
use crate::selector::Selector;
use crate::snapshot::Snapshot;

/// Compiles a snapshot.
pub fn compile(snapshot: &Snapshot) -> Compilation {
    let mut interner = Interner::default();
    let rules = expand::expand(&snapshot.policy, &mut interner);
    let policy = classes::classify(snapshot, interner.selectors, rules);
    let findings = findings::findings(snapshot, &policy);
    Compilation { policy, findings }
}

/// The selectors of one side of a rule, outside every scope: for rules that are not compiled, such as
/// protected flows.
pub fn selects(policy: &Policy, actors: &[Actor]) -> Vec<Selector> {
    expand::selectors(policy, actors)
}

/// Gives equal selectors one id.
#[derive(Default)]
struct Interner {
    ids: FxHashMap<Selector, SelectorId>,
    selectors: Vec<Selector>,
}

impl Interner {
    fn intern(&mut self, selector: Selector) -> SelectorId {
        if let Some(&id) = self.ids.get(&selector) {
            return id;
        }
        let id = SelectorId(self.selectors.len() as u32);
        self.selectors.push(selector.clone());
        self.ids.insert(selector, id);
        id
    }
}

/// A compiled policy without classes yet: what `expand` makes.
fn unclassified(selectors: Vec<Selector>, rules: Vec<CompiledRule>) -> CompiledPolicy {
    let selectors = selectors.into_iter().map(|selector| CompiledSelector { selector, classes: Vec::new() });
    CompiledPolicy { selectors: selectors.collect(), rules, ..CompiledPolicy::default() }
}
