//! Requests as ARM reads them, and what each method does.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::error::{ArmError, not_found, refuse};
use crate::login::TENANT;
use crate::operations::{self, Operation, Work};
use crate::path::{Kind, ResourceId, Target};
use crate::render::{self, References};
use crate::resources::{self, Write, manager};
use crate::schema;
use crate::state::{Object, Provisioning, State};
use crate::world::World;

/// One request, read.
#[derive(Clone, Debug)]
pub struct Request {
    /// In upper case.
    pub method: String,
    /// What it is about.
    pub target: Target,
    /// The path without the query.
    pub path: String,
    /// Parameters by name in lower case.
    pub query: BTreeMap<String, String>,
    /// The `If-Match` header.
    pub if_match: Option<String>,
    /// Where absolute links lead.
    pub endpoint: String,
    body: Value,
    /// Never throttled, no fault, operations end at once, no schema.
    privileged: bool,
}

/// A successful answer.
#[derive(Clone, PartialEq, Debug)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// JSON; null is an empty body.
    pub body: Value,
    /// Headers.
    pub headers: Vec<(String, String)>,
}

impl Reply {
    fn new(status: u16, body: Value) -> Self {
        Self { status, body, headers: Vec::new() }
    }
}

impl Request {
    /// Reads a request.
    ///
    /// # Errors
    /// When the body is no JSON.
    pub fn parse(method: &str, path_and_query: &str, body: &[u8]) -> Result<Self, ArmError> {
        let (path, query) = path_and_query.split_once('?').unwrap_or((path_and_query, ""));
        let query = form_urlencoded::parse(query.as_bytes())
            .map(|(name, value)| (name.to_lowercase(), value.into_owned()))
            .collect();
        let body = match body {
            [] => Value::Null,
            bytes => serde_json::from_slice(bytes).map_err(|error| {
                refuse(
                    "InvalidRequestContent",
                    format!("The request content was invalid and could not be deserialized: '{error}'."),
                )
            })?,
        };
        Ok(Self {
            method: method.to_uppercase(),
            target: Target::parse(path),
            path: path.to_owned(),
            query,
            if_match: None,
            endpoint: "https://management.azure.com".to_owned(),
            body,
            privileged: false,
        })
    }

    pub(crate) fn privileged(self) -> Self {
        Self { privileged: true, ..self }
    }

    /// The method and the type that it is about, as faults and the call log name it.
    pub fn action(&self) -> String {
        let method = self.method.as_str();
        match &self.target {
            Target::Resource(id) => format!("{method} {}", id.kind.type_path().1),
            Target::List { kind, .. } => format!("LIST {}", kind.type_path().1),
            Target::Groups => "LIST resourceGroups".to_owned(),
            Target::Subscriptions => "LIST subscriptions".to_owned(),
            Target::Tenants => "LIST tenants".to_owned(),
            Target::Subscription(_) => format!("{method} subscriptions"),
            Target::Action(id, action) => format!("{method} {}/{action}", id.kind.type_path().1),
            Target::Operation(_) => "GET operations".to_owned(),
            Target::OperationResult(_) => "GET operationResults".to_owned(),
            Target::Provider(_) | Target::Unknown(_) => format!("{method} other"),
        }
    }

    /// Whether it changes something when it succeeds.
    pub fn is_mutating(&self) -> bool {
        match &self.target {
            Target::Action(_, action) => action.eq_ignore_ascii_case("commit"),
            _ => matches!(self.method.as_str(), "PUT" | "PATCH" | "DELETE"),
        }
    }
}

impl World {
    /// Does what a request asks.
    pub(crate) fn run(&mut self, request: &Request) -> Result<Reply, ArmError> {
        self.settle();
        self.check_request(request)?;
        match (request.method.as_str(), &request.target) {
            ("GET", _) => self.read(request),
            ("PUT", Target::Resource(id)) => self.put(request, id),
            ("PATCH", Target::Resource(id)) => self.patch(request, id),
            ("DELETE", Target::Resource(id)) => self.delete(request, id),
            ("POST", Target::Action(id, action)) => self.act(request, id, action),
            _ => Err(ArmError::new(
                405,
                "HttpMethodNotSupported",
                "The method is not supported for this resource.",
            )),
        }
    }

