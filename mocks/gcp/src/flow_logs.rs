//! VPC flow logs and firewall rule logs of what is sent through the data plane, as entries of Cloud Logging and as the
//! files that a sink writes into a bucket.
//!
//! Written from `providers.md` 2.3 and 2.4. Each interface reports each direction by itself: as `SRC` what leaves it,
//! before its egress rules, as `DEST` what comes to it, after its ingress rules. What is reported is sampled. Verdicts
//! are in the logs of rules that have logging on, one for each connection of TCP and UDP; implied rules never log.
//!
//! ```text
//!   Passage → FlowLogs::add → flow (intervals, samples) | firewall (which rule) → entry → FlowLogs::advance
//!           → sink (files of an hour, later ones for what came late)
//! ```

use std::collections::BTreeMap;

use mock_cloud::{Passage, Written};
use serde_json::Value;

use crate::world::World;

mod config;
mod detail;
mod firewall;
mod flow;
mod sink;

pub use config::{Metadata, SubnetLog};

use flow::{Key, Record};

/// How logs are written.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What subnetworks log that do not say (`logConfig`); in the cloud nothing.
    pub unless_configured: Option<SubnetLog>,
    /// The share of packets that is looked at, 0 to 1. In the cloud it changes all the time and nobody can set it; what
    /// is missed is made up for by estimates.
    pub primary_sampling: f64,
    /// The longest time by which an entry is late, in seconds; drawn for each.
    pub late_s: u64,
    /// Everything that is drawn comes from it.
    pub seed: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { unless_configured: None, primary_sampling: 1.0, late_s: 0, seed: 1 }
    }
}

/// The logs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Log {
    /// `compute.googleapis.com/firewall`.
    Firewall,
    /// `compute.googleapis.com/vpc_flows`.
    VpcFlows,
}

impl Log {
    /// As in the name of a log, without escapes.
    pub fn id(self) -> &'static str {
        match self {
            Self::Firewall => "compute.googleapis.com/firewall",
            Self::VpcFlows => "compute.googleapis.com/vpc_flows",
        }
    }
}

/// One entry.
#[derive(Clone, PartialEq, Debug)]
pub struct Entry {
    /// Which log.
    pub log: Log,
    /// When what it tells of was over, in milliseconds since 1970.
    pub timestamp_ms: u64,
    /// When Cloud Logging received it.
    pub received_ms: u64,
    /// As Cloud Logging shows it.
    pub document: Value,
}

/// Logs as time goes on.
#[derive(Clone, Debug)]
pub struct FlowLogs {
    settings: Settings,
    /// By the end of the aggregation interval, in milliseconds since 1970.
    intervals: BTreeMap<u64, BTreeMap<Key, Record>>,
    /// Entries that are in no file yet, by the time when their file is written.
    waiting: BTreeMap<u64, Vec<Entry>>,
    /// Files until this moment are written.
    published_ms: u64,
    entries: u64,
}

impl FlowLogs {
    /// Logs from now on.
    pub fn new(settings: Settings) -> Self {
        Self { settings, intervals: BTreeMap::new(), waiting: BTreeMap::new(), published_ms: 0, entries: 0 }
    }

    /// Notes what interfaces and rules of this cloud see. What belongs into files that are written already comes in
    /// later ones.
    pub fn add(&mut self, world: &World, passages: &[Passage]) {
        for passage in passages {
            flow::note(world, &self.settings, passage, &mut self.intervals);
            for (timestamp_ms, document) in firewall::documents(world, passage) {
                self.keep(Log::Firewall, timestamp_ms, document);
            }
        }
    }

    /// Moves time: the files that a sink writes until then, whole and in order.
    pub fn advance(&mut self, world: &World, to_ms: u64) -> Vec<Written> {
        self.close(world, to_ms);
        let later = self.waiting.split_off(&to_ms.saturating_add(1));
        let due = std::mem::replace(&mut self.waiting, later);
        self.published_ms = self.published_ms.max(to_ms);
        due.into_iter().flat_map(|(at_ms, entries)| sink::files(at_ms, entries)).collect()
    }

    /// Turns intervals that are over into entries.
    fn close(&mut self, world: &World, to_ms: u64) {
        let open = self.intervals.split_off(&to_ms.saturating_add(1));
        for (end_ms, records) in std::mem::replace(&mut self.intervals, open) {
            for (key, record) in records {
                if let Some(document) = flow::document(world, &self.settings, end_ms, &key, &record) {
                    self.keep(Log::VpcFlows, end_ms, document);
                }
            }
        }
    }

    fn keep(&mut self, log: Log, timestamp_ms: u64, mut document: Value) {
        self.entries += 1;
        let seed = self.settings.seed ^ self.entries.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut random = fastrand::Rng::with_seed(seed);
        let delay_ms = 1_000 + random.u64(0..=self.settings.late_s * 1000);
        let received_ms = (timestamp_ms + delay_ms).max(self.published_ms.saturating_add(1));
        detail::stamp(&mut document, log, timestamp_ms, received_ms, random.u64(..));
        let entry = Entry { log, timestamp_ms, received_ms, document };
        self.waiting.entry(sink::written_ms(&entry)).or_default().push(entry);
    }
}

/// Every file that a sink writes of a traffic: key and bytes.
pub fn write(world: &World, passages: &[Passage], settings: &Settings) -> Vec<(String, Vec<u8>)> {
    let mut logs = FlowLogs::new(settings.clone());
    logs.add(world, passages);
    logs.advance(world, u64::MAX).into_iter().map(|one| (one.key, one.bytes)).collect()
}

/// Every entry of a traffic in the order in which Cloud Logging received them.
pub fn entries(world: &World, passages: &[Passage], settings: &Settings) -> Vec<Entry> {
    let mut logs = FlowLogs::new(settings.clone());
    logs.add(world, passages);
    logs.close(world, u64::MAX);
    let mut all: Vec<Entry> = logs.waiting.into_values().flatten().collect();
    all.sort_by_key(|entry| (entry.received_ms, entry.timestamp_ms));
    all
}
