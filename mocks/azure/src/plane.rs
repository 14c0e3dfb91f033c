//! What the interfaces act on: facts with their versions, each seen by each interface after its own delay.
//!
//! A change of one fact (one rule, one association, one membership) is atomic for a viewer: it holds the newest
//! version that has reached it. Changes of different facts overtake each other.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;
use mock_cloud::DataPlane;

use crate::path::Kind;
use crate::resources::rule::groups_of;
use crate::resources::{manager, network};
use crate::state::{Provisioning, Rule, State, Typed, network_of_subnet};

/// Something that the data plane acts on. All names are keys: ids in lower case.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Key {
    /// A rule of a security group: the group and the rule's name.
    Rule(String, String),
    /// The security group of a subnet.
    OfSubnet(String),
    /// The security group of an interface.
    OfInterface(String),
    /// An interface in an application security group: the group and the interface.
    Member(String, String),
    /// What `VirtualNetwork` means in a virtual network.
    Network(String),
    /// The security admin rules of a virtual network.
    Admin(String),
}

/// One version of a fact.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Fact {
    /// Of what.
    pub key: Key,
    /// From 0.
    pub version: usize,
}

/// What a fact says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Held {
    /// A rule.
    Rule(Rule),
    /// A security group.
    Group(String),
    /// The addresses of a member.
    Addresses(BTreeSet<IpAddr>),
    /// Blocks of a virtual network and its peers.
    Blocks(Vec<IpNet>),
    /// Security admin rules in their order.
    Admin(Vec<Rule>),
}

/// Facts and what they said at any time.
#[derive(Clone, Debug)]
pub struct Plane {
    /// When which version reaches whom.
    pub(crate) delays: DataPlane<Fact>,
    /// fact → (time, what it says; none is that it is gone), oldest first.
    versions: BTreeMap<Key, Vec<(u64, Option<Held>)>>,
    max_ms: u64,
}

impl Plane {
    /// Delays are drawn between the two bounds, both included.
    pub fn new(seed: u64, delay_ms: (u64, u64)) -> Self {
        let delays = DataPlane::new(seed, delay_ms.0, delay_ms.1);
        Self { max_ms: delays.max_ms(), delays, versions: BTreeMap::new() }
    }

    /// What a viewer acts on at a time; without a time, what the API's state comes to.
    pub fn view(&self, viewer: &str, key: &Key, at: Option<u64>) -> Option<&Held> {
        self.seen(viewer, key, self.versions.get(key)?, at)
    }

