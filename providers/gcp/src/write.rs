//! The writes of firewalls and tags, each followed to the end of its operation.
//!
//! Every write reads what it changes and changes only what it is about. Where the cloud has a fingerprint it is sent,
//! and a change by somebody else in between is a [`ErrorKind::Conflict`]; where it has none (classic rules) what was
//! read is compared with what the plan saw, and the moment between the two calls is left. A write that is true already
//! makes no call. Nothing is sent twice: every call of Compute Engine carries a `requestId`, and when its answer is lost
//! the operation is looked for by that; in Resource Manager the thing itself is looked for.

pub mod firewalls;
pub mod instances;
pub mod policies;
pub mod tags;

use provider::locks::{Held, Locks};
use provider::together::{Answer, Together};
use provider::{ErrorKind, Failed, ProviderError};
use reqwest::Method;
use serde_json::{Value, json};

use crate::resources::ResourcePath;
use crate::rest::client::{Call, is_lost};
use crate::rest::long_operation::LongOperation;
use crate::rest::operation::{Operation, Place};
use crate::rest::{Api, Service};

pub use policies::NewAssociation;
pub use provider::CallRecord;
pub use tags::KeyScope;

/// What a write did.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Written {
    /// The mutating calls that were accepted, in order; none if it was true already.
    pub calls: Vec<CallRecord>,
}

/// What a write made that Google names.
#[derive(Clone, PartialEq, Debug)]
pub struct Made {
    /// What it did.
    pub written: Written,
    /// Google's name, such as `tagValues/1`.
    pub name: String,
}

/// Writes to Google Cloud. It shares its connection with the readers, and its locks with its clones.
#[derive(Clone)]
pub struct Writer {
    api: Api,
    locks: Locks<String>,
    edits: Together<String, policies::Edit, Answer>,
}

/// One change in the words of the services.
pub(crate) struct Change<'a> {
    pub method: Method,
    /// The id of Google's method.
    pub action: &'a str,
    pub path: &'a str,
    pub query: &'a [(&'a str, &'a str)],
    /// Null is no body.
    pub body: Value,
}

impl Writer {
    /// A writer over a connection. Writers that may touch the same resources must be clones of one.
    pub fn new(api: Api) -> Self {
        Self { api, locks: Locks::default(), edits: Together::new(Locks::default()) }
    }

    /// Waits until nobody else writes this.
    pub(crate) async fn turn(&self, name: &str) -> Held {
        self.locks.take(&[&name.to_owned()]).await
    }

    /// One call of Compute Engine, followed to its end.
    pub(crate) async fn change(&self, change: Change<'_>) -> Result<Vec<CallRecord>, Failed> {
        let action = change.action;
        let Some(place) = Place::of(change.path) else {
            let message = format!("`{}` is in no project", change.path);
            return Err(ProviderError::new(ErrorKind::Rejected, action, message).into());
        };
        let request_id = new_request_id(action)?;
        let query = [change.query, &[("requestId", request_id.as_str())]].concat();
        let call = Call { action, service: Service::Compute, path: change.path, query: &query };
        let sent = self.send(change.method, &call, &change.body).await;
        let operation = match sent.and_then(|answer| answer.read::<Operation>()) {
            Ok(operation) => operation,
            Err(error) if is_lost(&error) => self.found_again(&place, &request_id, error).await?,
            Err(error) => return Err(Failed { calls: vec![record(action, &request_id)], error }),
        };
        tracing::info!(action, path = change.path, operation = operation.name, "google write accepted");
        let calls = vec![record(action, &operation.name)];
        match self.api.follow(action, &place, operation).await {
            Ok(_) => Ok(calls),
            Err(error) => Err(Failed { calls, error }),
        }
    }

    /// The operation of a call whose answer was lost, or the loss.
    async fn found_again(
        &self,
        place: &Place,
        request_id: &str,
        lost: ProviderError,
    ) -> Result<Operation, Failed> {
        let found = self.api.find_operation(place, request_id).await;
        if let Ok(Some(operation)) = found {
            tracing::debug!(action = lost.action, operation = operation.name, "lost answer found again");
            return Ok(operation);
        }
        Err(Failed { calls: vec![record(&lost.action, request_id)], error: lost })
    }

