//! Who held which address when: what was seen at each sighting, kept as changes.
//!
//! A sighting is what the inventory said at one moment. Of the second and each later one only what changed is kept, so
//! that a quiet estate costs nothing; [`Timeline::forget_before`] bounds the rest. For look-ups see [`Holders`].
//!
//! INVARIANT: sightings are in order of time, and each but the first changes something.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use policy::{InterfaceId, LabelSet, Network, NetworkId, Snapshot, Translation};
use rustc_hash::FxHashMap;

mod amazon;
mod direct;
mod held;
mod holders;
mod layout;
mod names;
mod translated;
mod wire;

pub(crate) use direct::{is_in, small};
pub use holders::{Held, Holders, InterfaceNumber, NetworkNumber, Period, Who};
pub use names::{Aliases, Candidates, Spot};
pub use wire::TimelineError;

/// One interface as it was for some time: all that attribution wants to know of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Seat {
    pub(crate) labels: Arc<LabelSet>,
    pub(crate) network: Option<NetworkId>,
    /// Primary first.
    pub(crate) addresses: Vec<IpAddr>,
}

/// What was otherwise than before. `None` is gone, or, of the translations, unchanged.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Change {
    pub(crate) at: i64,
    pub(crate) seats: BTreeMap<InterfaceId, Option<Arc<Seat>>>,
    pub(crate) networks: BTreeMap<NetworkId, Option<Network>>,
    pub(crate) translations: Option<Vec<Translation>>,
}

/// Everything as it was at one sighting.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct State {
    pub(crate) seats: BTreeMap<InterfaceId, Arc<Seat>>,
    pub(crate) networks: BTreeMap<NetworkId, Network>,
    pub(crate) translations: Vec<Translation>,
}

/// What a sighting was to a timeline.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sighted {
    /// It is the first one, or something is otherwise than before: kept.
    Changed,
    /// All is as before: only the time is kept.
    Same,
    /// It is older than the last one: nothing is kept.
    TooOld,
}

/// What was seen when, oldest first.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Timeline {
    changes: Vec<Change>,
    /// What the changes make together.
    now: State,
    last: Option<i64>,
}

impl Timeline {
    /// Nothing seen yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The timeline of one sighting.
    pub fn of(at: i64, snapshot: &Snapshot) -> Self {
        let mut timeline = Self::new();
        timeline.sight(at, snapshot);
        timeline
    }

    /// Adds what was seen at a Unix second. Linear in what exists.
    pub fn sight(&mut self, at: i64, snapshot: &Snapshot) -> Sighted {
        if self.last.is_some_and(|last| at < last) {
            return Sighted::TooOld;
        }
        let next = State::of(snapshot, &self.now);
        let change = self.now.change_to(&next, at);
        let is_first = self.last.replace(at).is_none();
        if !is_first && change.is_nothing() {
            return Sighted::Same;
        }
        self.now = next;
        self.changes.push(change);
        Sighted::Changed
    }

    /// Drops what flows from `time` on do not need: the last sighting at or before it stays, in full.
    pub fn forget_before(&mut self, time: i64) {
        let keep = self.changes.partition_point(|change| change.at <= time).saturating_sub(1);
        let mut base = State::default();
        for change in self.changes.drain(..keep) {
            base.apply(&change);
        }
        if let Some(first) = self.changes.first_mut().filter(|_| keep > 0) {
            base.apply(first);
            *first = State::default().change_to(&base, first.at);
        }
    }

    /// How many sightings are kept: the first, and each that changed something.
    pub fn len(&self) -> usize {
        self.changes.len()
    }

    /// Whether nothing was ever seen.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// When the first sighting that is kept was.
    pub fn first(&self) -> Option<i64> {
        self.changes.first().map(|change| change.at)
    }

    /// When the last sighting was, whether it changed anything or not.
    pub fn last(&self) -> Option<i64> {
        self.last
    }

    pub(crate) fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// Puts a timeline together again; changes that are out of order are refused.
    pub(crate) fn from_changes(changes: Vec<Change>, last: Option<i64>) -> Option<Self> {
        let newest = changes.last().map(|change| change.at);
        if !changes.is_sorted_by_key(|change| change.at) || newest > last {
            return None;
        }
        let mut now = State::default();
        changes.iter().for_each(|change| now.apply(change));
        Some(Self { changes, now, last })
    }
}

impl State {
    /// What a snapshot says; what is as in `before` shares its memory.
    fn of(snapshot: &Snapshot, before: &Self) -> Self {
        let mut known: FxHashMap<&LabelSet, Arc<LabelSet>> = FxHashMap::default();
        let mut seats = BTreeMap::new();
        for (_, workload, interface) in snapshot.interfaces() {
            let labels = known.entry(&workload.labels).or_insert_with(|| Arc::new(workload.labels.clone()));
            let seat = Seat {
                labels: labels.clone(),
                network: interface.network.clone(),
                addresses: interface.addresses.clone(),
            };
            let kept = before.seats.get(&interface.id).filter(|kept| ***kept == seat).cloned();
            seats.insert(interface.id.clone(), kept.unwrap_or_else(|| Arc::new(seat)));
        }
        Self { seats, networks: snapshot.networks.clone(), translations: snapshot.translations.clone() }
    }

    fn change_to(&self, next: &Self, at: i64) -> Change {
        let translations = (self.translations != next.translations).then(|| next.translations.clone());
        Change {
            at,
            seats: difference(&self.seats, &next.seats),
            networks: difference(&self.networks, &next.networks),
            translations,
        }
    }

    pub(crate) fn apply(&mut self, change: &Change) {
        put(&mut self.seats, &change.seats);
        put(&mut self.networks, &change.networks);
        if let Some(translations) = &change.translations {
            self.translations.clone_from(translations);
        }
    }
}

impl Change {
    fn is_nothing(&self) -> bool {
        self.seats.is_empty() && self.networks.is_empty() && self.translations.is_none()
    }
}

/// What must be put (or, `None`, taken away) to make `next` of `before`.
fn difference<K: Ord + Clone, V: PartialEq + Clone>(
    before: &BTreeMap<K, V>,
    next: &BTreeMap<K, V>,
) -> BTreeMap<K, Option<V>> {
    let gone = before.keys().filter(|key| !next.contains_key(key)).map(|key| (key.clone(), None));
    let new = next.iter().filter(|(key, value)| before.get(key) != Some(value));
    gone.chain(new.map(|(key, value)| (key.clone(), Some(value.clone())))).collect()
}

fn put<K: Ord + Clone, V: Clone>(map: &mut BTreeMap<K, V>, changes: &BTreeMap<K, Option<V>>) {
    for (key, value) in changes {
        match value {
            Some(value) => drop(map.insert(key.clone(), value.clone())),
            None => drop(map.remove(key)),
        }
    }
}
