//! Operations of Resource Manager: polled where they were started, until they are done.

use std::time::Duration;

use provider::{ErrorKind, ProviderError};
use serde::Deserialize;
use serde_json::Value;

use crate::rest::client::{Api, Call};
use crate::rest::endpoint::Service;
use crate::rest::errors::{self, ErrorBody, Seen, canonical};
use crate::rest::operation::unseen;

/// The first wait; then half as long again each time.
const POLL_FIRST: Duration = Duration::from_millis(500);
/// The longest wait.
const POLL_MAX: Duration = Duration::from_secs(10);
/// Looks in a row that may fail.
const LOST_LOOKS_MAX: u32 = 4;

/// What a change of Resource Manager answers.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct LongOperation {
    #[serde(default)]
    pub name: String,
    #[serde(default)]
    done: bool,
    #[serde(default)]
    response: Value,
    #[serde(default)]
    error: Option<Failure>,
}

#[derive(Clone, Debug, Deserialize)]
struct Failure {
    #[serde(default)]
    code: i64,
    #[serde(default)]
    message: String,
}

impl LongOperation {
    fn ended(&self, action: &str) -> Result<bool, ProviderError> {
        let Some(failure) = &self.error else { return Ok(self.done) };
        let (word, http) = canonical(failure.code);
        let body = ErrorBody { code: word.to_owned(), message: failure.message.clone() };
        let mut error = errors::classify(action, Seen::Operation(http), &body, None);
        error.request_id.clone_from(&self.name);
        Err(error)
    }
}

impl Api {
    /// Follows an operation to its end; gives what it answers.
    ///
    /// # Errors
    /// What it failed with; [`ErrorKind::Transient`] when it does not end in time.
    pub(crate) async fn follow_long(
        &self,
        action: &str,
        service: &Service,
        first: LongOperation,
    ) -> Result<Value, ProviderError> {
        let ends_ms = self.clock().now_ms() + self.operation_timeout().as_millis() as u64;
        let (mut held, mut pause, mut lost) = (first, POLL_FIRST, 0);
        loop {
            if held.ended(action)? {
                return Ok(held.response);
            }
            if self.clock().now_ms() + pause.as_millis() as u64 > ends_ms {
                let seconds = self.operation_timeout().as_secs();
                let message = format!("the operation runs for more than {seconds} s");
                return Err(ProviderError::new(ErrorKind::Transient, action, message));
            }
            self.clock().sleep(pause).await;
            pause = (pause * 3 / 2).min(POLL_MAX);
            let path = held.name.clone();
            let call = Call {
                action: "cloudresourcemanager.operations.get",
                service: service.clone(),
                path: &path,
                query: &[],
            };
            match self.read::<LongOperation>(&call).await {
                Ok(seen) => (held, lost) = (seen, 0),
                Err(error) if error.retryable() && lost < LOST_LOOKS_MAX => lost += 1,
                Err(error) => return Err(unseen(action, &held.name, error)),
            }
        }
    }
}
