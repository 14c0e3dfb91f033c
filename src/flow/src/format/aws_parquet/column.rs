//! One column: the cells of the next rows, out of the pages of its chunk.
//!
//! Plain values and dictionaries (what AWS, parquet-mr, Arrow and DuckDB write) are decoded here, without a copy of a text and
//! with each entry of a dictionary parsed once. Chunks in any other encoding go through the crate's own reader.

use std::sync::Arc;

use bytes::Bytes;
use parquet::basic::{Encoding, Type};
use parquet::column::page::{Page, PageReader};
use parquet::column::reader::{ColumnReader, get_column_reader};
use parquet::file::metadata::ColumnChunkMetaData;

use super::cells::{ABSENT, Cell, Code, Kind};
use super::hybrid::{Hybrid, Part};
use super::pages::{Held, Pages};
use super::{BATCH_ROWS, guarded};
use crate::format::field::quoted;

/// How many texts that cannot be read are kept to be quoted.
const BAD_MAX: usize = 1000;

/// A column and the cells of its present batch.
pub(super) struct Column<K: Kind> {
    /// What its values are made by.
    pub(super) kind: K,
    cells: Vec<Code>,
    bad: Vec<String>,
    source: Source,
    held: Arc<Held>,
    /// What the dictionary needs of what the kind keeps.
    kept: usize,
    /// Kept for their memory.
    space: Space,
}

#[derive(Default)]
struct Space {
    numbers: Vec<u32>,
    present: Vec<Code>,
}

enum Source {
    /// The file has no such column.
    Absent,
    /// Pages that are decoded here.
    Ours(Box<Chunk>),
    /// What only the crate decodes.
    Theirs(Box<ColumnReader>),
}

/// The chunk of a column, and where in it the next row is.
struct Chunk {
    pages: Pages,
    type_: Type,
    is_nullable: bool,
    dictionary: Option<Vec<Code>>,
    /// Rows of the present page that are not read yet.
    left: usize,
    /// Which of them have a value, unless all have.
    definitions: Option<Hybrid>,
    values: Values,
}

enum Values {
    /// One after another.
    Plain(Bytes),
    /// Places in the dictionary.
    Dictionary(Hybrid),
}

impl<K: Kind> Default for Column<K> {
    fn default() -> Self {
        Self {
            kind: K::default(),
            cells: Vec::new(),
            bad: Vec::new(),
            source: Source::Absent,
            held: Arc::default(),
            kept: 0,
            space: Space::default(),
        }
    }
}

const ENDS_EARLY: &str = "it ends early";

impl<K: Kind> Column<K> {
    /// The cells of the present batch, and absent ones behind them.
    pub(super) fn codes(&self) -> Option<&[Code; BATCH_ROWS]> {
        self.cells.first_chunk()
    }

    /// Puts cells there as if they had been read.
    #[cfg(test)]
    pub(super) fn put(&mut self, codes: &[Code]) {
        self.cells = codes.to_vec();
        self.cells.resize(BATCH_ROWS, ABSENT);
    }

    /// The cell of a row of the present batch.
    pub(super) fn cell(&self, row: usize) -> Cell<K::Value> {
        match Cell::of(self.cells.get(row).copied().unwrap_or(ABSENT)) {
            Cell::Value(code) => self.kind.value(code).map_or(Cell::Absent, Cell::Value),
            Cell::Absent => Cell::Absent,
            Cell::Bad(number) => Cell::Bad(number),
        }
    }

    /// What is in a cell that cannot be read, quoted.
    pub(super) fn bad(&self, number: u32) -> &str {
        self.bad.get(number as usize).map_or("``", String::as_str)
    }

    /// Begins a row group that has no such column.
    pub(super) fn start_absent(&mut self) {
        self.source = Source::Absent;
        self.held = Arc::default();
        self.cells.clear();
    }

    /// Bytes in memory of its pages and its dictionary.
    pub(super) fn held(&self) -> usize {
        self.held.bytes()
    }

