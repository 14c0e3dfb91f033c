//! What the interfaces act on: facts with their versions, each change of which reaches each interface after a delay
//! of its own.
//!
//! One call is one change: it reaches an interface whole, so a policy that is replaced by one `patch` is swapped in
//! one moment there. Changes of different calls overtake each other; of one fact the newest version that has arrived
//! counts.

use std::collections::{BTreeMap, BTreeSet};

use mock_cloud::DataPlane;

use crate::rule::Rule;
use crate::state::State;

/// Something that the data plane acts on. All names are paths.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Key {
    /// A classic rule: its network and its name.
    Classic(String, String),
    /// A rule of a policy: the policy and the priority.
    PolicyRule(String, u32),
    /// A policy on a network, folder or organisation.
    Attached(String, String),
    /// The order between classic rules and policies of a network.
    Order(String),
    /// The active peers of a network.
    Peers(String),
    /// The network tags of an instance.
    Tags(String),
    /// The service account of an instance.
    Account(String),
    /// A tag value on an instance.
    Bound(String, u64),
    /// That a tag value is effective.
    TagValue(u64),
}

/// What a fact says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Held {
    /// A rule.
    Rule(Box<Rule>),
    /// The priority and name of an association.
    Attached(u32, String),
    /// The policies come before the classic rules.
    BeforeClassic,
    /// Networks.
    Networks(BTreeSet<String>),
    /// Network tags.
    Tags(BTreeSet<String>),
    /// A service account.
    Account(String),
    /// It holds.
    Yes,
    /// The network that a tag value is for; none is every one.
    For(Option<String>),
}

#[derive(Clone, Debug)]
struct Version {
    at_ms: u64,
    change: u64,
    held: Option<Held>,
}

/// Facts and what they said at any time.
#[derive(Clone, Debug)]
pub struct Plane {
    /// When which change reaches whom.
    delays: DataPlane<u64>,
    /// Oldest first.
    versions: BTreeMap<Key, Vec<Version>>,
    /// When each change was made and what it touched.
    changes: Vec<(u64, Vec<Key>)>,
}

/// Whose interfaces a change matters to.
enum Concern {
    Everybody,
    Networks(BTreeSet<String>),
}

impl Plane {
    /// Delays are drawn between the two bounds, both included.
    pub fn new(seed: u64, delay_ms: (u64, u64)) -> Self {
        Self {
            delays: DataPlane::new(seed, delay_ms.0, delay_ms.1),
            versions: BTreeMap::new(),
            changes: Vec::new(),
        }
    }

    /// Whether every change has reached everybody.
    pub fn is_settled(&self, now_ms: u64) -> bool {
        self.delays.is_settled(now_ms)
    }

    /// What a viewer acts on at a time; without a time, what the API's state comes to.
    pub fn view(&self, viewer: &str, key: &Key, at: Option<u64>) -> Option<&Held> {
        self.seen(viewer, self.versions.get(key)?, at)
    }

