//! What a client writes: locks, etags, the schema, and the operation that every slow write starts.

use serde_json::Value;

use crate::error::{ArmError, not_found, refuse};
use crate::operations::{self, Operation, Work};
use crate::path::{Kind, ResourceId};
use crate::render::{self, References};
use crate::requests::{Reply, Request};
use crate::resources::{self, Write};
use crate::schema;
use crate::state::{Object, Provisioning};
use crate::world::World;

impl World {
    pub(crate) fn put(&mut self, request: &Request, id: &ResourceId) -> Result<Reply, ArmError> {
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

    pub(crate) fn start(&mut self, request: &Request, operation: Operation) -> Vec<(String, String)> {
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

    pub(crate) fn patch(&mut self, request: &Request, id: &ResourceId) -> Result<Reply, ArmError> {
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

    pub(crate) fn delete(&mut self, request: &Request, id: &ResourceId) -> Result<Reply, ArmError> {
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
}
