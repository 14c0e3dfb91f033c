//! An estate as a scope sees it: networks, interfaces, groups as facts, lists as they are.
//!
//! ```text
//! Estate ─ networks, interfaces, filters ─▶ what is written (memberships, lists) ─ derive ─▶ Observed
//!                                                      ▲                            │
//!                                                 steps (after) ◀───────────────────┘
//! ```
//!
//! Carriers, rests and closed interfaces follow from memberships and lists alone ([`derive`]), so that a prediction and a
//! read come to them in the same way.

pub mod derive;
pub mod flatten;
pub mod services;
pub mod spaces;

mod closed;
mod filters;
mod groups;
mod interfaces;
mod lists;
mod own;

use std::collections::{BTreeMap, BTreeSet};

use plan::{Limits, NetworkState, Observed, Peering, Scope};
use policy::NetworkId;
use provider::{ErrorKind, ProviderError};
use rustc_hash::FxHashMap;

use crate::inventory::{ACTION, Estate, estate};
use crate::observed::own::Own;
use crate::observed::spaces::Space;
use crate::resources::ArmId;
use crate::settings::AzureSettings;

pub use lists::as_written;
pub use own::own_group;

/// What a scope looks like.
///
/// # Errors
/// When a network of the scope is not there.
pub fn observed(estate: &Estate, settings: &AzureSettings, scope: &Scope) -> Result<Observed, ProviderError> {
    let networks = networks_of(estate, scope)?;
    let own = Own::new(estate, settings, &networks);
    let view = View::new(estate, settings, networks, &own);
    let groups = groups::groups(&view);
    let mut observed = Observed {
        scope: Some(scope.id.clone()),
        networks: view.networks.iter().map(|(id, network)| network_state(id, network)).collect(),
        interfaces: interfaces::interfaces(&view, &groups),
        groups,
        path_filters: Vec::new(),
        limits: Limits::UNCOUNTED,
    };
    observed.path_filters = filters::filters(&view, &mut observed.interfaces);
    observed.networks.sort_by(|a, b| a.id.cmp(&b.id));
    observed.interfaces.sort_by(|a, b| a.id.cmp(&b.id));
    observed.path_filters.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(derive::derive(&settings.band_of(Some(&scope.id)), observed))
}

/// An estate with what a scope looks at.
struct View<'a> {
    estate: &'a Estate,
    settings: &'a AzureSettings,
    networks: BTreeMap<&'a ArmId, &'a estate::Network>,
    /// What tags mean in each of them.
    spaces: BTreeMap<&'a ArmId, Space>,
    nowhere: Space,
    /// Interfaces of the scope in order of their ids, with the security groups on their paths, the nearest last.
    interfaces: Vec<(&'a ArmId, &'a estate::Interface, Vec<&'a ArmId>)>,
    /// The networks of the scope with an interface behind each security group, the two on a path alike.
    behind: FxHashMap<&'a ArmId, BTreeSet<&'a ArmId>>,
    /// Security groups that are not on their places yet.
    own: &'a Own,
    /// The first member of each application security group, in all networks.
    first_members: FxHashMap<&'a ArmId, &'a estate::Interface>,
}

impl<'a> View<'a> {
    fn new(
        estate: &'a Estate,
        settings: &'a AzureSettings,
        networks: BTreeMap<&'a ArmId, &'a estate::Network>,
        own: &'a Own,
    ) -> Self {
        let spaces = networks.iter().map(|(id, network)| (*id, Space::new(network))).collect();
        let mut view = Self {
            estate,
            settings,
            networks,
            spaces,
            nowhere: Space::default(),
            interfaces: Vec::new(),
            behind: FxHashMap::default(),
            own,
            first_members: FxHashMap::default(),
        };
        for (id, interface) in &estate.interfaces {
            for group in interface.configurations.iter().flat_map(|one| &one.groups) {
                view.first_members.entry(group).or_insert(interface);
            }
            if view.networks.contains_key(&interface.network) {
                let path = view.path(id, interface);
                for nsg in &path {
                    view.behind.entry(nsg).or_default().insert(&interface.network);
                }
                view.interfaces.push((id, interface, path));
            }
        }
        view
    }

    /// The security groups on the path to an interface, the nearest last; without any, the one that we would make.
    fn path(&self, id: &ArmId, interface: &'a estate::Interface) -> Vec<&'a ArmId> {
        let subnet = interface.configurations.first().and_then(|one| self.estate.subnets.get(&one.subnet));
        let of_subnet = subnet.and_then(|subnet| subnet.security_group.as_ref());
        let own = interface.security_group.as_ref().filter(|own| Some(*own) != of_subnet);
        of_subnet
            .into_iter()
            .chain(own)
            .filter(|nsg| self.estate.security_groups.contains_key(*nsg))
            .chain(self.own.of(id))
            .collect()
    }

    /// The networks of the scope that have an interface behind a security group, sorted.
    fn networks_behind(&self, nsg: &ArmId) -> BTreeSet<&'a ArmId> {
        self.behind.get(nsg).cloned().unwrap_or_default()
    }
}

/// The networks of a scope: those that it names, or all of its region.
fn networks_of<'a>(
    estate: &'a Estate,
    scope: &Scope,
) -> Result<BTreeMap<&'a ArmId, &'a estate::Network>, ProviderError> {
    let named: BTreeSet<ArmId> = scope.networks.iter().map(|id| ArmId::new(id.as_str())).collect();
    let is_here = |id: &ArmId, network: &estate::Network| {
        let in_region = scope.region.is_empty() || network.location.eq_ignore_ascii_case(&scope.region);
        let in_account = scope.account.is_empty() || id.subscription().eq_ignore_ascii_case(&scope.account);
        in_region && in_account && (named.is_empty() || named.contains(id))
    };
    let found: BTreeMap<&ArmId, &estate::Network> =
        estate.networks.iter().filter(|(id, network)| is_here(id, network)).collect();
    if let Some(missing) = named.iter().find(|id| !found.contains_key(id)) {
        let message = format!(
            "network `{missing}` of scope {} does not exist in region `{}` of subscription `{}`",
            scope.id, scope.region, scope.account
        );
        let mut error = ProviderError::new(ErrorKind::NotFound, ACTION, message);
        error.hint = "check `networks`, `region` and `account` of the scope".to_owned();
        return Err(error);
    }
    Ok(found)
}

fn network_state(id: &ArmId, network: &estate::Network) -> NetworkState {
    let active = network.peerings.iter().filter(|peering| peering.is_connected && peering.has_access);
    let mut peerings: Vec<Peering> = active
        .map(|peering| Peering {
            peer: NetworkId::from(peering.remote.shared()),
            handle: peering.id.key().to_owned(),
            identity: false,
        })
        .collect();
    peerings.sort_by(|a, b| a.peer.cmp(&b.peer));
    NetworkState {
        id: NetworkId::from(id.shared()),
        name: id.name().to_owned(),
        cidrs: network.blocks.iter().copied().collect(),
        peerings,
    }
}
