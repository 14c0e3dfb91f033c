//! The lists on the path, in the order of judgement: what folders and the organisation say, classic rules and the policies
//! of the network in its order, what is implied.
//!
//! A rule that is not for everybody behind its list names groups as its targets: tag values, or [`ids::places`], which are
//! listed in [`plan::InterfaceState::groups`] of those whom it is for.

use std::collections::BTreeMap;

use plan::{Direction, GroupId, Owner, PathEffect, PathFilter, PathRule};
use policy::NetworkId;

use crate::ids;
use crate::inventory::estate::{Network, Order};
use crate::marks;
use crate::observed::interfaces::Member;
use crate::observed::lists::{self, Own, Read};
use crate::observed::{View, groups};
use crate::resources::{Policy, PolicyRule, ResourcePath};
use crate::settings::Identity;

/// Every list of the networks of the scope; puts their ids, and the places of their rules, on the interfaces.
pub(super) fn filters(view: &View<'_>, members: &mut [Member<'_>]) -> Vec<PathFilter> {
    let mut filters = Vec::new();
    for (id, path, network) in &view.networks {
        let mut lister = Lister { view, id, path, members, filters: Vec::new() };
        lister.network(network);
        filters.append(&mut lister.filters);
    }
    let named = groups::named(&filters);
    for member in members {
        let sources = groups::sources(member).into_iter();
        let sources = sources.filter(|id| named.contains(id) || groups::is_told(view, id));
        member.state.groups.extend(sources.collect::<Vec<_>>());
    }
    filters
}

struct Lister<'a, 'v, 'm> {
    view: &'a View<'v>,
    id: &'a NetworkId,
    path: &'a ResourcePath,
    members: &'a mut [Member<'m>],
    filters: Vec<PathFilter>,
}

