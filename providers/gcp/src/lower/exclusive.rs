//! What stands in the way of a scope that wants to be let pass by its own rules alone.
//!
//! Our denies end everything that comes behind them, so closing is exclusive for all of that. What is left are foreign rules
//! in front of them that let something pass: each is a blocking finding, unless it stands above the project, where the
//! owner of the scope cannot change it (the proof shows that as exposure).
//!
//! INVARIANT: in doubt a rule in front counts. Peers that are not known are anybody in it and nobody in what stops it.

use std::collections::{BTreeMap, BTreeSet};

use plan::{Attachment, Direction, GroupId, InterfaceState, Owner, PathEffect, PathFilter, PathRule, Peer};
use policy::{AddressSet, Finding, NetworkId, ServiceSet, Severity};
use provider::lowering::{Lowering, sample};

use crate::band::{self, Band};
use crate::ids;
use crate::observed::derive;
use crate::observed::flatten::{Region, left};
use crate::settings::Identity;

/// A rule in front, by its list, with the direction.
type Place<'a> = (&'a str, u32, &'a str, Direction);

/// Every foreign rule in front of our denies at an enforced interface. Linear in rules × kinds of interfaces.
pub(super) fn findings(lowering: &Lowering<'_>, band: &Band) -> Vec<Finding> {
    if lowering.scope().attachment != Attachment::Exclusive {
        return Vec::new();
    }
    let observed = lowering.observed();
    let lists: BTreeMap<&str, &PathFilter> =
        observed.path_filters.iter().map(|list| (list.id.as_str(), list)).collect();
    let members = derive::addresses(&observed.interfaces);
    let mut found: BTreeMap<Place<'_>, (&PathFilter, &PathRule, BTreeSet<&str>)> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for interface in &observed.interfaces {
        let Some(class) = lowering.enforced_class(interface) else { continue };
        if !seen.insert((&interface.network, &interface.path_filters, &interface.groups, class)) {
            continue;
        }
        let path = interface.path_filters.iter().filter_map(|id| lists.get(id.as_str()).copied()).collect();
        for &direction in lowering.directions() {
            let walk = Walk { band, members: &members, interface, direction };
            for (list, rule) in walk.in_front(&path) {
                let place = (list.id.as_str(), rule.priority, rule.name.as_str(), direction);
                let classes = &mut found.entry(place).or_insert((list, rule, BTreeSet::new())).2;
                classes.insert(lowering.input.compiled.class(class).description.as_str());
            }
        }
    }
    let scope = &lowering.scope().id;
    let finding = |(list, rule, classes): (&PathFilter, &PathRule, BTreeSet<&str>)| {
        let message = format!(
            "rule `{}` at {} of {} lets {} pass at {}, in front of our denies",
            rule.name,
            rule.priority,
            list.name,
            rule.direction,
            sample(&classes)
        );
        Finding::new(Severity::Blocking, "exclusive-in-front", scope, message, hint(band, list))
    };
    found.into_values().map(finding).collect()
}

fn hint(band: &Band, list: &PathFilter) -> &'static str {
    match ids::is_classic_first(&list.id) {
        Some(_) if band.identity == Identity::NetworkTags => {
            "give the rule a priority number above that of our denies, delete it, or use `attachment: additive`"
        }
        Some(_) => {
            "set the network's firewall policy enforcement order to BEFORE_CLASSIC_FIREWALL, delete the rule, or use \
             `attachment: additive`"
        }
        None if list.owner == Owner::Ours => {
            "give the rule a priority number above those of our denies, delete it, or use `attachment: additive`"
        }
        None if band.identity == Identity::NetworkTags => {
            "set the network's firewall policy enforcement order to AFTER_CLASSIC_FIREWALL, delete the rule, or use \
             `attachment: additive`"
        }
        None => "take the policy off the network, delete the rule, or use `attachment: additive`",
    }
}

/// The lists on the path of one interface, in one direction.
struct Walk<'a> {
    band: &'a Band,
    members: &'a BTreeMap<GroupId, AddressSet>,
    interface: &'a InterfaceState,
    direction: Direction,
}

/// How much a rule says where that is not known.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reading {
    Most,
    Least,
}