    /// Begins a row group.
    ///
    /// # Errors
    /// A chunk that cannot be read.
    pub(super) fn start(&mut self, chunk: &ColumnChunkMetaData, pages: Pages) -> Result<(), String> {
        self.bad.clear();
        self.cells.clear();
        self.kind.keep(0);
        self.kept = 0;
        self.held = pages.held();
        let descriptor = chunk.column_descr_ptr();
        let ours = |encoding| {
            #[expect(deprecated, reason = "old writers name it for levels")]
            const BIT_PACKED: Encoding = Encoding::BIT_PACKED;
            use Encoding::{PLAIN, PLAIN_DICTIONARY, RLE, RLE_DICTIONARY};
            matches!(encoding, PLAIN | PLAIN_DICTIONARY | RLE | RLE_DICTIONARY | BIT_PACKED)
        };
        self.source = if chunk.encodings().all(ours) {
            Source::Ours(Box::new(Chunk {
                pages,
                type_: descriptor.physical_type(),
                is_nullable: descriptor.max_def_level() > 0,
                dictionary: None,
                left: 0,
                definitions: None,
                values: Values::Plain(Bytes::new()),
            }))
        } else {
            Source::Theirs(Box::new(get_column_reader(descriptor, Box::new(pages))))
        };
        Ok(())
    }

    /// Decodes the next so many rows, at most [`BATCH_ROWS`].
    ///
    /// # Errors
    /// A chunk that is broken or has fewer rows.
    pub(super) fn fill(&mut self, rows: usize) -> Result<(), String> {
        let mut source = std::mem::replace(&mut self.source, Source::Absent);
        let mut cells = std::mem::take(&mut self.cells);
        self.kind.keep(self.kept);
        let filled = match &mut source {
            // Those of the batch before are absent, too.
            Source::Absent => Ok(()),
            Source::Ours(chunk) => {
                cells.clear();
                self.fill_from_pages(chunk, rows, &mut cells)
            }
            Source::Theirs(reader) => {
                cells.clear();
                self.fill_from_crate(reader, rows, &mut cells)
            }
        };
        cells.resize(BATCH_ROWS, ABSENT);
        (self.cells, self.source) = (cells, source);
        filled
    }

    fn fill_from_pages(
        &mut self,
        chunk: &mut Chunk,
        rows: usize,
        cells: &mut Vec<Code>,
    ) -> Result<(), String> {
        let mut space = std::mem::take(&mut self.space);
        while cells.len() < rows {
            if chunk.left == 0 {
                self.next_page(chunk)?;
                continue;
            }
            let taken = chunk.left.min(rows - cells.len());
            chunk.left -= taken;
            let Some(mut definitions) = chunk.definitions.take() else {
                self.values(chunk, taken, &mut space.numbers, cells)?;
                continue;
            };
            let end = cells.len() + taken;
            while cells.len() < end {
                self.defined(chunk, &mut definitions, end - cells.len(), &mut space, cells)?;
            }
            chunk.definitions = Some(definitions);
        }
        self.space = space;
        Ok(())
    }

    /// Reads some rows, at most so many, of which some have a value.
    fn defined(
        &mut self,
        chunk: &mut Chunk,
        definitions: &mut Hybrid,
        most: usize,
        space: &mut Space,
        cells: &mut Vec<Code>,
    ) -> Result<(), String> {
        match definitions.next(most, &mut space.numbers).ok_or(ENDS_EARLY)? {
            Part::Same { value: 0, count } => cells.resize(cells.len() + count, ABSENT),
            Part::Same { count, .. } => self.values(chunk, count, &mut space.numbers, cells)?,
            Part::Each(levels) => {
                let count = levels.iter().filter(|level| **level != 0).count();
                let mut places = Vec::new();
                space.present.clear();
                self.values(chunk, count, &mut places, &mut space.present)?;
                spread(levels, &space.present, cells);
            }
        }
        Ok(())
    }

    /// Reads values. `numbers` is space for places.
    fn values(
        &mut self,
        chunk: &mut Chunk,
        count: usize,
        numbers: &mut Vec<u32>,
        into: &mut Vec<Code>,
    ) -> Result<(), String> {
        match &mut chunk.values {
            Values::Plain(bytes) => self.plain(chunk.type_, bytes, count, into),
            Values::Dictionary(places) => {
                look_up(places, count, chunk.dictionary.as_deref().unwrap_or_default(), numbers, into)
            }
        }
    }

