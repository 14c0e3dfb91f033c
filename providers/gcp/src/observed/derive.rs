//! What follows from memberships and lists: the facts of classes, rests with theirs, who is closed, what is damaged.
//!
//! INVARIANT: nothing but memberships and lists is read, so that a prediction and a read cannot differ in how they come
//! to these. [`strip`] takes off what [`derive`] puts on.

use std::collections::{BTreeMap, BTreeSet};

use plan::{
    Direction, GroupId, GroupState, InterfaceState, Observed, Owner, PathFilter, PathRule, Peer, RuleSpec,
};
use policy::{AddressSet, NetworkId};
use rustc_hash::FxHashMap;

use crate::band::{self, Band};
use crate::ids::{self, GroupKind};
use crate::observed::flatten::flatten;
use crate::settings::Identity;

const BOTH: [Direction; 2] = [Direction::Ingress, Direction::Egress];

/// Takes off what follows from the rest: rests with their members, and damaged rules as a group.
pub fn strip(mut observed: Observed) -> Observed {
    let is_derived =
        |id: &GroupId| matches!(ids::kind_of(id), GroupKind::Rest { .. } | GroupKind::Damaged(_));
    observed.groups.retain(|group| !is_derived(&group.id));
    for interface in &mut observed.interfaces {
        interface.groups.retain(|id| !is_derived(id));
    }
    observed
}

/// Puts on what follows from memberships and lists. Linear in rules × kinds of interfaces of each network.
pub fn derive(band: &Band, mut observed: Observed) -> Observed {
    if band.identity == Identity::NetworkTags {
        tagged_classes(band, &mut observed);
    }
    let sources = sources(band, &observed);
    let lists: BTreeMap<&str, &PathFilter> =
        observed.path_filters.iter().map(|filter| (filter.id.as_str(), filter)).collect();
    let rules_of = |network: &NetworkId| our_rules(band, &lists, network);
    let mut by_target: FxHashMap<(&NetworkId, &GroupId), Vec<&PathRule>> = FxHashMap::default();
    for network in &observed.networks {
        for rule in rules_of(&network.id).iter().filter(|rule| band::is_of_band(band, rule)) {
            for target in &rule.targets {
                by_target.entry((&network.id, target)).or_default().push(rule);
            }
        }
    }
    for group in observed.groups.iter_mut().filter(|group| is_class(group)) {
        let own = by_target.get(&(&group.network, &group.id)).map(Vec::as_slice).unwrap_or_default();
        let facts = |direction| facts(band, own, direction, &sources);
        (group.ingress, group.egress) = (facts(Direction::Ingress), facts(Direction::Egress));
    }
    let classes: BTreeSet<GroupId> =
        observed.groups.iter().filter(|group| is_class(group)).map(|group| group.id.clone()).collect();
    let mut derived = Vec::new();
    for network in &observed.networks {
        let is_known = |id: &GroupId| classes.contains(id);
        if rules_of(&network.id).iter().any(|rule| band::is_damaged(band, rule, &is_known)) {
            derived.push(group_of(damaged(band, &network.id), &network.id));
        }
    }
    let rests = Rests::new(band, &lists, &observed.interfaces);
    let members: Vec<Vec<GroupId>> =
        observed.interfaces.iter().map(|interface| rests.add(interface, &mut derived)).collect();
    for (interface, rests) in observed.interfaces.iter_mut().zip(members) {
        interface.groups.extend(rests);
        interface.groups.sort();
        interface.groups.dedup();
    }
    observed.groups.extend(derived);
    observed.groups.sort_by(|a, b| a.id.cmp(&b.id));
    observed
}

/// What some rules of our band say in one direction, sorted.
fn facts(
    band: &Band,
    rules: &[&PathRule],
    direction: Direction,
    sources: &FxHashMap<GroupId, GroupId>,
) -> Vec<RuleSpec> {
    let named = |peer: &Peer| match peer {
        Peer::Group(id) => sources.get(id).cloned().map_or_else(|| band::read_peer(band, peer), Peer::Group),
        other => other.clone(),
    };
    let own = rules.iter().filter(|rule| rule.direction == direction);
    let mut facts: Vec<RuleSpec> = own
        .flat_map(|rule| rule.peers.iter().flat_map(|peer| rule.services.iter().map(move |s| (peer, *s))))
        .map(|(peer, service)| RuleSpec { peer: named(peer), service })
        .collect();
    facts.sort_unstable();
    facts.dedup();
    facts
}

