//! What the engines do with the records: two joins of address and label, a group-by, three sums.

use std::net::IpAddr;

use flow::{Fault, FlowRecord, Gap, Outcome, Point, PointId, Sink};

use super::generate::{ADDRESSES, address, label};

/// A slot that no address and no group has.
const FREE: u64 = u64::MAX;
/// The label of an address that is not known.
const NOBODY: u32 = (1 << 20) - 1;

/// Labels by address, open addressing.
pub struct Labels(Vec<(u32, u32)>);

impl Labels {
    pub fn new() -> Self {
        let mut table = vec![(0, NOBODY); (ADDRESSES as usize * 3).next_power_of_two()];
        for number in 0..ADDRESSES {
            let mut at = Self::slot(address(number), table.len());
            while table[at].0 != 0 {
                at = (at + 1) & (table.len() - 1);
            }
            table[at] = (address(number), label(number));
        }
        Self(table)
    }

    fn slot(address: u32, len: usize) -> usize {
        (address.wrapping_mul(0x9e37_79b1) >> 8) as usize & (len - 1)
    }

    /// What the first look at the table finds: no branch depends on it, so many looks wait for memory at the same time.
    fn look(&self, address: IpAddr) -> (u32, u32) {
        let IpAddr::V4(address) = address else { return (0, NOBODY) };
        self.0[Self::slot(address.to_bits(), self.0.len())]
    }

    /// The label of an address, given what the first look found.
    fn of(&self, address: IpAddr, looked: (u32, u32)) -> u32 {
        let IpAddr::V4(address) = address else { return NOBODY };
        let address = address.to_bits();
        if looked.0 == address {
            return looked.1;
        }
        let mut at = Self::slot(address, self.0.len());
        loop {
            match self.0[at] {
                (known, label) if known == address => return label,
                (0, label) => return label,
                _ => at = (at + 1) & (self.0.len() - 1),
            }
        }
    }
}

/// One group.
#[derive(Clone, Copy)]
struct Group {
    key: u64,
    records: u64,
    packets: u64,
    bytes: u64,
}

/// Sums by source label, destination label, destination port and action.
pub struct Sums<'a> {
    labels: &'a Labels,
    groups: Vec<Group>,
    count: usize,
    points: u32,
    looked: Vec<[(u32, u32); 2]>,
    batch: Vec<Group>,
}

impl<'a> Sums<'a> {
    pub fn new(labels: &'a Labels) -> Self {
        let free = Group { key: FREE, records: 0, packets: 0, bytes: 0 };
        Self {
            labels,
            groups: vec![free; 1 << 16],
            count: 0,
            points: 0,
            looked: Vec::new(),
            batch: Vec::new(),
        }
    }

    fn add(&mut self, group: Group) {
        let mask = self.groups.len() - 1;
        let mut at = Self::slot(group.key) & mask;
        loop {
            let Some(known) = self.groups.get_mut(at) else { return };
            if known.key == group.key {
                known.records += group.records;
                known.packets += group.packets;
                known.bytes += group.bytes;
                return;
            }
            if known.key == FREE {
                *known = group;
                break;
            }
            at = (at + 1) & mask;
        }
        self.count += 1;
        if self.count * 2 > self.groups.len() {
            self.grow();
        }
    }

    fn grow(&mut self) {
        let free = Group { key: FREE, records: 0, packets: 0, bytes: 0 };
        let larger = vec![free; self.groups.len() * 2];
        self.count = 0;
        for group in std::mem::replace(&mut self.groups, larger) {
            if group.key != FREE {
                self.add(group);
            }
        }
    }

    fn slot(key: u64) -> usize {
        let wide = u128::from(key) * 0x9e37_79b9_7f4a_7c15;
        ((wide as u64) ^ (wide >> 64) as u64) as usize
    }

    /// Groups, records, packets, bytes, and a checksum that does not depend on the order: what every engine prints.
    pub fn result(&self) -> [u64; 5] {
        let groups = self.groups.iter().filter(|group| group.key != FREE);
        groups.fold([0; 5], |[count, records, packets, bytes, check], group| {
            let [from, to] = [group.key >> 40, group.key >> 20 & 0xf_ffff];
            let [port, action] = [group.key >> 2 & 0xffff, group.key & 3];
            let row = (from * 31 + to) * 31 + port * 2 + action;
            let check = check + row % 1_000_003 * group.records;
            [count + 1, records + group.records, packets + group.packets, bytes + group.bytes, check]
        })
    }
}

impl Sink for Sums<'_> {
    fn point(&mut self, _: Point<'_>) -> PointId {
        self.points += 1;
        PointId(self.points)
    }

    fn record(&mut self, record: &FlowRecord) {
        self.records(std::slice::from_ref(record));
    }

    /// As a real summariser does it: all labels of a batch are looked up, then all groups.
    fn records(&mut self, records: &[FlowRecord]) {
        let labels = self.labels;
        self.looked.clear();
        let looks =
            records.iter().map(|record| [labels.look(record.source), labels.look(record.destination)]);
        self.looked.extend(looks);
        let mut batch = std::mem::take(&mut self.batch);
        batch.clear();
        batch.extend(records.iter().zip(&self.looked).map(|(record, &[source, destination])| {
            let from = u64::from(labels.of(record.source, source));
            let to = u64::from(labels.of(record.destination, destination));
            let action = u64::from(record.outcome == Outcome::Accepted);
            let key = from << 40 | to << 20 | u64::from(record.destination_port) << 2 | action;
            Group { key, records: 1, packets: record.forward.packets, bytes: record.forward.bytes }
        }));
        let mask = self.groups.len() - 1;
        let touched = batch.iter().fold(0, |all, group| all ^ self.groups[Self::slot(group.key) & mask].key);
        std::hint::black_box(touched);
        batch.iter().for_each(|group| self.add(*group));
        self.batch = batch;
    }

    fn gap(&mut self, _: Gap) {}
    fn fault(&mut self, _: Fault) {}
}

impl Sums<'_> {
    /// What both found.
    pub fn merge(mut self, other: Self) -> Self {
        other.groups.into_iter().filter(|group| group.key != FREE).for_each(|group| self.add(group));
        self
    }
}
