//! What must hold for every world. `BULKHEAD_CASES` raises the number of worlds; a failure prints its seed and
//! the world's lines.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use fastrand::Rng;
use policy::{Compilation, Evaluator, Snapshot, Verdict, compile, decide};

use crate::{dsl, generate};

const FLOWS: usize = 40;

/// Runs a property on generated worlds.
fn for_worlds(property: impl Fn(&mut Rng, Snapshot)) {
    let cases = std::env::var("BULKHEAD_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(1_000);
    for seed in 0..cases {
        let mut rng = Rng::with_seed(seed);
        let lines = generate::lines(&mut rng);
        let world = || dsl::world(&lines.iter().map(String::as_str).collect::<Vec<_>>());
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| property(&mut rng, world()))) {
            eprintln!("seed {seed}:\n  {}", lines.join("\n  "));
            resume_unwind(panic);
        }
    }
}

#[test]
fn compiled_policy_decides_as_the_oracle_does() {
    let [total, allowed, marked] = [const { Cell::new(0) }; 3];
    let count = |counter: &Cell<usize>| counter.set(counter.get() + 1);
    for_worlds(|rng, snapshot| {
        let compilation = compile(&snapshot);
        let evaluator = Evaluator::new(&compilation.policy, &snapshot);
        for _ in 0..FLOWS {
            let flow = generate::flow(rng, &snapshot);
            let expected = decide(&snapshot, &flow);
            let found = evaluator.decide(&flow);
            assert_eq!(dsl::show(&found), dsl::show(&expected), "compiled, oracle: {flow:?}");
            count(&total);
            match expected.verdict {
                Verdict::Allowed => count(&allowed),
                Verdict::PotentiallyBlocked => count(&marked),
                Verdict::Blocked => {}
            }
        }
    });
    let share = |part: &Cell<usize>| part.get() * 100 / total.get();
    println!("{} flows, {} % allowed, {} % marked", total.get(), share(&allowed), share(&marked));
    assert!((20..80).contains(&share(&allowed)), "the worlds say nothing: {} % allowed", share(&allowed));
}

#[test]
fn classes_partition_workloads_and_agree_with_every_selector() {
    for_worlds(|_, snapshot| {
        let Compilation { policy, .. } = compile(&snapshot);
        assert_eq!(policy.class_of.len(), snapshot.workloads.len());
        for (number, workload) in snapshot.workloads.iter().enumerate() {
            let id = policy.class_of[number];
            let holding = policy.classes.iter().filter(|class| class.members.contains(&(number as u32)));
            assert_eq!(holding.count(), 1, "{}", workload.id);
            assert!(policy.class(id).members.contains(&(number as u32)), "{}", workload.id);
            assert_eq!(policy.class(id).mode, workload.mode, "{}", workload.id);
            for (selector_number, entry) in policy.selectors.iter().enumerate() {
                let matches = entry.selector.matches(workload);
                let selector = policy::compiled::SelectorId(selector_number as u32);
                assert_eq!(entry.classes.contains(&id), matches, "{} {}", entry.selector, workload.id);
                assert_eq!(policy.class(id).selectors.contains(&selector), matches, "{}", entry.selector);
            }
        }
        let signatures: BTreeSet<_> =
            policy.classes.iter().map(|class| (&class.selectors, class.mode)).collect();
        assert_eq!(signatures.len(), policy.classes.len(), "two classes behave alike");
        let used: BTreeSet<_> = policy
            .rules
            .iter()
            .flat_map(|rule| [&rule.sources, &rule.destinations])
            .flat_map(|s| &s.selectors)
            .collect();
        assert_eq!(used.len(), policy.selectors.len(), "a selector is interned that no rule uses");
    });
}

#[test]
fn a_class_lists_exactly_the_rules_that_select_it() {
    for_worlds(|_, snapshot| {
        let Compilation { policy, .. } = compile(&snapshot);
        for (number, class) in policy.classes.iter().enumerate() {
            let id = policy::ClassId(number as u32);
            let of = |pick: fn(&policy::CompiledRule) -> &policy::Side| -> Vec<u32> {
                let selecting =
                    policy.rules.iter().enumerate().filter(|(_, rule)| policy.selects(pick(rule), id));
                selecting.map(|(number, _)| number as u32).collect()
            };
            assert_eq!(
                class.ingress.iter().map(|id| id.0).collect::<Vec<_>>(),
                of(|rule| &rule.destinations)
            );
            assert_eq!(class.egress.iter().map(|id| id.0).collect::<Vec<_>>(), of(|rule| &rule.sources));
        }
    });
}

#[test]
fn the_order_of_actors_and_scope_entries_changes_nothing() {
    for_worlds(|rng, snapshot| {
        let mut shuffled = snapshot.clone();
        for ruleset in &mut shuffled.policy.rulesets {
            ruleset.scopes.iter_mut().for_each(|scope| rng.shuffle(scope));
            for rule in &mut ruleset.rules {
                rng.shuffle(&mut rule.sources);
                rng.shuffle(&mut rule.destinations);
            }
        }
        assert_eq!(compile(&shuffled), compile(&snapshot));
    });
}

#[test]
fn the_order_of_workloads_changes_only_their_numbers() {
    for_worlds(|rng, snapshot| {
        let mut shuffled = snapshot.clone();
        rng.shuffle(&mut shuffled.workloads);
        assert_eq!(classes_by_name(&shuffled), classes_by_name(&snapshot));
    });
}

#[test]
fn a_label_that_no_rule_names_changes_no_class() {
    for_worlds(|rng, snapshot| {
        let mut labelled = snapshot.clone();
        for workload in &mut labelled.workloads {
            workload.labels.insert("ticket".into(), format!("t{}", rng.u8(..)).into());
        }
        assert_eq!(compile(&labelled).policy, compile(&snapshot).policy);
    });
}

fn classes_by_name(snapshot: &Snapshot) -> Vec<String> {
    let describe = |class: &policy::Class| {
        let members: BTreeSet<_> =
            class.members.iter().map(|&n| &snapshot.workloads[n as usize].id).collect();
        format!("{} {:?} {members:?} {:?} {:?}", class.description, class.mode, class.ingress, class.egress)
    };
    compile(snapshot).policy.classes.iter().map(describe).collect()
}
