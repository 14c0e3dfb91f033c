//! Cloud Logging v2: `entries:list` over what was put in, with the parts of its filter language that flow logs need.
//!
//! A page token is good for the request that it came with. Entries are found by when they were received, which is not
//! when they happened.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

use mock_cloud::{CallKind, Fault};
use serde_json::{Value, json};

use crate::error::{GcpError, forbidden};
use crate::front::Headers;
use crate::throttle::Group;
use crate::world::World;

/// The id of Google's method.
pub const ACTION: &str = "logging.entries.list";
/// The most entries on a page.
pub const PAGE_MAX: u64 = 1_000;
/// Reads of entries in a minute: <https://cloud.google.com/logging/quotas>.
pub const CALLS_PER_MINUTE: u64 = 60;

impl World {
    /// An entry arrives: `timestamp` and `receiveTimestamp` in RFC 3339 with `Z`, `logName`, payload.
    pub fn log(&mut self, entry: Value) {
        self.entries.push(entry);
    }

    /// Whether a request is for this service.
    pub(crate) fn is_for_logging(path: &str, host: &str) -> bool {
        let path = path.trim_start_matches('/');
        host.starts_with("logging.") || path.starts_with("logging.googleapis.com/")
    }

    /// Answers a request of this service.
    pub(crate) fn list_entries(
        &mut self,
        verb: &str,
        path: &str,
        headers: Headers<'_>,
        body: &[u8],
    ) -> Result<Value, GcpError> {
        if !(verb == "POST" && path.ends_with("/v2/entries:list")) {
            return Err(GcpError::new(404, "notFound", format!("{path} was not found for {verb}")));
        }
        if headers.authorization == "Bearer expired" {
            return Err(GcpError::new(401, "authError", "invalid authentication credentials"));
        }
        match self.faults.next(ACTION, CallKind::of(false), &mut self.random) {
            Some(Fault::Throttle) => return Err(exhausted()),
            Some(Fault::ServerError) => {
                return Err(GcpError::new(503, "backendError", "Please try again."));
            }
            Some(Fault::AccessDenied) => return Err(forbidden(ACTION, path)),
            _ => {}
        }
        self.page_of_entries(body)
    }

    fn page_of_entries(&mut self, body: &[u8]) -> Result<Value, GcpError> {
        let body: Value = serde_json::from_slice(body).map_err(|error| bad(&format!("no JSON: {error}")))?;
        let asked = Asked::read(&body)?;
        if let Some(path) = asked.projects.iter().find(|path| self.is_denied(path)) {
            return Err(forbidden(ACTION, path));
        }
        if self.settings.throttle {
            let payer = self.settings.project.0.clone();
            let now = self.now_ms();
            self.throttle.take(&payer, Group::Logs, 1, CALLS_PER_MINUTE, now).map_err(|_| exhausted())?;
        }
        let mut found: Vec<&Value> = self.entries.iter().filter(|entry| asked.wants(entry)).collect();
        found.sort_by_key(|entry| entry["timestamp"].as_str().unwrap_or_default().to_owned());
        let page: Vec<&Value> = found.iter().skip(asked.from).take(asked.size).copied().collect();
        let next = asked.from + page.len();
        let mut answer = json!({ "entries": page });
        if next < found.len() {
            answer["nextPageToken"] = json!(format!("{next}-{:x}", asked.fingerprint));
        }
        Ok(answer)
    }
}

