//! VPC flow logs of what is sent through the data plane, as text in S3 and as events in CloudWatch Logs.
//!
//! Written from `providers.md` 2.1 and 2.4. Each interface records each direction by itself, summed up over an
//! aggregation interval: a conversation between two interfaces is up to four records for each. Nothing here decides
//! what passes: that came with the [`Passage`].
//!
//! ```text
//!   Passage → FlowLogs::add → record (windows, flags, primary addresses) → FlowLogs::advance → fields (lines)
//!           → delivery (files of five minutes, keys, gzip) | events
//! ```

use std::collections::{BTreeMap, BTreeSet};

use mock_cloud::{Passage, Written};

use crate::world::World;

mod delivery;
mod fields;
mod record;

pub use delivery::{Compression, Layout, LogEvent, LogStream, Order, Partition};
pub use fields::{Field, log_format};

use delivery::Line;
use record::{Key, Record};

/// Which records a flow log has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "the names are the cloud's own")]
pub enum TrafficType {
    All,
    Accept,
    Reject,
}

/// One flow log.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Such as `fl-0123456789abcdef0`.
    pub id: String,
    /// The fields of a record, in order.
    pub format: Vec<Field>,
    /// The aggregation interval: 600, or 60.
    pub aggregation_s: u64,
    /// Which records it has.
    pub traffic: TrafficType,
    /// VPCs, subnets and interfaces that it is of; without any it is of every interface.
    pub of: BTreeSet<String>,
    /// Interfaces, each with a moment (seconds since 1970) whose interval is lost.
    pub skipped: Vec<(String, u64)>,
    /// The longest time by which a record is late, in seconds; drawn for each record.
    pub late_s: u64,
    /// The order of the records of a file.
    pub order: Order,
    /// How keys are made.
    pub layout: Layout,
    /// How folders are made.
    pub partition: Partition,
    /// How files are packed.
    pub compression: Compression,
    /// Text that a file holds at most.
    pub bytes_max: usize,
    /// Everything that is drawn comes from it.
    pub seed: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            id: "fl-0a1b2c3d4e5f60718".to_owned(),
            format: Field::DEFAULT.to_vec(),
            aggregation_s: 600,
            traffic: TrafficType::All,
            of: BTreeSet::new(),
            skipped: Vec::new(),
            late_s: 0,
            order: Order::ByTime,
            layout: Layout::Plain,
            partition: Partition::Daily,
            compression: Compression::Gzip,
            bytes_max: 75 << 20,
            seed: 1,
        }
    }
}

/// A flow log as time goes on.
#[derive(Clone, Debug)]
pub struct FlowLogs {
    settings: Settings,
    /// By the beginning of the aggregation interval, in milliseconds since 1970.
    windows: BTreeMap<u64, BTreeMap<Key, Record>>,
    /// When it was made: nothing is known of what was before.
    made_ms: u64,
    /// Intervals before this moment are written.
    closed_ms: u64,
    /// Files until this moment are written.
    published_s: u64,
    /// Lines that are not in a file yet, by the end of the five minutes that they are delivered in.
    ready: BTreeMap<u64, Vec<Line>>,
    lines: u64,
}

impl FlowLogs {
    /// A flow log that was made at a time, in milliseconds since 1970.
    pub fn new(settings: Settings, from_ms: u64) -> Self {
        let length = settings.aggregation_s * 1000;
        let made_ms = from_ms - from_ms % length;
        Self {
            settings,
            windows: BTreeMap::new(),
            made_ms,
            closed_ms: made_ms,
            published_s: 0,
            ready: BTreeMap::new(),
            lines: 0,
        }
    }

    /// Notes what interfaces of this cloud see. What falls into intervals that are written already comes as late
    /// records; what was before the flow log was made never comes.
    pub fn add(&mut self, world: &World, passages: &[Passage]) {
        let length = self.settings.aggregation_s * 1000;
        let of = self.interfaces(world);
        for passage in passages {
            record::note(world, passage, length, &of, &mut self.windows);
        }
        self.windows = self.windows.split_off(&self.made_ms);
    }

    /// Moves time: the files that are delivered until then, whole and in order.
    pub fn advance(&mut self, world: &World, to_ms: u64) -> Vec<Written> {
        self.close(world, to_ms);
        let later = self.ready.split_off(&(to_ms / 1000 + 1));
        let due = std::mem::replace(&mut self.ready, later);
        self.published_s = self.published_s.max(to_ms / 1000);
        due.into_iter()
            .flat_map(|(slot_s, lines)| delivery::files(world, &self.settings, slot_s, lines))
            .map(|(key, bytes)| Written { key, offset: 0, bytes })
            .collect()
    }

