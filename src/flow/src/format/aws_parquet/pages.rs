//! Pages of a column's chunk, unpacked.
//!
//! The `parquet` crate finds the pages; they are unpacked here, because it trusts what a file says of their size. To it,
//! the chunk is one that is not packed.

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use bytes::Bytes;
use parquet::basic::{Compression, Encoding};
use parquet::column::page::{Page, PageMetadata, PageReader};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::reader::ChunkReader;
use parquet::file::serialized_reader::SerializedPageReader;

use super::{delta, guarded};

/// The most bytes of one page, unpacked. Writers aim at one MiB; some make one page of a whole chunk.
pub const PAGE_BYTES_MAX: usize = 64 << 20;

/// The most bytes that texts of one page have in common with the one before each: addresses and names are short.
const TEXT_BYTES_MAX: u64 = 64 << 20;

/// The most entries of a dictionary. Writers end them at one MiB.
const DICTIONARY_MAX: u32 = 1 << 20;

/// What the pages of a file may unpack to altogether, for each of its bytes and in any case: a few bytes unpack to a page, and a
/// file may have many of them.
const UNPACKED_PER_BYTE_MAX: u64 = 256;
const UNPACKED_BYTES_MIN: u64 = 64 << 20;

/// What the pages of a file may still unpack to.
pub struct Budget(AtomicU64);

impl Budget {
    /// That of a file of so many bytes.
    pub fn new(length: u64) -> Self {
        Self(AtomicU64::new(length.saturating_mul(UNPACKED_PER_BYTE_MAX).max(UNPACKED_BYTES_MIN)))
    }

    fn spend(&self, bytes: usize) -> Result<()> {
        let spent =
            self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(bytes as u64));
        let of_file = "the pages of the file unpack to more than its length allows";
        spent.map(|_| ()).map_err(|_| ParquetError::General(of_file.to_owned()))
    }
}

/// The pages of one chunk.
pub struct Pages {
    packed: Box<dyn PageReader>,
    compression: Compression,
    is_nullable: bool,
    budget: Arc<Budget>,
    held: Arc<Held>,
}

/// What is in memory of the pages of a chunk, in bytes.
#[derive(Default)]
pub struct Held {
    dictionary: AtomicUsize,
    page: AtomicUsize,
}

impl Held {
    /// All of it.
    pub fn bytes(&self) -> usize {
        self.dictionary.load(Ordering::Relaxed) + self.page.load(Ordering::Relaxed)
    }
}