/// What a request asks for.
struct Asked {
    projects: Vec<String>,
    logs: Vec<String>,
    /// Field, comparison, text.
    times: Vec<(String, &'static str, String)>,
    size: usize,
    from: usize,
    fingerprint: u64,
}

impl Asked {
    fn read(body: &Value) -> Result<Self, GcpError> {
        const KNOWN: [&str; 5] = ["resourceNames", "filter", "orderBy", "pageSize", "pageToken"];
        if let Some(key) =
            body.as_object().and_then(|all| all.keys().find(|key| !KNOWN.contains(&key.as_str())))
        {
            return Err(bad(&format!("Unknown name \"{key}\": Cannot find field.")));
        }
        let projects: Vec<String> = body["resourceNames"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect();
        if projects.is_empty() {
            return Err(bad("resourceNames must not be empty"));
        }
        let order = body["orderBy"].as_str().unwrap_or("timestamp asc");
        if order != "timestamp asc" {
            return Err(bad(&format!("unsupported order: {order}")));
        }
        let (filter, size) =
            (body["filter"].as_str().unwrap_or_default(), body["pageSize"].as_u64().unwrap_or(50));
        if size == 0 || size > PAGE_MAX {
            return Err(bad(&format!("page size {size} is not within 1 and {PAGE_MAX}")));
        }
        let mut hasher = DefaultHasher::new();
        (filter, &projects, size).hash(&mut hasher);
        let fingerprint = hasher.finish();
        let from = match body["pageToken"].as_str().filter(|token| !token.is_empty()) {
            None => 0,
            Some(token) => place_of(token, fingerprint)?,
        };
        let (logs, times) = read_filter(filter)?;
        Ok(Self { projects, logs, times, size: size as usize, from, fingerprint })
    }

    fn wants(&self, entry: &Value) -> bool {
        let name = entry["logName"].as_str().unwrap_or_default();
        let of_project = self.projects.iter().any(|project| name.starts_with(&format!("{project}/logs/")));
        let is_named = self.logs.is_empty() || self.logs.iter().any(|log| log == name);
        let in_time = |(field, comparison, text): &(String, &str, String)| {
            // RFC 3339 texts with `Z` compare like times once their fractions are of one length.
            let value = padded(entry[field.as_str()].as_str().unwrap_or_default());
            match *comparison {
                ">=" => value >= padded(text),
                _ => value < padded(text),
            }
        };
        of_project && is_named && self.times.iter().all(in_time)
    }
}

fn place_of(token: &str, fingerprint: u64) -> Result<usize, GcpError> {
    let (from, print) = token.split_once('-').unwrap_or_default();
    match from.parse() {
        Ok(from) if print == format!("{fingerprint:x}") => Ok(from),
        _ => Err(bad("page_token doesn't match arguments from the request")),
    }
}

type Filter = (Vec<String>, Vec<(String, &'static str, String)>);

/// `logName=("a" OR "b") AND receiveTimestamp>="…" AND receiveTimestamp<"…"`, any part of it.
fn read_filter(text: &str) -> Result<Filter, GcpError> {
    let (mut logs, mut times) = (Vec::new(), Vec::new());
    for part in text.split(" AND ").filter(|part| !part.is_empty()) {
        if let Some(names) = part.strip_prefix("logName=") {
            let names = names.trim_start_matches('(').trim_end_matches(')');
            logs.extend(names.split(" OR ").map(|name| name.trim_matches('"').to_owned()));
            continue;
        }
        let comparison = [">=", "<"].into_iter().find(|comparison| part.contains(comparison));
        let (field, value) = comparison.and_then(|word| part.split_once(word)).unwrap_or_default();
        if !["timestamp", "receiveTimestamp"].contains(&field) {
            return Err(bad(&format!("Unparseable filter: {part}")));
        }
        times.push((field.to_owned(), comparison.unwrap_or("<"), value.trim_matches('"').to_owned()));
    }
    Ok((logs, times))
}

fn padded(time: &str) -> String {
    let (seconds, fraction) =
        time.trim_end_matches('Z').split_once('.').unwrap_or((time.trim_end_matches('Z'), ""));
    format!("{seconds}.{fraction:0<9}")
}

fn bad(message: &str) -> GcpError {
    GcpError::new(400, "badRequest", message.to_owned()).with_status("INVALID_ARGUMENT")
}

fn exhausted() -> GcpError {
    let message = "Quota exceeded for quota metric 'Read requests' and limit 'Read requests per minute' of service 'logging.googleapis.com'.";
    GcpError::new(429, "rateLimitExceeded", message).with_status("RESOURCE_EXHAUSTED")
}
