//! Replay: its text, that parts join to the whole, and its lines against a row by row account by the oracle.

use std::collections::BTreeMap;

use fastrand::Rng;
use flow::judge::{Fate, Why};
use flow::replay::{Draft, Effect, Lost, Replayer, Seen, Uncovered, replay};
use flow::{Outcome, Summaries};
use policy::{Snapshot, compile};

use crate::{dsl, oracle, rows, world};

const SHOP: [&str; 14] = [
    "network a: 10.0.0.0/16",
    "list office: 203.0.113.0/25",
    "web-1: role=web app=shop env=prod @10.0.0.1 vpc=a",
    "web-2: role=web app=shop env=prod @10.0.0.2 vpc=a",
    "db: role=db app=shop env=prod @10.0.1.1 vpc=a",
    "batch: role=batch app=shop env=prod @10.0.1.2 vpc=a mode=visibility",
    "erp: role=erp app=erp env=prod @192.0.2.10",
    "rule shop/web-to-db: [app=shop env=prod] role=web -> role=db : tcp/5432",
    "rule shop/office: [app=shop env=prod] list:office -> role=web : tcp/443",
    "rule shop/no-telnet: [app=shop env=prod] override-deny all-workloads -> all-workloads : tcp/23",
    "rule shop/debug: [app=shop env=prod] disabled role=web -> role=db : tcp/8008",
    "list edge: 10.0.0.2/32",
    "rule hosts/edge: list:edge -> role=db : tcp/9999",
    "rule hosts/out: role=web -> list:edge : tcp/9999",
];

const ROWS: [&str; 10] = [
    "role=web app=shop env=prod @a -> role=db app=shop env=prod @a : tcp/5432 accepted 1000",
    "role=web app=shop env=prod @a -> role=db app=shop env=prod @a : tcp/8008 accepted 20",
    "role=web app=shop env=prod @a -> role=db app=shop env=prod @a : tcp/23 accepted 1",
    "role=db app=shop env=prod @a -> role=batch app=shop env=prod @a : udp/514 rejected 4",
    "role=batch app=shop env=prod @a -> 198.51.100.7 : tcp/443 unknown 7",
    "203.0.113.0/24 -> role=web app=shop env=prod @a : tcp/443 accepted 300",
    "203.0.113.200 -> role=web app=shop env=prod @a : tcp/443 rejected 9",
    "203.0.113.5 -> role=web app=shop env=prod @a : tcp/443 rejected 2",
    "role=cache app=shop env=prod @a -> role=db app=shop env=prod @a : tcp/9999 accepted 5",
    "role=web app=shop env=prod @a -> role=db app=shop env=prod @a : tcp/9999 accepted 6",
];

#[test]
fn what_a_draft_would_do_is_told_by_labels_with_the_rule_to_blame() {
    let snapshot = dsl::world(&SHOP);
    let policy = compile(&snapshot).policy;
    let mut yesterday = snapshot.clone();
    yesterday.policy.rulesets[0].rules.retain(|rule| rule.name.as_str() != "no-telnet");
    yesterday.policy.rulesets[0].rules.iter_mut().for_each(|rule| rule.enabled = true);
    let in_force = compile(&yesterday).policy;
    let draft = Draft { snapshot: &snapshot, policy: &policy, in_force: Some((&yesterday, &in_force)) };
    let uncovered = Uncovered {
        window: (0, 0),
        watched_s: (1000, 925),
        lost: vec![Lost {
            what: "vpc-logs".into(),
            from: 0,
            to: 600,
            why: "records skipped by the log".into(),
        }],
        silent: vec!["network b".into()],
        partial: vec!["shop-logs (sampled)".into()],
    };
    let found = replay(&rows::summaries(&ROWS), &draft, uncovered).to_text();
    let expected = "\
the draft would cut 4 flows that passed:
  203.0.113.0/24 → role=web app=shop env=prod on tcp/443, partly
    no rule lets it in; today: blocked (no rule lets it in); 300 connections, last 2026-11-28 05:01
  role=web app=shop env=prod → role=db app=shop env=prod on tcp/8008
    no rule allows it; today: allowed by shop/debug; 20 connections, last 2026-11-28 01:01
  role=web app=shop env=prod → role=db app=shop env=prod on tcp/9999, partly
    no rule allows it; today: blocked (no rule allows it); 6 connections, last 2026-11-28 09:01
  role=web app=shop env=prod → role=db app=shop env=prod on tcp/23
    override deny shop/no-telnet; today: blocked (no rule allows it); 1 connection, last 2026-11-28 02:01
the draft would let in 1 flow that is dropped today:
  203.0.113.5 → role=web app=shop env=prod on tcp/443
    allowed by shop/office; today: allowed by shop/office; 2 connections, last 2026-11-28 07:01
of 1 flow nobody can tell:
  role=cache app=shop env=prod → role=db app=shop env=prod on tcp/9999, partly
    no rule lets it in; today: unknown; 5 connections, last 2026-11-28 08:01
1 flow passes only because an end is not enforced yet:
  role=batch app=shop env=prod → 198.51.100.7 on tcp/443
    no rule lets it out; today: only watched (no rule lets it out); 7 connections, last 2026-11-28 04:01, the log has no verdicts
1013 of 1354 connections are as before
not covered: 7.5 % of the window has no logs
not covered: vpc-logs, 1970-01-01 00:00 to 00:10: records skipped by the log
without any log: network b
without some connections: shop-logs (sampled)
";
    assert_eq!(found, expected);
}

