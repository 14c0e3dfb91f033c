//! Which rules are in force on a network or an interface, as `getEffectiveFirewalls` tells.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{association, firewall, policy};
use crate::error::{GcpError, invalid, not_found};
use crate::link::{own_path, project_of, region_of};
use crate::request::Request;
use crate::rule::{Rule, Target};
use crate::state::{Kind, Object, State, text_of, texts_of};
use crate::world::World;

/// An instance's interface that rules are asked for.
struct Member<'a> {
    state: &'a State,
    instance: &'a str,
    network: &'a str,
    tags: BTreeSet<String>,
    accounts: BTreeSet<String>,
}

impl World {
    /// `networks.getEffectiveFirewalls`.
    pub(crate) fn effective_of_network(&self, state: &State, network: &str) -> Result<Value, GcpError> {
        if state.get_kind(network, Kind::Network).is_none() {
            return Err(not_found(network));
        }
        Ok(self.effective(state, network, None, |policy| region_of(policy).is_none()))
    }

    /// `regionNetworkFirewallPolicies.getEffectiveFirewalls`.
    pub(crate) fn effective_in_region(&self, state: &State, request: &Request) -> Result<Value, GcpError> {
        let reference = request.query.get("network").map_or("", String::as_str);
        let network = state.resolve(reference, request.project());
        if state.get_kind(&network, Kind::Network).is_none() {
            return Err(not_found(&network));
        }
        let here = request.param("region");
        Ok(self
            .effective(state, &network, None, |policy| region_of(policy).is_none_or(|region| region == here)))
    }

    /// `instances.getEffectiveFirewalls`.
    pub(crate) fn effective_of_instance(&self, state: &State, request: &Request) -> Result<Value, GcpError> {
        let path = request.resource(state);
        let found = state.get_kind(&path, Kind::Instance).ok_or_else(|| not_found(&path))?;
        let wanted = request.query.get("networkInterface").map_or("", String::as_str);
        let viewer = format!("{path}/{wanted}");
        let Some((_, _, nic)) = state.nic(&viewer) else {
            return Err(invalid("networkInterface", wanted, "There is no interface with that name."));
        };
        let accounts = found.body.get("serviceAccounts").and_then(Value::as_array).into_iter().flatten();
        let member = Member {
            state,
            instance: &path,
            network: &nic.network,
            tags: found
                .body
                .get("tags")
                .and_then(Value::as_object)
                .map_or(BTreeSet::new(), |tags| texts_of(tags, "items").into_iter().collect()),
            accounts: accounts.filter_map(|one| one.get("email")?.as_str()).map(str::to_owned).collect(),
        };
        let here = region_of(&path);
        Ok(self.effective(state, &nic.network, Some(&member), |policy| {
            region_of(policy).is_none() || region_of(policy) == here
        }))
    }

    fn effective(
        &self,
        state: &State,
        network: &str,
        member: Option<&Member<'_>>,
        is_wanted: impl Fn(&str) -> bool,
    ) -> Value {
        let applies = |rule: Option<Rule>| match (member, rule) {
            (Some(member), Some(rule)) => member.is_target(&rule.target),
            _ => true,
        };
        let project = project_of(network);
        let firewalls: Vec<Value> = state
            .within(&format!("projects/{project}/global/firewalls"))
            .filter(|(_, found)| firewall::network_of(&found.body) == network)
            .filter(|(_, found)| applies(firewall::read(&found.body).ok()))
            .map(|(path, _)| self.shown(state, path))
            .collect();
        let mut nodes = state.above(project);
        nodes.push(network.to_owned());
        let attached = nodes.iter().flat_map(|node| association::attached_to(state, node));
        let policies: Vec<Value> = attached
            .filter(|(path, _)| is_wanted(path))
            .map(|(path, name)| {
                let body = self.shown(state, &path).as_object().cloned().unwrap_or_default();
                let rules = policy::rules_of(&body);
                let rules = rules
                    .into_iter()
                    .filter(|rule| applies(super::policy_rule::read(&Value::Object(rule.clone())).ok()));
                described(&body, &path, &name, rules.collect())
            })
            .collect();
        json!({ "firewalls": firewalls, "firewallPolicys": policies })
    }
}

fn described(body: &Object, path: &str, association: &str, rules: Vec<Object>) -> Value {
    let kind = match path {
        path if path.starts_with("locations/") => "HIERARCHY",
        path if region_of(path).is_some() => "NETWORK_REGIONAL",
        _ => "NETWORK",
    };
    let mut shown = json!({ "name": text_of(body, "name"), "type": kind, "rules": rules });
    if let Some(short) = text_of(body, "shortName") {
        shown["shortName"] = json!(short);
        shown["displayName"] = json!(short);
    }
    let named = association::list(body).into_iter().find(|one| text_of(one, "name") == Some(association));
    if kind != "HIERARCHY" {
        let priority = named.and_then(|one| one.get("priority").cloned());
        shown["priority"] = priority.unwrap_or(json!(1000));
    }
    shown
}

impl Member<'_> {
    fn is_target(&self, target: &Target) -> bool {
        match target {
            Target::All => true,
            Target::Tags(tags) => !tags.is_disjoint(&self.tags),
            Target::Accounts(accounts) => !accounts.is_disjoint(&self.accounts),
            Target::SecureTags(values) => self.state.bound(self.instance).any(|value| {
                let key = self.state.effective_tag(value).filter(|_| values.contains(&value));
                key.is_some_and(|key| key.network.as_deref().is_none_or(|of| own_path(of) == self.network))
            }),
        }
    }
}
