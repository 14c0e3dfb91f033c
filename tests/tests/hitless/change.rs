//! What may change in the shop, and the policy after some changes.

use std::collections::{BTreeMap, BTreeSet};

use plan::guard::GuardSettings;
use policy::file::{SourceFile, load};
use reconcile::mapping::{Case, Mapping, MappingEntry, Part};
use reconcile::planning::Intent;

/// One change of the world or of the policy.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Change {
    Relabel,
    RuleAdded,
    RuleRemoved,
    RuleReplaced,
    ListEdited,
    ClassSplit,
    ClassMerged,
    Exclusive,
    /// Web and database machines talk to their own tier on one port and to the other tier on another one.
    TiersTalk,
    /// A web and a database machine change their tier together: no order of steps keeps both bounds.
    TiersMoved,
}

impl Change {
    /// Those that need no transient, alone or in pairs.
    pub const ALL: [Self; 8] = [
        Self::Relabel,
        Self::RuleAdded,
        Self::RuleRemoved,
        Self::RuleReplaced,
        Self::ListEdited,
        Self::ClassSplit,
        Self::ClassMerged,
        Self::Exclusive,
    ];
}

/// Every change alone.
pub fn singles() -> Vec<Vec<Change>> {
    Change::ALL.into_iter().map(|change| vec![change]).collect()
}

/// Every two changes at once.
pub fn pairs() -> Vec<Vec<Change>> {
    let all = Change::ALL;
    (0..all.len()).flat_map(|a| (a + 1..all.len()).map(move |b| vec![all[a], all[b]])).collect()
}

/// What people want after some changes.
pub fn intent(changes: &BTreeSet<Change>) -> Intent {
    let file = SourceFile { name: "policy.yaml".to_owned(), text: policy_text(changes) };
    let files = load(&[file]).unwrap_or_else(|errors| panic!("{errors:?}"));
    let entry = |key: &str| MappingEntry {
        key: key.into(),
        tag: key.to_owned(),
        part: Part::Whole,
        case: Case::Lower,
        values: BTreeMap::new(),
    };
    Intent {
        installation: "hitless".to_owned(),
        files,
        policy_digest: format!("{changes:?}"),
        policy_commit: None,
        mapping: Mapping { entries: vec![entry("role"), entry("tier")] },
        translations: Vec::new(),
        guards: GuardSettings {
            lose_peer_percent: 100,
            remove_rules_percent: 100,
            lose_all_ingress: 100,
            allow: ["lose-peer", "remove-rules", "lose-all-ingress"].map(str::to_owned).into(),
        },
    }
}

fn policy_text(changes: &BTreeSet<Change>) -> String {
    let has = |change| changes.contains(&change);
    let office = if has(Change::ListEdited) { "203.0.113.0/25, 198.51.100.0/24" } else { "203.0.113.0/24" };
    let database = if has(Change::RuleReplaced) { "tcp/5433" } else { "tcp/5432" };
    let mut rules = vec![
        rule("office", "list:office", "role=web", "tcp/443"),
        rule("web-app", "role=web", "role=app", "tcp/8080"),
        rule("web-web", "role=web", "role=web", "tcp/7000"),
        rule("app-db", "role=app", "role=db", database),
        rule("ping", "all-workloads", "all-workloads", "icmp/8"),
    ];
    if has(Change::RuleAdded) {
        rules.push(rule("back", "role=app", "role=web", "tcp/9000"));
    }
    if !has(Change::RuleRemoved) {
        rules.push(rule("db-db", "role=db", "role=db", "tcp/5000"));
    }
    if has(Change::ClassSplit) {
        rules.push(rule("gold", "role=web, tier=gold", "role=db", "tcp/6000"));
    }
    if !has(Change::ClassMerged) {
        rules.push(rule("silver", "role=app, tier=silver", "role=db", "tcp/6100"));
    }
    if has(Change::TiersTalk) {
        for (from, to, service) in [
            ("plain", "plain", 7000),
            ("gold", "gold", 7000),
            ("plain", "gold", 9000),
            ("gold", "plain", 9000),
        ] {
            let (source, destination) = (format!("role=web, tier={from}"), format!("role=db, tier={to}"));
            rules.push(rule(&format!("{from}-{to}"), &source, &destination, &format!("tcp/{service}")));
        }
    }
    let modes =
        ["web", "app", "db"].map(|role| format!("  - {{ match: [role={role}], mode: full }}\n")).concat();
    format!(
        "labels: {{ role: [web, app, db], tier: [gold, silver, plain] }}\n\
         ip_lists: {{ office: {{ addresses: [{office}] }} }}\n\
         enforcement:\n{modes}rulesets:\n  - name: shop\n    rules:\n{}",
        rules.concat()
    )
}

fn rule(name: &str, sources: &str, destinations: &str, services: &str) -> String {
    format!(
        "      - {{ name: {name}, sources: [{sources}], destinations: [{destinations}], services: [{services}] }}\n"
    )
}
