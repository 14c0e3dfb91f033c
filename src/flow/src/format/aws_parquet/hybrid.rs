//! The encoding of small numbers in Parquet: runs of one number, and numbers packed into bits.
//!
//! <https://parquet.apache.org/docs/file-format/data-pages/encodings/#RLE>

use bytes::Bytes;

/// Reads numbers of a fixed width in bits.
pub(super) struct Hybrid {
    bytes: Bytes,
    at: usize,
    width: usize,
    run: Run,
}

#[derive(Clone, Copy)]
enum Run {
    /// So many times the same number.
    Same { value: u32, left: usize },
    /// So many numbers, from this bit on.
    Packed { left: usize, bit: usize },
}

impl Hybrid {
    /// Numbers of at most 32 bits.
    pub(super) fn new(bytes: Bytes, width: usize) -> Option<Self> {
        (width <= 32).then_some(Self { bytes, at: 0, width, run: Run::Same { value: 0, left: 0 } })
    }

    /// Whether the next so many numbers are one run of this one.
    pub(super) fn is_run_of(&mut self, value: u32, count: usize) -> bool {
        if matches!(self.run, Run::Same { left: 0, .. } | Run::Packed { left: 0, .. })
            && self.next_run().is_none()
        {
            return false;
        }
        matches!(self.run, Run::Same { value: of, left } if of == value && left >= count)
    }

    /// Reads so many numbers; `None` if there are fewer.
    pub(super) fn read(&mut self, count: usize, into: &mut Vec<u32>) -> Option<()> {
        let mut missing = count;
        while missing > 0 {
            match &mut self.run {
                Run::Same { left: 0, .. } | Run::Packed { left: 0, .. } => self.next_run()?,
                Run::Same { value, left } => {
                    let taken = missing.min(*left);
                    into.resize(into.len() + taken, *value);
                    *left -= taken;
                    missing -= taken;
                }
                Run::Packed { left, bit } => {
                    let taken = missing.min(*left);
                    unpack(&self.bytes, *bit, self.width, taken, into)?;
                    *left -= taken;
                    *bit += taken * self.width;
                    missing -= taken;
                }
            }
        }
        Some(())
    }

    fn next_run(&mut self) -> Option<()> {
        let header = self.varint()?;
        let count = (header >> 1) as usize;
        self.run = if header & 1 == 1 {
            let bit = self.at.checked_mul(8)?;
            // The last run may be cut where the numbers end: what is missing is found when it is read.
            self.at = self.at.checked_add(count.checked_mul(self.width)?)?.min(self.bytes.len());
            Run::Packed { left: count.checked_mul(8)?, bit }
        } else {
            let bytes = self.width.div_ceil(8);
            let value = self.bytes.get(self.at..self.at + bytes)?;
            self.at += bytes;
            Run::Same {
                value: value.iter().rev().fold(0, |value, byte| value << 8 | u32::from(*byte)),
                left: count,
            }
        };
        Some(())
    }

    fn varint(&mut self) -> Option<u32> {
        let mut value = 0u64;
        for shift in (0..35).step_by(7) {
            let byte = *self.bytes.get(self.at)?;
            self.at += 1;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return value.try_into().ok();
            }
        }
        None
    }
}

fn unpack(bytes: &[u8], bit: usize, width: usize, count: usize, into: &mut Vec<u32>) -> Option<()> {
    let end = bit.checked_add(count.checked_mul(width)?)?.div_ceil(8);
    if end > bytes.len() {
        return None;
    }
    let mask = if width == 0 { 0 } else { u64::MAX >> (64 - width) };
    let first = bit / 8;
    let needed = bytes.get(first..)?;
    let mut bit = bit % 8;
    into.extend((0..count).map(|_| {
        let word = word_at(needed, bit / 8) >> (bit % 8);
        bit += width;
        (word & mask) as u32
    }));
    Some(())
}

/// Eight bytes from a place on, of which those past the end are 0.
fn word_at(bytes: &[u8], at: usize) -> u64 {
    if let Some(word) = bytes.get(at..).and_then(<[u8]>::first_chunk) {
        return u64::from_le_bytes(*word);
    }
    bytes.get(at..).unwrap_or_default().iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The other way: one run for each number that repeats eight times or more, packed numbers else.
    fn encode(values: &[u32], width: usize, packed: &[bool]) -> Vec<u8> {
        let mut out = Vec::new();
        for (chunk, packed) in values.chunks(8).zip(packed.iter().chain(std::iter::repeat(&true))) {
            let same = chunk.iter().all(|value| *value == chunk[0]);
            if same && !packed {
                out.push((chunk.len() as u8) << 1);
                out.extend(&chunk[0].to_le_bytes()[..width.div_ceil(8)]);
                continue;
            }
            out.push(1 << 1 | 1);
            let mut bits = vec![0u8; width];
            for (at, value) in chunk.iter().enumerate() {
                for bit in (0..width).filter(|bit| value >> bit & 1 == 1) {
                    bits[(at * width + bit) / 8] |= 1 << ((at * width + bit) % 8);
                }
            }
            out.extend(bits);
        }
        out
    }

    proptest::proptest! {
        #[test]
        fn what_was_packed_reads_back(
            (width, values) in (0usize..=32).prop_flat_map(|width| {
                let max = (1u64 << width) as u32;
                let value = (0..=u32::MAX).prop_map(move |value| if width == 32 { value } else { value % max.max(1) });
                let groups = proptest::collection::vec((value.clone(), proptest::bool::ANY, value), 0..12);
                (Just(width), groups.prop_map(|groups| groups.into_iter().flat_map(|(first, same, other)| {
                    (0..8).map(move |at| if same || at < 3 { first } else { other })
                }).collect::<Vec<u32>>()))
            }),
            packed in proptest::collection::vec(proptest::bool::ANY, 0..12),
            step in 1usize..20,
        ) {
            let bytes = encode(&values, width, &packed);
            let mut hybrid = Hybrid::new(bytes.into(), width).expect("it was made so");
            let mut read = Vec::new();
            while read.len() < values.len() {
                let more = step.min(values.len() - read.len());
                hybrid.read(more, &mut read).expect("it was made so");
            }
            proptest::prop_assert_eq!(&read, &values);
            proptest::prop_assert!(hybrid.read(1, &mut read).is_none());
        }
    }
    use proptest::strategy::{Just, Strategy};

    #[test]
    fn a_run_is_known_before_it_is_read() {
        let mut hybrid = Hybrid::new(vec![20, 1, 4, 0].into(), 1).expect("it was made so");
        assert!(hybrid.is_run_of(1, 10));
        assert!(!hybrid.is_run_of(1, 11));
        assert!(!hybrid.is_run_of(0, 1));
        let mut read = Vec::new();
        hybrid.read(12, &mut read).expect("it was made so");
        assert_eq!(read, [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0]);
        assert!(!hybrid.is_run_of(0, 1));
    }
}
