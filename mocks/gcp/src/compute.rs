//! Compute Engine: where each request goes, and what every change has in common.
//!
//! A change is checked and made by the file of its resource; here are requests that are repeated, resources that
//! are busy, failures that are planned, the operation, and what interfaces are told.

pub mod association;
pub mod balancer;
pub mod effective;
pub mod filter;
pub mod firewall;
pub mod group;
pub mod instance;
pub mod lists;
pub mod network;
pub mod peering;
pub mod policy;
pub mod policy_rule;
pub mod project;
pub mod reads;
pub mod subnetwork;

use serde_json::Value;

use crate::discovery::Service;
use crate::error::{GcpError, bad_request, invalid, not_found};
use crate::link::{self, scope_of};
use crate::operations::Operation;
use crate::request::{Reply, Request};
use crate::schema;
use crate::state::{Object, State};
use crate::sync::Touch;
use crate::world::{Settings, World};

/// What a change may look at besides the state.
pub(crate) struct Call<'a> {
    pub request: &'a Request,
    pub settings: &'a Settings,
    pub now_ms: u64,
}

/// What a change did.
pub(crate) struct Written {
    /// The path of what the operation is about.
    pub target: String,
    /// Its number.
    pub target_id: u64,
    /// What interfaces may have to hear of.
    pub touched: Vec<Touch>,
}

impl Written {
    /// A change of one resource.
    pub fn new(target: &str, target_id: u64, touched: Vec<Touch>) -> Self {
        Self { target: target.to_owned(), target_id, touched }
    }
}

impl World {
    /// Does what a request asks.
    pub(crate) fn run(&mut self, mut request: Request) -> Result<Reply, GcpError> {
        self.name_project(&mut request);
        schema::spell_enums(request.service, request.method, &mut request.body);
        if !request.privileged {
            let found = schema::check(request.service, request.method, &request.query, &request.body);
            self.complaints.extend(found);
        }
        if request.service == Service::Manager {
            return self.manage(&request);
        }
        let project = request.project();
        if !project.is_empty() && !self.state.projects.contains_key(project) {
            return Err(not_found(&format!("projects/{project}")));
        }
        self.check_place(&request)?;
        if request.method.is_mutating() { self.change(&request) } else { self.read(&request) }
    }

    /// Replaces the number of a project by its id.
    pub(crate) fn name_project(&self, request: &mut Request) {
        if let Some(id) = self.state.project_id(request.project()).cloned() {
            request.params.insert("project".to_owned(), id);
        }
    }

    fn check_place(&self, request: &Request) -> Result<(), GcpError> {
        let project = request.project();
        if let Some(region) = request.params.get("region").filter(|r| !self.settings.regions.contains(r)) {
            return Err(not_found(&format!("projects/{project}/regions/{region}")));
        }
        if let Some(zone) = request.params.get("zone").filter(|zone| !self.zones().any(|z| z == **zone)) {
            return Err(not_found(&format!("projects/{project}/zones/{zone}")));
        }
        Ok(())
    }

    fn change(&mut self, request: &Request) -> Result<Reply, GcpError> {
        if let Some(known) = self.repeated(request)? {
            return Ok(known);
        }
        let about = request.resource(&self.state);
        let is_locked = self.state.resources.get(&about).is_some_and(|found| locks(found.kind));
        if !request.privileged && is_locked && self.operations.is_busy(&about, self.now_ms()) {
            let message = format!("The resource '{about}' is not ready");
            return Err(GcpError::new(400, "resourceNotReady", message));
        }
        self.remember();
        // A group makes several instances: when one is refused, none is made.
        let may_undo = request.words().0 == "instanceGroupManagers"
            || !request.privileged && self.may_fail(&request.method.id);
        let before = may_undo.then(|| self.state.clone());
        let now_ms = self.now_ms();
        let call = Call { request, settings: &self.settings, now_ms };
        let written = match apply(&mut self.state, &call) {
            Ok(written) => written,
            Err(error) => {
                if let Some(before) = before {
                    self.state = before;
                }
                return Err(error);
            }
        };
        let failure = if request.privileged { None } else { self.next_failure(&request.method.id) };
        match before.filter(|_| failure.is_some()) {
            Some(before) => self.state = before,
            None => self.plane.sync(&self.state, &written.touched, now_ms),
        }
        let id = self.state.new_id();
        let operation = Operation {
            id,
            scope: scope_of(&written.target),
            word: request.method.word().to_owned(),
            target: written.target,
            target_id: written.target_id,
            start_ms: now_ms,
            end_ms: now_ms + if request.privileged { 0 } else { self.settings.operation_ms },
            failure,
            client_id: request.query.get("requestId").cloned(),
        };
        let shown = operation.show(now_ms);
        let target = operation.target.clone();
        if request.privileged {
            let made = self.state.resources.contains_key(&target).then(|| self.shown(&self.state, &target));
            return Ok(Reply { body: made.unwrap_or(shown) });
        }
        self.operations.start(operation);
        Ok(self.reply(request, shown))
    }

