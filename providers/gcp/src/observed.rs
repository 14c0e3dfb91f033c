//! An estate as a scope sees it: networks, interfaces, groups as facts, lists as they are.
//!
//! ```text
//! Estate ─ networks, interfaces, filters ─▶ what is written (memberships, lists) ─ derive ─▶ Observed
//!                                                      ▲                            │
//!                                                 steps (after) ◀───────────────────┘
//! ```
//!
//! The facts of classes, rests and closed interfaces follow from memberships and lists alone ([`derive`]), so that a
//! prediction and a read come to them in the same way.

pub mod derive;
pub mod flatten;
pub mod lists;

mod filters;
mod groups;
mod interfaces;

use std::collections::{BTreeMap, BTreeSet};

use plan::{Direction, GroupId, Limits, NetworkState, Observed, Owner, Peering, Scope};
use policy::NetworkId;
use provider::{ErrorKind, ProviderError};

use crate::ids;
use crate::inventory::{ACTION, Estate, estate};
use crate::marks;
use crate::resources::ResourcePath;
use crate::settings::{GcpSettings, Identity};

/// What a scope looks like.
///
/// # Errors
/// When a network of the scope is not there.
pub fn observed(estate: &Estate, settings: &GcpSettings, scope: &Scope) -> Result<Observed, ProviderError> {
    let view = View::new(estate, settings, networks_of(estate, scope)?);
    let mut members = interfaces::members(&view);
    let path_filters = filters::filters(&view, &mut members);
    let mut observed = Observed {
        scope: Some(scope.id.clone()),
        networks: view.networks.iter().map(|(id, path, network)| view.network(id, path, network)).collect(),
        interfaces: members.into_iter().map(|member| member.state).collect(),
        groups: Vec::new(),
        path_filters,
        limits: Limits::UNCOUNTED,
    };
    observed.groups = groups::groups(&view, &observed);
    observed.networks.sort_by(|a, b| a.id.cmp(&b.id));
    observed.interfaces.sort_by(|a, b| a.id.cmp(&b.id));
    observed.path_filters.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(derive::derive(&settings.band(), observed))
}

/// An estate with what a scope looks at.
struct View<'a> {
    estate: &'a Estate,
    settings: &'a GcpSettings,
    networks: Vec<(NetworkId, &'a ResourcePath, &'a estate::Network)>,
    /// The tag values for closed interfaces, with what they are as groups.
    closed: BTreeMap<&'a str, GroupId>,
}

impl<'a> View<'a> {
    fn new(
        estate: &'a Estate,
        settings: &'a GcpSettings,
        networks: BTreeMap<&'a ResourcePath, &'a estate::Network>,
    ) -> Self {
        let named = networks.into_iter().map(|(path, network)| (network_id(path), path, network));
        let mut view = Self { estate, settings, networks: named.collect(), closed: BTreeMap::new() };
        if settings.identity == Identity::NetworkTags {
            return view;
        }
        for (name, value) in &estate.tag_values {
            let Some(direction) = view.is_for_closed(value) else { continue };
            if let Some(network) = view.network_of_value(name) {
                view.closed.insert(name, ids::closed(&network_id(network), direction));
            }
        }
        view
    }

    /// The direction for which a tag value of ours closes.
    fn is_for_closed(&self, value: &estate::TagValue) -> Option<Direction> {
        let installation = &self.settings.installation;
        if marks::owner(installation, &value.short_name, &value.description) != Owner::Ours {
            return None;
        }
        match marks::read(&value.description)?.1 {
            marks::role::CLOSED_IN => Some(Direction::Ingress),
            marks::role::CLOSED_OUT => Some(Direction::Egress),
            _ => None,
        }
    }

    /// The network that a tag value is for; none if it is for every network of an organisation, or not known.
    fn network_of_value(&self, value: &str) -> Option<&'a ResourcePath> {
        let key = &self.estate.tag_values.get(value)?.parent;
        self.estate.tag_keys.get(key)?.network.as_ref()
    }

    /// Whether a tag value means anything in a network. One that may not be read may.
    fn works_in(&self, value: &str, network: &ResourcePath) -> bool {
        self.network_of_value(value).is_none_or(|of| of == network)
    }

    /// What a network tag is as a group of a network, if it is one of ours.
    fn group_of_tag(&self, network: &ResourcePath, tag: &str) -> Option<GroupId> {
        let settings = self.settings;
        let is_ours = settings.identity == Identity::NetworkTags;
        is_ours.then(|| ids::group_of_tag(&settings.installation, &network_id(network), tag)).flatten()
    }

    /// A tag value as a group.
    fn group(&self, value: &str) -> GroupId {
        self.closed.get(value).cloned().unwrap_or_else(|| GroupId::from(value))
    }

    fn network(&self, id: &NetworkId, path: &ResourcePath, network: &estate::Network) -> NetworkState {
        let own = self.estate.subnetworks.values().filter(|subnetwork| subnetwork.network == *path);
        let cidrs: BTreeSet<_> = own.flat_map(|subnetwork| subnetwork.blocks.iter().copied()).collect();
        let active = network.peerings.iter().filter(|peering| peering.is_active);
        // Tag values are sources over a peering too, network tags and service accounts are not.
        let mut peerings: Vec<Peering> = active
            .map(|peering| Peering {
                peer: network_id(&peering.remote),
                handle: peering.name.clone(),
                identity: true,
            })
            .collect();
        peerings.sort_by(|a, b| a.peer.cmp(&b.peer));
        NetworkState {
            id: id.clone(),
            name: path.name().to_owned(),
            cidrs: cidrs.into_iter().collect(),
            peerings,
        }
    }
}

fn network_id(path: &ResourcePath) -> NetworkId {
    NetworkId::from(path.as_str())
}

/// The networks of a scope: those that it names, or all of its project.
fn networks_of<'a>(
    estate: &'a Estate,
    scope: &Scope,
) -> Result<BTreeMap<&'a ResourcePath, &'a estate::Network>, ProviderError> {
    let named: BTreeSet<ResourcePath> =
        scope.networks.iter().map(|id| ResourcePath::new(id.as_str())).collect();
    let is_here =
        |path: &ResourcePath| path.project() == scope.account && (named.is_empty() || named.contains(path));
    let found: BTreeMap<_, _> = estate.networks.iter().filter(|(path, _)| is_here(path)).collect();
    if let Some(missing) = named.iter().find(|path| !found.contains_key(path)) {
        let message = format!(
            "network `{missing}` of scope {} does not exist in project `{}`",
            scope.id, scope.account
        );
        let mut error = ProviderError::new(ErrorKind::NotFound, ACTION, message);
        error.hint =
            "check `networks` and `account` of the scope; a shared network belongs to its host project"
                .to_owned();
        return Err(error);
    }
    Ok(found)
}
