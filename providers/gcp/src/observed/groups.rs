//! Groups: tag values of the networks, and what classic rules know their sources by. Tags of closed interfaces are none.

use std::collections::{BTreeMap, BTreeSet};

use plan::{GroupId, GroupState, Observed, Owner, PathFilter, Peer};
use policy::NetworkId;

use crate::ids::{self, GroupKind};
use crate::inventory::estate::TagValue;
use crate::marks;
use crate::observed::interfaces::Member;
use crate::observed::{View, network_id};
use crate::settings::Identity;

/// The groups of the scope, sorted by id; facts of classes are put on later.
pub(super) fn groups(view: &View<'_>, observed: &Observed) -> Vec<GroupState> {
    let mut groups: Vec<GroupState> =
        view.estate.tag_values.iter().filter_map(|(name, value)| of_value(view, name, value)).collect();
    groups.extend(orphans(view));
    groups.extend(named_sources(observed).into_iter().filter(|group| !is_class_source(view, &group.id)));
    groups.sort_by(|a, b| a.id.cmp(&b.id));
    groups
}

/// A tag value as a group; none if it works in no network of the scope, or is for closed interfaces.
fn of_value(view: &View<'_>, name: &str, value: &TagValue) -> Option<GroupState> {
    let network = match view.network_of_value(name) {
        Some(path) => view.networks.iter().find(|(_, own, _)| *own == path)?,
        None => view.networks.first()?,
    };
    let owner = marks::owner(&view.settings.installation, &value.short_name, &value.description);
    let role = marks::read(&value.description).map(|(_, role)| role);
    match owner {
        Owner::Ours if view.settings.identity == Identity::NetworkTags => {
            let why = Owner::Suspect("our name and mark, but network tags stand for classes".to_owned());
            Some(group(GroupId::from(name), &network.0, value.short_name.clone(), why))
        }
        Owner::Ours if view.closed.contains_key(name) => None,
        // A class is of one network.
        Owner::Ours if role == Some(marks::role::CLASS) && view.network_of_value(name).is_some() => {
            Some(group(GroupId::from(name), &network.0, value.short_name.clone(), Owner::Ours))
        }
        Owner::Ours => {
            let why = Owner::Suspect("our name and mark, but not for a class of a network".to_owned());
            Some(group(GroupId::from(name), &network.0, value.short_name.clone(), why))
        }
        other => {
            let key = view.estate.tag_keys.get(&value.parent);
            let key = key.map(|key| key.key.short_name.as_str()).unwrap_or_default();
            Some(group(GroupId::from(name), &network.0, format!("{key}/{}", value.short_name), other))
        }
    }
}

/// Keys for classes without a value: what a creation left that did not come to its end.
fn orphans<'a>(view: &'a View<'_>) -> impl Iterator<Item = GroupState> + 'a {
    let used: BTreeSet<&str> = view.estate.tag_values.values().map(|value| value.parent.as_str()).collect();
    view.estate.tag_keys.values().filter_map(move |held| {
        let key = &held.key;
        let is_ours = marks::owner(&view.settings.installation, &key.short_name, &key.description);
        let role = marks::read(&key.description).map(|(_, role)| role);
        let path = held.network.as_ref()?;
        let (network, ..) = view.networks.iter().find(|(_, own, _)| *own == path)?;
        let is_possible = view.settings.identity == Identity::SecureTags;
        let is_orphan = is_possible && is_ours == Owner::Ours && role == Some(marks::role::CLASS);
        (is_orphan && !used.contains(key.name.as_str()))
            .then(|| group(GroupId::from(key.name.as_str()), network, key.short_name.clone(), Owner::Ours))
    })
}

/// Whether a network tag is told though no rule knows sources by it: where such tags stand for classes, a plan may write a
/// rule that does, and they are counted.
pub(super) fn is_told(view: &View<'_>, id: &GroupId) -> bool {
    let GroupKind::NetworkTag { network, name } = ids::kind_of(id) else { return false };
    let settings = view.settings;
    let group = ids::group_of_tag(&settings.installation, &network, &name);
    let is_closed = group.is_some_and(|id| matches!(ids::kind_of(&id), GroupKind::Closed { .. }));
    settings.identity == Identity::NetworkTags && !is_closed
}

/// Whether a source of rules is a class of ours, which is a group of its own.
pub(super) fn is_class_source(view: &View<'_>, id: &GroupId) -> bool {
    let settings = view.settings;
    settings.identity == Identity::NetworkTags && ids::class_of_source(&settings.installation, id).is_some()
}

/// Network tags and service accounts that rules know their sources by.
fn named_sources(observed: &Observed) -> Vec<GroupState> {
    named(&observed.path_filters)
        .into_iter()
        .filter_map(|id| {
            let is_source = matches!(ids::kind_of(&id), GroupKind::NetworkTag { .. } | GroupKind::Account);
            let place = id.as_str().split_once(':').and_then(|(_, place)| place.rsplit_once('/'));
            let (network, name) = place.filter(|_| is_source)?;
            Some(group(id.clone(), &NetworkId::from(network), name.to_owned(), Owner::Foreign))
        })
        .collect()
}

/// The groups that rules name as peers.
pub(super) fn named(filters: &[PathFilter]) -> BTreeSet<GroupId> {
    let peers = filters.iter().flat_map(|filter| &filter.rules).flat_map(|rule| &rule.peers);
    let groups = peers.filter_map(|peer| match peer {
        Peer::Group(id) => Some(id.clone()),
        Peer::Cidr(_) | Peer::Opaque(_) => None,
    });
    groups.collect()
}

/// The groups that classic rules may know an interface by as a source.
pub(super) fn sources(member: &Member<'_>) -> Vec<GroupId> {
    let network = network_id(member.network);
    let tags = member.tags.iter().filter(|_| member.is_first).map(|tag| ids::network_tag(&network, tag));
    tags.chain(member.account.map(|email| ids::account(&network, email))).collect()
}

fn group(id: GroupId, network: &NetworkId, name: String, owner: Owner) -> GroupState {
    GroupState {
        id,
        network: network.clone(),
        name,
        owner,
        ingress: Vec::new(),
        egress: Vec::new(),
        tag_drift: BTreeMap::new(),
    }
}