/// Classes that network tags stand for. Such a tag is no object: a class is there while an interface has its tag, or a
/// rule of ours is for it or names it.
fn tagged_classes(band: &Band, observed: &mut Observed) {
    let rules = observed.path_filters.iter().flat_map(|list| &list.rules);
    let ours: Vec<&PathRule> = rules.filter(|rule| band::is_of_band(band, rule)).collect();
    let members = observed.interfaces.iter().flat_map(|interface| &interface.groups);
    // Many have the same groups: what they are is read once for each group.
    let named: BTreeSet<&GroupId> = members.chain(ours.iter().flat_map(|rule| &rule.targets)).collect();
    let mut found: BTreeSet<GroupId> = named.into_iter().cloned().collect();
    let planned: BTreeSet<GroupId> = found
        .iter()
        .filter(|id| id.is_planned())
        .filter_map(|id| ids::tagged_class(&band.installation, id))
        .collect();
    for peer in ours.iter().flat_map(|rule| &rule.peers) {
        if let Peer::Group(id) = band::read_peer(band, peer) {
            found.extend((!planned.contains(&id)).then_some(id));
        }
    }
    observed.groups.retain(|group| !is_class(group));
    for id in found {
        let (network, name) = match ids::kind_of(&id) {
            GroupKind::Class { network, tag } => {
                let name = ids::name_of_tag(&band.installation, &network, &tag);
                (network, name.unwrap_or(tag))
            }
            GroupKind::Planned { network, name } => (network, name),
            _ => continue,
        };
        observed.groups.push(GroupState { name, ..group_of(id, &network) });
    }
}

/// What rules know classes by as sources, where that is not their own id.
fn sources(band: &Band, observed: &Observed) -> FxHashMap<GroupId, GroupId> {
    let classes = observed.groups.iter().filter(|group| is_class(group));
    let named =
        classes.filter_map(|group| Some((ids::source_of(&band.installation, &group.id)?, group.id.clone())));
    match band.identity {
        Identity::SecureTags => FxHashMap::default(),
        Identity::NetworkTags => named.collect(),
    }
}

/// The group of the damaged rules of ours in a network.
fn damaged(band: &Band, network: &NetworkId) -> GroupId {
    match band.identity {
        Identity::SecureTags => ids::damaged(ids::policy(&band.installation, network).as_str()),
        Identity::NetworkTags => ids::damaged(network.as_str()),
    }
}

/// Whether a group is a class of ours.
pub fn is_class(group: &GroupState) -> bool {
    let kind = ids::kind_of(&group.id);
    let is_value = matches!(kind, GroupKind::Value(_) | GroupKind::Planned { .. } | GroupKind::Class { .. });
    group.owner == Owner::Ours && is_value
}

/// The list in which rules of ours of a network are: our policy, or its classic rules in their place in the order.
pub fn our_list<'a>(
    band: &Band,
    network: &NetworkId,
    find: impl Fn(&str) -> Option<&'a PathFilter>,
) -> Option<&'a PathFilter> {
    match band.identity {
        Identity::SecureTags => {
            let policy = ids::policy(&band.installation, network);
            find(policy.as_str()).filter(|list| list.owner == Owner::Ours)
        }
        Identity::NetworkTags => {
            find(&ids::classic(network, true)).or_else(|| find(&ids::classic(network, false)))
        }
    }
}

/// The rules of the list that ours are in; none if it is not there or not in force.
fn our_rules<'a>(band: &Band, lists: &BTreeMap<&str, &'a PathFilter>, network: &NetworkId) -> &'a [PathRule] {
    let list = our_list(band, network, |id| lists.get(id).copied());
    list.map(|list| list.rules.as_slice()).unwrap_or_default()
}

fn group_of(id: GroupId, network: &NetworkId) -> GroupState {
    GroupState {
        name: id.to_string(),
        id,
        network: network.clone(),
        owner: Owner::Ours,
        ingress: Vec::new(),
        egress: Vec::new(),
        tag_drift: BTreeMap::new(),
    }
}

