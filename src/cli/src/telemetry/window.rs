//! A stretch of time on the command line: `30d` ago, a day, a moment.

use std::time::Duration;

use flow::stored::Seconds;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::config::parse_duration;

/// A moment as people write it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Moment {
    /// So long before now.
    Ago(Duration),
    /// A Unix second.
    At(i64),
}

impl Moment {
    /// Reads `30d`, `12h`, `2026-11-02` (its begin, UTC) or `2026-11-02T10:00:00Z`.
    ///
    /// # Errors
    /// What can be written.
    pub fn parse(text: &str) -> Result<Self, String> {
        if let Some(span) = parse_duration(text) {
            return Ok(Self::Ago(span));
        }
        if let Ok(time) = text.parse::<Timestamp>() {
            return Ok(Self::At(time.as_second()));
        }
        let day = text.parse::<Date>().ok().and_then(|day| day.to_zoned_datetime(TimeZone::UTC).ok());
        day.map(|day| Self::At(day.timestamp().as_second()))
            .ok_or_else(|| "write `30d`, `12h`, `2026-11-02` or `2026-11-02T10:00:00Z`".to_owned())
    }

    /// The Unix second that it is.
    pub fn at(self, now: i64) -> i64 {
        match self {
            Self::Ago(span) => now.saturating_sub(i64::try_from(span.as_secs()).unwrap_or(i64::MAX)),
            Self::At(second) => second,
        }
    }
}

/// Which part of what was seen a command looks at.
#[derive(clap::Args, Clone, Copy, PartialEq, Eq, Debug)]
pub struct Window {
    /// From when on: `30d` (ago), `2026-11-02`, `2026-11-02T10:00:00Z`. Whole windows of the store count.
    #[arg(long, value_name = "TIME", value_parser = Moment::parse, default_value = "7d")]
    pub since: Moment,
    /// Until when; as `--since`. Default: now
    #[arg(long, value_name = "TIME", value_parser = Moment::parse)]
    pub until: Option<Moment>,
}

impl Window {
    /// As Unix seconds.
    pub fn seconds(self, now: i64) -> Seconds {
        Seconds { from: self.since.at(now), to: self.until.map_or(now + 1, |until| until.at(now)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_spans_days_and_times() {
        let at = |text: &str| Moment::parse(text).map(|moment| moment.at(1_793_700_000));
        assert_eq!(at("1d"), Ok(1_793_613_600));
        assert_eq!(at("90s"), Ok(1_793_699_910));
        assert_eq!(at("2026-11-02"), Ok(1_793_577_600));
        assert_eq!(at("2026-11-02T10:00:00Z"), Ok(1_793_613_600));
        assert_eq!(at("2026-11-02T12:00:00+02:00"), Ok(1_793_613_600));
        assert!(at("yesterday").is_err_and(|hint| hint.contains("30d")));
    }
}
