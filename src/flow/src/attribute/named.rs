//! Which services the rules of a policy name between two ends: a hint who opened a connection, where a log does not say.
//!
//! By labels alone, whatever the mode and the network: it is no verdict.

use std::collections::BTreeSet;
use std::sync::Arc;

use policy::compiled::Side;
use policy::{Action, AddressSet, ClassId, CompiledPolicy, LabelSet, ServiceSet, Snapshot};
use rustc_hash::FxHashMap;

use crate::attribute::NamedServices;
use crate::summary::End;

/// The services that allow rules of a policy name, by its snapshot.
pub fn named_services(snapshot: &Snapshot, policy: CompiledPolicy) -> NamedServices {
    let mut classes: FxHashMap<LabelSet, BTreeSet<ClassId>> = FxHashMap::default();
    for (workload, &class) in snapshot.workloads.iter().zip(&policy.class_of) {
        classes.entry(workload.labels.clone()).or_default().insert(class);
    }
    let none = BTreeSet::new();
    Arc::new(move |source, destination| {
        let of = |end: &End| match end {
            End::Workload { labels, .. } => classes.get(labels).unwrap_or(&none),
            End::Address(_) => &none,
        };
        let matches = |side: &Side, end: &End| match end {
            End::Workload { .. } => of(end).iter().any(|&class| policy.selects(side, class)),
            End::Address(block) => side.addresses.intersects(&AddressSet::from_iter([*block])),
        };
        let allows = policy.rules.iter().filter(|rule| rule.action == Action::Allow);
        let both =
            allows.filter(|rule| matches(&rule.sources, source) && matches(&rule.destinations, destination));
        both.fold(ServiceSet::empty(), |all, rule| all.union(&rule.services))
    })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use policy::file::{SourceFile, load};
    use policy::{EnforcementMode, ServicePoint, Workload, compile};

    use super::*;

    const POLICY: &str = "
labels: { role: [web, db] }
ip_lists: { office: { addresses: [203.0.113.0/24] } }
rulesets:
  - name: shop
    scopes: []
    rules:
      - { name: a, sources: [role=web], destinations: [role=db], services: [tcp/50000] }
      - { name: b, sources: [list:office], destinations: [role=web], services: [tcp/60000] }
";

    fn workload(role: &str) -> Workload {
        let labels = [("role".into(), role.into())].into_iter().collect();
        Workload { id: role.into(), labels, mode: EnforcementMode::Full, interfaces: Vec::new() }
    }

    #[test]
    fn rules_name_services_from_source_to_destination_and_not_back() {
        let file = SourceFile { name: "p.yaml".to_owned(), text: POLICY.to_owned() };
        let policy = load(&[file]).unwrap().policy;
        let workloads = vec![workload("db"), workload("web")];
        let snapshot = Snapshot { policy, workloads, ..Snapshot::default() };
        let named = named_services(&snapshot, compile(&snapshot).policy);
        let end = |role: &str| End::Workload { labels: workload(role).labels, network: None };
        let (web, db) = (end("web"), end("db"));
        let [office, elsewhere] =
            ["203.0.113.7", "198.51.100.7"].map(|text| End::address(text.parse().unwrap()));
        let is_named = |from, to, port| named(from, to).contains(ServicePoint::port(6, port));
        assert!(is_named(&web, &db, 50_000) && !is_named(&web, &db, 50_001));
        assert!(!is_named(&db, &web, 50_000), "the way back has no rule");
        assert!(is_named(&office, &web, 60_000) && !is_named(&office, &db, 60_000));
        assert!(!is_named(&elsewhere, &web, 60_000));
        assert!(!is_named(&end("gone"), &db, 50_000), "labels of nobody");
    }
}