/// The addresses of the members of every group.
pub(crate) fn addresses(interfaces: &[InterfaceState]) -> BTreeMap<GroupId, AddressSet> {
    let mut found: BTreeMap<&GroupId, Vec<std::net::IpAddr>> = BTreeMap::new();
    for interface in interfaces {
        for group in &interface.groups {
            found.entry(group).or_default().extend(&interface.addresses);
        }
    }
    found.into_iter().map(|(group, addresses)| (group.clone(), addresses.into_iter().collect())).collect()
}

struct Rests<'a> {
    /// By list: its rules that are not of our band, in their order.
    rules: BTreeMap<&'a str, Vec<&'a PathRule>>,
    /// By network: whether our denies are there, for each of [`BOTH`].
    closing: FxHashMap<NetworkId, [bool; 2]>,
    addresses: BTreeMap<GroupId, AddressSet>,
}

impl<'a> Rests<'a> {
    fn new(
        band: &'a Band,
        lists: &'a BTreeMap<&'a str, &'a PathFilter>,
        interfaces: &[InterfaceState],
    ) -> Self {
        let is_ours = |rule: &PathRule| band::is_of_band(band, rule) || band::is_whole(band, rule);
        let rest = |list: &'a PathFilter| list.rules.iter().filter(|rule| !is_ours(rule)).collect();
        let rules = lists.iter().map(|(id, list)| (*id, rest(list))).collect();
        let mut closing: FxHashMap<NetworkId, [bool; 2]> = FxHashMap::default();
        for network in interfaces.iter().map(|interface| &interface.network) {
            if !closing.contains_key(network) {
                let own = our_rules(band, lists, network);
                let found = BOTH.map(|direction| band::is_closing(band, own, network, direction));
                closing.insert(network.clone(), found);
            }
        }
        Self { rules, closing, addresses: addresses(interfaces) }
    }

    /// The rests that an interface is in; adds the groups that are new, also those of closed interfaces.
    fn add(&self, interface: &InterfaceState, groups: &mut Vec<GroupState>) -> Vec<GroupId> {
        let mut held = Vec::new();
        for direction in BOTH {
            let id = ids::rest(&interface.network, direction, &self.signature(interface, direction));
            if !groups.iter().any(|group| group.id == id) {
                let mut group = group_of(id.clone(), &interface.network);
                let members = |id: &GroupId| self.addresses.get(id).cloned().unwrap_or_default();
                let lists = self.lists_of(interface, direction);
                let rules = lists.map(|(_, rules)| rules.filter(|rule| applies(rule, interface)).collect());
                let facts = flatten(rules, &members);
                match direction {
                    Direction::Ingress => group.ingress = facts,
                    Direction::Egress => group.egress = facts,
                }
                groups.push(group);
            }
            if !self.is_closed(interface, direction) {
                held.push(id);
            }
        }
        held
    }

    /// The lists on the path of an interface with their rules of a direction that are not of our band.
    fn lists_of<'b>(
        &'b self,
        interface: &'b InterfaceState,
        direction: Direction,
    ) -> impl Iterator<Item = (&'b str, impl Iterator<Item = &'a PathRule> + 'b)> {
        interface.path_filters.iter().filter_map(move |id| {
            let rules = self.rules.get(id.as_str())?;
            Some((id.as_str(), rules.iter().copied().filter(move |rule| rule.direction == direction)))
        })
    }

    /// What tells the rest of an interface from that of others in its network: regional policies, and rules for some.
    fn signature(&self, interface: &InterfaceState, direction: Direction) -> Vec<String> {
        let mut found = Vec::new();
        for (id, rules) in self.lists_of(interface, direction) {
            if ids::is_regional(id) {
                found.push(id.to_owned());
            }
            let applying = rules.filter(|rule| !rule.targets.is_empty() && applies(rule, interface));
            found.extend(applying.map(|rule| format!("{id} {} {}", rule.priority, rule.name)));
        }
        found.sort_unstable();
        found
    }

    /// Whether our denies meet an interface.
    fn is_closed(&self, interface: &InterfaceState, direction: Direction) -> bool {
        let network = &interface.network;
        let both = BOTH.iter().zip(self.closing.get(network).into_iter().flatten());
        both.into_iter().any(|(its, closing)| *its == direction && *closing)
            && interface.groups.contains(&ids::closed(network, direction))
    }
}

/// Whether a rule is for an interface.
pub(crate) fn applies(rule: &PathRule, interface: &InterfaceState) -> bool {
    rule.targets.is_empty() || rule.targets.iter().any(|target| interface.groups.contains(target))
}
