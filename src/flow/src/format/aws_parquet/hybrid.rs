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

/// Numbers that follow each other.
pub(super) enum Part<'a> {
    /// So many times the same number.
    Same {
        /// The number.
        value: u32,
        /// How many times.
        count: usize,
    },
    /// Each by itself.
    Each(&'a [u32]),
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

    /// The next numbers, at most so many; `None` if there are none. Those that are packed are unpacked into `space`.
    pub(super) fn next<'a>(&mut self, most: usize, space: &'a mut Vec<u32>) -> Option<Part<'a>> {
        while matches!(self.run, Run::Same { left: 0, .. } | Run::Packed { left: 0, .. }) {
            self.next_run()?;
        }
        match &mut self.run {
            Run::Same { value, left } => {
                let count = most.min(*left);
                *left -= count;
                Some(Part::Same { value: *value, count })
            }
            Run::Packed { left, bit } => {
                let count = most.min(*left);
                space.clear();
                // Up to where eight of them begin at a byte.
                let single = count.min(*left % 8);
                let eights = (count - single) / 8;
                let rest = count - single - eights * 8;
                unpack_each(&self.bytes, bit, self.width, single, space)?;
                unpack_eights(&self.bytes, bit, self.width, eights, space)?;
                unpack_each(&self.bytes, bit, self.width, rest, space)?;
                *left -= count;
                Some(Part::Each(space))
            }
        }
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

/// Unpacks numbers from a bit on, which moves behind them.
fn unpack_each(bytes: &[u8], bit: &mut usize, width: usize, count: usize, into: &mut Vec<u32>) -> Option<()> {
    let end = bit.checked_add(count.checked_mul(width)?)?;
    if end.div_ceil(8) > bytes.len() {
        return None;
    }
    let mask = if width == 0 { 0 } else { u64::MAX >> (64 - width) };
    into.extend((0..count).map(|place| {
        let bit = *bit + place * width;
        (word_at(bytes, bit / 8) >> (bit % 8) & mask) as u32
    }));
    *bit = end;
    Some(())
}

/// The same for so many times eight numbers that begin at a byte: one piece of code for each width, so that every shift is known
/// beforehand.
fn unpack_eights(
    bytes: &[u8],
    bit: &mut usize,
    width: usize,
    count: usize,
    into: &mut Vec<u32>,
) -> Option<()> {
    let begin = *bit / 8;
    let packed = bytes.get(begin..begin.checked_add(count.checked_mul(width)?)?)?;
    macro_rules! of_width {
        ($($width:literal)*) => {
            match width {
                0 => into.resize(into.len() + count * 8, 0),
                $($width => eights::<$width>(packed, into),)*
                _ => return None,
            }
        };
    }
    of_width!(1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32);
    *bit += count * 8 * width;
    Some(())
}

/// The most bytes that eight numbers take, and those that are loaded with the last one.
const WINDOW_BYTES: usize = 32 + 8;

fn eights<const WIDTH: usize>(packed: &[u8], into: &mut Vec<u32>) {
    into.reserve(packed.len() / WIDTH * 8);
    let mut rest = packed;
    while let Some(window) = rest.first_chunk::<WINDOW_BYTES>() {
        into.extend_from_slice(&eight::<WIDTH>(window));
        rest = rest.get(WIDTH..).unwrap_or_default();
    }
    for last in rest.chunks_exact(WIDTH) {
        let mut window = [0; WINDOW_BYTES];
        window.iter_mut().zip(last).for_each(|(to, from)| *to = *from);
        into.extend_from_slice(&eight::<WIDTH>(&window));
    }
}

#[inline]
fn eight<const WIDTH: usize>(window: &[u8; WINDOW_BYTES]) -> [u32; 8] {
    std::array::from_fn(|place| {
        let bit = place * WIDTH;
        (word_at(window, bit / 8) >> (bit % 8) & (u64::MAX >> (64 - WIDTH))) as u32
    })
}

/// Eight bytes from a place on, of which those past the end are 0.
#[inline]
fn word_at(bytes: &[u8], at: usize) -> u64 {
    if let Some(word) = bytes.get(at..).and_then(<[u8]>::first_chunk) {
        return u64::from_le_bytes(*word);
    }
    bytes.get(at..).unwrap_or_default().iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads so many numbers; `None` if there are fewer.
    fn read(hybrid: &mut Hybrid, count: usize, into: &mut Vec<u32>) -> Option<()> {
        let (end, mut space) = (into.len() + count, Vec::new());
        while into.len() < end {
            match hybrid.next(end - into.len(), &mut space)? {
                Part::Same { value, count } => into.resize(into.len() + count, value),
                Part::Each(values) => into.extend(values),
            }
        }
        Some(())
    }

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
                self::read(&mut hybrid, more, &mut read).expect("it was made so");
            }
            proptest::prop_assert_eq!(&read, &values);
            proptest::prop_assert!(self::read(&mut hybrid, 1, &mut read).is_none());
        }
    }
    use proptest::strategy::{Just, Strategy};

    proptest::proptest! {
        #[test]
        fn long_runs_of_packed_numbers_read_back(
            width in 1usize..=32,
            seed: u64,
            groups in 1usize..40,
            steps in proptest::collection::vec(1usize..50, 1..40),
        ) {
            let mask = u64::MAX >> (64 - width);
            let mut state = seed | 1;
            let values: Vec<u32> = (0..groups * 8).map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (state >> 24 & mask) as u32
            }).collect();
            let mut bytes = vec![(groups << 1 | 1) as u8];
            let mut bits = vec![0u8; groups * width];
            for at in 0..values.len() * width {
                bits[at / 8] |= ((values[at / width] >> (at % width) & 1) as u8) << (at % 8);
            }
            bytes.extend(bits);
            let mut hybrid = Hybrid::new(bytes.into(), width).expect("it was made so");
            let mut read = Vec::new();
            for step in steps.iter().cycle() {
                let more = (*step).min(values.len() - read.len());
                self::read(&mut hybrid, more, &mut read).expect("it was made so");
                if read.len() == values.len() {
                    break;
                }
            }
            proptest::prop_assert_eq!(&read, &values);
            proptest::prop_assert!(self::read(&mut hybrid, 1, &mut read).is_none());
        }
    }

    #[test]
    fn a_run_is_known_before_it_is_read() {
        let mut hybrid = Hybrid::new(vec![20, 1, 4, 0].into(), 1).expect("it was made so");
        assert!(hybrid.is_run_of(1, 10));
        assert!(!hybrid.is_run_of(1, 11));
        assert!(!hybrid.is_run_of(0, 1));
        let mut read = Vec::new();
        self::read(&mut hybrid, 12, &mut read).expect("it was made so");
        assert_eq!(read, [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0]);
        assert!(!hybrid.is_run_of(0, 1));
    }
}
