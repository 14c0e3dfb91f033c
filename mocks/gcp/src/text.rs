//! Small texts of the two interfaces: encoded paths, times, fingerprints, page tokens.

use jiff::Timestamp;
use jiff::tz::Offset;
use mock_cloud::time::unix_ms;

/// A text without its percent signs; a wrong one stays.
pub fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut found = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let escaped = text.get(at + 1..at + 3).filter(|_| byte == b'%');
        match escaped.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(value) => {
                found.push(value);
                at += 3;
            }
            None => {
                found.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&found).into_owned()
}

/// A virtual time as Compute Engine writes it.
pub fn time(ms: u64) -> String {
    let at = Timestamp::from_millisecond(unix_ms(ms) as i64).unwrap_or(Timestamp::MIN);
    at.display_with_offset(Offset::UTC).to_string()
}

/// Sixty-four bits as a fingerprint: base64 of eight bytes.
pub fn fingerprint(bits: u64) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text: String = (0..11u32)
        .map(|n| {
            let left = 64 - 6 * (n as i32 + 1);
            let six = if left >= 0 { bits >> left } else { bits << -left };
            char::from(LETTERS.get((six & 63) as usize).copied().unwrap_or(b'A'))
        })
        .collect();
    text.push('=');
    text
}

/// A number that looks drawn: the same for the same input.
pub fn spread(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// What a page token says: hexadecimal of the last name before it.
pub fn page_token(name: &str) -> String {
    name.bytes().map(|byte| format!("{byte:02x}")).collect()
}

/// The name in a page token.
pub fn page_start(token: &str) -> Option<String> {
    let digits = (0..token.len()).step_by(2).map(|at| token.get(at..at + 2));
    let bytes: Option<Vec<u8>> = digits.map(|two| u8::from_str_radix(two?, 16).ok()).collect();
    String::from_utf8(bytes?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_as_google_writes_them() {
        assert_eq!(decoded("%2F%2Fa%2Fb/c%zz%"), "//a/b/c%zz%");
        assert_eq!(time(1500), "2026-11-01T00:00:01.5+00:00");
        assert_eq!(fingerprint(0), "AAAAAAAAAAA=");
        assert_eq!(fingerprint(u64::MAX), "__________8=");
        assert_eq!(page_start(&page_token("web-1")).as_deref(), Some("web-1"));
        assert_eq!(page_start("zz"), None);
    }
}
