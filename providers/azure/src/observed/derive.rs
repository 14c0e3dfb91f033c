//! What follows from memberships and lists: carriers with their rules, rests with theirs, who is closed, what is damaged.
//!
//! INVARIANT: nothing but memberships and lists is read, so that a prediction and a read cannot differ in how they come
//! to these. [`strip`] takes off what [`derive`] puts on.

use std::collections::{BTreeMap, BTreeSet};

use plan::{Direction, GroupId, GroupState, InterfaceState, Observed, Owner, PathFilter, PathRule, RuleSpec};
use policy::{AddressSet, NetworkId};
use rustc_hash::FxHashMap;

use crate::band::{self, Band};
use crate::ids::{self, GroupKind};
use crate::marks::{self, Form};
use crate::observed::flatten::flatten;
use crate::resources::ArmId;

const BOTH: [Direction; 2] = [Direction::Ingress, Direction::Egress];

/// Takes off what follows from the rest: groups that are no application security groups, and their members. Carriers stay
/// on interfaces: they say that all of an interface is in the group.
pub fn strip(mut observed: Observed) -> Observed {
    let is_written =
        |id: &GroupId| matches!(ids::kind_of(id), GroupKind::Asg(_) | GroupKind::PlannedAsg { .. });
    observed.groups.retain(|group| is_written(&group.id));
    for interface in &mut observed.interfaces {
        interface.groups.retain(|id| !matches!(ids::kind_of(id), GroupKind::Rest { .. }));
    }
    observed
}

/// Puts on what follows from memberships and lists. Linear in rules × kinds of interfaces behind each list, and in pairs of
/// class group and list.
pub fn derive(band: &Band, mut observed: Observed) -> Observed {
    let carriers = carriers(band, &observed);
    let damaged = observed.path_filters.iter().filter_map(|filter| damaged(band, &observed, filter));
    let damaged: Vec<GroupState> = damaged.collect();
    let rests = add_rests(band, &mut observed);
    observed.groups.extend(carriers);
    observed.groups.extend(damaged);
    observed.groups.extend(rests);
    observed.groups.sort_by(|a, b| a.id.cmp(&b.id));
    for interface in &mut observed.interfaces {
        interface.groups.sort();
        interface.groups.dedup();
    }
    observed
}

/// The networks with an interface whose rules a list decides.
fn networks_of(observed: &Observed, list: &str) -> BTreeSet<NetworkId> {
    let behind = observed.interfaces.iter().filter(|i| ids::managed(&i.path_filters) == Some(list));
    behind.map(|interface| interface.network.clone()).collect()
}

/// One carrier for each class group and each list that is in force in its network or has rules for it.
fn carriers(band: &Band, observed: &Observed) -> Vec<GroupState> {
    let mut carriers = Vec::new();
    for filter in &observed.path_filters {
        let networks = networks_of(observed, &filter.id);
        let mut entries: FxHashMap<&GroupId, Vec<PathRule>> = FxHashMap::default();
        for rule in &filter.rules {
            if let Some(entry) = band::read(band, rule) {
                entries.entry(entry.target).or_default().push(rule.clone());
            }
        }
        for class in observed.groups.iter().filter(|group| group.owner == Owner::Ours) {
            let own = entries.get(&class.id).map(Vec::as_slice).unwrap_or_default();
            if own.is_empty() && !networks.contains(&class.network) {
                continue;
            }
            let facts = |direction| band::facts_at(band, own, &class.id, direction);
            carriers.push(GroupState {
                id: ids::carrier(&filter.id, &filter.name, &class.id, &class.network),
                network: class.network.clone(),
                name: ids::carrier_name(&class.name, &filter.name),
                owner: Owner::Ours,
                ingress: facts(Direction::Ingress),
                egress: facts(Direction::Egress),
                tag_drift: BTreeMap::new(),
            });
        }
    }
    carriers
}

/// The group of the damaged rules of a list; none if there are none.
fn damaged(band: &Band, observed: &Observed, filter: &PathFilter) -> Option<GroupState> {
    filter.rules.iter().any(|rule| band::is_damaged(band, rule)).then(|| {
        let id = ids::damaged(&filter.id);
        group_of(
            id,
            networks_of(observed, &filter.id).into_iter().next().unwrap_or_else(|| NetworkId::from("")),
        )
    })
}

