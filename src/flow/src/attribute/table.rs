//! Addresses to ends, fast: one probe of one table in the usual case.
//!
//! Addresses that nobody known ever held are kept exactly up to a number of them; what comes later is told as the block
//! that it is in: a /24 (IPv6 /48), then, when there are as many blocks, a /16 (/32), then all of the family. A block means
//! "one or more addresses in it that are not listed by themselves".

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use rustc_hash::FxHashMap;

use crate::summary::{End, EndId, Ends};
use crate::timeline::{Holders, InterfaceNumber, NetworkNumber, Period, Who};

/// Answers that are kept at most (25 MB); when there are more, all are looked up again.
const KEPT_MAX: usize = (1 << 20) / 8 * 7;

/// Prefix lengths of the blocks that stand for addresses, finest first.
const BLOCKS_V4: [u8; 3] = [24, 16, 0];
const BLOCKS_V6: [u8; 3] = [48, 32, 0];

/// An end as seen from a network, for some time. Small: what is looked up at random is as fast as it is small.
#[derive(Clone, Copy)]
pub(super) struct Known {
    pub(super) end: EndId,
    /// Plus one; 0 is none.
    interface: u32,
    from: u32,
    until: u32,
}

impl Known {
    fn new(end: EndId, interface: Option<InterfaceNumber>, period: Period) -> Self {
        let (from, until) = small(period);
        Self { end, interface: interface.map_or(0, |number| number.0 + 1), from, until }
    }

    pub(super) fn interface(self) -> Option<InterfaceNumber> {
        self.interface.checked_sub(1).map(InterfaceNumber)
    }
}

/// A period in half the room: times before 1970 are 1970, and the last one is for ever.
pub(super) fn small(period: Period) -> (u32, u32) {
    let second = |time: i64| u32::try_from(time.max(0)).unwrap_or(u32::MAX);
    (second(period.from), second(period.until))
}

/// Whether a time is in a small period.
#[inline]
pub(super) fn is_in(time: i64, from: u32, until: u32) -> bool {
    let time = u32::try_from(time.max(0)).unwrap_or(u32::MAX - 1);
    from <= time && (time < until || until == u32::MAX)
}

/// Who is who, as far as it was asked.
pub(super) struct Table {
    holders: Arc<Holders>,
    pub(super) ends: Ends,
    v4: FxHashMap<u64, Known>,
    v6: FxHashMap<(u32, u128), Known>,
    workloads: FxHashMap<Who, EndId>,
    externals: usize,
    externals_max: usize,
    blocks: [usize; 2],
    /// Records whose end was told as a block.
    pub(super) folded: u64,
}

impl Table {
    pub(super) fn new(holders: Arc<Holders>, externals_max: usize) -> Self {
        Self {
            holders,
            ends: Ends::default(),
            v4: FxHashMap::default(),
            v6: FxHashMap::default(),
            workloads: FxHashMap::default(),
            externals: 0,
            externals_max,
            blocks: [0; 2],
            folded: 0,
        }
    }

    /// The end that an address stands for.
    #[inline]
    pub(super) fn end(&mut self, here: NetworkNumber, address: IpAddr, time: i64) -> Known {
        let kept = match address {
            IpAddr::V4(v4) => self.v4.get(&key_v4(here, v4.to_bits())),
            IpAddr::V6(v6) => self.v6.get(&(here.0, v6.to_bits())),
        };
        match kept {
            Some(known) if is_in(time, known.from, known.until) => *known,
            _ => self.look_up(here, address, time),
        }
    }

    #[cold]
    fn look_up(&mut self, here: NetworkNumber, address: IpAddr, time: i64) -> Known {
        let held = self.holders.holder(here, address, time);
        let (end, is_exact) = match self.workload(held.who) {
            Some(end) => (end, true),
            None => self.external(address.to_canonical()),
        };
        let known = Known::new(end, held.interface, held.period);
        if is_exact {
            self.keep(here, address, known);
        }
        known
    }

    fn keep(&mut self, here: NetworkNumber, address: IpAddr, known: Known) {
        if self.v4.len() + self.v6.len() >= KEPT_MAX {
            self.v4.clear();
            self.v6.clear();
        }
        match address {
            IpAddr::V4(v4) => drop(self.v4.insert(key_v4(here, v4.to_bits()), known)),
            IpAddr::V6(v6) => drop(self.v6.insert((here.0, v6.to_bits()), known)),
        }
    }

    fn workload(&mut self, who: Who) -> Option<EndId> {
        if let Some(&end) = self.workloads.get(&who) {
            return Some(end);
        }
        let end = self.ends.intern(self.holders.workload(who)?);
        self.workloads.insert(who, end);
        Some(end)
    }

    /// The address itself, or the block that stands for it; whether it is the address itself.
    fn external(&mut self, address: IpAddr) -> (EndId, bool) {
        let exact = End::address(address);
        if let Some(known) = self.ends.find(&exact) {
            return (known, true);
        }
        if self.externals < self.externals_max {
            self.externals += 1;
            return (self.ends.intern(exact), true);
        }
        self.folded += 1;
        (self.block(address), false)
    }

    fn block(&mut self, address: IpAddr) -> EndId {
        let lengths = if address.is_ipv4() { BLOCKS_V4 } else { BLOCKS_V6 };
        for (level, length) in lengths.into_iter().enumerate() {
            let block = End::Address(block_of(address, length));
            if let Some(known) = self.ends.find(&block) {
                return known;
            }
            match self.blocks.get_mut(level) {
                Some(count) if *count >= self.externals_max.max(1) => {}
                Some(count) => {
                    *count += 1;
                    return self.ends.intern(block);
                }
                None => return self.ends.intern(block),
            }
        }
        self.ends.intern(End::Address(block_of(address, 0)))
    }
}

fn block_of(address: IpAddr, length: u8) -> IpNet {
    IpNet::new(address, length).map_or_else(|_| address.into(), |block| block.trunc())
}

fn key_v4(here: NetworkNumber, bits: u32) -> u64 {
    u64::from(here.0) << 32 | u64::from(bits)
}
