//! Requests as ARM reads them, and where each goes.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::error::{ArmError, refuse};
use crate::path::Target;
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
    /// The JSON body, or null.
    pub body: Value,
    /// Never throttled, no fault, operations end at once, no schema.
    pub(crate) privileged: bool,
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
    pub(crate) fn new(status: u16, body: Value) -> Self {
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
            Target::Groups(_) => "LIST resourceGroups".to_owned(),
            Target::ManagementGroups => "LIST managementGroups".to_owned(),
            Target::Descendants(_) => "LIST managementGroups/descendants".to_owned(),
            Target::Subscriptions => "LIST subscriptions".to_owned(),
            Target::Tenants => "LIST tenants".to_owned(),
            Target::Subscription(_) => format!("{method} subscriptions"),
            Target::Action(id, action) => format!("{method} {}/{action}", id.kind.type_path().1),
            Target::Operation(_) => "GET operations".to_owned(),
            Target::OperationResult(_) => "GET operationResults".to_owned(),
            Target::ServiceTags(_) => "LIST serviceTags".to_owned(),
            Target::Usages(_) => "LIST usages".to_owned(),
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
            ("HEAD", Target::Resource(id)) => {
                let status = if self.state.get(&id.key).is_some() { 204 } else { 404 };
                Ok(Reply::new(status, Value::Null))
            }
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
        let is_known = |s: &str| self.settings.subscriptions().any(|known| known.eq_ignore_ascii_case(s));
        if let Some(subscription) = subscription.filter(|s| !is_known(s)) {
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
