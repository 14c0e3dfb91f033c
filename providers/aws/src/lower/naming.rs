//! Names of class groups: deterministic, so that a lost answer to a create is found again.

use std::collections::BTreeSet;

use plan::GroupId;
use policy::{ClassId, NetworkId};
use rustc_hash::{FxHashMap, FxHashSet};

use super::Lowering;
use crate::marks::{HASH_LENGTH, owned_name};

/// The group of every class in every network where it has an enforced interface, numbered.
#[derive(Default)]
pub(super) struct ClassGroups<'a> {
    ids: Vec<GroupId>,
    numbers: FxHashMap<(&'a NetworkId, ClassId), u32>,
    by_network: FxHashMap<&'a NetworkId, Vec<ClassId>>,
}

impl<'a> ClassGroups<'a> {
    pub(super) fn new(lowering: &Lowering<'a>) -> Self {
        let mut present: BTreeSet<(&NetworkId, ClassId)> = BTreeSet::new();
        for (class, places) in lowering.members.iter().enumerate() {
            for &place in places.iter().filter(|place| lowering.is_enforced(**place)) {
                let network = lowering.directory.interface(place).network.as_ref();
                present.extend(network.map(|network| (network, ClassId(class as u32))));
            }
        }
        let mut taken: FxHashSet<GroupId> = FxHashSet::default();
        let mut groups = Self::default();
        for (network, class) in present {
            let name = class_name(lowering, network, class);
            let mut id = GroupId::planned(network, &name);
            let mut number = 1;
            while !taken.insert(id.clone()) {
                number += 1;
                id = GroupId::planned(network, &format!("{name}-{number}"));
            }
            groups.numbers.insert((network, class), groups.ids.len() as u32);
            groups.by_network.entry(network).or_default().push(class);
            groups.ids.push(id);
        }
        groups
    }

    /// The number of the group of a class in a network.
    pub(super) fn of(&self, network: &NetworkId, class: ClassId) -> Option<u32> {
        self.numbers.get(&(network, class)).copied()
    }

    pub(super) fn id(&self, number: u32) -> &GroupId {
        &self.ids[number as usize]
    }

    /// Classes with a group in a network, sorted.
    pub(super) fn classes_in(&self, network: &NetworkId) -> &[ClassId] {
        self.by_network.get(network).map_or(&[], Vec::as_slice)
    }
}

/// `bulkhead-INSTALLATION-HASH` over the network and what makes the class one.
fn class_name(lowering: &Lowering<'_>, network: &NetworkId, class: ClassId) -> String {
    let class = lowering.input.compiled.class(class);
    let mut selectors: Vec<String> = class
        .selectors
        .iter()
        .map(|id| lowering.input.compiled.selectors[id.0 as usize].selector.to_string())
        .collect();
    selectors.sort();
    let key = format!("{network}\n{}\n{}", class.description, selectors.join("\n"));
    let hash = blake3::hash(key.as_bytes()).to_hex();
    owned_name(lowering.input.installation, &hash.as_str()[..HASH_LENGTH])
}
