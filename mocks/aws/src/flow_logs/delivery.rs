//! How lines reach who reads them: files of five minutes in S3, events in CloudWatch Logs.

use std::collections::BTreeMap;
use std::io::Write as _;

use flate2::write::GzEncoder;
use mock_cloud::time::civil;

use crate::world::World;

use super::{Settings, TrafficType, fields};

/// Files are published every five minutes.
const SLOT_S: u64 = 300;

/// How keys are made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Layout {
    /// `AWSLogs/ACCOUNT/vpcflowlogs/REGION/2026/11/01/…`.
    Plain,
    /// `AWSLogs/aws-account-id=ACCOUNT/…/year=2026/month=11/day=01/…`.
    Hive,
}

/// How folders are made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Partition {
    Daily,
    Hourly,
}

/// How files are packed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Compression {
    /// As the cloud does.
    Gzip,
    /// For people.
    Off,
}

/// The order of the records of a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Order {
    /// By the beginning of the record.
    ByTime,
    /// Drawn.
    Shuffled,
}

/// A stream of CloudWatch Logs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LogStream {
    /// `eni-…-all`, `-accept` or `-reject`.
    pub name: String,
    /// In the order in which they came.
    pub events: Vec<LogEvent>,
}

/// An event of CloudWatch Logs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LogEvent {
    /// Unique, many digits.
    pub id: String,
    /// The beginning of the record, in milliseconds since 1970.
    pub timestamp_ms: u64,
    /// When it came.
    pub ingested_ms: u64,
    /// The line.
    pub message: String,
}

/// A line on its way.
#[derive(Clone, Debug)]
pub(super) struct Line {
    interface: String,
    start_s: u64,
    delivered_s: u64,
    /// Unique among the lines of a flow log, and drawn.
    draw: u64,
    text: String,
}

impl Line {
    /// A line of an interval; when it is delivered is drawn.
    pub fn new(
        settings: &Settings,
        number: u64,
        window_s: (u64, u64),
        interface: &str,
        start_s: u64,
        text: String,
    ) -> Self {
        let draw =
            fastrand::Rng::with_seed(settings.seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15)).u64(..);
        let delivered_s = window_s.1 + draw % (settings.late_s + 1);
        Self { interface: interface.to_owned(), start_s, delivered_s, draw, text }
    }

    /// Not before a time.
    pub fn delay_until(&mut self, at_s: u64) {
        self.delivered_s = self.delivered_s.max(at_s);
    }

    /// The end of the five minutes in which it is delivered.
    pub fn slot_s(&self) -> u64 {
        self.delivered_s.div_ceil(SLOT_S) * SLOT_S
    }
}

/// The files of five minutes: one, or more if one would be too long.
pub(super) fn files(
    world: &World,
    settings: &Settings,
    slot_s: u64,
    mut lines: Vec<Line>,
) -> Vec<(String, Vec<u8>)> {
    match settings.order {
        Order::ByTime => lines.sort_by(|a, b| (a.start_s, &a.text).cmp(&(b.start_s, &b.text))),
        Order::Shuffled => lines.sort_by_key(|line| line.draw),
    }
    let header = fields::header(&settings.format) + "\n";
    let mut texts: Vec<String> = Vec::new();
    for line in lines {
        match texts.last_mut() {
            Some(text) if text.len() + line.text.len() < settings.bytes_max => text.push_str(&line.text),
            _ => texts.push(header.clone() + &line.text),
        }
        if let Some(text) = texts.last_mut() {
            text.push('\n');
        }
    }
    let numbered = texts.into_iter().enumerate();
    numbered.map(|(part, text)| (key(world, settings, slot_s, part), packed(settings, &text))).collect()
}

fn packed(settings: &Settings, text: &str) -> Vec<u8> {
    match settings.compression {
        Compression::Off => text.as_bytes().to_vec(),
        Compression::Gzip => {
            let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::default());
            let written = encoder.write_all(text.as_bytes());
            written.and_then(|()| encoder.finish()).expect("writing into memory does not fail")
        }
    }
}

/// The key of a file (`providers.md` 2.1).
fn key(world: &World, settings: &Settings, slot_s: u64, part: usize) -> String {
    let (account, region) = (&world.settings.account, &world.settings.region);
    let at = civil(slot_s);
    let (year, month, day, hour) = (at.year(), at.month(), at.day(), at.hour());
    let folder = match settings.layout {
        Layout::Plain => {
            let hour =
                if settings.partition == Partition::Hourly { format!("{hour:02}/") } else { String::new() };
            format!("AWSLogs/{account}/vpcflowlogs/{region}/{year}/{month:02}/{day:02}/{hour}")
        }
        Layout::Hive => {
            let hour = if settings.partition == Partition::Hourly {
                format!("hour={hour:02}/")
            } else {
                String::new()
            };
            format!(
                "AWSLogs/aws-account-id={account}/aws-service=vpcflowlogs/aws-region={region}/year={year}/month={month:02}/day={day:02}/{hour}"
            )
        }
    };
    let stamp = format!("{year}{month:02}{day:02}T{hour:02}{:02}Z", at.minute());
    let seed = settings.seed ^ slot_s.wrapping_mul(31) ^ ((part as u64) << 48);
    let hash = fastrand::Rng::with_seed(seed).u32(..);
    let ending = if settings.compression == Compression::Gzip { "log.gz" } else { "log" };
    format!("{folder}{account}_vpcflowlogs_{region}_{}_{stamp}_{hash:08x}.{ending}", settings.id)
}

/// Lines as events: a stream for each interface.
pub(super) fn streams(settings: &Settings, lines: impl Iterator<Item = Line>) -> Vec<LogStream> {
    let word = match settings.traffic {
        TrafficType::All => "all",
        TrafficType::Accept => "accept",
        TrafficType::Reject => "reject",
    };
    let mut streams: BTreeMap<String, Vec<LogEvent>> = BTreeMap::new();
    for line in lines {
        let event = LogEvent {
            id: format!("{:028}{:028}", line.start_s * 1000, line.draw),
            timestamp_ms: line.start_s * 1000,
            ingested_ms: line.delivered_s * 1000,
            message: line.text,
        };
        streams.entry(format!("{}-{word}", line.interface)).or_default().push(event);
    }
    let sorted = |(name, mut events): (String, Vec<LogEvent>)| {
        events.sort_by(|a, b| (a.ingested_ms, &a.id).cmp(&(b.ingested_ms, &b.id)));
        LogStream { name, events }
    };
    streams.into_iter().map(sorted).collect()
}
