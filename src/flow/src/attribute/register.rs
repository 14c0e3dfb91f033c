//! The numbers of ends and points, which attributors of several threads share.
//!
//! Whoever is known has the number that [`Holders`] gave them, so that the usual end is no look-up; further ends are
//! numbered behind these. Threads ask here once for each point and each address, and keep the answer.
//!
//! Addresses that nobody known ever held are kept exactly up to a number of them; what comes later is told as the block
//! that it is in: a /24 (IPv6 /48), then, when there are as many blocks, a /16 (/32), then all of the family. A block means
//! "one or more addresses in it that are not listed by themselves".

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use ipnet::IpNet;

use super::names::Names;
use super::points::{Kind, Place, Quick};
use crate::sink::{Cloud, Point, PointId};
use crate::summary::{End, EndId, Ends};
use crate::timeline::{Holders, InterfaceNumber, Who};

/// Prefix lengths of the blocks that stand for addresses, finest first.
const BLOCKS_V4: [u8; 3] = [24, 16, 0];
const BLOCKS_V6: [u8; 3] = [48, 32, 0];

/// Ends and points by number.
///
/// Amazon's interfaces are points by the hundred thousand, whose names the inventory has: their numbers are those of
/// [`Holders`], so that threads that meet them need not ask each other. Further points are numbered behind these.
pub(crate) struct Register {
    pub(super) holders: Arc<Holders>,
    points: Mutex<Points>,
    others: RwLock<Others>,
}

#[derive(Default)]
struct Points {
    names: Names,
    quick: Vec<Quick>,
    places: Vec<Place>,
}

/// Ends that are nobody's of whom [`Holders`] numbered.
struct Others {
    ends: Ends,
    externals: usize,
    externals_max: usize,
    blocks: [usize; 2],
}

/// A point as it is when it is made known.
pub(super) struct Met {
    pub(super) id: PointId,
    pub(super) quick: Quick,
    /// If the quick answer is not all there is to it.
    pub(super) place: Option<Place>,
}

impl Register {
    pub(super) fn new(holders: Arc<Holders>, externals_max: usize) -> Self {
        Self { holders, points: Mutex::default(), others: RwLock::new(Others::new(externals_max)) }
    }

    /// The number of a point, and what is known of it.
    pub(super) fn point(&self, point: &Point<'_>) -> Met {
        if let Some((interface, start)) = self.holders.of_amazon(point) {
            let quick = Quick::of_interface(point.cloud, interface, start.network, (start.from, start.until));
            return Met { id: PointId(interface.0), quick, place: None };
        }
        let mut points = self.points.lock().unwrap_or_else(PoisonError::into_inner);
        let id = match points.names.find(point) {
            Some(known) => known,
            None => points.add(&self.holders, point),
        };
        let quick = points.quick.get(id.0 as usize).copied().unwrap_or(Quick::UNTOLD);
        let id = PointId(id.0 + self.holders.interfaces());
        let place = match quick.kind() {
            Kind::Usual(_) => None,
            Kind::Place(number) => points.places.get(number as usize).cloned(),
        };
        Met { id, quick, place }
    }

    /// Points whose names the inventory does not have, or not as they are.
    pub(crate) fn strangers(&self) -> usize {
        self.points.lock().unwrap_or_else(PoisonError::into_inner).quick.len()
    }

    /// What a point is called, given to somebody who looks at it.
    pub(crate) fn named<T>(&self, point: PointId, look: impl FnOnce(Point<'_>) -> T) -> Option<T> {
        let Some(number) = point.0.checked_sub(self.holders.interfaces()) else {
            let own = self.holders.interface_id(InterfaceNumber(point.0))?;
            return Some(look(Point { cloud: Cloud::Aws, interface: Some(own.as_str()), network: None }));
        };
        let points = self.points.lock().unwrap_or_else(PoisonError::into_inner);
        points.names.name(number as usize).map(look)
    }

    /// The end of a number.
    pub(crate) fn end(&self, id: EndId) -> End {
        let known = self.holders.workload(self.holders.who(id.0));
        known.unwrap_or_else(|| {
            let others = self.others.read().unwrap_or_else(PoisonError::into_inner);
            others.ends.get(EndId(id.0.saturating_sub(self.first()))).clone()
        })
    }

    /// The number of somebody known; nothing for nobody.
    pub(super) fn workload(&self, who: Who) -> Option<EndId> {
        if let Some(number) = self.holders.number(who) {
            return Some(EndId(number));
        }
        // Several behind one translated address are somebody that no stay is.
        let end = self.holders.workload(who)?;
        Some(self.find(&end).unwrap_or_else(|| self.write(|others| others.ends.intern(end))))
    }

    /// The address itself, or the block that stands for it; whether it is the address itself.
    pub(super) fn external(&self, address: IpAddr) -> (EndId, bool) {
        let exact = End::address(address);
        if let Some(known) = self.find(&exact) {
            return (known, true);
        }
        let mut is_exact = true;
        let id = self.write(|others| match others.exactly(exact) {
            Some(id) => id,
            None => {
                is_exact = false;
                others.block(address)
            }
        });
        (id, is_exact)
    }

    /// Forgets the ends that are nobody known: their numbers are given anew. Nobody may have one of these.
    pub(crate) fn forget(&self) {
        let mut others = self.others.write().unwrap_or_else(PoisonError::into_inner);
        *others = Others::new(others.externals_max);
    }

    /// The number of the first end that is nobody known.
    fn first(&self) -> u32 {
        self.holders.whos() as u32
    }

    fn find(&self, end: &End) -> Option<EndId> {
        let others = self.others.read().unwrap_or_else(PoisonError::into_inner);
        others.ends.find(end).map(|id| EndId(id.0 + self.first()))
    }

    fn write(&self, number: impl FnOnce(&mut Others) -> EndId) -> EndId {
        let mut others = self.others.write().unwrap_or_else(PoisonError::into_inner);
        EndId(number(&mut others).0 + self.first())
    }
}

impl Points {
    fn add(&mut self, holders: &Holders, point: &Point<'_>) -> PointId {
        let candidates = holders.candidates(point);
        let spot = holders.spot(&candidates, 0);
        let usual = candidates.usual().filter(|_| !spot.interfaces.is_empty());
        let kind = match usual {
            Some(interface) => Kind::Usual(interface),
            None => Kind::Place(self.places.len() as u32),
        };
        self.quick.push(Quick::new(point.cloud, kind, &candidates, &spot));
        if usual.is_none() {
            self.places.push(Place { candidates, spot });
        }
        self.names.add(point)
    }
}

impl Others {
    fn new(externals_max: usize) -> Self {
        Self { ends: Ends::default(), externals: 0, externals_max, blocks: [0; 2] }
    }

    /// An address, as long as there are not too many. Another thread may have been faster.
    fn exactly(&mut self, address: End) -> Option<EndId> {
        if let Some(known) = self.ends.find(&address) {
            return Some(known);
        }
        (self.externals < self.externals_max).then(|| {
            self.externals += 1;
            self.ends.intern(address)
        })
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