impl Pages {
    /// The pages of a chunk of so many rows.
    ///
    /// # Errors
    /// A chunk that is not within its file.
    pub fn new<R: ChunkReader + 'static>(
        source: Arc<R>,
        chunk: &ColumnChunkMetaData,
        rows: usize,
        budget: Arc<Budget>,
    ) -> std::result::Result<Self, String> {
        let (start, length) = chunk_range(chunk).ok_or("its place in the file is no place")?;
        if start.checked_add(length).is_none_or(|end| end > source.len()) {
            return Err(format!("its {length} bytes from {start} are not in the file"));
        }
        let plain = chunk.clone().into_builder().set_compression(Compression::UNCOMPRESSED).build();
        let packed = guarded(|| SerializedPageReader::new(source, &plain?, rows, None));
        let packed = Box::new(packed?);
        let is_nullable = chunk.column_descr().max_def_level() > 0;
        Ok(Self { packed, compression: chunk.compression(), is_nullable, budget, held: Arc::default() })
    }

    /// What is in memory of them, also once the pages were given away.
    pub fn held(&self) -> Arc<Held> {
        self.held.clone()
    }

    fn unpack_counted(&self, page: Page) -> Result<Page> {
        if let Page::DictionaryPage { num_values, .. } = &page
            && *num_values > DICTIONARY_MAX
        {
            return Err(ParquetError::General(format!(
                "a dictionary is over the limit of {DICTIONARY_MAX} entries"
            )));
        }
        let page = self.unpack(page)?;
        let length = page.buffer().len();
        self.budget.spend(length)?;
        self.check_delta(&page)?;
        match &page {
            Page::DictionaryPage { num_values, .. } => {
                let entries = *num_values as usize * size_of::<[i64; 2]>();
                self.held.dictionary.store(length + entries, Ordering::Relaxed);
            }
            _ => self.held.page.store(length, Ordering::Relaxed),
        }
        Ok(page)
    }

    /// See [`delta`].
    fn check_delta(&self, page: &Page) -> Result<()> {
        let levels = match page {
            Page::DictionaryPage { .. } => return Ok(()),
            Page::DataPage { .. } if !self.is_nullable => 0,
            Page::DataPage { buf, def_level_encoding: Encoding::RLE, .. } => {
                let length = buf.first_chunk().map_or(0, |&length| u32::from_le_bytes(length));
                4 + length as usize
            }
            // One bit each.
            Page::DataPage { num_values, .. } => (*num_values as usize).div_ceil(8),
            Page::DataPageV2 { def_levels_byte_len, rep_levels_byte_len, .. } => {
                *def_levels_byte_len as usize + *rep_levels_byte_len as usize
            }
        };
        let values = page.buffer().get(levels..).unwrap_or_default();
        let checked = delta::check(page.encoding(), values, page.num_values() as usize, TEXT_BYTES_MAX);
        checked.map_err(|reason| ParquetError::General(format!("a page cannot be read: {reason}")))
    }

    fn unpack(&self, page: Page) -> Result<Page> {
        let compression = match &page {
            Page::DataPageV2 { is_compressed: false, .. } => Compression::UNCOMPRESSED,
            _ => self.compression,
        };
        Ok(match page {
            Page::DataPage { buf, num_values, encoding, def_level_encoding, rep_level_encoding, .. } => {
                let buf = unpack(compression, &buf, 0, PAGE_BYTES_MAX)?;
                let statistics = None;
                Page::DataPage {
                    buf,
                    num_values,
                    encoding,
                    def_level_encoding,
                    rep_level_encoding,
                    statistics,
                }
            }
            Page::DictionaryPage { buf, num_values, encoding, is_sorted } => {
                let buf = unpack(compression, &buf, 0, PAGE_BYTES_MAX)?;
                Page::DictionaryPage { buf, num_values, encoding, is_sorted }
            }
            Page::DataPageV2 {
                buf,
                num_values,
                encoding,
                num_nulls,
                num_rows,
                def_levels_byte_len,
                rep_levels_byte_len,
                ..
            } => Page::DataPageV2 {
                // Levels are never packed.
                buf: unpack(
                    compression,
                    &buf,
                    def_levels_byte_len as usize + rep_levels_byte_len as usize,
                    PAGE_BYTES_MAX,
                )?,
                num_values,
                encoding,
                num_nulls,
                num_rows,
                def_levels_byte_len,
                rep_levels_byte_len,
                is_compressed: false,
                statistics: None,
            },
        })
    }
}

/// Where a chunk is, with the same choice of its first page as the crate's; that one panics on what is no place.
fn chunk_range(chunk: &ColumnChunkMetaData) -> Option<(u64, u64)> {
    let first = match chunk.dictionary_page_offset() {
        Some(dictionary) if dictionary > 0 => dictionary.min(chunk.data_page_offset()),
        _ => chunk.data_page_offset(),
    };
    Some((first.try_into().ok()?, chunk.compressed_size().try_into().ok()?))
}

