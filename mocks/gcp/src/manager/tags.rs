//! Tag keys and tag values. Those for firewalls (`GCE_FIREWALL`) are for one network or the whole organisation.

use serde_json::{Value, json};

use super::{Changed, denied, exists, precondition};
use crate::compute::Call;
use crate::error::{GcpError, bad_request, invalid, over_quota};
use crate::link::{BASE, project_of};
use crate::request::Request;
use crate::schema;
use crate::state::{Kind, Object, State, Tag, number, text_of};
use crate::sync::Touch;
use crate::text::{fingerprint, spread, time};

const SHORT_NAME: &str = "[a-zA-Z0-9](?:[-_.a-zA-Z0-9]{0,254}[a-zA-Z0-9])?";

pub(crate) fn create_key(state: &mut State, call: &Call<'_>) -> Result<Changed, GcpError> {
    let given = call.request.object()?;
    let short_name = short_name(&given)?;
    let parent = parent_of(state, text_of(&given, "parent").unwrap_or_default())?;
    let (is_for_firewalls, network) = purpose(state, &given, &parent)?;
    let alike = state.tag_keys.values().filter(|key| key.parent == parent);
    if alike.clone().any(|key| key.short_name == short_name) {
        return Err(exists(&format!("A TagKey with short name '{short_name}'")));
    }
    let limit = call.settings.limits.keys_per_parent;
    if alike.count() >= limit {
        return Err(over_quota("TagKeys", limit));
    }
    let number = state.new_number();
    let mut body = Object::new();
    body.insert("name".to_owned(), json!(format!("tagKeys/{number}")));
    let namespaced = format!("{}/{short_name}", namespace(state, &parent));
    fill(&mut body, &given, &parent, &short_name, &namespaced, call.now_ms);
    if let Some(purpose) = given.get("purpose") {
        body.insert("purpose".to_owned(), purpose.clone());
        body.insert("purposeData".to_owned(), purpose_data(state, &given, network.as_deref()));
    }
    let tag = Tag { parent, short_name, body: body.clone(), network, is_for_firewalls };
    state.tag_keys.insert(number, tag);
    Ok((answer("TagKey", body), Vec::new()))
}

fn short_name(given: &Object) -> Result<String, GcpError> {
    let name = text_of(given, "shortName").unwrap_or_default();
    if schema::matches(SHORT_NAME, name) {
        return Ok(name.to_owned());
    }
    Err(invalid("shortName", name, "It begins and ends with a letter or digit; 256 characters at most."))
}

/// The organisation, or a project by its number.
fn parent_of(state: &State, parent: &str) -> Result<String, GcpError> {
    if parent == format!("organizations/{}", state.organization) && state.organization != 0 {
        return Ok(parent.to_owned());
    }
    let id = parent.strip_prefix("projects/").and_then(|id| state.project_id(id));
    let project = id.and_then(|id| state.projects.get(id));
    project.map(|project| format!("projects/{}", project.number)).ok_or_else(|| denied(parent))
}

/// What names of keys begin with: the organisation's number or the project's id.
fn namespace(state: &State, parent: &str) -> String {
    let plain = parent.rsplit('/').next().unwrap_or_default();
    let id = if parent.starts_with("projects/") { state.project_id(plain) } else { None };
    id.cloned().unwrap_or_else(|| plain.to_owned())
}

/// Whether a key is for firewalls, and for which network.
fn purpose(state: &State, given: &Object, parent: &str) -> Result<(bool, Option<String>), GcpError> {
    if text_of(given, "purpose") != Some("GCE_FIREWALL") {
        return Ok((false, None));
    }
    if state.organization == 0 {
        return Err(precondition("Tags for firewalls need a project within an organization."));
    }
    let empty = Object::new();
    let data = given.get("purposeData").and_then(Value::as_object).unwrap_or(&empty);
    if text_of(data, "organization") == Some("auto") && parent.starts_with("organizations/") {
        return Ok((true, None));
    }
    let Some(reference) = text_of(data, "network") else {
        return Err(invalid("purposeData", "", "GCE_FIREWALL needs the network, or organization=auto."));
    };
    let path = network_path(state, reference);
    let Some(path) = path else { return Err(invalid("purposeData.network", reference, "There is none.")) };
    let own = state.projects.get(project_of(&path)).map(|project| format!("projects/{}", project.number));
    if parent.starts_with("projects/") && own.as_deref() != Some(parent) {
        return Err(invalid("purposeData.network", reference, "The network is in another project."));
    }
    Ok((true, Some(path)))
}

