//! What a crash left: parts that count are moved to their places, what does not count is removed.

use std::collections::BTreeSet;

use futures_util::TryStreamExt;
use object_store::{Error, ObjectStoreExt};
use provider::ProviderError;

use super::StoreError;
use super::manifest::Part;
use super::parts::{FLOWS, INCOMING, incoming, is_part};
use super::write::Writer;
use crate::failure::of_place;
use crate::place::{Kind, Place, no_folder};

/// Folders in which everything is ours.
const OURS: [&str; 4] = [INCOMING, "coverage", "quarantine", "timeline"];

impl Writer {
    /// What a process that died left.
    pub(super) async fn recover(&mut self) -> Result<(), StoreError> {
        self.sweep_torn()?;
        self.place_all().await;
        Ok(())
    }

    /// Finds what does not count, to be taken out before anything comes in.
    pub(super) async fn sweep(&mut self) -> Result<(), ProviderError> {
        let mut listed: BTreeSet<String> = BTreeSet::new();
        let blobs = self.manifest.coverage.iter().chain(&self.manifest.quarantine);
        listed.extend(blobs.chain(&self.manifest.timeline).map(|blob| blob.path.clone()));
        listed.extend(self.manifest.parts.iter().map(|part| part.path.clone()));
        listed.extend(self.manifest.parts.iter().map(|part| incoming(&part.path)));
        let mut left = Vec::new();
        for folder in OURS.into_iter().chain([FLOWS]) {
            let there = files(&self.place, folder).await?;
            let is_ours = |path: &String| folder != FLOWS || is_part(path);
            left.extend(there.into_iter().filter(|path| is_ours(path) && !listed.contains(path)));
        }
        if !left.is_empty() {
            tracing::info!(files = left.len(), "removing files that a crash left in the flow store");
        }
        self.gone = left;
        Ok(())
    }

    /// There is no manifest: then nothing of ours may be there either, or it would be removed as what does not count.
    pub(super) async fn check_empty(&self) -> Result<(), StoreError> {
        let parts = files(&self.place, FLOWS).await?;
        match parts.iter().find(|path| is_part(path)) {
            None => Ok(()),
            Some(part) => Err(StoreError::Damaged {
                path: super::manifest::NAME.to_owned(),
                reason: format!("it is not there, but `{part}` is"),
            }),
        }
    }

    /// Files that were being written when the process died: `name#1`, which no listing shows.
    fn sweep_torn(&self) -> Result<(), StoreError> {
        let Kind::Folder(root) = &self.place.kind else { return Ok(()) };
        for folder in [""].into_iter().chain(OURS) {
            let entries = match std::fs::read_dir(root.join(folder)) {
                Ok(entries) => entries,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(error) => return Err(no_folder("clear", &self.place.name, error).into()),
            };
            for entry in entries.flatten() {
                let name = entry.file_name();
                let torn = name.to_str().and_then(|name| name.rsplit_once('#'));
                let is_ours = |name: &str| !folder.is_empty() || name == super::manifest::NAME;
                if torn.is_some_and(|(name, digits)| is_ours(name) && is_number(digits)) {
                    let _ = std::fs::remove_file(entry.path());
                }
            }
        }
        Ok(())
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Moves parts from where they wait to where others look for them.
pub(super) async fn place(place: &Place, parts: &[Part]) -> Result<(), ProviderError> {
    let waiting: BTreeSet<String> = files(place, INCOMING).await?.into_iter().collect();
    for part in parts {
        let from = incoming(&part.path);
        if !waiting.contains(&from) {
            continue;
        }
        match place.store.rename(&place.path(&from), &place.path(&part.path)).await {
            Ok(()) | Err(Error::NotFound { .. }) => {}
            Err(error) => return Err(of_place("move a part", error)),
        }
    }
    Ok(())
}

async fn files(place: &Place, folder: &str) -> Result<Vec<String>, ProviderError> {
    let mut list = place.store.list(Some(&place.path(folder)));
    let mut paths = Vec::new();
    loop {
        match list.try_next().await {
            Ok(Some(meta)) => paths.push(place.below(&meta.location)),
            Ok(None) | Err(Error::NotFound { .. }) => return Ok(paths),
            Err(error) => return Err(of_place("list the store", error)),
        }
    }
}
