//! A snapshot and its compiled policy, indexed by what ends of summaries say: labels, networks, addresses.

use std::net::IpAddr;

use ipnet::IpNet;
use policy::ruleset::{Actor, EnforcementRule, ScopeTarget};
use policy::{
    AddressDirectory, AddressSet, Class, CompiledPolicy, Directions, EnforcementMode, Label, LabelKey,
    LabelSet, LabelValue, NetworkId, Place, RuleRef, Selector, Snapshot, Workload,
};
use rustc_hash::{FxHashMap, FxHashSet};

use super::line::{Line, PartId};

/// Which side of a rule.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum RuleSide {
    Source,
    Destination,
}

pub(super) struct Ground<'a> {
    pub snapshot: &'a Snapshot,
    pub policy: &'a CompiledPolicy,
    pub directory: AddressDirectory<'a>,
    pub line: Line,
    /// The interfaces of workloads with exactly these labels.
    by_labels: FxHashMap<&'a LabelSet, Vec<Place>>,
    /// Every address that somebody holds or looks like.
    known: FxHashSet<IpAddr>,
    /// The address blocks that a network and those that it is connected to route to themselves.
    near_blocks: FxHashMap<&'a NetworkId, AddressSet>,
    /// For each list of addresses the rules that have it as their source, and as their destination.
    rules_of_list: Vec<[Vec<u32>; 2]>,
    selectors: SelectorIndex,
    /// The written rule of each compiled one.
    pub origin_of: Vec<u32>,
    /// Rules as written, in the order of writing.
    pub origins: Vec<&'a RuleRef>,
}

impl<'a> Ground<'a> {
    pub(super) fn new(snapshot: &'a Snapshot, policy: &'a CompiledPolicy) -> Self {
        let mut by_labels: FxHashMap<&LabelSet, Vec<Place>> = FxHashMap::default();
        for (w, workload) in (0..).zip(&snapshot.workloads) {
            let places = by_labels.entry(&workload.labels).or_default();
            places.extend((0..workload.interfaces.len() as u32).map(|i| Place { workload: w, interface: i }));
        }
        let near_blocks = snapshot.networks.values().map(|network| {
            let reached = network.peers.iter().filter_map(|peer| snapshot.networks.get(peer));
            let blocks = std::iter::once(network).chain(reached).flat_map(|near| near.cidrs.iter().copied());
            (&network.id, blocks.collect())
        });
        let held = snapshot.interfaces().flat_map(|(_, _, interface)| &interface.addresses);
        let looks = snapshot.translations.iter().flat_map(|one| &one.addresses);
        let known = held.chain(looks).copied().collect();
        let (lists, rules_of_list) = lists(policy);
        let (mut origins, mut origin_of) = (Vec::new(), Vec::with_capacity(policy.rules.len()));
        for rule in &policy.rules {
            if origins.last() != Some(&&rule.origin) {
                origins.push(&rule.origin);
            }
            origin_of.push(origins.len() as u32 - 1);
        }
        Self {
            snapshot,
            policy,
            directory: AddressDirectory::new(snapshot),
            line: Line::new(&lists),
            by_labels,
            known,
            near_blocks: near_blocks.collect(),
            rules_of_list,
            selectors: SelectorIndex::new(policy),
            origin_of,
            origins,
        }
    }

    /// The interfaces of all workloads with exactly these labels.
    pub(super) fn carriers(&self, labels: &LabelSet) -> &[Place] {
        self.by_labels.get(labels).map(Vec::as_slice).unwrap_or_default()
    }

    /// Whether nobody holds the address, nor looks like it, wherever it is seen from.
    pub(super) fn is_nobody(&self, address: IpAddr) -> bool {
        !self.known.contains(&address)
    }

