//! The proof, and what changes, on graphs that no driver made: by hand with the expected text, and by chance against brute force.
//!
//! `PROVE_CASES=N` tries more cases and `PROVE_SEED=N` one alone; a failing seed is printed with its case.

#![allow(clippy::disallowed_methods, reason = "seed and number of cases come from the environment")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod brute;
mod changes;
#[path = "../../../policy/tests/dsl/mod.rs"]
mod dsl;
mod foreign;
mod graphs;
mod intended;
mod random;
mod views;
mod witnesses;

use brute::{Brute, Found};

/// Proves a graph by hand: no line at all is a proof, else every difference in words (see `graphs::show`).
/// Brute force must agree.
fn check(world: &[&str], graph: &[&str], expected: &[&str]) {
    let snapshot = dsl::world(world);
    let graph = graphs::graph(&snapshot, graph);
    let proof = plan::prove(&graph, &policy::compile(&snapshot).policy, &snapshot);
    assert_eq!(graphs::show(&proof), expected);
    let brute = Brute { snapshot: &snapshot, graph: &graph };
    let refuted: Vec<_> = proof.witnesses.iter().map(|witness| brute.refute(witness)).collect();
    assert!(refuted.iter().all(Option::is_none), "{refuted:?}");
    let stated = Found {
        differs: !proof.equivalent,
        exposed: !proof.exposures.is_empty(),
        obstructed: !proof.obstructions.is_empty(),
    };
    assert_eq!(stated, brute.try_all());
}
