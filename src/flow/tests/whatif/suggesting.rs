//! Suggestions: their text and file, and what must hold of every one, against the oracle and against trying everything.

use std::collections::{BTreeMap, BTreeSet};

use fastrand::Rng;
use flow::judge::Fate;
use flow::replay::{Draft, Who};
use flow::suggest::{Addresses, Bounds, RuleEnd, Suggestion, suggest};
use flow::{End, Key, Outcome, Summaries, Tally};
use policy::file::{SourceFile, load};
use policy::{LabelSet, Policy, ServicePoint, ServiceSet, Snapshot, compile};

use crate::{dsl, oracle, rows, world};

const SHOP: [&str; 15] = [
    "network a: 10.0.0.0/16",
    "network b: 10.0.0.0/16",
    "list office: 203.0.113.0/25",
    "w1: role=web app=shop env=prod loc=eu @10.0.0.1 vpc=a",
    "w2: role=web app=shop env=prod loc=us @10.0.0.2 vpc=a",
    "w3: role=web app=shop env=dev @10.0.0.3 vpc=a",
    "d1: role=db app=shop env=prod @10.0.1.1 vpc=a",
    "d2: role=db app=shop env=dev @10.0.1.2 vpc=a",
    "lb: role=lb app=shop env=prod @10.0.1.3 vpc=a",
    "far: role=far app=shop env=prod @10.0.0.1 vpc=b",
    "erp: role=erp app=erp env=prod @10.0.2.1 vpc=a mode=visibility",
    "bare: @10.0.2.2 vpc=a",
    "rule shop/lb-to-web: [app=shop env=prod] role=lb -> role=web : tcp/8080",
    "rule shop/no-telnet: override-deny all-workloads -> all-workloads : tcp/23",
    "list nobody: 192.0.2.0/24",
];

const ROWS: [&str; 14] = [
    "role=lb app=shop env=prod @a -> role=web app=shop env=prod loc=eu @a : tcp/8080 accepted 900",
    "role=web app=shop env=prod loc=eu @a -> role=db app=shop env=prod @a : tcp/5432 accepted 100",
    "role=web app=shop env=dev @a -> role=db app=shop env=dev @a : tcp/5432 accepted 50",
    "role=web app=shop env=prod loc=eu @a -> role=db app=shop env=prod @a : tcp/8008 accepted 5",
    "role=web app=shop env=dev @a -> role=db app=shop env=dev @a : tcp/8008 accepted 6",
    "role=web app=shop env=dev @a -> role=db app=shop env=prod @a : tcp/5432 rejected 9",
    "role=erp app=erp env=prod @a -> role=web app=shop env=prod loc=eu @a : tcp/443 accepted 4",
    "role=erp app=erp env=prod @a -> role=web app=shop env=prod loc=us @a : tcp/443 accepted 4",
    "203.0.113.7 -> role=lb app=shop env=prod @a : tcp/443 accepted 70",
    "198.51.100.7 -> role=lb app=shop env=prod @a : tcp/443 accepted 7",
    "role=lb app=shop env=prod @a -> role=db app=shop env=prod @a : tcp/23 accepted 1",
    "role=far app=shop env=prod @b -> role=lb app=shop env=prod @a : tcp/9000 accepted 2",
    "(no labels) @a -> role=lb app=shop env=prod @a : tcp/9000 accepted 3",
    "role=gone app=shop env=prod @a -> role=lb app=shop env=prod @a : tcp/9000 accepted 3",
];

fn is_accepted(key: &Key, _: &Tally) -> bool {
    key.outcome != Outcome::Rejected
}

#[test]
fn a_suggestion_is_read_by_labels_and_written_as_a_policy_file() {
    let snapshot = dsl::world(&SHOP);
    let policy = compile(&snapshot).policy;
    let draft = Draft { snapshot: &snapshot, policy: &policy, in_force: None };
    let bounds = Bounds { addresses: Addresses::ListsAndHosts, ..Bounds::default() };
    let summaries = rows::summaries(&ROWS.map(|row| row.strip_prefix("(no labels) ").unwrap_or(row)));
    let found = suggest(&summaries, &is_accepted, &draft, &bounds);
    assert_eq!(format!("{}\n{}", found.to_text(), found.file), include_str!("suggested.txt"));
    let diff = found.to_diff("policy/suggested.yaml");
    assert!(diff.starts_with("--- /dev/null\n+++ policy/suggested.yaml\n@@ -0,0 +1,"), "{diff}");
    let added: String =
        diff.lines().skip(3).map(|line| line.strip_prefix('+').unwrap().to_owned() + "\n").collect();
    assert_eq!(added, found.file);
}

