//! Long-running operations: followed to their end, with what they say when they fail.
//!
//! Looking again is observation, not a retry: a look that is lost or throttled is made again, a few times, and never
//! after the operation's own time is over. The write itself is sent once.

use std::sync::Arc;
use std::time::Duration;

use provider::{ErrorKind, ProviderError};
use reqwest::Method;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::Url;

use crate::arm::answer::Answer;
use crate::arm::client::Arm;
use crate::arm::errors::{self, ErrorBody, Seen};

/// The first wait where the cloud does not say how long; then half as long again each time.
const POLL_FIRST: Duration = Duration::from_secs(1);
/// The longest wait where the cloud does not say how long.
const POLL_MAX: Duration = Duration::from_secs(10);
/// Looks in a row that may fail.
const LOST_LOOKS_MAX: u32 = 4;

/// Where an operation's state is seen.
enum Watch {
    /// `azure-asyncoperation`: a document with a status.
    Status(Url),
    /// `location`: 202 until the result is there.
    Result(Url),
    /// The resource itself: its provisioning state.
    Resource(Url),
}

/// What one look saw.
enum Look {
    Running(Option<Duration>),
    Done(Value),
}

#[derive(Deserialize)]
struct Status {
    #[serde(default)]
    status: String,
    #[serde(default)]
    error: Option<ErrorBody>,
    #[serde(default)]
    properties: Value,
}

impl Arm {
    /// Asks something that the cloud takes its time to answer, such as the rules in effect at an interface.
    ///
    /// # Errors
    /// What the question was refused with or failed with.
    pub async fn ask_slowly<T: DeserializeOwned>(
        &self,
        action: &str,
        path: &str,
        version: &str,
    ) -> Result<T, ProviderError> {
        let url = self.endpoint().url(path, &[("api-version", version)])?;
        let first = self.send(self.request(action, Method::POST, url.clone())).await?;
        let result = self.follow(&url, &first).await?;
        serde_json::from_value(result).map_err(|error| {
            let message = "the answer could not be read";
            let mut failed = ProviderError::new(ErrorKind::Transient, action, message);
            failed.source = Some(Arc::new(error));
            failed
        })
    }

    /// Follows what a write, delete or question started until it has ended; gives its result, or null where the
    /// result is the resource. `resource` is where the resource is read.
    ///
    /// # Errors
    /// What the operation failed with; [`ErrorKind::Transient`] when it does not end in time.
    pub(crate) async fn follow(&self, resource: &Url, first: &Answer) -> Result<Value, ProviderError> {
        let Some(watch) = self.watch(resource, first)? else { return first.json() };
        let ends_ms = self.clock().now_ms() + self.operation_timeout().as_millis() as u64;
        let (mut said, mut default, mut lost) = (first.retry_after, POLL_FIRST, 0);
        loop {
            // `Retry-After: 0` says nothing: it must not make us spin.
            let wait = said.filter(|said| !said.is_zero()).unwrap_or(default);
            if self.clock().now_ms() + wait.as_millis() as u64 > ends_ms {
                return Err(self.unfinished(first));
            }
            self.clock().sleep(wait).await;
            default = (default * 3 / 2).min(POLL_MAX);
            match self.look(&watch, first).await {
                Ok(Look::Done(result)) => return self.result(&watch, first, result).await,
                Ok(Look::Running(wait)) => (said, lost) = (wait, 0),
                Err(Failed::Look(error)) if error.retryable() && lost < LOST_LOOKS_MAX => {
                    (said, lost) = (None, lost + 1);
                }
                Err(Failed::Look(error)) => return Err(unseen(first, error)),
                Err(Failed::Operation(error)) => return Err(error),
            }
        }
    }

    fn watch(&self, resource: &Url, first: &Answer) -> Result<Option<Watch>, ProviderError> {
        if let Some(link) = &first.async_operation {
            return Ok(Some(Watch::Status(self.endpoint().link(link)?)));
        }
        if let Some(link) = first.location.as_ref().filter(|_| first.status == 202) {
            return Ok(Some(Watch::Result(self.endpoint().link(link)?)));
        }
        let is_busy = matches!(provisioning(&first.json()?), Some(state) if !is_over(&state));
        Ok(is_busy.then(|| Watch::Resource(resource.clone())))
    }

