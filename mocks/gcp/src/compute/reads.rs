//! What a client reads: one resource, rules and associations of policies, operations, places.

use serde_json::{Value, json};

use super::lists::Item;
use super::{association, network, peering, policy};
use crate::error::{GcpError, not_found};
use crate::link::{link, name_of, scope_of};
use crate::request::{Reply, Request};
use crate::state::{Kind, Object, State, number, text_of};
use crate::world::World;

/// How long `wait` waits at most.
const WAIT_MS: u64 = 120_000;

impl World {
    pub(crate) fn read(&mut self, request: &Request) -> Result<Reply, GcpError> {
        let stale = if request.privileged { None } else { self.stale_state() };
        // Operations are never stale.
        if request.method.id.contains("Operations.") {
            return self.read_operations(request);
        }
        let body = match stale {
            Some(state) => self.read_from(&state, request)?,
            None => {
                let state = std::mem::take(&mut self.state);
                let read = self.read_from(&state, request);
                self.state = state;
                read?
            }
        };
        Ok(self.reply(request, body))
    }

    fn read_from(&mut self, state: &State, request: &Request) -> Result<Value, GcpError> {
        let (resource, word) = request.words();
        match (resource, word) {
            ("projects", _) => self.read_project(state, request),
            ("zones" | "regions", "get") => Ok(place(request.project(), resource, &request.path())),
            ("zones" | "regions", _) => self.list_places(request),
            ("networks", "getEffectiveFirewalls") => {
                self.effective_of_network(state, &request.resource(state))
            }
            ("instances", "getEffectiveFirewalls") => self.effective_of_instance(state, request),
            (_, "getEffectiveFirewalls") => self.effective_in_region(state, request),
            (_, "getRule") => self.read_rule(state, request),
            (_, "getAssociation") => read_association(state, request),
            (_, "listAssociations") => Ok(list_associations(state, request)),
            (_, "list" | "aggregatedList" | "listManagedInstances") => self.list(state, request),
            _ => {
                let path = request.resource(state);
                state.get(&path)?;
                Ok(self.shown(state, &path))
            }
        }
    }

    /// A resource as it is read, with what follows from others.
    pub(crate) fn shown(&self, state: &State, path: &str) -> Value {
        let Some(found) = state.resources.get(path) else { return Value::Null };
        let mut body = found.body.clone();
        match found.kind {
            Kind::Network => {
                let all = network::subnetworks(state, path);
                if !all.is_empty() {
                    body.insert("subnetworks".to_owned(), json!(all));
                }
                if let Some(peerings) = peering::shown(state, path) {
                    body.insert("peerings".to_owned(), peerings);
                }
                let mut attached = association::attached_to(state, path).into_iter();
                if let Some((policy, _)) = attached.find(|(policy, _)| policy.contains("/global/")) {
                    body.insert("firewallPolicy".to_owned(), json!(link(&policy)));
                }
            }
            Kind::FirewallPolicy => {
                let rules = body.get_mut("rules").and_then(Value::as_array_mut).into_iter().flatten();
                rules.for_each(|rule| show_states(state, rule));
            }
            _ => {}
        }
        Value::Object(body)
    }

    fn read_rule(&self, state: &State, request: &Request) -> Result<Value, GcpError> {
        let path = request.resource(state);
        let wanted = request.number("priority")?.unwrap_or(0);
        let rules = policy::rules_of(&state.get(&path)?.body);
        let found = rules.into_iter().find(|rule| policy::priority_of(rule) == wanted);
        let mut found = found.map(Value::Object).ok_or_else(|| policy::no_rule(wanted))?;
        show_states(state, &mut found);
        Ok(found)
    }

