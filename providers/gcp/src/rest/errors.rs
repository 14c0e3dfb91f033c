//! Google's errors, by what the caller does next.
//!
//! Compute Engine says `errors[0].reason` in its refusals (`rateLimitExceeded`) and a code in capitals in its
//! operations (`RATE_LIMIT_EXCEEDED`): both are compared without case and underscores. Resource Manager says a
//! canonical word, or its number. Only the codes that say nothing are judged by where they were seen.

use std::time::Duration;

use provider::{ErrorKind, ProviderError};
use serde::Deserialize;

/// Where an error was seen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Seen {
    /// In the answer to a call, with this HTTP status.
    Status(u16),
    /// At the end of an operation, with the HTTP status that it would have been (0: none was given). What it did
    /// before is unknown.
    Operation(u16),
}

/// The part of an error that we read.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct ErrorBody {
    /// What we branch on.
    pub code: String,
    /// What is wrong, for people.
    pub message: String,
}

#[derive(Deserialize)]
struct Envelope {
    error: Outer,
}

/// An error as both services write it.
#[derive(Default, Deserialize)]
struct Outer {
    #[serde(default)]
    message: Option<String>,
    #[serde(default)]
    status: Option<String>,
    #[serde(default)]
    errors: Option<Vec<Item>>,
    #[serde(default)]
    details: Option<Vec<Item>>,
}

#[derive(Deserialize)]
struct Item {
    #[serde(default)]
    reason: Option<String>,
}

impl ErrorBody {
    /// Reads the body of a refusal; one that says nothing is as good as empty.
    pub fn parse(body: &[u8]) -> Self {
        let outer = serde_json::from_slice::<Envelope>(body).map(|envelope| envelope.error);
        let outer = outer.unwrap_or_default();
        let reason = |items: &Option<Vec<Item>>| items.iter().flatten().find_map(|item| item.reason.clone());
        let code = reason(&outer.errors).or_else(|| reason(&outer.details)).or(outer.status);
        Self { code: code.unwrap_or_default(), message: outer.message.unwrap_or_default() }
    }

    /// One line.
    fn line(&self) -> String {
        let flat = self.message.split_whitespace().collect::<Vec<_>>().join(" ");
        let line: String = flat.trim_end_matches('.').chars().take(MESSAGE_CHARS_MAX).collect();
        if line.is_empty() { "no message".to_owned() } else { line }
    }
}

/// Longer messages are cut.
const MESSAGE_CHARS_MAX: usize = 1000;

/// An error of Google as an error of the contract.
pub fn classify(action: &str, seen: Seen, body: &ErrorBody, retry_after: Option<Duration>) -> ProviderError {
    let kind = kind_of(&body.code, seen);
    let said = match (body.code.as_str(), seen) {
        ("", Seen::Status(status)) => format!("http status {status}"),
        ("", Seen::Operation(_)) => "the operation failed without saying why".to_owned(),
        (code, _) => format!("{code}: {}", body.line()),
    };
    let waiting = match (kind, retry_after) {
        (ErrorKind::Throttled, Some(wait)) => format!(" (free again in {} s)", wait.as_secs()),
        _ => String::new(),
    };
    let mut error = ProviderError::new(kind, action, format!("{said}{waiting}"));
    error.hint = hint(kind, &body.code, action);
    error.code.clone_from(&body.code);
    error
}

/// A code without case and underscores.
fn plain(code: &str) -> String {
    code.chars().filter(|c| *c != '_').flat_map(char::to_lowercase).collect()
}

/// What the caller does next about a code.
pub fn kind_of(code: &str, seen: Seen) -> ErrorKind {
    match plain(code).as_str() {
        "ratelimitexceeded"
        | "userratelimitexceeded"
        | "concurrentlimitexceeded"
        | "concurrentoperationsquotaexceeded"
        | "operationratelimitexceeded"
        | "resourceoperationrateexceeded" => ErrorKind::Throttled,
        // Resource Manager throttles with this word and status 429; elsewhere it is a quota on things.
        "resourceexhausted" if seen == Seen::Status(429) => ErrorKind::Throttled,
        "quotaexceeded" | "limitexceeded" | "resourceexhausted" | "dailylimitexceeded" => {
            ErrorKind::OverQuota
        }
        // Somebody else is at work on the resource, or changed it, or refers to it: look again.
        "conditionnotmet"
        | "invalidfingerprint"
        | "aborted"
        | "failedprecondition"
        | "resourcenotready"
        | "operationinprogress"
        | "resourceinusebyanotherresource"
        | "resourceinuse"
        | "alreadyexists"
        | "resourcealreadyexists"
        | "conflict"
        | "duplicate" => ErrorKind::Conflict,
        "autherror"
        | "unauthenticated"
        | "accesstokenexpired"
        | "accesstokenscopeinsufficient"
        | "credentialsmissing"
        | "forbidden"
        | "iampermissiondenied"
        | "insufficientpermissions"
        | "permissiondenied"
        | "permissionserror"
        | "accessnotconfigured"
        | "servicedisabled"
        | "billingdisabled"
        | "billingnotenabled" => ErrorKind::Denied,
        "notfound" | "resourcenotfound" => ErrorKind::NotFound,
        "backenderror" | "internalerror" | "internal" | "unavailable" | "deadlineexceeded" | "unknown" => {
            ErrorKind::Transient
        }
        _ => by_status(seen),
    }
}

/// A code that says nothing to us.
fn by_status(seen: Seen) -> ErrorKind {
    let (Seen::Status(status) | Seen::Operation(status)) = seen;
    match status {
        401 | 403 => ErrorKind::Denied,
        404 | 410 => ErrorKind::NotFound,
        409 | 412 => ErrorKind::Conflict,
        429 => ErrorKind::Throttled,
        // An operation may be half-way: the next pass looks.
        0 | 408 | 500.. => ErrorKind::Transient,
        _ => ErrorKind::Rejected,
    }
}

