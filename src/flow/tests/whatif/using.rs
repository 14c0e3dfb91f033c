//! Rule use: its text, and its figures against the oracle.

use std::collections::BTreeMap;

use fastrand::Rng;
use flow::Outcome;
use flow::replay::{Draft, Uncovered};
use flow::usage::usage;
use policy::{RuleRef, Verdict, compile, decide};

use crate::{dsl, oracle, rows, world};

const SHOP: [&str; 13] = [
    "network a: 10.0.0.0/16",
    "list office: 203.0.113.0/25",
    "web-1: role=web app=shop env=prod @10.0.0.1 vpc=a",
    "web-2: role=web app=shop env=dev @10.0.0.2 vpc=a",
    "db-1: role=db app=shop env=prod @10.0.1.1 vpc=a mode=visibility",
    "db-2: role=db app=shop env=dev @10.0.1.2 vpc=a",
    "lb: role=lb app=shop env=prod @10.0.1.3 vpc=a",
    "rule shop/web-to-db: [app=shop env=prod] [app=shop env=dev] role=web -> role=db : tcp/5432",
    "rule shop/any-to-db: [app=shop env=prod] [app=shop env=dev] all-workloads -> role=db : tcp/5432 tcp/8000-8010",
    "rule office/web: list:office -> role=web : tcp/443",
    "rule office/lb: list:office -> role=lb : tcp/443",
    "rule deny/telnet: override-deny all-workloads -> all-workloads : tcp/23",
    "rule deny/ftp: override-deny all-workloads -> all-workloads : tcp/21",
];

const ROWS: [&str; 7] = [
    "role=web app=shop env=prod @a -> role=db app=shop env=prod @a : tcp/5432 accepted 1000",
    "role=web app=shop env=dev @a -> role=db app=shop env=dev @a : tcp/5432 accepted 100",
    "role=lb app=shop env=prod @a -> role=db app=shop env=prod @a : tcp/8001 accepted 10",
    "role=web app=shop env=prod @a -> role=db app=shop env=dev @a : tcp/5432 rejected 3",
    "203.0.113.7 -> role=web app=shop env=prod @a : tcp/443 accepted 8",
    "203.0.113.0/24 -> role=web app=shop env=dev @a : tcp/443 accepted 9",
    "role=web app=shop env=prod @a -> role=lb app=shop env=prod @a : tcp/23 rejected 2",
];

#[test]
fn rules_without_use_and_rules_that_are_too_wide_are_told_by_labels() {
    let snapshot = dsl::world(&SHOP);
    let policy = compile(&snapshot).policy;
    let draft = Draft { snapshot: &snapshot, policy: &policy, in_force: None };
    let uncovered = Uncovered { silent: vec!["network b".into()], ..Uncovered::default() };
    let found = usage(&rows::summaries(&ROWS), &draft, uncovered).to_text();
    let expected = "\
2 of 6 rules carried nothing that was seen:
  addresses of a list → role=lb on tcp/443 (office/lb)
  override deny all workloads → all workloads on tcp/21 (deny/ftp)
2 of 6 rules are wider than what was used:
  app=shop env=prod → role=db app=shop env=prod on tcp/5432, tcp/8000-8010 and in 1 more scope (shop/any-to-db)
    1110 connections, last 2026-11-28 02:01, 10 by no other rule
    never used: tcp/8000, tcp/8002-8010
    never used: 2 of 5 label pairs
      role=db app=shop env=dev → role=db app=shop env=dev
      role=db app=shop env=prod → role=db app=shop env=prod
  override deny all workloads → all workloads on tcp/23 (deny/telnet)
    2 connections, last 2026-11-28 06:01
    never used: 24 of 25 label pairs
      role=db app=shop env=dev → role=db app=shop env=dev
      role=db app=shop env=dev → role=web app=shop env=dev
      role=db app=shop env=dev → role=db app=shop env=prod
      role=db app=shop env=dev → role=lb app=shop env=prod
      role=db app=shop env=dev → role=web app=shop env=prod
      and 19 more
2 of 6 rules are used in full:
  role=web app=shop env=prod → role=db app=shop env=prod on tcp/5432 and in 1 more scope (shop/web-to-db)
    1100 connections, last 2026-11-28 01:01, all of them by other rules too
  addresses of a list → role=web on tcp/443 (office/web)
    8 connections, last 2026-11-28 04:01
    perhaps: 9 connections, last 2026-11-28 05:01
without any log: network b
";
    assert_eq!(found, expected);
}

/// A rule that the oracle names as the one that allows a flow is one that carried it; what was never carried, no decision names.
#[test]
fn every_rule_that_decides_a_flow_is_used() {
    let (mut used, mut unused, mut wide) = (0_u64, 0_u64, 0_u64);
    for seed in 2000..2200 {
        let mut rng = Rng::with_seed(seed);
        let snapshot = world::read(&world::lines(&mut rng));
        let policy = compile(&snapshot).policy;
        let summaries = rows::random(&mut rng, &snapshot, 40);
        let draft = Draft { snapshot: &snapshot, policy: &policy, in_force: None };
        let found = usage(&summaries, &draft, Uncovered::default());
        // For each rule the connections of rows of which every flow is decided by it.
        let mut surely: BTreeMap<RuleRef, u64> = BTreeMap::new();
        for (key, tally) in &summaries.rows {
            let (from, to) = (summaries.ends.get(key.source), summaries.ends.get(key.destination));
            let flows = oracle::flows(&snapshot, from, to, key.service);
            let named = flows.iter().map(|flow| {
                let decision = decide(&snapshot, flow);
                let passes = decision.verdict != Verdict::Blocked;
                [decision.egress, decision.ingress]
                    .into_iter()
                    .filter_map(|end| match end {
                        policy::EndDecision::Allowed(rule) if key.outcome != Outcome::Rejected => Some(rule),
                        policy::EndDecision::Denied(rule) | policy::EndDecision::OverrideDenied(rule)
                            if key.outcome == Outcome::Rejected && !passes =>
                        {
                            Some(rule)
                        }
                        _ => None,
                    })
                    .collect::<std::collections::BTreeSet<_>>()
            });
            let all = named.reduce(|all, one| all.intersection(&one).cloned().collect()).unwrap_or_default();
            all.into_iter().for_each(|rule| *surely.entry(rule).or_default() += tally.connections);
        }
        for one in &found.rules {
            let least = surely.get(&one.rule).copied().unwrap_or_default();
            assert!(one.seen.connections >= least, "seed {seed}: {one:?}, {least} at least");
            used += u64::from(!one.is_unused());
            unused += u64::from(one.is_unused());
            wide += u64::from(one.is_wide());
            assert!(one.unused.is_subset(&one.services));
            assert_eq!(one.pairs.0 - one.pairs.1, one.unused_pairs.len() as u64, "seed {seed}: {one:?}");
        }
    }
    println!("{used} rules used, {unused} not, {wide} wide");
    assert!(used > 200 && unused > 100 && wide > 100);
}
