//! The tables of the judge against the oracle: for every pair of ends of every world, the worst and the best of all
//! flows that the row can stand for, with the rule to blame. `BULKHEAD_WORLDS=5000` runs more, `BULKHEAD_SEED=7` one.

use std::collections::{BTreeMap, BTreeSet};

use fastrand::Rng;
use flow::judge::{Fate, Judge, Why};
use flow::{End, EndId, Ends};
use policy::{RuleRef, compile, explain};

use crate::{oracle, world};

const WORLDS: u64 = 300;

pub fn seeds(worlds: u64) -> std::ops::Range<u64> {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    match number("BULKHEAD_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("BULKHEAD_WORLDS").unwrap_or(worlds),
    }
}

#[test]
fn every_row_fares_as_the_worst_and_the_best_flow_that_it_stands_for() {
    let mut coverage: BTreeMap<String, u64> = BTreeMap::new();
    let seeds = seeds(WORLDS);
    let whole = seeds.end - seeds.start >= WORLDS;
    for seed in seeds {
        let mut rng = Rng::with_seed(seed);
        let lines = world::lines(&mut rng);
        let snapshot = world::read(&lines);
        let policy = compile(&snapshot).policy;
        let mut ends = Ends::default();
        let ids: Vec<EndId> = world::ends(&snapshot).into_iter().map(|end| ends.intern(end)).collect();
        let mut judge = Judge::new(&ends, &snapshot, &policy);
        let workloads: Vec<EndId> =
            ids.iter().copied().filter(|&id| matches!(ends.get(id), End::Workload { .. })).collect();
        let any = |rng: &mut Rng| {
            let from = if rng.u8(..3) == 0 { &ids } else { &workloads };
            *world::choose(rng, from)
        };
        for _ in 0..60 {
            let (mut source, mut destination) = (any(&mut rng), any(&mut rng));
            if [source, destination].iter().all(|&id| matches!(ends.get(id), End::Address(_))) {
                (source, destination) = (any(&mut rng), any(&mut rng));
            }
            let service = world::service(&mut rng);
            let (from, to) = (ends.get(source), ends.get(destination));
            let flows = oracle::flows(&snapshot, from, to, service);
            let verdicts: Vec<(Fate, Why)> =
                flows.iter().map(|flow| oracle::verdict(&snapshot, flow)).collect();
            let nobody = (Fate::Unknown, Why::Nobody);
            let worst = verdicts.iter().max().unwrap_or(&nobody);
            let best = verdicts.iter().min().unwrap_or(&nobody);
            let id = judge.judge(source, destination, service);
            let judged = judge.judged(id);
            assert!(
                (&judged.worst, &judged.best) == (worst, best),
                "seed {seed}: {from:?} -> {to:?} : {service}\n  oracle: {worst:?} {best:?}\n  judge: {judged:?}\n{}",
                lines.join("\n")
            );
            let kind = |end: &End| if matches!(end, End::Workload { .. }) { "workload" } else { "address" };
            let mut count = |what: String| *coverage.entry(what).or_default() += 1;
            count(format!("{:?}", worst.0));
            count(if judged.is_partly() { "partly" } else { "wholly" }.to_owned());
            count(format!("{} to {}", kind(from), kind(to)));
            let why = format!("{:?}", worst.1);
            count(why.split('(').next().unwrap().to_owned());
            if flows.len() == 1 && rng.u8(..4) == 0 {
                count("rules compared".to_owned());
                let rules: BTreeSet<&RuleRef> = judged.matched.iter().map(|&rule| judge.rule(rule)).collect();
                let explanation = explain(&snapshot, &flows[0]);
                let found =
                    [&explanation.egress, &explanation.ingress].into_iter().flat_map(|end| &end.matches);
                let found: BTreeSet<&RuleRef> = found.map(|found| &found.rule).collect();
                assert!(found.is_subset(&rules), "seed {seed}: {found:?} {rules:?}");
                let ends_enforce = [&explanation.egress, &explanation.ingress]
                    .iter()
                    .all(|end| !matches!(end.enforcement, explain::Enforcement::NoEnforcementPoint));
                assert!(!ends_enforce || found == rules, "seed {seed}: {found:?} {rules:?}");
            }
        }
    }
    println!("{coverage:?}");
    for needed in
        ["Allowed", "Blocked", "PotentiallyBlocked", "partly", "OverrideDeny", "Deny", "Allow", "NoDeny"]
    {
        assert!(
            !whole || coverage.get(needed).is_some_and(|&n| n >= 40),
            "hardly any {needed}: {coverage:?}"
        );
    }
}
