//! The query of the Parquet benchmark, as somebody who wants it fast writes it: tables with open addressing, and many look-ups
//! at a time, so that they wait for memory together.

use std::net::{IpAddr, Ipv6Addr};

use flow::{Fault, FlowRecord, Gap, Outcome, Point, PointId, Sink};
use rustc_hash::FxHashMap;

/// A label of which there are fewer than this.
const LABELS_MAX: u32 = 1 << 18;
/// The label of an address that has none.
const NOBODY: u32 = LABELS_MAX;

/// Labels by address.
#[derive(Default)]
pub struct Labels {
    /// Open addressing, at most half full.
    short: Vec<(u32, u32)>,
    long: FxHashMap<Ipv6Addr, u32>,
}

impl Labels {
    /// Of lines of an address and the number of its label.
    pub fn new(text: &str) -> Self {
        let mut this = Self {
            short: vec![(0, NOBODY); (text.lines().count() * 2).next_power_of_two()],
            long: FxHashMap::default(),
        };
        for line in text.lines() {
            let (address, label) = line.split_once(' ').unwrap();
            let label = label.parse().unwrap();
            assert!(label < LABELS_MAX);
            match address.parse().unwrap() {
                IpAddr::V6(address) => _ = this.long.insert(address, label),
                IpAddr::V4(address) => {
                    let mut at = this.slot(address.to_bits());
                    while this.short[at].1 != NOBODY {
                        at = (at + 1) & (this.short.len() - 1);
                    }
                    this.short[at] = (address.to_bits(), label);
                }
            }
        }
        this
    }

    fn slot(&self, address: u32) -> usize {
        (address.wrapping_mul(0x9e37_79b1) >> 8) as usize & (self.short.len() - 1)
    }

    /// What stands where an address belongs. No branch depends on it.
    fn look(&self, address: IpAddr) -> (u32, u32) {
        match address {
            IpAddr::V4(address) => self.short[self.slot(address.to_bits())],
            IpAddr::V6(_) => (0, NOBODY),
        }
    }

    /// The label of an address, given what stands where it belongs.
    fn of(&self, address: IpAddr, looked: (u32, u32)) -> u32 {
        let address = match address {
            IpAddr::V4(address) => address.to_bits(),
            IpAddr::V6(address) => return self.long.get(&address).copied().unwrap_or(NOBODY),
        };
        let (mut entry, mut at) = (looked, self.slot(address));
        while entry.0 != address && entry.1 != NOBODY {
            at = (at + 1) & (self.short.len() - 1);
            entry = self.short[at];
        }
        entry.1
    }
}

/// One group.
#[derive(Clone, Copy)]
struct Group {
    key: u64,
    bytes: u64,
    count: u64,
}

/// A free slot. No key has all bits.
const FREE: Group = Group { key: u64::MAX, bytes: 0, count: 0 };

/// Sums by labels of both ends, port, protocol and action.
pub struct Groups<'a> {
    labels: &'a Labels,
    /// Open addressing, at most half full.
    slots: Vec<Group>,
    filled: usize,
    looked: Vec<[(u32, u32); 2]>,
    batch: Vec<Group>,
}

impl<'a> Groups<'a> {
    pub fn new(labels: &'a Labels) -> Self {
        Self { labels, slots: vec![FREE; 1 << 16], filled: 0, looked: Vec::new(), batch: Vec::new() }
    }

    /// Adds what another one summed.
    pub fn merge(mut self, other: Self) -> Self {
        let groups: Vec<Group> = other.slots.into_iter().filter(|group| group.key != FREE.key).collect();
        groups.chunks(256).for_each(|groups| self.add_all(groups));
        self
    }

    /// Groups, bytes, records.
    pub fn result(&self) -> String {
        let groups = self.slots.iter().filter(|group| group.key != FREE.key);
        let (bytes, count) = groups.fold((0, 0), |sum, group| (sum.0 + group.bytes, sum.1 + group.count));
        format!("{} {bytes} {count}", self.filled)
    }

    fn add_all(&mut self, groups: &[Group]) {
        let mask = self.slots.len() - 1;
        // Brings what is added to into the cache.
        let touched = groups.iter().fold(0, |all, group| all ^ self.slots[slot(group.key) & mask].key);
        std::hint::black_box(touched);
        groups.iter().for_each(|group| self.add(*group));
    }

    fn add(&mut self, group: Group) {
        let mask = self.slots.len() - 1;
        let mut at = slot(group.key) & mask;
        loop {
            let known = &mut self.slots[at];
            if known.key == group.key {
                known.bytes += group.bytes;
                known.count += group.count;
                return;
            }
            if known.key == FREE.key {
                *known = group;
                break;
            }
            at = (at + 1) & mask;
        }
        self.filled += 1;
        if self.filled * 2 > self.slots.len() {
            self.grow();
        }
    }

    fn grow(&mut self) {
        let larger = vec![FREE; self.slots.len() * 2];
        self.filled = 0;
        for group in std::mem::replace(&mut self.slots, larger) {
            if group.key != FREE.key {
                self.add(group);
            }
        }
    }
}

fn slot(key: u64) -> usize {
    let wide = u128::from(key) * 0x9e37_79b9_7f4a_7c15;
    ((wide as u64) ^ (wide >> 64) as u64) as usize
}

impl Sink for Groups<'_> {
    fn point(&mut self, _point: Point<'_>) -> PointId {
        PointId(0)
    }

    fn record(&mut self, record: &FlowRecord) {
        self.records(std::slice::from_ref(record));
    }

    fn records(&mut self, records: &[FlowRecord]) {
        let labels = self.labels;
        self.looked.clear();
        let looks =
            records.iter().map(|record| [labels.look(record.source), labels.look(record.destination)]);
        self.looked.extend(looks);
        let mut batch = std::mem::take(&mut self.batch);
        batch.clear();
        for (record, &[source, destination]) in records.iter().zip(&self.looked) {
            let ends = [labels.of(record.source, source), labels.of(record.destination, destination)];
            if ends[0] == NOBODY || ends[1] == NOBODY {
                continue;
            }
            let action = match record.outcome {
                Outcome::Accepted => 0,
                Outcome::Rejected => 1,
                Outcome::Unknown => 2,
            };
            let service = u64::from(record.destination_port) << 10 | u64::from(record.protocol) << 2 | action;
            let key = u64::from(ends[0]) << 45 | u64::from(ends[1]) << 26 | service;
            batch.push(Group { key, bytes: record.forward.bytes, count: 1 });
        }
        self.add_all(&batch);
        self.batch = batch;
    }

    fn gap(&mut self, _gap: Gap) {}

    fn fault(&mut self, fault: Fault) {
        println!("fault: {}", fault.reason);
    }
}
