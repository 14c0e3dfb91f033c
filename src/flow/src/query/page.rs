//! Where a page ends and the next begins.
//!
//! A token is the place of the last row in the order, not a number of rows: what is new or gone meanwhile moves nothing. A
//! row whose sums change between two pages moves itself.

use std::fmt;
use std::str::FromStr;

/// The place behind a row, to go on from. Printed as letters, digits and marks that no shell changes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Token(pub(super) Place);

/// A row's place in the order: by value, downwards, then by what it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Place {
    /// What was asked: of another question the token says nothing.
    pub(super) asked: u64,
    pub(super) value: i128,
    pub(super) source: String,
    pub(super) destination: String,
    pub(super) service: u32,
    pub(super) window: i64,
    pub(super) outcome: u8,
    pub(super) side: u8,
}

/// The text or the place is not of a page of this query.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NotAToken {
    /// No page ends like that.
    #[error(
        "`{}` does not say where to go on; take the text that the page before ends with, as it is",
        crate::figure::visible(_0)
    )]
    Unreadable(String),
    /// The words, the columns or the order are others.
    #[error(
        "the page before was of another query; ask with the same words, columns and order, or begin anew"
    )]
    OfAnother,
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Place { asked, value, source, destination, service, window, outcome, side } = &self.0;
        write!(f, "{asked:x}.{value}.{service}.{window}.{outcome}.{side}.")?;
        plain(source, f)?;
        f.write_str(".")?;
        plain(destination, f)
    }
}

/// Letters and digits as they are, every other byte as `~` and two digits.
fn plain(text: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'=' => write!(f, "{}", byte as char)?,
            _ => write!(f, "~{byte:02x}")?,
        }
    }
    Ok(())
}

impl FromStr for Token {
    type Err = NotAToken;

    fn from_str(text: &str) -> Result<Self, NotAToken> {
        let place = || {
            let parts: Vec<&str> = text.split('.').collect();
            let [asked, value, service, window, outcome, side, source, destination] = parts[..] else {
                return None;
            };
            Some(Place {
                asked: u64::from_str_radix(asked, 16).ok()?,
                value: value.parse().ok()?,
                source: not_plain(source)?,
                destination: not_plain(destination)?,
                service: service.parse().ok()?,
                window: window.parse().ok()?,
                outcome: outcome.parse().ok()?,
                side: side.parse().ok()?,
            })
        };
        place()
            .map(Self)
            .ok_or_else(|| NotAToken::Unreadable(crate::figure::shortened(text, 40).into_owned()))
    }
}

fn not_plain(text: &str) -> Option<String> {
    let mut parts = text.split('~');
    let mut bytes = parts.next()?.as_bytes().to_vec();
    for part in parts {
        bytes.push(u8::from_str_radix(part.get(..2)?, 16).ok()?);
        bytes.extend(part.get(2..)?.as_bytes());
    }
    String::from_utf8(bytes).ok()
}
