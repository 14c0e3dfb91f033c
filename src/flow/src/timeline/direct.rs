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

/// An address with the stay that is its answer: four in a cache line, for there are many and each record asks for two.
#[derive(Clone, Copy)]
pub(crate) struct Direct {
    address: u32,
    /// Plus one; 0 in a free slot.
    interface: u32,
    /// Who holds it, by number: see [`Holders::who`].
    pub(crate) who: u32,
    network: u16,
    /// Its place in [`Table::periods`].
    period: u16,
}

const _: () = assert!(size_of::<Direct>() == 16);

impl Direct {
    const FREE: Self = Self { address: 0, interface: 0, who: 0, network: 0, period: 0 };

    pub(crate) fn interface(&self) -> InterfaceNumber {
        InterfaceNumber(self.interface.wrapping_sub(1))
    }
}

impl Holders {
    /// Loads what [`Holders::direct`] will look at: whoever asks for many does this in a tight loop before, in which the
    /// processor waits for many of them at once.
    #[inline]
    pub(crate) fn touch(&self, address: IpAddr) -> u32 {
        let IpAddr::V4(address) = address else { return 0 };
        let table = &self.direct;
        table.slots.get(table.home(address.to_bits())).map_or(0, |slot| slot.address)
    }

    /// The answer, if one look is enough.
    #[inline]
    pub(crate) fn direct(&self, here: NetworkNumber, address: IpAddr, time: i64) -> Option<Direct> {
        let IpAddr::V4(address) = address else { return None };
        let found = self.direct.find(address.to_bits());
        let (from, until) = self.direct.periods.get(usize::from(found.period)).copied()?;
        let is_told = found.interface != 0
            && is_in(time, from, until)
            && self.direct.near.contains(here, NetworkNumber(found.network.into()));
        is_told.then_some(found)
    }

    /// How many numbers there are of who ever held an address: 0, 1, 2 …
    pub(crate) fn whos(&self) -> usize {
        self.direct.whos.len()
    }

    /// Who a number stands for.
    pub(crate) fn who(&self, number: u32) -> Who {
        self.direct.whos.get(number as usize).copied().unwrap_or(Who::Nobody)
    }

    /// The number of somebody who ever held an address; nothing for nobody.
    pub(crate) fn number(&self, who: Who) -> Option<u32> {
        self.direct.numbers.get(&who).copied()
    }
}

/// All direct addresses.
#[derive(Default)]
pub(super) struct Table {
    /// Open addressing; a power of two, at most half full.
    slots: Vec<Direct>,
    shift: u32,
    /// Those of all slots: few, since most that change do so at the same times.
    periods: Vec<(u32, u32)>,
    /// Whoever held an address, direct or not, by number.
    whos: Vec<Who>,
    numbers: FxHashMap<Who, u32>,
    near: Near,
}

impl Table {
    /// Linear in addresses and stays.
    pub(super) fn new(holders: &Holders) -> Self {
        let len = (2 * holders.by_address.len()).next_power_of_two().max(2);
        let mut table = Self {
            slots: vec![Direct::FREE; len],
            shift: 32 - len.trailing_zeros().min(31),
            periods: Vec::new(),
            whos: Vec::new(),
            numbers: FxHashMap::default(),
            near: Near::new(holders),
        };
        for stay in &holders.stays {
            table.count(stay.who());
        }
        let mut periods: FxHashMap<(u32, u32), u16> = FxHashMap::default();
        for (address, stays) in &holders.by_address {
            let (IpAddr::V4(address), Some(stay)) = (address, only(holders, stays)) else { continue };
            let (Ok(network), Ok(next)) = (u16::try_from(stay.network.0), u16::try_from(table.periods.len()))
            else {
                continue;
            };
            let period = *periods.entry(small(stay.period)).or_insert_with_key(|period| {
                table.periods.push(*period);
                next
            });
            let (who, interface) = (table.count(stay.who()), stay.interface.0 + 1);
            table.put(Direct { address: address.to_bits(), interface, who, network, period });
        }
        table
    }

    /// The number of somebody, new if they have none.
    fn count(&mut self, who: Who) -> u32 {
        *self.numbers.entry(who).or_insert_with(|| {
            self.whos.push(who);
            (self.whos.len() - 1) as u32
        })
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
    #[inline]
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