/// What the policy declares, as a file; its rules are not needed to read another file.
fn declarations(policy: &Policy) -> String {
    let mut text = "labels:\n  none: [none]\n".to_owned();
    for (key, values) in &policy.labels {
        let values: Vec<&str> = values.iter().map(|value| value.as_str()).collect();
        text += &format!("  {key}: [{}]\n", values.join(", "));
    }
    text += "ip_lists:\n";
    for (name, list) in &policy.ip_lists {
        let blocks: Vec<String> =
            list.addresses.to_cidrs().iter().map(|block| format!("\"{block}\"")).collect();
        text += &format!("  {name}: {{ addresses: [{}] }}\n", blocks.join(", "));
    }
    text
}

/// The snapshot with the rules of a file in its policy.
fn with_file(snapshot: &Snapshot, file: &str) -> Snapshot {
    let mut with = snapshot.clone();
    if file.is_empty() {
        return with;
    }
    let source = |name: &str, text: String| SourceFile { name: name.to_owned(), text };
    let files =
        [source("base.yaml", declarations(&snapshot.policy)), source("suggested.yaml", file.to_owned())];
    let loaded = load(&files).unwrap_or_else(|errors| panic!("{errors:?}\n{file}"));
    with.policy.ip_lists.extend(loaded.policy.ip_lists);
    let names: BTreeSet<_> = snapshot.policy.rulesets.iter().map(|ruleset| ruleset.name.clone()).collect();
    assert!(loaded.policy.rulesets.iter().all(|ruleset| !names.contains(&ruleset.name)), "{file}");
    with.policy.rulesets.extend(loaded.policy.rulesets);
    with
}

fn worst(snapshot: &Snapshot, summaries: &Summaries, key: &Key) -> Fate {
    let (from, to) = (summaries.ends.get(key.source), summaries.ends.get(key.destination));
    let flows = oracle::flows(snapshot, from, to, key.service);
    flows.iter().map(|flow| oracle::verdict(snapshot, flow).0).max().unwrap_or(Fate::Unknown)
}

fn best(snapshot: &Snapshot, summaries: &Summaries, key: &Key) -> Fate {
    let (from, to) = (summaries.ends.get(key.source), summaries.ends.get(key.destination));
    let flows = oracle::flows(snapshot, from, to, key.service);
    flows.iter().map(|flow| oracle::verdict(snapshot, flow).0).min().unwrap_or(Fate::Unknown)
}

fn bounds(rng: &mut Rng) -> Bounds {
    let mut droppable = BTreeSet::new();
    for key in ["role", "app", "env"] {
        if rng.u8(..3) == 0 {
            droppable.insert(key.into());
        }
    }
    let keys: &[&str] = if rng.u8(..4) == 0 { &["role", "app"] } else { &["role", "app", "env"] };
    Bounds {
        keys: keys.iter().map(|key| (*key).into()).collect(),
        droppable,
        widening_max: [0, 0, 1, 4, 100][rng.usize(..5)],
        any: rng.u8(..4) == 0,
        addresses: [Addresses::Never, Addresses::Lists, Addresses::ListsAndHosts][rng.usize(..3)],
        merge_services: rng.bool(),
    }
}

fn whos(summaries: &Summaries, key: &Key) -> (Who, Who, ServicePoint) {
    let who = |end| Who::from(summaries.ends.get(end));
    (who(key.source), who(key.destination), key.service)
}

