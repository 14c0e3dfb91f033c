//! One column: the cells of the next rows, out of the pages of its chunk.
//!
//! Plain values and dictionaries (what AWS, parquet-mr, Arrow and DuckDB write) are decoded here, without a copy of a text and
//! with each entry of a dictionary parsed once. Chunks in any other encoding go through the crate's own reader.

use bytes::Bytes;
use parquet::basic::{Encoding, Type};
use parquet::column::page::{Page, PageReader};
use parquet::column::reader::{ColumnReader, get_column_reader};
use parquet::file::metadata::ColumnChunkMetaData;

use super::cells::{Cell, Kind};
use super::guarded;
use super::hybrid::Hybrid;
use super::pages::Pages;
use crate::format::field::quoted;

/// How many texts that cannot be read are kept to be quoted.
const BAD_MAX: usize = 1000;

/// A column and the cells of its present batch.
pub(super) struct Column<K: Kind> {
    /// What its values are made by.
    pub(super) kind: K,
    cells: Vec<Cell<K::Value>>,
    bad: Vec<String>,
    source: Source<K::Value>,
    /// Kept for their memory.
    numbers: Vec<u32>,
    present: Vec<Cell<K::Value>>,
}

enum Source<V> {
    /// The file has no such column.
    Absent,
    /// Pages that are decoded here.
    Ours(Box<Chunk<V>>),
    /// What only the crate decodes.
    Theirs(Box<ColumnReader>),
}

/// The chunk of a column, and where in it the next row is.
struct Chunk<V> {
    pages: Pages,
    type_: Type,
    is_nullable: bool,
    dictionary: Vec<Cell<V>>,
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
            numbers: Vec::new(),
            present: Vec::new(),
        }
    }
}

const ENDS_EARLY: &str = "it ends early";

impl<K: Kind> Column<K> {
    /// The cell of a row of the present batch.
    pub(super) fn cell(&self, row: usize) -> Cell<K::Value> {
        self.cells.get(row).copied().unwrap_or(Cell::Absent)
    }

    /// What is in a cell that cannot be read, quoted.
    pub(super) fn bad(&self, number: u32) -> &str {
        self.bad.get(number as usize).map_or("``", String::as_str)
    }

    /// Begins a row group that has no such column.
    pub(super) fn start_absent(&mut self) {
        self.source = Source::Absent;
        self.cells.clear();
    }

