//! Where a page ends and the next begins.
//!
//! A token is the place of the last row in the order, not a number of rows: what is new or gone meanwhile moves nothing. A
//! row whose sums change between two pages moves itself.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The place behind a row, to go on from. Printed as letters and digits that no shell changes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Token(pub(super) Place);

/// A row's place in the order: by value, downwards, then by what it is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
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
    #[error("`{0}` does not say where to go on; take the text that the page before ends with, as it is")]
    Unreadable(String),
    /// The words, the columns or the order are others.
    #[error(
        "the page before was of another query; ask with the same words, columns and order, or begin anew"
    )]
    OfAnother,
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = serde_json::to_vec(&self.0).unwrap_or_default();
        text.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for Token {
    type Err = NotAToken;

    fn from_str(text: &str) -> Result<Self, NotAToken> {
        let unreadable = || NotAToken::Unreadable(crate::figure::shortened(text, 40).into_owned());
        let digits = text.as_bytes();
        if !digits.len().is_multiple_of(2) || !digits.iter().all(u8::is_ascii_hexdigit) {
            return Err(unreadable());
        }
        let value = |digit: u8| (digit as char).to_digit(16).unwrap_or(0) as u8;
        let bytes: Vec<u8> = digits
            .chunks_exact(2)
            .map(|pair| pair.iter().fold(0, |sum, digit| sum << 4 | value(*digit)))
            .collect();
        serde_json::from_slice(&bytes).map(Token).map_err(|_| unreadable())
    }
}
