//! Addresses whose holder is told by one look: nearly all.
//!
//! An answer depends on the time and on where one looks from ([`Holders::holder`]). Where no other interface ever has the
//! address in the time of a stay, and the stay's network is seen from here at all times, the answer is that stay, whatever
//! else changes. Those are in one table, with all that attribution asks for, shared between threads and never written.
//!
//! INVARIANT: what the table answers is what [`Holders::holder`] answers.

use std::net::IpAddr;

use rustc_hash::FxHashMap;

use super::holders::{Holders, InterfaceNumber, NetworkNumber, Period, Stay, Who};
use super::layout::Layout;

/// Networks of which it is kept which one sees which; with more, addresses are only direct in their own.
const NEAR_MAX: usize = 2048;

/// A period in half the room: times before 1970 are 1970, and the last one is for ever.
pub(crate) fn small(period: Period) -> (u32, u32) {
    let second = |time: i64| u32::try_from(time.max(0)).unwrap_or(u32::MAX);
    (second(period.from), second(period.until))
}

/// Whether a time is in a small period.
#[inline]
pub(crate) fn is_in(time: i64, from: u32, until: u32) -> bool {
    let time = u32::try_from(time.max(0)).unwrap_or(u32::MAX - 1);
    from <= time && (time < until || until == u32::MAX)
}

/// An address with the stay that is its answer.
#[derive(Clone, Copy)]
pub(crate) struct Direct {
    address: u32,
    /// Plus one; 0 in a free slot.
    interface: u32,
    /// Who holds it, by number: see [`Holders::who`].
    pub(crate) who: u32,
    network: NetworkNumber,
    from: u32,
    until: u32,
}

impl Direct {
    const FREE: Self =
        Self { address: 0, interface: 0, who: 0, network: NetworkNumber::NONE, from: 0, until: 0 };

    pub(crate) fn interface(&self) -> InterfaceNumber {
        InterfaceNumber(self.interface.wrapping_sub(1))
    }
}

impl Holders {
    /// What the first look at the table finds: no branch depends on it, so that many looks wait for memory at the same time.
    #[inline]
    pub(crate) fn look(&self, address: IpAddr) -> Direct {
        let IpAddr::V4(address) = address else { return Direct::FREE };
        let table = &self.direct;
        table.slots.get(table.home(address.to_bits())).copied().unwrap_or(Direct::FREE)
    }

    /// The answer, given what the first look found, if one look is enough.
    #[inline]
    pub(crate) fn direct(
        &self,
        looked: Direct,
        here: NetworkNumber,
        address: IpAddr,
        time: i64,
    ) -> Option<Direct> {
        let IpAddr::V4(address) = address else { return None };
        let address = address.to_bits();
        let is_it = looked.address == address || looked.interface == 0;
        let found = if is_it { looked } else { self.direct.find(address) };
        let is_told = found.interface != 0
            && is_in(time, found.from, found.until)
            && self.direct.near.contains(here, found.network);
        is_told.then_some(found)
    }

    /// How many numbers there are of who holds direct addresses.
    pub(crate) fn whos(&self) -> usize {
        self.direct.whos.len()
    }

    /// Who the number of a direct address stands for.
    pub(crate) fn who(&self, number: u32) -> Who {
        self.direct.whos.get(number as usize).copied().unwrap_or(Who::Nobody)
    }
}

/// All direct addresses.
#[derive(Default)]
pub(super) struct Table {
    /// Open addressing; a power of two, at most half full.
    slots: Vec<Direct>,
    shift: u32,
    whos: Vec<Who>,
    near: Near,
}

impl Table {
    /// Linear in addresses and stays.
    pub(super) fn new(holders: &Holders) -> Self {
        let len = (2 * holders.by_address.len()).next_power_of_two().max(2);
        let mut table = Self {
            slots: vec![Direct::FREE; len],
            shift: 32 - len.trailing_zeros().min(31),
            whos: Vec::new(),
            near: Near::new(holders),
        };
        let mut numbers: FxHashMap<Who, u32> = FxHashMap::default();
        for (address, stays) in &holders.by_address {
            let (IpAddr::V4(address), Some(stay)) = (address, only(holders, stays)) else { continue };
            let who = Who::Workload { labels: stay.labels, network: stay.network };
            let who = *numbers.entry(who).or_insert_with(|| {
                table.whos.push(who);
                (table.whos.len() - 1) as u32
            });
            let (from, until) = small(stay.period);
            let (address, interface) = (address.to_bits(), stay.interface.0 + 1);
            table.put(Direct { address, interface, who, network: stay.network, from, until });
        }
        table
    }

    fn put(&mut self, new: Direct) {
        let mut at = self.home(new.address);
        while self.slots.get(at).is_some_and(|slot| slot.interface != 0) {
            at = (at + 1) & (self.slots.len() - 1);
        }
        if let Some(slot) = self.slots.get_mut(at) {
            *slot = new;
        }
    }

    /// The address, or a free slot.
    fn find(&self, address: u32) -> Direct {
        let mut at = self.home(address);
        while let Some(slot) = self.slots.get(at) {
            if slot.address == address || slot.interface == 0 {
                return *slot;
            }
            at = (at + 1) & (self.slots.len() - 1);
        }
        Direct::FREE
    }

    #[inline]
    fn home(&self, address: u32) -> usize {
        (address.wrapping_mul(0x9e37_79b1) >> self.shift) as usize
    }
}

/// The last stay at an address, if it is in a network and no other one is there at its time.
fn only<'a>(holders: &'a Holders, stays: &[u32]) -> Option<&'a Stay> {
    let (last, others) = stays.split_last()?;
    let stay = |number: &u32| holders.stays.get(*number as usize);
    let last = stay(last)?;
    let is_before = |other: &u32| stay(other).is_some_and(|other| other.period.until <= last.period.from);
    (last.network != NetworkNumber::NONE && others.iter().all(is_before)).then_some(last)
}

/// Which network is seen from which by its own addresses, at all times.
#[derive(Default)]
struct Near {
    networks: usize,
    bits: Vec<u64>,
}

impl Near {
    fn new(holders: &Holders) -> Self {
        let networks = holders.networks.len() + 1;
        if networks > NEAR_MAX {
            return Self::default();
        }
        let of_layout = |layout: &Layout| {
            let mut bits = vec![0; (networks * networks).div_ceil(64)];
            for here in 0..networks {
                for there in layout.reached_from(NetworkNumber(here as u32)) {
                    let at = here * networks + there.0 as usize;
                    bits[at / 64] |= 1 << (at % 64);
                }
            }
            bits
        };
        let all = holders.layouts.iter().map(of_layout).reduce(|mut all: Vec<u64>, next| {
            all.iter_mut().zip(next).for_each(|(one, other)| *one &= other);
            all
        });
        Self { networks, bits: all.unwrap_or_default() }
    }

    #[inline]
    fn contains(&self, here: NetworkNumber, there: NetworkNumber) -> bool {
        if here == there {
            return here != NetworkNumber::NONE;
        }
        let at = here.0 as usize * self.networks + there.0 as usize;
        self.bits.get(at / 64).is_some_and(|word| word >> (at % 64) & 1 != 0)
    }
}