    fn plain(
        &mut self,
        type_: Type,
        bytes: &mut Bytes,
        count: usize,
        into: &mut Vec<Code>,
    ) -> Result<(), String> {
        let width = if type_ == Type::INT32 { 4 } else { 8 };
        if type_ != Type::BYTE_ARRAY {
            let length =
                count.checked_mul(width).filter(|length| *length <= bytes.len()).ok_or(ENDS_EARLY)?;
            let values = bytes.split_to(length);
            if type_ == Type::INT32 {
                into.extend(
                    values.as_chunks().0.iter().map(|value| self.number(i32::from_le_bytes(*value).into())),
                );
            } else {
                into.extend(values.as_chunks().0.iter().map(|value| self.number(i64::from_le_bytes(*value))));
            }
            return Ok(());
        }
        let mut at = 0;
        for _ in 0..count {
            let length = bytes.get(at..).and_then(<[u8]>::first_chunk).ok_or(ENDS_EARLY)?;
            let begin = at + 4;
            at = begin + u32::from_le_bytes(*length) as usize;
            into.push(self.text(bytes.get(begin..at).ok_or(ENDS_EARLY)?));
        }
        bytes::Buf::advance(bytes, at);
        Ok(())
    }

    fn next_page(&mut self, chunk: &mut Chunk) -> Result<(), String> {
        let page = guarded(|| chunk.pages.get_next_page())?.ok_or(ENDS_EARLY)?;
        match page {
            Page::DictionaryPage { mut buf, num_values, .. } => {
                if chunk.dictionary.is_some() {
                    return Err("it has two dictionaries".to_owned());
                }
                // An entry has a byte at least, so no page makes more room than it needs.
                let mut dictionary = Vec::with_capacity(buf.len().min(num_values as usize));
                self.plain(chunk.type_, &mut buf, num_values as usize, &mut dictionary)?;
                chunk.dictionary = Some(dictionary);
                self.kept = self.kind.kept();
                Ok(())
            }
            Page::DataPage { mut buf, num_values, encoding, .. } => {
                let count = num_values as usize;
                let mut definitions = None;
                if chunk.is_nullable {
                    let length = buf.first_chunk().ok_or(ENDS_EARLY)?;
                    let length = u32::from_le_bytes(*length) as usize;
                    let levels = buf.split_off(4);
                    definitions =
                        Some(levels.get(..length).ok_or(ENDS_EARLY)?).map(|part| levels.slice_ref(part));
                    buf = levels.slice(length..);
                }
                chunk.begin(count, definitions, buf, encoding)
            }
            Page::DataPageV2 {
                buf,
                num_values,
                encoding,
                num_nulls,
                def_levels_byte_len,
                rep_levels_byte_len,
                ..
            } => {
                let begin = rep_levels_byte_len as usize;
                let end = begin + def_levels_byte_len as usize;
                if end > buf.len() {
                    return Err(ENDS_EARLY.to_owned());
                }
                let definitions = (chunk.is_nullable && num_nulls > 0).then(|| buf.slice(begin..end));
                chunk.begin(num_values as usize, definitions, buf.slice(end..), encoding)
            }
        }
    }

    #[inline]
    fn number(&mut self, number: i64) -> Code {
        let code = self.kind.number(number.max(0)).unwrap_or_else(|| self.refuse_number(number));
        if number < 0 { ABSENT } else { code }
    }

    #[inline]
    fn text(&mut self, text: &[u8]) -> Code {
        if matches!(text, b"" | b"-") {
            return ABSENT;
        }
        self.kind.text(text).unwrap_or_else(|| self.refuse(text))
    }

    #[cold]
    fn refuse_number(&mut self, number: i64) -> Code {
        if number < 0 { ABSENT } else { self.refuse(number.to_string().as_bytes()) }
    }

