//! AWS VPC flow logs in Parquet: the fields of the text format with `_` for `-`, one column each.
//!
//! ```text
//! chunk of a column ─pages─▶ unpacked pages ─column─▶ cells of a batch ┐
//!                                                      …               ├─row─▶ records, gaps, faults
//! chunk of a column ─pages─▶ unpacked pages ─column─▶ cells of a batch ┘
//! ```
//! Only the columns that a record needs are read, page by page, in batches of rows. A text that stands in a dictionary
//! (an address, an interface, a verdict) is parsed once for all rows that have it.
//!
//! INVARIANT: what is in memory is one batch and one page of each column, and pages are bounded
//! ([`pages::PAGE_BYTES_MAX`], all of them together [`HELD_BYTES_MAX`]), whatever the file says of itself.
//!
//! Format: <https://docs.aws.amazon.com/vpc/latest/userguide/flow-logs-s3-path.html>.

use std::ops::Range;
use std::sync::Arc;

use parquet::basic::Type;
use parquet::file::reader::{ChunkReader, FileReader, SerializedFileReader};

use self::cells::{Addresses, Names, Numbers, Words};
use self::column::Column;
use self::header::Headers;
use self::pages::{Budget, Pages};
use self::rows::Rows;
use super::field::fault;
use crate::Fault;
use crate::sink::Sink;

mod cells;
mod column;
mod delta;
mod header;
mod hybrid;
mod names;
pub mod pages;
mod plain;
mod rows;

/// Rows that are decoded at once: what they take fits in a core's own cache.
const BATCH_ROWS: usize = 2048;

/// The most rows of one file. AWS closes a file at 75 MB, some ten million rows; a few bytes can claim many more.
pub const ROWS_MAX: i64 = 100_000_000;

/// The most rows for each byte of a file: a few bytes can claim to be many rows of nothing new. A row has times, ports and
/// counters of its own, and those do not fit into a bit.
const ROWS_PER_BYTE_MAX: u64 = 64;

/// The most bytes of pages and dictionaries of all columns that are in memory at once.
const HELD_BYTES_MAX: usize = 256 << 20;

/// A file that was opened. Row groups may be read apart, by several threads if need be, but each once: what a file may unpack to
/// has a limit.
pub struct AwsParquet<R: ChunkReader> {
    source: Arc<R>,
    file: SerializedFileReader<Shared<R>>,
    budget: Arc<Budget>,
}

/// Reads a whole file.
pub fn read<R: ChunkReader + 'static>(source: R, sink: &mut impl Sink) {
    match AwsParquet::open(source) {
        Ok(file) => file.read(0..file.groups(), sink),
        Err(fault) => sink.fault(fault),
    }
}

impl<R: ChunkReader + 'static> AwsParquet<R> {
    /// Reads what the file says of itself.
    ///
    /// # Errors
    /// A file that is no Parquet file of flow logs.
    pub fn open(source: R) -> Result<Self, Fault> {
        let source = Arc::new(source);
        let file = guarded(|| SerializedFileReader::new(Shared(source.clone())));
        let file = file.map_err(|reason| fault(0, format!("is no Parquet file: {reason}")))?;
        let metadata = file.metadata();
        let rows = metadata.row_groups().iter().try_fold(0i64, |sum, group| {
            let rows = group.num_rows();
            (rows >= 0).then(|| sum.checked_add(rows)).flatten()
        });
        match rows {
            None => return Err(fault(0, "is no Parquet file: its number of rows is no number")),
            Some(rows) if rows > ROWS_MAX => {
                return Err(fault(0, format!("a file of {rows} rows is over the limit of {ROWS_MAX}")));
            }
            Some(rows) if rows.unsigned_abs() / ROWS_PER_BYTE_MAX > source.len() => {
                let length = source.len();
                return Err(fault(0, format!("a file of {length} bytes cannot have {rows} rows")));
            }
            Some(_) => {}
        }
        let budget = Arc::new(Budget::new(source.len()));
        let this = Self { source, file, budget };
        this.check_columns().map_err(|reason| fault(0, reason))?;
        Ok(this)
    }

    /// How many row groups there are.
    pub fn groups(&self) -> usize {
        self.file.metadata().num_row_groups()
    }

    /// Reads row groups. What cannot be read of one is a fault, and the next one goes on.
    pub fn read(&self, groups: Range<usize>, sink: &mut impl Sink) {
        let mut rows = Rows::default();
        for group in groups {
            if let Err((row, reason)) = self.group(group, &mut rows, sink) {
                let reason = format!("row group {group} from row {row}: {reason}");
                sink.fault(fault(self.offset(group), reason));
            }
        }
    }

    /// Where a row group begins in the file.
    fn offset(&self, group: usize) -> u64 {
        let group = self.file.metadata().row_groups().get(group);
        let column = group.and_then(|group| group.columns().first());
        column.map_or(0, |column| {
            let first = column.dictionary_page_offset().unwrap_or(column.data_page_offset());
            u64::try_from(first.min(column.data_page_offset())).unwrap_or(0)
        })
    }

    /// Reads one row group. The error has the first row that was not read.
    fn group(&self, group: usize, rows: &mut Rows, sink: &mut impl Sink) -> Result<(), (usize, String)> {
        let Some(metadata) = self.file.metadata().row_groups().get(group) else { return Ok(()) };
        let count = usize::try_from(metadata.num_rows()).unwrap_or(0);
        let offset = self.offset(group);
        rows.each_column(&mut Start { file: self, group }).map_err(|reason| (0, reason))?;
        let mut done = 0;
        while done < count {
            let batch = BATCH_ROWS.min(count - done);
            rows.each_column(&mut Fill { rows: batch, held: 0 }).map_err(|reason| (done, reason))?;
            rows.hand_on(batch, done, offset, sink);
            done += batch;
        }
        Ok(())
    }

    /// The place of a column, by name.
    fn column(&self, name: &str) -> Option<usize> {
        let schema = self.file.metadata().file_metadata().schema_descr();
        let same = |other: &str| {
            other.len() == name.len()
                && other.bytes().zip(name.bytes()).all(|(a, b)| a == b || (a, b) == (b'-', b'_'))
        };
        schema.columns().iter().position(|column| match column.path().parts() {
            [only] => same(only),
            _ => false,
        })
    }

    fn check_columns(&self) -> Result<(), String> {
        let has = |name: &str| self.column(name).is_some();
        let one_of = |names: &[&str]| names.iter().any(|name| has(name));
        for names in [
            &["srcaddr", "pkt_srcaddr"][..],
            &["dstaddr", "pkt_dstaddr"],
            &["srcport"],
            &["dstport"],
            &["protocol"],
            &["start", "end"],
        ] {
            if !one_of(names) {
                return Err(format!(
                    "is no file of flow logs that can be read: it has no column `{}`",
                    names.join("` or `")
                ));
            }
        }
        let types = Types(self);
        Rows::default().each_column(&mut { types })
    }
}

