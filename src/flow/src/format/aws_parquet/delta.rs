//! What pages in one of the DELTA encodings say of their size, checked before the `parquet` crate believes it: that one
//! takes as much memory as a page claims to need, and a process that is refused memory ends.
//!
//! Format: <https://parquet.apache.org/docs/file-format/data-pages/encodings/>.

use parquet::basic::Encoding;

/// The most values of one block. Writers use 128 or 256.
const BLOCK_MAX: u64 = 1 << 16;
const CUT: &str = "its lengths are cut short";

/// Checks the values of a page of so many rows, whose texts may have so many bytes together.
pub(super) fn check(
    encoding: Encoding,
    values: &[u8],
    rows: usize,
    text_max: u64,
) -> Result<(), &'static str> {
    match encoding {
        Encoding::DELTA_BINARY_PACKED | Encoding::DELTA_LENGTH_BYTE_ARRAY => {
            Packed::open(values, rows).map(drop)
        }
        Encoding::DELTA_BYTE_ARRAY => {
            // What a text has in common with the one before is written again for each of them.
            let mut prefixes = Packed::open(values, rows)?;
            let common = prefixes.sum()?;
            if common > text_max {
                return Err("its texts are over the limit");
            }
            Packed::open(prefixes.rest, rows).map(drop)
        }
        _ => Ok(()),
    }
}

/// Numbers as differences, in blocks of small blocks.
struct Packed<'a> {
    rest: &'a [u8],
    small_blocks: usize,
    /// Values of a small block.
    small: usize,
    count: usize,
    first: i64,
}

impl<'a> Packed<'a> {
    fn open(bytes: &'a [u8], rows: usize) -> Result<Self, &'static str> {
        let mut rest = bytes;
        let mut header = [0; 4];
        for word in &mut header {
            *word = varint(&mut rest).ok_or(CUT)?;
        }
        let [block, small_blocks, count, first] = header;
        let is_block = (1..=BLOCK_MAX).contains(&block) && (1..=block).contains(&small_blocks);
        if !is_block || !block.is_multiple_of(128) || !(block / small_blocks.max(1)).is_multiple_of(32) {
            return Err("its blocks are none");
        }
        let count = usize::try_from(count).ok().filter(|count| *count <= rows);
        let count = count.ok_or("it says that it has more values than rows")?;
        let small = (block / small_blocks) as usize;
        Ok(Self { rest, small_blocks: small_blocks as usize, small, count, first: zigzag(first) })
    }

    /// The sum of all numbers, which must be lengths. `rest` is what follows them, then.
    fn sum(&mut self) -> Result<u64, &'static str> {
        let (mut last, mut sum) = (self.first, 0);
        let mut left = self.count;
        add(&mut sum, last, &mut left)?;
        while left > 0 {
            let least = zigzag(varint(&mut self.rest).ok_or(CUT)?);
            let (widths, rest) = self.rest.split_at_checked(self.small_blocks).ok_or(CUT)?;
            self.rest = rest;
            for &width in widths {
                // Widths of small blocks after the last value mean nothing.
                if left == 0 {
                    break;
                }
                if width > 32 {
                    return Err("a length is no number of 32 bits");
                }
                let bytes = usize::from(width) * self.small / 8;
                let (packed, rest) = self.rest.split_at_checked(bytes).ok_or(CUT)?;
                self.rest = rest;
                for index in 0..self.small.min(left) {
                    let step = bits(packed, index * usize::from(width), width);
                    // As the crate does it: differences wrap around at 32 bits.
                    last = i64::from(last.wrapping_add(least).wrapping_add(step) as i32);
                    add(&mut sum, last, &mut left)?;
                }
            }
        }
        Ok(sum)
    }
}

/// Adds a length, if there is one left.
fn add(sum: &mut u64, length: i64, left: &mut usize) -> Result<(), &'static str> {
    if *left > 0 {
        *left -= 1;
        *sum += u64::try_from(length).map_err(|_| "a length is below 0")?;
    }
    Ok(())
}