fn unpack(compression: Compression, packed: &Bytes, plain: usize, max: usize) -> Result<Bytes> {
    let broken =
        |error: &dyn std::fmt::Display| ParquetError::General(format!("a page cannot be unpacked: {error}"));
    let (head, body) = packed.split_at_checked(plain).ok_or_else(|| broken(&"it is too short"))?;
    let mut unpacked = head.to_vec();
    match compression {
        Compression::UNCOMPRESSED => return Ok(packed.clone()),
        // A page of nothing but absent values may have nothing to unpack.
        _ if body.is_empty() => {}
        Compression::SNAPPY => {
            let length = snap::raw::decompress_len(body).map_err(|error| broken(&error))?;
            if length > max {
                return Err(too_large(max));
            }
            unpacked.resize(plain + length, 0);
            let space = unpacked.get_mut(plain..).unwrap_or_default();
            snap::raw::Decoder::new().decompress(body, space).map_err(|error| broken(&error))?;
        }
        Compression::GZIP(_) => bounded(flate2::read::MultiGzDecoder::new(body), &mut unpacked, max)?,
        Compression::ZSTD(_) => {
            let decoder = zstd::stream::read::Decoder::with_buffer(body).map_err(|error| broken(&error))?;
            bounded(decoder, &mut unpacked, max)?;
        }
        other => return Err(broken(&format!("{other} is not read"))),
    }
    Ok(unpacked.into())
}

fn bounded(reader: impl Read, unpacked: &mut Vec<u8>, max: usize) -> Result<()> {
    let read = reader.take(max as u64 + 1).read_to_end(unpacked);
    let read = read.map_err(|error| ParquetError::General(format!("a page cannot be unpacked: {error}")))?;
    if read > max { Err(too_large(max)) } else { Ok(()) }
}

fn too_large(max: usize) -> ParquetError {
    ParquetError::General(format!("a page is over the limit of {max} bytes"))
}

impl Iterator for Pages {
    type Item = Result<Page>;

    fn next(&mut self) -> Option<Result<Page>> {
        self.get_next_page().transpose()
    }
}

impl PageReader for Pages {
    fn get_next_page(&mut self) -> Result<Option<Page>> {
        while let Some(page) = self.packed.get_next_page()? {
            // A page without rows says nothing, and may take long to do so.
            if page.num_values() > 0 || matches!(page, Page::DictionaryPage { .. }) {
                return self.unpack_counted(page).map(Some);
            }
        }
        Ok(None)
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>> {
        self.packed.peek_next_page()
    }

    fn skip_next_page(&mut self) -> Result<()> {
        self.packed.skip_next_page()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_spent_once() {
        let budget = Budget::new(1 << 20);
        assert!(budget.spend(200 << 20).is_ok());
        assert!(budget.spend(57 << 20).is_err());
        assert!(budget.spend(56 << 20).is_ok());
        assert!(budget.spend(1).is_err());
        assert!(Budget::new(10).spend(64 << 20).is_ok());
    }

    #[test]
    fn a_page_that_unpacks_to_too_much_is_refused() {
        const MAX: usize = 10_000;
        let zeros = [0; MAX / 10];
        let refused = |compression, packed: Vec<u8>| {
            let error = unpack(compression, &packed.into(), 0, MAX).expect_err("it is over the limit");
            assert_eq!(error.to_string(), "Parquet error: a page is over the limit of 10000 bytes");
        };
        // A gzip member and a zstd frame may follow another.
        let mut member = Vec::new();
        let mut gzip = flate2::read::GzEncoder::new(&zeros[..], flate2::Compression::fast());
        gzip.read_to_end(&mut member).expect("it was made so");
        let frame = zstd::bulk::compress(&zeros, 1).expect("it was made so");
        let packings =
            [(Compression::GZIP(Default::default()), member), (Compression::ZSTD(Default::default()), frame)];
        for (compression, packed) in packings {
            let whole = unpack(compression, &packed.repeat(10).into(), 0, MAX).expect("it was made so");
            assert_eq!(whole.len(), MAX);
            refused(compression, packed.repeat(11));
        }
        // Snappy says its length first: 2^31 of them.
        refused(Compression::SNAPPY, vec![0x80, 0x80, 0x80, 0x80, 0x08]);
    }
}
