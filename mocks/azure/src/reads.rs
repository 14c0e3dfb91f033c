//! What a client reads: resources, pages of lists, operations, and the POSTs that only ask.

use serde_json::{Value, json};

use crate::error::{ArmError, not_found, refuse};
use crate::login::TENANT;
use crate::operations::{Operation, Work};
use crate::path::{Kind, ResourceId, Target};
use crate::render::{self, References};
use crate::requests::{Reply, Request, is_in};
use crate::resources::{self, manager};
use crate::state::State;
use crate::world::World;

impl World {
    pub(crate) fn read(&mut self, request: &Request) -> Result<Reply, ArmError> {
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
            Target::Groups(subscription) => {
                let below = format!("/subscriptions/{}/", subscription.to_lowercase());
                self.list(state, request, Kind::ResourceGroup, &below)
            }
            Target::Operation(id) => self.read_operation(id),
            Target::OperationResult(id) => self.read_result(id),
            Target::ServiceTags(location) => Ok(Reply::new(200, self.list_service_tags(location))),
            Target::Usages(_) => Ok(Reply::new(200, self.list_usages(state))),
            Target::Subscriptions => {
                let all: Vec<Value> = self.settings.subscriptions().map(|id| subscription(id)).collect();
                Ok(Reply::new(200, json!({ "value": all })))
            }
            Target::Subscription(id) => Ok(Reply::new(200, subscription(id))),
            Target::ManagementGroups => Ok(Reply::new(200, self.list_management_groups())),
            Target::Descendants(name) => self.list_descendants(name),
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

    fn list_service_tags(&self, location: &str) -> Value {
        let tag = |(name, blocks): (&String, &Vec<ipnet::IpNet>)| {
            let (service, region) = name.split_once('.').unwrap_or((name, ""));
            json!({
                "name": name,
                "id": name,
                "properties": {
                    "changeNumber": "1",
                    "region": region.to_lowercase(),
                    "systemService": service,
                    "addressPrefixes": blocks,
                },
            })
        };
        json!({
            "name": location,
            "cloud": "Public",
            "changeNumber": "1",
            "values": self.service_tags.iter().map(tag).collect::<Vec<Value>>(),
        })
    }

    fn list_usages(&self, state: &State) -> Value {
        let limits = &self.settings.limits;
        let usage = |name: &str, kind: Kind, limit: usize| {
            let used = state.of_kind(kind).count();
            json!({ "unit": "Count", "currentValue": used, "limit": limit, "name": { "value": name, "localizedValue": name } })
        };
        json!({ "value": [
            usage("NetworkSecurityGroups", Kind::SecurityGroup, limits.security_groups),
            usage("ApplicationSecurityGroups", Kind::ApplicationGroup, limits.application_groups),
        ] })
    }

    fn list_management_groups(&self) -> Value {
        let group = |name: &String| {
            json!({
                "id": format!("/providers/Microsoft.Management/managementGroups/{name}"),
                "type": "Microsoft.Management/managementGroups",
                "name": name,
                "properties": { "tenantId": TENANT, "displayName": name },
            })
        };
        json!({ "value": self.settings.management_groups.keys().map(group).collect::<Vec<Value>>() })
    }

    fn list_descendants(&self, name: &str) -> Result<Reply, ArmError> {
        let Some(below) = self.settings.management_groups.get(name) else {
            return Err(not_found("Microsoft.Management/managementGroups", "", name));
        };
        let one = |id: &String| {
            json!({
                "id": format!("/subscriptions/{id}"),
                "type": "/subscriptions",
                "name": id,
                "properties": { "displayName": "Simulated",
                    "parent": { "id": format!("/providers/Microsoft.Management/managementGroups/{name}") } },
            })
        };
        Ok(Reply::new(200, json!({ "value": below.iter().map(one).collect::<Vec<Value>>() })))
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

    pub(crate) fn retry_after(&self) -> Option<(String, String)> {
        self.settings.retry_after_s.map(|seconds| ("retry-after".to_owned(), seconds.to_string()))
    }

    pub(crate) fn act(
        &mut self,
        request: &Request,
        id: &ResourceId,
        action: &str,
    ) -> Result<Reply, ArmError> {
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

fn subscription(id: &str) -> Value {
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
