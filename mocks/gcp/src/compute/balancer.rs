//! The parts of load balancers, as far as an inventory looks at them: kept as they are given. No packet comes from them.

use serde_json::{Value, json};

use super::{Call, Written, new_path, without_output};
use crate::error::{GcpError, in_use, not_found};
use crate::link::{link, own_path};
use crate::state::{Kind, Object, State, text_of};

/// Whether a resource word is one of a part of a load balancer, global or regional.
pub(crate) fn is_part(resource: &str) -> bool {
    let words = ["forwardingRules", "globalForwardingRules", "backendServices", "regionBackendServices"];
    words.contains(&resource) || matches!(resource, "healthChecks" | "regionHealthChecks")
}

pub(crate) fn insert(state: &mut State, call: &Call<'_>) -> Result<Written, GcpError> {
    let mut body = without_output(call.request.object()?);
    let path = new_path(state, call, &body)?;
    let project = call.request.project();
    for (field, kind) in [("backendService", Kind::BackendService), ("network", Kind::Network)] {
        let Some(reference) = text_of(&body, field) else { continue };
        let found = state.resolve(reference, project);
        if state.get_kind(&found, kind).is_none() {
            return Err(not_found(&found));
        }
        body.insert(field.to_owned(), json!(link(&found)));
    }
    let checks = body.get("healthChecks").and_then(Value::as_array).cloned().unwrap_or_default();
    let checks = checks.iter().filter_map(Value::as_str).map(|check| link(&state.resolve(check, project)));
    let checks: Vec<String> = checks.collect();
    if !checks.is_empty() {
        body.insert("healthChecks".to_owned(), json!(checks));
    }
    let collection = path.rsplit('/').nth(1).and_then(Kind::of_collection);
    let Some(kind) = collection else { return Err(not_found(&path)) };
    let id = state.create(&path, kind, body, call.now_ms);
    Ok(Written::new(&path, id, Vec::new()))
}

pub(crate) fn delete(state: &mut State, call: &Call<'_>) -> Result<Written, GcpError> {
    let path = call.request.resource(state);
    let id = state.get(&path)?.id;
    let parts = state.of_kind(Kind::ForwardingRule).chain(state.of_kind(Kind::BackendService));
    if let Some((user, _)) = parts.into_iter().find(|(_, part)| names(&part.body, &path)) {
        return Err(in_use(&path, user));
    }
    state.resources.remove(&path);
    Ok(Written::new(&path, id, Vec::new()))
}

/// Whether a part refers to another one.
fn names(body: &Object, path: &str) -> bool {
    let checks = body.get("healthChecks").and_then(Value::as_array).into_iter().flatten();
    let all = checks.filter_map(Value::as_str).chain(text_of(body, "backendService"));
    all.map(own_path).any(|named| named == path)
}
