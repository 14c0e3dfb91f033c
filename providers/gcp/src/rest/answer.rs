//! One request and one answer, as far as the driver looks at them.

use std::time::Duration;

use provider::reread::Call;
use provider::{ErrorKind, ProviderError};
use reqwest::Method;
use serde::de::{DeserializeOwned, DeserializeSeed};
use url::Url;

use crate::rest::pace::Buckets;

/// Answers above this size are refused.
pub const ANSWER_BYTES_MAX: usize = 64 << 20;
/// Requests above this size are refused before they are sent.
pub const REQUEST_BYTES_MAX: usize = 10 << 20;

/// One call, before it is sent.
#[derive(Clone)]
pub struct Request {
    /// The id of Google's method, such as `compute.firewalls.insert`.
    pub action: String,
    /// How it is sent.
    pub method: Method,
    /// Where it goes.
    pub url: Url,
    /// JSON; empty is no body.
    pub body: Vec<u8>,
    /// What it counts against.
    pub buckets: Buckets,
    /// How long the cloud may take.
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
        self.read_as(std::marker::PhantomData)
    }

    /// The body as what a seed makes of it.
    ///
    /// # Errors
    /// As [`Answer::read`].
    pub fn read_as<'de, S: DeserializeSeed<'de>>(&'de self, seed: S) -> Result<S::Value, ProviderError> {
        let mut body = serde_json::Deserializer::from_slice(&self.body);
        let read = seed.deserialize(&mut body).and_then(|read| body.end().map(|()| read));
        read.map_err(|error| {
            let message = format!("the answer could not be read at byte {}", error.column());
            let mut failed = ProviderError::new(ErrorKind::Transient, &self.action, message);
            // Without the text of the error: it may quote the answer.
            failed.hint = "report this: the shape of the answer is not what was expected".to_owned();
            failed
        })
    }
}
