//! One request and one answer of ARM, as far as the driver looks at them.

use std::sync::Arc;
use std::time::Duration;

use provider::reread::Call;
use provider::{ErrorKind, ProviderError};
use reqwest::Method;
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::Url;

use crate::arm::pace::Buckets;

/// Answers above this size are refused.
pub const ANSWER_BYTES_MAX: usize = 64 << 20;
/// ARM's own limit for requests.
pub const REQUEST_BYTES_MAX: usize = 4 << 20;

/// One call, before it is sent.
#[derive(Clone)]
pub struct Request {
    /// The action as roles name it, such as `Microsoft.Network/networkSecurityGroups/read`.
    pub action: String,
    /// How it is sent.
    pub method: Method,
    /// Where it goes.
    pub url: Url,
    /// Sent as `If-Match`.
    pub if_match: Option<String>,
    /// JSON; empty is no body.
    pub body: Vec<u8>,
    /// What it counts against.
    pub buckets: Buckets,
    /// How long the cloud may take; set on the way.
    pub timeout: Duration,
}

impl Call for Request {
    fn key(&self) -> String {
        format!("{} {} {}", self.method, self.url, String::from_utf8_lossy(&self.body))
    }
}

/// One answer whose status says that the call was accepted.
pub struct Answer {
    /// The action that was asked.
    pub action: String,
    /// HTTP status.
    pub status: u16,
    /// Of this call; empty if the cloud gave none.
    pub request_id: String,
    /// How long to wait before the next look.
    pub retry_after: Option<Duration>,
    /// Where the status of the operation is.
    pub async_operation: Option<String>,
    /// Where the result of the operation is.
    pub location: Option<String>,
    /// As it came.
    pub body: Vec<u8>,
}

impl AsRef<[u8]> for Answer {
    fn as_ref(&self) -> &[u8] {
        &self.body
    }
}

impl Answer {
    /// The body as a type.
    ///
    /// # Errors
    /// [`ErrorKind::Transient`] when it is not what it should be: whatever was done has been done.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, ProviderError> {
        serde_json::from_slice(&self.body).map_err(|error| {
            let message = format!("the answer could not be read at byte {}", error.column());
            let mut failed = ProviderError::new(ErrorKind::Transient, &self.action, message);
            failed.request_id.clone_from(&self.request_id);
            failed.source = Some(Arc::new(error));
            failed
        })
    }

    /// The body as JSON; null if there is none.
    pub fn json(&self) -> Result<Value, ProviderError> {
        if self.body.is_empty() { Ok(Value::Null) } else { self.read() }
    }
}
