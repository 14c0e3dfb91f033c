//! Addresses to ends, fast: one look at the table that all threads share in the usual case, else one at what was asked before.

use std::net::IpAddr;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::register::Register;
use crate::summary::EndId;
use crate::timeline::{Holders, InterfaceNumber, NetworkNumber, Period, is_in, small};

/// Answers that are kept at most (25 MB); when there are more, all are looked up again.
const KEPT_MAX: usize = (1 << 20) / 8 * 7;

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

/// Who is who, as far as one thread asked.
pub(super) struct Table {
    holders: Arc<Holders>,
    register: Arc<Register>,
    v4: FxHashMap<u64, Known>,
    v6: FxHashMap<(u32, u128), Known>,
    /// Records whose end was told as a block.
    pub(super) folded: u64,
}

impl Table {
    pub(super) fn new(register: Arc<Register>) -> Self {
        let holders = register.holders.clone();
        Self { holders, register, v4: FxHashMap::default(), v6: FxHashMap::default(), folded: 0 }
    }

    /// Forgets what was asked.
    pub(super) fn forget(&mut self) {
        self.v4.clear();
        self.v6.clear();
    }

    /// The end that an address stands for, with its interface.
    #[inline]
    pub(super) fn end(
        &mut self,
        here: NetworkNumber,
        address: IpAddr,
        time: i64,
    ) -> (EndId, Option<InterfaceNumber>) {
        match self.holders.direct(here, address, time) {
            Some(direct) => (EndId(direct.who), Some(direct.interface())),
            None => {
                let known = self.other(here, address, time);
                (known.end, known.interface())
            }
        }
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
        let (end, is_exact) = match self.register.workload(held.who) {
            Some(end) => (end, true),
            None => self.register.external(address.to_canonical()),
        };
        let known = Known::new(end, held.interface, held.period);
        if is_exact {
            self.keep(here, address, known);
        } else {
            self.folded += 1;
        }
        known
    }

    fn keep(&mut self, here: NetworkNumber, address: IpAddr, known: Known) {
        if self.v4.len() + self.v6.len() >= KEPT_MAX {
            self.forget();
        }
        match address {
            IpAddr::V4(v4) => drop(self.v4.insert(key_v4(here, v4.to_bits()), known)),
            IpAddr::V6(v6) => drop(self.v6.insert((here.0, v6.to_bits()), known)),
        }
    }
}

fn key_v4(here: NetworkNumber, bits: u32) -> u64 {
    u64::from(here.0) << 32 | u64::from(bits)
}