#[test]
fn what_is_suggested_lets_pass_what_it_says_and_nothing_that_was_dropped() {
    let mut coverage: BTreeMap<&str, u64> = BTreeMap::new();
    for seed in 3000..3250 {
        let mut rng = Rng::with_seed(seed);
        let lines = world::lines(&mut rng);
        let snapshot = world::read(&lines);
        let policy = compile(&snapshot).policy;
        let summaries = rows::random(&mut rng, &snapshot, 25);
        let draft = Draft { snapshot: &snapshot, policy: &policy, in_force: None };
        let bounds = bounds(&mut rng);
        let found = suggest(&summaries, &is_accepted, &draft, &bounds);
        let context =
            || format!("seed {seed}\n{bounds:?}\n{}\n{}\n{}", found.to_text(), found.file, lines.join("\n"));
        let after = with_file(&snapshot, &found.file);
        let uncovered: BTreeSet<(Who, Who, ServicePoint)> = found
            .uncovered
            .iter()
            .map(|one| (one.source.clone(), one.destination.clone(), one.service))
            .collect();
        let mut connections = 0;
        let mut chosen = BTreeSet::new();
        for (key, tally) in summaries.rows.iter().filter(|(key, tally)| is_accepted(key, tally)) {
            let whos = whos(&summaries, key);
            let fate = worst(&after, &summaries, key);
            assert!(
                uncovered.contains(&whos) || fate == Fate::Allowed,
                "{whos:?} is {fate:?}\n{}",
                context()
            );
            connections += tally.connections;
            chosen.insert(whos);
        }
        let told: u64 = found.uncovered.iter().map(|one| one.seen.connections).sum();
        assert_eq!(
            connections,
            found.allowed.connections + found.covered.connections + told,
            "{}",
            context()
        );
        for (key, _) in summaries.rows.iter().filter(|(key, _)| key.outcome == Outcome::Rejected) {
            if !chosen.contains(&whos(&summaries, key)) && best(&snapshot, &summaries, key) == Fate::Blocked {
                *coverage.entry("dropped and still dropped").or_default() += 1;
                let fate = best(&after, &summaries, key);
                assert_eq!(fate, Fate::Blocked, "{:?}\n{}", whos(&summaries, key), context());
            }
        }
        if snapshot.translations.is_empty() {
            nothing_else_passes(&snapshot, &after, &summaries, &found, &chosen, &context);
        }
        let passing = |snapshot: &Snapshot| {
            let covered = summaries.rows.iter().filter(|(key, tally)| is_accepted(key, tally));
            covered.filter(|(key, _)| worst(snapshot, &summaries, key) == Fate::Allowed).count()
        };
        let all = passing(&after);
        for ruleset in snapshot.policy.rulesets.len()..after.policy.rulesets.len() {
            for rule in 0..after.policy.rulesets[ruleset].rules.len() {
                let mut without = after.clone();
                without.policy.rulesets[ruleset].rules.remove(rule);
                assert!(passing(&without) < all, "rule {ruleset}/{rule} is not needed\n{}", context());
                *coverage.entry("rules").or_default() += 1;
            }
        }
        *coverage.entry("uncovered").or_default() += found.uncovered.len() as u64;
        *coverage.entry("wide").or_default() += u64::from(found.widening_count > 0);
        *coverage.entry("with a new list").or_default() += u64::from(found.file.contains("ip_lists:"));
        let several = found.rules.iter().any(|rule| rule.services.len() > 1);
        *coverage.entry("several services").or_default() += u64::from(several);
    }
    println!("{coverage:?}");
    assert!(coverage["rules"] > 300 && coverage.values().all(|&count| count > 20), "{coverage:?}");
}

/// Between workloads that exist, only what was chosen and what the suggestion tells of passes that did not before.
fn nothing_else_passes(
    snapshot: &Snapshot,
    after: &Snapshot,
    summaries: &Summaries,
    found: &Suggestion,
    chosen: &BTreeSet<(Who, Who, ServicePoint)>,
    context: &impl Fn() -> String,
) {
    let services: BTreeSet<ServicePoint> = summaries.rows.iter().map(|(key, _)| key.service).collect();
    let ends: Vec<End> = world::ends(snapshot);
    let workloads = || {
        ends.iter().filter_map(|end| match end {
            End::Workload { labels, network: Some(network) } => Some((end, labels, network)),
            _ => None,
        })
    };
    for (from, from_labels, here) in workloads() {
        // Elsewhere an address of one workload may be taken for another one.
        for (to, to_labels, _) in workloads().filter(|(_, _, there)| snapshot.connected(here, there)) {
            for &service in &services {
                let whos = (Who::Labels(from_labels.clone()), Who::Labels(to_labels.clone()), service);
                if chosen.contains(&whos) || is_told(found, from_labels, to_labels, service) {
                    continue;
                }
                for flow in oracle::flows(snapshot, from, to, service) {
                    let before = oracle::verdict(snapshot, &flow).0;
                    let now = oracle::verdict(after, &flow).0;
                    assert!(
                        now == before || by_list(after, found, &flow),
                        "{whos:?}: {before:?} {now:?}\n{}",
                        context()
                    );
                }
            }
        }
    }
}

