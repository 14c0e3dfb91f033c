//! Times of RFC 3339, as Unix seconds.

/// The second in which a time lies: `2026-11-02T10:00:00.1Z`, `2026-11-02T12:00:00+02:00`.
pub(super) fn seconds(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    let (date, rest) = bytes.split_at_checked(19)?;
    let [y0, y1, y2, y3, b'-', m0, m1, b'-', d0, d1, b'T' | b't' | b' ', rest_of_date @ ..] = date else {
        return None;
    };
    let [h0, h1, b':', n0, n1, b':', s0, s1] = rest_of_date else { return None };
    let two = |a: &u8, b: &u8| Some(digit(*a)? * 10 + digit(*b)?);
    let year = two(y0, y1)? * 100 + two(y2, y3)?;
    let (month, day) = (two(m0, m1)?, two(d0, d1)?);
    let (hour, minute, second) = (two(h0, h1)?, two(n0, n1)?, two(s0, s1)?);
    // Second 60 is a leap second: the first second of the next minute, for Unix.
    let is_time = hour < 24 && minute < 60 && second <= 60;
    if !is_time || !(1..=12).contains(&month) || day < 1 || day > days_of(year, month) {
        return None;
    }
    let of_day = hour * 3600 + minute * 60 + second;
    Some(days(year, month, day) * 86_400 + of_day - offset(without_fraction(rest)?)?)
}

fn digit(byte: u8) -> Option<i64> {
    byte.is_ascii_digit().then(|| i64::from(byte - b'0'))
}

fn without_fraction(text: &[u8]) -> Option<&[u8]> {
    let Some(fraction) = text.strip_prefix(b".") else { return Some(text) };
    let digits = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
    fraction.get(digits..).filter(|_| digits > 0)
}

/// Seconds east of Greenwich.
fn offset(text: &[u8]) -> Option<i64> {
    let (sign, [h0, h1, b':', m0, m1]) = (match text {
        b"Z" | b"z" => return Some(0),
        [b'+', rest @ ..] => (1, rest),
        [b'-', rest @ ..] => (-1, rest),
        _ => return None,
    }) else {
        return None;
    };
    let (hours, minutes) = (digit(*h0)? * 10 + digit(*h1)?, digit(*m0)? * 10 + digit(*m1)?);
    (hours < 24 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_of(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1 January 1970. Years are counted from March, so that a leap day is the last day of one.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let before_month = (153 * month + 2) / 5;
    let before_year = year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    // 1 January 1970 is 719,468 days after 1 March of the year 0.
    before_year + before_month + day - 1 - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_with_fractions_and_offsets() {
        for (text, expected) in [
            ("1970-01-01T00:00:00Z", 0),
            ("1969-12-31T23:59:59.5Z", -1),
            ("2026-11-02T10:00:00.123456789Z", 1_793_613_600),
            ("2026-11-02T12:00:00.1+02:00", 1_793_613_600),
            ("2026-11-02t02:30:00-07:30", 1_793_613_600),
            ("2024-02-29T00:00:00Z", 1_709_164_800),
            ("2000-02-29T23:59:60Z", 951_868_800),
            ("0000-01-01T00:00:00Z", -62_167_219_200),
            ("9999-12-31T23:59:59Z", 253_402_300_799),
        ] {
            assert_eq!(seconds(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_time() {
        for text in [
            "",
            "2026-11-02",
            "2026-11-02T10:00:00",
            "2026-11-02T10:00:00.Z",
            "2026-11-02T10:00:00+0200",
            "2026-11-02T10:00:00+24:00",
            "2026-13-02T10:00:00Z",
            "2026-02-29T10:00:00Z",
            "1900-02-29T10:00:00Z",
            "2026-11-00T10:00:00Z",
            "2026-11-02T24:00:00Z",
            "2026-11-02T10:00:00Zulu",
            "２026-11-02T10:00:00Z",
        ] {
            assert_eq!(seconds(text), None, "{text}");
        }
    }

    #[test]
    fn every_day_follows_the_one_before() {
        let mut expected = days(1, 1, 1);
        for year in 1..3000 {
            for month in 1..=12 {
                for day in 1..=days_of(year, month) {
                    assert_eq!(days(year, month, day), expected, "{year}-{month}-{day}");
                    expected += 1;
                }
            }
        }
    }
}