/// The account of one row at a time.
fn slowly(summaries: &Summaries, snapshot: &Snapshot) -> BTreeMap<Effect, Seen> {
    let mut found: BTreeMap<Effect, Seen> = BTreeMap::new();
    for (key, tally) in &summaries.rows {
        let (from, to) = (summaries.ends.get(key.source), summaries.ends.get(key.destination));
        let flows = oracle::flows(snapshot, from, to, key.service);
        let verdicts = flows.iter().map(|flow| oracle::verdict(snapshot, flow));
        let nobody = || (Fate::Unknown, Why::Nobody);
        let dropped = key.outcome == Outcome::Rejected;
        let (fate, _) = if dropped { verdicts.min() } else { verdicts.max() }.unwrap_or_else(nobody);
        let effect = match fate {
            Fate::Unknown => Effect::Unknown,
            Fate::Blocked if !dropped => Effect::Cut,
            Fate::Allowed | Fate::PotentiallyBlocked if dropped => Effect::Admitted,
            Fate::PotentiallyBlocked => Effect::PotentiallyBlocked,
            _ => continue,
        };
        found.entry(effect).or_default().add(key, tally);
    }
    found
}

#[test]
fn lines_are_what_the_oracle_says_row_by_row_and_parts_join_to_the_whole() {
    let mut coverage: BTreeMap<Effect, u64> = BTreeMap::new();
    for seed in 1000..1200 {
        let mut rng = Rng::with_seed(seed);
        let snapshot = world::read(&world::lines(&mut rng));
        let policy = compile(&snapshot).policy;
        let summaries = rows::random(&mut rng, &snapshot, 60);
        let draft = Draft { snapshot: &snapshot, policy: &policy, in_force: None };
        let whole = replay(&summaries, &draft, Uncovered::default());
        for (effect, expected) in slowly(&summaries, &snapshot) {
            assert_eq!(whole.total_of(effect), expected, "seed {seed}, {effect:?}");
            *coverage.entry(effect).or_default() += expected.rows;
        }
        let changed: u64 = whole.lines.iter().map(|(_, seen)| seen.rows).sum();
        assert_eq!(whole.total.rows, summaries.rows.len() as u64);
        assert_eq!(whole.total.rows - changed, whole.unchanged.rows);
        let replayer = Replayer::new(&summaries, &draft);
        let cut = rng.usize(..summaries.rows.len());
        let parts = [replayer.rows(cut..summaries.rows.len()), replayer.rows(0..cut)];
        assert_eq!(replayer.join(parts, Uncovered::default()), whole, "seed {seed}");
    }
    println!("{coverage:?}");
    assert!(coverage.len() == 4 && coverage.values().all(|&rows| rows > 100), "{coverage:?}");
}
