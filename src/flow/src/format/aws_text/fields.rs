//! Numbers and addresses out of bytes: hand-written, because a flow log is almost nothing else.
//!
//! Every function reads from a place in a line up to the next space or the end of the line, and gives that place back.
//! `None`: it is not what the function reads.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A value and the place after it.
pub(super) type Read<T> = Option<(T, usize)>;

/// Where the token that begins at a place ends: at a space or at the end of the line.
#[inline]
pub(super) fn token_end(line: &[u8], from: usize) -> usize {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGHS: u64 = u64::from_ne_bytes([0x80; 8]);
    const SPACES: u64 = u64::from_ne_bytes([b' '; 8]);
    let mut at = from;
    // Eight bytes at a time: the lowest high bit that is set marks the first byte that equals a space.
    while let Some(chunk) = line.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        let zeros = u64::from_le_bytes(*chunk) ^ SPACES;
        let found = zeros.wrapping_sub(ONES) & !zeros & HIGHS;
        if found != 0 {
            return at + (found.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    while line.get(at).is_some_and(|&byte| byte != b' ') {
        at += 1;
    }
    at
}

#[inline]
fn is_end(line: &[u8], at: usize) -> bool {
    line.get(at).is_none_or(|&byte| byte == b' ')
}

/// The digit at a place.
#[inline]
fn digit(line: &[u8], at: usize) -> Option<u8> {
    line.get(at).map(|byte| byte.wrapping_sub(b'0')).filter(|&digit| digit < 10)
}

/// A decimal number of at most `max`. Leading zeros are no fault.
#[inline]
pub(super) fn number(line: &[u8], from: usize, max: u64) -> Read<u64> {
    let mut value = u64::from(digit(line, from)?);
    let mut at = from + 1;
    while let Some(digit) = digit(line, at) {
        value = value.checked_mul(10)?.checked_add(u64::from(digit))?;
        at += 1;
    }
    (value <= max && is_end(line, at)).then_some((value, at))
}

/// An address of either family.
#[inline]
pub(super) fn address(line: &[u8], from: usize) -> Read<IpAddr> {
    match ipv4(line, from) {
        Some((address, at)) if is_end(line, at) => Some((IpAddr::V4(address), at)),
        _ => ipv6_token(line, from),
    }
}

/// Four numbers with dots between them, without leading zeros (which some read as octal).
#[inline]
fn ipv4(line: &[u8], from: usize) -> Read<Ipv4Addr> {
    let mut bits = 0;
    let mut at = from;
    for place in 0..4 {
        if place > 0 {
            if line.get(at) != Some(&b'.') {
                return None;
            }
            at += 1;
        }
        let (part, after) = part_of_ipv4(line, at)?;
        bits = bits << 8 | part;
        at = after;
    }
    Some((Ipv4Addr::from_bits(bits), at))
}

#[inline]
fn part_of_ipv4(line: &[u8], at: usize) -> Read<u32> {
    let first = u32::from(digit(line, at)?);
    let Some(second) = digit(line, at + 1) else { return Some((first, at + 1)) };
    if first == 0 {
        return None;
    }
    let two = first * 10 + u32::from(second);
    let Some(third) = digit(line, at + 2) else { return Some((two, at + 2)) };
    let three = two * 10 + u32::from(third);
    (three < 256).then_some((three, at + 3))
}

#[cold]
fn ipv6_token(line: &[u8], from: usize) -> Read<IpAddr> {
    let end = token_end(line, from);
    ipv6(&line[from..end]).map(|address| (IpAddr::V6(address), end))
}

/// Groups of up to four hexadecimal digits; `::` once, for one or more groups of zeros; the last two may be an IPv4
/// address (RFC 4291, 2.2).
fn ipv6(text: &[u8]) -> Option<Ipv6Addr> {
    let mut groups = [0u16; 8];
    let (mut count, mut gap, mut at) = (0, None, 0);
    if text.starts_with(b"::") {
        (gap, at) = (Some(0), 2);
    }
    while at < text.len() {
        if let Some((address, end)) = ipv4(text, at)
            && end == text.len()
        {
            let bits = address.to_bits();
            *groups.get_mut(count)? = (bits >> 16) as u16;
            *groups.get_mut(count + 1)? = bits as u16;
            count += 2;
            break;
        }
        let (group, after) = hexadecimal(text, at)?;
        *groups.get_mut(count)? = group;
        count += 1;
        at = match text.get(after..)? {
            [] => after,
            [b':', b':', ..] if gap.is_none() => {
                gap = Some(count);
                after + 2
            }
            // A colon alone must be followed by something.
            [b':', next, ..] if *next != b':' => after + 1,
            _ => return None,
        };
    }
    spread(groups, count, gap).map(Ipv6Addr::from)
}

/// Moves what stands behind the gap to the end.
fn spread(groups: [u16; 8], count: usize, gap: Option<usize>) -> Option<[u16; 8]> {
    let Some(gap) = gap else { return (count == 8).then_some(groups) };
    if count == 8 {
        return None;
    }
    let mut spread = [0; 8];
    let behind = count - gap;
    spread[..gap].copy_from_slice(&groups[..gap]);
    spread[8 - behind..].copy_from_slice(&groups[gap..count]);
    Some(spread)
}

fn hexadecimal(text: &[u8], from: usize) -> Read<u16> {
    let digit = |at: usize| text.get(at).and_then(|&byte| char::from(byte).to_digit(16));
    let mut value = digit(from)?;
    let mut at = from + 1;
    while let Some(digit) = digit(at) {
        if at - from == 4 {
            return None;
        }
        value = value << 4 | digit;
        at += 1;
    }
    Some((value as u16, at))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    /// Bytes that addresses are made of, so that many of the texts nearly are some.
    fn almost_addresses() -> impl Iterator<Item = String> {
        let mut rng = fastrand::Rng::with_seed(1);
        (0..400_000).map(move |_| {
            let address = if rng.bool() {
                Ipv4Addr::from_bits(rng.u32(..)).to_string()
            } else {
                let keep = rng.u128(..) & rng.u128(..) & rng.u128(..);
                Ipv6Addr::from_bits(keep >> rng.u8(0..127)).to_string()
            };
            let mut text = address.into_bytes();
            for _ in 0..rng.u8(0..3) {
                let at = rng.usize(..text.len());
                match rng.u8(..4) {
                    0 => drop(text.remove(at)),
                    1 => text.insert(at, *rng.choice(b"0123456789abcdefF:.:.").unwrap()),
                    2 => text.truncate(at + 1),
                    _ => text[at] = *rng.choice(b":.0f").unwrap(),
                }
                if text.is_empty() {
                    text.push(b':');
                }
            }
            String::from_utf8(text).unwrap()
        })
    }

    #[test]
    fn addresses_are_read_as_the_standard_library_reads_them() {
        let (mut good, mut bad) = ([0; 2], 0);
        for text in almost_addresses() {
            let line = format!("{text} 1");
            let ours = address(line.as_bytes(), 0).map(|(address, end)| {
                assert_eq!(end, text.len(), "{text}");
                address
            });
            assert_eq!(ours, text.parse().ok(), "{text}");
            match ours {
                Some(address) => good[usize::from(address.is_ipv6())] += 1,
                None => bad += 1,
            }
        }
        println!("{} IPv4, {} IPv6, {bad} of neither", good[0], good[1]);
        assert!(good.iter().all(|&count| count > 20_000) && bad > 20_000);
    }

    #[test]
    fn numbers_end_at_their_bound() {
        for (text, max, value) in [
            ("65535", 65535, Some(65535)),
            ("65536", 65535, None),
            ("18446744073709551615", u64::MAX, Some(u64::MAX)),
            ("18446744073709551616", u64::MAX, None),
            ("99999999999999999999999", u64::MAX, None),
            ("007", 255, Some(7)),
            ("", 9, None),
            ("-", 9, None),
            ("-1", 9, None),
            ("1x", 9, None),
            ("+1", 9, None),
        ] {
            assert_eq!(number(text.as_bytes(), 0, max).map(|(value, _)| value), value, "{text}");
            let more = format!("{text} 5");
            assert_eq!(number(more.as_bytes(), 0, max), value.map(|value| (value, text.len())), "{text}");
        }
    }

    #[test]
    fn a_token_ends_at_its_first_space() {
        let mut rng = fastrand::Rng::with_seed(2);
        for _ in 0..20_000 {
            let line: Vec<u8> = (0..rng.usize(..40)).map(|_| *rng.choice(b" !\x1f\xa0x").unwrap()).collect();
            let from = rng.usize(..=line.len());
            let end = line[from..].iter().position(|&byte| byte == b' ').map_or(line.len(), |at| from + at);
            assert_eq!(token_end(&line, from), end, "{line:?} from {from}");
        }
    }
}
