//! Mutations: small things that go wrong with bytes, and values at which readers break.

/// A source of random numbers; the seed is printed.
pub type Random = fastrand::Rng;

const TOKENS: [&[u8]; 48] = [
    b"\"",
    b"\\",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"\n",
    b"\r\n",
    b"\0",
    b" ",
    b"-",
    b"0",
    b"-1",
    b"255",
    b"256",
    b"65535",
    b"65536",
    b"4294967296",
    b"18446744073709551615",
    b"18446744073709551616",
    b"1e400",
    b"0.5",
    b"null",
    b"true",
    b"{}",
    b"[]",
    b"\"\"",
    b"\\u0000",
    b"\\ud800",
    b"\\\"",
    b"\xff",
    b"\xc3\xa9",
    b"\xef\xbb\xbf",
    b"::1",
    b"0.0.0.0",
    b"255.255.255.255",
    b"999999999999",
    b"100000000000",
    b"T",
    b"B",
    b"]}",
    b",{",
    b"records",
    b"PAR1",
    b"\x7f\xff\xff\xff",
    b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
];

/// The most bytes of an input.
const BYTES_MAX: usize = 1 << 16;

/// Mutates bytes a few times over; `other` is another shape to take parts from.
pub fn mutate(bytes: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    // Few mutations keep most of an input whole; that is where the readers' depths are.
    for _ in 0..1 << random.u32(..4) {
        once(bytes, other, random);
        bytes.truncate(BYTES_MAX);
    }
}

fn once(bytes: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    let at = random.usize(..=bytes.len());
    let end = (at + length(random)).min(bytes.len());
    match random.u8(..10) {
        0 => bytes.truncate(at),
        1 => drop(bytes.drain(at..end)),
        2 => {
            let part = bytes[at..end].to_vec();
            let to = random.usize(..=bytes.len());
            bytes.splice(to..to, part);
        }
        3 => {
            let token = TOKENS[random.usize(..TOKENS.len())];
            bytes.splice(at..at, token.iter().copied());
        }
        4 => {
            let token = TOKENS[random.usize(..TOKENS.len())];
            bytes.splice(at..end, token.iter().copied());
        }
        5 => {
            let from = random.usize(..=other.len());
            let part = &other[from..(from + length(random)).min(other.len())];
            bytes.splice(at..end, part.iter().copied());
        }
        6 => bytes[at..end].fill_with(|| random.u8(..)),
        7 => bytes[at..end].iter_mut().take(1).for_each(|byte| *byte ^= 1 << random.u8(..8)),
        8 => bytes[at..end].iter_mut().take(1).for_each(|byte| *byte = byte.wrapping_add(random.u8(..))),
        _ => number(bytes, at, random),
    }
}

/// Mostly short, at times long.
fn length(random: &mut Random) -> usize {
    1 << random.u32(..9)
}

/// Changes a digit of the next number.
fn number(bytes: &mut [u8], at: usize, random: &mut Random) {
    if let Some(digit) = bytes[at..].iter_mut().find(|byte| byte.is_ascii_digit()) {
        *digit = random.u8(b'0'..=b'9');
    }
}
