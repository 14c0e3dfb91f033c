//! Names of class groups: deterministic, so that a lost answer to a create is found again.

use std::collections::{BTreeMap, BTreeSet};

use plan::GroupId;
use policy::{ClassId, NetworkId};

use super::Lowering;
use crate::marks::{HASH_LENGTH, owned_name};

/// The group of every class in every network where it has an enforced interface.
pub(super) fn group_ids(lowering: &Lowering<'_>) -> BTreeMap<(NetworkId, ClassId), GroupId> {
    let mut present: BTreeSet<(NetworkId, ClassId)> = BTreeSet::new();
    for (&class, places) in &lowering.members {
        for &place in places.iter().filter(|place| lowering.is_enforced(**place)) {
            present
                .extend(lowering.directory.interface(place).network.clone().map(|network| (network, class)));
        }
    }
    let mut taken: BTreeSet<GroupId> = BTreeSet::new();
    let mut ids = BTreeMap::new();
    for (network, class) in present {
        let name = class_name(lowering, &network, class);
        let mut id = GroupId::planned(&network, &name);
        let mut number = 1;
        while !taken.insert(id.clone()) {
            number += 1;
            id = GroupId::planned(&network, &format!("{name}-{number}"));
        }
        ids.insert((network, class), id);
    }
    ids
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
