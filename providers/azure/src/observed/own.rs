//! Security groups that are not there yet: where an interface has none on its path, the one that we would make for its
//! subnet, or for it, stands in its place. It lets pass what passes without one, and so do its rules when it is made
//! ([`crate::band::open_rules`]): to make it changes nothing for anybody.
//!
//! Where it might, none is made, and the interface says why it cannot be enforced.

use std::collections::{BTreeMap, BTreeSet};

use plan::Owner;
use rustc_hash::FxHashMap;

use crate::band::{default_rules, open_rules};
use crate::inventory::estate::{self, Attach, Estate, SecurityGroup, SecurityRule};
use crate::marks::{self, Form};
use crate::resources::{ArmId, NormalRule, Rule, Tags, kind};
use crate::settings::{AzureSettings, OwnGroups};

/// A security group of ours that is not on its place yet.
pub(super) struct ToMake {
    /// What it says, or will.
    pub group: SecurityGroup,
    /// The place that it is for, or who holds its name.
    pub owner: Owner,
}

/// All of them.
#[derive(Default)]
pub(super) struct Own {
    groups: BTreeMap<ArmId, ToMake>,
    of_interface: FxHashMap<ArmId, ArmId>,
    /// Why interfaces have none.
    reasons: FxHashMap<ArmId, &'static str>,
}

impl Own {
    /// For the interfaces of some networks.
    pub(super) fn new(
        estate: &Estate,
        settings: &AzureSettings,
        networks: &BTreeMap<&ArmId, &estate::Network>,
    ) -> Self {
        let mut own = Self::default();
        let here = || estate.interfaces.iter().filter(|(_, one)| networks.contains_key(&one.network));
        let mut bare: BTreeMap<&ArmId, Vec<(&ArmId, &estate::Interface)>> = BTreeMap::new();
        let mut guarded: BTreeSet<&ArmId> = BTreeSet::new();
        for (id, interface) in here() {
            let Some(subnet) = interface.configurations.first().map(|one| &one.subnet) else { continue };
            let has_none = estate.subnets.get(subnet).is_some_and(|subnet| subnet.security_group.is_none());
            match &interface.security_group {
                Some(_) => drop(guarded.insert(subnet)),
                None if has_none => bare.entry(subnet).or_default().push((id, interface)),
                None => {}
            }
        }
        for (subnet, interfaces) in bare {
            match settings.own_groups {
                OwnGroups::None => {}
                OwnGroups::Subnet => {
                    own.for_subnet(estate, settings, subnet, &interfaces, guarded.contains(subnet));
                }
                OwnGroups::Interface => {
                    let direct =
                        interfaces.iter().filter(|(_, interface)| interface.attach == Attach::Direct);
                    for (id, interface) in direct {
                        own.for_interface(estate, settings, id, interface);
                    }
                }
            }
        }
        own
    }

    /// By id.
    pub(super) fn groups(&self) -> &BTreeMap<ArmId, ToMake> {
        &self.groups
    }

    /// That of an interface.
    pub(super) fn of(&self, interface: &ArmId) -> Option<&ArmId> {
        self.of_interface.get(interface)
    }

    /// Why an interface has none, if there is a reason.
    pub(super) fn reason(&self, interface: &ArmId) -> Option<&'static str> {
        self.reasons.get(interface).copied()
    }

    fn for_subnet(
        &mut self,
        estate: &Estate,
        settings: &AzureSettings,
        subnet: &ArmId,
        interfaces: &[(&ArmId, &estate::Interface)],
        is_guarded: bool,
    ) {
        if !interfaces.iter().any(|(_, interface)| interface.attach == Attach::Direct) {
            return;
        }
        let is_fronted = interfaces.iter().any(|(_, interface)| interface.is_fronted);
        let delegated = estate.subnets.get(subnet).is_some_and(|subnet| !subnet.delegations.is_empty());
        let reason = match () {
            () if is_reserved(subnet.name()) => Some("its subnet is one that Azure reserves for a gateway"),
            () if delegated => Some("its subnet is delegated to a service"),
            () if is_fronted => Some(FRONTED_NEIGHBOUR),
            () if has_routes(estate, subnet) => Some(ROUTED),
            () if is_guarded => Some(GUARDED),
            () => None,
        };
        if let Some(reason) = reason {
            self.reasons.extend(interfaces.iter().map(|(id, _)| ((*id).clone(), reason)));
            return;
        }
        let Some(network) = subnet.parent() else { return };
        let group = self.add(estate, settings, &network, subnet);
        self.of_interface.extend(interfaces.iter().map(|(id, _)| ((*id).clone(), group.clone())));
    }

    fn for_interface(
        &mut self,
        estate: &Estate,
        settings: &AzureSettings,
        id: &ArmId,
        interface: &estate::Interface,
    ) {
        let mut subnets = interface.configurations.iter().map(|one| &one.subnet);
        let is_routed = subnets.any(|subnet| has_routes(estate, subnet));
        if interface.is_fronted || is_routed {
            self.reasons.insert(id.clone(), if interface.is_fronted { FRONTED } else { ROUTED });
            return;
        }
        let group = self.add(estate, settings, &interface.network, id);
        self.of_interface.insert(id.clone(), group);
    }

    fn add(&mut self, estate: &Estate, settings: &AzureSettings, network: &ArmId, place: &ArmId) -> ArmId {
        let id = own_group(&settings.installation, network, place);
        let made = to_make(estate, settings, network, &id, place);
        self.groups.insert(id.clone(), made);
        id
    }
}

