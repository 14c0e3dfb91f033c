//! Summaries kept in a folder or bucket. What lies there and how others read it: `docs/flow-store.md`.
//!
//! ```text
//! manifest.json                                     what counts: parts, cursors, coverage; written in one go
//! flows/day=2026-11-02/part-….parquet               summaries; other engines read flows/**/*.parquet
//! incoming/part-….parquet                           written, and not in its place yet
//! coverage/….jsonl  quarantine/….jsonl  timeline/…  what stands beside the summaries
//! lock, lock.json                                   who writes
//! ```
//!
//! A commit writes its files to `incoming`, then the manifest, then moves the files to their places. What takes the place of
//! something else is moved in after the other was taken out.
//!
//! INVARIANT: what the manifest does not list does not count, and is removed when a writer starts.
//! INVARIANT: a glob over `flows` never sees a flow twice; what is on its way is missing there until it has arrived.

mod commit;
mod compact;
mod coverage;
mod lock;
pub mod manifest;
mod parts;
mod read;
mod recover;
mod write;

use provider::ProviderError;

pub use commit::Commit;
pub use compact::{Compacted, Retention};
pub use manifest::{Blob, Manifest, Part, SourceState};
pub use provider::flows::Now;
pub use read::Reader;
pub use write::Writer;

/// The clock of the machine.
pub fn wall_clock() -> Now {
    std::sync::Arc::new(|| jiff::Timestamp::now().as_second())
}

/// What a store fails with, by what the caller does next.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The folder or bucket failed; its kind says whether the next pass may succeed.
    #[error(transparent)]
    Place(#[from] ProviderError),
    /// Somebody else writes: end, or wait for them.
    #[error("{holder} writes to `{place}`")]
    Locked {
        /// The store.
        place: String,
        /// Who holds the lock, as far as they said.
        holder: String,
    },
    /// Somebody else has taken the store over: what was not committed is theirs to read. End.
    #[error("another process has taken over `{place}`")]
    TakenOver {
        /// The store.
        place: String,
    },
    /// A later version of this program wrote it: use that one.
    #[error("`{place}` is in format {found}, and this program knows up to {known}")]
    Newer {
        /// The store.
        place: String,
        /// Its format.
        found: u32,
        /// The newest known.
        known: u32,
    },
    /// The store changed while it was read: read again.
    #[error("`{place}` was compacted while it was read")]
    Changed {
        /// The store.
        place: String,
    },
    /// There is no store here.
    #[error("there is no flow store in `{place}`")]
    Absent {
        /// Where one was looked for.
        place: String,
    },
    /// What lies there is not what was written: restore it, or begin another store.
    #[error("`{path}` is damaged: {reason}")]
    Damaged {
        /// The file.
        path: String,
        /// What is wrong.
        reason: String,
    },
}

impl StoreError {
    /// Whether asking again may succeed without anybody acting.
    pub fn retryable(&self) -> bool {
        match self {
            Self::Place(error) => error.retryable(),
            Self::Locked { .. } | Self::Changed { .. } => true,
            _ => false,
        }
    }
}
