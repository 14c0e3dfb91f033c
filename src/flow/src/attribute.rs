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
use crate::summary::{End, EndId, Ends, Side};
use crate::timeline::{Candidates, Direct, Holders, InterfaceNumber, NetworkNumber, Spot, is_in, small};

mod named;
mod opener;
mod table;

pub use named::named_services;
pub use opener::Way;
use table::{Met, Table};

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

/// A point that is not just one interface, with where it was when it was last asked for.
struct Place {
    candidates: Candidates,
    spot: Spot,
}

/// What is asked of a point for each record, in as little room as can be. There are many points: nearly all are
/// [`Kind::Usual`], and have nothing else.
#[derive(Clone, Copy)]
struct Quick {
    network: NetworkNumber,
    from: u32,
    until: u32,
    kind: Kind,
    cloud: Cloud,
    /// The network is one of several: the place has to be looked at.
    is_open: bool,
    is_unknown: bool,
}

/// What a point is.
#[derive(Clone, Copy)]
enum Kind {
    /// One interface, whose name the log gives with that of a network or with none.
    Usual { interface: InterfaceNumber, named: NetworkNumber },
    /// Anything else, by its number among these.
    Place(u32),
}

impl Quick {
    fn new(cloud: Cloud, kind: Kind, candidates: &Candidates, spot: &Spot) -> Self {
        let (from, until) = small(spot.period);
        let network = match &*spot.networks {
            [only] => *only,
            _ => NetworkNumber::NONE,
        };
        let (is_open, is_unknown) = (spot.networks.len() > 1, candidates.is_unknown());
        Self { network, from, until, kind, cloud, is_open, is_unknown }
    }
}

/// What was found when a record was looked up.
#[derive(Clone, Copy)]
pub(crate) struct Looked {
    quick: Option<Quick>,
    source: (Direct, Met),
    destination: (Direct, Met),
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
    holders: Arc<Holders>,
    named: Option<NamedServices>,
    table: Table,
    /// One for each point.
    quick: Vec<Quick>,
    /// Those of which a [`Quick`] does not tell all.
    places: Vec<Place>,
    pairs: FxHashMap<(EndId, EndId), ServiceSet>,
}

impl Attributor {
    /// Keeps at most `externals_max` addresses of nobody known as they are; see [`Attributor::folded`].
    pub fn new(holders: Arc<Holders>, externals_max: usize, named: Option<NamedServices>) -> Self {
        let table = Table::new(holders.clone(), externals_max);
        Self { holders, named, table, places: Vec::new(), quick: Vec::new(), pairs: FxHashMap::default() }
    }

    /// A new point: points have the numbers 0, 1, 2 … in the order in which they are made known.
    pub fn point(&mut self, point: &Point<'_>) -> PointId {
        let candidates = self.holders.candidates(point);
        let spot = self.holders.spot(&candidates, 0);
        let usual = candidates.usual().filter(|_| !spot.interfaces.is_empty());
        let kind = match usual {
            Some((interface, named)) => Kind::Usual { interface, named },
            None => Kind::Place(self.places.len() as u32),
        };
        self.quick.push(Quick::new(point.cloud, kind, &candidates, &spot));
        if usual.is_none() {
            self.places.push(Place { candidates, spot });
        }
        PointId((self.quick.len() - 1) as u32)
    }

    /// The ends that sightings name.
    pub fn ends(&self) -> &Ends {
        &self.table.ends
    }

    pub(crate) fn ends_mut(&mut self) -> &mut Ends {
        &mut self.table.ends
    }

    pub(crate) fn into_ends(self) -> Ends {
        self.table.ends
    }

    /// Ends of records that were told as a block, since there were too many addresses.
    pub fn folded(&self) -> u64 {
        self.table.folded
    }

    /// Who, to whom, on what. Nothing for a point that was never made known.
    pub fn attribute(&mut self, record: &FlowRecord) -> Option<Sighting> {
        let mut looked = self.look(record);
        self.look_on(&mut looked);
        self.sighting(record, &looked)
    }

    /// What a record is attributed by, as far as no branch depends on it: whoever looks for many records before the first
    /// of them is attributed waits for memory once.
    #[inline]
    pub(crate) fn look(&self, record: &FlowRecord) -> Looked {
        Looked {
            quick: self.quick.get(record.point.0 as usize).copied(),
            source: (self.holders.look(record.source), Met::NOT),
            destination: (self.holders.look(record.destination), Met::NOT),
        }
    }

    /// The second look, which depends on the first.
    #[inline]
    pub(crate) fn look_on(&self, looked: &mut Looked) {
        looked.source.1 = self.table.met(looked.source.0);
        looked.destination.1 = self.table.met(looked.destination.0);
    }

    /// [`Attributor::attribute`], given what was found when one looked.
    #[inline]
    pub(crate) fn sighting(&mut self, record: &FlowRecord, looked: &Looked) -> Option<Sighting> {
        let time = record.start;
        let quick = match looked.quick {
            // Of another kind the place may have been looked up for another time since.
            Some(quick @ Quick { kind: Kind::Usual { .. }, from, until, .. }) if is_in(time, from, until) => {
                quick
            }
            _ => self.quick(record.point, time)?,
        };
        let here = if quick.is_open { self.here(quick, record, time)? } else { quick.network };
        let (source, at_source) = self.table.end(looked.source, here, record.source, time);
        let (destination, at_destination) =
            self.table.end(looked.destination, here, record.destination, time);
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
        let kept = self.quick.get_mut(point.0 as usize)?;
        if is_in(time, kept.from, kept.until) {
            return Some(*kept);
        }
        match kept.kind {
            Kind::Usual { interface, named } => {
                let candidates = Candidates::of_usual(interface, named);
                let spot = self.holders.spot(&candidates, time);
                *kept = Quick::new(kept.cloud, kept.kind, &candidates, &spot);
            }
            Kind::Place(number) => {
                let place = self.places.get_mut(number as usize)?;
                place.spot = self.holders.spot(&place.candidates, time);
                *kept = Quick::new(kept.cloud, kept.kind, &place.candidates, &place.spot);
            }
        }
        Some(*kept)
    }

    /// The network that the addresses of a record are looked up from, where the point may be in several.
    fn here(&self, quick: Quick, record: &FlowRecord, time: i64) -> Option<NetworkNumber> {
        let Kind::Place(number) = quick.kind else { return Some(quick.network) };
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
        match quick.kind {
            Kind::Usual { interface, .. } if source != destination && source == Some(interface) => {
                Some(At::Source)
            }
            Kind::Usual { interface, .. } if source != destination && destination == Some(interface) => {
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
        let own = match &quick.kind {
            Kind::Usual { interface, .. } => std::slice::from_ref(interface),
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
        let ends = &self.table.ends;
        let services = self.pairs.entry((source, destination));
        services.or_insert_with(|| named(ends.get(source), ends.get(destination))).contains(service)
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