const FRONTED: &str = "no network security group is on its path, and none is made: it has a public address or a load \
                       balancer, and whether the internet reaches it now depends on their kind";
const FRONTED_NEIGHBOUR: &str = "no network security group is on its path, and none is made: an interface of its subnet has a \
                                 public address or a load balancer, and whether the internet reaches it now depends on \
                                 their kind";
const ROUTED: &str = "no network security group is on its path, and none is made: its subnet has a route table, and an \
                      appliance may send it packets of the internet, which ours would stop";
const GUARDED: &str = "no network security group is on its path, and its subnet has an interface with one of its own \
                       (`azure: { security_groups: interface }` makes one for this)";

fn has_routes(estate: &Estate, subnet: &ArmId) -> bool {
    estate.subnets.get(subnet).is_some_and(|subnet| subnet.has_routes)
}

/// The id of the security group for a place: in the resource group of its network.
pub fn own_group(installation: &str, network: &ArmId, place: &ArmId) -> ArmId {
    let name = marks::own_group_name(installation, place);
    kind::SECURITY_GROUP.named(network.subscription(), network.resource_group(), &name)
}

/// Subnets of the cloud's own services, which allow no security group, or one with rules of theirs only (Microsoft, *Virtual
/// network for Azure services*).
fn is_reserved(subnet: &str) -> bool {
    const NAMES: [&str; 5] = [
        "GatewaySubnet",
        "AzureFirewallSubnet",
        "AzureFirewallManagementSubnet",
        "AzureBastionSubnet",
        "RouteServerSubnet",
    ];
    NAMES.iter().any(|name| name.eq_ignore_ascii_case(subnet))
}

fn to_make(estate: &Estate, settings: &AzureSettings, network: &ArmId, id: &ArmId, place: &ArmId) -> ToMake {
    let held = estate.security_groups.get(id);
    let is_ours = |held: &SecurityGroup| {
        let ours = |rule: &SecurityRule| {
            let form = marks::form(&settings.installation, &rule.name);
            !matches!(form, None | Some(Form::Half))
        };
        marks::is_own_group(&settings.installation, &held.tags) && held.rules.values().all(ours)
    };
    let owner = match held {
        Some(held) if !is_ours(held) => Owner::Suspect(marks::TAKEN.to_owned()),
        _ => marks::to_make(place),
    };
    let location = estate.networks.get(network).map(|network| network.location.clone());
    let mut group = SecurityGroup {
        etag: String::new(),
        location: location.unwrap_or_default(),
        tags: Tags::new(),
        rules: BTreeMap::new(),
        default_rules: default_rules().into_iter().filter_map(read).collect(),
        is_flushing: false,
        is_settled: true,
        owner: None,
    };
    // One that is there and not on its place stops nobody: only what allows is of it.
    let allows = held.filter(|held| is_ours(held)).into_iter().flat_map(|held| &held.rules);
    let allows = allows.filter(|(name, _)| marks::form(&settings.installation, name) == Some(Form::Hashed));
    group.rules.extend(allows.map(|(name, rule)| (name.clone(), rule.clone())));
    let open = open_rules(&settings.installation).into_iter().filter_map(read);
    group.rules.extend(open.map(|rule| (rule.name.clone(), rule)));
    ToMake { group, owner }
}

fn read(rule: Rule) -> Option<SecurityRule> {
    let normal = NormalRule::of(&rule).ok()?;
    let description = rule.properties.description.unwrap_or_default();
    Some(SecurityRule { name: rule.name, description, rule: normal, is_settled: true, owner: None })
}