    #[cold]
    fn refuse(&mut self, text: &[u8]) -> Code {
        if self.bad.len() < BAD_MAX {
            self.bad.push(quoted(text));
        } else if self.bad.len() == BAD_MAX {
            self.bad.push("`…`".to_owned());
        }
        Cell::Bad(self.bad.len().saturating_sub(1) as u32).code()
    }

    fn fill_from_crate(
        &mut self,
        reader: &mut ColumnReader,
        rows: usize,
        cells: &mut Vec<Code>,
    ) -> Result<(), String> {
        while cells.len() < rows {
            let wanted = rows - cells.len();
            let mut levels = Vec::new();
            macro_rules! read {
                ($reader:expr, $cell:expr) => {{
                    let mut values = Vec::new();
                    let read = || $reader.read_records(wanted, Some(&mut levels), None, &mut values);
                    let (records, ..) = guarded(read)?;
                    (records, values.into_iter().map($cell).collect::<Vec<_>>())
                }};
            }
            let (records, present) = match reader {
                ColumnReader::Int32ColumnReader(reader) => read!(reader, |value| self.number(value.into())),
                ColumnReader::Int64ColumnReader(reader) => read!(reader, |value| self.number(value)),
                ColumnReader::ByteArrayColumnReader(reader) => {
                    read!(reader, |value: parquet::data_type::ByteArray| self.text(value.data()))
                }
                _ => return Err("its type is not read".to_owned()),
            };
            if records == 0 {
                return Err(ENDS_EARLY.to_owned());
            }
            // Without levels, all are there.
            let levels =
                levels.iter().map(|level| u32::from(*level > 0)).chain(std::iter::repeat(1)).take(records);
            let levels: Vec<u32> = levels.collect();
            spread(&levels, &present, cells);
        }
        Ok(())
    }
}

impl Chunk {
    fn begin(
        &mut self,
        count: usize,
        definitions: Option<Bytes>,
        mut values: Bytes,
        encoding: Encoding,
    ) -> Result<(), String> {
        // Definitions of one bit: 1 is a value. A page on which all are values needs none.
        self.definitions = definitions.and_then(|bytes| Hybrid::new(bytes, 1));
        if self.definitions.as_mut().is_some_and(|definitions| definitions.is_run_of(1, count)) {
            self.definitions = None;
        }
        self.left = count;
        self.values = match encoding {
            Encoding::PLAIN => Values::Plain(values),
            Encoding::PLAIN_DICTIONARY | Encoding::RLE_DICTIONARY => {
                // A page of nothing but absent values may be empty.
                let width = values.first().copied().unwrap_or(0);
                let places = values.split_off(1.min(values.len()));
                Values::Dictionary(Hybrid::new(places, width.into()).ok_or("places of over 32 bits")?)
            }
            other => return Err(format!("the encoding {other} was not announced")),
        };
        Ok(())
    }
}

/// Puts the values that are there where they belong.
fn spread(levels: &[u32], present: &[Code], cells: &mut Vec<Code>) {
    let mut present = present.iter();
    cells.extend(levels.iter().map(|level| match level {
        0 => ABSENT,
        _ => present.next().copied().unwrap_or(ABSENT),
    }));
}

/// Reads places in a dictionary, and what stands there.
fn look_up(
    places: &mut Hybrid,
    count: usize,
    dictionary: &[Code],
    space: &mut Vec<u32>,
    into: &mut Vec<Code>,
) -> Result<(), String> {
    const NOT_THERE: &str = "a value is not in its dictionary";
    let end = into.len() + count;
    while into.len() < end {
        match places.next(end - into.len(), space).ok_or(ENDS_EARLY)? {
            Part::Same { value, count } => {
                let code = dictionary.get(value as usize).ok_or(NOT_THERE)?;
                into.resize(into.len() + count, *code);
            }
            Part::Each(places) => {
                // Checked at once, which takes less than one by one.
                let last = places.iter().fold(0, |last, place| last.max(*place));
                if last as usize >= dictionary.len() {
                    return Err(NOT_THERE.to_owned());
                }
                into.extend(
                    places.iter().map(|place| dictionary.get(*place as usize).copied().unwrap_or(ABSENT)),
                );
            }
        }
    }
    Ok(())
}
