//! The organisation, its folders, its projects.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{Changed, denied, exists};
use crate::compute::Call;
use crate::compute::policy::is_node;
use crate::error::{GcpError, bad_request, invalid};
use crate::request::Request;
use crate::schema;
use crate::state::{Folder, Project, State, text_of};
use crate::text::time;

pub(crate) fn create_folder(state: &mut State, call: &Call<'_>) -> Result<Changed, GcpError> {
    let given = call.request.object()?;
    let parent = text_of(&given, "parent").unwrap_or_default().to_owned();
    if !is_node(state, &parent) {
        return Err(denied(&parent));
    }
    let display_name = text_of(&given, "displayName").unwrap_or_default().to_owned();
    let twin = |folder: &Folder| folder.parent == parent && folder.display_name == display_name;
    if state.folders.values().any(twin) {
        return Err(exists(&format!("A folder '{display_name}'")));
    }
    let number = state.new_number();
    state.folders.insert(number, Folder { parent, display_name, created_ms: call.now_ms });
    Ok((folder(state, number).unwrap_or_default(), Vec::new()))
}

pub(crate) fn create_project(state: &mut State, call: &Call<'_>) -> Result<Changed, GcpError> {
    let given = call.request.object()?;
    let id = text_of(&given, "projectId").unwrap_or_default().to_owned();
    if !schema::matches("[a-z][-a-z0-9]{4,28}[a-z0-9]", &id) {
        return Err(invalid("projectId", &id, "6 to 30 lowercase letters, digits or hyphens."));
    }
    if state.projects.contains_key(&id) {
        return Err(exists(&format!("Requested entity '{id}'")));
    }
    let parent = text_of(&given, "parent").unwrap_or_default().to_owned();
    if !is_node(state, &parent) && state.organization != 0 {
        return Err(denied(&parent));
    }
    let labels = given.get("labels").and_then(Value::as_object).into_iter().flatten();
    let labels: BTreeMap<String, String> =
        labels.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect();
    let number = state.new_number();
    let made = Project {
        number,
        parent,
        labels,
        created_ms: call.now_ms,
        is_host: false,
        services: BTreeSet::new(),
    };
    state.projects.insert(id.clone(), made);
    Ok((project(state, &id).unwrap_or_default(), Vec::new()))
}

pub(crate) fn get(state: &State, request: &Request) -> Result<Value, GcpError> {
    let (resource, _) = request.words();
    let id = request.param(&format!("{resource}Id"));
    let found = match resource {
        "projects" => state.project_id(id).and_then(|id| project(state, id)),
        "folders" => id.parse().ok().and_then(|number| folder(state, number)),
        _ => (id == state.organization.to_string()).then(|| organization(state)),
    };
    found.ok_or_else(|| denied(&format!("{resource}/{id}")))
}

/// `list` below a parent; `search` everywhere, by `parent:…` or `id:…` at most.
pub(crate) fn list(state: &State, request: &Request) -> Result<Vec<Value>, GcpError> {
    let (resource, word) = request.words();
    let all: Vec<Value> = match resource {
        "projects" => state.projects.keys().filter_map(|id| project(state, id)).collect(),
        "folders" => state.folders.keys().filter_map(|number| folder(state, *number)).collect(),
        _ if state.organization == 0 => Vec::new(),
        _ => vec![organization(state)],
    };
    let is =
        |item: &Value, field: &str, wanted: &str| item.get(field).and_then(Value::as_str) == Some(wanted);
    if word == "list" {
        let Some(parent) = request.query.get("parent") else {
            return Err(bad_request("The parent is required."));
        };
        return Ok(all.into_iter().filter(|item| is(item, "parent", parent)).collect());
    }
    let query = request.query.get("query").map_or("", String::as_str).trim();
    let (field, wanted) = query.split_once([':', '=']).unwrap_or((query, ""));
    let field = match field {
        "" => return Ok(all),
        "parent" => "parent",
        "id" | "projectId" => "projectId",
        other => return Err(bad_request(format!("The query field '{other}' is not simulated."))),
    };
    Ok(all.into_iter().filter(|item| is(item, field, wanted)).collect())
}

fn project(state: &State, id: &str) -> Option<Value> {
    let found = state.projects.get(id)?;
    let mut shown = json!({
        "name": format!("projects/{}", found.number),
        "projectId": id,
        "displayName": id,
        "state": "ACTIVE",
        "createTime": time(found.created_ms),
        "etag": "W/\"1\"",
    });
    if !found.parent.is_empty() {
        shown["parent"] = json!(found.parent);
    }
    if !found.labels.is_empty() {
        shown["labels"] = json!(found.labels);
    }
    Some(shown)
}

fn folder(state: &State, number: u64) -> Option<Value> {
    let found = state.folders.get(&number)?;
    Some(json!({
        "name": format!("folders/{number}"),
        "parent": found.parent,
        "displayName": found.display_name,
        "state": "ACTIVE",
        "createTime": time(found.created_ms),
        "etag": "W/\"1\"",
    }))
}

fn organization(state: &State) -> Value {
    json!({
        "name": format!("organizations/{}", state.organization),
        "displayName": "example.com",
        "state": "ACTIVE",
        "createTime": time(0),
    })
}
