//! From a record to a sighting: who opened a connection to whom, on what, seen by whom.
//!
//! Replies are turned round here and client ports are dropped: behind this nobody sees a five-tuple.
//!
//! INVARIANT: a reply never makes a connection, and is never evidence that a rule allows the way back.

use std::net::IpAddr;
use std::sync::Arc;

use policy::service::has_ports;
use policy::{ServicePoint, ServiceSet};
use rustc_hash::FxHashMap;

use crate::record::{Direction, FlowRecord, Outcome};
use crate::sink::{Cloud, Point, PointId};
use crate::summary::{End, EndId, Side};
use crate::timeline::{Holders, InterfaceNumber, NetworkNumber, is_in};

mod named;
mod names;
mod opener;
mod points;
mod register;
mod table;

pub use named::named_services;
pub use opener::Way;
pub(crate) use points::Seen;
use points::{Kind, Place, Points, Quick};
pub(crate) use register::Register;
use table::Table;

/// The services that rules name from one end to another: tells who opened a connection where the log does not.
pub type NamedServices = Arc<dyn Fn(&End, &End) -> ServiceSet + Send + Sync>;

/// Pairs of ends whose services are kept at most; when there are more, all are asked again.
const PAIRS_MAX: usize = 1 << 18;

/// A record with names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sighting {
    /// Who opened the connection.
    pub source: EndId,
    /// Who was connected to.
    pub destination: EndId,
    /// On what.
    pub service: ServicePoint,
    /// Which end saw it.
    pub side: Side,
    /// Whether the point let the *connection* pass: a reply that it dropped belongs to a connection that was let in.
    pub outcome: Outcome,
    /// Which way the packets of the record went.
    pub way: Way,
    /// Whether who opened it was guessed.
    pub is_guessed: bool,
    /// Whether it is older than the first sighting, so that the ends are those of later.
    pub is_before_first: bool,
    /// Whether nothing is known of the point.
    pub is_at_unknown_point: bool,
}

/// At which end of a record its point is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum At {
    Source,
    Destination,
    Elsewhere,
}

/// Attributes records; remembers what it looked up.
pub struct Attributor {
    register: Arc<Register>,
    holders: Arc<Holders>,
    named: Option<NamedServices>,
    table: Table,
    points: Points,
    /// Of points of which a [`Quick`] does not tell all.
    places: Vec<Place>,
    pairs: FxHashMap<(EndId, EndId), ServiceSet>,
}

impl Attributor {
    /// Keeps at most `externals_max` addresses of nobody known as they are; further ones are told as blocks.
    pub fn new(holders: Arc<Holders>, externals_max: usize, named: Option<NamedServices>) -> Self {
        Self::on(Arc::new(Register::new(holders, externals_max)), named)
    }

    /// One for another thread, which gives ends and points the same numbers.
    pub(crate) fn another(&self) -> Self {
        Self::on(self.register.clone(), self.named.clone())
    }

    fn on(register: Arc<Register>, named: Option<NamedServices>) -> Self {
        Self {
            holders: register.holders.clone(),
            table: Table::new(register.clone()),
            register,
            named,
            points: Points::default(),
            places: Vec::new(),
            pairs: FxHashMap::default(),
        }
    }

    /// The number of a point, by which records name it; a name has one number.
    pub fn point(&mut self, point: &Point<'_>) -> PointId {
        let met = self.register.point(point);
        if let Some(quick) = self.points.name(met.id)
            && quick.is_untold()
        {
            *quick = met.quick;
            if let Some(place) = met.place {
                *quick = quick.at_place(self.places.len() as u32);
                self.places.push(place);
            }
        }
        met.id
    }

    /// The end of a number.
    pub fn end(&self, id: EndId) -> End {
        self.register.end(id)
    }

    pub(crate) fn register(&self) -> &Arc<Register> {
        &self.register
    }

    pub(crate) fn knows(&self, point: PointId) -> bool {
        !self.points.get(point).is_untold()
    }