/// An IP list means whoever holds its addresses: a rule that names one may open workloads too.
fn by_list(after: &Snapshot, found: &Suggestion, flow: &policy::Flow) -> bool {
    let holds = |end: &RuleEnd, address| match end {
        RuleEnd::List(name) => after.policy.ip_lists[name].addresses.contains(address),
        RuleEnd::Hosts(hosts) => hosts.iter().any(|host| host.contains(&address)),
        _ => false,
    };
    let (source, destination) = (flow.source.address, flow.destination.address);
    found.rules.iter().any(|rule| holds(&rule.source, source) || holds(&rule.destination, destination))
}

fn is_told(found: &Suggestion, from: &LabelSet, to: &LabelSet, service: ServicePoint) -> bool {
    let means = |end: &RuleEnd, labels: &LabelSet| *end == RuleEnd::Labels(labels.clone());
    let mut all = found.widening.iter();
    all.any(|one| means(&one.source, from) && means(&one.destination, to) && one.services.contains(service))
}

#[test]
fn on_small_inputs_trying_everything_finds_no_fewer_rules() {
    let (mut compared, mut fewer_than_items) = (0, 0);
    for seed in 4000..4300 {
        let mut rng = Rng::with_seed(seed);
        let count = rng.usize(3..7);
        let mut lines = vec!["network a: 10.0.0.0/16".to_owned()];
        for number in 0..count {
            let role = world::choose(&mut rng, &["web", "db"]);
            let app = world::choose(&mut rng, &["a", "b"]);
            lines.push(format!("w{number}: role={role} app={app} env=prod @10.0.0.{number} vpc=a"));
        }
        let snapshot = world::read(&lines);
        let policy = compile(&snapshot).policy;
        let services = ["tcp/1", "tcp/2"];
        let rows: Vec<String> = (0..rng.usize(2..8))
            .map(|_| {
                let mut end = || {
                    let workload = world::choose(&mut rng, &snapshot.workloads);
                    format!("{} @a", policy::label::describe(&workload.labels))
                };
                let (from, to) = (end(), end());
                let outcome = if rng.u8(..6) == 0 { "rejected" } else { "accepted" };
                format!("{from} -> {to} : {} {outcome} 1", world::choose(&mut rng, &services))
            })
            .collect();
        let summaries = rows::summaries(&rows.iter().map(String::as_str).collect::<Vec<_>>());
        let draft = Draft { snapshot: &snapshot, policy: &policy, in_force: None };
        let keys = ["role", "app"].map(Into::into);
        let bounds = Bounds {
            droppable: keys.iter().cloned().collect(),
            keys: keys.to_vec(),
            widening_max: rng.u64(..3),
            merge_services: rng.bool(),
            ..Bounds::default()
        };
        let found = suggest(&summaries, &is_accepted, &draft, &bounds);
        let (fewest, items) = brute(&snapshot, &summaries, &bounds);
        assert_eq!(
            (found.rules.len(), found.is_smallest),
            (fewest, true),
            "seed {seed} {bounds:?}\n{}\n{}\n{}",
            lines.join("\n"),
            rows.join("\n"),
            found.to_text()
        );
        compared += 1;
        fewer_than_items += u64::from(fewest < items);
    }
    println!("{compared} compared, {fewer_than_items} with fewer rules than flows");
    assert!(fewer_than_items > 60);
}