/// So many bits from a place on, the lowest first.
fn bits(bytes: &[u8], from: usize, width: u8) -> i64 {
    let bit = |at: usize| bytes.get(at / 8).map_or(0, |byte| i64::from(byte >> (at % 8) & 1));
    (0..usize::from(width)).fold(0, |value, index| value | bit(from + index) << index)
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

fn zigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::sync::Arc;

    use parquet::column::page::Page;
    use parquet::data_type::{ByteArray, ByteArrayType, DataType, Int32Type};
    use parquet::file::properties::WriterProperties;
    use parquet::file::reader::FileReader;
    use parquet::file::serialized_reader::SerializedFileReader;
    use parquet::file::writer::SerializedFileWriter;
    use parquet::schema::types::Type;
    use proptest::prelude::*;

    use super::*;

    /// The values of the page that the crate writes.
    fn encoded<T: DataType>(encoding: Encoding, values: &[T::T]) -> Vec<u8> {
        let column = Type::primitive_type_builder("a", T::get_physical_type())
            .with_repetition(parquet::basic::Repetition::REQUIRED);
        let schema = Type::group_type_builder("s").with_fields(vec![Arc::new(column.build().unwrap())]);
        let properties =
            WriterProperties::builder().set_dictionary_enabled(false).set_encoding(encoding).build();
        let mut file = Vec::new();
        let mut writer =
            SerializedFileWriter::new(&mut file, Arc::new(schema.build().unwrap()), Arc::new(properties))
                .unwrap();
        let mut group = writer.next_row_group().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        column.typed::<T>().write_batch(values, None, None).unwrap();
        column.close().unwrap();
        group.close().unwrap();
        writer.close().unwrap();
        let file = SerializedFileReader::new(bytes::Bytes::from(file)).unwrap();
        let page = file.get_row_group(0).unwrap().get_column_page_reader(0).unwrap().next().unwrap().unwrap();
        assert!(matches!(page, Page::DataPage { .. }) && page.encoding() == encoding);
        page.buffer().to_vec()
    }

    /// What each text has in common with the one before.
    fn common(texts: &[String]) -> u64 {
        let before = std::iter::once("").chain(texts.iter().map(String::as_str));
        let same =
            |(a, b): (&str, &String)| a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b).count() as u64;
        before.zip(texts).map(same).sum()
    }

    proptest! {
        #[test]
        fn what_a_writer_writes_passes_and_its_length_is_known(texts in prop::collection::vec("[ab]{0,9}", 1..600)) {
            let arrays: Vec<ByteArray> = texts.iter().map(|text| ByteArray::from(text.as_str())).collect();
            let written = encoded::<ByteArrayType>(Encoding::DELTA_BYTE_ARRAY, &arrays);
            let limit = common(&texts);
            prop_assert_eq!(check(Encoding::DELTA_BYTE_ARRAY, &written, texts.len(), limit), Ok(()));
            if let Some(less) = limit.checked_sub(1) {
                prop_assert!(check(Encoding::DELTA_BYTE_ARRAY, &written, texts.len(), less).is_err());
            }
            prop_assert!(check(Encoding::DELTA_BYTE_ARRAY, &written, texts.len() - 1, limit).is_err());
            let lengths = encoded::<ByteArrayType>(Encoding::DELTA_LENGTH_BYTE_ARRAY, &arrays);
            prop_assert_eq!(check(Encoding::DELTA_LENGTH_BYTE_ARRAY, &lengths, texts.len(), 0), Ok(()));
            prop_assert!(check(Encoding::DELTA_LENGTH_BYTE_ARRAY, &lengths, texts.len() - 1, 0).is_err());
        }

        #[test]
        fn numbers_pass(numbers in prop::collection::vec(any::<i32>(), 1..600)) {
            let written = encoded::<Int32Type>(Encoding::DELTA_BINARY_PACKED, &numbers);
            prop_assert_eq!(check(Encoding::DELTA_BINARY_PACKED, &written, numbers.len(), 0), Ok(()));
        }

        #[test]
        fn whatever_it_is_does_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), rows in 0usize..300) {
            for encoding in [Encoding::DELTA_BINARY_PACKED, Encoding::DELTA_BYTE_ARRAY] {
                let _ = check(encoding, &bytes, rows, 1000);
            }
        }
    }

    #[test]
    fn a_page_that_claims_to_have_more_than_there_is_memory_is_refused() {
        // Blocks of 128 in 4, and 682,268,697,001,044 / 4 values.
        let mut claim = vec![0x80, 1, 4];
        let mut count = 170_567_174_250_261u64;
        while count >= 0x80 {
            claim.push(count as u8 | 0x80);
            count >>= 7;
        }
        claim.extend([count as u8, 0, 0, 0, 0, 0, 0]);
        for encoding in
            [Encoding::DELTA_BINARY_PACKED, Encoding::DELTA_LENGTH_BYTE_ARRAY, Encoding::DELTA_BYTE_ARRAY]
        {
            assert_eq!(check(encoding, &claim, 24, 1000), Err("it says that it has more values than rows"));
        }
    }
}
