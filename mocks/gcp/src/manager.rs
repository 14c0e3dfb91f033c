//! Resource Manager: tags with their bindings, and the hierarchy of folders and projects.
//!
//! Bindings of zonal resources belong to the Resource Manager of the zone, and so do their operations; everything
//! else belongs to the global one.

pub mod bindings;
pub mod hierarchy;
pub mod tags;

use serde_json::{Value, json};

use crate::compute::Call;
use crate::error::{GcpError, bad_request};
use crate::operations::LongOperation;
use crate::request::{Reply, Request};
use crate::state::State;
use crate::sync::Touch;
use crate::text::{page_start, page_token, spread};
use crate::world::World;

/// What a change did: what its operation answers, and what interfaces may have to hear of.
pub(crate) type Changed = (Value, Vec<Touch>);

impl World {
    pub(crate) fn manage(&mut self, request: &Request) -> Result<Reply, GcpError> {
        let (resource, word) = request.words();
        if !request.privileged && !matches!(resource, "tagBindings" | "effectiveTags" | "operations") {
            check_location("Service", "global", request)?;
        }
        if resource == "operations" {
            return self.read_long(request);
        }
        if !request.method.is_mutating() {
            let body = self.read_manager(request)?;
            return Ok(Reply { body });
        }
        self.remember();
        let is_rehearsal = request.is_set("validateOnly");
        let wanted = is_rehearsal || !request.privileged && self.may_fail(&request.method.id);
        let before = wanted.then(|| self.state.clone());
        let now_ms = self.now_ms();
        let call = Call { request, settings: &self.settings, now_ms };
        let (response, touched) = apply(&mut self.state, &call)?;
        let failure = if request.privileged { None } else { self.next_failure(&request.method.id) };
        match before.filter(|_| failure.is_some() || is_rehearsal) {
            Some(before) => self.state = before,
            None => {
                self.plane.sync(&self.state, &touched, now_ms);
                self.furnish(&response, request);
            }
        }
        if request.privileged {
            return Ok(Reply { body: response });
        }
        let number = spread(self.state.new_id()) >> 8;
        let initial = word.chars().next().unwrap_or('x');
        let operation = LongOperation {
            name: format!("operations/{initial}{}.{}.{number}", initials(resource), request.location),
            location: request.location.clone(),
            end_ms: now_ms + if is_rehearsal { 0 } else { self.settings.operation_ms },
            response,
            failure,
        };
        let body = operation.show(now_ms);
        self.operations.start_long(operation);
        Ok(Reply { body })
    }

    /// A new project gets its default network.
    fn furnish(&mut self, response: &Value, request: &Request) {
        let id = response.get("projectId").and_then(Value::as_str).map(str::to_owned);
        if let Some(id) = id.filter(|_| request.method.word() == "create" && self.settings.default_network) {
            self.make_default_network(&id);
        }
    }

    fn read_long(&self, request: &Request) -> Result<Reply, GcpError> {
        let name = format!("operations/{}", request.param("operationsId"));
        let Some(operation) = self.operations.get_long(&name) else {
            return Err(denied(&name));
        };
        check_location("Operation", &operation.location, request)?;
        Ok(Reply { body: operation.show(self.now_ms()) })
    }

    fn read_manager(&mut self, request: &Request) -> Result<Value, GcpError> {
        let stale = if request.privileged { None } else { self.stale_state() };
        let state = stale.as_ref().unwrap_or(&self.state);
        let most = self.settings.limits.manager_page_items;
        let (resource, word) = request.words();
        match (resource, word) {
            ("tagKeys" | "tagValues", "list") => page(request, resource, most, tags::list(state, request)?),
            ("tagKeys" | "tagValues", "getNamespaced") => tags::get_namespaced(state, request),
            ("tagKeys" | "tagValues", _) => tags::get(state, request),
            ("tagBindings", _) => page(request, resource, most, bindings::list(state, request)?),
            ("effectiveTags", _) => page(request, resource, most, bindings::effective(state, request)?),
            (_, "get") => hierarchy::get(state, request),
            _ => {
                let items = hierarchy::list(state, request)?;
                // Lists leave out what the caller may not see.
                let visible = items.into_iter().filter(|item| {
                    let id = item.get("projectId").and_then(Value::as_str).unwrap_or_default();
                    request.privileged || !self.is_denied(&format!("projects/{id}"))
                });
                page(request, resource, most, visible.collect())
            }
        }
    }
}

fn apply(state: &mut State, call: &Call<'_>) -> Result<Changed, GcpError> {
    match call.request.words() {
        ("tagKeys", "create") => tags::create_key(state, call),
        ("tagValues", "create") => tags::create_value(state, call),
        ("tagKeys" | "tagValues", "patch") => tags::patch(state, call),
        ("tagKeys" | "tagValues", "delete") => tags::delete(state, call),
        ("tagBindings", "create") => bindings::create(state, call),
        ("tagBindings", "delete") => bindings::delete(state, call),
        ("folders", "create") => hierarchy::create_folder(state, call),
        ("projects", "create") => hierarchy::create_project(state, call),
        (resource, word) => Err(bad_request(format!("{resource}.{word} is not simulated"))),
    }
}

/// Refuses a request that came to the Resource Manager of another place.
pub(crate) fn check_location(what: &str, location: &str, request: &Request) -> Result<(), GcpError> {
    if request.privileged || request.location == location {
        return Ok(());
    }
    let message =
        format!("{what} location '{location}' does not match service location '{}'.", request.location);
    Err(GcpError::new(400, "badRequest", message))
}

/// What is not there and what may not be seen look the same.
pub(crate) fn denied(name: &str) -> GcpError {
    let message = format!("The caller does not have permission on '{name}' or it may not exist.");
    GcpError::new(403, "forbidden", message)
}

/// A change that the state of things does not allow.
pub(crate) fn precondition(message: impl Into<String>) -> GcpError {
    GcpError::new(400, "failedPrecondition", message).with_status("FAILED_PRECONDITION")
}

/// Something is there already.
pub(crate) fn exists(what: &str) -> GcpError {
    GcpError::new(409, "alreadyExists", format!("{what} already exists."))
}

fn initials(resource: &str) -> String {
    let first = resource.chars().next().into_iter();
    first.chain(resource.chars().filter(char::is_ascii_uppercase)).collect::<String>().to_lowercase()
}

/// A page of a list whose items come in order.
fn page(request: &Request, field: &str, most: usize, items: Vec<Value>) -> Result<Value, GcpError> {
    let wanted = request.number("pageSize")?.filter(|size| *size > 0).map_or(100, |size| size as usize);
    let most = wanted.min(most.max(1));
    let start = match request.query.get("pageToken").filter(|token| !token.is_empty()) {
        None => 0,
        Some(token) => {
            let start = page_start(token).and_then(|start| start.parse::<usize>().ok());
            start.ok_or_else(|| bad_request("Invalid page token."))?
        }
    };
    let more = items.len() > start + most;
    let shown: Vec<Value> = items.into_iter().skip(start).take(most).collect();
    let mut body = json!({});
    if !shown.is_empty() {
        body[field] = json!(shown);
    }
    if more {
        body["nextPageToken"] = json!(page_token(&(start + most).to_string()));
    }
    Ok(body)
}
