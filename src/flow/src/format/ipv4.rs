//! IPv4 addresses out of bytes: flow logs have two or four in every record.
//!
//! Several times as fast as the standard library's reader. All sixteen bytes are looked at together and no branch depends on
//! where the dots are, which no processor can predict.

use std::net::Ipv4Addr;

/// The same byte sixteen times.
const fn all(byte: u8) -> u128 {
    u128::from_ne_bytes([byte; 16])
}

const HIGHS: u128 = all(0x80);

/// Four decimal numbers. What this does not take (leading zeros, which some read as octal), the standard library refuses as
/// well.
#[inline]
pub(super) fn ipv4(text: &[u8]) -> Option<Ipv4Addr> {
    let length = text.len();
    if !(7..=15).contains(&length) {
        return None;
    }
    let bytes = load(text);
    let dots = equal(bytes, b'.') & HIGHS;
    let digits = bytes ^ all(b'0');
    let over_nine = (digits + all(0x7f - 9)) | digits;
    let used = (1 << (8 * length)) - 1;
    let mut is_bad = over_nine & HIGHS & !dots & used != 0;

    let first = places(dots);
    let second = first & first.wrapping_sub(1);
    let third = second & second.wrapping_sub(1);
    is_bad |= third == 0 || third & third.wrapping_sub(1) != 0;
    let mut address = 0;
    let mut begin = 0;
    for end in [first.trailing_zeros(), second.trailing_zeros(), third.trailing_zeros(), length as u32] {
        let count = end.wrapping_sub(begin);
        is_bad |= count.wrapping_sub(1) > 2;
        let digits = (bytes >> ((8 * begin) & 127)) as u32 & 0x0f_0f_0f;
        is_bad |= digits & 0xff == 0 && count > 1;
        // The last digit to the third place, and nothing behind it.
        let digits = digits << (3u32.wrapping_sub(count).wrapping_mul(8) & 31);
        let octet = (digits & 0xff) * 100 + (digits >> 8 & 0xff) * 10 + (digits >> 16 & 0xff);
        is_bad |= octet > 255;
        address = address << 8 | octet;
        begin = end.wrapping_add(1);
    }
    if is_bad { None } else { Some(Ipv4Addr::from_bits(address)) }
}

/// Up to fifteen bytes, the first one lowest, and zeros.
#[inline]
fn load(text: &[u8]) -> u128 {
    match (text.first_chunk(), text.last_chunk()) {
        // Where they overlap they are the same.
        (Some(first), Some(last)) => {
            let shift = (8 * (text.len() - 8)) & 127;
            u128::from(u64::from_le_bytes(*first)) | u128::from(u64::from_le_bytes(*last)) << shift
        }
        _ => text.iter().rev().fold(0, |bytes, byte| bytes << 8 | u128::from(*byte)),
    }
}

/// The high bit of each byte that is this one; the other bits are of no meaning.
#[inline]
fn equal(bytes: u128, byte: u8) -> u128 {
    let differ = bytes ^ all(byte);
    !(((differ & all(0x7f)) + all(0x7f)) | differ)
}

/// One bit for each high bit of a byte.
#[inline]
fn places(highs: u128) -> u32 {
    // Multiplied by this, the eight bits meet in the highest byte.
    const GATHER: u64 = 0x0102_0408_1020_4080;
    let of_half = |half: u64| ((half >> 7).wrapping_mul(GATHER) >> 56) as u32;
    of_half(highs as u64) | of_half((highs >> 64) as u64) << 8
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(text: &[u8]) {
        let standard = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
        assert_eq!(ipv4(text), standard, "{}", text.escape_ascii());
    }

    #[test]
    fn every_octet_in_every_place() {
        for octet in 0..=300 {
            for place in 0..4 {
                for other in ["0", "7", "42", "255", "00", "256", ""] {
                    let mut octets = [other; 4].map(str::to_owned);
                    octets[place] = octet.to_string();
                    check(octets.join(".").as_bytes());
                    check(octets[..3].join(".").as_bytes());
                }
            }
        }
    }

    #[test]
    fn every_byte_in_every_place() {
        for text in ["1.2.3.4", "10.20.30.4", "100.200.30.40", "255.255.255.255"] {
            for place in 0..text.len() {
                for byte in 0..=255 {
                    let mut bytes = text.as_bytes().to_vec();
                    bytes[place] = byte;
                    check(&bytes);
                    bytes.insert(place, byte);
                    check(&bytes);
                }
            }
        }
    }

    proptest! {
        #[test]
        fn read_as_the_standard_library_reads_them(text in "[0-9.]{5,16}|([0-9]{1,3}\\.){2,4}[0-9]{0,3}|[./0:]{7,9}") {
            check(text.as_bytes());
        }
    }
}
