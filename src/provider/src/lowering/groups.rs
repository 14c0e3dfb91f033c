//! The groups of classes, numbered, with names that are deterministic: a lost answer to a create is found again.

use std::collections::BTreeSet;

use plan::GroupId;
use policy::{ClassId, CompiledPolicy, NetworkId};
use rustc_hash::{FxHashMap, FxHashSet};

/// The group of every class in every network where it has an enforced interface, numbered.
#[derive(Default)]
pub struct ClassGroups<'a> {
    ids: Vec<GroupId>,
    numbers: FxHashMap<(&'a NetworkId, ClassId), u32>,
    by_network: FxHashMap<&'a NetworkId, Vec<ClassId>>,
}

impl<'a> ClassGroups<'a> {
    /// Numbers the groups of the classes that are present; `name` makes a name of a hash in hexadecimal digits.
    pub(super) fn new(
        compiled: &CompiledPolicy,
        present: BTreeSet<(&'a NetworkId, ClassId)>,
        name: impl Fn(&str) -> String,
    ) -> Self {
        let mut taken: FxHashSet<GroupId> = FxHashSet::default();
        let mut groups = Self::default();
        for (network, class) in present {
            let name = name(&class_hash(compiled, network, class));
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
    pub fn of(&self, network: &NetworkId, class: ClassId) -> Option<u32> {
        self.numbers.get(&(network, class)).copied()
    }

    /// The planned id of the group of a class in a network.
    pub fn id_of(&self, network: &NetworkId, class: ClassId) -> Option<&GroupId> {
        self.of(network, class).map(|number| self.id(number))
    }

    /// The planned id behind a number that [`Self::of`] gave.
    pub fn id(&self, number: u32) -> &GroupId {
        &self.ids[number as usize]
    }

    /// Classes with a group in a network, sorted.
    pub fn classes_in(&self, network: &NetworkId) -> &[ClassId] {
        self.by_network.get(network).map_or(&[], Vec::as_slice)
    }
}

/// A hash over the network and what makes the class one.
fn class_hash(compiled: &CompiledPolicy, network: &NetworkId, class: ClassId) -> String {
    let class = compiled.class(class);
    let selectors = class.selectors.iter().map(|id| &compiled.selectors[id.0 as usize].selector);
    let mut selectors: Vec<String> = selectors.map(ToString::to_string).collect();
    selectors.sort();
    let key = format!("{network}\n{}\n{}", class.description, selectors.join("\n"));
    blake3::hash(key.as_bytes()).to_hex().to_string()
}
