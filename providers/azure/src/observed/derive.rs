//! What follows from memberships and lists: carriers with their rules, rests with theirs, who is closed, what is damaged.
//!
//! INVARIANT: nothing but memberships and lists is read, so that a prediction and a read cannot differ in how they come
//! to these. [`strip`] takes off what [`derive`] puts on.

use std::collections::BTreeMap;

use plan::{
    Direction, GroupId, GroupState, InterfaceState, Observed, Owner, PathEffect, PathFilter, PathRule, Peer,
    RuleService, RuleSpec,
};
use policy::{AddressSet, NetworkId};
use rustc_hash::FxHashMap;

use crate::band::{self, Band, Entry};
use crate::ids::{self, GroupKind};
use crate::observed::closed::{Met, met};
use crate::observed::flatten::flatten;

const BOTH: [Direction; 2] = [Direction::Ingress, Direction::Egress];

/// Takes off what follows from the rest: groups that are no application security groups, and their members. Carriers stay
/// on interfaces: they say that all of an interface is in the group.
pub fn strip(mut observed: Observed) -> Observed {
    observed.groups.retain(|group| ids::is_asg(&group.id));
    for interface in &mut observed.interfaces {
        interface.groups.retain(|id| ids::direction_of_rest(id).is_none());
    }
    observed
}

/// Puts on what follows from memberships and lists. Linear in rules × kinds of interfaces behind each list.
pub fn derive(band: &Band, mut observed: Observed) -> Observed {
    let (groups, rests) = derived(band, &observed);
    observed.groups.extend(groups);
    observed.groups.sort_by(|a, b| a.id.cmp(&b.id));
    for (interface, rests) in observed.interfaces.iter_mut().zip(rests) {
        interface.groups.extend(rests);
        interface.groups.sort();
        interface.groups.dedup();
    }
    observed
}

/// The groups that follow, and the rests that each interface is in.
fn derived(band: &Band, observed: &Observed) -> (Vec<GroupState>, Vec<Vec<GroupId>>) {
    let mut behind: FxHashMap<&str, Vec<usize>> = FxHashMap::default();
    for (place, interface) in observed.interfaces.iter().enumerate() {
        if let Some(list) = ids::managed(&interface.path_filters) {
            behind.entry(list).or_default().push(place);
        }
    }
    let ours = observed.groups.iter().filter(|group| group.owner == Owner::Ours);
    let classes: FxHashMap<&GroupId, &GroupState> = ours.map(|group| (&group.id, group)).collect();
    let mut facts = Facts { members: members(observed), known: BTreeMap::new() };
    let mut groups = Vec::new();
    let mut rests = vec![Vec::new(); observed.interfaces.len()];
    for filter in observed.path_filters.iter().filter(|filter| !ids::is_admin(&filter.id)) {
        let places = behind.get(filter.id.as_str()).map(Vec::as_slice).unwrap_or_default();
        let behind: Vec<&InterfaceState> =
            places.iter().filter_map(|&place| observed.interfaces.get(place)).collect();
        let list = List { filter, rules: Sorted::new(band, filter), behind };
        groups.extend(list.carriers(&classes));
        groups.extend(list.damaged());
        let (found, joined) = list.rests(band, &mut facts);
        groups.extend(found);
        for (&place, joined) in places.iter().zip(joined) {
            if let Some(rests) = rests.get_mut(place) {
                *rests = joined;
            }
        }
    }
    (groups, rests)
}

/// The rules of a list by what they are to us.
struct Sorted<'a> {
    /// Those of our band that say something, with what they say.
    ours: Vec<(Direction, Entry<'a>)>,
    /// Those that are not of our band, in their order.
    others: Vec<&'a PathRule>,
    is_damaged: bool,
}

impl<'a> Sorted<'a> {
    fn new(band: &Band, filter: &'a PathFilter) -> Self {
        let mut sorted = Self { ours: Vec::new(), others: Vec::new(), is_damaged: false };
        for rule in &filter.rules {
            if !band::is_of_band(band, rule) {
                sorted.others.push(rule);
                continue;
            }
            let entry = band::read(band, rule);
            let is_whole = entry.as_ref().is_some_and(|entry| entry.is_settled);
            sorted.is_damaged |= !is_whole && band::is_damaged(band, rule);
            sorted.ours.extend(entry.map(|entry| (rule.direction, entry)));
        }
        sorted
    }