/// The fewest rules, and the number of flows that can be covered: every rule is tried that names any labels of any workload.
fn brute(snapshot: &Snapshot, summaries: &Summaries, bounds: &Bounds) -> (usize, usize) {
    let project = |end: flow::EndId| match summaries.ends.get(end) {
        End::Workload { labels, .. } => only(labels, bounds),
        End::Address(_) => panic!("no addresses here"),
    };
    let flows = |accepted: bool| -> BTreeSet<(LabelSet, LabelSet, ServicePoint)> {
        let rows = summaries.rows.iter().filter(|(key, _)| (key.outcome != Outcome::Rejected) == accepted);
        rows.map(|(key, _)| (project(key.source), project(key.destination), key.service)).collect()
    };
    let wanted = flows(true);
    let dropped: BTreeSet<_> = flows(false).difference(&wanted).cloned().collect();
    let present: BTreeSet<LabelSet> =
        snapshot.workloads.iter().map(|one| only(&one.labels, bounds)).collect();
    let sides: BTreeSet<LabelSet> = present.iter().flat_map(parts_of).collect();
    let is_in = |side: &LabelSet, of: &LabelSet| side.iter().all(|(key, value)| of.get(key) == Some(value));
    let services: BTreeSet<ServicePoint> = wanted.iter().map(|one| one.2).collect();
    // What each rule covers; with merged services all that are within the bounds.
    let mut covers: Vec<BTreeSet<&(LabelSet, LabelSet, ServicePoint)>> = Vec::new();
    for source in &sides {
        for destination in &sides {
            let inside = |one: &(LabelSet, LabelSet, ServicePoint), service| {
                one.2 == service && is_in(source, &one.0) && is_in(destination, &one.1)
            };
            let mut merged = BTreeSet::new();
            for &service in &services {
                let count = |side: &LabelSet| present.iter().filter(|one| is_in(side, one)).count();
                let seen: BTreeSet<_> = wanted.iter().filter(|one| inside(one, service)).collect();
                let unseen = count(source) * count(destination) - seen.len();
                if unseen as u64 > bounds.widening_max || dropped.iter().any(|one| inside(one, service)) {
                    continue;
                }
                if bounds.merge_services {
                    merged.extend(seen);
                } else {
                    covers.push(seen);
                }
            }
            covers.push(merged);
        }
    }
    covers.retain(|one| !one.is_empty());
    covers.sort();
    covers.dedup();
    let all: BTreeSet<_> = covers.iter().flatten().copied().collect();
    (fewest(&covers, &all), all.len())
}

/// Tries one rule, then two, then three.
fn fewest<T: Ord + Copy>(covers: &[BTreeSet<T>], open: &BTreeSet<T>) -> usize {
    fn within<T: Ord + Copy>(covers: &[BTreeSet<T>], open: &BTreeSet<T>, left: usize) -> bool {
        let Some(first) = open.first() else { return true };
        left > 0
            && covers
                .iter()
                .filter(|cover| cover.contains(first))
                .any(|cover| within(covers, &open.difference(cover).copied().collect(), left - 1))
    }
    (0..).find(|&count| within(covers, open, count)).unwrap()
}

fn only(labels: &LabelSet, bounds: &Bounds) -> LabelSet {
    let named = labels.iter().filter(|(key, _)| bounds.keys.contains(key));
    named.map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// Every part of the labels but the empty one.
fn parts_of(labels: &LabelSet) -> Vec<LabelSet> {
    let all: Vec<_> = labels.iter().collect();
    (1..1_usize << all.len())
        .map(|subset| {
            let kept = (0..all.len()).filter(|at| subset >> at & 1 == 1).map(|at| all[at]);
            kept.map(|(key, value)| (key.clone(), value.clone())).collect()
        })
        .collect()
}

#[test]
fn services_stay_apart_unless_they_may_be_merged() {
    let snapshot = dsl::world(&SHOP);
    let policy = compile(&snapshot).policy;
    let draft = Draft { snapshot: &snapshot, policy: &policy, in_force: None };
    let summaries = rows::summaries(&ROWS[2..5]);
    for (merge_services, expected) in [(true, 2), (false, 3)] {
        let bounds = Bounds { merge_services, ..Bounds::default() };
        let found = suggest(&summaries, &is_accepted, &draft, &bounds);
        assert_eq!(found.rules.len(), expected, "{}", found.to_text());
        let services: ServiceSet =
            found.rules.iter().flat_map(|rule| &rule.services).map(|&one| ServiceSet::point(one)).collect();
        assert_eq!(services.to_string(), "tcp/5432, tcp/8008");
    }
}
