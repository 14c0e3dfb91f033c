//! Exclusive scopes: what others have behind our denies is dead for enforced interfaces, and what they have before them is
//! for people to move.

use std::collections::{BTreeMap, BTreeSet};

use plan::{Attachment, Direction, GroupId, InterfaceState, PathEffect, PathFilter, PathRule};
use policy::{AddressSet, Finding, Severity};
use provider::lowering::{Lowering, sample};

use super::paths::Paths;
use crate::band::{self, Full};
use crate::ids;
use crate::observed::derive::{applies, rest_of};
use crate::observed::flatten::flatten;
use crate::resources::ArmId;

const UNTOLD: &str = "the driver was not told that this scope is exclusive";

/// What keeps rules of others from being shut out of a scope; blocking. None in an additive scope.
pub(super) fn findings(lowering: &Lowering<'_>, paths: &Paths<'_>) -> Vec<Finding> {
    if lowering.scope().attachment == Attachment::Additive {
        return Vec::new();
    }
    if paths.band().attachment == Attachment::Additive {
        return lowering.exclusive_finding(UNTOLD).into_iter().collect();
    }
    let mut found: BTreeMap<(&str, Direction, &str), Passing<'_>> = BTreeMap::new();
    let mut full: BTreeMap<&str, Full> = BTreeMap::new();
    for ((list, direction, _), interfaces) in alike(lowering, paths) {
        let (Some(filter), Some(one)) = (paths.filter(list), interfaces.first()) else { continue };
        let network = ArmId::new(one.network.as_str());
        let deny = match band::deny_at(paths.band(), &filter.rules, &network, direction) {
            Ok(deny) => deny,
            Err(why) => {
                full.insert(&filter.name, why);
                continue;
            }
        };
        for rule in passing(lowering, paths, filter, one, direction, deny) {
            let key = (filter.name.as_str(), direction, rule.name.as_str());
            let passing = found.entry(key).or_insert(Passing { rule, reached: BTreeSet::new() });
            passing.reached.extend(interfaces.iter().map(|interface| interface.name.as_str()));
        }
    }
    let in_front = found.into_iter().map(|((list, direction, _), passing)| passing.finding(list, direction));
    in_front.chain(full.into_iter().map(|(list, why)| full_finding(list, &why))).collect()
}

/// A rule of somebody else before our denies.
struct Passing<'a> {
    rule: &'a PathRule,
    /// The enforced interfaces that it is for.
    reached: BTreeSet<&'a str>,
}

impl Passing<'_> {
    fn finding(&self, list: &str, direction: Direction) -> Finding {
        let PathRule { name, priority, .. } = self.rule;
        let message = format!(
            "{direction} rule `{name}` of somebody else (priority {priority}) comes before our denies and lets something pass to {}",
            sample(&self.reached)
        );
        let hint = "move it behind our band or delete it, let ours begin before it (`azure.priorities`), \
                    or use `attachment: additive`";
        Finding::new(Severity::Blocking, "exclusive-in-front", list, message, hint)
    }
}

fn full_finding(list: &str, full: &Full) -> Finding {
    let message = format!("no deny of an exclusive scope can be written: {full}");
    let hint = "move rules of others out of the end of our band, or make it longer (`azure.priorities`, 400 and more)";
    Finding::new(Severity::Blocking, "exclusive-full", list, message, hint)
}

/// A list, a direction, and what of the list is for an interface.
type Kind<'a> = (&'a str, Direction, (&'a str, GroupId));

/// The enforced interfaces by the list that decides on them and what of it applies to them.
fn alike<'a>(lowering: &Lowering<'a>, paths: &Paths<'a>) -> BTreeMap<Kind<'a>, Vec<&'a InterfaceState>> {
    let mut alike: BTreeMap<Kind<'a>, Vec<&InterfaceState>> = BTreeMap::new();
    for interface in &lowering.observed().interfaces {
        let list = ids::managed(&interface.path_filters).and_then(|list| paths.filter(list));
        let Some(list) = list.filter(|_| lowering.enforced_class(interface).is_some()) else { continue };
        for &direction in lowering.directions() {
            let rest = rest_of(paths.band(), list, interface, direction);
            let kind = (list.id.as_str(), direction, (interface.network.as_str(), rest));
            alike.entry(kind).or_default().push(interface);
        }
    }
    alike
}

/// Rules of others before a deny that let something pass which no rule of others before them stops.
fn passing<'a>(
    lowering: &Lowering<'a>,
    paths: &Paths<'a>,
    filter: &'a PathFilter,
    interface: &InterfaceState,
    direction: Direction,
    deny: u32,
) -> Vec<&'a PathRule> {
    let members = |id: &GroupId| -> AddressSet {
        let all = lowering.observed().interfaces.iter();
        let members = all.filter(|interface| interface.groups.contains(id));
        members.flat_map(|interface| &interface.addresses).copied().collect()
    };
    let in_front = |rule: &&PathRule| {
        rule.direction == direction
            && rule.priority < deny
            && !band::is_of_band(paths.band(), rule)
            && applies(rule, interface)
    };
    let (mut denies, mut passing) = (Vec::new(), Vec::new());
    for rule in filter.rules.iter().filter(in_front) {
        match rule.effect {
            PathEffect::Deny => denies.push(rule),
            PathEffect::Allow => {
                let facts = flatten(denies.iter().copied().chain([rule]), &members);
                passing.extend((!facts.is_empty()).then_some(rule));
            }
            PathEffect::Next => {}
        }
    }
    passing
}