    fn others(&self, direction: Direction) -> impl Iterator<Item = &'a PathRule> + '_ {
        self.others.iter().copied().filter(move |rule| rule.direction == direction)
    }
}

/// A list with the interfaces whose rules it decides.
struct List<'a> {
    filter: &'a PathFilter,
    rules: Sorted<'a>,
    behind: Vec<&'a InterfaceState>,
}

impl<'a> List<'a> {
    /// One carrier for each class group that has rules here, or a whole member. A pair of a class and a list without
    /// either is none: there are many such pairs, and nothing is to be said of them.
    fn carriers(&self, classes: &FxHashMap<&'a GroupId, &'a GroupState>) -> Vec<GroupState> {
        let mut entries: BTreeMap<&GroupId, Vec<&(Direction, Entry<'a>)>> = BTreeMap::new();
        for entry in &self.rules.ours {
            entries.entry(entry.1.target).or_default().push(entry);
        }
        for interface in &self.behind {
            for id in interface.groups.iter().filter(|id| classes.contains_key(id)) {
                let network = &interface.network;
                let is_carrier =
                    |held: &&GroupId| ids::is_carrier(held, &self.filter.id, &self.filter.name, id, network);
                if interface.groups.iter().any(|held| is_carrier(&held)) {
                    entries.entry(id).or_default();
                }
            }
        }
        let classes = entries.into_iter().filter_map(|(id, entries)| Some((*classes.get(id)?, entries)));
        classes.map(|(class, entries)| self.carrier(class, &entries)).collect()
    }

    fn carrier(&self, class: &GroupState, entries: &[&(Direction, Entry<'_>)]) -> GroupState {
        let facts = |direction: Direction| {
            let own = entries.iter().filter(|(its, entry)| *its == direction && entry.is_settled);
            let mut facts: Vec<RuleSpec> = own
                .flat_map(|(_, entry)| entry.services.iter().map(move |service| (service, entry.peers)))
                .flat_map(|(service, peers)| {
                    peers.iter().map(|peer| RuleSpec { peer: peer.clone(), service: *service })
                })
                .collect();
            facts.sort_unstable();
            facts.dedup();
            facts
        };
        GroupState {
            id: ids::carrier(&self.filter.id, &self.filter.name, &class.id, &class.network),
            network: class.network.clone(),
            name: ids::carrier_name(&class.name, &self.filter.name),
            owner: Owner::Ours,
            ingress: facts(Direction::Ingress),
            egress: facts(Direction::Egress),
            tag_drift: BTreeMap::new(),
        }
    }

    /// The first network with an interface behind the list.
    fn network(&self) -> Option<&NetworkId> {
        self.behind.iter().map(|interface| &interface.network).min()
    }

    /// The group of the damaged rules of a list; none if there are none.
    fn damaged(&self) -> Option<GroupState> {
        self.rules.is_damaged.then(|| {
            let network = self.network().cloned().unwrap_or_else(|| NetworkId::from(""));
            group_of(ids::damaged(&self.filter.id), network)
        })
    }

    /// The rests of all interfaces behind the list, closed or not; and those that each of them is in, unless it is closed.
    fn rests(&self, band: &Band, facts: &mut Facts<'a>) -> (Vec<GroupState>, Vec<Vec<GroupId>>) {
        let mut joined = vec![Vec::new(); self.behind.len()];
        let Some(network) = self.network() else { return (Vec::new(), joined) };
        let mut rests: BTreeMap<GroupId, GroupState> = BTreeMap::new();
        for direction in BOTH {
            let plain = ids::rest(&self.filter.id, direction, &[]);
            let is_targeted = self.rules.others(direction).any(|rule| !rule.targets.is_empty());
            for (interface, joined) in self.behind.iter().zip(&mut joined) {
                let others = || self.rules.others(direction);
                let id = if is_targeted {
                    rest_among(others(), &self.filter.id, interface, direction)
                } else {
                    plain.clone()
                };
                let mut rest = |id: &GroupId, before: u32| {
                    if !rests.contains_key(id) {
                        let mut group = group_of(id.clone(), network.clone());
                        let applying =
                            others().filter(|rule| rule.priority < before && applies(rule, interface));
                        *facts_mut(&mut group, direction) = facts.of(applying.collect());
                        rests.insert(id.clone(), group);
                    }
                };
                rest(&id, u32::MAX);
                let (id, before) = match met(band, self.filter, interface, direction) {
                    Met::Closed => continue,
                    Met::Open => (id, u32::MAX),
                    Met::Late(priority) => (ids::before_deny(&id, priority), priority),
                    Met::Otherwise => (ids::closed_by_others(&id), 0),
                };
                rest(&id, before);
                joined.push(id);
            }
        }
        (rests.into_values().collect(), joined)
    }
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

/// What a rule of somebody else says, but for whom.
type Said<'a> = (PathEffect, &'a [Peer], &'a [RuleService]);

/// What rules of others come to. Many lists say the same.
struct Facts<'a> {
    members: FxHashMap<&'a GroupId, Vec<&'a InterfaceState>>,
    known: BTreeMap<Vec<Said<'a>>, Vec<RuleSpec>>,
}

impl<'a> Facts<'a> {
    /// What rules, first match first, come to.
    fn of(&mut self, rules: Vec<&'a PathRule>) -> Vec<RuleSpec> {
        let key: Vec<Said<'a>> =
            rules.iter().map(|rule| (rule.effect, rule.peers.as_slice(), rule.services.as_slice())).collect();
        if let Some(known) = self.known.get(&key) {
            return known.clone();
        }
        let addresses = |id: &GroupId| -> AddressSet {
            let members = self.members.get(id).into_iter().flatten();
            members.flat_map(|interface| &interface.addresses).copied().collect()
        };
        let facts = flatten(rules.into_iter(), &addresses);
        self.known.insert(key, facts.clone());
        facts
    }
}

/// The members of every group that a rule of others names as a far end.
fn members(observed: &Observed) -> FxHashMap<&GroupId, Vec<&InterfaceState>> {
    let rules = observed.path_filters.iter().flat_map(|filter| &filter.rules);
    let foreign = rules.filter(|rule| rule.owner != Owner::Ours);
    let named = foreign.flat_map(|rule| &rule.peers).filter_map(|peer| match peer {
        Peer::Group(id) => Some((id, Vec::new())),
        Peer::Cidr(_) | Peer::Opaque(_) => None,
    });
    let mut members: FxHashMap<&GroupId, Vec<&InterfaceState>> = named.collect();
    if !members.is_empty() {
        for interface in &observed.interfaces {
            for group in &interface.groups {
                if let Some(members) = members.get_mut(group) {
                    members.push(interface);
                }
            }
        }
    }
    members
}

fn facts_mut(group: &mut GroupState, direction: Direction) -> &mut Vec<RuleSpec> {
    match direction {
        Direction::Ingress => &mut group.ingress,
        Direction::Egress => &mut group.egress,
    }
}

/// The rest that an interface is in when it is open.
pub fn rest_of(
    band: &Band,
    filter: &PathFilter,
    interface: &InterfaceState,
    direction: Direction,
) -> GroupId {
    let others =
        filter.rules.iter().filter(|rule| rule.direction == direction && !band::is_of_band(band, rule));
    rest_among(others, &filter.id, interface, direction)
}

/// The same, with the rules of the list that are not of our band.
fn rest_among<'a>(
    others: impl Iterator<Item = &'a PathRule>,
    list: &str,
    interface: &InterfaceState,
    direction: Direction,
) -> GroupId {
    let mut applying: Vec<&str> = others
        .filter(|rule| !rule.targets.is_empty() && applies(rule, interface))
        .map(|rule| match rule.targets.as_slice() {
            // One rule may mean something else in each network.
            [place] if ids::kind_of(place) == GroupKind::Places => place.as_str(),
            _ => rule.name.as_str(),
        })
        .collect();
    applying.sort_unstable();
    ids::rest(list, direction, &applying)
}

/// Whether a rule is for an interface.
pub fn applies(rule: &PathRule, interface: &InterfaceState) -> bool {
    rule.targets.is_empty() || rule.targets.iter().any(|target| interface.groups.contains(target))
}
