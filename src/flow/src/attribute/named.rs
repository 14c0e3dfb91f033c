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
