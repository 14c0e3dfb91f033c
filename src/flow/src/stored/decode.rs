//! Columns to rows.

use bytes::Bytes;
use parquet::basic::Type;
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{ByteArray, DataType};
use parquet::errors::ParquetError;
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::reader::{FileReader, RowGroupReader};
use parquet::file::serialized_reader::SerializedFileReader;
use parquet::file::statistics::Statistics;
use policy::ServicePoint;

use super::StoredError;
use super::schema::{COLUMNS, FORMAT_VERSION, FORMAT_VERSION_KEY, Kind};
use super::text::{EndTexts, foreign, to_end, to_outcome, to_side};
use crate::summary::{EndId, Ends, Key, Summaries, Tally};

/// A stretch of time in Unix seconds, from the first to before the second.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Seconds {
    /// The first second in it.
    pub from: i64,
    /// The first second after it.
    pub to: i64,
}

impl Seconds {
    /// All of time.
    pub const ALL: Self = Self { from: i64::MIN, to: i64::MAX };

    /// Whether a window shares a second with it.
    pub fn touches(self, window: i64, window_s: u32) -> bool {
        window < self.to && window.saturating_add(window_s.into()) > self.from
    }
}

/// The rows of a file whose windows touch a stretch of time, sorted by key. Groups outside of it are not unpacked.
///
/// # Errors
/// What is no part of a flow store, whole and of a version that is known.
pub fn decode(file: Bytes, time: Seconds) -> Result<Summaries, StoredError> {
    let length = file.len() as u64;
    let file = SerializedFileReader::new(file)?;
    check_version(&file)?;
    check_columns(&file)?;
    check_places(&file, length)?;
    let mut summaries = Summaries::default();
    for at in 0..file.num_row_groups() {
        if may_touch(file.metadata().row_group(at), time) {
            read_group(&*file.get_row_group(at)?, time, &mut summaries)?;
        }
    }
    summaries.rows.sort_unstable_by_key(|(key, _)| *key);
    Ok(summaries)
}

fn check_version(file: &SerializedFileReader<Bytes>) -> Result<(), StoredError> {
    let pairs = file.metadata().file_metadata().key_value_metadata();
    let found = pairs.into_iter().flatten().find(|pair| pair.key == FORMAT_VERSION_KEY);
    let version = found.and_then(|pair| pair.value.as_ref()?.parse::<u32>().ok());
    match version {
        Some(found) if found > FORMAT_VERSION => Err(StoredError::Newer { found, known: FORMAT_VERSION }),
        Some(1..) => Ok(()),
        _ => Err(foreign("it has no format version")),
    }
}

fn check_columns(file: &SerializedFileReader<Bytes>) -> Result<(), StoredError> {
    let found = file.metadata().file_metadata().schema_descr();
    let matches = found.num_columns() == COLUMNS.len()
        && found.columns().iter().zip(COLUMNS).all(|(column, (name, kind))| {
            let physical = match kind {
                Kind::Text | Kind::OptionalText => Type::BYTE_ARRAY,
                Kind::Small => Type::INT32,
                Kind::Large | Kind::Time => Type::INT64,
            };
            let levels = (i16::from(kind == Kind::OptionalText), 0);
            column.name() == name
                && column.physical_type() == physical
                && (column.max_def_level(), column.max_rep_level()) == levels
        });
    if matches { Ok(()) } else { Err(foreign("its columns are others")) }
}

/// Every column lies within the file: the Parquet crate panics at one that begins before it.
fn check_places(file: &SerializedFileReader<Bytes>, length: u64) -> Result<(), StoredError> {
    let columns = file.metadata().row_groups().iter().flat_map(RowGroupMetaData::columns);
    for column in columns {
        let start = column.dictionary_page_offset().unwrap_or(column.data_page_offset());
        let end = start.checked_add(column.compressed_size());
        let lies_within = start >= 0
            && column.compressed_size() >= 0
            && end.is_some_and(|end| u64::try_from(end).is_ok_and(|end| end <= length));
        if !lies_within {
            return Err(ParquetError::EOF("a column lies outside of the file".into()).into());
        }
    }
    Ok(())
}

/// Whether a group can hold a window of the time, as far as its statistics tell.
fn may_touch(group: &RowGroupMetaData, time: Seconds) -> bool {
    let statistics = |at: usize| group.columns().get(at).and_then(|column| column.statistics());
    let (Some(Statistics::Int64(start)), Some(Statistics::Int32(width))) = (statistics(0), statistics(1))
    else {
        return true;
    };
    let (Some(first), Some(last), Some(width)) = (start.min_opt(), start.max_opt(), width.max_opt()) else {
        return true;
    };
    let end = last.div_euclid(1000).saturating_add((*width).into());
    first.div_euclid(1000) < time.to && end > time.from
}

