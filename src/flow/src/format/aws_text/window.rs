//! A window of text, and where the fields of its lines begin and end: found for 64 bytes at once, without a branch for each
//! byte.
//!
//! A window has a fixed length, so that no load in it has to be checked.

use super::bits::equal;

/// So much text is looked at before it is read: it stays in the nearest cache.
pub(super) const TEXT_BYTES: usize = 4 << 10;
/// A field may be loaded together with bytes behind it.
const SPARE_BYTES: usize = 64;
pub(super) const WINDOW_BYTES: usize = TEXT_BYTES + SPARE_BYTES;
/// So many places are written for each 64 bytes, needed or not: a loop that ends somewhere else each time costs more.
const AT_ONCE: usize = 12;

/// Text, and bytes behind it.
pub(super) type Window = [u8; WINDOW_BYTES];

/// Where a field begins and ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Field {
    pub(super) start: usize,
    pub(super) end: usize,
}

impl Field {
    #[inline(always)]
    pub(super) fn len(self) -> usize {
        self.end - self.start
    }
}

/// The bytes from a place of the text on.
#[inline(always)]
pub(super) fn load<const N: usize>(window: &Window, at: usize) -> [u8; N] {
    const { assert!(N <= SPARE_BYTES && TEXT_BYTES.is_power_of_two(), "every load is inside") }
    // For a place of the text this changes nothing; it shows the compiler that the load is inside.
    let at = at % TEXT_BYTES;
    let mut bytes = [0; N];
    bytes.copy_from_slice(&window[at..at + N]);
    bytes
}

/// Places in a text, in order; what stands behind `count` of them means nothing.
#[derive(Clone, Debug)]
struct Places {
    at: [u16; TEXT_BYTES + 64],
    count: usize,
}

/// The spaces and line ends of a window.
#[derive(Clone, Debug)]
pub(super) struct Separators {
    /// The place after each of them, and 0 in front.
    starts: Places,
    /// The place after each line end.
    lines: Places,
    /// Whether there is a field of no bytes.
    has_empty: bool,
}

/// A line that ends in a window.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found<'a> {
    pub(super) begin: usize,
    /// The place after its end.
    pub(super) after: usize,
    /// Where each field begins, and the place after the line's end; only if it has as many fields as was asked for.
    pub(super) starts: Option<&'a [u16]>,
}

/// Goes through the lines of a window.
#[derive(Clone, Debug)]
pub(super) struct FoundLines<'a> {
    starts: &'a [u16],
    lines: std::slice::Iter<'a, u16>,
    /// How many fields were passed.
    passed: usize,
}

impl Default for Separators {
    fn default() -> Self {
        let none = Places { at: [0; TEXT_BYTES + 64], count: 0 };
        Self { starts: none.clone(), lines: none, has_empty: false }
    }
}

impl Separators {
    /// Finds all in the first bytes of a window.
    pub(super) fn find(&mut self, window: &Window, len: usize) {
        self.starts.at[0] = 0;
        (self.starts.count, self.lines.count) = (1, 0);
        let (chunks, _) = window.as_chunks::<64>();
        // The text begins as after a separator.
        let (mut empty, mut before) = (0, 1);
        let mut base = 0;
        for chunk in chunks.iter().take(len.div_ceil(64)) {
            let [spaces, mut ends] = equal(chunk, [b' ', b'\n']);
            let mut all = spaces | ends;
            if len - base < 64 {
                let text = (1 << (len - base)) - 1;
                (all, ends) = (all & text, ends & text);
            }
            empty |= all & (all << 1 | before);
            before = all >> 63;
            self.starts.push::<AT_ONCE>(base as u32 + 1, all);
            self.lines.push::<0>(base as u32 + 1, ends);
            base += 64;
        }
        self.has_empty = empty != 0;
    }

    /// Whether there is a field of no bytes.
    pub(super) fn has_empty(&self) -> bool {
        self.has_empty
    }