    /// Turns intervals that are over into lines.
    fn close(&mut self, world: &World, to_ms: u64) {
        let length = self.settings.aggregation_s * 1000;
        let end_ms = to_ms - to_ms % length;
        let interfaces = self.interfaces(world);
        for begin in (self.closed_ms..end_ms).step_by(usize::try_from(length).unwrap_or(usize::MAX)) {
            let seen: BTreeSet<&str> = self
                .windows
                .get(&begin)
                .into_iter()
                .flatten()
                .map(|(key, _)| key.interface.as_str())
                .collect();
            let silent: Vec<String> =
                interfaces.iter().filter(|id| !seen.contains(id.as_str())).cloned().collect();
            let skipped: Vec<String> =
                interfaces.iter().filter(|id| self.is_skipped(id, begin)).cloned().collect();
            for id in silent.iter().filter(|id| !skipped.contains(id)) {
                self.line(world, begin, fields::Content::NoData(id));
            }
            for id in &skipped {
                self.line(world, begin, fields::Content::SkipData(id));
            }
        }
        self.closed_ms = self.closed_ms.max(end_ms);
        let open = self.windows.split_off(&end_ms);
        for (begin, records) in std::mem::replace(&mut self.windows, open) {
            for (key, record) in records {
                let wanted = match self.settings.traffic {
                    TrafficType::All => true,
                    TrafficType::Accept => key.accepted,
                    TrafficType::Reject => !key.accepted,
                };
                if wanted && !self.is_skipped(&key.interface, begin) {
                    self.line(world, begin, fields::Content::Record(&key, &record));
                }
            }
        }
    }

    /// The interfaces that the flow log is of.
    fn interfaces(&self, world: &World) -> BTreeSet<String> {
        let of = &self.settings.of;
        let all = world.state.interfaces.iter().filter(|(id, held)| {
            of.is_empty() || of.contains(*id) || of.contains(&held.vpc) || of.contains(&held.subnet)
        });
        all.map(|(id, _)| id.clone()).collect()
    }

    fn is_skipped(&self, interface: &str, begin_ms: u64) -> bool {
        let window_s = begin_ms / 1000..begin_ms / 1000 + self.settings.aggregation_s;
        self.settings.skipped.iter().any(|(id, at_s)| id == interface && window_s.contains(at_s))
    }

    fn line(&mut self, world: &World, begin_ms: u64, content: fields::Content<'_>) {
        let window_s = (begin_ms / 1000, begin_ms / 1000 + self.settings.aggregation_s);
        let text = fields::line(world, &self.settings.format, window_s, &content);
        self.lines += 1;
        let mut line = Line::new(
            &self.settings,
            self.lines,
            window_s,
            content.interface(),
            content.start_s(window_s),
            text,
        );
        // Files that are written are written.
        line.delay_until(self.published_s + 1);
        self.ready.entry(line.slot_s()).or_default().push(line);
    }
}

/// Everything that a flow log has of a traffic: key and bytes of each file.
pub fn write(world: &World, passages: &[Passage], settings: &Settings) -> Vec<(String, Vec<u8>)> {
    let (mut logs, end_ms) = whole(world, passages, settings);
    logs.advance(world, end_ms).into_iter().map(|one| (one.key, one.bytes)).collect()
}

/// The same as events of CloudWatch Logs: a stream for each interface, lines without a header.
pub fn write_events(world: &World, passages: &[Passage], settings: &Settings) -> Vec<LogStream> {
    let (mut logs, end_ms) = whole(world, passages, settings);
    logs.close(world, end_ms);
    delivery::streams(settings, logs.ready.into_values().flatten())
}

/// A flow log over all of a traffic, and a time at which everything is delivered.
fn whole(world: &World, passages: &[Passage], settings: &Settings) -> (FlowLogs, u64) {
    let from_ms = passages.iter().map(|passage| passage.conversation.start_ms).min().unwrap_or(0);
    let last_ms = passages.iter().map(Passage::end_ms).max().unwrap_or(from_ms);
    let mut logs = FlowLogs::new(settings.clone(), from_ms);
    logs.add(world, passages);
    // The interval in which the last packet falls must be over; what comes after it is as late as may be.
    let length = settings.aggregation_s * 1000;
    let over_ms = last_ms - last_ms % length + length;
    logs.close(world, over_ms);
    let end_ms = logs.ready.keys().last().map_or(over_ms, |slot_s| (slot_s * 1000).max(over_ms));
    // No interval after the last is opened by waiting for the last file.
    logs.closed_ms = end_ms;
    (logs, end_ms)
}