    pub(super) fn network_of(&self, place: Place) -> Option<&'a NetworkId> {
        self.directory.interface(place).network.as_ref()
    }

    pub(super) fn class_of(&self, place: Place) -> &'a Class {
        self.policy.class(self.policy.class_of[place.workload as usize])
    }

    pub(super) fn are_connected(&self, a: Option<&NetworkId>, b: Option<&NetworkId>) -> bool {
        matches!((a, b), (Some(a), Some(b)) if self.snapshot.connected(a, b))
    }

    /// Whether the network routes packets for the address to itself or to a network that it is connected to.
    pub(super) fn is_near(&self, network: Option<&NetworkId>, address: IpAddr) -> bool {
        let blocks = network.and_then(|network| self.near_blocks.get(network));
        blocks.is_some_and(|blocks| blocks.contains(address))
    }

    /// The rules that hold addresses of a part on one side.
    pub(super) fn rules_of_part(&self, part: PartId, side: RuleSide) -> impl Iterator<Item = u32> + '_ {
        let lists = self.line.lists(part).iter();
        lists.flat_map(move |&list| {
            let [sources, destinations] = &self.rules_of_list[list as usize];
            let rules = if side == RuleSide::Source { sources } else { destinations };
            rules.iter().copied()
        })
    }

    /// What an address of an interface in `there` looks like in a network that `there` is not connected to.
    pub(super) fn looks(
        &self,
        there: Option<&NetworkId>,
        address: IpAddr,
        viewer: Option<&NetworkId>,
    ) -> Vec<IpAddr> {
        let instead: Vec<IpAddr> = self
            .on_the_way(there, viewer)
            .filter(|one| one.from.is_empty() || one.from.iter().any(|block| block.contains(&address)))
            .flat_map(|one| one.addresses.iter().copied())
            .filter(|seen| seen.is_ipv6() == address.is_ipv6())
            .collect();
        if instead.is_empty() { vec![address] } else { instead }
    }

    /// What addresses of a block look like there instead, and whether none of them is seen as it is.
    pub(super) fn looks_of_block(
        &self,
        there: Option<&NetworkId>,
        block: IpNet,
        viewer: Option<&NetworkId>,
    ) -> (Vec<IpAddr>, bool) {
        let (mut instead, mut all) = (Vec::new(), false);
        for one in self.on_the_way(there, viewer) {
            let own = one.addresses.iter().filter(|seen| seen.is_ipv6() == block.addr().is_ipv6());
            let before = instead.len();
            if one.from.is_empty() || one.from.iter().any(|from| overlap(from, &block)) {
                instead.extend(own.copied());
            }
            let covers = one.from.is_empty() || one.from.iter().any(|from| from.contains(&block));
            all |= covers && instead.len() > before;
        }
        (instead, all)
    }

    fn on_the_way(
        &self,
        there: Option<&NetworkId>,
        viewer: Option<&NetworkId>,
    ) -> impl Iterator<Item = &'a policy::Translation> {
        self.snapshot.translations.iter().filter(move |one| {
            Some(&one.network) == there
                && (one.towards.is_empty() || viewer.is_some_and(|viewer| one.towards.contains(viewer)))
        })
    }

    /// The rules that a workload with these labels is selected by, on one side, whatever its name.
    pub(super) fn rules_by_labels(&self, labels: &LabelSet, side: RuleSide) -> Vec<u32> {
        let workload = nobody_with(labels.clone());
        let all = self.selectors.candidates(labels);
        let matching = all.filter(|&id| self.policy.selectors[id as usize].selector.matches(&workload));
        matching.flat_map(|id| self.selectors.rules_of(id, side).iter().copied()).collect()
    }

    /// The rules on one side of each workload that the policy names and the snapshot does not have: somebody who is
    /// gone may have been one of them.
    pub(super) fn rules_of_absent(&self, side: RuleSide) -> impl Iterator<Item = &[u32]> {
        let absent = self.selectors.absent.iter();
        absent.map(move |&id| self.selectors.rules_of(id, side)).filter(|rules| !rules.is_empty())
    }

    /// The modes of workloads with these labels: those that they have, or what the policy gives to new ones.
    pub(super) fn modes(&self, labels: &LabelSet) -> Vec<EnforcementMode> {
        let carriers = self.carriers(labels).iter();
        let mut modes: Vec<_> = carriers.map(|&place| self.class_of(place).mode).collect();
        modes.sort_unstable();
        modes.dedup();
        if modes.is_empty() { vec![self.mode_of_new(labels)] } else { modes }
    }

    fn mode_of_new(&self, labels: &LabelSet) -> EnforcementMode {
        let workload = nobody_with(labels.clone());
        let matches = |rule: &&EnforcementRule| {
            let entries = rule.scope.iter().map(|entry| match &entry.target {
                ScopeTarget::Label(label) => {
                    Actor::Label { label: label.clone(), exclusion: entry.exclusion }
                }
                ScopeTarget::LabelGroup(group) => {
                    Actor::LabelGroup { group: group.clone(), exclusion: entry.exclusion }
                }
            });
            let actors: Vec<Actor> = entries.collect();
            let selectors = policy::compile::selects(&self.snapshot.policy, &actors);
            actors.is_empty() || selectors.iter().any(|selector| selector.matches(&workload))
        };
        let entry = self.snapshot.policy.enforcement.iter().find(matches);
        entry.map(|entry| entry.mode).unwrap_or_default()
    }

    /// What the interfaces of a network filter, each way once. In a network of which nobody is left: both directions.
    pub(super) fn directions(&self, network: Option<&NetworkId>) -> Vec<Directions> {
        if network.is_none() {
            return vec![Directions::NONE];
        }
        let here = self.snapshot.interfaces().filter(|(_, _, one)| one.network.as_ref() == network);
        let mut found: Vec<Directions> = Vec::new();
        for (_, _, interface) in here {
            if !found.contains(&interface.enforces) {
                found.push(interface.enforces);
            }
        }
        if found.is_empty() { vec![Directions::BOTH] } else { found }
    }

    /// The blocks that workloads of a network have their addresses from; everything where nobody knows.
    pub(super) fn blocks(&self, network: Option<&NetworkId>) -> Vec<IpNet> {
        let known = network.and_then(|network| self.snapshot.networks.get(network));
        match known {
            Some(network) if !network.cidrs.is_empty() => network.cidrs.clone(),
            _ => AddressSet::any().to_cidrs(),
        }
    }
}