fn read_group(
    group: &dyn RowGroupReader,
    time: Seconds,
    summaries: &mut Summaries,
) -> Result<(), StoredError> {
    let mut columns = Columns { group, rows: group.metadata().num_rows().max(0) as usize, next: 0 };
    let windows = columns.large()?;
    let widths = columns.small()?;
    check_widths(&widths, summaries)?;
    let sources = columns.ends(&mut summaries.ends)?;
    let destinations = columns.ends(&mut summaries.ends)?;
    let (protocols, ports) = (columns.small()?, columns.small()?);
    let (outcomes, sides) = (columns.texts()?, columns.texts()?);
    let mut numbers = Vec::new();
    for _ in 12..COLUMNS.len() {
        numbers.push(columns.large()?);
    }
    let row = |at: usize| -> Option<Result<(Key, Tally), StoredError>> {
        let service = ServicePoint {
            protocol: u8::try_from(*protocols.get(at)?).unwrap_or(u8::MAX),
            detail: u16::try_from(*ports.get(at)?).unwrap_or(u16::MAX),
        };
        let window = windows.get(at)?.div_euclid(1000);
        let (source, destination) = (*sources.get(at)?, *destinations.get(at)?);
        let outcome = to_outcome(outcomes.get(at)?);
        let side = to_side(sides.get(at)?);
        let tally = tally(&numbers, at)?;
        Some(outcome.and_then(|outcome| {
            let side = side?;
            Ok((Key { window, source, destination, service, outcome, side }, tally))
        }))
    };
    for at in 0..columns.rows {
        let (key, tally) = row(at).ok_or_else(|| foreign("a column is short"))??;
        if time.touches(key.window, summaries.window_s) {
            summaries.rows.push((key, tally));
        }
    }
    Ok(())
}

/// A file has one width of windows.
fn check_widths(widths: &[i32], summaries: &mut Summaries) -> Result<(), StoredError> {
    for &width in widths {
        let width = u32::try_from(width).map_err(|_| foreign("a window of no width"))?;
        if summaries.window_s != 0 && summaries.window_s != width {
            return Err(foreign("windows of several widths"));
        }
        summaries.window_s = width;
    }
    Ok(())
}

fn tally(numbers: &[Vec<i64>], at: usize) -> Option<Tally> {
    let signed = |column: usize| Some(*numbers.get(column)?.get(at)?);
    let count = |column: usize| signed(column).map(|number| number.max(0) as u64);
    Some(Tally {
        connections: count(0)?,
        packets: count(1)?,
        bytes: count(2)?,
        reply_packets: count(3)?,
        reply_bytes: count(4)?,
        first: signed(5)?.div_euclid(1000),
        last: signed(6)?.div_euclid(1000),
        guessed: count(7)?,
        rejected_replies: count(8)?,
    })
}

/// The columns of a group, one after the other.
struct Columns<'a> {
    group: &'a dyn RowGroupReader,
    rows: usize,
    next: usize,
}

impl Columns<'_> {
    fn next(&mut self) -> Result<ColumnReader, StoredError> {
        let reader = self.group.get_column_reader(self.next)?;
        self.next += 1;
        Ok(reader)
    }

    fn large(&mut self) -> Result<Vec<i64>, StoredError> {
        let ColumnReader::Int64ColumnReader(mut reader) = self.next()? else {
            return Err(foreign("a number is none"));
        };
        self.required(&mut reader)
    }

    fn small(&mut self) -> Result<Vec<i32>, StoredError> {
        let ColumnReader::Int32ColumnReader(mut reader) = self.next()? else {
            return Err(foreign("a number is none"));
        };
        self.required(&mut reader)
    }

    fn texts(&mut self) -> Result<Vec<ByteArray>, StoredError> {
        let ColumnReader::ByteArrayColumnReader(mut reader) = self.next()? else {
            return Err(foreign("a text is none"));
        };
        self.required(&mut reader)
    }

    fn required<T: DataType>(&self, reader: &mut ColumnReaderImpl<T>) -> Result<Vec<T::T>, StoredError> {
        let mut values = Vec::with_capacity(self.rows.min(ROWS_EXPECTED_MAX));
        reader.read_records(self.rows, None, None, &mut values)?;
        self.check(values.len())?;
        Ok(values)
    }

    fn optional(&mut self) -> Result<Vec<Option<ByteArray>>, StoredError> {
        let ColumnReader::ByteArrayColumnReader(mut reader) = self.next()? else {
            return Err(foreign("a text is none"));
        };
        let (mut values, mut levels) = (Vec::new(), Vec::new());
        reader.read_records(self.rows, Some(&mut levels), None, &mut values)?;
        self.check(levels.len())?;
        let mut values = values.into_iter();
        Ok(levels.into_iter().map(|level| if level == 1 { values.next() } else { None }).collect())
    }

    /// Three columns of texts to one of ends. Rows are sorted, so that the same end often follows itself.
    fn ends(&mut self, ends: &mut Ends) -> Result<Vec<EndId>, StoredError> {
        let columns = (self.optional()?, self.optional()?, self.optional()?);
        let texts = columns.0.into_iter().zip(columns.1).zip(columns.2);
        let mut last: Option<(EndTexts, EndId)> = None;
        let mut ids = Vec::with_capacity(self.rows.min(ROWS_EXPECTED_MAX));
        for ((labels, network), address) in texts {
            let texts = EndTexts { labels, network, address };
            let id = match &last {
                Some((known, id)) if *known == texts => *id,
                _ => ends.intern(to_end(&texts)?),
            };
            last = Some((texts, id));
            ids.push(id);
        }
        Ok(ids)
    }

    fn check(&self, found: usize) -> Result<(), StoredError> {
        if found == self.rows { Ok(()) } else { Err(ParquetError::EOF("a column is short".into()).into()) }
    }
}

/// What a file says of its rows is not believed before they were read.
const ROWS_EXPECTED_MAX: usize = 1 << 20;
