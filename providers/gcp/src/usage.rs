//! How much of each limit of Google Cloud a state uses (`providers.md` 1.3): attributes of our policy of each network, tag
//! values of each interface, tag keys of ours. What others have in our policies and on interfaces counts too.
//!
//! Keys of others in the project are not counted: those without a value that works here are not seen.

use std::collections::{BTreeMap, BTreeSet};

use plan::{GroupId, Observed, Owner, Usage};
use rustc_hash::FxHashMap;

use crate::band;
use crate::ids::{self, GroupKind};
use crate::settings::{GcpSettings, Identity};

/// Tag values on one interface.
const VALUES_PER_INTERFACE: usize = 10;
/// Network tags on one instance.
const TAGS_PER_INSTANCE: usize = 64;

/// The counts of a state. Linear in rules, and in interfaces with their groups.
pub fn usage<'a>(settings: &GcpSettings, observed: &'a Observed) -> Vec<Usage<'a>> {
    if settings.identity == Identity::NetworkTags {
        return of_network_tags(settings, observed);
    }
    let mut found = Vec::new();
    for network in &observed.networks {
        let policy = ids::policy(&settings.installation, &network.id);
        let list = observed.path_filters.iter().find(|list| list.id == policy.as_str());
        let count = list.map_or(0, |list| band::attributes(&list.rules));
        let what = "attributes of the firewall policy of a network";
        found.push(Usage::new(what, network.id.as_str(), count, settings.attributes_max));
    }
    let is_tag = |id: &GroupId| {
        matches!(ids::kind_of(id), GroupKind::Value(_) | GroupKind::Planned { .. } | GroupKind::Closed { .. })
    };
    let mut kinds: FxHashMap<&GroupId, bool> = FxHashMap::default();
    for interface in &observed.interfaces {
        let tags =
            interface.groups.iter().filter(|group| *kinds.entry(*group).or_insert_with(|| is_tag(group)));
        let what = "tag values on an interface";
        found.push(Usage::new(what, interface.id.as_str(), tags.count(), VALUES_PER_INTERFACE));
    }
    let ours = observed.groups.iter().filter(|group| group.owner == Owner::Ours);
    let has_key = |id: &GroupId| {
        matches!(ids::kind_of(id), GroupKind::Value(_) | GroupKind::Planned { .. } | GroupKind::Key(_))
    };
    // The tags of closed interfaces have keys too, and are no groups.
    let is_closed = |id: &&GroupId| matches!(ids::kind_of(id), GroupKind::Closed { .. });
    let closed = kinds.iter().filter(|(_, is_tag)| **is_tag).map(|(id, _)| *id).filter(is_closed).count();
    let keys = ours.filter(|group| has_key(&group.id)).count() + closed;
    let scope = observed.scope.as_ref().map(|scope| scope.as_str()).unwrap_or_default();
    found.push(Usage::new("tag keys of ours in the project", scope, keys, settings.tag_keys_max as usize));
    found
}

/// Where network tags stand for classes: classic rules of the project, and network tags of each instance. Rules in networks
/// that the scope does not have are not seen.
fn of_network_tags<'a>(settings: &GcpSettings, observed: &'a Observed) -> Vec<Usage<'a>> {
    let classic = observed.path_filters.iter().filter(|list| ids::is_classic_first(&list.id).is_some());
    // The last two of a list stand for what no rule decides.
    let rules =
        classic.flat_map(|list| &list.rules).filter(|rule| rule.priority <= u32::from(u16::MAX)).count();
    let scope = observed.scope.as_ref().map(|scope| scope.as_str()).unwrap_or_default();
    let mut found =
        vec![Usage::new("classic firewall rules of the project", scope, rules, settings.classic_rules_max)];
    let mut by_instance: BTreeMap<&str, BTreeSet<&GroupId>> = BTreeMap::new();
    for interface in &observed.interfaces {
        let is_tag = |id: &&GroupId| {
            matches!(
                ids::kind_of(id),
                GroupKind::Class { .. } | GroupKind::Planned { .. } | GroupKind::Closed { .. }
            )
        };
        let theirs = |id: &&GroupId| {
            let is_tag = matches!(ids::kind_of(id), GroupKind::NetworkTag { .. });
            is_tag && ids::class_of_source(&settings.installation, id).is_none()
        };
        let instance = interface.id.as_str().rsplit_once('#').map_or("", |(instance, _)| instance);
        let tags = interface.groups.iter().filter(|id| is_tag(id) || theirs(id));
        by_instance.entry(instance).or_default().extend(tags);
    }
    let what = "network tags on an instance";
    let tags = by_instance.into_iter();
    found.extend(tags.map(|(instance, tags)| Usage::new(what, instance, tags.len(), TAGS_PER_INSTANCE)));
    found
}