fn overlap(a: &IpNet, b: &IpNet) -> bool {
    a.contains(b) || b.contains(a)
}

/// Somebody with these labels and a name that no rule has.
fn nobody_with(labels: LabelSet) -> Workload {
    Workload { id: "".into(), labels, mode: EnforcementMode::default(), interfaces: Vec::new() }
}

/// Every list of addresses that a compiled rule has on a side, each once, with the rules that have it.
fn lists(policy: &CompiledPolicy) -> (Vec<&AddressSet>, Vec<[Vec<u32>; 2]>) {
    let mut known: FxHashMap<&AddressSet, usize> = FxHashMap::default();
    let (mut lists, mut rules): (Vec<&AddressSet>, Vec<[Vec<u32>; 2]>) = (Vec::new(), Vec::new());
    for (number, rule) in (0..).zip(&policy.rules) {
        for (side, addresses) in
            [&rule.sources.addresses, &rule.destinations.addresses].into_iter().enumerate()
        {
            if addresses.is_empty() {
                continue;
            }
            let list = *known.entry(addresses).or_insert(lists.len());
            if list == lists.len() {
                lists.push(addresses);
                rules.push(Default::default());
            }
            rules[list][side].push(number);
        }
    }
    (lists, rules)
}

/// The selectors of a policy by a label that they want, and the rules of each.
struct SelectorIndex {
    by_label: FxHashMap<Label, Vec<u32>>,
    /// Those that want no label.
    any: Vec<u32>,
    /// Those of a workload that the snapshot does not have.
    absent: Vec<u32>,
    /// For each selector the rules that have it as their source, and as their destination.
    rules: Vec<[Vec<u32>; 2]>,
}

impl SelectorIndex {
    fn new(policy: &CompiledPolicy) -> Self {
        let mut index = Self {
            by_label: FxHashMap::default(),
            any: Vec::new(),
            absent: Vec::new(),
            rules: vec![Default::default(); policy.selectors.len()],
        };
        for (id, compiled) in (0..).zip(&policy.selectors) {
            match &compiled.selector {
                Selector::Workload(_) if compiled.classes.is_empty() => index.absent.push(id),
                Selector::Workload(_) => {}
                Selector::Labels(terms) => {
                    let wanted = terms.iter().filter_map(|(key, term)| Some((key, term.included.as_ref()?)));
                    match wanted.min_by_key(|(_, values)| values.iter().count()) {
                        None => index.any.push(id),
                        Some((key, values)) => values.iter().for_each(|value| index.file(key, value, id)),
                    }
                }
            }
        }
        for (number, rule) in (0..).zip(&policy.rules) {
            for (side, part) in [&rule.sources, &rule.destinations].into_iter().enumerate() {
                for id in part.selectors.iter() {
                    index.rules[id.0 as usize][side].push(number);
                }
            }
        }
        index
    }

    fn file(&mut self, key: &LabelKey, value: &LabelValue, id: u32) {
        let label = Label { key: key.clone(), value: value.clone() };
        self.by_label.entry(label).or_default().push(id);
    }

    /// The selectors that may match these labels.
    fn candidates(&self, labels: &LabelSet) -> impl Iterator<Item = u32> {
        let labels = labels.iter().map(|(key, value)| Label { key: key.clone(), value: value.clone() });
        let filed = labels.filter_map(|label| self.by_label.get(&label)).flatten();
        filed.chain(&self.any).copied()
    }

    fn rules_of(&self, id: u32, side: RuleSide) -> &[u32] {
        let [sources, destinations] = &self.rules[id as usize];
        if side == RuleSide::Source { sources } else { destinations }
    }
}
