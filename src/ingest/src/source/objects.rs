//! Flow logs that lie as objects in a folder or bucket.
//!
//! Dated layouts are listed day by day from the day of the horizon on, and only until enough is found: a year of logs is not
//! listed again in every pass. Other layouts have no order and are listed whole.
//!
//! What may grow (Azure's hour files, plain lines) is read from the offset on. What may not and did is handed out once with
//! its old offset, for the reader to say so.

use std::ops::Range;

use async_trait::async_trait;
use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt, TryStreamExt};
use jiff::civil::Date;
use object_store::path::Path;
use object_store::{GetOptions, GetRange, ObjectMeta};
use provider::{FlowCursor, FlowSource, Piece, ProviderError};

use super::growing::may_grow;
use super::layout::{Layout, Level, day_of, start_of};
use crate::failure::of_place;
use crate::place::Place;

/// Folders that are listed at once.
const LISTS_AT_ONCE: usize = 8;
/// Folders between the prefix and the years.
const DEPTH_MAX: usize = 16;
/// The longest chunk that is handed out.
const CHUNK_BYTES_MAX: usize = 1 << 20;

/// A source of objects.
pub struct Objects {
    name: String,
    place: Place,
    layout: Layout,
    since: i64,
}

impl Objects {
    /// A source under the name that the configuration gives it.
    pub fn new(name: &str, place: Place, layout: Layout) -> Self {
        Self { name: name.to_owned(), place, layout, since: i64::MIN }
    }

    /// The same source without what was written before a Unix second (a day, for dated layouts).
    pub fn since(mut self, second: i64) -> Self {
        self.since = second;
        self
    }

    /// The first second that is listed.
    fn first(&self, cursor: &FlowCursor) -> i64 {
        let first = cursor.horizon.max(self.since);
        if self.layout.is_dated() { start_of(day_of(first)) } else { first }
    }

    async fn dated(&self, cursor: &FlowCursor, max: usize) -> Result<Vec<Piece>, ProviderError> {
        let mut found = Found::new(max);
        let mut days = self.days(day_of(self.first(cursor)), None).await?;
        days.sort();
        // A day of all series before the next one: the oldest first.
        for days in days.chunk_by(|(a, _), (b, _)| a == b) {
            for (meta, day) in self.list_days(days).await? {
                found.extend(self.piece(&meta, Some(day)).and_then(|piece| unread(piece, cursor)));
            }
            if found.is_full() {
                break;
            }
        }
        Ok(found.oldest())
    }

    async fn list_days(&self, days: &[(Date, Path)]) -> Result<Vec<(ObjectMeta, Date)>, ProviderError> {
        let mut lists = Vec::new();
        for (day, folder) in days {
            let (day, list) = (*day, self.place.store.list(Some(folder)));
            lists.push(async move {
                let metas: Vec<ObjectMeta> = list.try_collect().await?;
                Ok(metas.into_iter().map(|meta| (meta, day)).collect::<Vec<_>>())
            });
        }
        let lists = stream::iter(lists).buffered(LISTS_AT_ONCE).try_collect::<Vec<_>>().await;
        Ok(lists.map_err(|error| of_place("list", error))?.concat())
    }

    /// Folders of days, from a day on and before another.
    async fn days(&self, from: Date, to: Option<Date>) -> Result<Vec<(Date, Path)>, ProviderError> {
        let mut days = Vec::new();
        let years = self.years().await?;
        for (year, folder) in years.into_iter().filter(|(year, _)| *year >= from.year()) {
            for (month, folder) in self.numbered(Level::Month, &folder).await? {
                if (year, month) < (from.year(), from.month().into()) {
                    continue;
                }
                for (day, folder) in self.numbered(Level::Day, &folder).await? {
                    let date = Date::new(year, month as i8, day as i8);
                    let wanted = |date: &Date| *date >= from && to.is_none_or(|to| *date < to);
                    days.extend(date.ok().filter(wanted).map(|date| (date, folder)));
                }
            }
        }
        Ok(days)
    }

    /// Folders of years, wherever they lie.
    async fn years(&self) -> Result<Vec<(i16, Path)>, ProviderError> {
        let mut years = Vec::new();
        let mut level = vec![self.place.prefix.clone()];
        for _ in 0..DEPTH_MAX {
            let mut lists = Vec::new();
            for folder in std::mem::take(&mut level) {
                lists.push(self.folders(folder));
            }
            let lists = stream::iter(lists).buffered(LISTS_AT_ONCE).try_collect::<Vec<_>>().await?;
            for folder in lists.into_iter().flatten() {
                match folder.filename().and_then(|name| self.layout.number(Level::Year, name)) {
                    Some(year) if self.has_years(&folder) => years.push((year, folder)),
                    Some(_) => {}
                    None if self.may_hold(&folder) => level.push(folder),
                    None => {}
                }
            }
            if level.is_empty() {
                break;
            }
        }
        Ok(years)
    }

    fn may_hold(&self, folder: &Path) -> bool {
        let text = folder.as_ref();
        let mut parents: Vec<&str> = text.split('/').collect();
        parents.pop().is_some_and(|name| self.layout.may_hold(&parents, name))
    }

    fn has_years(&self, year: &Path) -> bool {
        let parent = year.as_ref().rsplit('/').nth(1).unwrap_or_default();
        self.layout.may_hold_years(parent)
    }

    async fn numbered(&self, level: Level, folder: &Path) -> Result<Vec<(i16, Path)>, ProviderError> {
        let folders = self.folders(folder.clone()).await?;
        let number = |folder: &Path| self.layout.number(level, folder.filename()?);
        Ok(folders.into_iter().filter_map(|folder| Some((number(&folder)?, folder))).collect())
    }