    /// One call of Resource Manager, followed to its end; gives what the operation answers.
    pub(crate) async fn manage(
        &self,
        service: &Service,
        change: Change<'_>,
    ) -> Result<(Vec<CallRecord>, Value), Failed> {
        let (action, query) = (change.action, change.query);
        let call = Call { action, service: service.clone(), path: change.path, query };
        let sent = self.send(change.method, &call, &change.body).await;
        let operation = match sent.and_then(|answer| answer.read::<LongOperation>()) {
            Ok(operation) => operation,
            Err(error) => return Err(Failed { calls: vec![record(action, "")], error }),
        };
        tracing::info!(action, path = change.path, operation = operation.name, "google write accepted");
        let calls = vec![record(action, &operation.name)];
        match self.api.follow_long(action, service, operation).await {
            Ok(response) => Ok((calls, response)),
            Err(error) => Err(Failed { calls, error }),
        }
    }

    async fn send(
        &self,
        method: Method,
        call: &Call<'_>,
        body: &Value,
    ) -> Result<crate::rest::Answer, ProviderError> {
        let mut request = self.api.request(method, call)?;
        if !body.is_null() {
            request.body = body.to_string().into_bytes();
        }
        self.api.send(request).await
    }

    /// One DELETE. What is gone already stays gone.
    pub(crate) async fn delete(&self, action: &str, path: &ResourcePath) -> Result<Written, Failed> {
        let (method, path) = (Method::DELETE, path.as_str());
        match self.change(Change { method, action, path, query: &[], body: Value::Null }).await {
            Ok(calls) => Ok(Written { calls }),
            Err(failed) if failed.error.kind == ErrorKind::NotFound => Ok(Written::default()),
            Err(failed) => Err(failed),
        }
    }
}

/// Reads something; none if it is not there.
pub(crate) fn if_there<T>(read: Result<T, ProviderError>) -> Result<Option<T>, ProviderError> {
    match read {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn record(action: &str, request_id: &str) -> CallRecord {
    CallRecord { action: action.to_owned(), request_id: request_id.to_owned() }
}

/// A name that somebody else may hold.
pub(crate) fn taken(action: &str, name: &str) -> ProviderError {
    let message = format!("`{name}` is there already, with another description");
    let mut error = ProviderError::new(ErrorKind::Conflict, action, message);
    error.hint = "it may be somebody else's: rename it, or give it our description".to_owned();
    error
}

/// Something else is there than the plan was made on.
pub(crate) fn moved(action: &str, name: &str) -> ProviderError {
    let message = format!("`{name}` was changed since it was planned on");
    let mut error = ProviderError::new(ErrorKind::Conflict, action, message);
    error.hint = "the next pass plans on what is there now".to_owned();
    error
}

/// Refuses to write over another version than the plan was made on.
pub(crate) fn check_seen(
    action: &str,
    name: &str,
    seen: Option<&str>,
    now: &str,
) -> Result<(), ProviderError> {
    if seen.is_none_or(|seen| seen == now) { Ok(()) } else { Err(moved(action, name)) }
}

/// A random UUID. INVARIANT: never one that was used before, by anybody: the cloud would take the new write for a
/// repetition of the old one, and do nothing.
fn new_request_id(action: &str) -> Result<String, ProviderError> {
    let mut bytes = [0u8; 16];
    let random = rustls::crypto::ring::default_provider().secure_random;
    if random.fill(&mut bytes).is_err() {
        return Err(ProviderError::new(ErrorKind::Rejected, action, "the machine gives no random numbers"));
    }
    let number = u128::from_be_bytes(bytes) & !(0xf << 76) & !(0x3 << 62) | 0x4 << 76 | 0x2 << 62;
    let hex = format!("{number:032x}");
    let parts = [0..8, 8..12, 12..16, 16..20, 20..32];
    Ok(parts.map(|range| hex.get(range).unwrap_or_default().to_owned()).join("-"))
}

/// A body with fields that are there.
pub(crate) fn body(fields: &[(&str, Value)]) -> Value {
    let mut object = json!({});
    for (name, value) in fields {
        if let Some(object) = object.as_object_mut().filter(|_| !value.is_null()) {
            object.insert((*name).to_owned(), value.clone());
        }
    }
    object
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn request_ids_are_random_uuids() {
        let (a, b) = (new_request_id("a").unwrap(), new_request_id("a").unwrap());
        assert_ne!(a, b);
        for id in [a, b] {
            let lengths: Vec<usize> = id.split('-').map(str::len).collect();
            assert_eq!(lengths, [8, 4, 4, 4, 12], "{id}");
            assert_eq!(id.as_bytes()[14], b'4', "{id}");
            assert!(b"89ab".contains(&id.as_bytes()[19]), "{id}");
        }
    }
}
