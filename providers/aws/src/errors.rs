//! EC2's errors, by what the caller does next.

use std::error::Error;
use std::sync::Arc;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_ec2::error::ProvideErrorMetadata;
use aws_sdk_ec2::operation::RequestId;
use aws_smithy_runtime_api::client::result::DispatchFailure;
use provider::{ErrorKind, ProviderError};

use crate::client::SdkFailure;

/// The kind of an error code.
pub fn kind_of(code: &str) -> ErrorKind {
    match code {
        "RequestLimitExceeded"
        | "Throttling"
        | "ThrottlingException"
        | "RequestThrottled"
        | "EC2ThrottledException" => ErrorKind::Throttled,
        "UnauthorizedOperation"
        | "AuthFailure"
        | "OperationNotPermitted"
        | "OptInRequired"
        | "RequestExpired"
        | "MissingAuthenticationToken"
        | "InvalidClientTokenId"
        | "SignatureDoesNotMatch"
        | "ExpiredToken"
        | "Blocked"
        | "IncompleteSignature"
        | "AccessDenied"
        | "UnrecognizedClientException" => ErrorKind::Denied,
        "RulesPerSecurityGroupLimitExceeded"
        | "SecurityGroupsPerInterfaceLimitExceeded"
        | "SecurityGroupLimitExceeded"
        | "SecurityGroupsPerInstanceLimitExceeded" => ErrorKind::OverQuota,
        "DependencyViolation"
        | "InvalidGroup.Duplicate"
        | "InvalidGroup.InUse"
        | "InvalidPermission.Duplicate"
        | "CannotDelete" => ErrorKind::Conflict,
        "InternalError"
        | "InternalFailure"
        | "ServiceUnavailable"
        | "Unavailable"
        | "InsufficientCapacity" => ErrorKind::Transient,
        _ if code.ends_with(".NotFound") || code.ends_with("NotFound") => ErrorKind::NotFound,
        _ => ErrorKind::Rejected,
    }
}

/// An SDK error as an error of the contract.
pub(crate) fn classify<E>(action: &'static str, error: SdkFailure<E>) -> ProviderError
where
    E: std::error::Error + ProvideErrorMetadata + RequestId + Send + Sync + 'static,
{
    let status = error.raw_response().map(|response| response.status().as_u16());
    let code = error.code().unwrap_or_default().to_owned();
    let request_id = error.request_id().unwrap_or_default().to_owned();
    let (kind, message, hint) = match &error {
        SdkFailure::ServiceError(_) if code.is_empty() => {
            let kind = if status.is_some_and(|status| status >= 500) {
                ErrorKind::Transient
            } else {
                ErrorKind::Rejected
            };
            (kind, format!("http status {}", status.unwrap_or_default()), String::new())
        }
        SdkFailure::ServiceError(_) => {
            let kind = kind_of(&code);
            (kind, format!("{code}: {}", error.message().unwrap_or("no message")), hint(kind, &code))
        }
        SdkFailure::DispatchFailure(failure) if lacks_credentials(failure) => {
            (ErrorKind::Denied, "no usable credentials".to_owned(), CREDENTIALS.to_owned())
        }
        SdkFailure::ConstructionFailure(_) => {
            (ErrorKind::Denied, "the request could not be built".to_owned(), CREDENTIALS.to_owned())
        }
        _ => (
            ErrorKind::Transient,
            "the cloud could not be reached, or its answer was lost".to_owned(),
            "check the network, the region and AWS_ENDPOINT_URL; the next pass looks again".to_owned(),
        ),
    };
    ProviderError {
        kind,
        action: action.to_owned(),
        code,
        message,
        hint,
        request_id,
        source: Some(Arc::new(error)),
    }
}

/// Whether a call was never sent because it could not be signed.
///
/// The SDK has no kind of its own for that: it is *other*, as is what the HTTP client cannot put a name to. So what the
/// HTTP client says is a matter of the way to the cloud, and only the rest one of credentials.
fn lacks_credentials(failure: &DispatchFailure) -> bool {
    if !failure.is_other() || failure.as_other().is_some() {
        return false;
    }
    let mut next = failure.as_connector_error().and_then(Error::source);
    while let Some(error) = next {
        let credentials = error.downcast_ref::<CredentialsError>();
        let timed_out = matches!(credentials, Some(CredentialsError::ProviderTimedOut(_)));
        if timed_out || error.is::<hyper::Error>() || error.is::<std::io::Error>() {
            return false;
        }
        next = error.source();
    }
    true
}

const CREDENTIALS: &str =
    "set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run where a role is attached";

fn hint(kind: ErrorKind, code: &str) -> String {
    match (kind, code) {
        (_, "AuthFailure" | "SignatureDoesNotMatch") => {
            "check the keys, and that `region` of the scope is the region of the endpoint".to_owned()
        }
        (ErrorKind::Denied, "UnauthorizedOperation") => {
            "give the role this action; README.md lists all that are needed".to_owned()
        }
        (ErrorKind::Denied, _) => CREDENTIALS.to_owned(),
        (ErrorKind::OverQuota, _) => "raise the quota, or make the policy smaller".to_owned(),
        (ErrorKind::Throttled, _) => {
            "others use the account too; lower `share` of the scope if it happens often".to_owned()
        }
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_say_what_the_caller_does_next() {
        for (code, kind) in [
            ("RequestLimitExceeded", ErrorKind::Throttled),
            ("UnauthorizedOperation", ErrorKind::Denied),
            ("RulesPerSecurityGroupLimitExceeded", ErrorKind::OverQuota),
            ("DependencyViolation", ErrorKind::Conflict),
            ("InvalidGroup.Duplicate", ErrorKind::Conflict),
            ("InvalidGroup.NotFound", ErrorKind::NotFound),
            ("InvalidParameterValue", ErrorKind::Rejected),
            ("InternalError", ErrorKind::Transient),
        ] {
            assert_eq!(kind_of(code), kind, "{code}");
        }
    }
}
