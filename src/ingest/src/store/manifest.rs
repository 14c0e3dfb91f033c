//! The manifest: the one file that says what counts.

use std::collections::BTreeMap;

use object_store::path::Path;
use object_store::{Error, ObjectStoreExt, PutMode, PutOptions, UpdateVersion};
use provider::FlowCursor;
use serde::{Deserialize, Serialize};

use super::StoreError;
use crate::failure::of_place;
use crate::place::{Kind, Place};

/// The version of the manifest and of the layout around it.
pub const FORMAT_VERSION: u32 = 1;
/// Its name.
pub(super) const NAME: &str = "manifest.json";
/// The longest manifest that is read.
const BYTES_MAX: u64 = 1 << 30;

/// What counts in a store.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Manifest {
    /// [`FORMAT_VERSION`] of who wrote it.
    pub format_version: u32,
    /// One more with every write.
    pub generation: u64,
    /// Which process wrote it, by a random text.
    pub writer: String,
    /// Which attempt to write it was, by a random text: an answer may be lost, and then this tells.
    pub attempt: String,
    /// When it was written, Unix seconds.
    pub written: i64,
    /// Live parts.
    pub parts: Vec<Part>,
    /// What was read of each source.
    pub sources: BTreeMap<String, SourceState>,
    /// Files that say what was watched and what was lost, oldest first.
    pub coverage: Vec<Blob>,
    /// Files of cases that could not be read, oldest first.
    pub quarantine: Vec<Blob>,
    /// Cases that had to go because there were too many.
    pub cases_dropped: u64,
    /// Who held which address when.
    pub timeline: Option<Blob>,
}

/// What was read of one source.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct SourceState {
    /// What was read.
    pub cursor: FlowCursor,
    /// When was last looked for pieces that came too late, Unix seconds; 0 for never.
    pub looked: i64,
}

/// One Parquet file of summaries.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Part {
    /// Below the store, such as `flows/day=2026-11-02/part-….parquet`.
    pub path: String,
    /// The UTC day of its windows, as in the path.
    pub day: String,
    /// Width of its windows in seconds.
    pub window_s: u32,
    /// Its first window, Unix seconds.
    pub first: i64,
    /// Its last window, Unix seconds.
    pub last: i64,
    /// Its rows.
    pub rows: u64,
    /// Its size.
    pub bytes: u64,
    /// Of its bytes, hexadecimal.
    pub blake3: String,
}

/// One other file.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Blob {
    /// Below the store.
    pub path: String,
    /// Its size.
    pub bytes: u64,
    /// Its lines.
    pub lines: u64,
    /// The first second that it says something about.
    pub first: i64,
    /// The last second that it says something about.
    pub last: i64,
}

/// Which manifest was read, so that a write can depend on it.
#[derive(Clone, Debug)]
pub(super) struct Version(UpdateVersion);

#[derive(Deserialize)]
struct OnlyVersion {
    format_version: u32,
}

/// Reads the manifest; nothing if there is none.
pub(super) async fn load(place: &Place) -> Result<Option<(Manifest, Version)>, StoreError> {
    let failed = |error| StoreError::Place(of_place("read the manifest", error));
    let result = match place.store.get(&path(place)).await {
        Err(Error::NotFound { .. }) => return Ok(None),
        other => other.map_err(failed)?,
    };
    let damaged = |reason: String| StoreError::Damaged { path: NAME.to_owned(), reason };
    if result.meta.size > BYTES_MAX {
        return Err(damaged(format!("it is longer than {BYTES_MAX} bytes")));
    }
    let version = UpdateVersion { e_tag: result.meta.e_tag.clone(), version: result.meta.version.clone() };
    let bytes = result.bytes().await.map_err(failed)?;
    // The version first: a later format may have other fields.
    let only: OnlyVersion = serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?;
    if only.format_version > FORMAT_VERSION {
        let (place, found) = (place.name.clone(), only.format_version);
        return Err(StoreError::Newer { place, found, known: FORMAT_VERSION });
    }
    let manifest = serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?;
    Ok(Some((manifest, Version(version))))
}

/// Writes the manifest in one go, in a bucket only over the version that was read.
///
/// An error does not say that nothing was written: the answer may have been lost.
pub(super) async fn save(
    place: &Place,
    manifest: &Manifest,
    over: Option<&Version>,
) -> Result<Version, Error> {
    let mode = match (&place.kind, over) {
        // The lock of a folder is the system's: nobody else is here.
        (Kind::Folder(_), _) => PutMode::Overwrite,
        (Kind::Bucket, None) => PutMode::Create,
        (Kind::Bucket, Some(version)) => PutMode::Update(version.0.clone()),
    };
    let bytes = serde_json::to_vec(manifest)
        .map_err(|error| Error::Generic { store: "manifest", source: Box::new(error) })?;
    let options = PutOptions { mode, ..PutOptions::default() };
    let result = place.store.put_opts(&path(place), bytes.into(), options).await?;
    Ok(Version(result.into()))
}

fn path(place: &Place) -> Path {
    place.path(NAME)
}
