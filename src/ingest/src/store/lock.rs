//! One process writes to a store.
//!
//! In a folder the lock is the system's and ends with the process, however that ends. In a bucket it is an object with a
//! time of expiry that is renewed; there it only keeps processes from working for nothing: a manifest is written
//! over the one that was read and no other, so that the slower of two has lost.

use std::fs::File;
use std::io::{Read, Seek, Write};

use object_store::{Error, ObjectStoreExt, PutMode, PutOptions, UpdateVersion};
use provider::ProviderError;
use serde::{Deserialize, Serialize};

use super::{Now, StoreError};
use crate::failure::of_place;
use crate::place::{Kind, Place, no_folder};

/// How long a lock in a bucket holds without being renewed.
pub(super) const LEASE_S: i64 = 120;
const FILE: &str = "lock";
const OBJECT: &str = "lock.json";

/// Who writes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Holder {
    id: String,
    who: String,
    /// Unix seconds; in a folder it is for readers only.
    until: i64,
}

/// A lock that is held.
pub(super) enum Lock {
    Folder { _file: File },
    Bucket { holder: Holder, version: UpdateVersion },
}

impl Lock {
    pub(super) async fn take(place: &Place, id: &str, now: &Now) -> Result<Self, StoreError> {
        let holder = Holder { id: id.to_owned(), who: who(), until: now() + LEASE_S };
        match &place.kind {
            Kind::Folder(root) => take_file(root, place, &holder),
            Kind::Bucket => take_object(place, holder, now).await,
        }
    }

    /// Holds it longer, if half of the time is over.
    pub(super) async fn renew(&mut self, place: &Place, now: &Now) -> Result<(), StoreError> {
        let Self::Bucket { holder, version } = self else { return Ok(()) };
        if holder.until - now() > LEASE_S / 2 {
            return Ok(());
        }
        let longer = Holder { until: now() + LEASE_S, ..holder.clone() };
        *version = match put(place, &longer, PutMode::Update(version.clone())).await {
            Ok(version) => version,
            // It is ours after all when only the answer was lost.
            Err(Error::Precondition { .. } | Error::NotFound { .. }) => match read(place).await? {
                Some((found, version)) if found.id == holder.id => version,
                _ => return Err(StoreError::TakenOver { place: place.name.clone() }),
            },
            Err(error) => return Err(failed(error).into()),
        };
        *holder = longer;
        Ok(())
    }

    /// Lets go; what fails here ends with the time of expiry.
    pub(super) async fn release(self, place: &Place) {
        if let Self::Bucket { holder, .. } = self
            && let Ok(Some((found, _))) = read(place).await
            && found.id == holder.id
            && let Err(error) = place.store.delete(&place.path(OBJECT)).await
        {
            tracing::warn!(%error, "the lock of the flow store stays until it expires");
        }
    }
}

fn take_file(root: &std::path::Path, place: &Place, holder: &Holder) -> Result<Lock, StoreError> {
    let failed = |error| StoreError::Place(no_folder("lock", &place.name, error));
    let mut options = File::options();
    // What the holder wrote is read before it is overwritten.
    let mut file =
        options.read(true).write(true).create(true).truncate(false).open(root.join(FILE)).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(std::fs::TryLockError::WouldBlock) => {
            let mut text = String::new();
            let read = file.read_to_string(&mut text).ok();
            let holder = read.and_then(|_| serde_json::from_str::<Holder>(&text).ok());
            let who = holder.map_or_else(|| "another process".to_owned(), |holder| holder.who);
            return Err(StoreError::Locked { place: place.name.clone(), holder: who });
        }
        Err(std::fs::TryLockError::Error(error)) => return Err(failed(error)),
    }
    let text = serde_json::to_string(holder).unwrap_or_default();
    file.set_len(0).and_then(|()| file.rewind()).map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)?;
    Ok(Lock::Folder { _file: file })
}

async fn take_object(place: &Place, holder: Holder, now: &Now) -> Result<Lock, StoreError> {
    let mode = match read(place).await? {
        None => PutMode::Create,
        Some((found, version)) if found.until <= now() || found.id == holder.id => PutMode::Update(version),
        Some((found, _)) => return Err(locked(place, &found, now)),
    };
    match put(place, &holder, mode).await {
        Ok(version) => Ok(Lock::Bucket { holder, version }),
        // Somebody else was faster, or only the answer was lost.
        Err(Error::AlreadyExists { .. } | Error::Precondition { .. }) => match read(place).await? {
            Some((found, version)) if found.id == holder.id => Ok(Lock::Bucket { holder, version }),
            Some((found, _)) => Err(locked(place, &found, now)),
            None => Err(StoreError::TakenOver { place: place.name.clone() }),
        },
        Err(error) => Err(failed(error).into()),
    }
}

fn locked(place: &Place, found: &Holder, now: &Now) -> StoreError {
    let left = (found.until - now()).max(0);
    let holder = format!("{} (if it is dead, its lock ends in {left} s)", found.who);
    StoreError::Locked { place: place.name.clone(), holder }
}

async fn read(place: &Place) -> Result<Option<(Holder, UpdateVersion)>, StoreError> {
    let result = match place.store.get(&place.path(OBJECT)).await {
        Err(Error::NotFound { .. }) => return Ok(None),
        other => other.map_err(failed)?,
    };
    let version = UpdateVersion { e_tag: result.meta.e_tag.clone(), version: result.meta.version.clone() };
    let bytes = result.bytes().await.map_err(failed)?;
    let holder = serde_json::from_slice(&bytes)
        .map_err(|error| StoreError::Damaged { path: OBJECT.to_owned(), reason: error.to_string() })?;
    Ok(Some((holder, version)))
}

async fn put(place: &Place, holder: &Holder, mode: PutMode) -> Result<UpdateVersion, Error> {
    let text = serde_json::to_vec(holder)
        .map_err(|error| Error::Generic { store: "lock", source: Box::new(error) })?;
    let options = PutOptions { mode, ..PutOptions::default() };
    Ok(place.store.put_opts(&place.path(OBJECT), text.into(), options).await?.into())
}

fn failed(error: Error) -> ProviderError {
    of_place("lock the store", error)
}

fn who() -> String {
    let host = std::fs::read_to_string("/etc/hostname").unwrap_or_default();
    let host = host.trim();
    let on = if host.is_empty() { String::new() } else { format!(" on {host}") };
    format!("process {}{on}", std::process::id())
}
