//! Names of interfaces as Amazon gives them, `eni-` and 17 or 8 hexadecimal digits, as numbers.

pub(crate) const LONG_NAME_BYTES: usize = 21;
pub(crate) const SHORT_NAME_BYTES: usize = 12;
pub(crate) const LOW_NIBBLES: u64 = u64::from_ne_bytes([0x0f; 8]);

/// The digits of a name as AWS gives them: no two names of one length have the same.
#[inline(always)]
pub(crate) fn digits(name: &[u8]) -> Option<u64> {
    if let Ok(long) = <&[u8; LONG_NAME_BYTES]>::try_from(name) {
        let (begin, digits) = long.split_first_chunk::<5>()?;
        let ([first, last], []) = digits.as_chunks::<8>() else { return None };
        let [first, last] = [hexadecimal(*first)?, hexadecimal(*last)?];
        return (begin == b"eni-0").then_some(first << 4 | last);
    }
    let digits = <&[u8; SHORT_NAME_BYTES]>::try_from(name).ok()?.strip_prefix(b"eni-")?;
    hexadecimal(*digits.first_chunk()?)
}

/// Eight hexadecimal digits in small letters, each in the lower half of its byte.
#[inline(always)]
fn hexadecimal(text: [u8; 8]) -> Option<u64> {
    const HIGHS: u64 = u64::from_ne_bytes([0x80; 8]);
    let text = u64::from_le_bytes(text);
    // The high bit of a byte of at most 0x7f: whether it is at least that.
    let at_least = |byte: u8| text.wrapping_add(u64::from_ne_bytes([0x80 - byte; 8]));
    let letters = at_least(b'a');
    let are_digits = at_least(b'0') ^ at_least(b'9' + 1) ^ letters ^ at_least(b'f' + 1);
    let nibbles = (text & LOW_NIBBLES) + ((letters & HIGHS) >> 7) * 9;
    (are_digits & !text & HIGHS == HIGHS).then_some(nibbles)
}
