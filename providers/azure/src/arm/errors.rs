//! ARM's errors, by what the caller does next.
//!
//! The same code means the same whether a call is refused with it or an operation ends with it. Only the codes that
//! say nothing (`InternalServerError`, or none) are judged by where they were seen.

use std::time::Duration;

use provider::{ErrorKind, ProviderError};
use serde::Deserialize;

/// Where an error was seen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Seen {
    /// In the answer to a call, with this HTTP status.
    Status(u16),
    /// At the end of a long-running operation: what it did before is unknown.
    Operation,
}

/// The part of an error body that we read.
#[derive(Clone, PartialEq, Eq, Default, Debug, Deserialize)]
pub struct ErrorBody {
    /// What clients branch on.
    #[serde(default)]
    pub code: Option<String>,
    /// What is wrong, for people.
    #[serde(default)]
    pub message: Option<String>,
    /// Causes.
    #[serde(default)]
    pub details: Option<Vec<ErrorBody>>,
}

#[derive(Deserialize)]
struct Envelope {
    error: ErrorBody,
}

impl ErrorBody {
    /// Reads the body of a refusal; one that says nothing is as good as empty.
    pub fn parse(body: &[u8]) -> Self {
        let enveloped = serde_json::from_slice::<Envelope>(body).map(|envelope| envelope.error);
        enveloped.or_else(|_| serde_json::from_slice(body)).unwrap_or_default()
    }

    /// The code; of the first cause where the outer one only says that there is a cause.
    fn telling_code(&self) -> &str {
        let own = self.code.as_deref().unwrap_or_default();
        let cause = self.details.iter().flatten().map(Self::telling_code).find(|code| !code.is_empty());
        match own {
            "" | "RetryableError" | "DeploymentFailed" | "ResourceOperationFailure" | "BadRequest" => {
                cause.unwrap_or(own)
            }
            _ => own,
        }
    }

    /// One line with the causes behind it.
    fn line(&self) -> String {
        let own = self.message.as_deref().unwrap_or("no message");
        let causes = self.details.iter().flatten().map(Self::line).filter(|line| line != "no message");
        let whole = std::iter::once(own.to_owned()).chain(causes).collect::<Vec<_>>().join("; ");
        let flat = whole.split_whitespace().collect::<Vec<_>>().join(" ");
        flat.trim_end_matches('.').chars().take(MESSAGE_CHARS_MAX).collect()
    }
}

/// Longer messages are cut.
const MESSAGE_CHARS_MAX: usize = 1000;

/// An error of ARM as an error of the contract.
pub fn classify(
    action: &str,
    seen: Seen,
    body: &ErrorBody,
    retry_after: Option<Duration>,
    request_id: &str,
) -> ProviderError {
    let code = body.telling_code();
    let kind = kind_of(code, seen);
    let said = match (code, seen) {
        ("", Seen::Status(status)) => format!("http status {status}"),
        ("", Seen::Operation) => "the operation failed without saying why".to_owned(),
        _ => format!("{code}: {}", body.line()),
    };
    let waiting = match (kind, retry_after) {
        (ErrorKind::Throttled | ErrorKind::Conflict, Some(wait)) => {
            format!(" (free again in {} s)", wait.as_secs())
        }
        _ => String::new(),
    };
    let mut error = ProviderError::new(kind, action, format!("{said}{waiting}"));
    error.hint = hint(kind, code, action);
    code.clone_into(&mut error.code);
    request_id.clone_into(&mut error.request_id);
    error
}

