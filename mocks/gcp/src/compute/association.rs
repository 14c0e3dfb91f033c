//! What policies are attached to: networks, folders, the organisation.

use serde_json::{Value, json};

use super::policy::{is_node, target_path};
use super::{Call, Written};
use crate::error::{GcpError, invalid, not_found};
use crate::link::{link, own_path, region_of};
use crate::state::{Kind, Object, State, text_of};
use crate::sync::Touch;

pub(crate) fn add(state: &mut State, call: &Call<'_>) -> Result<Written, GcpError> {
    let path = call.request.resource(state);
    let held = state.get(&path)?.clone();
    let given = call.request.object()?;
    let name = text_of(&given, "name").unwrap_or_default().to_owned();
    if name.is_empty() {
        return Err(GcpError::new(400, "required", "Required field 'resource.name' not specified"));
    }
    if list(&held.body).iter().any(|one| text_of(one, "name") == Some(&name)) {
        return Err(invalid("resource.name", &name, "An association with that name already exists."));
    }
    let reference = text_of(&given, "attachmentTarget").unwrap_or_default();
    let target = target_path(state, reference, call.request.project());
    let is_hierarchical = call.request.words().0 == "firewallPolicies";
    let there = if is_hierarchical {
        is_node(state, &target)
    } else {
        state.get_kind(&target, Kind::Network).is_some()
    };
    if !there {
        return Err(not_found(&target));
    }
    let mut touched = vec![Touch::Policy(path.clone())];
    touched.extend(make_room(state, call, &path, &target)?);
    let mut association = Object::new();
    let shown = if is_hierarchical { target } else { link(&target) };
    association.insert("name".to_owned(), json!(name));
    association.insert("attachmentTarget".to_owned(), json!(shown));
    association.insert("firewallPolicyId".to_owned(), json!(held.id.to_string()));
    if let Some(short) = held.body.get("shortName") {
        association.insert("shortName".to_owned(), short.clone());
    }
    if let Some(priority) = given.get("priority") {
        association.insert("priority".to_owned(), priority.clone());
    }
    let mut all = list(&held.body);
    all.push(association);
    set(state, &path, all)?;
    Ok(Written::new(&path, held.id, touched))
}

/// Refuses a further policy on a target that may have no more, or takes the one that is there away.
fn make_room(state: &mut State, call: &Call<'_>, path: &str, target: &str) -> Result<Vec<Touch>, GcpError> {
    let alike = |other: &str| region_of(other) == region_of(path);
    let on_it = attached_to(state, target).into_iter().filter(|(policy, _)| alike(policy));
    let others: Vec<(String, String)> = on_it.collect();
    let most = if target.starts_with("projects/") { call.settings.limits.policies_per_network } else { 1 };
    if others.len() < most {
        return Ok(Vec::new());
    }
    let replaced = match call.request.query.get("associatedPolicyToBeReplaced") {
        Some(wanted) => others.iter().find(|(policy, _)| crate::link::name_of(policy) == wanted),
        None if call.request.is_set("replaceExistingAssociation") => others.first(),
        None => None,
    };
    let Some((policy, name)) = replaced.cloned() else {
        let by = others.first().map_or("", |(policy, _)| policy);
        let why = format!("The target is already associated with the firewall policy '{by}'.");
        return Err(invalid("resource.attachmentTarget", target, &why));
    };
    let mut left = list(&state.get(&policy)?.body);
    left.retain(|one| text_of(one, "name") != Some(&name));
    set(state, &policy, left)?;
    Ok(vec![Touch::Policy(policy)])
}

pub(crate) fn remove(state: &mut State, call: &Call<'_>) -> Result<Written, GcpError> {
    let path = call.request.resource(state);
    let held = state.get(&path)?.clone();
    let name = call.request.query.get("name").map_or("", String::as_str);
    let mut all = list(&held.body);
    all.retain(|one| text_of(one, "name") != Some(name));
    if all.len() == list(&held.body).len() {
        return Err(no_association(name));
    }
    set(state, &path, all)?;
    Ok(Written::new(&path, held.id, vec![Touch::Policy(path.clone())]))
}

/// The refusal of a name that no association has.
pub(crate) fn no_association(name: &str) -> GcpError {
    invalid("name", name, "An association with that name does not exist.")
}

fn set(state: &mut State, path: &str, all: Vec<Object>) -> Result<(), GcpError> {
    let fingerprint = state.new_fingerprint();
    let held = state.get_mut(path)?;
    if all.is_empty() {
        held.body.remove("associations");
    } else {
        held.body.insert("associations".to_owned(), json!(all));
    }
    held.body.insert("fingerprint".to_owned(), fingerprint);
    Ok(())
}

/// The associations of a policy.
pub(crate) fn list(body: &Object) -> Vec<Object> {
    let all = body.get("associations").and_then(Value::as_array).into_iter().flatten();
    all.filter_map(Value::as_object).cloned().collect()
}

/// The paths that a policy is attached to.
pub(crate) fn targets(body: &Object) -> Vec<String> {
    list(body)
        .iter()
        .filter_map(|one| text_of(one, "attachmentTarget"))
        .map(|t| own_path(t).to_owned())
        .collect()
}

/// The policies attached to a target with the names of their associations, in the order in which they count.
pub(crate) fn attached_to(state: &State, target: &str) -> Vec<(String, String)> {
    let all = state.of_kind(Kind::FirewallPolicy).flat_map(|(path, policy)| {
        let on_it = list(&policy.body)
            .into_iter()
            .filter(|one| text_of(one, "attachmentTarget").map(own_path) == Some(target));
        on_it.map(move |one| {
            let priority = one.get("priority").and_then(Value::as_u64).unwrap_or(1000);
            (priority, text_of(&one, "name").unwrap_or_default().to_owned(), path.clone())
        })
    });
    let mut found: Vec<(u64, String, String)> = all.collect();
    found.sort();
    found.into_iter().map(|(_, name, path)| (path, name)).collect()
}
