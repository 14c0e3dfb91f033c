//! Digits of which it is known where they end: all of a field at once, with the same steps whatever its length.
//!
//! `None`: it is not that, or not as it is in nearly all lines. Whoever asks reads it byte by byte then.

use super::bits::equal_16;
use super::window::{Field, Window, load};

const ZEROS: u64 = u64::from_ne_bytes([b'0'; 8]);
const HIGHS: u64 = u64::from_ne_bytes([0x80; 8]);
/// What lifts a byte of at least 10 to at least 0x80.
const LIFT: u64 = u64::from_ne_bytes([0x80 - 10; 8]);

/// A decimal number of 1 to 16 digits.
#[inline(always)]
pub(super) fn number(window: &Window, field: Field) -> Option<u64> {
    let len = field.len();
    if len > 8 {
        return longer(window, field);
    }
    up_to_eight(window, field.start, len)
}

#[cold]
#[inline(never)]
fn longer(window: &Window, field: Field) -> Option<u64> {
    let len = field.len().checked_sub(8).filter(|&len| len <= 8)?;
    let high = up_to_eight(window, field.start, len)?;
    Some(high * 100_000_000 + up_to_eight(window, field.start + len, 8)?)
}

/// A number of 1 to 8 digits: moved to the end of a word, with zeros before them.
#[inline(always)]
fn up_to_eight(window: &Window, start: usize, len: usize) -> Option<u64> {
    let digits = u64::from_le_bytes(load(window, start)) ^ ZEROS;
    let digits = digits.wrapping_shl(0u32.wrapping_sub(8 * len as u32));
    are_digits(digits).then(|| eight(digits))
}

#[inline(always)]
fn are_digits(bytes: u64) -> bool {
    (bytes | bytes.wrapping_add(LIFT)) & HIGHS == 0
}

/// The number of eight digits: pairs, pairs of pairs, and both of these.
#[inline(always)]
fn eight(digits: u64) -> u64 {
    let pairs = digits * 10 + (digits >> 8);
    let first = (pairs & 0x0000_00ff_0000_00ff).wrapping_mul(0x000f_4240_0000_0064);
    let second = (pairs >> 16 & 0x0000_00ff_0000_00ff).wrapping_mul(0x0000_2710_0000_0001);
    first.wrapping_add(second) >> 32
}

/// The first eight digits of a time, which many lines have in common.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Known {
    digits: u64,
    number: u64,
}

/// A number of usually ten digits.
#[inline(always)]
pub(super) fn time(window: &Window, field: Field, known: &mut Known) -> Option<u64> {
    if field.len() != 10 {
        return number(window, field);
    }
    let first = u64::from_le_bytes(load(window, field.start));
    if first != known.digits {
        let digits = Some(first ^ ZEROS).filter(|&digits| are_digits(digits))?;
        *known = Known { digits: first, number: eight(digits) };
    }
    let last = u64::from(u16::from_le_bytes(load(window, field.start + 8))) ^ (ZEROS & 0xffff);
    are_digits(last).then(|| known.number * 100 + (last & 0xff) * 10 + (last >> 8))
}

/// Four numbers with dots between them, in the notation that has one form for each address.
#[inline(always)]
pub(super) fn ipv4(window: &Window, field: Field) -> Option<u32> {
    let len = field.len() as u32;
    let text = load(window, field.start);
    // A bit for each byte; the place after the address counts as a dot.
    let end = 1u32.wrapping_shl(len);
    let dots = u32::from(equal_16(&text, b'.')) & (end - 1);
    let second = dots & dots.wrapping_sub(1);
    let third = second & second.wrapping_sub(1);
    let stops = dots | end;
    let starts = stops << 1 | 1;
    let others = !stops & (end - 1);
    let pairs = others & others >> 1;
    let leading_zeros = u32::from(equal_16(&text, b'0')) & starts & others >> 1;
    let is_of_four = third != 0 && third & third.wrapping_sub(1) == 0 && len <= 15;
    // No part of none and of more than three.
    if !is_of_four || (stops & starts) | (pairs & pairs >> 2) | leading_zeros != 0 {
        return None;
    }
    let stops = [dots.trailing_zeros(), second.trailing_zeros(), third.trailing_zeros(), len];
    let begins = [0, stops[0] + 1, stops[1] + 1, stops[2] + 1];
    let part = |place: usize| {
        let word = u32::from_le_bytes(load(window, field.start + begins[place] as usize));
        let shift = 24u32.wrapping_sub(8 * (stops[place] - begins[place])) & 31;
        u64::from(((word ^ ZEROS as u32) << shift) & 0xff_ffff)
    };
    let [low, high] = [part(0) | part(1) << 32, part(2) | part(3) << 32];
    if !are_digits(low) || !are_digits(high) {
        return None;
    }
    let [low, high] = [low, high].map(two);
    let is_small = (low | high) & 0xffff_ff00_ffff_ff00 == 0;
    let bits = low << 24 | low >> 16 | high << 8 | high >> 32;
    is_small.then_some(bits as u32)
}