/// What the caller does next about a code.
pub fn kind_of(code: &str, seen: Seen) -> ErrorKind {
    match code {
        // Somebody else is at work on the resource, or on what it refers to: look again.
        "RetryableErrorDueToAnotherOperation"
        | "AnotherOperationInProgress"
        | "RetryableError"
        | "ReferencedResourceNotProvisioned"
        | "CanceledAndSupersededDueToAnotherOperation"
        | "OperationPreempted"
        | "Canceled"
        | "PreconditionFailed"
        | "SecurityRuleConflict"
        | "PeeringAlreadyExists"
        | "NicInUse" => ErrorKind::Conflict,
        // Still referenced: the references go first.
        _ if code.starts_with("InUse") => ErrorKind::Conflict,
        "TooManyRequests"
        | "SubscriptionRequestsThrottled"
        | "TenantRequestsThrottled"
        | "ResourceRequestsThrottled"
        | "OperationNotAllowedThrottled"
        | "ServerBusy" => ErrorKind::Throttled,
        "AuthenticationFailed"
        | "ExpiredAuthenticationToken"
        | "InvalidAuthenticationToken"
        | "InvalidAuthenticationTokenTenant"
        | "AuthorizationFailed"
        | "LinkedAuthorizationFailed"
        | "SubscriptionNotFound"
        | "SubscriptionNotRegistered"
        | "MissingSubscriptionRegistration"
        | "ReadOnlyDisabledSubscription"
        | "ScopeLocked" => ErrorKind::Denied,
        "ResourceNotFound"
        | "NotFound"
        | "ResourceGroupNotFound"
        | "ParentResourceNotFound"
        | "InvalidResourceReference"
        | "ResourceGroupBeingDeleted" => ErrorKind::NotFound,
        "QuotaExceeded"
        | "ResourceCountExceedsLimitDueToTemplate"
        | "ResourceQuotaExceeded"
        | "SubscriptionQuotaExceeded" => ErrorKind::OverQuota,
        // `SecurityRuleCountLimitReached` and its relatives.
        _ if code.ends_with("LimitReached") || code.ends_with("LimitExceeded") => ErrorKind::OverQuota,
        "RequestDisallowedByPolicy" => ErrorKind::Rejected,
        _ => unknown(code, seen),
    }
}

/// A code that says nothing to us.
fn unknown(code: &str, seen: Seen) -> ErrorKind {
    match seen {
        // The resource may be half-way: the next pass looks.
        Seen::Operation if code.starts_with("Invalid") => ErrorKind::Rejected,
        Seen::Operation => ErrorKind::Transient,
        Seen::Status(401 | 403) => ErrorKind::Denied,
        Seen::Status(404 | 410) => ErrorKind::NotFound,
        Seen::Status(409 | 412) => ErrorKind::Conflict,
        Seen::Status(429) => ErrorKind::Throttled,
        Seen::Status(408 | 500..) => ErrorKind::Transient,
        Seen::Status(_) => ErrorKind::Rejected,
    }
}