    fn check_request(&self, request: &Request) -> Result<(), ArmError> {
        if let Target::Unknown(path) = &request.target {
            let message = format!("The resource type of '{path}' could not be found.");
            return Err(ArmError::new(404, "InvalidResourceType", message));
        }
        let mut parts = request.path.split('/').filter(|part| !part.is_empty());
        let subscription =
            parts.next().filter(|word| word.eq_ignore_ascii_case("subscriptions")).and(parts.next());
        if let Some(subscription) =
            subscription.filter(|s| !s.eq_ignore_ascii_case(&self.settings.subscription))
        {
            let message = format!("The subscription '{subscription}' could not be found.");
            return Err(ArmError::new(404, "SubscriptionNotFound", message));
        }
        if request.privileged {
            return Ok(());
        }
        match request.query.get("api-version") {
            None => Err(refuse(
                "MissingApiVersionParameter",
                "The api-version query parameter (?api-version=) is required for all requests.",
            )),
            Some(version) if is_version(version) => Ok(()),
            Some(version) => {
                Err(refuse("InvalidApiVersionParameter", format!("The api-version '{version}' is invalid.")))
            }
        }
    }

    fn read(&mut self, request: &Request) -> Result<Reply, ArmError> {
        let stale = if request.privileged { None } else { self.read_state() };
        let state = stale.as_ref().unwrap_or(&self.state);
        match &request.target {
            Target::Resource(id) => {
                if state.get(&id.key).is_none() {
                    resources::check_group(state, id)?;
                    return Err(not_found(&id.kind.full_type(), &id.group, &id.names.join("/")));
                }
                let references = References::for_kind(state, id.kind);
                let mut reply = Reply::new(200, render::resource(state, &id.key, &references));
                reply.headers.push(("etag".to_owned(), state.etag_of(&id.key).to_owned()));
                Ok(reply)
            }
            Target::List { kind, below } => self.list(state, request, *kind, below),
            Target::Groups => {
                let below = format!("/subscriptions/{}/", self.settings.subscription.to_lowercase());
                self.list(state, request, Kind::ResourceGroup, &below)
            }
            Target::Operation(id) => self.read_operation(id),
            Target::OperationResult(id) => self.read_result(id),
            Target::Subscriptions => Ok(Reply::new(200, json!({ "value": [self.subscription()] }))),
            Target::Subscription(_) => Ok(Reply::new(200, self.subscription())),
            Target::Tenants => Ok(Reply::new(
                200,
                json!({ "value": [{ "id": format!("/tenants/{TENANT}"), "tenantId": TENANT }] }),
            )),
            Target::Provider(space) => Ok(Reply::new(
                200,
                json!({ "namespace": space, "registrationState": "Registered", "resourceTypes": [] }),
            )),
            Target::Action(..) | Target::Unknown(_) => Err(ArmError::new(
                405,
                "HttpMethodNotSupported",
                "The method is not supported for this resource.",
            )),
        }
    }

    fn subscription(&self) -> Value {
        let id = &self.settings.subscription;
        json!({
            "id": format!("/subscriptions/{id}"),
            "subscriptionId": id,
            "tenantId": TENANT,
            "displayName": "Simulated",
            "state": "Enabled",
            "subscriptionPolicies": { "quotaId": "Simulated", "spendingLimit": "Off" },
            "authorizationSource": "RoleBased",
        })
    }

    /// One page of a list. What the caller may not read is left out without a word, as with role assignments on
    /// some resource groups only.
    fn list(&self, state: &State, request: &Request, kind: Kind, below: &str) -> Result<Reply, ArmError> {
        if let Some(holder) = below.strip_suffix('/')
            && holder.matches('/').count() > 2
            && state.get(holder).is_none()
        {
            return Err(missing_holder(holder));
        }
        let after = request.query.get("$skiptoken").cloned().unwrap_or_default();
        let hidden =
            |key: &str| !request.privileged && self.faults.denied.iter().any(|scope| is_in(key, scope));
        let most = self.settings.limits.page_items.max(1);
        let keys: Vec<&String> = state
            .below(below, kind)
            .map(|(key, _)| key)
            .filter(|key| **key > after && !hidden(key))
            .take(most + 1)
            .collect();
        let references = References::for_kind(state, kind);
        let items: Vec<Value> =
            keys.iter().take(most).map(|key| render::resource(state, key, &references)).collect();
        let mut body = json!({ "value": items });
        if keys.len() > most
            && let (Some(last), Some(fields)) = (keys.get(most - 1), body.as_object_mut())
        {
            let mut query = form_urlencoded::Serializer::new(String::new());
            for (name, value) in request.query.iter().filter(|(name, _)| *name != "$skiptoken") {
                query.append_pair(name, value);
            }
            let query = query.append_pair("$skiptoken", last).finish();
            fields.insert(
                "nextLink".to_owned(),
                json!(format!("{}{}?{query}", request.endpoint, request.path)),
            );
        }
        Ok(Reply::new(200, body))
    }

