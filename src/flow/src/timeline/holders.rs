//! Who held an address at a time, as seen from a network: a timeline indexed for look-ups.
//!
//! The rules are those at the top of `policy::snapshot`, applied to what was there at the time; where translations matter
//! `policy::AddressDirectory` itself decides. An answer says for how long it holds, so that whoever asks millions of times
//! a second may keep it.

use std::net::IpAddr;
use std::sync::Arc;

use policy::few::Few;
use policy::{InterfaceId, LabelSet, NetworkId};
use rustc_hash::FxHashMap;

use super::amazon;
use super::direct::Table;
use super::layout::Layout;
use super::names::{Aliases, Candidates, Names, Spot};
use super::{Seat, State, Timeline};
use crate::sink::Point;
use crate::summary::End;

/// A network by the number that [`Holders`] gave it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct NetworkNumber(pub(crate) u32);

impl NetworkNumber {
    /// No network, or none that is known.
    pub const NONE: Self = Self(0);
}

/// An interface by the number that [`Holders`] gave it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct InterfaceNumber(pub(crate) u32);

/// From a Unix second to just before another one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Period {
    /// The first second.
    pub from: i64,
    /// The first second after it.
    pub until: i64,
}

impl Period {
    /// Whether a second is in it.
    pub fn contains(&self, time: i64) -> bool {
        self.from <= time && time < self.until
    }

    /// Cuts the period around `time` to where it does not leave, or does not enter, another one.
    pub(super) fn narrow(&mut self, other: Self, time: i64) {
        if time < other.from {
            self.until = self.until.min(other.from);
        } else if time >= other.until {
            self.from = self.from.max(other.until);
        } else {
            (self.from, self.until) = (self.from.max(other.from), self.until.min(other.until));
        }
    }
}

/// Whom an address stands for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Who {
    /// Workloads with the same labels.
    Workload {
        /// By number.
        labels: u32,
        /// [`NetworkNumber::NONE`] for unmanaged workloads.
        network: NetworkNumber,
    },
    /// Nobody known, or nobody can tell.
    Nobody,
}

/// An answer, and for how long it is the same.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Held {
    /// Whom the address stands for.
    pub who: Who,
    /// The interface, if it is one.
    pub interface: Option<InterfaceNumber>,
    /// When the answer is right.
    pub period: Period,
}

/// An interface as it was for some time.
pub(super) struct Stay {
    pub(super) interface: InterfaceNumber,
    pub(super) labels: u32,
    pub(super) network: NetworkNumber,
    pub(super) period: Period,
    pub(super) seat: Arc<Seat>,
}

impl Stay {
    /// Whom the address stands for.
    pub(super) fn who(&self) -> Who {
        Who::Workload { labels: self.labels, network: self.network }
    }
}

/// A timeline, indexed. Immutable: shared between threads.
pub struct Holders {
    first: Option<i64>,
    /// When something changed; the first sighting counts from the beginning of time.
    pub(super) epochs: Vec<i64>,
    pub(super) stays: Vec<Stay>,
    pub(super) by_address: FxHashMap<IpAddr, Few<u32>>,
    by_interface: Vec<Few<u32>>,
    pub(super) layouts: Vec<Layout>,
    labels: Vec<Arc<LabelSet>>,
    pub(super) networks: Vec<NetworkId>,
    pub(super) interfaces: Vec<InterfaceId>,
    /// Addresses that translations make of others at any time.
    translated: rustc_hash::FxHashSet<IpAddr>,
    names: Names,
    pub(super) direct: Table,
    pub(super) amazon: amazon::Table,
}

impl Holders {
    /// Indexes a timeline; linear in what it keeps.
    pub fn new(timeline: &Timeline, aliases: &Aliases) -> Self {
        let mut holders = Building::default().run(timeline, aliases);
        holders.direct = Table::new(&holders);
        holders.amazon = amazon::Table::new(&holders);
        holders
    }

    /// Whether a time is before the first sighting: what is said of it is what was seen first.
    pub fn is_before_first(&self, time: i64) -> bool {
        self.first.is_none_or(|first| time < first)
    }

    /// Whether no answer for an address is ever anything but [`Who::Nobody`].
    pub fn is_never_held(&self, address: IpAddr) -> bool {
        !self.by_address.contains_key(&address) && !self.translated.contains(&address)
    }