/// Calls the crate, which panics over some files that are broken (found by fuzzing: the lengths of DELTA_LENGTH_BYTE_ARRAY). A
/// panic is that call's failure, and what it worked on is not used again.
fn guarded<T>(call: impl FnOnce() -> parquet::errors::Result<T>) -> Result<T, String> {
    let called = std::panic::catch_unwind(std::panic::AssertUnwindSafe(call));
    called.map_err(|_| "it is broken".to_owned())?.map_err(|error| error.to_string())
}

/// Something that is done to every column.
trait Visit {
    fn visit<K: cells::Kind>(&mut self, name: &str, column: &mut Column<K>) -> Result<(), String>;
}

/// Checks that a column's values can be read.
struct Types<'a, R: ChunkReader>(&'a AwsParquet<R>);

impl<R: ChunkReader + 'static> Visit for Types<'_, R> {
    fn visit<K: cells::Kind>(&mut self, name: &str, _column: &mut Column<K>) -> Result<(), String> {
        let Some(index) = self.0.column(name) else { return Ok(()) };
        let column = self.0.file.metadata().file_metadata().schema_descr().column(index);
        let is_flat = column.max_rep_level() == 0 && column.max_def_level() <= 1;
        match column.physical_type() {
            Type::INT32 | Type::INT64 | Type::BYTE_ARRAY if is_flat => Ok(()),
            other => Err(format!("cannot read the column `{name}`: it is of type {other}")),
        }
    }
}

/// Goes to the beginning of a row group.
struct Start<'a, R: ChunkReader> {
    file: &'a AwsParquet<R>,
    group: usize,
}

impl<R: ChunkReader + 'static> Visit for Start<'_, R> {
    fn visit<K: cells::Kind>(&mut self, name: &str, column: &mut Column<K>) -> Result<(), String> {
        let metadata = self.file.file.metadata();
        let chunk = self.file.column(name).zip(metadata.row_groups().get(self.group));
        let Some((index, group)) = chunk else {
            column.start_absent();
            return Ok(());
        };
        let chunk =
            group.columns().get(index).ok_or_else(|| format!("has no chunk of the column `{name}`"))?;
        let rows = usize::try_from(group.num_rows()).unwrap_or(0);
        let of_column = |reason| format!("cannot read the column `{name}`: {reason}");
        let source = Arc::new(Headers(Shared(self.file.source.clone())));
        let pages = Pages::new(source, chunk, rows, self.file.budget.clone()).map_err(of_column)?;
        column.start(chunk, pages).map_err(of_column)
    }
}

/// Decodes the next rows.
struct Fill {
    rows: usize,
    /// Bytes in memory of the columns so far.
    held: usize,
}

impl Visit for Fill {
    fn visit<K: cells::Kind>(&mut self, name: &str, column: &mut Column<K>) -> Result<(), String> {
        column.fill(self.rows).map_err(|reason| format!("cannot read the column `{name}`: {reason}"))?;
        self.held += column.held();
        if self.held > HELD_BYTES_MAX {
            return Err(format!("its pages are over the limit of {HELD_BYTES_MAX} bytes"));
        }
        Ok(())
    }
}

/// A source that several readers share.
struct Shared<R>(Arc<R>);

impl<R: ChunkReader> parquet::file::reader::Length for Shared<R> {
    fn len(&self) -> u64 {
        self.0.len()
    }
}

impl<R: ChunkReader> ChunkReader for Shared<R> {
    type T = R::T;

    fn get_read(&self, start: u64) -> parquet::errors::Result<R::T> {
        self.0.get_read(start)
    }

    fn get_bytes(&self, start: u64, length: usize) -> parquet::errors::Result<bytes::Bytes> {
        self.0.get_bytes(start, length)
    }
}
