//! Headers of pages, looked at before the `parquet` crate does: it goes through as many elements of what it does not know as
//! a header says that there are, whether they are there or not.
//!
//! Format: the compact protocol of Thrift,
//! <https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md>.

use parquet::errors::{ParquetError, Result};
use parquet::file::reader::{ChunkReader, Length};

/// The most bytes of a header, and elements in it. Statistics of a page are the only long thing in one.
const HEADER_MAX: usize = 1 << 20;
/// As deep as the crate goes.
const DEPTH_MAX: u8 = 64;

/// A source of which nothing is read in a stream but headers of pages.
pub(super) struct Headers<R>(pub(super) R);

impl<R: ChunkReader> Length for Headers<R> {
    fn len(&self) -> u64 {
        self.0.len()
    }
}

impl<R: ChunkReader> ChunkReader for Headers<R> {
    type T = R::T;

    fn get_read(&self, start: u64) -> Result<R::T> {
        let left = usize::try_from(self.len().saturating_sub(start)).unwrap_or(usize::MAX);
        let bytes = self.0.get_bytes(start, left.min(HEADER_MAX))?;
        let mut walk = Walk { rest: &bytes, left: HEADER_MAX };
        let whole = walk.value(Walk::STRUCT, DEPTH_MAX);
        whole.ok_or_else(|| ParquetError::General("the header of a page is broken".to_owned()))?;
        self.0.get_read(start)
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<bytes::Bytes> {
        self.0.get_bytes(start, length)
    }
}

struct Walk<'a> {
    rest: &'a [u8],
    /// Elements that may still come.
    left: usize,
}

impl Walk<'_> {
    const STRUCT: u8 = 12;

    fn value(&mut self, kind: u8, depth: u8) -> Option<()> {
        let depth = depth.checked_sub(1)?;
        self.left = self.left.checked_sub(1)?;
        match kind {
            1 | 2 => Some(()),
            3 => self.skip(1),
            4..=6 => self.varint().map(drop),
            7 => self.skip(8),
            8 => {
                let length = self.varint()?.try_into().ok()?;
                self.skip(length)
            }
            9 | 10 => {
                let head = self.byte()?;
                let size = if head >> 4 == 15 { self.varint()? } else { u64::from(head >> 4) };
                (0..size).try_for_each(|_| self.value(head & 15, depth))
            }
            11 => {
                let size = self.varint()?;
                let kinds = if size > 0 { self.byte()? } else { 0 };
                (0..size).try_for_each(|_| {
                    self.value(kinds >> 4, depth)?;
                    self.value(kinds & 15, depth)
                })
            }
            Self::STRUCT => loop {
                let head = self.byte()?;
                if head & 15 == 0 {
                    return Some(());
                }
                if head >> 4 == 0 {
                    self.varint()?;
                }
                self.value(head & 15, depth)?;
            },
            13 => self.skip(16),
            _ => None,
        }
    }

    fn skip(&mut self, length: usize) -> Option<()> {
        self.rest = self.rest.get(length..)?;
        Some(())
    }

    fn byte(&mut self) -> Option<u8> {
        let (&byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(byte)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A page header with a field that nobody knows: a list of so many elements of a kind, of which none is there.
    fn read(kind: u8, size: &[u8]) -> Result<()> {
        // Kind of page 0, sizes 8 and 8, then field 15.
        let mut header = vec![0x15, 0x00, 0x15, 0x10, 0x15, 0x10, 0xc9, 0xf0 | kind];
        header.extend_from_slice(size);
        header.push(0);
        Headers(bytes::Bytes::from(header)).get_read(0).map(drop)
    }

    #[test]
    fn a_list_that_is_not_there_is_not_gone_through() {
        for kind in 1..=13 {
            assert!(read(kind, &[0xff, 0xff, 0xff, 0xff, 0x07]).is_err(), "{kind}");
            assert!(read(kind, &[0]).is_ok(), "{kind}");
        }
        assert!(read(14, &[1]).is_err());
    }
}
