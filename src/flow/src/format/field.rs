//! Numbers and addresses as they stand in the fields of flow logs.

use std::net::IpAddr;

use policy::service::protocol::TCP;

use super::ipv4::ipv4;
use crate::record::Outcome;

/// The connections that an AWS record stands for: with TCP flags and without a SYN among them it goes on with one that an
/// earlier record began. What was dropped is an attempt, whatever it was.
pub(super) fn opened(protocol: u8, tcp_flags: Option<u8>, outcome: Outcome) -> u32 {
    const SYN: u8 = 2;
    let goes_on = protocol == TCP && tcp_flags.is_some_and(|flags| flags & SYN == 0);
    u32::from(!goes_on || outcome == Outcome::Rejected)
}

/// A whole number of digits alone; `None` for anything else, and over 64 bits.
pub(super) fn unsigned(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    // Nineteen digits always fit.
    if text.len() <= 19 {
        return text.iter().try_fold(0, |number, byte| Some(number * 10 + digit(*byte)?));
    }
    text.iter().try_fold(0u64, |number, byte| number.checked_mul(10)?.checked_add(digit(*byte)?))
}

fn digit(byte: u8) -> Option<u64> {
    let digit = byte.wrapping_sub(b'0');
    (digit < 10).then_some(u64::from(digit))
}

/// Times from here on are in milliseconds. In seconds, this is the year 5138; in milliseconds, 1973.
const MILLISECONDS_FROM: i64 = 100_000_000_000;

/// Unix seconds of a time in seconds or milliseconds: Azure writes both, and AWS was seen to.
pub(super) fn seconds(time: i64) -> i64 {
    if time >= MILLISECONDS_FROM { time / 1000 } else { time }
}

/// An address of either family in any of its text forms.
#[inline]
pub(super) fn address(text: &[u8]) -> Option<IpAddr> {
    ipv4(text).map(IpAddr::V4).or_else(|| std::str::from_utf8(text).ok()?.parse().ok())
}

/// A fault, with a reason of one line and bounded length.
pub(super) fn fault(offset: u64, reason: impl Into<String>) -> crate::Fault {
    let mut reason: String = reason.into();
    if reason.len() > REASON_BYTES_MAX {
        let end = (0..=REASON_BYTES_MAX).rev().find(|at| reason.is_char_boundary(*at)).unwrap_or(0);
        reason.truncate(end);
        reason.push('…');
    }
    if reason.contains(char::is_control) {
        reason = reason.replace(char::is_control, " ");
    }
    crate::Fault { offset, reason }
}

/// The longest reason of a fault: it may quote what was read.
const REASON_BYTES_MAX: usize = 300;

/// What was read, to be quoted in a reason.
pub(super) fn quoted(text: &[u8]) -> String {
    const QUOTED_BYTES_MAX: usize = 80;
    let shown = text.get(..QUOTED_BYTES_MAX).unwrap_or(text);
    let more = if shown.len() < text.len() { "…" } else { "" };
    format!("`{}{more}`", String::from_utf8_lossy(shown))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn addresses_are_read_as_the_standard_library_reads_them(text in "[0-9.:a-f]{0,18}|([0-9]{1,3}\\.){3}[0-9]{1,3}") {
            prop_assert_eq!(address(text.as_bytes()), text.parse().ok());
        }

        #[test]
        fn every_address_reads_back(number: u32, wide: u128) {
            let (short, long) = (IpAddr::V4(number.into()), IpAddr::V6(wide.into()));
            prop_assert_eq!(address(short.to_string().as_bytes()), Some(short));
            prop_assert_eq!(address(long.to_string().as_bytes()), Some(long));
        }

        #[test]
        fn every_number_reads_back(number: u64) {
            prop_assert_eq!(unsigned(number.to_string().as_bytes()), Some(number));
        }

        #[test]
        fn what_is_no_number_is_none(text in "[0-9]{0,25}|[0-9+ -]{0,5}") {
            // The standard library takes a plus sign; logs have none.
            let standard = text.parse().ok().filter(|_: &u64| !text.starts_with('+'));
            prop_assert_eq!(unsigned(text.as_bytes()), standard);
        }
    }
}