fn hint(kind: ErrorKind, code: &str, action: &str) -> String {
    match (kind, code) {
        (_, "ExpiredAuthenticationToken") => {
            "the token is too old: check this machine's clock, then log in again".to_owned()
        }
        (_, "AuthorizationFailed" | "LinkedAuthorizationFailed") => {
            format!("give the identity a role with `{action}`; a new role can take minutes to work")
        }
        (_, "SubscriptionNotFound") => {
            "check the id, and give the identity a role in the subscription".to_owned()
        }
        (_, "SubscriptionNotRegistered" | "MissingSubscriptionRegistration") => {
            "register Microsoft.Network and Microsoft.Compute in the subscription".to_owned()
        }
        (_, "ScopeLocked") => "a lock in Azure forbids it: whoever set the lock must decide".to_owned(),
        (_, "RequestDisallowedByPolicy") => "an Azure policy forbids it; the message names it".to_owned(),
        (_, "PreconditionFailed") => {
            "somebody changed the object in between; the next pass plans on what is there now".to_owned()
        }
        (ErrorKind::Denied, _) => crate::arm::credential::HINT.to_owned(),
        (ErrorKind::OverQuota, _) => "raise the quota, or make the policy smaller".to_owned(),
        (ErrorKind::Throttled, _) => {
            "others use the subscription too; lower `share` of the scope if it happens often".to_owned()
        }
        (ErrorKind::Transient, _) => {
            "whether the call took effect is unknown; the next pass looks".to_owned()
        }
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_say_what_the_caller_does_next() {
        for (status, code, kind) in [
            (412, "PreconditionFailed", ErrorKind::Conflict),
            (429, "RetryableErrorDueToAnotherOperation", ErrorKind::Conflict),
            (429, "AnotherOperationInProgress", ErrorKind::Conflict),
            (409, "AnotherOperationInProgress", ErrorKind::Conflict),
            (429, "TooManyRequests", ErrorKind::Throttled),
            (429, "SubscriptionRequestsThrottled", ErrorKind::Throttled),
            (429, "", ErrorKind::Throttled),
            (401, "ExpiredAuthenticationToken", ErrorKind::Denied),
            (401, "", ErrorKind::Denied),
            (403, "AuthorizationFailed", ErrorKind::Denied),
            (403, "RequestDisallowedByPolicy", ErrorKind::Rejected),
            (409, "ScopeLocked", ErrorKind::Denied),
            (404, "ResourceNotFound", ErrorKind::NotFound),
            (404, "SubscriptionNotFound", ErrorKind::Denied),
            (400, "InvalidResourceReference", ErrorKind::NotFound),
            (400, "SecurityRuleConflict", ErrorKind::Conflict),
            (400, "SecurityRuleCountLimitReached", ErrorKind::OverQuota),
            (400, "ResourceCountExceedsLimitDueToTemplate", ErrorKind::OverQuota),
            (400, "InUseNetworkSecurityGroupCannotBeDeleted", ErrorKind::Conflict),
            (400, "SecurityRuleInvalidPriority", ErrorKind::Rejected),
            (500, "InternalServerError", ErrorKind::Transient),
            (503, "ServerBusy", ErrorKind::Throttled),
            (302, "", ErrorKind::Rejected),
        ] {
            assert_eq!(kind_of(code, Seen::Status(status)), kind, "{status} {code}");
        }
    }

    #[test]
    fn a_failed_operation_is_looked_at_again_unless_the_request_was_wrong() {
        for (code, kind) in [
            ("InternalServerError", ErrorKind::Transient),
            ("", ErrorKind::Transient),
            ("Canceled", ErrorKind::Conflict),
            ("CanceledAndSupersededDueToAnotherOperation", ErrorKind::Conflict),
            ("InvalidParameter", ErrorKind::Rejected),
            ("SecurityRuleCountLimitReached", ErrorKind::OverQuota),
        ] {
            assert_eq!(kind_of(code, Seen::Operation), kind, "{code}");
        }
    }

    #[test]
    fn a_body_gives_code_message_and_causes_in_one_line() {
        let body = br#"{"error":{"code":"RetryableError","message":"A retryable error\r\noccurred.",
            "details":[{"code":"ReferencedResourceNotProvisioned","message":"x is Updating."}]}}"#;
        let wait = Some(Duration::from_secs(3));
        let error = classify("a/write", Seen::Status(429), &ErrorBody::parse(body), wait, "id");
        assert_eq!(error.kind, ErrorKind::Conflict);
        assert_eq!(error.code, "ReferencedResourceNotProvisioned");
        assert_eq!(error.request_id, "id");
        assert_eq!(
            error.message,
            "ReferencedResourceNotProvisioned: A retryable error occurred.; x is Updating (free again in 3 s)"
        );
        for (body, code) in [
            (&br#"{"code":"Gone","message":"m"}"#[..], "Gone"),
            (b"<html>", ""),
            (b"", ""),
            (br#"{"error":{"code":null,"details":null}}"#, ""),
        ] {
            let error = classify("a/read", Seen::Status(400), &ErrorBody::parse(body), None, "");
            assert_eq!(error.code, code);
        }
    }
}