    async fn folders(&self, folder: Path) -> Result<Vec<Path>, ProviderError> {
        let list = self.place.store.list_with_delimiter(Some(&folder)).await;
        Ok(list.map_err(|error| of_place("list", error))?.common_prefixes)
    }

    async fn undated(&self, cursor: &FlowCursor, max: usize) -> Result<Vec<Piece>, ProviderError> {
        let mut found = Found::new(max);
        let first = self.first(cursor);
        let mut list = self.place.store.list(Some(&self.place.prefix));
        while let Some(meta) = list.try_next().await.map_err(|error| of_place("list", error))? {
            let piece = self.piece(&meta, None).filter(|piece| piece.modified >= first);
            found.extend(piece.and_then(|piece| unread(piece, cursor)));
        }
        Ok(found.oldest())
    }

    /// An object as a piece that was never read; nothing if it is no flow log.
    fn piece(&self, meta: &ObjectMeta, day: Option<Date>) -> Option<Piece> {
        let key = self.place.below(&meta.location);
        let (format, packing) = self.layout.format(meta.location.filename()?)?;
        let written = meta.last_modified.timestamp();
        let modified = day.map_or(written, |day| self.layout.time(day, &key));
        let version = meta.e_tag.clone().or_else(|| meta.version.clone());
        let version = version.unwrap_or_else(|| format!("{written}-{}", meta.size));
        Some(Piece { key, version, offset: 0, end: Some(meta.size), format, packing, modified })
    }
}

/// What is left to read of a piece.
fn unread(mut piece: Piece, cursor: &FlowCursor) -> Option<Piece> {
    match cursor.pieces.get(&piece.key) {
        Some(progress) if progress.version == piece.version => None,
        Some(progress) => {
            piece.offset = progress.offset;
            Some(piece)
        }
        None => Some(piece),
    }
}

/// The oldest of what was found, never many more in memory than are asked for.
struct Found {
    max: usize,
    pieces: Vec<Piece>,
}

impl Found {
    fn new(max: usize) -> Self {
        Self { max, pieces: Vec::new() }
    }

    fn extend(&mut self, piece: Option<Piece>) {
        self.pieces.extend(piece);
        if self.pieces.len() >= self.max.saturating_mul(2).max(1024) {
            self.keep_oldest();
        }
    }

    fn is_full(&self) -> bool {
        self.pieces.len() >= self.max
    }

    fn keep_oldest(&mut self) {
        self.pieces.sort_by(|a, b| (a.modified, &a.key).cmp(&(b.modified, &b.key)));
        self.pieces.truncate(self.max);
    }

    fn oldest(mut self) -> Vec<Piece> {
        self.keep_oldest();
        self.pieces
    }
}

#[async_trait]
impl FlowSource for Objects {
    fn name(&self) -> &str {
        &self.name
    }

    async fn pieces(&self, cursor: &FlowCursor, max: usize) -> Result<Vec<Piece>, ProviderError> {
        if self.layout.is_dated() { self.dated(cursor, max).await } else { self.undated(cursor, max).await }
    }

    fn late_s(&self) -> Option<i64> {
        self.layout.late_s()
    }

    async fn too_late(
        &self,
        cursor: &FlowCursor,
        since: i64,
        max: usize,
    ) -> Result<Vec<Piece>, ProviderError> {
        let horizon = day_of(self.first(cursor));
        if !self.layout.is_dated() || cursor.horizon <= self.since {
            return Ok(Vec::new());
        }
        let mut found = Found::new(max);
        let first = day_of(self.since.max(jiff::Timestamp::MIN.as_second()));
        for day in self.days(first, Some(horizon)).await?.chunks(LISTS_AT_ONCE) {
            for (meta, day) in self.list_days(day).await? {
                if meta.last_modified.timestamp() > since {
                    found.extend(self.piece(&meta, Some(day)));
                }
            }
        }
        Ok(found.oldest())
    }

    async fn open(
        &self,
        piece: &Piece,
    ) -> Result<BoxStream<'static, Result<Vec<u8>, ProviderError>>, ProviderError> {
        let end = piece.end.unwrap_or(u64::MAX);
        if piece.offset >= end {
            return Ok(stream::empty().boxed());
        }
        let range = range(piece.offset..end, piece.end.is_some());
        // What may grow is read up to its listed end, which stays as it was; anything else must be the version listed.
        let if_match = (!may_grow(piece) && is_etag(&piece.version)).then(|| piece.version.clone());
        let options = GetOptions { range, if_match, ..GetOptions::default() };
        let path = self.place.listed(&piece.key)?;
        let result = self.place.store.get_opts(&path, options).await;
        let stream = result.map_err(|error| of_place("read", error))?.into_stream();
        Ok(stream.map_err(|error| of_place("read", error)).flat_map(|chunk| stream::iter(cut(chunk))).boxed())
    }
}

/// The whole object needs no range, and an empty one has none.
fn range(bytes: Range<u64>, bounded: bool) -> Option<GetRange> {
    match (bytes.start, bounded) {
        (0, false) => None,
        (start, false) => Some(GetRange::Offset(start)),
        (_, true) => Some(GetRange::Bounded(bytes)),
    }
}

/// Stores without ETags get a version of ours, which no store knows.
fn is_etag(version: &str) -> bool {
    version.starts_with(['"', 'W'])
}

type Chunk = Result<Vec<u8>, ProviderError>;

fn cut(chunk: Result<bytes::Bytes, ProviderError>) -> Vec<Chunk> {
    match chunk {
        Ok(bytes) => bytes.chunks(CHUNK_BYTES_MAX).map(|part| Ok(part.to_vec())).collect(),
        Err(error) => vec![Err(error)],
    }
}
