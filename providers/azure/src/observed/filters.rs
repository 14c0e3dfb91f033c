//! The lists on the path: every security group in force, and the security admin rules of every network.
//!
//! A rule that is not for everybody behind its list names groups as its targets: application security groups, or the
//! interfaces at some addresses, which are listed in [`InterfaceState::groups`] under [`ids::places`].

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use plan::{GroupId, InterfaceState, Owner, PathEffect, PathFilter, PathRule};
use policy::{AddressSet, InterfaceId};
use rustc_hash::FxHashMap;

use crate::band;
use crate::ids;
use crate::inventory::estate::{SecurityGroup, SecurityRule};
use crate::marks;
use crate::observed::View;
use crate::observed::lists::{direction_of, ends_of, path_rule};
use crate::observed::spaces::{Space, depends_on_network};
use crate::resources::{Access, ArmId, Side};

/// Interfaces at the places that rules name.
type Places = BTreeMap<InterfaceId, BTreeSet<GroupId>>;

/// Every list on the path of an interface of the scope, and those that still hold rules of ours for its groups.
pub(super) fn filters(view: &View<'_>, interfaces: &mut [InterfaceState]) -> Vec<PathFilter> {
    let mut places = Places::new();
    let mut filters = Vec::new();
    let to_make = view.own.groups();
    let there = view
        .estate
        .security_groups
        .iter()
        .filter(|(id, nsg)| !to_make.contains_key(*id) && is_listed(view, id, nsg));
    let listed: Vec<(&ArmId, &SecurityGroup)> =
        there.chain(to_make.iter().map(|(id, own)| (id, &own.group))).collect();
    let mut alike: FxHashMap<String, usize> = FxHashMap::default();
    for (id, _) in &listed {
        *alike.entry(id.name().to_ascii_lowercase()).or_default() += 1;
    }
    for (id, nsg) in &listed {
        let name = list_name(id, &alike);
        filters.push(Lister { view, id, interfaces, places: &mut places }.security_group(name, nsg));
    }
    for (id, network) in view.networks.iter().filter(|(_, network)| !network.admin_rules.is_empty()) {
        let mut lister = Lister { view, id, interfaces, places: &mut places };
        let mut rules: Vec<PathRule> =
            network.admin_rules.iter().map(|admin| lister.admin_rule(&admin.id, &admin.rule)).collect();
        rules.extend(admin_rest());
        let name = format!("security admin rules of {}", id.name());
        filters.push(PathFilter { id: ids::admin(id.key()), name, owner: Owner::Foreign, rules });
    }
    for interface in interfaces {
        interface.groups.extend(places.remove(&interface.id).into_iter().flatten());
    }
    filters
}

/// In force in the scope, or with rules of ours for one of its groups.
fn is_listed(view: &View<'_>, id: &ArmId, nsg: &SecurityGroup) -> bool {
    view.behind.contains_key(id)
        || nsg.rules.values().any(|rule| {
            let is_ours = marks::rule_owner(&view.settings.installation, &rule.name, true) == Owner::Ours;
            let Side::Groups(groups) = ends_of(&rule.rule).0 else { return false };
            is_ours
                && groups
                    .iter()
                    .any(|group| view.network_of_group(group).is_some_and(|n| view.networks.contains_key(n)))
        })
}

/// The name of a security group, with its resource group where two of the scope are named alike.
fn list_name(id: &ArmId, alike: &FxHashMap<String, usize>) -> String {
    if alike.get(&id.name().to_ascii_lowercase()).is_some_and(|count| *count > 1) {
        format!("{}~{}", id.name(), id.resource_group())
    } else {
        id.name().to_owned()
    }
}

/// What no security admin rule decides is left to the security groups.
fn admin_rest() -> [PathRule; 2] {
    [plan::Direction::Ingress, plan::Direction::Egress].map(|direction| PathRule {
        name: "no rule".to_owned(),
        priority: u32::MAX,
        owner: Owner::Foreign,
        direction,
        effect: PathEffect::Next,
        targets: Vec::new(),
        peers: Vec::new(),
        services: vec![plan::RuleService::All],
    })
}

/// Writes the rules of one list.
struct Lister<'a, 'v> {
    view: &'a View<'v>,
    /// Of the security group, or of the network.
    id: &'a ArmId,
    interfaces: &'a [InterfaceState],
    places: &'a mut Places,
}

