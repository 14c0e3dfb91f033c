//! What may change in a shop over three clouds, and the policy after it.

use std::collections::BTreeMap;

use plan::guard::GuardSettings;
use policy::file::{SourceFile, load};
use reconcile::mapping::{Case, Mapping, MappingEntry, Part};
use reconcile::planning::Intent;

/// One change of the world or of the policy.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Change {
    /// A web machine in AWS becomes an application.
    Relabel,
    RuleAdded,
    RuleRemoved,
    /// A port of the databases, which are in Google Cloud, asked from both other clouds.
    RuleReplaced,
    ListEdited,
    ClassSplit,
    ClassMerged,
    /// A machine is in Azure now and no more in AWS, with the same labels.
    Moved,
    /// What web machines, in AWS, may do at databases, applications in Azure may instead.
    SourceMoved,
    /// One port from web machines to databases: the source's side of it goes, and the destination's comes. Where both
    /// ends enforce, neither policy lets it pass, and each cloud has one half of it at some time.
    HalvesCross,
}

impl Change {
    pub const ALL: [Self; 10] = [
        Self::Relabel,
        Self::RuleAdded,
        Self::RuleRemoved,
        Self::RuleReplaced,
        Self::ListEdited,
        Self::ClassSplit,
        Self::ClassMerged,
        Self::Moved,
        Self::SourceMoved,
        Self::HalvesCross,
    ];
}

/// What people want after a change.
pub fn intent(change: Option<Change>) -> Intent {
    let file = SourceFile { name: "policy.yaml".to_owned(), text: policy_text(change) };
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
        policy_digest: format!("{change:?}"),
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

fn policy_text(change: Option<Change>) -> String {
    let has = |wanted| change == Some(wanted);
    let office = if has(Change::ListEdited) { "203.0.113.0/25, 198.51.100.0/24" } else { "203.0.113.0/24" };
    let database = if has(Change::RuleReplaced) { "tcp/5433" } else { "tcp/5432" };
    let feeder = if has(Change::SourceMoved) { "role=app" } else { "role=web" };
    let mut rules = vec![
        rule("office", "list:office", "role=web", "tcp/443"),
        rule("web-app", "role=web", "role=app", "tcp/8080"),
        rule("web-web", "role=web", "role=web", "tcp/7000"),
        rule("app-db", "role=app", "role=db", database),
        rule("web-db", "role=web", "role=db", database),
        rule("feed", feeder, "role=db", "tcp/6200"),
        rule("ping", "all-workloads", "all-workloads", "icmp"),
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
    // An address set programs nothing at whoever holds the addresses.
    rules.push(if has(Change::HalvesCross) {
        rule("half", "list:webs", "role=db", "tcp/6300")
    } else {
        rule("half", "role=web", "list:databases", "tcp/6300")
    });
    let modes =
        ["web", "app", "db"].map(|role| format!("  - {{ match: [role={role}], mode: full }}\n")).concat();
    format!(
        "labels: {{ role: [web, app, db], tier: [gold, silver, plain] }}\n\
         ip_lists: {{ office: {{ addresses: [{office}] }}, webs: {{ addresses: [10.0.0.0/15] }}, \
         databases: {{ addresses: [10.4.0.0/16] }} }}\n\
         enforcement:\n{modes}rulesets:\n  - name: shop\n    rules:\n{}",
        rules.concat()
    )
}

fn rule(name: &str, sources: &str, destinations: &str, services: &str) -> String {
    format!(
        "      - {{ name: {name}, sources: [{sources}], destinations: [{destinations}], services: [{services}] }}\n"
    )
}
