//! What a folder or bucket answers when it fails, by what the caller does next.

use std::error::Error as _;
use std::sync::Arc;

use object_store::Error;
use provider::{ErrorKind, ProviderError};

/// An error of a folder or bucket as one of the boundary; `action` says what was tried, such as `list` or `read`.
pub fn of_place(action: &str, error: Error) -> ProviderError {
    let chain = chain(&error);
    let status = chain.iter().find_map(|text| status_in(text));
    let kind = kind(&error, status);
    let path = path_of(&error).map(|path| format!("`{path}`: ")).unwrap_or_default();
    let mut failed = ProviderError::new(kind, action, format!("{path}{}", message(kind, &error, &chain)));
    failed.code = status.map(|status| status.to_string()).unwrap_or_default();
    failed.hint = hint(kind, &error).to_owned();
    failed.source = Some(Arc::new(error));
    failed
}

fn kind(error: &Error, status: Option<u16>) -> ErrorKind {
    match error {
        Error::NotFound { .. } => ErrorKind::NotFound,
        Error::Precondition { .. } | Error::AlreadyExists { .. } | Error::NotModified { .. } => {
            ErrorKind::Conflict
        }
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => ErrorKind::Denied,
        Error::InvalidPath { .. }
        | Error::NotSupported { .. }
        | Error::NotImplemented { .. }
        | Error::UnknownConfigurationKey { .. } => ErrorKind::Rejected,
        _ => match (status, io_kind(error)) {
            (Some(429 | 503), _) => ErrorKind::Throttled,
            (Some(401 | 403), _) => ErrorKind::Denied,
            (Some(404), _) => ErrorKind::NotFound,
            (Some(412 | 416), _) => ErrorKind::Conflict,
            (Some(400..500), _) => ErrorKind::Rejected,
            (_, Some(kind)) => of_io(kind),
            _ => ErrorKind::Transient,
        },
    }
}

fn of_io(kind: std::io::ErrorKind) -> ErrorKind {
    use std::io::ErrorKind as Io;
    match kind {
        Io::NotFound => ErrorKind::NotFound,
        Io::PermissionDenied | Io::ReadOnlyFilesystem => ErrorKind::Denied,
        Io::StorageFull | Io::QuotaExceeded | Io::FileTooLarge => ErrorKind::OverQuota,
        Io::IsADirectory | Io::NotADirectory | Io::InvalidFilename => ErrorKind::Rejected,
        _ => ErrorKind::Transient,
    }
}

/// The innermost error of the system, if the failure is one of the machine.
fn io_kind(error: &Error) -> Option<std::io::ErrorKind> {
    let mut found = None;
    let mut next = error.source();
    while let Some(inner) = next {
        found = inner.downcast_ref::<std::io::Error>().map(std::io::Error::kind).or(found);
        next = inner.source();
    }
    found
}

fn message(kind: ErrorKind, error: &Error, chain: &[String]) -> String {
    match (kind, error) {
        (ErrorKind::NotFound, _) => "it is not there".to_owned(),
        (ErrorKind::Conflict, Error::AlreadyExists { .. }) => "it is there already".to_owned(),
        (ErrorKind::Conflict, Error::Precondition { .. }) => "it was changed meanwhile".to_owned(),
        (ErrorKind::OverQuota, _) => "there is no space left".to_owned(),
        // The innermost reason says most: what stands around it repeats the request.
        _ => one_line(chain.last().map_or("", String::as_str)),
    }
}

fn hint(kind: ErrorKind, error: &Error) -> &'static str {
    match (kind, error) {
        (ErrorKind::Denied, Error::Generic { store: "LocalFileSystem", .. }) => {
            "give this user the right to the folder"
        }
        (ErrorKind::Denied, _) => "give the credentials the right to list and read here",
        (ErrorKind::OverQuota, _) => "make room; nothing is lost, the next pass goes on",
        _ => "",
    }
}

fn path_of(error: &Error) -> Option<&str> {
    match error {
        Error::NotFound { path, .. }
        | Error::AlreadyExists { path, .. }
        | Error::Precondition { path, .. }
        | Error::NotModified { path, .. }
        | Error::PermissionDenied { path, .. }
        | Error::Unauthenticated { path, .. } => Some(path),
        _ => None,
    }
}

fn chain(error: &Error) -> Vec<String> {
    let mut texts = vec![error.to_string()];
    let mut next = error.source();
    while let Some(inner) = next {
        texts.push(inner.to_string());
        next = inner.source();
    }
    texts
}

/// The library keeps the status of an answer to itself, but says it in its text.
fn status_in(text: &str) -> Option<u16> {
    let (_, after) = text.split_once("status code: ")?;
    after.get(..3)?.parse().ok()
}

/// The longest message that is passed on: answers of clouds are whole documents.
const MESSAGE_BYTES_MAX: usize = 300;

fn one_line(text: &str) -> String {
    let mut line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some((end, _)) = line.char_indices().find(|(at, _)| *at >= MESSAGE_BYTES_MAX) {
        line.truncate(end);
        line.push('…');
    }
    line
}
