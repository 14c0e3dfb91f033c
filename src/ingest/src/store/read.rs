//! Reads a store; holds no right to write, and needs no lock.

use bytes::Bytes;
use flow::stored::{Seconds, StoredError, decode};
use flow::{Coverage, Summaries};
use futures_util::stream::{self, Stream};
use object_store::{Error, ObjectStoreExt};

use super::manifest::{self, Blob, Manifest, Part};
use super::parts::incoming;
use super::{StoreError, coverage};
use crate::failure::of_place;
use crate::place::Place;
use crate::quarantine::{Case, from_lines};

/// How often a read begins again because the store was compacted meanwhile.
const AGAIN_MAX: usize = 5;

/// A store that is read.
#[derive(Clone)]
pub struct Reader {
    place: Place,
}

impl Reader {
    /// Opens a store.
    ///
    /// # Errors
    /// [`StoreError::Absent`], [`StoreError::Newer`], [`StoreError::Damaged`]; of the place.
    pub async fn open(place: Place) -> Result<Self, StoreError> {
        let reader = Self::on(place);
        reader.manifest().await?;
        Ok(reader)
    }

    pub(super) fn on(place: Place) -> Self {
        Self { place }
    }

    /// What counts now.
    ///
    /// # Errors
    /// As [`Reader::open`].
    pub async fn manifest(&self) -> Result<Manifest, StoreError> {
        let absent = || StoreError::Absent { place: self.place.name.clone() };
        Ok(manifest::load(&self.place).await?.ok_or_else(absent)?.0)
    }

    /// The rows whose windows touch a stretch of time, one part after the other: never more than one in memory. The same
    /// key may come in several parts, and widths of windows may differ between parts.
    ///
    /// # Errors
    /// In the stream; after [`StoreError::Changed`] what came so far is void.
    pub async fn scan(
        &self,
        time: Seconds,
    ) -> Result<impl Stream<Item = Result<Summaries, StoreError>> + use<>, StoreError> {
        let manifest = self.manifest().await?;
        let touches =
            |part: &Part| part.first < time.to && part.last.saturating_add(part.window_s.into()) > time.from;
        let mut parts: Vec<Part> = manifest.parts.into_iter().filter(touches).collect();
        parts.sort_by(|a, b| (a.first, &a.path).cmp(&(b.first, &b.path)));
        let reader = self.clone();
        Ok(stream::unfold((reader, parts.into_iter()), move |(reader, mut parts)| async move {
            let part = parts.next()?;
            Some((reader.part(&part, time).await, (reader, parts)))
        }))
    }

    /// Folds the rows of a stretch of time; begins again from `start` when the store was compacted meanwhile.
    ///
    /// # Errors
    /// As [`Reader::scan`]; [`StoreError::Changed`] only when it happened again and again.
    pub async fn fold<T>(
        &self,
        time: Seconds,
        start: impl Fn() -> T,
        mut add: impl FnMut(&mut T, Summaries),
    ) -> Result<T, StoreError> {
        use futures_util::StreamExt;
        let mut again = 0;
        'again: loop {
            let mut sum = start();
            let mut parts = std::pin::pin!(self.scan(time).await?);
            while let Some(part) = parts.next().await {
                match part {
                    Ok(rows) => add(&mut sum, rows),
                    Err(StoreError::Changed { .. }) if again < AGAIN_MAX => {
                        again += 1;
                        continue 'again;
                    }
                    Err(error) => return Err(error),
                }
            }
            return Ok(sum);
        }
    }

    /// One part, wherever it lies at the moment.
    pub(super) async fn part(&self, part: &Part, time: Seconds) -> Result<Summaries, StoreError> {
        let bytes = match self.bytes(&part.path).await? {
            Some(bytes) => Some(bytes),
            None => self.bytes(&incoming(&part.path)).await?,
        };
        // It may have been moved between the two looks.
        let bytes = match bytes {
            Some(bytes) => Some(bytes),
            None => self.bytes(&part.path).await?,
        };
        let Some(bytes) = bytes else { return Err(self.missing(&part.path).await) };
        let expected = part.blake3.clone();
        let result = tokio::task::spawn_blocking(move || check_and_decode(bytes, &expected, time)).await;
        let place = || self.place.name.clone();
        match result {
            Ok(Ok(summaries)) => Ok(summaries),
            Ok(Err(StoredError::Newer { found, known })) => {
                Err(StoreError::Newer { place: place(), found, known })
            }
            Ok(Err(error)) => {
                let source = std::error::Error::source(&error).map(|source| format!(": {source}"));
                let reason = format!("{error}{}", source.unwrap_or_default());
                Err(StoreError::Damaged { path: part.path.clone(), reason })
            }
            Err(error) => {
                let reason = format!("decoding it stopped: {error}");
                Err(StoreError::Damaged { path: part.path.clone(), reason })
            }
        }
    }

    async fn missing(&self, path: &str) -> StoreError {
        match self.manifest().await {
            Ok(manifest) if manifest.parts.iter().any(|part| part.path == path) => {
                let reason = "the manifest lists it, but it is not there".to_owned();
                StoreError::Damaged { path: path.to_owned(), reason }
            }
            Ok(_) => StoreError::Changed { place: self.place.name.clone() },
            Err(error) => error,
        }
    }

    /// The lines of a file beside the summaries.
    ///
    /// # Errors
    /// [`StoreError::Changed`] if it was replaced meanwhile; of the place.
    pub async fn blob(&self, blob: &Blob) -> Result<Bytes, StoreError> {
        let bytes = self.bytes(&blob.path).await?;
        bytes.ok_or_else(|| StoreError::Changed { place: self.place.name.clone() })
    }

    /// Everything that is known of what was watched and lost.
    ///
    /// # Errors
    /// As [`Reader::blob`]; [`StoreError::Damaged`].
    pub async fn coverage(&self) -> Result<Coverage, StoreError> {
        let manifest = self.manifest().await?;
        let mut all = Coverage::default();
        for blob in &manifest.coverage {
            coverage::add(&mut all, &self.blob(blob).await?, &blob.path)?;
        }
        Ok(all)
    }

    /// Who held which address when, as it was written last.
    ///
    /// # Errors
    /// As [`Reader::blob`].
    pub async fn timeline(&self) -> Result<Option<Bytes>, StoreError> {
        match &self.manifest().await?.timeline {
            Some(blob) => self.blob(blob).await.map(Some),
            None => Ok(None),
        }
    }

    /// What could not be read, oldest first.
    ///
    /// # Errors
    /// As [`Reader::blob`].
    pub async fn quarantine(&self) -> Result<Vec<Case>, StoreError> {
        let manifest = self.manifest().await?;
        let mut cases = Vec::new();
        for blob in &manifest.quarantine {
            cases.extend(from_lines(&self.blob(blob).await?));
        }
        Ok(cases)
    }

    async fn bytes(&self, path: &str) -> Result<Option<Bytes>, StoreError> {
        let failed = |error| StoreError::Place(of_place("read the store", error));
        match self.place.store.get(&self.place.path(path)).await {
            Ok(result) => result.bytes().await.map(Some).map_err(failed),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }
}

/// The sum first: the Parquet crate panics at some files that are not as they were written.
fn check_and_decode(bytes: Bytes, expected: &str, time: Seconds) -> Result<Summaries, StoredError> {
    if blake3::hash(&bytes).to_hex().as_str() != expected {
        return Err(StoredError::Foreign("its bytes are not those that were written".to_owned()));
    }
    decode(bytes, time)
}

/// The place is what a reader is: it has no other state.
impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Reader({})", self.place.name)
    }
}
