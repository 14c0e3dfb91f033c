//! How the clouds name the objects of flow logs: which folders are days, what a name says of the time and the format.
//!
//! ```text
//! AWS    [prefix/]AWSLogs/{account}/vpcflowlogs/{region}/{yyyy}/{mm}/{dd}/[{hh}/]…_{YYYYMMDDTHHmmZ}_{hash}.log.gz|.log.parquet
//!        [prefix/]AWSLogs/aws-account-id=…/aws-service=vpcflowlogs/aws-region=…/year=…/month=…/day=…/[hour=…/]…
//! Azure  resourceId=/SUBSCRIPTIONS/…/y=2026/m=11/d=02/h=10/m=00/macAddress=…/PT1H.json
//! GCP    [prefix/]compute.googleapis.com/vpc_flows/2026/11/02/10:00:00_10:59:59_S0.json
//! ```

use flow::Format;
use jiff::civil::{Date, Time};
use provider::Packing;

/// Seconds of a day.
pub(crate) const DAY_S: i64 = 86_400;

/// How a place is laid out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Layout {
    /// AWS VPC flow logs in S3, plain or Hive keys, text or Parquet.
    Aws,
    /// Azure VNet and NSG flow logs in Blob storage.
    Azure,
    /// Google Cloud VPC flow logs and firewall logs, routed to a bucket.
    Gcp,
    /// Every file whose name ends so, in whatever folder; `.gz` after it or in it is unpacked.
    Files {
        /// Such as `.log.gz`; empty for every file.
        suffix: String,
        /// What is in them.
        format: Format,
    },
}

impl Layout {
    /// Whether keys carry a time and lie in folders of days.
    pub fn is_dated(&self) -> bool {
        !matches!(self, Self::Files { .. })
    }

    /// How long after its time an object may still come, in seconds. AWS delivers best effort within ten minutes, Azure's
    /// hour files grow for an hour, Google writes hourly batches with late ones up to a day behind: two days hold all.
    pub(crate) fn late_s(&self) -> Option<i64> {
        self.is_dated().then_some(2 * DAY_S)
    }

    /// Whether a folder between the prefix and the years can hold flow logs: buckets hold other logs beside them.
    pub(crate) fn may_hold(&self, parents: &[&str], folder: &str) -> bool {
        match (self, parents.last()) {
            (Self::Aws, Some(parent)) if is_aws_account(parents, parent) => {
                folder == "vpcflowlogs" || folder == "aws-service=vpcflowlogs"
            }
            (Self::Gcp, Some(&"compute.googleapis.com")) => folder == "vpc_flows" || folder == "firewall",
            _ => true,
        }
    }

    /// Whether years lie in a folder: Google's other logs are laid out alike.
    pub(crate) fn may_hold_years(&self, folder: &str) -> bool {
        *self != Self::Gcp || folder == "vpc_flows" || folder == "firewall"
    }

    /// The year, month or day that a folder stands for.
    pub(crate) fn number(&self, level: Level, folder: &str) -> Option<i16> {
        let (name, digits) = folder.split_once('=').unwrap_or(("", folder));
        let named = match (self, level) {
            (Self::Azure, Level::Year) => name == "y",
            (Self::Azure, Level::Month) => name == "m",
            (Self::Azure, Level::Day) => name == "d",
            (_, Level::Year) => name.is_empty() || name == "year",
            (_, Level::Month) => name.is_empty() || name == "month",
            (_, Level::Day) => name.is_empty() || name == "day",
        };
        let length = if level == Level::Year { 4 } else { 2 };
        let is_number = digits.len() == length && digits.bytes().all(|byte| byte.is_ascii_digit());
        if named && is_number { digits.parse().ok() } else { None }
    }

    /// What an object is, by its name; nothing if it is no flow log.
    pub(crate) fn format(&self, name: &str) -> Option<(Format, Packing)> {
        let packed =
            if name.ends_with(".gz") || name.contains(".gz.") { Packing::Gzip } else { Packing::Plain };
        match self {
            Self::Aws if name.ends_with(".parquet") => Some((Format::AwsParquet, Packing::Plain)),
            Self::Aws if name.ends_with(".log.gz") || name.ends_with(".log") => {
                Some((Format::AwsText, packed))
            }
            Self::Azure if name == "PT1H.json" => Some((Format::AzureJson, Packing::Plain)),
            Self::Gcp if name.ends_with(".json") => Some((Format::GcpJsonLines, Packing::Plain)),
            Self::Files { suffix, format } if name.ends_with(suffix) && !name.starts_with('.') => {
                let whole = *format == Format::AwsParquet;
                Some((format.clone(), if whole { Packing::Plain } else { packed }))
            }
            _ => None,
        }
    }

    /// When an object of a day was written, as its name says; the start of the day if it says nothing.
    pub(crate) fn time(&self, day: Date, key: &str) -> i64 {
        let hour_minute = match self {
            Self::Aws => key.rsplit('/').next().and_then(aws_time),
            Self::Azure => {
                key.split('/').find_map(|part| two_digits(part.strip_prefix("h=")?)).map(|hour| (hour, 0))
            }
            Self::Gcp => key.rsplit('/').next().and_then(two_digits).map(|hour| (hour, 0)),
            Self::Files { .. } => None,
        };
        let (hour, minute) = hour_minute.unwrap_or((0, 0));
        start_of(day) + i64::from(hour) * 3600 + i64::from(minute) * 60
    }
}

/// Folders of dates, from the outermost.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Level {
    /// The year.
    Year,
    /// The month in the year.
    Month,
    /// The day in the month.
    Day,
}

/// Midnight UTC at which a day begins, Unix seconds.
pub(crate) fn start_of(day: Date) -> i64 {
    let epoch = Date::constant(1970, 1, 1);
    epoch.until(day).map_or(0, |span| i64::from(span.get_days()) * DAY_S)
}

/// The day of a second, as far as a calendar goes.
pub(crate) fn day_of(second: i64) -> Date {
    let last = jiff::Timestamp::MAX.as_second();
    let first = jiff::Timestamp::MIN.as_second();
    let stamp = jiff::Timestamp::from_second(second.clamp(first, last)).unwrap_or_default();
    jiff::tz::Offset::UTC.to_datetime(stamp).date()
}

fn is_aws_account(parents: &[&str], parent: &str) -> bool {
    let above = parents.len().checked_sub(2).and_then(|at| parents.get(at));
    above == Some(&"AWSLogs") && (is_account(parent) || parent.starts_with("aws-account-id="))
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The hour and minute in `…_20261102T1005Z_….log.gz`.
fn aws_time(name: &str) -> Option<(u8, u8)> {
    let stamp = name.split('_').find(|part| {
        let shape = |(at, byte): (usize, u8)| match at {
            8 => byte == b'T',
            13 => byte == b'Z',
            _ => byte.is_ascii_digit(),
        };
        part.len() == 14 && part.bytes().enumerate().all(shape)
    })?;
    let (hour, minute) = (stamp.get(9..11)?.parse().ok()?, stamp.get(11..13)?.parse().ok()?);
    Time::new(i8::try_from(hour).ok()?, i8::try_from(minute).ok()?, 0, 0).ok()?;
    Some((hour, minute))
}

/// An hour at the start of a text.
fn two_digits(text: &str) -> Option<u8> {
    let hour = text.get(..2)?;
    if !hour.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    hour.parse().ok().filter(|hour| *hour < 24)
}