    async fn look(&self, watch: &Watch, first: &Answer) -> Result<Look, Failed> {
        let (url, action) = match watch {
            Watch::Status(url) => (url, "Microsoft.Network/locations/operations/read"),
            Watch::Result(url) => (url, "Microsoft.Network/locations/operationResults/read"),
            Watch::Resource(url) => (url, first.action.as_str()),
        };
        let answer = match self.send(self.request(action, Method::GET, url.clone())).await {
            Ok(answer) => answer,
            // The result of a failed operation is its error.
            Err(error) if matches!(watch, Watch::Result(_)) && !is_of_the_look(&error) => {
                return Err(Failed::Operation(named(first, error)));
            }
            Err(error) => return Err(Failed::Look(error)),
        };
        match watch {
            Watch::Status(_) => {
                let status: Status = answer.read().map_err(Failed::Look)?;
                if status.status.eq_ignore_ascii_case("Succeeded") {
                    let output = status.properties.get("output").cloned().unwrap_or_default();
                    return Ok(Look::Done(output));
                }
                if !is_over(&status.status) {
                    return Ok(Look::Running(answer.retry_after));
                }
                Err(Failed::Operation(failure(first, &status.status, status.error)))
            }
            Watch::Result(_) if answer.status == 202 => Ok(Look::Running(answer.retry_after)),
            Watch::Result(_) => answer.json().map(Look::Done).map_err(Failed::Look),
            Watch::Resource(_) => {
                let body = answer.json().map_err(Failed::Look)?;
                match provisioning(&body) {
                    Some(state) if !is_over(&state) => Ok(Look::Running(answer.retry_after)),
                    Some(state) if !state.eq_ignore_ascii_case("Succeeded") => {
                        Err(Failed::Operation(failure(first, &state, None)))
                    }
                    _ => Ok(Look::Done(body)),
                }
            }
        }
    }

    /// The result of a question is read from its own place once the status says that it is there.
    async fn result(&self, watch: &Watch, first: &Answer, seen: Value) -> Result<Value, ProviderError> {
        let Some(link) = first.location.as_ref().filter(|_| seen.is_null()) else { return Ok(seen) };
        if !matches!(watch, Watch::Status(_)) || first.status != 202 {
            return Ok(seen);
        }
        let url = self.endpoint().link(link)?;
        let action = "Microsoft.Network/locations/operationResults/read";
        match self.send(self.request(action, Method::GET, url)).await {
            Ok(answer) => answer.json(),
            // Nothing is kept of a delete.
            Err(error) if error.kind == ErrorKind::NotFound => Ok(Value::Null),
            Err(error) => Err(unseen(first, error)),
        }
    }

    fn unfinished(&self, first: &Answer) -> ProviderError {
        let message = format!("the operation runs for more than {} s", self.operation_timeout().as_secs());
        let mut error = ProviderError::new(ErrorKind::Transient, &first.action, message);
        error.hint = "it may still end; the next pass looks".to_owned();
        error.request_id.clone_from(&first.request_id);
        error
    }
}

/// Whose failure it is.
enum Failed {
    Look(ProviderError),
    Operation(ProviderError),
}

fn is_of_the_look(error: &ProviderError) -> bool {
    matches!(error.kind, ErrorKind::Throttled | ErrorKind::Denied)
        || (error.kind == ErrorKind::Transient && error.code.is_empty())
}

/// The provisioning state of a resource's document.
fn provisioning(body: &Value) -> Option<String> {
    body.get("properties")?.get("provisioningState")?.as_str().map(str::to_owned)
}

fn is_over(state: &str) -> bool {
    ["Succeeded", "Failed", "Canceled", "Cancelled"].iter().any(|word| word.eq_ignore_ascii_case(state))
}

/// What an operation failed with.
fn failure(first: &Answer, state: &str, error: Option<ErrorBody>) -> ProviderError {
    let is_canceled = state.to_ascii_lowercase().starts_with("cancel");
    let mut body = error.unwrap_or_default();
    if body.code.is_none() && is_canceled {
        body.code = Some("Canceled".to_owned());
    }
    errors::classify(&first.action, Seen::Operation, &body, None, &first.request_id)
}

/// An error that was met elsewhere, as one of the write.
fn named(first: &Answer, error: ProviderError) -> ProviderError {
    let kind = errors::kind_of(&error.code, Seen::Operation);
    ProviderError { kind, action: first.action.clone(), request_id: first.request_id.clone(), ..error }
}

/// The write was accepted, and then it could not be seen what became of it.
fn unseen(first: &Answer, error: ProviderError) -> ProviderError {
    let kind = if error.kind == ErrorKind::Denied { ErrorKind::Denied } else { ErrorKind::Transient };
    let message = "the call was accepted, but how it ended could not be seen";
    let mut outer = ProviderError::new(kind, &first.action, message);
    outer.hint = if error.hint.is_empty() { "the next pass looks".to_owned() } else { error.hint.clone() };
    outer.code.clone_from(&error.code);
    outer.request_id.clone_from(&first.request_id);
    outer.source = Some(Arc::new(error));
    outer
}
