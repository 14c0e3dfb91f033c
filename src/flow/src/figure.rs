//! Numbers, bytes, times and foreign texts as people read them at a terminal and on a page.
//!
//! Exact numbers are for programs: the JSON forms have them.

use std::borrow::Cow;
use std::fmt::Write;

/// `1,234,567`.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1,234 things`, or `1 thing`.
pub(crate) fn counted(number: u64, thing: &str) -> String {
    format!("{} {thing}{}", count(number), if number == 1 { "" } else { "s" })
}

/// `999 B`, `1.2 kB`, `34 MB`: decimal units, as networks are measured in, two digits or more.
pub(crate) fn bytes(number: u64) -> String {
    const UNITS: [&str; 6] = ["kB", "MB", "GB", "TB", "PB", "EB"];
    if number < 1_000 {
        return format!("{number} B");
    }
    let mut value = number as f64 / 1_000.0;
    let mut unit = 0;
    // What would be rounded to 1000 is 1.0 of the next unit.
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1_000.0;
        unit += 1;
    }
    if value < 9.95 { format!("{value:.1} {}", UNITS[unit]) } else { format!("{value:.0} {}", UNITS[unit]) }
}

/// `2026-11-28 19:52`, in UTC.
pub(crate) fn utc(seconds: i64) -> String {
    let (year, month, day) = date(seconds.div_euclid(86_400));
    let minute = seconds.rem_euclid(86_400) / 60;
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02}", minute / 60, minute % 60)
}

/// Year, month and day of the day that many days after 1970-01-01, in the Gregorian calendar.
fn date(days: i64) -> (i64, i64, i64) {
    // Calendars repeat after 400 years. Counted from 2000-03-01 on, leap days come last in years, fours and centuries.
    const CYCLE: i64 = 146_097;
    const CENTURY: i64 = 36_524;
    const FOUR: i64 = 1_461;
    let days = days - 11_017;
    let (cycle, rest) = (days.div_euclid(CYCLE), days.rem_euclid(CYCLE));
    let century = (rest / CENTURY).min(3);
    let rest = rest - century * CENTURY;
    let (four, rest) = (rest / FOUR, rest % FOUR);
    let single = (rest / 365).min(3);
    let mut rest = rest - single * 365;
    let mut month = 3;
    for length in [31, 30, 31, 30, 31, 31, 30, 31, 30, 31, 31] {
        if rest < length {
            break;
        }
        rest -= length;
        month += 1;
    }
    let year = 2000 + cycle * 400 + century * 100 + four * 4 + single;
    if month > 12 { (year + 1, month - 12, rest + 1) } else { (year, month, rest + 1) }
}

/// A foreign text with nothing in it that moves a terminal's cursor, changes its colours or turns its direction round.
pub(crate) fn visible(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_invisible) {
        return Cow::Borrowed(text);
    }
    let mut clean = String::with_capacity(text.len());
    for letter in text.chars() {
        if is_invisible(letter) {
            // Writing to a `String` cannot fail.
            let _ = write!(clean, "\\u{{{:x}}}", u32::from(letter));
        } else {
            clean.push(letter);
        }
    }
    Cow::Owned(clean)
}

/// Control characters, line and paragraph separators, and marks that turn the direction of writing.
pub(crate) fn is_invisible(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// As many columns as the text takes at a terminal, near enough: one for each character.
pub(crate) fn width(text: &str) -> usize {
    text.chars().count()
}

/// At most `max` columns of a text; what is cut off is told by `…`.
pub(crate) fn shortened(text: &str, max: usize) -> Cow<'_, str> {
    if width(text) <= max {
        return Cow::Borrowed(text);
    }
    let kept: String = text.chars().take(max.saturating_sub(1)).collect();
    Cow::Owned(format!("{kept}…"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_thousands() {
        let texts = [0, 7, 999, 1_000, 12_345, 1_234_567].map(count);
        assert_eq!(texts, ["0", "7", "999", "1,000", "12,345", "1,234,567"]);
        assert_eq!([counted(1, "flow"), counted(2_000, "flow")], ["1 flow", "2,000 flows"]);
    }

    #[test]
    fn bytes_never_show_a_thousand_of_a_unit() {
        let texts = [0, 999, 1_000, 9_949, 9_950, 999_499, 999_500, 1_500_000, u64::MAX].map(bytes);
        let expected = ["0 B", "999 B", "1.0 kB", "9.9 kB", "10 kB", "999 kB", "1.0 MB", "1.5 MB", "18 EB"];
        assert_eq!(texts, expected);
    }

    #[test]
    fn times_are_those_of_the_calendar() {
        for (seconds, expected) in [
            (0, "1970-01-01 00:00"),
            (951_782_399, "2000-02-28 23:59"),
            (951_782_400, "2000-02-29 00:00"),
            (951_868_800, "2000-03-01 00:00"),
            (1_709_164_800, "2024-02-29 00:00"),
            (1_767_225_599, "2025-12-31 23:59"),
            (1_795_895_538, "2026-11-28 19:52"),
            (4_107_542_400, "2100-03-01 00:00"),
            (-1, "1969-12-31 23:59"),
        ] {
            assert_eq!(utc(seconds), expected, "{seconds}");
        }
    }

    #[test]
    fn every_day_of_eight_centuries_follows_the_one_before() {
        let mut last = date(-146_098);
        for day in -146_097..=146_097 {
            let (year, month, number) = date(day);
            let follows = (year, month, number) == (last.0, last.1, last.2 + 1)
                || ((year, month, number) == (last.0, last.1 + 1, 1) && last.2 >= 28)
                || ((year, month, number) == (last.0 + 1, 1, 1) && last == (last.0, 12, 31));
            assert!(follows, "{last:?} is followed by {:?}", (year, month, number));
            last = (year, month, number);
        }
        assert_eq!(last, (2370, 1, 1));
    }

    #[test]
    fn foreign_texts_cannot_move_the_cursor_or_turn_the_line_round() {
        assert_eq!(visible("web\u{1b}[2J\n\u{202e}"), "web\\u{1b}[2J\\u{a}\\u{202e}");
        assert_eq!(visible("größe=日本"), "größe=日本");
        assert_eq!(shortened("abcdef", 4), "abc…");
        assert_eq!(shortened("abcd", 4), "abcd");
    }
}
