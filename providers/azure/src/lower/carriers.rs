//! The class group of a class in a network, and its carriers.

use std::collections::{BTreeMap, BTreeSet};

use plan::{DesiredGroup, Direction};
use policy::{ClassId, Finding};
use provider::lowering::{Lowering, Reaches, Rules};

use super::paths::Paths;
use super::services;

/// The rules of a class in a network, the same behind every security group.
#[derive(Clone, Default)]
pub(super) struct ClassRules {
    ingress: Rules,
    egress: Rules,
}

/// What a class is allowed in a network, in the words of Azure; what has no words is `refused`.
pub(super) fn class_rules(
    lowering: &Lowering<'_>,
    reaches: &Reaches<'_>,
    class: ClassId,
    refused: &mut BTreeSet<Finding>,
) -> ClassRules {
    let has_v6 = services::has_v6(lowering, reaches.network);
    let mut rules = |direction: Direction| {
        if !lowering.directions().contains(&direction) {
            return Rules::new();
        }
        let rules = lowering.rules(reaches, class, direction, Vec::new());
        services::sayable(rules, has_v6, refused)
    };
    let ingress = rules(Direction::Ingress);
    ClassRules { ingress, egress: rules(Direction::Egress) }
}

/// The class group, and a carrier for every security group that has an enforced member behind it.
pub(super) fn groups(
    lowering: &Lowering<'_>,
    paths: &Paths<'_>,
    reaches: &Reaches<'_>,
    class: ClassId,
    mut rules: ClassRules,
) -> Vec<DesiredGroup> {
    let network = reaches.network;
    let Some(id) = lowering.groups.id_of(network, class) else { return Vec::new() };
    let group = |id: &plan::GroupId, ingress: Rules, egress: Rules| DesiredGroup {
        id: id.clone(),
        network: network.clone(),
        name: id.planned_name().unwrap_or_default().to_owned(),
        description: lowering.input.compiled.class(class).description.clone(),
        ingress,
        egress,
    };
    let mut groups = vec![group(id, BTreeMap::new(), BTreeMap::new())];
    let occupied = paths.occupied(network, class);
    let last = occupied.len().saturating_sub(1);
    for (number, nsg) in occupied.iter().enumerate() {
        let carrier = paths.carrier(nsg, id, network);
        // Mostly there is one: it takes the rules.
        let own = if number == last { std::mem::take(&mut rules) } else { rules.clone() };
        groups.push(group(&carrier, own.ingress, own.egress));
    }
    groups
}