    /// Every rule of a security group that a viewer acts on, with its name, by name.
    pub fn named_rules<'a>(
        &'a self,
        viewer: &'a str,
        group: &'a str,
        at: Option<u64>,
    ) -> impl Iterator<Item = (&'a str, &'a Rule)> + 'a {
        let first = Key::Rule(group.to_owned(), String::new());
        let own = self.versions.range(first..);
        own.take_while(move |(key, _)| matches!(key, Key::Rule(of, _) if of == group))
            .filter_map(move |(key, versions)| Some((key, self.seen(viewer, key, versions, at)?)))
            .filter_map(|(key, held)| match (key, held) {
                (Key::Rule(_, name), Held::Rule(rule)) => Some((name.as_str(), rule)),
                _ => None,
            })
    }

    fn seen<'a>(
        &self,
        viewer: &str,
        key: &Key,
        versions: &'a [(u64, Option<Held>)],
        at: Option<u64>,
    ) -> Option<&'a Held> {
        let Some(at) = at else { return versions.last()?.1.as_ref() };
        for (version, (noted, held)) in versions.iter().enumerate().rev() {
            // What everybody has heard of needs no look at the delays.
            let settled = noted + self.max_ms <= at;
            if *noted <= at
                && (settled || self.delays.sees(short(viewer), &Fact { key: key.clone(), version }, at))
            {
                return held.as_ref();
            }
        }
        None
    }

    /// When an interface hears of what matters to it, from a time on: sorted, each once. A superseded version may
    /// give a moment at which nothing changes.
    pub fn moments(&self, state: &State, interface: &str, from_ms: u64) -> BTreeSet<u64> {
        let mut moments = BTreeSet::new();
        for key in self.keys_for(state, interface) {
            let versions = self.versions.get(&key).into_iter().flatten();
            for (version, (noted, _)) in
                versions.enumerate().filter(|(_, (noted, _))| noted + self.max_ms >= from_ms)
            {
                let reached = self.arrival(interface, Fact { key: key.clone(), version }, *noted);
                moments.extend((reached >= from_ms).then_some(reached));
            }
        }
        moments
    }

    /// When a version reaches a viewer.
    fn arrival(&self, viewer: &str, fact: Fact, noted: u64) -> u64 {
        // Seen once is seen for ever: search for the first time.
        let (mut low, mut high) = (noted, noted + self.max_ms);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.delays.sees(short(viewer), &fact, middle) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        low
    }

    /// The facts that an interface acts on: its security groups with their rules, the members that these name, its
    /// network. What it acted on before counts as well.
    fn keys_for(&self, state: &State, interface: &str) -> Vec<Key> {
        let Some(Typed::Interface { configurations, .. }) = state.get(interface).map(|held| &held.typed)
        else {
            return Vec::new();
        };
        let mut keys = vec![Key::OfInterface(interface.to_owned())];
        keys.extend(configurations.iter().map(|one| Key::OfSubnet(one.subnet.clone())));
        let mut groups: BTreeSet<&String> = BTreeSet::new();
        for (_, held) in keys.iter().filter_map(|key| self.versions.get(key)).flatten() {
            groups.extend(
                held.iter().filter_map(|held| if let Held::Group(group) = held { Some(group) } else { None }),
            );
        }
        let mut named: BTreeSet<&String> = BTreeSet::new();
        for group in groups {
            let first = Key::Rule(group.clone(), String::new());
            for (key, versions) in self.versions.range(first..) {
                if !matches!(key, Key::Rule(of, _) if of == group) {
                    break;
                }
                keys.push(key.clone());
                for (_, held) in versions {
                    if let Some(Held::Rule(rule)) = held {
                        named.extend(groups_of(rule));
                    }
                }
            }
        }
        for group in named {
            let members =
                self.versions.range(Key::Member(group.clone(), String::new())..).map(|(key, _)| key);
            keys.extend(members.take_while(|key| matches!(key, Key::Member(of, _) if of == group)).cloned());
        }
        if let Some(network) = configurations.first().and_then(|one| network_of_subnet(&one.subnet)) {
            keys.extend([Key::Network(network.to_owned()), Key::Admin(network.to_owned())]);
        }
        keys
    }

    /// The first time after now at which an interface hears of something that matters to it.
    pub fn next_change(&self, state: &State, now_ms: u64) -> Option<u64> {
        if self.delays.is_settled(now_ms) {
            return None;
        }
        let interfaces = state.interfaces().map(|(key, _)| key);
        interfaces.filter_map(|interface| self.moments(state, interface, now_ms + 1).first().copied()).min()
    }

    /// Notes what a fact says from now on, if it says something new.
    fn note(&mut self, key: Key, held: Option<Held>, now_ms: u64) {
        let versions = self.versions.entry(key.clone()).or_default();
        if versions.last().map_or(held.is_none(), |(_, last)| *last == held) {
            return;
        }
        versions.push((now_ms, held));
        let version = versions.len() - 1;
        self.delays.note(Fact { key, version }, true, now_ms);
    }

    /// Notes everything that a resource now says to the data plane. A resource under deletion says
    /// nothing, and one whose last operation failed says what it said before.
    pub fn sync(&mut self, state: &State, owner: &str, kind: Kind, now_ms: u64) {
        match kind {
            Kind::SecurityGroup => self.sync_group(state, owner, now_ms),
            Kind::VirtualNetwork => self.sync_network(state, owner, now_ms),
            Kind::Interface | Kind::ScaleSetInterface => self.sync_interface(state, owner, now_ms),
            _ if manager::is_part(kind) => {
                let networks: Vec<String> =
                    state.of_kind(Kind::VirtualNetwork).map(|(key, _)| key.clone()).collect();
                for network in networks {
                    self.sync_admin(state, &network, now_ms);
                }
            }
            _ => {}
        }
    }

    fn sync_group(&mut self, state: &State, group: &str, now_ms: u64) {
        let first = Key::Rule(group.to_owned(), String::new());
        let known = self.versions.range(first..).map(|(key, _)| key);
        let mut names: BTreeSet<String> = known
            .map_while(|key| match key {
                Key::Rule(of, name) if of == group => Some(name.clone()),
                _ => None,
            })
            .collect();
        let prefix = format!("{group}/");
        let live = |key: &String| state.get(key).filter(|part| part.provisioning != Provisioning::Deleting);
        names.extend(state.below(&prefix, Kind::Rule).map(|(_, part)| part.name().to_lowercase()));
        let goes = live(&group.to_owned()).is_none();
        for name in names {
            let key = format!("{group}/securityrules/{name}");
            if state.get(&key).is_some_and(|part| part.provisioning == Provisioning::Failed) {
                continue;
            }
            let part = live(&key).filter(|_| !goes);
            let held = part.and_then(|part| match &part.typed {
                Typed::Rule(rule) => Some(Held::Rule(rule.clone())),
                _ => None,
            });
            self.note(Key::Rule(group.to_owned(), name), held, now_ms);
        }
    }

    fn sync_network(&mut self, state: &State, owner: &str, now_ms: u64) {
        // The other sides of peerings change with a network: all are looked at, few are.
        let networks: Vec<String> = state.of_kind(Kind::VirtualNetwork).map(|(key, _)| key.clone()).collect();
        for network in networks {
            let blocks = network::tag_of(state, &network);
            self.note(Key::Network(network.clone()), Some(Held::Blocks(blocks)), now_ms);
        }
        let prefix = format!("{owner}/");
        let subnets: Vec<(String, Option<Held>)> = state
            .below(&prefix, Kind::Subnet)
            .filter(|(_, part)| part.provisioning != Provisioning::Failed)
            .map(|(key, part)| {
                let held = match &part.typed {
                    Typed::Subnet { security_group, .. } if part.provisioning != Provisioning::Deleting => {
                        security_group.clone().map(Held::Group)
                    }
                    _ => None,
                };
                (key.clone(), held)
            })
            .collect();
        for (subnet, held) in subnets {
            self.note(Key::OfSubnet(subnet), held, now_ms);
        }
        self.sync_admin(state, owner, now_ms);
    }

    fn sync_admin(&mut self, state: &State, network: &str, now_ms: u64) {
        let rules = manager::rules_of(state, network);
        let held = (!rules.is_empty()).then_some(Held::Admin(rules));
        self.note(Key::Admin(network.to_owned()), held, now_ms);
    }

    fn sync_interface(&mut self, state: &State, key: &str, now_ms: u64) {
        if state.get(key).is_some_and(|held| held.provisioning == Provisioning::Failed) {
            return;
        }
        let mut members: BTreeMap<String, BTreeSet<IpAddr>> = BTreeMap::new();
        let first = Key::Member(String::new(), String::new());
        for fact in self.versions.range(first..).map(|(fact, _)| fact) {
            match fact {
                Key::Member(group, of) if of == key => {
                    members.entry(group.clone()).or_default();
                }
                Key::Member(..) => {}
                _ => break,
            }
        }
        let mut own = None;
        let live = state.get(key).filter(|held| held.provisioning != Provisioning::Deleting);
        if let Some(Typed::Interface { security_group, configurations }) = live.map(|held| &held.typed) {
            own = security_group.clone().map(Held::Group);
            for one in configurations {
                for group in &one.groups {
                    members.entry(group.clone()).or_default().insert(one.address);
                }
            }
        }
        self.note(Key::OfInterface(key.to_owned()), own, now_ms);
        for (group, addresses) in members {
            let held = (!addresses.is_empty()).then_some(Held::Addresses(addresses));
            self.note(Key::Member(group, key.to_owned()), held, now_ms);
        }
    }
}

/// A viewer without its subscription, which is the same for all: delays are drawn from its letters, again and again.
fn short(viewer: &str) -> &str {
    viewer.split_once("/resourcegroups/").map_or(viewer, |(_, rest)| rest)
}