    /// An answer with links that lead back.
    pub(crate) fn reply(&self, request: &Request, mut body: Value) -> Reply {
        if request.base != link::BASE {
            link::lead_to(&mut body, &request.base);
        }
        Reply { body }
    }

    /// The operation of an earlier request with the same `requestId`.
    fn repeated(&self, request: &Request) -> Result<Option<Reply>, GcpError> {
        let Some(id) = request.query.get("requestId") else { return Ok(None) };
        let is_uuid = schema::matches("[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", id);
        if !is_uuid || id.chars().all(|letter| letter == '0' || letter == '-') {
            return Err(invalid("requestId", id, "Must be a UUID other than zero."));
        }
        let scope = scope_of(&request.path());
        let known = self.operations.repeated(&scope, id);
        Ok(known.map(|operation| self.reply(request, operation.show(self.now_ms()))))
    }
}

/// Whether a second change waits for the operation of the first: [K], as clients report it.
fn locks(kind: crate::state::Kind) -> bool {
    use crate::state::Kind;
    matches!(kind, Kind::Network | Kind::Subnetwork | Kind::Firewall | Kind::FirewallPolicy)
}

fn apply(state: &mut State, call: &Call<'_>) -> Result<Written, GcpError> {
    let words = call.request.words();
    match words {
        ("networks", "insert") => network::insert(state, call),
        ("networks", "patch") => network::patch(state, call),
        ("networks", "delete") => network::delete(state, call),
        ("networks", "switchToCustomMode") => network::switch_to_custom_mode(state, call),
        ("networks", "addPeering") => peering::add(state, call),
        ("networks", "updatePeering") => peering::update(state, call),
        ("networks", "removePeering") => peering::remove(state, call),
        ("subnetworks", "insert") => subnetwork::insert(state, call),
        ("subnetworks", "patch") => subnetwork::patch(state, call),
        ("subnetworks", "delete") => subnetwork::delete(state, call),
        ("firewalls", "insert") => firewall::insert(state, call),
        ("firewalls", "patch" | "update") => firewall::update(state, call),
        ("firewalls", "delete") => firewall::delete(state, call),
        ("instances", "insert") => instance::insert(state, call),
        ("instances", "delete") => instance::delete(state, call),
        ("instances", _) => instance::act(state, call),
        ("instanceTemplates", "insert") => group::insert_template(state, call),
        ("instanceTemplates", "delete") => group::delete_template(state, call),
        ("instanceGroupManagers", "insert") => group::insert(state, call),
        ("instanceGroupManagers", "delete") => group::delete(state, call),
        ("instanceGroupManagers", "resize") => group::resize(state, call),
        ("instanceGroupManagers", "recreateInstances") => group::recreate(state, call),
        ("projects", _) => project::share(state, call),
        (resource, "insert") if balancer::is_part(resource) => balancer::insert(state, call),
        (resource, "delete") if balancer::is_part(resource) => balancer::delete(state, call),
        (_, "insert") => policy::insert(state, call),
        (_, "patch") => policy::patch(state, call),
        (_, "delete") => policy::delete(state, call),
        (_, "cloneRules") => policy::clone_rules(state, call),
        (_, "addRule") => policy::add_rule(state, call),
        (_, "patchRule") => policy::patch_rule(state, call),
        (_, "removeRule") => policy::remove_rule(state, call),
        (_, "addAssociation") => association::add(state, call),
        (_, "removeAssociation") => association::remove(state, call),
        (resource, word) => Err(bad_request(format!("{resource}.{word} is not simulated"))),
    }
}

/// What names look like.
pub(crate) const NAME: &str = "[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?";

/// The path of what an insert makes, checked: a good name that nothing has.
pub(crate) fn new_path(state: &State, call: &Call<'_>, body: &Object) -> Result<String, GcpError> {
    let name = body.get("name").and_then(Value::as_str).unwrap_or_default();
    check_name("resource.name", name)?;
    let path = format!("{}/{name}", call.request.path());
    if state.resources.contains_key(&path) {
        return Err(crate::error::already_exists(&path));
    }
    Ok(path)
}

/// Refuses a name that Google would.
pub(crate) fn check_name(field: &str, name: &str) -> Result<(), GcpError> {
    if schema::matches(NAME, name) {
        return Ok(());
    }
    let why = format!("Must be a match of regex '{NAME}'");
    Err(GcpError::new(400, "invalid", format!("Invalid value for field '{field}': '{name}'. {why}")))
}

/// A merge patch: null takes a field away, objects are merged, everything else is replaced.
pub(crate) fn merge(body: &mut Object, patch: &Object) {
    for (field, value) in patch {
        match (body.get_mut(field), value) {
            (_, Value::Null) => {
                body.remove(field);
            }
            (Some(Value::Object(held)), Value::Object(given)) => merge(held, given),
            _ => {
                body.insert(field.clone(), value.clone());
            }
        }
    }
}

/// Takes out what only the service writes on every resource.
pub(crate) fn without_output(mut body: Object) -> Object {
    for field in ["kind", "id", "creationTimestamp", "selfLink", "selfLinkWithId", "fingerprint", "params"] {
        body.remove(field);
    }
    body
}
