//! Summaries as bytes: one Parquet file, in the schema of `docs/flow-store.md`, and back.
//!
//! The file is made for other engines too: plain columns, signed numbers, UTC timestamps, sorted rows, dictionaries for
//! texts, statistics for skipping. Where files lie, and which of them count, is `ingest::store`'s.
//!
//! INVARIANT: the same rows give the same bytes, in whatever order their ends were met.

mod decode;
mod encode;
mod schema;
#[cfg(test)]
mod tests;
mod text;

pub use decode::{Seconds, decode};
pub use encode::{encode, encode_some};
pub use schema::{COLUMNS, FORMAT_VERSION, FORMAT_VERSION_KEY, Kind};

/// The first second that can be stored, 0001-01-01; what a log dates earlier is kept as this.
pub const TIME_MIN: i64 = -62_135_596_800;
/// The last second that can be stored, 9999-12-31.
pub const TIME_MAX: i64 = 253_402_300_799;

/// Why bytes are no summaries.
#[derive(Debug, thiserror::Error)]
pub enum StoredError {
    /// Not Parquet, broken, or not written whole.
    #[error("the file cannot be read as Parquet")]
    Parquet(#[from] parquet::errors::ParquetError),
    /// Written by a later version of this program.
    #[error("the file is in format {found}, and this program reads up to {known}")]
    Newer {
        /// What the file says.
        found: u32,
        /// The newest that is known.
        known: u32,
    },
    /// Parquet, but not of this schema.
    #[error("the file is no part of a flow store: {0}")]
    Foreign(String),
}
