//! The calendar of the simulated clouds: when virtual time begins, and how logs write a time.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;

/// When simulations begin, in seconds since 1970: 2026-11-01T00:00:00Z.
pub const BEGIN_S: u64 = 1_793_491_200;

/// A moment of virtual time, in milliseconds since 1970.
pub fn unix_ms(virtual_ms: u64) -> u64 {
    BEGIN_S * 1000 + virtual_ms
}

/// A moment since 1970 in virtual time; what was before the simulation is its beginning.
pub fn virtual_ms(unix_ms: u64) -> u64 {
    unix_ms.saturating_sub(BEGIN_S * 1000)
}

/// Year, month, day, hour, minute and second of a moment in UTC.
pub fn civil(unix_s: u64) -> DateTime {
    let seconds = i64::try_from(unix_s).unwrap_or(i64::MAX);
    Offset::UTC.to_datetime(Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX))
}

/// A moment as `2026-11-01T00:00:01.5Z`.
pub fn text(unix_ms: u64) -> String {
    let ms = i64::try_from(unix_ms).unwrap_or(i64::MAX);
    Timestamp::from_millisecond(ms).unwrap_or(Timestamp::MAX).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_as_logs_write_them() {
        assert_eq!(text(unix_ms(1_500)), "2026-11-01T00:00:01.5Z");
        let at = civil(BEGIN_S + 86_400 + 3 * 3600 + 7 * 60);
        assert_eq!((at.year(), at.month(), at.day(), at.hour(), at.minute()), (2026, 11, 2, 3, 7));
        assert_eq!((virtual_ms(unix_ms(9)), virtual_ms(9)), (9, 0));
    }
}