impl Lister<'_, '_, '_> {
    fn network(&mut self, network: &Network) {
        for inherited in network.in_force.iter().filter(|policy| !policy.kind.starts_with("NETWORK")) {
            let name = inherited.short_name.clone().unwrap_or_else(|| inherited.name.clone());
            let id = ids::inherited(self.id, &inherited.name);
            let for_here = inherited.rules.iter().filter(|rule| lists::is_for(rule, self.path));
            let read = self.policy_rules(for_here, None);
            self.put(id, name, Owner::Foreign, read, "");
        }
        match network.order {
            Order::ClassicFirst => {
                self.classic(true);
                self.policies();
            }
            Order::PolicyFirst => {
                self.policies();
                self.classic(false);
            }
        }
        let ends = [(Direction::Ingress, PathEffect::Deny), (Direction::Egress, PathEffect::Allow)];
        let rules = ends.map(|(direction, effect)| lists::open_end(direction, effect)).into();
        self.put_list(ids::implied(self.id), "implied rules".to_owned(), Owner::Foreign, rules, "");
    }

    fn classic(&mut self, is_first: bool) {
        let own = self.view.estate.firewalls.values().filter(|one| one.network == *self.path);
        let settings = self.view.settings;
        let installation =
            (settings.identity == Identity::NetworkTags).then_some(settings.installation.as_str());
        let read: Vec<Read> = own.map(|one| lists::of_firewall(&one.rule, self.id, installation)).collect();
        let name = format!("classic rules of {}", self.path.name());
        self.put(ids::classic(self.id, is_first), name, Owner::Foreign, read, "");
    }

    /// The global policies, then those of the regions.
    fn policies(&mut self) {
        let view = self.view;
        let mut found: BTreeMap<(bool, u32, &str), &Policy> = BTreeMap::new();
        for policy in view.estate.policies.values() {
            for association in policy.associations.iter().filter(|one| one.attachment_target == *self.path) {
                let is_regional = ids::is_regional(policy.path.as_str());
                let place = (is_regional, association.priority.unwrap_or(1000), policy.path.as_str());
                found.insert(place, policy);
            }
        }
        for policy in found.into_values() {
            let owner = owner_of(view, self.id, policy);
            let own = (owner == Owner::Ours).then_some(view.settings.installation.as_str());
            let read = self.policy_rules(policy.rules.iter().flatten(), own);
            let region = policy.path.region().unwrap_or_default().to_owned();
            let (id, name) = (policy.path.as_str().to_owned(), policy.path.name().to_owned());
            self.put(id, name, owner, read, &region);
        }
    }

    fn policy_rules<'r>(&self, rules: impl Iterator<Item = &'r PolicyRule>, own: Option<&str>) -> Vec<Read> {
        let group = |value: &str| self.view.group(value);
        let changeable = rules.filter(|rule| !rule.is_predefined());
        changeable.map(|rule| lists::of_policy_rule(rule, own, &group)).collect()
    }

    /// Puts a list on the path of the interfaces of the network in a region (empty: in all).
    fn put(&mut self, id: String, name: String, owner: Owner, read: Vec<Read>, region: &str) {
        let mut rules: Vec<PathRule> = read.into_iter().map(|read| self.targeted(&id, read)).collect();
        rules.sort_by(lists::in_order);
        rules.extend(lists::rest());
        self.put_list(id, name, owner, rules, region);
    }

    fn put_list(&mut self, id: String, name: String, owner: Owner, rules: Vec<PathRule>, region: &str) {
        for member in self.members.iter_mut().filter(|member| member.network == self.path) {
            if region.is_empty() || member.region == region {
                member.state.path_filters.push(id.clone());
            }
        }
        self.filters.push(PathFilter { id, name, owner, rules });
    }

    fn targeted(&mut self, list: &str, read: Read) -> PathRule {
        let Read { mut rule, own } = read;
        if let Some(classes) = own.classes(&|tag| self.view.group_of_tag(self.path, tag)) {
            rule.targets = classes;
        } else if own.is_by_value() {
            rule.targets = own.values.iter().map(|value| self.view.group(value)).collect();
            rule.targets.sort();
            rule.targets.dedup();
        } else if !own.is_everybody() {
            let place = ids::places(list, &format!("{}@{}", rule.name, rule.priority), rule.direction);
            self.settle(&place, &own, rule.effect);
            rule.targets = vec![place];
        }
        rule
    }

    fn settle(&mut self, place: &GroupId, own: &Own, effect: PathEffect) {
        let here = self.members.iter_mut().filter(|member| member.network == self.path);
        for member in here.filter(|member| is_for(member, own, effect)) {
            member.state.groups.push(place.clone());
        }
    }
}

/// Whether an interface is among those whom a rule is for. One address is enough to be let in; a deny is for all of them.
fn is_for(member: &Member<'_>, own: &Own, effect: PathEffect) -> bool {
    let has = |block: &ipnet::IpNet| own.blocks.iter().any(|wanted| wanted.contains(block));
    let touches = |block: &ipnet::IpNet| has(block) || own.blocks.iter().any(|wanted| block.contains(wanted));
    let by_value = own.values.is_empty() || own.values.iter().any(|v| member.values.contains(v.as_str()));
    let by_tag = own.tags.is_empty() || own.tags.iter().any(|tag| member.tags.contains(tag));
    let by_account =
        own.accounts.is_empty() || own.accounts.iter().any(|one| member.account == Some(one.as_str()));
    let by_block = own.blocks.is_empty()
        || match effect {
            PathEffect::Allow => member.blocks.iter().any(touches),
            PathEffect::Deny | PathEffect::Next => !member.blocks.is_empty() && member.blocks.iter().all(has),
        };
    by_value && by_tag && by_account && by_block
}

/// Whose a policy of a network is: ours is at one place only, and there is none where network tags stand for classes.
fn owner_of(view: &View<'_>, network: &NetworkId, policy: &Policy) -> Owner {
    let installation = &view.settings.installation;
    if view.settings.identity == Identity::NetworkTags {
        return Owner::Foreign;
    }
    let description = policy.description.as_deref().unwrap_or_default();
    match marks::owner(installation, policy.path.name(), description) {
        Owner::Ours if policy.path == ids::policy(installation, network) => Owner::Ours,
        Owner::Ours => Owner::Suspect("our name and mark, but for another network".to_owned()),
        other => other,
    }
}