/// `project/network`, or any link to a network with its name or number.
fn network_path(state: &State, reference: &str) -> Option<String> {
    let path = match reference.split('/').collect::<Vec<_>>().as_slice() {
        [project, name] => format!("projects/{project}/global/networks/{name}"),
        _ => reference.to_owned(),
    };
    let path = state.resolve(&path, "");
    if state.get_kind(&path, Kind::Network).is_some() {
        return Some(path);
    }
    let (collection, id) = path.rsplit_once('/')?;
    let id: u64 = id.parse().ok()?;
    state.within(collection).find(|(_, found)| found.id == id).map(|(path, _)| path.clone())
}

/// The purpose data as they are read: a network is named by its number.
fn purpose_data(state: &State, given: &Object, network: Option<&str>) -> Value {
    let held = network.and_then(|network| Some((network, state.resources.get(network)?.id)));
    match held {
        Some((network, id)) => {
            let link = format!("{BASE}projects/{}/global/networks/{id}", project_of(network));
            json!({ "network": link })
        }
        None => given.get("purposeData").cloned().unwrap_or(json!({})),
    }
}

pub(crate) fn create_value(state: &mut State, call: &Call<'_>) -> Result<Changed, GcpError> {
    let given = call.request.object()?;
    let short_name = short_name(&given)?;
    let parent = text_of(&given, "parent").unwrap_or_default().to_owned();
    let key = number(&parent, "tagKeys/").and_then(|number| state.tag_keys.get(&number));
    let Some(key) = key else { return Err(denied(&parent)) };
    let namespaced = format!("{}/{short_name}", text_of(&key.body, "namespacedName").unwrap_or_default());
    let alike = state.tag_values.values().filter(|value| value.parent == parent);
    if alike.clone().any(|value| value.short_name == short_name) {
        return Err(exists(&format!("A TagValue with short name '{short_name}'")));
    }
    let limit = call.settings.limits.values_per_key;
    if alike.count() >= limit {
        return Err(over_quota("TagValues", limit));
    }
    let number = state.new_number();
    let mut body = Object::new();
    body.insert("name".to_owned(), json!(format!("tagValues/{number}")));
    fill(&mut body, &given, &parent, &short_name, &namespaced, call.now_ms);
    let tag = Tag { parent, short_name, body: body.clone(), network: None, is_for_firewalls: false };
    state.tag_values.insert(number, tag);
    Ok((answer("TagValue", body), vec![Touch::TagValue(number)]))
}

fn fill(body: &mut Object, given: &Object, parent: &str, short: &str, namespaced: &str, now_ms: u64) {
    body.insert("parent".to_owned(), json!(parent));
    body.insert("shortName".to_owned(), json!(short));
    body.insert("namespacedName".to_owned(), json!(namespaced));
    if let Some(description) = given.get("description") {
        body.insert("description".to_owned(), description.clone());
    }
    for field in ["createTime", "updateTime"] {
        body.insert(field.to_owned(), json!(time(now_ms)));
    }
    body.insert("etag".to_owned(), json!(fingerprint(spread(now_ms + namespaced.len() as u64))));
}

fn answer(kind: &str, body: Object) -> Value {
    let mut response = Value::Object(body);
    response["@type"] = json!(format!("type.googleapis.com/google.cloud.resourcemanager.v3.{kind}"));
    response
}

