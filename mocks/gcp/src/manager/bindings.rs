//! Bindings of tag values to instances.

use serde_json::{Value, json};

use super::tags::value_named;
use super::{Changed, check_location, denied, exists, precondition};
use crate::compute::Call;
use crate::error::{GcpError, bad_request, not_found};
use crate::limits::Limits;
use crate::link::{name_of, project_of};
use crate::request::Request;
use crate::state::{Kind, State, number, text_of};
use crate::sync::Touch;
use crate::text::decoded;

const HOST: &str = "//compute.googleapis.com/";

pub(crate) fn create(state: &mut State, call: &Call<'_>) -> Result<Changed, GcpError> {
    let given = call.request.object()?;
    let instance = instance(state, text_of(&given, "parent").unwrap_or_default(), call.request)?;
    let value = match (text_of(&given, "tagValue"), text_of(&given, "tagValueNamespacedName")) {
        (Some(_), Some(_)) => return Err(bad_request("Only one of tagValue and its namespaced name.")),
        (Some(name), None) => number(name, "tagValues/").filter(|n| state.tag_values.contains_key(n)),
        (None, name) => value_named(state, name.unwrap_or_default()),
    };
    let Some(value) = value else { return Err(denied("the tag value")) };
    if state.bindings.contains(&(instance.clone(), value)) {
        return Err(exists("A binding between the given resource and tag value"));
    }
    check(state, &instance, value, &call.settings.limits)?;
    state.bindings.insert((instance.clone(), value));
    let mut response = shown(state, &instance, value);
    response["@type"] = json!("type.googleapis.com/google.cloud.resourcemanager.v3.TagBinding");
    Ok((response, vec![Touch::Instance(instance)]))
}

/// How many values an instance may have, of a key and on an interface.
fn check(state: &State, instance: &str, value: u64, limits: &Limits) -> Result<(), GcpError> {
    let key = state.key_of(value);
    let alike = state.bound(instance).filter(|other| state.key_of(*other) == key).count();
    if alike >= limits.bound_values_per_key {
        let message = "The resource has a tag value of that tag key already.";
        return Err(precondition(message));
    }
    let Some(tag) = key.and_then(|key| state.tag_keys.get(&key)).filter(|key| key.is_for_firewalls) else {
        return Ok(());
    };
    let nics = &state.get(instance)?.nics;
    let covers = |of: Option<&str>, network: &str| of.is_none_or(|of| of == network);
    let own = tag.network.as_deref();
    if !nics.iter().any(|nic| covers(own, &nic.network)) {
        return Err(precondition("The instance has no interface in the network that the tag key is for."));
    }
    let most = limits.tag_values_per_nic;
    for nic in nics.iter().filter(|nic| covers(own, &nic.network)) {
        let on_it = state.bound(instance).filter(|other| {
            let key = state.effective_tag(*other);
            key.is_some_and(|key| covers(key.network.as_deref(), &nic.network))
        });
        if on_it.count() >= most {
            return Err(precondition(format!(
                "An interface may have at most {most} tag values for firewalls."
            )));
        }
    }
    Ok(())
}

pub(crate) fn delete(state: &mut State, call: &Call<'_>) -> Result<Changed, GcpError> {
    let name = call.request.param("tagBindingsId");
    let Some((parent, value)) = name.rsplit_once("/tagValues/") else { return Err(not_found(name)) };
    // The resource is encoded in the name itself; clients that follow google/api/http.proto encode names once more.
    let instance = instance(state, &decoded(parent), call.request)?;
    let Some(value) = value.parse().ok().filter(|value| state.bindings.contains(&(instance.clone(), *value)))
    else {
        return Err(not_found(name));
    };
    state.bindings.remove(&(instance.clone(), value));
    Ok((json!({ "@type": "type.googleapis.com/google.protobuf.Empty" }), vec![Touch::Instance(instance)]))
}

pub(crate) fn list(state: &State, request: &Request) -> Result<Vec<Value>, GcpError> {
    let parent = request.query.get("parent").map_or("", String::as_str);
    let instance = instance(state, parent, request)?;
    Ok(state.bound(&instance).map(|value| shown(state, &instance, value)).collect())
}

pub(crate) fn effective(state: &State, request: &Request) -> Result<Vec<Value>, GcpError> {
    let parent = request.query.get("parent").map_or("", String::as_str);
    let instance = instance(state, parent, request)?;
    let tag = |value: u64| {
        let (of, key) = (state.tag_values.get(&value)?, state.key_of(value)?);
        let held = state.tag_keys.get(&key)?;
        Some(json!({
            "tagValue": format!("tagValues/{value}"),
            "namespacedTagValue": text_of(&of.body, "namespacedName"),
            "tagKey": format!("tagKeys/{key}"),
            "namespacedTagKey": text_of(&held.body, "namespacedName"),
            "tagKeyParentName": held.parent,
            "inherited": false,
        }))
    };
    Ok(state.bound(&instance).filter_map(tag).collect())
}

fn shown(state: &State, instance: &str, value: u64) -> Value {
    let parent = full_name(state, instance);
    let of = state.tag_values.get(&value);
    json!({
        "name": format!("tagBindings/{}/tagValues/{value}", parent.replace('/', "%2F")),
        "parent": parent,
        "tagValue": format!("tagValues/{value}"),
        "tagValueNamespacedName": of.and_then(|of| text_of(&of.body, "namespacedName")),
    })
}

/// The full name of an instance, with numbers.
fn full_name(state: &State, instance: &str) -> String {
    let project = project_of(instance);
    let project_number = state.projects.get(project).map_or(0, |project| project.number);
    let id = state.resources.get(instance).map_or(0, |found| found.id);
    let place = instance.trim_start_matches("projects/").trim_start_matches(project);
    let collection = place.strip_suffix(name_of(instance)).unwrap_or_default();
    format!("{HOST}projects/{project_number}{collection}{id}")
}

/// The path of the instance with a full name, asked at the right place.
fn instance(state: &State, parent: &str, request: &Request) -> Result<String, GcpError> {
    let Some(inside) = parent.strip_prefix(HOST) else {
        return Err(bad_request(format!("Invalid full resource name '{parent}'.")));
    };
    let path = state.resolve(inside, "");
    let zone = path.split('/').nth(3).filter(|_| path.contains("/zones/") && path.contains("/instances/"));
    let Some(zone) = zone else {
        return Err(bad_request(format!("Bindings of '{parent}' are not simulated.")));
    };
    check_location("Resource", zone, request)?;
    let (collection, id) = path.rsplit_once('/').unwrap_or_default();
    let id: Option<u64> = id.parse().ok();
    let found =
        state.within(collection).find(|(_, found)| Some(found.id) == id && found.kind == Kind::Instance);
    found.map(|(path, _)| path.clone()).ok_or_else(|| denied(parent))
}
