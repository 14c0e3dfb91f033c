//! Requests as the two services read them.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::discovery::{self, Method, Service};
use crate::error::{GcpError, bad_request};
use crate::link::BASE;
use crate::state::{Object, State};

/// One request, read.
#[derive(Clone, Debug)]
pub struct Request {
    /// Whose it is.
    pub service: Service,
    /// What it asks for.
    pub method: &'static Method,
    /// The values in the path.
    pub params: BTreeMap<String, String>,
    /// The values after the path.
    pub query: BTreeMap<String, String>,
    /// The JSON body, or null.
    pub body: Value,
    /// Which Resource Manager it came to: `global`, a region or a zone.
    pub location: String,
    /// Where links to Compute Engine lead.
    pub base: String,
    /// Never throttled, meets no fault, operations end at once, no complaints.
    pub(crate) privileged: bool,
}

/// A successful answer.
#[derive(Clone, PartialEq, Debug)]
pub struct Reply {
    /// JSON.
    pub body: Value,
}

impl Request {
    /// Reads a request. A first part of the path that is one of Google's host names stands for the host.
    ///
    /// # Errors
    /// If there is no such method, or the body is no JSON.
    pub fn parse(
        verb: &str,
        path_and_query: &str,
        host: &str,
        endpoint: &str,
        body: &[u8],
    ) -> Result<Self, GcpError> {
        let (path, query) = path_and_query.split_once('?').unwrap_or((path_and_query, ""));
        let trimmed = path.trim_start_matches('/');
        let (first, rest) = trimmed.split_once('/').unwrap_or((trimmed, ""));
        let named = first.ends_with(".googleapis.com");
        let (host, prefix, path) = if named { (first, first, rest) } else { (host, "", trimmed) };
        let Some((service, method, params)) = discovery::find(&verb.to_uppercase(), path) else {
            let message = format!("The requested URL /{path} was not found for {verb}.");
            return Err(GcpError::new(404, "notFound", message));
        };
        let body = match body {
            [] => Value::Null,
            bytes => serde_json::from_slice(bytes).map_err(|error| {
                GcpError::new(400, "parseError", format!("Invalid JSON payload: {error}"))
            })?,
        };
        let place = host.strip_suffix("-cloudresourcemanager.googleapis.com");
        let base = match (endpoint, prefix) {
            ("", _) => BASE.to_owned(),
            (endpoint, "") => format!("{endpoint}/compute/v1/"),
            (endpoint, prefix) => format!("{endpoint}/{prefix}/compute/v1/"),
        };
        Ok(Self {
            service,
            method,
            params,
            query: form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
            body,
            location: place.unwrap_or("global").to_owned(),
            base,
            privileged: false,
        })
    }

    pub(crate) fn privileged(self) -> Self {
        Self { privileged: true, ..self }
    }

    /// The resource word and the method word of the id.
    pub fn words(&self) -> (&str, &str) {
        let mut parts = self.method.id.split('.').skip(1);
        (parts.next().unwrap_or_default(), parts.next().unwrap_or_default())
    }

    /// A value in the path.
    pub fn param(&self, name: &str) -> &str {
        self.params.get(name).map_or("", String::as_str)
    }

    /// The id of the project that is asked.
    pub fn project(&self) -> &str {
        self.param("project")
    }

    /// The body as an object.
    ///
    /// # Errors
    /// If it is none.
    pub fn object(&self) -> Result<Object, GcpError> {
        let object = self.body.as_object().cloned();
        object.ok_or_else(|| GcpError::new(400, "required", "Required field 'resource' not specified"))
    }

    /// Whether a parameter says `true`.
    pub fn is_set(&self, name: &str) -> bool {
        self.query.get(name).is_some_and(|value| value == "true")
    }

    /// A parameter that is a number.
    ///
    /// # Errors
    /// If it is something else.
    pub fn number(&self, name: &str) -> Result<Option<u64>, GcpError> {
        let Some(text) = self.query.get(name) else { return Ok(None) };
        let wrong = || bad_request(format!("Invalid value at '{name}': \"{text}\""));
        text.parse().map(Some).map_err(|_| wrong())
    }

    /// The whole path: a collection, or a resource with what is done to it.
    pub fn path(&self) -> String {
        self.filled(self.method.path.split('/').count())
    }

    /// The path up to its last value: the resource that the request is about. A number instead of a name is
    /// replaced by the name.
    pub fn resource(&self, state: &State) -> String {
        let last = self.method.path.split('/').collect::<Vec<_>>();
        let last = last.iter().rposition(|word| word.starts_with('{')).map_or(0, |at| at + 1);
        let path = self.filled(last);
        if let Some((collection, name)) = path.rsplit_once('/')
            && let Ok(id) = name.parse::<u64>()
            && let Some((found, _)) = state.within(collection).find(|(_, resource)| resource.id == id)
        {
            return found.clone();
        }
        path
    }

    fn filled(&self, parts: usize) -> String {
        let words = self.method.path.split('/').take(parts);
        let filled = words.map(|word| match word.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
            Some(name) => self.param(name),
            None => word,
        });
        filled.collect::<Vec<_>>().join("/")
    }
}
