//! Moments for people: UTC, to the minute.

/// `2026-11-28 19:52`.
pub fn utc(seconds: i64) -> String {
    let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = date(days);
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02}", rest / 3600, rest % 3600 / 60)
}

/// `2026-11-28 19:52 to 20:10`: the date once if it is the same.
pub fn span(from: i64, to: i64) -> String {
    let (from, to) = (utc(from), utc(to));
    let to = if from.get(..10) == to.get(..10) { to.get(11..).unwrap_or(&to) } else { &to };
    format!("{from} to {to}")
}

/// The date of a day since 1970-01-01, in the Gregorian calendar. Years begin in March here, so that the day of a leap
/// year comes last; 400 of them have 146,097 days.
fn date(days: i64) -> (i64, i64, i64) {
    let since_march_0000 = days + 719_468;
    let (era, day) = (since_march_0000.div_euclid(146_097), since_march_0000.rem_euclid(146_097));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (400 * era + year + next, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_follow_one_another_as_in_a_calendar() {
        let is_leap = |year: i64| year % 4 == 0 && year % 100 != 0 || year % 400 == 0;
        let (mut year, mut month, mut day) = (1599, 1, 1);
        let from = -135_505;
        for days in from..from + 200_000 {
            assert_eq!(date(days), (year, month, day), "{days}");
            let length = match month {
                2 if is_leap(year) => 29,
                2 => 28,
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            day += 1;
            if day > length {
                (day, month) = (1, month + 1);
            }
            if month > 12 {
                (month, year) = (1, year + 1);
            }
        }
        assert_eq!(utc(0), "1970-01-01 00:00");
        assert_eq!(utc(1_795_895_539), "2026-11-28 19:52");
        assert_eq!(span(0, 3_660), "1970-01-01 00:00 to 01:01");
        assert_eq!(span(-60, 60), "1969-12-31 23:59 to 1970-01-01 00:01");
    }
}