    /// Whom `address` stood for at `time`, seen from a network. The time that counts is that of the last sighting at or
    /// before it; before the first one, the first.
    pub fn holder(&self, here: NetworkNumber, address: IpAddr, time: i64) -> Held {
        let address = address.to_canonical();
        let layout = self.layout(time);
        let mut period = layout.period;
        let mut near: Option<&Stay> = None;
        let mut far: Option<&Stay> = None;
        let (mut nears, mut fars) = (0, 0);
        for stay in self.stays_of(address) {
            period.narrow(stay.period, time);
            if !stay.period.contains(time) {
                continue;
            }
            if layout.is_near(here, stay.network) {
                (near, nears) = (Some(stay), nears + 1);
            } else {
                (far, fars) = (Some(stay), fars + 1);
            }
        }
        match (nears, fars) {
            (1, _) => Held::by(near, period),
            (2.., _) => Held::by(None, period),
            (0, _) if layout.is_local(here, address) => Held::by(None, period),
            (0, _) if !layout.translations.is_empty() => self.translated(here, address, time),
            (0, 1) => Held::by(far, period),
            _ => Held::by(None, period),
        }
    }

    /// What is behind the name of a point.
    pub fn candidates(&self, point: &Point<'_>) -> Candidates {
        self.names.candidates(point)
    }

    /// Where a point was at a time.
    pub fn spot(&self, candidates: &Candidates, time: i64) -> Spot {
        let mut spot = Spot::everywhere();
        let mut seats = Few::default();
        for &interface in &*candidates.interfaces {
            let stays = self.by_interface.get(interface.0 as usize).map(|stays| &**stays).unwrap_or_default();
            let stays = || stays.iter().filter_map(|&stay| self.stays.get(stay as usize));
            stays().for_each(|stay| spot.period.narrow(stay.period, time));
            // What a log tells of before the inventory does is there all the same; so is what is gone.
            let then = stays().find(|stay| time < stay.period.until).or_else(|| stays().next_back());
            then.into_iter().for_each(|stay| seats.push((interface, stay.network)));
        }
        spot.settle(&seats, &candidates.networks);
        spot
    }

    /// Whether an interface had an address of its own at a time, whoever else claims it.
    pub fn has_address(&self, interface: InterfaceNumber, address: IpAddr, time: i64) -> bool {
        self.stays_of(address).any(|stay| stay.interface == interface && stay.period.contains(time))
    }

    /// Whether an address at a network is held there, and not in another one.
    pub(crate) fn is_at_home(&self, here: NetworkNumber, address: IpAddr, time: i64) -> bool {
        self.stays_of(address).any(|stay| stay.network == here && stay.period.contains(time))
    }

    /// The end that an answer stands for; nothing for nobody.
    pub fn workload(&self, who: Who) -> Option<End> {
        let Who::Workload { labels, network } = who else { return None };
        let labels = LabelSet::clone(self.labels.get(labels as usize)?);
        Some(End::Workload { labels, network: self.network_id(network).cloned() })
    }

    /// The network of a number.
    pub fn network_id(&self, number: NetworkNumber) -> Option<&NetworkId> {
        self.networks.get((number.0 as usize).checked_sub(1)?)
    }

    /// Whom an address stood for at a time, seen at a point: a single look-up, all in one.
    pub fn end(&self, point: &Point<'_>, address: IpAddr, time: i64) -> End {
        let spot = self.spot(&self.candidates(point), time);
        let here = spot.network_of(self, [address, address], time);
        let held = self.holder(here, address, time);
        self.workload(held.who).unwrap_or_else(|| End::address(address))
    }

    /// How many interfaces there are, which are numbered 0, 1, 2 …
    pub(crate) fn interfaces(&self) -> u32 {
        self.interfaces.len() as u32
    }

    pub(crate) fn interface_id(&self, number: InterfaceNumber) -> Option<&InterfaceId> {
        self.interfaces.get(number.0 as usize)
    }

    fn stays_of(&self, address: IpAddr) -> impl Iterator<Item = &Stay> {
        let numbers = self.by_address.get(&address).map(|stays| &**stays).unwrap_or_default();
        numbers.iter().filter_map(|&number| self.stays.get(number as usize))
    }

    pub(super) fn layout(&self, time: i64) -> &Layout {
        let after = self.layouts.partition_point(|layout| layout.period.from <= time);
        // INVARIANT: the first layout begins at the beginning of time.
        &self.layouts[after.saturating_sub(1)]
    }

    /// The time from one change of anything to the next.
    pub(super) fn epoch(&self, time: i64) -> Period {
        let after = self.epochs.partition_point(|&from| from <= time);
        let from = after.checked_sub(1).and_then(|at| self.epochs.get(at)).copied();
        let until = self.epochs.get(after).copied();
        Period { from: from.unwrap_or(i64::MIN), until: until.unwrap_or(i64::MAX) }
    }
}