    /// The lines that end in the window.
    pub(super) fn lines(&self) -> FoundLines<'_> {
        FoundLines { starts: self.starts.all(), lines: self.lines.all().iter(), passed: 0 }
    }
}

impl Places {
    /// Adds a place for each bit that is set, the first `N` without a branch.
    #[inline(always)]
    fn push<const N: usize>(&mut self, base: u32, mut bits: u64) {
        let room = self.at.get_mut(self.count..).and_then(<[u16]>::split_first_chunk_mut::<N>);
        let Some((first, more)) = room else { return };
        if N > 0 {
            self.count += bits.count_ones() as usize;
        }
        for place in first {
            *place = (base + bits.trailing_zeros()) as u16;
            bits &= bits.wrapping_sub(1);
        }
        for place in more {
            if bits == 0 {
                break;
            }
            *place = (base + bits.trailing_zeros()) as u16;
            bits &= bits - 1;
            self.count += usize::from(N == 0);
        }
    }

    fn all(&self) -> &[u16] {
        self.at.get(..self.count).unwrap_or_default()
    }
}

impl<'a> FoundLines<'a> {
    /// The next line, with its fields if there are `count` of them.
    #[inline(always)]
    pub(super) fn next(&mut self, count: usize) -> Option<Found<'a>> {
        let after = *self.lines.next()?;
        let begin = usize::from(*self.starts.get(self.passed)?);
        let starts = self.starts.get(self.passed..=self.passed + count);
        if let Some(starts) = starts.filter(|starts| starts.last() == Some(&after)) {
            self.passed += count;
            return Some(Found { begin, after: after.into(), starts: Some(starts) });
        }
        while self.starts.get(self.passed).is_some_and(|&start| start < after) {
            self.passed += 1;
        }
        Some(Found { begin, after: after.into(), starts: None })
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn lines_and_fields_are_those_that_a_split_gives() {
        let mut rng = fastrand::Rng::with_seed(11);
        let mut separators = Separators::default();
        let (mut whole, mut others, mut empty) = (0, 0, 0);
        for _ in 0..60_000 {
            let len = if rng.u8(..50) == 0 { rng.usize(..=TEXT_BYTES) } else { rng.usize(..100) };
            let kinds = [&b"x \n"[..], b"xxxx \n", b"xx  \n", b"xxxxxxxxxxxx\n", b" \n", b"xx"];
            let kinds = rng.choice(kinds).unwrap();
            let mut window = [b' '; WINDOW_BYTES];
            window[..len].fill_with(|| *rng.choice(kinds).unwrap());
            let count = rng.usize(1..6);
            separators.find(&window, len);
            let mut found = separators.lines();
            let mut begin = 0;
            let text = &window[..len];
            let is_empty = |field: &[u8]| field.is_empty();
            let mut has_empty = false;
            for line in text.split_inclusive(|&byte| byte == b'\n') {
                let fields: Vec<&[u8]> = line.split(|byte| b" \n".contains(byte)).collect();
                // What stands behind the last separator may go on behind the text.
                has_empty |= fields.iter().rev().skip(1).any(|field| is_empty(field));
                if line.last() != Some(&b'\n') {
                    break;
                }
                let next = found.next(count).unwrap();
                assert_eq!((next.begin, next.after), (begin, begin + line.len()));
                let fields = &fields[..fields.len() - 1];
                match next.starts {
                    Some(starts) => {
                        let ours: Vec<&[u8]> = starts
                            .windows(2)
                            .map(|two| &text[two[0].into()..usize::from(two[1]) - 1])
                            .collect();
                        assert_eq!(ours, fields);
                        whole += 1;
                    }
                    None => {
                        assert_ne!(fields.len(), count);
                        others += 1;
                    }
                }
                begin += line.len();
            }
            assert!(found.next(count).is_none());
            assert_eq!(separators.has_empty(), has_empty, "{}", text.escape_ascii());
            empty += usize::from(has_empty);
        }
        println!("{whole} lines with the fields, {others} others, {empty} windows with empty fields");
        assert!(whole > 50_000 && others > 100_000 && empty > 20_000);
    }
}