    fn read_operation(&self, id: &str) -> Result<Reply, ArmError> {
        let Some(operation) = self.operations.get(id) else {
            return Err(not_found("Microsoft.Network/locations/operations", "", id));
        };
        let mut reply = Reply::new(200, operation.status());
        if !operation.is_over {
            reply.headers.extend(self.retry_after());
        }
        Ok(reply)
    }

    fn read_result(&self, id: &str) -> Result<Reply, ArmError> {
        let Some(operation) = self.operations.get(id) else {
            return Err(not_found("Microsoft.Network/locations/operationResults", "", id));
        };
        if !operation.is_over {
            let mut reply = Reply::new(202, Value::Null);
            reply.headers.extend(self.retry_after());
            return Ok(reply);
        }
        if let Some((code, message)) = &operation.failure {
            return Err(ArmError::new(409, code, message));
        }
        Ok(match &operation.work {
            Work::Answer(answer) => Reply::new(200, answer.clone()),
            Work::Delete => Reply::new(204, Value::Null),
            Work::Write => {
                Reply::new(200, render::resource(&self.state, &operation.key, &References::default()))
            }
        })
    }

    fn retry_after(&self) -> Option<(String, String)> {
        self.settings.retry_after_s.map(|seconds| ("retry-after".to_owned(), seconds.to_string()))
    }

    fn put(&mut self, request: &Request, id: &ResourceId) -> Result<Reply, ArmError> {
        let Some(mut body) = request.body.as_object().cloned() else {
            return Err(refuse(
                "InvalidRequestContent",
                "The request content was invalid: a JSON object is needed.",
            ));
        };
        if id.kind == Kind::ScaleSetInterface && !request.privileged {
            return Err(ArmError::new(
                405,
                "HttpMethodNotSupported",
                "Interfaces of a scale set are read-only.",
            ));
        }
        let held = self.state.get(&id.key).is_some();
        self.check_lock(request, id)?;
        self.check_match(request, id)?;
        let complaints = self.clean(id, &mut body);
        if !request.privileged {
            self.complaints.extend(complaints);
        }
        body.retain(|field, _| field != "id" && field != "name" && field != "type");
        self.remember();
        let limits = self.settings.limits;
        resources::put(&mut self.state, Write { id, body, limits: &limits })?;
        let headers = self.written(request, id, Work::Write);
        let references = References::for_kind(&self.state, id.kind);
        let status = if held { 200 } else { 201 };
        Ok(Reply { status, body: render::resource(&self.state, &id.key, &references), headers })
    }

    fn clean(&self, id: &ResourceId, body: &mut Object) -> Vec<schema::Complaint> {
        let held =
            self.state.get(&id.key).map(|_| render::resource(&self.state, &id.key, &References::default()));
        schema::clean(id.kind, &id.id, body, held.as_ref())
    }

    /// Marks a resource as written and starts the operation; gives its headers.
    fn written(&mut self, request: &Request, id: &ResourceId, work: Work) -> Vec<(String, String)> {
        let owner = id.owner();
        let kind = self.state.get(&owner).map_or(id.kind, |held| held.kind);
        let etag = self.state.new_etag();
        if let Some(held) = self.state.resources.get_mut(&owner) {
            held.etag = etag;
        }
        if !id.kind.is_slow() {
            self.sync(&owner, kind);
            return Vec::new();
        }
        let busy = if work == Work::Delete { Provisioning::Deleting } else { Provisioning::Updating };
        for (key, now) in [(&owner, Provisioning::Updating), (&id.key, busy)] {
            if let Some(held) = self.state.resources.get_mut(key) {
                held.provisioning = now;
            }
        }
        if id.key == owner && kind != Kind::ScaleSetInterface {
            let prefix = format!("{owner}/");
            let parts = self.state.resources.range_mut(prefix.clone()..);
            for (_, part) in parts.take_while(|(key, _)| key.starts_with(&prefix)) {
                if matches!(part.kind, Kind::Rule | Kind::Subnet) {
                    part.provisioning = busy;
                }
            }
        }
        let failure = if request.privileged { None } else { self.next_failure(&request.action()) };
        if failure.is_none() {
            self.sync(&owner, kind);
        }
        self.start(
            request,
            Operation { owner, kind, key: id.key.clone(), work, ends_ms: 0, failure, is_over: false },
        )
    }