/// Only the description of a tag can be changed.
pub(crate) fn patch(state: &mut State, call: &Call<'_>) -> Result<Changed, GcpError> {
    let given = call.request.object()?;
    let etag = json!(fingerprint(spread(call.now_ms + 1)));
    let (name, kind, tags, at) = target(state, call.request);
    let Some(tag) = at.and_then(|at| tags.get_mut(&at)) else { return Err(denied(&name)) };
    if given.get("etag").is_some_and(|wanted| Some(wanted) != tag.body.get("etag")) {
        return Err(GcpError::new(409, "aborted", "The etag is not the newest.").with_status("ABORTED"));
    }
    if let Some(description) = given.get("description") {
        tag.body.insert("description".to_owned(), description.clone());
    }
    tag.body.insert("updateTime".to_owned(), json!(time(call.now_ms)));
    tag.body.insert("etag".to_owned(), etag);
    Ok((answer(kind, tag.body.clone()), Vec::new()))
}

pub(crate) fn delete(state: &mut State, call: &Call<'_>) -> Result<Changed, GcpError> {
    let (name, kind, tags, at) = target(state, call.request);
    let Some((number, tag)) = at.and_then(|at| Some((at, tags.get(&at)?.clone()))) else {
        return Err(denied(&name));
    };
    if call.request.query.get("etag").is_some_and(|wanted| Some(&json!(wanted)) != tag.body.get("etag")) {
        return Err(GcpError::new(409, "aborted", "The etag is not the newest.").with_status("ABORTED"));
    }
    if kind == "TagKey" {
        if state.tag_values.values().any(|value| value.parent == name) {
            return Err(precondition("Cannot delete a tag key that still has tag values."));
        }
        state.tag_keys.remove(&number);
        return Ok((answer(kind, tag.body), Vec::new()));
    }
    if state.bindings.iter().any(|(_, value)| *value == number) {
        return Err(precondition("Cannot delete a tag value that is still attached to resources."));
    }
    state.tag_values.remove(&number);
    Ok((answer(kind, tag.body), vec![Touch::TagValue(number)]))
}

/// The name of the tag of a request, and where it is.
fn target<'a>(
    state: &'a mut State,
    request: &Request,
) -> (String, &'static str, &'a mut std::collections::BTreeMap<u64, Tag>, Option<u64>) {
    let (resource, _) = request.words();
    let id = request.param(&format!("{resource}Id"));
    let (kind, tags) = match resource {
        "tagKeys" => ("TagKey", &mut state.tag_keys),
        _ => ("TagValue", &mut state.tag_values),
    };
    (format!("{resource}/{id}"), kind, tags, id.parse().ok())
}

pub(crate) fn get(state: &State, request: &Request) -> Result<Value, GcpError> {
    let (resource, _) = request.words();
    let id = request.param(&format!("{resource}Id"));
    let tags = if resource == "tagKeys" { &state.tag_keys } else { &state.tag_values };
    let found = id.parse().ok().and_then(|id: u64| tags.get(&id));
    found.map(|tag| json!(tag.body)).ok_or_else(|| denied(&format!("{resource}/{id}")))
}

pub(crate) fn get_namespaced(state: &State, request: &Request) -> Result<Value, GcpError> {
    let (resource, _) = request.words();
    let name = request.query.get("name").map_or("", String::as_str);
    let tags = if resource == "tagKeys" { &state.tag_keys } else { &state.tag_values };
    let found = tags.values().find(|tag| text_of(&tag.body, "namespacedName") == Some(name));
    found.map(|tag| json!(tag.body)).ok_or_else(|| denied(name))
}

pub(crate) fn list(state: &State, request: &Request) -> Result<Vec<Value>, GcpError> {
    let (resource, _) = request.words();
    let parent = request.query.get("parent").map_or("", String::as_str);
    if parent.is_empty() {
        return Err(bad_request("The parent is required."));
    }
    let (tags, parent) = match resource {
        "tagKeys" => (&state.tag_keys, parent_of(state, parent)?),
        _ => (&state.tag_values, parent.to_owned()),
    };
    let below = tags.values().filter(|tag| tag.parent == parent);
    Ok(below.map(|tag| json!(tag.body)).collect())
}

/// The tag value with a namespaced name.
pub(crate) fn value_named(state: &State, name: &str) -> Option<u64> {
    let mut all = state.tag_values.iter();
    all.find(|(_, tag)| text_of(&tag.body, "namespacedName") == Some(name)).map(|(number, _)| *number)
}