impl Held {
    pub(super) fn by(stay: Option<&Stay>, period: Period) -> Self {
        let who = stay.map_or(Who::Nobody, Stay::who);
        Self { who, interface: stay.map(|stay| stay.interface), period }
    }
}

/// An index while it is built, change by change.
#[derive(Default)]
struct Building {
    stays: Vec<Stay>,
    by_interface: Vec<Few<u32>>,
    interfaces: Vec<InterfaceId>,
    interface_numbers: FxHashMap<InterfaceId, InterfaceNumber>,
    networks: Vec<NetworkId>,
    network_numbers: FxHashMap<NetworkId, NetworkNumber>,
    labels: Vec<Arc<LabelSet>>,
    label_numbers: FxHashMap<Arc<LabelSet>, u32>,
}

impl Building {
    fn run(mut self, timeline: &Timeline, aliases: &Aliases) -> Holders {
        let mut epochs = Vec::new();
        let mut state = State::default();
        let mut plans = vec![(i64::MIN, state.networks.clone(), state.translations.clone())];
        for (number, change) in timeline.changes().iter().enumerate() {
            let from = if number == 0 { i64::MIN } else { change.at };
            epochs.push(from);
            for id in change.networks.keys() {
                self.network(id);
            }
            for (id, seat) in &change.seats {
                self.seat(id, seat.as_ref(), from);
            }
            state.apply(change);
            if !change.networks.is_empty() || change.translations.is_some() {
                plans.push((from, state.networks.clone(), state.translations.clone()));
            }
        }
        let starts: Vec<i64> = plans.iter().map(|plan| plan.0).collect();
        let ends = starts.iter().copied().skip(1).chain([i64::MAX]);
        let layouts = plans.into_iter().zip(ends).filter(|(plan, until)| plan.0 < *until);
        let layouts = layouts.map(|((from, networks, translations), until)| {
            Layout::new(networks, translations, &self.network_numbers, Period { from, until })
        });
        let layouts: Vec<Layout> = layouts.collect();
        let translated = layouts.iter().flat_map(|layout| &layout.translations);
        let translated = translated.flat_map(|one| one.addresses.iter().copied()).collect();
        Holders {
            first: timeline.first(),
            epochs,
            by_address: self.by_address(),
            names: Names::new(&self.interfaces, &self.networks, aliases),
            stays: self.stays,
            by_interface: self.by_interface,
            layouts,
            labels: self.labels,
            networks: self.networks,
            interfaces: self.interfaces,
            translated,
            direct: Table::default(),
            amazon: amazon::Table::default(),
        }
    }

    /// An interface is otherwise than before, or gone.
    fn seat(&mut self, id: &InterfaceId, seat: Option<&Arc<Seat>>, from: i64) {
        let interface = self.interface(id);
        let own = &self.by_interface[interface.0 as usize];
        if let Some(before) = own.last().and_then(|&last| self.stays.get_mut(last as usize)) {
            before.period.until = before.period.until.min(from);
        }
        let Some(seat) = seat else { return };
        let network = seat.network.as_ref().map_or(NetworkNumber::NONE, |id| self.network(id));
        let labels = self.label(&seat.labels);
        let period = Period { from, until: i64::MAX };
        self.by_interface[interface.0 as usize].push(self.stays.len() as u32);
        self.stays.push(Stay { interface, labels, network, period, seat: seat.clone() });
    }

    fn by_address(&self) -> FxHashMap<IpAddr, Few<u32>> {
        let mut by_address: FxHashMap<IpAddr, Few<u32>> = FxHashMap::default();
        by_address.reserve(self.stays.len());
        for (number, stay) in self.stays.iter().enumerate() {
            for &address in &stay.seat.addresses {
                let stays = by_address.entry(address.to_canonical()).or_default();
                // An inventory may name the same address of an interface twice.
                if stays.last() != Some(&(number as u32)) {
                    stays.push(number as u32);
                }
            }
        }
        by_address
    }

    fn interface(&mut self, id: &InterfaceId) -> InterfaceNumber {
        *self.interface_numbers.entry(id.clone()).or_insert_with(|| {
            self.interfaces.push(id.clone());
            self.by_interface.push(Few::default());
            InterfaceNumber((self.interfaces.len() - 1) as u32)
        })
    }

    fn network(&mut self, id: &NetworkId) -> NetworkNumber {
        *self.network_numbers.entry(id.clone()).or_insert_with(|| {
            self.networks.push(id.clone());
            NetworkNumber(self.networks.len() as u32)
        })
    }

    fn label(&mut self, set: &Arc<LabelSet>) -> u32 {
        *self.label_numbers.entry(set.clone()).or_insert_with(|| {
            self.labels.push(set.clone());
            (self.labels.len() - 1) as u32
        })
    }
}