    fn start(&mut self, request: &Request, operation: Operation) -> Vec<(String, String)> {
        let id = self.state.new_guid();
        let duration = if request.privileged { 0 } else { self.settings.operation_ms };
        let with_location = operation.work != Work::Write;
        self.operations.start(id.clone(), Operation { ends_ms: self.now_ms() + duration, ..operation });
        let version = request.query.get("api-version").map_or("2024-03-01", String::as_str);
        let at = |what: &str| {
            format!(
                "{}/subscriptions/{}/providers/Microsoft.Network/locations/{}/{what}/{id}?api-version={version}",
                request.endpoint, self.settings.subscription, self.settings.location
            )
        };
        let mut headers = vec![
            ("azure-asyncoperation".to_owned(), at("operations")),
            ("azure-asyncnotification".to_owned(), "Enabled".to_owned()),
        ];
        if with_location {
            headers.push(("location".to_owned(), at("operationResults")));
        }
        headers.extend(self.retry_after());
        headers
    }

    /// One resource has one operation at a time.
    fn check_lock(&self, request: &Request, id: &ResourceId) -> Result<(), ArmError> {
        let owner = id.owner();
        match self.operations.on(&owner) {
            Some((operation, held)) if !request.privileged => {
                Err(operations::refuse_second(id.kind, &id.id, operation, self.now_ms(), held.ends_ms))
            }
            _ => Ok(()),
        }
    }

    fn check_match(&self, request: &Request, id: &ResourceId) -> Result<(), ArmError> {
        let Some(wanted) = &request.if_match else { return Ok(()) };
        let held = self.state.get(&id.key).map(|_| self.state.etag_of(&id.key));
        if held.is_some_and(|held| wanted == "*" || held == wanted) {
            return Ok(());
        }
        let message =
            format!("Precondition failed. The If-Match header of {} does not match the resource.", id.id);
        Err(ArmError::new(412, "PreconditionFailed", message))
    }

    fn patch(&mut self, request: &Request, id: &ResourceId) -> Result<Reply, ArmError> {
        let tags = request.body.get("tags").filter(|tags| tags.is_object());
        let only_tags = request.body.as_object().is_some_and(|body| body.keys().all(|field| field == "tags"));
        let (Some(tags), true, true) =
            (tags, only_tags, id.kind.is_tracked() || id.kind == Kind::ResourceGroup)
        else {
            return Err(refuse("InvalidRequestContent", "Only the tags of a resource can be patched."));
        };
        if self.state.get(&id.key).is_none() {
            resources::check_group(&self.state, id)?;
            return Err(not_found(&id.kind.full_type(), &id.group, id.name()));
        }
        self.check_lock(request, id)?;
        self.check_match(request, id)?;
        self.remember();
        let etag = self.state.new_etag();
        if let Some(held) = self.state.resources.get_mut(&id.key) {
            held.body.insert("tags".to_owned(), tags.clone());
            held.etag = etag;
        }
        let references = References::for_kind(&self.state, id.kind);
        Ok(Reply::new(200, render::resource(&self.state, &id.key, &references)))
    }

    fn delete(&mut self, request: &Request, id: &ResourceId) -> Result<Reply, ArmError> {
        if self.state.get(&id.key).is_none() {
            return Ok(Reply::new(204, Value::Null));
        }
        self.check_lock(request, id)?;
        self.check_match(request, id)?;
        resources::check_delete(&self.state, id)?;
        self.remember();
        if id.kind == Kind::ResourceGroup {
            self.delete_group(&id.key);
            return Ok(Reply::new(200, Value::Null));
        }
        let headers = self.written(request, id, Work::Delete);
        if !id.kind.is_slow() {
            operations::delete(&mut self.state, &id.key);
            self.sync(&id.key, id.kind);
        }
        Ok(Reply { status: if id.kind.is_slow() { 202 } else { 200 }, body: Value::Null, headers })
    }