    /// Begins a row group.
    ///
    /// # Errors
    /// A chunk that cannot be read.
    pub(super) fn start(&mut self, chunk: &ColumnChunkMetaData, pages: Pages) -> Result<(), String> {
        self.bad.clear();
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
                dictionary: Vec::new(),
                left: 0,
                definitions: None,
                values: Values::Plain(Bytes::new()),
            }))
        } else {
            Source::Theirs(Box::new(get_column_reader(descriptor, Box::new(pages))))
        };
        Ok(())
    }

    /// Decodes the next so many rows.
    ///
    /// # Errors
    /// A chunk that is broken or has fewer rows.
    pub(super) fn fill(&mut self, rows: usize) -> Result<(), String> {
        self.cells.clear();
        let mut source = std::mem::replace(&mut self.source, Source::Absent);
        let filled = match &mut source {
            Source::Absent => Ok(()),
            Source::Ours(chunk) => self.fill_from_pages(chunk, rows),
            Source::Theirs(reader) => self.fill_from_crate(reader, rows),
        };
        self.source = source;
        filled
    }

    fn fill_from_pages(&mut self, chunk: &mut Chunk<K::Value>, rows: usize) -> Result<(), String> {
        while self.cells.len() < rows {
            if chunk.left == 0 {
                self.next_page(chunk)?;
                continue;
            }
            let taken = chunk.left.min(rows - self.cells.len());
            chunk.left -= taken;
            match &mut chunk.definitions {
                None => {
                    let mut cells = std::mem::take(&mut self.cells);
                    let read = self.values(chunk, taken, &mut cells);
                    self.cells = cells;
                    read?;
                }
                Some(definitions) => {
                    self.numbers.clear();
                    definitions.read(taken, &mut self.numbers).ok_or(ENDS_EARLY)?;
                    let levels = std::mem::take(&mut self.numbers);
                    let mut present = std::mem::take(&mut self.present);
                    present.clear();
                    let count = levels.iter().filter(|level| **level != 0).count();
                    let read = self.values(chunk, count, &mut present);
                    self.spread(&levels, &present);
                    (self.numbers, self.present) = (levels, present);
                    read?;
                }
            }
        }
        Ok(())
    }

    /// Puts the values that are there where they belong.
    fn spread(&mut self, levels: &[u32], present: &[Cell<K::Value>]) {
        let mut present = present.iter();
        self.cells.extend(levels.iter().map(|level| match level {
            0 => Cell::Absent,
            _ => present.next().copied().unwrap_or(Cell::Absent),
        }));
    }

    fn values(
        &mut self,
        chunk: &mut Chunk<K::Value>,
        count: usize,
        into: &mut Vec<Cell<K::Value>>,
    ) -> Result<(), String> {
        let places = match &mut chunk.values {
            Values::Plain(bytes) => return self.plain(chunk.type_, bytes, count, into),
            Values::Dictionary(places) => places,
        };
        let mut numbers = std::mem::take(&mut self.numbers);
        numbers.clear();
        let read = places.read(count, &mut numbers).ok_or_else(|| ENDS_EARLY.to_owned());
        let before = into.len();
        into.extend(numbers.iter().map_while(|place| chunk.dictionary.get(*place as usize)));
        self.numbers = numbers;
        read?;
        if into.len() == before + count { Ok(()) } else { Err("a value is not in its dictionary".to_owned()) }
    }

    fn plain(
        &mut self,
        type_: Type,
        bytes: &mut Bytes,
        count: usize,
        into: &mut Vec<Cell<K::Value>>,
    ) -> Result<(), String> {
        let width = if type_ == Type::INT32 { 4 } else { 8 };
        if type_ != Type::BYTE_ARRAY {
            let length =
                count.checked_mul(width).filter(|length| *length <= bytes.len()).ok_or(ENDS_EARLY)?;
            let values = bytes.split_to(length);
            into.extend(values.chunks_exact(width).map(|value| self.number(little_endian(value))));
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

    fn next_page(&mut self, chunk: &mut Chunk<K::Value>) -> Result<(), String> {
        let page = guarded(|| chunk.pages.get_next_page())?.ok_or(ENDS_EARLY)?;
        match page {
            Page::DictionaryPage { mut buf, num_values, .. } => {
                chunk.dictionary.clear();
                let mut dictionary = std::mem::take(&mut chunk.dictionary);
                let read = self.plain(chunk.type_, &mut buf, num_values as usize, &mut dictionary);
                chunk.dictionary = dictionary;
                read
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

    fn number(&mut self, number: i64) -> Cell<K::Value> {
        if number < 0 {
            return Cell::Absent;
        }
        match self.kind.number(number) {
            Some(value) => Cell::Value(value),
            None => self.refuse(number.to_string().as_bytes()),
        }
    }

    fn text(&mut self, text: &[u8]) -> Cell<K::Value> {
        if matches!(text, b"" | b"-") {
            return Cell::Absent;
        }
        match self.kind.text(text) {
            Some(value) => Cell::Value(value),
            None => self.refuse(text),
        }
    }

    fn refuse(&mut self, text: &[u8]) -> Cell<K::Value> {
        if self.bad.len() < BAD_MAX {
            self.bad.push(quoted(text));
        } else if self.bad.len() == BAD_MAX {
            self.bad.push("`…`".to_owned());
        }
        Cell::Bad(self.bad.len().saturating_sub(1) as u32)
    }

    fn fill_from_crate(&mut self, reader: &mut ColumnReader, rows: usize) -> Result<(), String> {
        while self.cells.len() < rows {
            let wanted = rows - self.cells.len();
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
            self.spread(&levels, &present);
        }
        Ok(())
    }
}

impl<V> Chunk<V> {
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

fn little_endian(value: &[u8]) -> i64 {
    match value.first_chunk() {
        Some(wide) => i64::from_le_bytes(*wide),
        None => value.first_chunk().map_or(0, |narrow| i32::from_le_bytes(*narrow).into()),
    }
}
