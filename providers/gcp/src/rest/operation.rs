//! Operations of Compute Engine: followed to their end, and found again when the answer to a write is lost.
//!
//! A write carries a `requestId`, and its operation shows it as `clientOperationId`: after a lost answer the operations
//! of the place are asked for it. That is observation, not a retry: the write itself is sent once. The same goes for
//! looks that are lost or throttled: they are made again, a few times, and never after the operation's own time.

use std::sync::Arc;
use std::time::Duration;

use provider::{ErrorKind, ProviderError};
use reqwest::Method;
use serde::Deserialize;

use crate::rest::client::{Api, Call};
use crate::rest::endpoint::Service;
use crate::rest::errors::{self, ErrorBody, Seen};

/// The first wait where a look came back at once; then half as long again each time.
const POLL_FIRST: Duration = Duration::from_secs(1);
/// The longest wait.
const POLL_MAX: Duration = Duration::from_secs(10);
/// `wait` answers within two minutes.
const WAIT_TIMEOUT: Duration = Duration::from_secs(150);
/// Looks in a row that may fail.
const LOST_LOOKS_MAX: u32 = 4;
/// How often an operation is looked for after a lost answer.
const SEARCHES_MAX: u32 = 3;

/// What a write answers.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Operation {
    /// Its name in its place.
    #[serde(default)]
    pub name: String,
    /// `PENDING`, `RUNNING` or `DONE`.
    #[serde(default)]
    pub status: String,
    /// What it changes.
    #[serde(default)]
    pub target_link: Option<String>,
    /// The number of what it changes.
    #[serde(default)]
    pub target_id: Option<String>,
    #[serde(default)]
    error: Option<Errors>,
    #[serde(default)]
    http_error_status_code: Option<u16>,
    #[serde(default)]
    client_operation_id: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
struct Errors {
    #[serde(default)]
    errors: Vec<Failure>,
}

#[derive(Clone, Debug, Deserialize)]
struct Failure {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

impl Operation {
    /// Whether it has ended; an error if it has ended badly.
    fn ended(&self, action: &str) -> Result<bool, ProviderError> {
        if let Some(errors) = &self.error {
            let first = errors.errors.first();
            let body = ErrorBody {
                code: first.map(|one| one.code.clone()).unwrap_or_default(),
                message: errors.errors.iter().map(|one| one.message.as_str()).collect::<Vec<_>>().join("; "),
            };
            let seen = Seen::Operation(self.http_error_status_code.unwrap_or(0));
            let mut error = errors::classify(action, seen, &body, None);
            error.request_id.clone_from(&self.name);
            return Err(error);
        }
        Ok(self.status == "DONE")
    }
}

/// Where operations of a project live.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Place {
    /// Such as `projects/p/zones/z/operations`.
    path: String,
    /// Such as `compute.zoneOperations`.
    service: &'static str,
}

impl Place {
    /// The place of the operations on a path below a project.
    pub(crate) fn of(path: &str) -> Option<Self> {
        match path.split('/').collect::<Vec<_>>().as_slice() {
            ["projects", project, "zones", zone, ..] => Some(Self {
                path: format!("projects/{project}/zones/{zone}/operations"),
                service: "compute.zoneOperations",
            }),
            ["projects", project, "regions", region, ..] => Some(Self {
                path: format!("projects/{project}/regions/{region}/operations"),
                service: "compute.regionOperations",
            }),
            ["projects", project, "global", ..] => Some(Self {
                path: format!("projects/{project}/global/operations"),
                service: "compute.globalOperations",
            }),
            _ => None,
        }
    }
}

impl Api {
    /// Follows an operation to its end.
    ///
    /// # Errors
    /// What it failed with, under the name of the write; [`ErrorKind::Transient`] when it does not end in time.
    pub(crate) async fn follow(
        &self,
        action: &str,
        place: &Place,
        first: Operation,
    ) -> Result<Operation, ProviderError> {
        let ends_ms = self.clock().now_ms() + self.operation_timeout().as_millis() as u64;
        let (mut held, mut pause, mut lost, mut looks) = (first, POLL_FIRST, 0, 0);
        loop {
            if held.ended(action)? {
                return Ok(held);
            }
            if looks > 0 {
                // `wait` came back before the end: it must not make us spin.
                self.clock().sleep(pause).await;
                pause = (pause * 3 / 2).min(POLL_MAX);
            }
            if self.clock().now_ms() >= ends_ms {
                return Err(unfinished(action, &held, self.operation_timeout()));
            }
            looks += 1;
            match self.wait_for(place, &held.name).await {
                Ok(seen) => (held, lost) = (seen, 0),
                Err(error) if error.retryable() && lost < LOST_LOOKS_MAX => lost += 1,
                Err(error) => return Err(unseen(action, &held.name, error)),
            }
        }
    }

    async fn wait_for(&self, place: &Place, name: &str) -> Result<Operation, ProviderError> {
        let action = format!("{}.wait", place.service);
        let path = format!("{}/{name}/wait", place.path);
        let call = Call { action: &action, service: Service::Compute, path: &path, query: &[] };
        let mut request = self.request(Method::POST, &call)?;
        request.timeout = WAIT_TIMEOUT;
        self.send(request).await?.read()
    }

    /// The operation that a write with a request id started, after its answer was lost; none if there is none.
    pub(crate) async fn find_operation(
        &self,
        place: &Place,
        request_id: &str,
    ) -> Result<Option<Operation>, ProviderError> {
        let action = format!("{}.list", place.service);
        let filter = format!("clientOperationId = \"{request_id}\"");
        for search in 0..SEARCHES_MAX {
            if search > 0 {
                self.clock().sleep(POLL_FIRST).await;
            }
            let query = [("filter", filter.as_str())];
            let found = self.list_where::<Operation>(&action, &place.path, "items", &query).await?;
            let mut own =
                found.into_iter().filter(|one| one.client_operation_id.as_deref() == Some(request_id));
            if let Some(operation) = own.next() {
                return Ok(Some(operation));
            }
        }
        Ok(None)
    }
}

fn unfinished(action: &str, held: &Operation, timeout: Duration) -> ProviderError {
    let message = format!("the operation runs for more than {} s", timeout.as_secs());
    let mut error = ProviderError::new(ErrorKind::Transient, action, message);
    error.hint = "it may still end; the next pass looks".to_owned();
    error.request_id.clone_from(&held.name);
    error
}

/// The write was accepted, and then it could not be seen what became of it.
pub(crate) fn unseen(action: &str, operation: &str, error: ProviderError) -> ProviderError {
    let kind = if error.kind == ErrorKind::Denied { ErrorKind::Denied } else { ErrorKind::Transient };
    let message = "the call was accepted, but how it ended could not be seen";
    let mut outer = ProviderError::new(kind, action, message);
    outer.hint = if error.hint.is_empty() { "the next pass looks".to_owned() } else { error.hint.clone() };
    outer.code.clone_from(&error.code);
    operation.clone_into(&mut outer.request_id);
    outer.source = Some(Arc::new(error));
    outer
}