/// The canonical word of a number, as long-running operations give their errors.
pub(crate) fn canonical(number: i64) -> (&'static str, u16) {
    match number {
        1 => ("CANCELLED", 409),
        3 => ("INVALID_ARGUMENT", 400),
        4 => ("DEADLINE_EXCEEDED", 504),
        5 => ("NOT_FOUND", 404),
        6 => ("ALREADY_EXISTS", 409),
        7 => ("PERMISSION_DENIED", 403),
        8 => ("RESOURCE_EXHAUSTED", 400),
        9 => ("FAILED_PRECONDITION", 400),
        10 => ("ABORTED", 409),
        11 => ("OUT_OF_RANGE", 400),
        12 => ("UNIMPLEMENTED", 400),
        14 => ("UNAVAILABLE", 503),
        16 => ("UNAUTHENTICATED", 401),
        _ => ("INTERNAL", 500),
    }
}

fn hint(kind: ErrorKind, code: &str, action: &str) -> String {
    match (kind, plain(code).as_str()) {
        (_, "accessnotconfigured" | "servicedisabled") => {
            "enable the Compute Engine and Cloud Resource Manager interfaces in the project".to_owned()
        }
        (_, "autherror" | "unauthenticated" | "accesstokenexpired") => {
            crate::rest::credential::HINT.to_owned()
        }
        (_, "conditionnotmet" | "aborted" | "invalidfingerprint") => {
            "somebody changed the object in between; the next pass plans on what is there now".to_owned()
        }
        (ErrorKind::Denied, _) => {
            format!(
                "give the identity a role with what `{action}` needs; a new role can take minutes to work"
            )
        }
        (ErrorKind::OverQuota, _) => "raise the quota, or make the policy smaller".to_owned(),
        (ErrorKind::Throttled, _) => {
            "others use the project too; lower `share` of the scope if it happens often".to_owned()
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
            (403, "rateLimitExceeded", ErrorKind::Throttled),
            (403, "RATE_LIMIT_EXCEEDED", ErrorKind::Throttled),
            (429, "RESOURCE_EXHAUSTED", ErrorKind::Throttled),
            (429, "", ErrorKind::Throttled),
            (403, "quotaExceeded", ErrorKind::OverQuota),
            (413, "quotaExceeded", ErrorKind::OverQuota),
            (412, "conditionNotMet", ErrorKind::Conflict),
            (409, "ABORTED", ErrorKind::Conflict),
            (400, "FAILED_PRECONDITION", ErrorKind::Conflict),
            (400, "resourceNotReady", ErrorKind::Conflict),
            (400, "resourceInUseByAnotherResource", ErrorKind::Conflict),
            (409, "alreadyExists", ErrorKind::Conflict),
            (403, "forbidden", ErrorKind::Denied),
            (403, "", ErrorKind::Denied),
            (401, "authError", ErrorKind::Denied),
            (404, "notFound", ErrorKind::NotFound),
            (400, "invalid", ErrorKind::Rejected),
            (400, "INVALID_ARGUMENT", ErrorKind::Rejected),
            (503, "backendError", ErrorKind::Transient),
            (500, "", ErrorKind::Transient),
            (307, "", ErrorKind::Rejected),
        ] {
            assert_eq!(kind_of(code, Seen::Status(status)), kind, "{status} {code}");
        }
    }

    #[test]
    fn a_failed_operation_is_looked_at_again_unless_the_request_was_wrong() {
        for (http, code, kind) in [
            (403, "QUOTA_EXCEEDED", ErrorKind::OverQuota),
            (400, "RESOURCE_IN_USE_BY_ANOTHER_RESOURCE", ErrorKind::Conflict),
            (404, "RESOURCE_NOT_FOUND", ErrorKind::NotFound),
            (400, "INVALID_USAGE", ErrorKind::Rejected),
            (0, "SOMETHING_NEW", ErrorKind::Transient),
            (503, "", ErrorKind::Transient),
            (400, "RESOURCE_EXHAUSTED", ErrorKind::OverQuota),
        ] {
            assert_eq!(kind_of(code, Seen::Operation(http)), kind, "{http} {code}");
        }
        assert_eq!(canonical(9).0, "FAILED_PRECONDITION");
    }

    #[test]
    fn a_body_gives_reason_and_message_in_one_line() {
        let both = br#"{"error":{"code":403,"message":"Quota\n exceeded.","status":"PERMISSION_DENIED",
            "errors":[{"reason":"rateLimitExceeded","domain":"usageLimits"}]}}"#;
        let error = classify("a", Seen::Status(403), &ErrorBody::parse(both), Some(Duration::from_secs(3)));
        assert_eq!((error.kind, error.code.as_str()), (ErrorKind::Throttled, "rateLimitExceeded"));
        assert_eq!(error.message, "rateLimitExceeded: Quota exceeded (free again in 3 s)");
        for (body, code) in [
            (&br#"{"error":{"status":"ABORTED"}}"#[..], "ABORTED"),
            (
                br#"{"error":{"status":"X","details":[{"reason":"RATE_LIMIT_EXCEEDED"}]}}"#,
                "RATE_LIMIT_EXCEEDED",
            ),
            (br#"{"error":{"status":null,"errors":null,"details":[{}]}}"#, ""),
            (b"<html>", ""),
            (b"", ""),
        ] {
            assert_eq!(classify("a", Seen::Status(400), &ErrorBody::parse(body), None).code, code);
        }
    }
}
