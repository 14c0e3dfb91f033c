//! The errors that Compute Engine and Resource Manager give.
//!
//! Every body carries a `status` word: Google's clients make their error kinds from it.

use serde_json::{Value, json};

/// An error of the cloud.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{reason}: {message}")]
pub struct GcpError {
    /// HTTP status.
    pub code: u16,
    /// What Compute Engine's clients branch on, such as `notFound`.
    pub reason: String,
    /// What is wrong.
    pub message: String,
    /// The canonical word, such as `NOT_FOUND`.
    pub status: &'static str,
}

impl GcpError {
    /// An error; its canonical word follows from the HTTP status.
    pub fn new(code: u16, reason: &str, message: impl Into<String>) -> Self {
        Self { code, reason: reason.to_owned(), message: message.into(), status: canonical(code) }
    }

    /// The same error with another canonical word.
    #[must_use]
    pub fn with_status(self, status: &'static str) -> Self {
        Self { status, ..self }
    }

    /// The body on the wire; only Compute Engine's has reasons.
    pub fn body(&self, with_reasons: bool) -> Value {
        let mut error = json!({ "code": self.code, "message": self.message, "status": self.status });
        if with_reasons {
            let domain = if self.reason.ends_with("Exceeded") { "usageLimits" } else { "global" };
            error["errors"] = json!([{ "message": self.message, "domain": domain, "reason": self.reason }]);
        }
        if self.reason == "rateLimitExceeded" {
            error["details"] = json!([{
                "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                "reason": "RATE_LIMIT_EXCEEDED",
                "domain": "googleapis.com",
            }]);
        }
        json!({ "error": error })
    }
}

fn canonical(code: u16) -> &'static str {
    match code {
        400 => "INVALID_ARGUMENT",
        401 => "UNAUTHENTICATED",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        409 => "ALREADY_EXISTS",
        412 => "FAILED_PRECONDITION",
        429 => "RESOURCE_EXHAUSTED",
        503 => "UNAVAILABLE",
        _ => "INTERNAL",
    }
}

/// A field that is wrong.
pub fn invalid(field: &str, value: &str, why: &str) -> GcpError {
    GcpError::new(400, "invalid", format!("Invalid value for field '{field}': '{value}'. {why}"))
}

/// A request that is wrong in itself.
pub fn bad_request(message: impl Into<String>) -> GcpError {
    GcpError::new(400, "badRequest", message)
}

/// Nothing at that path.
pub fn not_found(path: &str) -> GcpError {
    GcpError::new(404, "notFound", format!("The resource '{path}' was not found"))
}

/// Something at that path already.
pub fn already_exists(path: &str) -> GcpError {
    GcpError::new(409, "alreadyExists", format!("The resource '{path}' already exists"))
}

/// Something else refers to it.
pub fn in_use(path: &str, by: &str) -> GcpError {
    let message = format!("The resource '{path}' is already being used by '{by}'");
    GcpError::new(400, "resourceInUseByAnotherResource", message)
}

/// A quota on the number of things.
pub fn over_quota(metric: &str, limit: usize) -> GcpError {
    GcpError::new(403, "quotaExceeded", format!("Quota '{metric}' exceeded.  Limit: {limit}.0 globally."))
}

/// A fingerprint that is not the newest, or none.
pub fn stale(what: &str) -> GcpError {
    GcpError::new(412, "conditionNotMet", format!("Invalid fingerprint{what}."))
}

/// The caller may not do this.
pub fn forbidden(action: &str, path: &str) -> GcpError {
    GcpError::new(403, "forbidden", format!("Required '{action}' permission for '{path}'"))
}
