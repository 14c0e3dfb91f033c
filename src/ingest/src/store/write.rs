//! The one who writes to a store.

use std::hash::{BuildHasher, Hasher};

use object_store::ObjectStoreExt;

use super::lock::Lock;
use super::manifest::{self, FORMAT_VERSION, Manifest, SourceState, Version};
use super::read::Reader;
use super::{Now, StoreError};
use crate::failure::of_place;
use crate::place::Place;

/// The right to write to a store; there is one at a time.
pub struct Writer {
    pub(super) place: Place,
    pub(crate) now: Now,
    pub(super) manifest: Manifest,
    /// `None` while nothing was written.
    pub(super) version: Option<Version>,
    /// A write failed, and what is there must be read again first.
    pub(super) unsure: bool,
    /// Parts that the manifest lists may still be in `incoming`.
    pub(super) unplaced: bool,
    /// Files that do not count may still be there, nobody knows which.
    pub(super) unswept: bool,
    /// Files that were replaced and must be out before others come in.
    pub(super) gone: Vec<String>,
    id: String,
    lock: Lock,
}

impl Writer {
    /// Takes a store over, makes one where there is none, and clears away what a crash left.
    ///
    /// # Errors
    /// [`StoreError::Locked`] while another process writes; [`StoreError::Newer`], [`StoreError::Damaged`]; of the place.
    pub async fn open(place: Place, now: Now) -> Result<Self, StoreError> {
        let id = token();
        // A store that this program must not touch is not locked either.
        manifest::load(&place).await?;
        let lock = Lock::take(&place, &id, &now).await?;
        let mut writer = Self {
            manifest: Manifest { format_version: FORMAT_VERSION, ..Manifest::default() },
            version: None,
            unsure: false,
            unplaced: true,
            unswept: true,
            gone: Vec::new(),
            place,
            now,
            id,
            lock,
        };
        match writer.begin().await {
            Ok(()) => Ok(writer),
            Err(error) => {
                writer.close().await;
                Err(error)
            }
        }
    }

    async fn begin(&mut self) -> Result<(), StoreError> {
        if let Some((manifest, version)) = manifest::load(&self.place).await? {
            (self.manifest, self.version) = (manifest, Some(version));
        } else {
            self.check_empty().await?;
        }
        // Whoever wrote before and is still alive loses here, before anything is cleared away.
        self.save(self.manifest.clone()).await?;
        self.recover().await
    }

    /// Lets another process write.
    pub async fn close(self) {
        self.lock.release(&self.place).await;
    }

    /// What counts, as it was last written.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// What was read of a source.
    pub fn source(&self, name: &str) -> SourceState {
        self.manifest.sources.get(name).cloned().unwrap_or_default()
    }

    /// A reader of the same store.
    pub fn reader(&self) -> Reader {
        Reader::on(self.place.clone())
    }

    /// Keeps the lock while nothing is written: at least once a minute.
    ///
    /// # Errors
    /// [`StoreError::TakenOver`]; of the place.
    pub async fn keep(&mut self) -> Result<(), StoreError> {
        self.lock.renew(&self.place, &self.now).await
    }

    /// Reads what is there, if a write failed before: only then is [`Writer::source`] what counts.
    ///
    /// # Errors
    /// [`StoreError::TakenOver`]; of the place.
    pub async fn be_sure(&mut self) -> Result<(), StoreError> {
        if !self.unsure {
            return Ok(());
        }
        let taken = || StoreError::TakenOver { place: self.place.name.clone() };
        let (found, version) = manifest::load(&self.place).await?.ok_or_else(taken)?;
        if found.writer != self.id {
            return Err(taken());
        }
        (self.manifest, self.version) = (found, Some(version));
        (self.unsure, self.unswept) = (false, true);
        Ok(())
    }

    /// Writes a manifest, which is true from then on. After an error what was there before counts, or the new one: the next
    /// call finds out.
    pub(super) async fn save(&mut self, mut next: Manifest) -> Result<(), StoreError> {
        next.generation = self.manifest.generation + 1;
        next.written = (self.now)();
        (next.writer, next.attempt) = (self.id.clone(), token());
        let over = self.version.take();
        let error = match manifest::save(&self.place, &next, over.as_ref()).await {
            Ok(version) => {
                (self.manifest, self.version) = (next, Some(version));
                return Ok(());
            }
            Err(error) => error,
        };
        self.unsure = true;
        match manifest::load(&self.place).await {
            Ok(Some((found, version))) if found.attempt == next.attempt => {
                (self.manifest, self.version, self.unsure) = (found, Some(version), false);
                Ok(())
            }
            Ok(Some((found, _))) if found.writer != self.id && over.is_some() => {
                let same = found.generation == self.manifest.generation;
                let taken = StoreError::TakenOver { place: self.place.name.clone() };
                Err(if same { of_place("write the manifest", error).into() } else { taken })
            }
            _ => Err(of_place("write the manifest", error).into()),
        }
    }

    /// Removes files that do not count; gives those that are still there.
    pub(super) async fn remove(&self, paths: impl IntoIterator<Item = String>) -> Vec<String> {
        let mut left = Vec::new();
        for path in paths {
            match self.place.store.delete(&self.place.path(&path)).await {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => {
                    tracing::warn!(%path, %error, "a file that does not count is still there");
                    left.push(path);
                }
            }
        }
        left
    }
}

/// A text that no other process draws.
pub(super) fn token() -> String {
    let half = || std::hash::RandomState::new().build_hasher().finish();
    format!("{:016x}", half() ^ u64::from(std::process::id()).rotate_left(32))
}
