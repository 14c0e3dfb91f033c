//! The errors that ARM and the network resource provider give.

use serde_json::{Value, json};

/// An ARM error: status, code and message.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{code}: {message}")]
pub struct ArmError {
    /// HTTP status.
    pub status: u16,
    /// The code that clients branch on.
    pub code: String,
    /// What is wrong.
    pub message: String,
    /// A cause below the error, as code and message.
    pub detail: Option<(String, String)>,
    /// What `Retry-After` says, in seconds.
    pub retry_after_s: Option<u64>,
}

impl ArmError {
    /// An error with a status.
    pub fn new(status: u16, code: &str, message: impl Into<String>) -> Self {
        Self { status, code: code.to_owned(), message: message.into(), detail: None, retry_after_s: None }
    }

    /// The same error, to be tried again after so many seconds.
    #[must_use]
    pub fn retry_after(self, seconds: u64) -> Self {
        Self { retry_after_s: Some(seconds), ..self }
    }

    /// The same error with a cause below it.
    #[must_use]
    pub fn caused_by(self, code: &str, message: impl Into<String>) -> Self {
        Self { detail: Some((code.to_owned(), message.into())), ..self }
    }

    /// The body on the wire.
    pub fn body(&self) -> Value {
        let details: Vec<Value> =
            self.detail.iter().map(|(code, message)| json!({ "code": code, "message": message })).collect();
        json!({ "error": { "code": self.code, "message": self.message, "details": details } })
    }
}

/// A request that is wrong in itself.
pub fn refuse(code: &str, message: impl Into<String>) -> ArmError {
    ArmError::new(400, code, message)
}

/// Nothing of that name.
pub fn not_found(kind: &str, group: &str, name: &str) -> ArmError {
    ArmError::new(
        404,
        "ResourceNotFound",
        format!("The Resource '{kind}/{name}' under resource group '{group}' was not found."),
    )
}