    /// A resource group goes with everything in it.
    fn delete_group(&mut self, key: &str) {
        let prefix = format!("{key}/");
        let all =
            self.state.resources.range(prefix.clone()..).take_while(|(key, _)| key.starts_with(&prefix));
        let gone: Vec<(String, Kind)> = all.map(|(key, held)| (key.clone(), held.kind)).collect();
        for (key, _) in gone.iter().rev() {
            operations::delete(&mut self.state, key);
        }
        self.state.remove(key);
        for (key, kind) in gone {
            self.sync(&key, kind);
        }
    }

    fn act(&mut self, request: &Request, id: &ResourceId, action: &str) -> Result<Reply, ArmError> {
        if self.state.get(&id.key).is_none() {
            return Err(not_found(&id.kind.full_type(), &id.group, id.name()));
        }
        match (id.kind, action.to_lowercase().as_str()) {
            (Kind::Interface, "effectivenetworksecuritygroups") => {
                let running = self.state.get(&id.key).is_some_and(|held| held.machine.is_some());
                if !running {
                    let message = format!(
                        "Cannot perform the operation since the Network Interface {} is not attached to a running Virtual Machine.",
                        id.id
                    );
                    return Err(refuse("NetworkInterfaceNotAttachedToRunningVm", message));
                }
                let work = Work::Answer(render::effective_groups(&self.state, &id.key));
                let operation = Operation {
                    // Nothing is locked by a question.
                    owner: String::new(),
                    kind: id.kind,
                    key: id.key.clone(),
                    work,
                    ends_ms: 0,
                    failure: self.next_failure(&request.action()),
                    is_over: false,
                };
                let headers = self.start(request, operation);
                Ok(Reply { status: 202, body: Value::Null, headers })
            }
            (Kind::Manager, "commit") => {
                self.remember();
                manager::commit(&mut self.state, id, &request.body)?;
                self.sync(&id.key, id.kind);
                Ok(Reply::new(200, request.body.clone()))
            }
            (Kind::Manager, "listactivesecurityadminrules")
            | (Kind::VirtualNetwork, "listnetworkmanagereffectivesecurityadminrules") => {
                let all = manager::active(&self.state, id, &request.body);
                Ok(Reply::new(200, self.page_of(all, &request.body)))
            }
            _ => Err(ArmError::new(
                404,
                "InvalidResourceType",
                format!("The action '{action}' could not be found."),
            )),
        }
    }

    /// A page of a POST that lists: its token goes through the bodies.
    fn page_of(&self, all: Vec<Value>, body: &Value) -> Value {
        let from = body
            .get("skipToken")
            .and_then(Value::as_str)
            .and_then(|word| word.parse().ok())
            .unwrap_or(0usize);
        let most = self.settings.limits.page_items.max(1);
        let more = all.len() > from + most;
        let items: Vec<Value> = all.into_iter().skip(from).take(most).collect();
        if more {
            json!({ "value": items, "skipToken": (from + most).to_string() })
        } else {
            json!({ "value": items })
        }
    }
}

/// Whether a key is a scope or below it.
pub(crate) fn is_in(key: &str, scope: &str) -> bool {
    let scope = scope.to_lowercase();
    key.to_lowercase()
        .strip_prefix(scope.as_str())
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn is_version(text: &str) -> bool {
    let parts: Vec<&str> = text.splitn(4, '-').collect();
    let number = |n: usize, digits: usize| {
        parts.get(n).is_some_and(|part| part.len() == digits && part.bytes().all(|b| b.is_ascii_digit()))
    };
    number(0, 4) && number(1, 2) && number(2, 2) && parts.get(3).is_none_or(|part| *part == "preview")
}

fn missing_holder(holder: &str) -> ArmError {
    match ResourceId::parse(holder) {
        Some(id) if id.kind == Kind::ResourceGroup => ArmError::new(
            404,
            "ResourceGroupNotFound",
            format!("Resource group '{}' could not be found.", id.group),
        ),
        Some(id) => not_found(&id.kind.full_type(), &id.group, id.name()),
        None => not_found("", "", holder),
    }
}
