//! Points, as one thread knows them: what is asked of each for every record beside what is counted of it.
//!
//! There are more points than the caches of a processor hold, and each record is of another one: so all that is needed of a
//! usual one is in half a cache line.

use crate::record::FlowRecord;
use crate::sink::{Cloud, PointId};
use crate::timeline::{Candidates, InterfaceNumber, NetworkNumber, Spot, small};

/// A point that is not just one interface, with where it was when it was last asked for.
#[derive(Clone)]
pub(super) struct Place {
    pub(super) candidates: Candidates,
    pub(super) spot: Spot,
}

/// What is asked of a point for each record. Nearly all are [`Kind::Usual`], and have nothing else.
#[derive(Clone, Copy)]
pub(super) struct Quick {
    pub(super) network: NetworkNumber,
    pub(super) from: u32,
    pub(super) until: u32,
    number: u32,
    is_usual: bool,
    pub(super) cloud: Cloud,
    /// The network is one of several: the place has to be looked at.
    pub(super) is_open: bool,
    pub(super) is_unknown: bool,
}

/// What a point is.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    /// One interface, whose name the log gives with that of a network or with none.
    Usual(InterfaceNumber),
    /// Anything else, by its number among these.
    Place(u32),
}

impl Quick {
    /// Of a point that was never made known: at no time, and nowhere.
    pub(super) const UNTOLD: Self = Self {
        network: NetworkNumber::NONE,
        from: 0,
        until: 0,
        number: u32::MAX,
        is_usual: false,
        cloud: Cloud::Aws,
        is_open: false,
        is_unknown: true,
    };

    pub(super) fn new(cloud: Cloud, kind: Kind, candidates: &Candidates, spot: &Spot) -> Self {
        let (from, until) = small(spot.period);
        let network = match &*spot.networks {
            [only] => *only,
            _ => NetworkNumber::NONE,
        };
        let (number, is_usual) = match kind {
            Kind::Usual(interface) => (interface.0, true),
            Kind::Place(number) => (number, false),
        };
        let (is_open, is_unknown) = (spot.networks.len() > 1, candidates.is_unknown());
        Self { network, from, until, number, is_usual, cloud, is_open, is_unknown }
    }

    /// Of one interface that is called by its name alone.
    pub(super) fn of_interface(
        cloud: Cloud,
        interface: InterfaceNumber,
        network: NetworkNumber,
        (from, until): (u32, u32),
    ) -> Self {
        let (is_open, is_unknown) = (false, false);
        Self { network, from, until, number: interface.0, is_usual: true, cloud, is_open, is_unknown }
    }

    #[inline]
    pub(super) fn kind(&self) -> Kind {
        if self.is_usual { Kind::Usual(InterfaceNumber(self.number)) } else { Kind::Place(self.number) }
    }

    pub(super) fn is_untold(&self) -> bool {
        !self.is_usual && self.number == u32::MAX
    }

    /// The same at another place of this thread.
    pub(super) fn at_place(self, number: u32) -> Self {
        Self { number, is_usual: false, ..self }
    }
}

/// Records of one point. Seconds in half the room.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Seen {
    pub(crate) records: u32,
    pub(crate) first: u32,
    /// 0 if nobody named the point.
    pub(crate) last: u32,
}

impl Seen {
    const NOTHING: Self = Self { records: 0, first: u32::MAX, last: 0 };
    /// Somebody named the point, and no record followed.
    const NAME: Self = Self { last: 1, ..Self::NOTHING };
}

/// A point.
#[derive(Clone, Copy)]
#[repr(align(32))]
struct Known {
    quick: Quick,
    seen: Seen,
}

const _: () = assert!(size_of::<Known>() == 32, "two points fill a cache line");

/// Points by number.
#[derive(Default)]
pub(super) struct Points(Vec<Known>);

impl Points {
    /// A point was named; the answer is to be filled in if it is untold.
    pub(super) fn name(&mut self, point: PointId) -> Option<&mut Quick> {
        let number = point.0 as usize;
        if self.0.len() <= number {
            self.0.resize(number + 1, Known { quick: Quick::UNTOLD, seen: Seen::NOTHING });
        }
        let known = self.0.get_mut(number)?;
        known.seen.last = known.seen.last.max(Seen::NAME.last);
        Some(&mut known.quick)
    }

    #[inline]
    pub(super) fn get(&self, point: PointId) -> Quick {
        self.0.get(point.0 as usize).map_or(Quick::UNTOLD, |known| known.quick)
    }

    pub(super) fn get_mut(&mut self, point: PointId) -> Option<&mut Quick> {
        self.0.get_mut(point.0 as usize).map(|known| &mut known.quick)
    }

    /// Loads what is known of a point, see [`super::Attributor::touch`].
    #[inline]
    pub(super) fn touch(&self, point: PointId) -> u32 {
        self.0.get(point.0 as usize).map_or(0, |known| known.quick.number)
    }

    /// Counts a record, whose times are seconds of 32 bits. Whether no more can be counted before [`Points::take_seen`].
    #[inline]
    pub(super) fn count(&mut self, record: &FlowRecord) -> bool {
        let (first, last) = (record.start as u32, record.end.max(record.start) as u32);
        let Some(Known { seen, .. }) = self.0.get_mut(record.point.0 as usize) else { return false };
        seen.records += 1;
        (seen.first, seen.last) = (seen.first.min(first), seen.last.max(last));
        seen.records == u32::MAX
    }

    /// What was counted since the last time, of each point that was named or counted since.
    pub(super) fn take_seen(&mut self) -> impl Iterator<Item = (PointId, Seen)> + '_ {
        let seen = self.0.iter_mut().map(|known| std::mem::replace(&mut known.seen, Seen::NOTHING));
        seen.enumerate()
            .filter(|(_, seen)| seen.last > 0)
            .map(|(number, seen)| (PointId(number as u32), seen))
    }
}
