//! Instance templates and the groups that make instances from them.
//!
//! A group's instances say who made them (`created-by` in their metadata). The API lets anybody set their tags, and a
//! group that makes an instance anew starts from the template again.

use serde_json::{Value, json};

use super::{Call, Written, instance, new_path, without_output};
use crate::error::{GcpError, in_use, not_found};
use crate::link::{link, name_of, own_path, project_of, scope_of};
use crate::state::{Kind, Object, State, text_of, texts_of};
use crate::sync::Touch;
use crate::text::spread;

pub(crate) fn insert_template(state: &mut State, call: &Call<'_>) -> Result<Written, GcpError> {
    let body = without_output(call.request.object()?);
    let path = new_path(state, call, &body)?;
    let id = state.create(&path, Kind::InstanceTemplate, body, call.now_ms);
    Ok(Written::new(&path, id, Vec::new()))
}

pub(crate) fn delete_template(state: &mut State, call: &Call<'_>) -> Result<Written, GcpError> {
    let path = call.request.resource(state);
    let id = state.get(&path)?.id;
    let user = state.of_kind(Kind::InstanceGroupManager).find(|(_, group)| template_of(&group.body) == path);
    if let Some((user, _)) = user {
        return Err(in_use(&path, user));
    }
    state.resources.remove(&path);
    Ok(Written::new(&path, id, Vec::new()))
}

fn template_of(body: &Object) -> &str {
    text_of(body, "instanceTemplate").map_or("", own_path)
}

pub(crate) fn insert(state: &mut State, call: &Call<'_>) -> Result<Written, GcpError> {
    let mut body = without_output(call.request.object()?);
    let path = new_path(state, call, &body)?;
    let project = call.request.project();
    let template = state.resolve(text_of(&body, "instanceTemplate").unwrap_or_default(), project);
    if state.get_kind(&template, Kind::InstanceTemplate).is_none() {
        return Err(not_found(&template));
    }
    let size = body.get("targetSize").and_then(Value::as_u64).unwrap_or(0);
    body.insert("instanceTemplate".to_owned(), json!(link(&template)));
    body.insert("targetSize".to_owned(), json!(size));
    let base = name_of(&path).to_owned();
    body.entry("baseInstanceName").or_insert(json!(base));
    let id = state.create(&path, Kind::InstanceGroupManager, body, call.now_ms);
    let touched = grow(state, call, &path, size as usize)?;
    Ok(Written::new(&path, id, touched))
}

pub(crate) fn delete(state: &mut State, call: &Call<'_>) -> Result<Written, GcpError> {
    let path = call.request.resource(state);
    let id = state.get(&path)?.id;
    let members = members(state, &path);
    for member in &members {
        instance::forget(state, member);
    }
    state.resources.remove(&path);
    Ok(Written::new(&path, id, members.into_iter().map(Touch::Instance).collect()))
}

pub(crate) fn resize(state: &mut State, call: &Call<'_>) -> Result<Written, GcpError> {
    let path = call.request.resource(state);
    let id = state.get(&path)?.id;
    let size = call.request.number("size")?.unwrap_or(0) as usize;
    let members = members(state, &path);
    let touched = if members.len() > size {
        let surplus = members.get(size..).unwrap_or_default().to_vec();
        for member in &surplus {
            instance::forget(state, member);
        }
        surplus.into_iter().map(Touch::Instance).collect()
    } else {
        grow(state, call, &path, size - members.len())?
    };
    state.get_mut(&path)?.body.insert("targetSize".to_owned(), json!(size));
    Ok(Written::new(&path, id, touched))
}

/// Makes instances anew from the template: what was set on them since is lost.
pub(crate) fn recreate(state: &mut State, call: &Call<'_>) -> Result<Written, GcpError> {
    let path = call.request.resource(state);
    let id = state.get(&path)?.id;
    let given = call.request.object()?;
    let known = members(state, &path);
    let mut touched = Vec::new();
    for reference in texts_of(&given, "instances") {
        let member = state.resolve(&reference, project_of(&path));
        if !known.contains(&member) {
            return Err(not_found(&member));
        }
        instance::forget(state, &member);
        make(state, call, &path, &member)?;
        touched.push(Touch::Instance(member));
    }
    Ok(Written::new(&path, id, touched))
}

/// The instances that a group made, in order.
pub(crate) fn members(state: &State, group: &str) -> Vec<String> {
    let here = format!("{}/instances", scope_of(group));
    let all = state.within(&here).filter(|(_, found)| {
        instance::group_of(&found.body).is_some_and(|made_by| state.resolve(made_by, "") == group)
    });
    all.map(|(path, _)| path.clone()).collect()
}

fn grow(state: &mut State, call: &Call<'_>, group: &str, more: usize) -> Result<Vec<Touch>, GcpError> {
    let base = text_of(&state.get(group)?.body, "baseInstanceName").unwrap_or_default().to_owned();
    let mut touched = Vec::new();
    for _ in 0..more {
        let mut mixed = spread(state.new_id());
        let suffix: String = (0..4)
            .map(|_| {
                let letter = (mixed % 26) as u8 + b'a';
                mixed /= 26;
                char::from(letter)
            })
            .collect();
        let path = format!("{}/instances/{base}-{suffix}", scope_of(group));
        make(state, call, group, &path)?;
        touched.push(Touch::Instance(path));
    }
    Ok(touched)
}

fn make(state: &mut State, call: &Call<'_>, group: &str, path: &str) -> Result<(), GcpError> {
    let template = template_of(&state.get(group)?.body).to_owned();
    let properties = state.get(&template)?.body.get("properties").and_then(Value::as_object).cloned();
    let mut body = properties.unwrap_or_default();
    if let Some(tags) = body.remove("resourceManagerTags") {
        body.insert("params".to_owned(), json!({ "resourceManagerTags": tags }));
    }
    let project = project_of(group);
    let number = state.projects.get(project).map_or(0, |project| project.number);
    let by_number = |path: &str| path.replacen(project, &number.to_string(), 1);
    let mut metadata = body.get("metadata").and_then(Value::as_object).cloned().unwrap_or_default();
    let mut items = metadata.get("items").and_then(Value::as_array).cloned().unwrap_or_default();
    items.push(json!({ "key": "instance-template", "value": by_number(&template) }));
    items.push(json!({ "key": "created-by", "value": by_number(group) }));
    metadata.insert("items".to_owned(), json!(items));
    body.insert("metadata".to_owned(), Value::Object(metadata));
    body.insert("name".to_owned(), json!(name_of(path)));
    instance::create(state, call, path, body).map(drop)
}