impl Walk<'_> {
    /// The foreign rules of lists inside the project that let something pass before our denies, or past them.
    fn in_front<'r>(&self, path: &Vec<&'r PathFilter>) -> Vec<(&'r PathFilter, &'r PathRule)> {
        let (ours, denies) = self.denies(path);
        let (mut found, mut gone, mut past) = (Vec::new(), Vec::new(), Vec::new());
        for (place, list) in path.iter().enumerate() {
            let mut left_to_next: Vec<Region> = Vec::new();
            for rule in list.rules.iter().filter(|rule| self.is_here(rule)) {
                if place == ours && denies.is_some_and(|last| rule.priority >= last) {
                    break;
                }
                let is_behind = place > ours || place == ours && denies.is_none();
                let passed = self.region(rule, Reading::Most);
                let passed = passed.map_or(Vec::new(), |all| left(all, [&gone, &left_to_next]));
                match rule.effect {
                    PathEffect::Allow if is_behind => {
                        past.retain(|(by, taken): &(_, Vec<Region>)| {
                            let meets = meets(taken, &passed);
                            found.extend(meets.then_some(*by));
                            !meets
                        });
                    }
                    PathEffect::Allow if ids::is_inherited(&list.id) => {
                        gone.extend(self.region(rule, Reading::Least));
                    }
                    PathEffect::Allow => found.extend((!passed.is_empty()).then_some((*list, rule))),
                    PathEffect::Deny => {
                        let denied = self.region(rule, Reading::Least);
                        gone.extend(denied.into_iter().flat_map(|all| left(all, [&left_to_next])));
                    }
                    PathEffect::Next => {
                        if place == ours && !passed.is_empty() {
                            past.push(((*list, rule), passed));
                        }
                        left_to_next.extend(self.region(rule, Reading::Least));
                    }
                }
            }
        }
        found
    }

    /// Where the list with our denies is on a path, with the priority of the last of them; none before it is made.
    fn denies(&self, path: &[&PathFilter]) -> (usize, Option<u32>) {
        let network: &NetworkId = &self.interface.network;
        let found = |id: &str| path.iter().find(|list| list.id == id).copied();
        let held = derive::our_list(self.band, network, found);
        let Some(ours) = held.and_then(|held| path.iter().position(|list| list.id == held.id)) else {
            let path: Vec<&str> = path.iter().map(|list| list.id.as_str()).collect();
            return (ids::place_of_policy(&path), None);
        };
        let mut after = path[ours].rules.clone();
        let change = band::close(self.band, &after, network, self.direction).unwrap_or_default();
        change.apply_to(&mut after);
        let target = ids::closed(network, self.direction);
        let is_deny = |rule: &&PathRule| band::is_whole(self.band, rule) && rule.targets.contains(&target);
        let last = after.iter().filter(is_deny).map(|rule| rule.priority).max();
        (ours, Some(last.unwrap_or(*self.band.denies().end())))
    }

    /// Whether a rule is a foreign one that is for this interface.
    fn is_here(&self, rule: &PathRule) -> bool {
        rule.direction == self.direction && rule.owner != Owner::Ours && derive::applies(rule, self.interface)
    }

    /// What a rule is about; none if that is nothing.
    fn region(&self, rule: &PathRule, reading: Reading) -> Option<Region> {
        let services: ServiceSet = rule.services.iter().map(|service| service.to_set()).collect();
        let mut addresses = if rule.peers.is_empty() { AddressSet::any() } else { AddressSet::empty() };
        for peer in &rule.peers {
            let known = match peer {
                Peer::Cidr(block) => Some(AddressSet::from(*block)),
                Peer::Group(id) => self.members.get(id).cloned(),
                Peer::Opaque(_) => None,
            };
            let unknown = || if reading == Reading::Most { AddressSet::any() } else { AddressSet::empty() };
            addresses = addresses.union(&known.unwrap_or_else(unknown));
        }
        (!services.is_empty() && !addresses.is_empty()).then_some((addresses, services))
    }
}

/// Whether two lists of regions have something in common.
fn meets(a: &[Region], b: &[Region]) -> bool {
    let both = |(addresses, services): &Region, (others, other): &Region| {
        addresses.intersects(others) && services.intersects(other)
    };
    a.iter().any(|one| b.iter().any(|other| both(one, other)))
}