/// Two numbers, each of a hundred, a ten and a one in the lower three bytes of half a word.
#[inline(always)]
fn two(digits: u64) -> u64 {
    let hundreds_and_ones = (digits & 0x00ff_00ff_00ff_00ff).wrapping_mul(100 << 16 | 1);
    let tens = digits >> 8 & 0x0000_00ff_0000_00ff;
    (hundreds_and_ones >> 16 & 0x0000_ffff_0000_ffff) + tens * 10
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::format::aws_text::window::WINDOW_BYTES;

    /// A token somewhere in a window full of things that look like a part of it.
    fn placed(token: &str, rng: &mut fastrand::Rng) -> (Window, Field) {
        let window = [0; WINDOW_BYTES].map(|_: u8| *rng.choice(b"0123456789. \n").unwrap());
        // The first byte and the last bytes of the text are as good as others.
        let start = *rng.choice(&[0, 1, 500, 4096 - token.len() - 1]).unwrap();
        let field = Field { start, end: start + token.len() };
        let mut window = window;
        window[field.start..field.end].copy_from_slice(token.as_bytes());
        (window, field)
    }

    #[test]
    fn a_number_is_read_whatever_stands_around_it() {
        let mut rng = fastrand::Rng::with_seed(5);
        let (mut good, mut bad) = ([0; 17], 0);
        for _ in 0..60_000 {
            let mut token: Vec<u8> = (0..rng.usize(1..=18)).map(|_| rng.u8(b'0'..=b'9')).collect();
            if rng.u8(..4) == 0 {
                let at = rng.usize(..token.len());
                token[at] = *rng.choice(b"/:.-+a\r\0\x7f").unwrap();
            }
            let token = String::from_utf8(token).unwrap();
            let (window, field) = placed(&token, &mut rng);
            let expected = token.parse().ok().filter(|_| !token.starts_with('+') && token.len() <= 16);
            assert_eq!(number(&window, field), expected, "{token}");
            assert_eq!(time(&window, field, &mut Known::default()), expected, "{token}");
            match expected {
                Some(_) => good[token.len()] += 1,
                None => bad += 1,
            }
        }
        println!("{good:?} of each length, {bad} of none");
        assert!(good[1..].iter().all(|&count| count > 1500) && bad > 10_000);
    }

    #[test]
    fn a_time_is_read_as_a_number_whatever_time_was_before_it() {
        let mut rng = fastrand::Rng::with_seed(6);
        let mut known = Known::default();
        for _ in 0..20_000 {
            let mut token = (1_790_000_000 + rng.u64(..400)).to_string().into_bytes();
            if rng.u8(..8) == 0 {
                let at = rng.usize(..10);
                token[at] = *rng.choice(b"/:x").unwrap();
            }
            let token = String::from_utf8(token).unwrap();
            let (window, field) = placed(&token, &mut rng);
            assert_eq!(time(&window, field, &mut known), token.parse().ok(), "{token}");
        }
    }

    #[test]
    fn addresses_are_read_as_the_standard_library_reads_them() {
        let mut rng = fastrand::Rng::with_seed(7);
        let (mut good, mut bad) = (0, 0);
        for _ in 0..100_000 {
            let parts: Vec<String> = (0..4 + usize::from(rng.u8(..20) == 0) - usize::from(rng.u8(..20) == 0))
                .map(|_| match rng.u8(..8) {
                    0 => rng.u16(..400).to_string(),
                    1 if rng.bool() => format!("{:02}", rng.u8(..30)),
                    2 if rng.u8(..4) == 0 => String::new(),
                    _ => (rng.u8(..) >> rng.u8(..8)).to_string(),
                })
                .collect();
            let mut token = parts.join(".").into_bytes();
            if token.is_empty() || rng.u8(..10) == 0 {
                let at = rng.usize(..=token.len());
                token.insert(at, *rng.choice(b"/:-1x.\r\0\xb0").unwrap());
                token.iter_mut().for_each(|byte| *byte &= 0x7f);
            }
            let token = String::from_utf8(token).unwrap();
            let (window, field) = placed(&token, &mut rng);
            let expected: Option<Ipv4Addr> = token.parse().ok();
            assert_eq!(ipv4(&window, field).map(Ipv4Addr::from_bits), expected, "{token}");
            match expected {
                Some(_) => good += 1,
                None => bad += 1,
            }
        }
        println!("{good} addresses, {bad} others");
        assert!(good > 40_000 && bad > 20_000);
    }

    #[test]
    fn every_part_of_an_address_is_read() {
        let mut rng = fastrand::Rng::with_seed(8);
        for part in 0..1000 {
            for place in 0..4 {
                let parts: Vec<String> =
                    (0..4).map(|at| if at == place { part } else { 7 }.to_string()).collect();
                let token = parts.join(".");
                let (window, field) = placed(&token, &mut rng);
                assert_eq!(ipv4(&window, field).map(Ipv4Addr::from_bits), token.parse().ok(), "{token}");
            }
        }
    }
}
