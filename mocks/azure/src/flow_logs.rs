//! Flow logs of what is sent through the data plane: of virtual networks (version 4) and of security groups
//! (version 2), as hour files that grow minute by minute.
//!
//! Written from `providers.md` 2.2 and 2.4. An interface logs a flow once, in the words of who opened it: where it
//! begins (B), how it goes on every five minutes (C) and where it ends (E), with the packets since the last time; or
//! that it was denied (D). Nothing here decides what passes: that came with the [`Passage`].
//!
//! ```text
//!   Passage → FlowLogs::add → tuple (B, C, E, D; which list, which rule) → FlowLogs::advance
//!           → blob (records of a minute at the end of PT1H.json)
//! ```

use std::collections::{BTreeMap, BTreeSet};

use mock_cloud::{Passage, Written};

use crate::world::World;

mod blob;
mod tuple;

use blob::Place;
use tuple::{Acl, Tuple};

/// What flow logs are of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Virtual networks: version 4.
    VirtualNetwork,
    /// Security groups: version 2, which no new ones are made of since 2025.
    SecurityGroup,
}

/// The flow logs of a subscription.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What they are of.
    pub kind: Kind,
    /// Keys of virtual networks or security groups; without any it is all of them.
    pub of: BTreeSet<String>,
    /// Everything that is drawn comes from it.
    pub seed: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { kind: Kind::VirtualNetwork, of: BTreeSet::new(), seed: 1 }
    }
}

/// How often records are written.
const MINUTE_MS: u64 = 60_000;

/// Flow logs as time goes on.
#[derive(Clone, Debug)]
pub struct FlowLogs {
    settings: Settings,
    /// By the beginning of the minute, in milliseconds since 1970.
    minutes: BTreeMap<u64, BTreeMap<Place, BTreeMap<Acl, Vec<Tuple>>>>,
    /// Minutes before this moment are written.
    closed_ms: u64,
    /// The length of each blob.
    lengths: BTreeMap<String, u64>,
}

impl FlowLogs {
    /// Flow logs that were made at a time, in milliseconds since 1970.
    pub fn new(settings: Settings, from_ms: u64) -> Self {
        let closed_ms = from_ms - from_ms % MINUTE_MS;
        Self { settings, minutes: BTreeMap::new(), closed_ms, lengths: BTreeMap::new() }
    }

    /// Notes what interfaces of this cloud see. What falls into minutes that are written already comes with the next.
    pub fn add(&mut self, world: &World, passages: &[Passage]) {
        for passage in passages {
            for (place, acl, tuple) in tuple::tuples(world, &self.settings, passage) {
                let minute = (tuple.at_ms - tuple.at_ms % MINUTE_MS).max(self.closed_ms);
                let records = self.minutes.entry(minute).or_default();
                records.entry(place).or_default().entry(acl).or_default().push(tuple);
            }
        }
    }

    /// Moves time: what is written into blobs until then, in order. Each time the end of a blob is replaced by a
    /// record and the same end.
    pub fn advance(&mut self, to_ms: u64) -> Vec<Written> {
        let mut written = Vec::new();
        while let Some(entry) = self.minutes.first_entry() {
            let time_ms = blob::time_ms(&self.settings, *entry.key() + MINUTE_MS);
            if time_ms > to_ms {
                break;
            }
            let (minute, records) = entry.remove_entry();
            self.closed_ms = self.closed_ms.max(minute + MINUTE_MS);
            for (place, flows) in records {
                let record = blob::record(&self.settings, &place, time_ms, flows);
                let key = blob::key(&self.settings, &place, time_ms);
                let length = self.lengths.entry(key.clone()).or_default();
                let one = blob::appended(key, *length, &record);
                *length = one.offset + one.bytes.len() as u64;
                written.push(one);
            }
        }
        // Quiet minutes are over too.
        self.closed_ms = self.closed_ms.max((to_ms - to_ms % MINUTE_MS).saturating_sub(MINUTE_MS));
        written
    }
}

/// Everything that the flow logs have of a traffic: name and bytes of each blob, with its container.
pub fn write(world: &World, passages: &[Passage], settings: &Settings) -> Vec<(String, Vec<u8>)> {
    let from_ms = passages.iter().map(|passage| passage.conversation.start_ms).min().unwrap_or(0);
    let mut logs = FlowLogs::new(settings.clone(), from_ms);
    logs.add(world, passages);
    mock_cloud::written::gather(logs.advance(u64::MAX)).into_iter().collect()
}
