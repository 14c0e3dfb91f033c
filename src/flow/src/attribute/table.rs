//! Addresses to ends, fast: one look at the table that all threads share in the usual case, else one at what was asked before.
//!
//! Addresses that nobody known ever held are kept exactly up to a number of them; what comes later is told as the block
//! that it is in: a /24 (IPv6 /48), then, when there are as many blocks, a /16 (/32), then all of the family. A block means
//! "one or more addresses in it that are not listed by themselves".

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use rustc_hash::FxHashMap;

use crate::summary::{End, EndId, Ends};
use crate::timeline::{Direct, Holders, InterfaceNumber, NetworkNumber, Period, Who, is_in, small};

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

/// The end of somebody who was met.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Met(u32);

impl Met {
    pub(super) const NOT: Self = Self(u32::MAX);
}

/// Who is who, as far as it was asked.
pub(super) struct Table {
    holders: Arc<Holders>,
    pub(super) ends: Ends,
    v4: FxHashMap<u64, Known>,
    v6: FxHashMap<(u32, u128), Known>,
    workloads: FxHashMap<Who, EndId>,
    /// The ends of direct addresses, by the number of who holds them.
    directs: Vec<Met>,
    externals: usize,
    externals_max: usize,
    blocks: [usize; 2],
    /// Records whose end was told as a block.
    pub(super) folded: u64,
}

impl Table {
    pub(super) fn new(holders: Arc<Holders>, externals_max: usize) -> Self {
        // As many as there can be: no branch depends on how many were met.
        let directs = vec![Met::NOT; holders.whos()];
        Self {
            holders,
            ends: Ends::default(),
            v4: FxHashMap::default(),
            v6: FxHashMap::default(),
            workloads: FxHashMap::default(),
            directs,
            externals: 0,
            externals_max,
            blocks: [0; 2],
            folded: 0,
        }
    }

    /// The end of a direct address, if it was met.
    #[inline]
    pub(super) fn met(&self, direct: Direct) -> Met {
        self.directs.get(direct.who as usize).copied().unwrap_or(Met::NOT)
    }

    /// The end that an address stands for, with its interface, given what looks at it found.
    #[inline]
    pub(super) fn end(
        &mut self,
        (looked, met): (Direct, Met),
        here: NetworkNumber,
        address: IpAddr,
        time: i64,
    ) -> (EndId, Option<InterfaceNumber>) {
        let Some(direct) = self.holders.direct(looked, here, address, time) else {
            let known = self.other(here, address, time);
            return (known.end, known.interface());
        };
        let met = if direct.who == looked.who { met } else { self.met(direct) };
        let end = if met == Met::NOT { self.meet(direct) } else { EndId(met.0) };
        (end, Some(direct.interface()))
    }

    /// The end of a direct address that is met for the first time.
    #[cold]
    fn meet(&mut self, direct: Direct) -> EndId {
        let number = direct.who as usize;
        let end = self.workload(self.holders.who(direct.who)).unwrap_or(EndId(0));
        if let Some(met) = self.directs.get_mut(number) {
            *met = Met(end.0);
        }
        end
    }

    fn other(&mut self, here: NetworkNumber, address: IpAddr, time: i64) -> Known {
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