fn group_of(id: GroupId, network: NetworkId) -> GroupState {
    GroupState {
        name: id.to_string(),
        id,
        network,
        owner: Owner::Ours,
        ingress: Vec::new(),
        egress: Vec::new(),
        tag_drift: BTreeMap::new(),
    }
}

/// Puts interfaces that are not closed into their rests; gives the rests of all interfaces, closed or not.
fn add_rests(band: &Band, observed: &mut Observed) -> Vec<GroupState> {
    let addresses = addresses(observed);
    let members = |id: &GroupId| addresses.get(id).cloned().unwrap_or_default();
    let mut rests: BTreeMap<GroupId, GroupState> = BTreeMap::new();
    for filter in observed.path_filters.iter().filter(|filter| !filter.id.starts_with("admin:")) {
        let first = networks_of(observed, &filter.id).into_iter().next();
        let Some(first) = first else { continue };
        for interface in &mut observed.interfaces {
            if ids::managed(&interface.path_filters) != Some(filter.id.as_str()) {
                continue;
            }
            for direction in BOTH {
                let id = rest_of(band, filter, interface, direction);
                rests.entry(id.clone()).or_insert_with(|| {
                    let mut group = group_of(id.clone(), first.clone());
                    *facts_mut(&mut group, direction) =
                        rest_facts(band, filter, interface, direction, &members);
                    group
                });
                if !is_closed(band, filter, interface, direction) {
                    interface.groups.push(id);
                }
            }
        }
    }
    rests.into_values().collect()
}

fn facts_mut(group: &mut GroupState, direction: Direction) -> &mut Vec<RuleSpec> {
    match direction {
        Direction::Ingress => &mut group.ingress,
        Direction::Egress => &mut group.egress,
    }
}

/// The addresses of the members of every group that interfaces name.
fn addresses(observed: &Observed) -> FxHashMap<GroupId, AddressSet> {
    let mut found: FxHashMap<GroupId, Vec<std::net::IpAddr>> = FxHashMap::default();
    for interface in &observed.interfaces {
        for group in &interface.groups {
            found.entry(group.clone()).or_default().extend(&interface.addresses);
        }
    }
    found.into_iter().map(|(group, addresses)| (group, addresses.into_iter().collect())).collect()
}

/// The rest that an interface is in unless it is closed.
pub fn rest_of(
    band: &Band,
    filter: &PathFilter,
    interface: &InterfaceState,
    direction: Direction,
) -> GroupId {
    let mut applying: Vec<&str> = rest_rules(band, filter, direction)
        .filter(|rule| !rule.targets.is_empty() && applies(rule, interface))
        .map(|rule| match rule.targets.as_slice() {
            // One rule may mean something else in each network.
            [place] if ids::kind_of(place) == GroupKind::Places => place.as_str(),
            _ => rule.name.as_str(),
        })
        .collect();
    applying.sort_unstable();
    ids::rest(&filter.id, direction, &applying)
}

fn rest_facts(
    band: &Band,
    filter: &PathFilter,
    interface: &InterfaceState,
    direction: Direction,
    members: &dyn Fn(&GroupId) -> AddressSet,
) -> Vec<RuleSpec> {
    flatten(rest_rules(band, filter, direction).filter(|rule| applies(rule, interface)), members)
}

/// The rules of a list that are not of our band, in their order.
fn rest_rules<'a>(
    band: &'a Band,
    filter: &'a PathFilter,
    direction: Direction,
) -> impl Iterator<Item = &'a PathRule> {
    filter.rules.iter().filter(move |rule| rule.direction == direction && !band::is_of_band(band, rule))
}

fn applies(rule: &PathRule, interface: &InterfaceState) -> bool {
    rule.targets.is_empty() || rule.targets.iter().any(|target| interface.groups.contains(target))
}

/// Whether our deny meets an interface.
fn is_closed(band: &Band, filter: &PathFilter, interface: &InterfaceState, direction: Direction) -> bool {
    let closed = interface
        .groups
        .iter()
        .find(|id| marks::form(&band.installation, &ids::asg_name(id)) == Some(Form::Closed(direction)));
    closed.is_some_and(|id| band::is_closing(band, &filter.rules, &ArmId::new(id.as_str()), direction))
}