    /// Every fact of a range that a viewer acts on, in order.
    pub fn range<'a>(
        &'a self,
        viewer: &'a str,
        range: impl std::ops::RangeBounds<Key> + 'a,
        at: Option<u64>,
    ) -> impl Iterator<Item = (&'a Key, &'a Held)> + 'a {
        let all = self.versions.range(range);
        all.filter_map(move |(key, versions)| Some((key, self.seen(viewer, versions, at)?)))
    }

    /// The facts of a range that ever held something.
    pub fn known(&self, range: impl std::ops::RangeBounds<Key>) -> impl Iterator<Item = &Key> {
        self.versions.range(range).map(|(key, _)| key)
    }

    fn seen<'a>(&self, viewer: &str, versions: &'a [Version], at: Option<u64>) -> Option<&'a Held> {
        let Some(at) = at else { return versions.last()?.held.as_ref() };
        let max_ms = self.delays.max_ms();
        let arrived = versions.iter().rev().find(|version| {
            // What everybody has heard of needs no look at the delays.
            version.at_ms + max_ms <= at
                || version.at_ms <= at && self.delays.sees(short(viewer), &version.change, at)
        });
        arrived?.held.as_ref()
    }

    /// Notes what facts say from now on, as one change; facts that say nothing new are left out.
    pub fn change(&mut self, notes: Vec<(Key, Option<Held>)>, now_ms: u64) {
        let change = self.changes.len() as u64;
        let mut touched = Vec::new();
        for (key, held) in notes {
            let last = self.versions.get(&key).and_then(|versions| versions.last());
            if last.map_or(held.is_none(), |last| last.held == held) {
                continue;
            }
            self.versions.entry(key.clone()).or_default().push(Version { at_ms: now_ms, change, held });
            touched.push(key);
        }
        if !touched.is_empty() {
            self.changes.push((now_ms, touched));
            self.delays.note(change, true, now_ms);
        }
    }

    /// When an interface hears of what may matter to it, from a time on: sorted, each once.
    pub fn moments(&self, state: &State, interface: &str, from_ms: u64) -> BTreeSet<u64> {
        let Some((_, _, nic)) = state.nic(interface) else { return BTreeSet::new() };
        let open = self.since(from_ms);
        let own = open.filter(|(_, _, keys)| self.concern(state, keys).includes(&nic.network));
        let reached = own.map(|(change, at, _)| self.arrival(interface, change, at));
        reached.filter(|at| *at >= from_ms).collect()
    }

    /// The first time after now at which an interface hears of something that may matter to it.
    pub fn next_change(&self, state: &State, now_ms: u64) -> Option<u64> {
        if self.is_settled(now_ms) {
            return None;
        }
        let viewers: Vec<(String, &str)> = state
            .nics()
            .filter_map(|viewer| {
                let network = state.nic(&viewer)?.2.network.as_str();
                Some((viewer, network))
            })
            .collect();
        let mut next = u64::MAX;
        for (change, at, keys) in self.since(now_ms + 1) {
            let concern = self.concern(state, keys);
            let sees = |viewer: &str, at_ms| self.delays.sees(short(viewer), &change, at_ms);
            for (viewer, network) in &viewers {
                // Only what comes before the earliest so far is looked for.
                if concern.includes(network) && !sees(viewer, now_ms) && sees(viewer, next - 1) {
                    next = self.arrival(viewer, change, at);
                }
            }
        }
        (next < u64::MAX).then_some(next)
    }

    /// The changes that may reach somebody at a time or later.
    fn since(&self, from_ms: u64) -> impl Iterator<Item = (u64, u64, &Vec<Key>)> {
        let max_ms = self.delays.max_ms();
        let first = self.changes.partition_point(|(at, _)| at + max_ms < from_ms);
        let open = self.changes.iter().enumerate().skip(first);
        open.map(|(change, (at, keys))| (change as u64, *at, keys))
    }

    /// When a change reaches a viewer.
    fn arrival(&self, viewer: &str, change: u64, noted: u64) -> u64 {
        // Seen once is seen for ever: search for the first time.
        let (mut low, mut high) = (noted, noted + self.delays.max_ms());
        while low < high {
            let middle = low + (high - low) / 2;
            if self.delays.sees(short(viewer), &change, middle) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        low
    }

    fn concern(&self, state: &State, keys: &[Key]) -> Concern {
        let mut networks = BTreeSet::new();
        for key in keys {
            match key {
                Key::Classic(network, _) | Key::Order(network) | Key::Peers(network) => {
                    networks.insert(network.clone());
                }
                Key::Attached(target, _) if target.starts_with("projects/") => {
                    networks.insert(target.clone());
                }
                Key::PolicyRule(policy, _) => {
                    let attached = self.known(Key::Attached(String::new(), String::new())..);
                    let targets = attached.map_while(|key| match key {
                        Key::Attached(target, of) => Some((target, of)),
                        _ => None,
                    });
                    for (target, _) in targets.filter(|(_, of)| *of == policy) {
                        if !target.starts_with("projects/") {
                            return Concern::Everybody;
                        }
                        networks.insert(target.clone());
                    }
                }
                Key::Tags(instance) | Key::Account(instance) | Key::Bound(instance, _) => {
                    let Some(found) = state.resources.get(instance) else { return Concern::Everybody };
                    for nic in &found.nics {
                        networks.extend(state.peers(&nic.network));
                        networks.insert(nic.network.clone());
                    }
                }
                Key::Attached(..) | Key::TagValue(_) => return Concern::Everybody,
            }
        }
        Concern::Networks(networks)
    }
}

impl Concern {
    fn includes(&self, network: &str) -> bool {
        match self {
            Self::Everybody => true,
            Self::Networks(networks) => networks.contains(network),
        }
    }
}

/// A viewer without its place, which many share: delays are drawn from its letters, again and again.
fn short(viewer: &str) -> &str {
    viewer.split_once("/instances/").map_or(viewer, |(_, rest)| rest)
}
