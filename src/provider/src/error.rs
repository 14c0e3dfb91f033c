//! One error for the boundary to a cloud, by what the caller does next.

use std::sync::Arc;

/// What the caller does next.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum ErrorKind {
    /// Too many calls: slow down, the next pass tries again.
    Throttled,
    /// The credentials are missing, wrong or not allowed: somebody must act.
    Denied,
    /// A limit of the account is reached: somebody must raise it or the policy must shrink.
    OverQuota,
    /// Somebody else holds the name or changed the object at the same time: look again.
    Conflict,
    /// The object is not there (any more, or not yet visible): look again.
    NotFound,
    /// The cloud refuses the request as it is: a mistake of ours or a capability it lacks.
    Rejected,
    /// The cloud or the way to it failed, or the answer was lost: whether the call took effect is unknown.
    Transient,
}

/// An error at the boundary to a cloud. A write that several steps share fails for each of them.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{action} failed: {message}")]
pub struct ProviderError {
    /// What the caller does next.
    pub kind: ErrorKind,
    /// The cloud's action, such as `DescribeSecurityGroups`.
    pub action: String,
    /// The cloud's own error code; empty if there is none.
    pub code: String,
    /// One line, lower case, no full stop.
    pub message: String,
    /// What to do about it; empty if nothing is to be said.
    pub hint: String,
    /// The request id; empty if there is none.
    pub request_id: String,
    /// What is behind it.
    #[source]
    pub source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

impl ProviderError {
    /// An error without anything behind it.
    pub fn new(kind: ErrorKind, action: &str, message: impl Into<String>) -> Self {
        Self {
            kind,
            action: action.to_owned(),
            code: String::new(),
            message: message.into(),
            hint: String::new(),
            request_id: String::new(),
            source: None,
        }
    }

    /// Whether what was asked for is at fault, so that something else may go through.
    pub fn is_of_what_was_asked(&self) -> bool {
        matches!(self.kind, ErrorKind::Rejected | ErrorKind::NotFound | ErrorKind::OverQuota)
    }

    /// Whether the next pass may succeed without anybody acting.
    pub fn retryable(&self) -> bool {
        matches!(
            self.kind,
            ErrorKind::Throttled | ErrorKind::Conflict | ErrorKind::NotFound | ErrorKind::Transient
        )
    }
}
