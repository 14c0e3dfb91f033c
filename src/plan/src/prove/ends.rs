//! The ends that are compared, each with the lists and the rules that count there.

use std::collections::BTreeMap;
use std::ops::Range;

use policy::{AddressSet, ClassId, EnforcementMode, NetworkId, Place, ServicePoint, ServiceSet};

use super::Context;
use super::intent::Intent;
use crate::graph::{Effect, Entry, FilterList, Peers, Stage};
use crate::scope::Direction;

/// Interfaces that are compared together: same network, class, direction and lists.
pub(crate) struct End<'a> {
    pub(crate) network: &'a NetworkId,
    pub(crate) class: ClassId,
    pub(crate) direction: Direction,
    pub(crate) interfaces: Vec<Place>,
    pub(crate) stages: Vec<Vec<ListAt<'a>>>,
    /// The entries of all lists of all stages, one after the other: an entry's number is its place here.
    pub(crate) entries: Vec<&'a Entry>,
    pub(crate) intent: Intent<'a>,
}

/// A list at an end, with the numbers of its entries.
pub(crate) struct ListAt<'a> {
    pub(crate) list: &'a FilterList,
    numbers: Range<u32>,
}

/// What interfaces share that make up an end, in the order in which ends are compared.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Key<'a> {
    network: &'a NetworkId,
    class: ClassId,
    direction: Direction,
    stages: &'a [Stage],
}

/// Every end that the policy wants enforced.
pub(crate) fn ends<'a>(context: &Context<'a>) -> impl Iterator<Item = End<'a>> {
    let mut by_key: BTreeMap<Key<'a>, Vec<Place>> = BTreeMap::new();
    for (index, workload, interface) in context.snapshot.interfaces() {
        let (Some(network), EnforcementMode::Full) = (&interface.network, workload.mode) else { continue };
        let Some(node) = context.nodes.get(&interface.id) else { continue };
        let Some(&place) = context.places.get(&interface.id) else { continue };
        let node = &context.graph.nodes[node.0 as usize];
        let class = context.compiled.class_of[index];
        for (direction, enforced, stages) in [
            (Direction::Ingress, interface.enforces.ingress, &node.ingress),
            (Direction::Egress, interface.enforces.egress, &node.egress),
        ] {
            if enforced {
                by_key.entry(Key { network, class, direction, stages }).or_default().push(place);
            }
        }
    }
    by_key.into_iter().map(|(key, interfaces)| End::new(context, key, interfaces))
}

impl<'a> End<'a> {
    fn new(context: &Context<'a>, key: Key<'a>, interfaces: Vec<Place>) -> Self {
        let mut entries = Vec::new();
        let mut list_at = |&list: &u32| {
            let list = &context.graph.lists[list as usize];
            let first = entries.len() as u32;
            entries.extend(&list.entries);
            ListAt { list, numbers: first..entries.len() as u32 }
        };
        let stages = key.stages.iter().map(|stage| stage.lists.iter().map(&mut list_at).collect()).collect();
        let intent = Intent::new(context.compiled, key.class, key.direction);
        let Key { network, class, direction, .. } = key;
        Self { network, class, direction, interfaces, stages, entries, intent }
    }

    /// Lists of the first stage: the one that objects of ours are in.
    pub(crate) fn first_stage(&self) -> &[ListAt<'a>] {
        self.stages.first().map(Vec::as_slice).unwrap_or_default()
    }

    /// The address sets of all entries, with their numbers.
    pub(crate) fn address_sets(&self) -> impl Iterator<Item = (u32, &'a AddressSet)> + '_ {
        self.entries.iter().enumerate().filter_map(|(number, entry)| match &entry.peers {
            Peers::Addresses(set) => Some((number as u32, set)),
            Peers::Members(_) => None,
        })
    }
}

impl<'a> ListAt<'a> {
    /// The entries of the list among sorted numbers, in order.
    pub(crate) fn among(&self, numbers: &[u32]) -> Range<usize> {
        let before = |bound: u32| numbers.partition_point(|&number| number < bound);
        before(self.numbers.start)..before(self.numbers.end)
    }

    /// What the list lets pass of a peer that the entries with these numbers match: the first match decides.
    pub(crate) fn passes(&self, end: &End<'_>, matching: &[u32]) -> ServiceSet {
        first_match(matching[self.among(matching)].iter().map(|&number| end.entries[number as usize]))
    }

    /// The entry that lets a packet pass, if its first match does.
    pub(crate) fn decides(
        &self,
        end: &End<'a>,
        matching: &[u32],
        service: ServicePoint,
    ) -> Option<&'a Entry> {
        let mut entries = matching[self.among(matching)].iter().map(|&number| end.entries[number as usize]);
        let first = entries.find(|entry| entry.services.contains(service))?;
        (first.effect == Effect::Permit).then_some(first)
    }
}

/// What entries let pass that all match a peer: of those that match a packet too, the first decides.
pub(crate) fn first_match<'a>(entries: impl Iterator<Item = &'a Entry>) -> ServiceSet {
    let (mut passed, mut blocked) = (ServiceSet::empty(), ServiceSet::empty());
    for entry in entries {
        match entry.effect {
            Effect::Permit => passed = passed.union(&entry.services.difference(&blocked)),
            Effect::Block => blocked = blocked.union(&entry.services.difference(&passed)),
        }
    }
    passed
}