    fn read_operations(&mut self, request: &Request) -> Result<Reply, GcpError> {
        if request.method.word() == "list" {
            let scope = request.path().trim_end_matches("/operations").to_owned();
            let now = self.now_ms();
            let operations = self.operations.within(&scope);
            let items: Vec<Item> = operations
                .map(|one| Item { name: one.name(), created_ms: one.start_ms, body: one.show(now) })
                .collect();
            let body = self.page(request, "operation", items)?;
            return Ok(self.reply(request, body));
        }
        let path = request.resource(&self.state);
        if request.method.word() == "wait" {
            let end = self.operations.get(&path).map_or(0, |operation| operation.end_ms);
            self.advance_ms(end.saturating_sub(self.now_ms()).min(WAIT_MS));
        }
        let operation = self.operations.get(&path).ok_or_else(|| not_found(&path))?;
        let body = operation.show(self.now_ms());
        Ok(self.reply(request, body))
    }

    fn list_places(&mut self, request: &Request) -> Result<Value, GcpError> {
        let (resource, _) = request.words();
        let names: Vec<String> =
            if resource == "zones" { self.zones().collect() } else { self.settings.regions.clone() };
        let items = names.into_iter().map(|name| {
            let body = place(request.project(), resource, &format!("{}/{name}", request.path()));
            Item { name, created_ms: 0, body }
        });
        self.page(request, resource.trim_end_matches('s'), items.collect())
    }
}

/// Adds the states of its tag values to a rule.
fn show_states(state: &State, rule: &mut Value) {
    let with_states = |list: &mut Value| {
        for tag in list.as_array_mut().into_iter().flatten() {
            let value = tag.get("name").and_then(Value::as_str).and_then(|name| number(name, "tagValues/"));
            let is_effective = value.is_some_and(|value| state.effective_tag(value).is_some());
            tag["state"] = json!(if is_effective { "EFFECTIVE" } else { "INEFFECTIVE" });
        }
    };
    if let Some(list) = rule.get_mut("targetSecureTags") {
        with_states(list);
    }
    if let Some(list) = rule.get_mut("match").and_then(|matcher| matcher.get_mut("srcSecureTags")) {
        with_states(list);
    }
}

fn read_association(state: &State, request: &Request) -> Result<Value, GcpError> {
    let path = request.resource(state);
    let name = request.query.get("name").map_or("", String::as_str);
    let all = association::list(&state.get(&path)?.body);
    let found = all.into_iter().find(|one| text_of(one, "name") == Some(name));
    found.map(Value::Object).ok_or_else(|| association::no_association(name))
}

/// The hierarchical policies on a folder or organisation, with `includeInheritedPolicies` also those above it.
fn list_associations(state: &State, request: &Request) -> Value {
    let target = request.query.get("targetResource").map_or("", String::as_str);
    let mut nodes = vec![target.to_owned()];
    if request.is_set("includeInheritedPolicies") {
        let mut at = target.to_owned();
        while let Some(folder) = number(&at, "folders/").and_then(|number| state.folders.get(&number)) {
            at.clone_from(&folder.parent);
            nodes.push(at.clone());
        }
    }
    let on_it = nodes.iter().flat_map(|node| association::attached_to(state, node));
    let associations = on_it.filter_map(|(policy, name)| {
        let all = association::list(&state.resources.get(&policy)?.body);
        all.into_iter().find(|one| text_of(one, "name") == Some(&name))
    });
    let associations: Vec<Object> = associations.collect();
    json!({ "kind": "compute#FirewallPoliciesListAssociations", "associations": associations })
}

fn place(project: &str, resource: &str, path: &str) -> Value {
    let name = name_of(path);
    let kind = resource.trim_end_matches('s');
    let id = crate::text::spread(
        name.bytes().map(u64::from).fold(7u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte)),
    ) >> 8;
    let mut shown = json!({
        "kind": format!("compute#{kind}"), "id": id.to_string(), "name": name, "status": "UP",
        "selfLink": link(&format!("{}/{resource}/{name}", scope_of_project(project))),
    });
    if let Some((region, _)) = name.rsplit_once('-').filter(|_| kind == "zone") {
        shown["region"] = json!(link(&format!("{}/regions/{region}", scope_of_project(project))));
    }
    shown
}

fn scope_of_project(project: &str) -> String {
    scope_of(&format!("projects/{project}")).trim_end_matches("/global").to_owned()
}