    /// Counts a record, whose times are seconds of 32 bits, at its point. Whether [`Attributor::take_seen`] must be asked before
    /// the next one.
    #[inline]
    pub(crate) fn count(&mut self, record: &FlowRecord) -> bool {
        self.points.count(record)
    }

    /// Records of each point since the last time.
    pub(crate) fn take_seen(&mut self) -> impl Iterator<Item = (PointId, Seen)> + '_ {
        self.points.take_seen()
    }

    /// Forgets the numbers of ends, which may be given anew from now on.
    pub(crate) fn forget(&mut self) {
        self.table.forget();
        self.pairs.clear();
    }

    /// Ends that were told as a block since the last time.
    pub(crate) fn take_folded(&mut self) -> u64 {
        std::mem::take(&mut self.table.folded)
    }

    /// Loads what records will be attributed by: in a tight loop the processor waits for many of them at once.
    #[inline]
    pub(crate) fn touch(&self, records: &[FlowRecord]) {
        let all = records.iter().fold(0, |all, record| {
            let ends = self.holders.touch(record.source) ^ self.holders.touch(record.destination);
            all ^ ends ^ self.points.touch(record.point)
        });
        std::hint::black_box(all);
    }

    /// Who, to whom, on what. Nothing for a point that was never made known.
    #[inline]
    pub fn attribute(&mut self, record: &FlowRecord) -> Option<Sighting> {
        let time = record.start;
        let kept = self.points.get(record.point);
        let quick = if is_in(time, kept.from, kept.until) { kept } else { self.quick(record.point, time)? };
        let here = if quick.is_open { self.here(quick, record, time)? } else { quick.network };
        let (source, at_source) = self.table.end(here, record.source, time);
        let (destination, at_destination) = self.table.end(here, record.destination, time);
        let at = self.at(quick, record, at_source, at_destination)?;
        let (way, is_guessed) = match opener::told(record) {
            Some(way) => (way, false),
            None => (self.guess(record, source, destination), true),
        };
        let (source, destination, port) = match way {
            Way::Forward => (source, destination, record.destination_port),
            Way::Reply => (destination, source, record.source_port),
        };
        let detail = if has_ports(record.protocol) { port } else { 0 };
        Some(Sighting {
            source,
            destination,
            service: ServicePoint { protocol: record.protocol, detail },
            side: side(at, way),
            outcome: match (way, record.outcome) {
                (Way::Reply, Outcome::Rejected) => Outcome::Accepted,
                (_, outcome) => outcome,
            },
            way,
            is_guessed,
            is_before_first: self.holders.is_before_first(time),
            is_at_unknown_point: quick.is_unknown,
        })
    }

    /// Where a point was.
    #[cold]
    fn quick(&mut self, point: PointId, time: i64) -> Option<Quick> {
        let kept = self.points.get_mut(point)?;
        let kind = kept.kind();
        match kind {
            Kind::Usual(_) => {
                let candidates = self.register.named(point, |point| self.holders.candidates(&point))?;
                *kept = Quick::new(kept.cloud, kind, &candidates, &self.holders.spot(&candidates, time));
            }
            Kind::Place(number) => {
                let place = self.places.get_mut(number as usize)?;
                place.spot = self.holders.spot(&place.candidates, time);
                *kept = Quick::new(kept.cloud, kind, &place.candidates, &place.spot);
            }
        }
        Some(*kept)
    }

    /// The network that the addresses of a record are looked up from, where the point may be in several.
    fn here(&self, quick: Quick, record: &FlowRecord, time: i64) -> Option<NetworkNumber> {
        let Kind::Place(number) = quick.kind() else { return Some(quick.network) };
        let place = self.places.get(number as usize)?;
        Some(place.spot.network_of(&self.holders, [record.source, record.destination], time))
    }

    /// Where the point is: in the usual case it is one interface, which holds one of the ends.
    #[inline]
    fn at(
        &self,
        quick: Quick,
        record: &FlowRecord,
        source: Option<InterfaceNumber>,
        destination: Option<InterfaceNumber>,
    ) -> Option<At> {
        match quick.kind() {
            Kind::Usual(interface) if source != destination && source == Some(interface) => Some(At::Source),
            Kind::Usual(interface) if source != destination && destination == Some(interface) => {
                Some(At::Destination)
            }
            _ => self.unusually_at(quick, record, source, destination),
        }
    }

    #[cold]
    fn unusually_at(
        &self,
        quick: Quick,
        record: &FlowRecord,
        source: Option<InterfaceNumber>,
        destination: Option<InterfaceNumber>,
    ) -> Option<At> {
        let kind = quick.kind();
        let own = match &kind {
            Kind::Usual(interface) => std::slice::from_ref(interface),
            Kind::Place(number) => &*self.places.get(*number as usize)?.spot.interfaces,
        };
        Some(at(&self.holders, quick.cloud, own, record, source, destination))
    }

    /// Rules that name the service one way and not the other; else the ports.
    fn guess(&mut self, record: &FlowRecord, source: EndId, destination: EndId) -> Way {
        if self.named.is_some() && has_ports(record.protocol) {
            let point = |port| ServicePoint::port(record.protocol, port);
            let forward = self.is_named(source, destination, point(record.destination_port));
            let back = self.is_named(destination, source, point(record.source_port));
            match (forward, back) {
                (true, false) => return Way::Forward,
                (false, true) => return Way::Reply,
                _ => {}
            }
        }
        opener::by_ports(record)
    }

    fn is_named(&mut self, source: EndId, destination: EndId, service: ServicePoint) -> bool {
        let Some(named) = &self.named else { return false };
        if self.pairs.len() >= PAIRS_MAX {
            self.pairs.clear();
        }
        let end = |id| self.register.end(id);
        let services = self.pairs.entry((source, destination));
        services.or_insert_with(|| named(&end(source), &end(destination))).contains(service)
    }
}