impl Lister<'_, '_> {
    fn security_group(&mut self, name: String, nsg: &SecurityGroup) -> PathFilter {
        let networks = self.view.networks_behind(self.id);
        let mut rules = Vec::new();
        for rule in nsg.rules.values().chain(&nsg.default_rules) {
            self.add_rule(rule, &networks, &mut rules);
        }
        band::sort(&mut rules);
        let to_make = self.view.own.groups().get(self.id).map(|own| own.owner.clone());
        let owner = to_make.unwrap_or_else(|| match nsg.tags.get(marks::INSTALLATION_TAG) {
            Some(found) if *found == self.view.settings.installation => Owner::Ours,
            _ => Owner::Foreign,
        });
        PathFilter { id: self.id.key().to_owned(), name, owner, rules }
    }

    /// A rule, once for each network where it means something else in each.
    fn add_rule(&mut self, rule: &SecurityRule, networks: &BTreeSet<&ArmId>, rules: &mut Vec<PathRule>) {
        let (own, far) = ends_of(&rule.rule);
        let installation = &self.view.settings.installation;
        let differs = networks.len() > 1 && (depends_on_network(own) || depends_on_network(far));
        if !differs {
            let space = networks.first().map_or(&self.view.nowhere, |network| self.view.space(network));
            let targets = self.targets(rule, own, space, None);
            rules.push(path_rule(installation, rule, targets, space));
            return;
        }
        for network in networks {
            let space = self.view.space(network);
            let targets = match own {
                Side::Groups(groups) => {
                    let here =
                        groups.iter().filter(|group| self.view.network_of_group(group) == Some(*network));
                    here.map(ids::of_asg).collect()
                }
                _ => self.targets(rule, own, space, Some(network)),
            };
            if !targets.is_empty() {
                rules.push(path_rule(installation, rule, targets, space));
            }
        }
    }

    fn admin_rule(&mut self, id: &ArmId, rule: &crate::resources::NormalRule) -> PathRule {
        let space = self.view.space(self.id);
        let found = SecurityRule {
            name: id.name().to_owned(),
            description: String::new(),
            rule: rule.clone(),
            is_settled: true,
            owner: None,
        };
        let targets = self.targets(&found, ends_of(rule).0, space, None);
        let effect = match rule.access {
            Access::Allow => PathEffect::Next,
            Access::AlwaysAllow => PathEffect::Allow,
            Access::Deny => PathEffect::Deny,
        };
        PathRule { effect, owner: Owner::Foreign, ..path_rule("", &found, targets, space) }
    }

    /// Whom a rule is for; none is everybody behind the list. `only` is the network that it is written for.
    fn targets(
        &mut self,
        rule: &SecurityRule,
        own: &Side,
        space: &Space,
        only: Option<&ArmId>,
    ) -> Vec<GroupId> {
        let named = match own {
            Side::Groups(groups) => return groups.iter().map(ids::of_asg).collect(),
            Side::Any if only.is_none() => return Vec::new(),
            Side::Any => AddressSet::any(),
            Side::Of { .. } => {
                let found = space.addresses(own).unwrap_or_default();
                found.blocks.into_iter().collect()
            }
        };
        if only.is_none() && space.network.is_subset(&named) {
            return Vec::new();
        }
        let direction = direction_of(&rule.rule);
        let name = format!("{}:{direction}", rule.name);
        let place = ids::places(self.id.key(), &name, only.map(ArmId::key));
        self.settle(&place, &named, rule.rule.access, only);
        vec![place]
    }

    /// Puts the interfaces with such an address at a place: one is enough to be let in, a deny is for all of them.
    fn settle(&mut self, place: &GroupId, named: &AddressSet, access: Access, only: Option<&ArmId>) {
        let is_here = |interface: &&InterfaceState| {
            let is_behind = interface.path_filters.iter().any(|id| id == self.id.key())
                || interface.network.as_str() == self.id.key();
            is_behind && only.is_none_or(|network| interface.network.as_str() == network.key())
        };
        let holds = |address: &IpAddr| named.contains(*address);
        for interface in self.interfaces.iter().filter(is_here) {
            let addresses = &interface.addresses;
            let matches = match access {
                Access::Deny => !addresses.is_empty() && addresses.iter().all(holds),
                Access::Allow | Access::AlwaysAllow => addresses.iter().any(holds),
            };
            if matches {
                self.places.entry(interface.id.clone()).or_default().insert(place.clone());
            }
        }
    }
}
