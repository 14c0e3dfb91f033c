//! Variables of the environment: endpoints and secrets, which stand in no file.

use provider::{ErrorKind, ProviderError};

/// A variable; an empty one counts as none.
pub fn read(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|text| !text.is_empty())
}

/// A variable that must be there.
///
/// # Errors
/// [`ErrorKind::Denied`] if it is not, with what it should hold.
pub fn required(name: &str, what: &str) -> Result<String, ProviderError> {
    read(name).ok_or_else(|| {
        let mut error = ProviderError::new(ErrorKind::Denied, "connect", format!("{name} is not set"));
        error.hint = format!("set it to {what}, or choose another `credential` for the scope");
        error
    })
}
