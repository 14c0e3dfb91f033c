//! Interfaces whose rules have to move to another security group while our denies stay in the one that decided before:
//! somebody has put one on their subnet. Our allows would leave the old one, and its denies cut the interfaces off.

use std::collections::{BTreeMap, BTreeSet};

use plan::PathRule;
use policy::{Finding, Severity};
use provider::lowering::{Lowering, sample};

use super::paths::Paths;
use crate::band;
use crate::ids;

/// Every list with denies of ours for enforced interfaces that are managed in another one; blocking.
pub(super) fn findings(lowering: &Lowering<'_>, paths: &Paths<'_>) -> Vec<Finding> {
    let mut found: BTreeMap<(&str, &str), BTreeSet<&str>> = BTreeMap::new();
    for interface in &lowering.observed().interfaces {
        let managed = ids::managed(&interface.path_filters).and_then(|list| paths.filter(list));
        let Some(managed) = managed.filter(|_| lowering.enforced_class(interface).is_some()) else {
            continue;
        };
        let closes = |rule: &&PathRule| {
            band::is_whole(paths.band(), rule)
                && rule.targets.iter().any(|one| interface.groups.contains(one))
        };
        let others = interface.path_filters.iter().filter_map(|list| paths.filter(list));
        for list in others.filter(|list| list.id != managed.id && list.rules.iter().any(|rule| closes(&rule)))
        {
            found.entry((&list.name, &managed.name)).or_default().insert(&interface.name);
        }
    }
    let finding = |((list, managed), interfaces): ((&str, &str), BTreeSet<&str>)| {
        let message = format!(
            "denies of ours in it close {}, whose rules belong into {managed} on the subnet by now: without our allows here \
             they would be cut off",
            sample(&interfaces)
        );
        let hint = format!(
            "take {managed} off the subnet again; or delete the rules `bulkhead-…-closed-…` and `bulkhead-…-sealed-…` of {list}"
        );
        Finding::new(Severity::Blocking, "closed-elsewhere", list, message, hint)
    };
    found.into_iter().map(finding).collect()
}
