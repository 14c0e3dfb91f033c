//! Where flow logs come from: the contract of a transport.
//!
//! A source lists pieces and hands out their bytes; it does not know what is in them. What was read is in the cursor, which the
//! reader stores *after* it dealt with the pieces: a source has no memory of its own.

use std::collections::BTreeMap;

use async_trait::async_trait;
use flow::Format;
use futures_util::stream::BoxStream;
use serde::{Deserialize, Serialize};

use crate::error::ProviderError;

mod windowed;
mod windows;

pub use windowed::{LogPages, Now, Windowed};
pub use windows::Windows;

/// How bytes are packed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Packing {
    /// As they are.
    Plain,
    /// One or more gzip members.
    Gzip,
}

/// A part of a log that is read at once: an object, the new end of an object that grows, a stretch of a log stream.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Piece {
    /// The object, or what else the source knows it by. The same piece has the same key for ever.
    pub key: String,
    /// Which version of it: an ETag, a generation, a token. Empty for what never changes.
    pub version: String,
    /// The first byte that is not yet read: over 0 for an object that grew.
    pub offset: u64,
    /// One past the last byte, where it is known before it is read. Less than `offset`: what was read is not there any more.
    pub end: Option<u64>,
    /// What the bytes are.
    pub format: Format,
    /// How they are packed.
    pub packing: Packing,
    /// When it was written (not when its flows were), Unix seconds: as its key says where keys carry a time, and else as
    /// the place says that keeps it.
    pub modified: i64,
}

/// What was read of one piece.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Progress {
    /// The version that was read.
    pub version: String,
    /// One past the last byte that was dealt with.
    pub offset: u64,
    /// When the piece was written, Unix seconds.
    pub modified: i64,
    /// A hash of the bytes before the offset, of a piece that may grow: so that one that was written anew is noticed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub tail: String,
}

/// What was read of a source. Kept by the reader, in one write with what it made of it.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct FlowCursor {
    /// Every piece with a key or time after the horizon, by key.
    pub pieces: BTreeMap<String, Progress>,
    /// All that was written before this Unix second was read (or given up: the reader has said so).
    pub horizon: i64,
}

/// Reads flow logs of one place. Holds no right to write.
#[async_trait]
pub trait FlowSource: Send + Sync {
    /// The name that the configuration gives it; the cursor is kept under it.
    fn name(&self) -> &str;

    /// What is not read yet, oldest first, at most `max` pieces; nothing when all is read.
    ///
    /// # Errors
    /// What could not be listed; nothing is lost by asking again.
    async fn pieces(&self, cursor: &FlowCursor, max: usize) -> Result<Vec<Piece>, ProviderError>;

    /// How many seconds after its time a piece may still come; `None` if for ever, and then the cursor keeps every piece.
    fn late_s(&self) -> Option<i64> {
        None
    }

    /// Pieces that came too late to be read, because their time lies before the horizon: written since `since` (Unix
    /// seconds), at most `max`, oldest first. May look at everything there is: it is asked once a day.
    ///
    /// # Errors
    /// What could not be listed.
    async fn too_late(
        &self,
        _cursor: &FlowCursor,
        _since: i64,
        _max: usize,
    ) -> Result<Vec<Piece>, ProviderError> {
        Ok(Vec::new())
    }

    /// The bytes of a piece from its offset, in order, as they are stored (packed).
    ///
    /// # Errors
    /// Of opening here, of reading in the stream. A piece that changed meanwhile is a conflict.
    async fn open(
        &self,
        piece: &Piece,
    ) -> Result<BoxStream<'static, Result<Vec<u8>, ProviderError>>, ProviderError>;
}