/// Where the point is. What its interface holds decides; then, where the log gives it, the direction, unless the point
/// is known not to be at that end: an interface of a gateway forwards what is not its own.
fn at(
    holders: &Holders,
    cloud: Cloud,
    own: &[InterfaceNumber],
    record: &FlowRecord,
    source: Option<InterfaceNumber>,
    destination: Option<InterfaceNumber>,
) -> At {
    let is_own = |holder: Option<InterfaceNumber>| holder.is_some_and(|holder| own.contains(&holder));
    match (is_own(source), is_own(destination)) {
        (true, false) => return At::Source,
        (false, true) => return At::Destination,
        (true, true) => return by_direction(record.direction.or(Some(Direction::Egress))),
        (false, false) => {}
    }
    let has = |address: IpAddr| own.iter().any(|&one| holders.has_address(one, address, record.start));
    if !own.is_empty() {
        match (has(record.source), has(record.destination)) {
            (true, false) => return At::Source,
            (false, true) => return At::Destination,
            _ => {}
        }
    }
    let at = by_direction(record.direction);
    let near = match at {
        At::Source => source,
        At::Destination => destination,
        At::Elsewhere => return At::Elsewhere,
    };
    // Amazon logs gateways too, by the id that the inventory has for each interface of a workload: the near end would be
    // the point's own. Microsoft names an interface by a MAC that the inventory need not know, and logs no gateways.
    let is_elsewhere = cloud == Cloud::Aws && (!own.is_empty() || near.is_some());
    if is_elsewhere { At::Elsewhere } else { at }
}

fn by_direction(direction: Option<Direction>) -> At {
    match direction {
        Some(Direction::Egress) => At::Source,
        Some(Direction::Ingress) => At::Destination,
        None => At::Elsewhere,
    }
}

/// The side of the connection that an end of the record is.
fn side(at: At, way: Way) -> Side {
    match (at, way) {
        (At::Source, Way::Forward) | (At::Destination, Way::Reply) => Side::Source,
        (At::Destination, Way::Forward) | (At::Source, Way::Reply) => Side::Destination,
        (At::Elsewhere, _) => Side::Elsewhere,
    }
}
