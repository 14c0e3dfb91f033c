//! How the members of classes are named from one network: by their groups where identity works, by the addresses
//! that are seen as theirs elsewhere.

use std::collections::BTreeSet;
use std::net::IpAddr;

use plan::Direction;
use policy::{AddressSet, ClassId, CompiledRule, NetworkId, Place, Side};
use rustc_hash::FxHashMap;

use super::{Identity, Lowering};

/// One class as it is named from a network.
#[derive(Default)]
pub struct Reach {
    /// Its groups, by number.
    pub groups: Vec<u32>,
    /// The addresses of the members that no group names.
    pub addresses: AddressSet,
    /// These members.
    pub by_address: Vec<Place>,
}

/// Everything that rules of groups in one network name, each class worked out once.
pub struct Reaches<'a> {
    /// The network.
    pub network: &'a NetworkId,
    /// Classes with a group in the network.
    pub classes: Vec<ClassId>,
    /// Classes that their ingress rules name.
    pub ingress_peers: BTreeSet<ClassId>,
    /// Classes that their egress rules name.
    pub egress_peers: BTreeSet<ClassId>,
    ingress: FxHashMap<ClassId, Reach>,
    /// Only where the two directions name a class differently.
    egress: Option<FxHashMap<ClassId, Reach>>,
}

impl Reaches<'_> {
    /// A class that a rule of [`Self::classes`] names in this direction.
    pub fn of(&self, direction: Direction, class: ClassId) -> &Reach {
        // INVARIANT: every class that a rule of `classes` names was worked out.
        match (direction, &self.egress) {
            (Direction::Egress, Some(egress)) => &egress[&class],
            _ => &self.ingress[&class],
        }
    }
}

impl<'a> Lowering<'a> {
    /// What the rules of the groups in a network name.
    pub fn reaches(&self, network: &'a NetworkId) -> Reaches<'a> {
        let classes = self.groups.classes_in(network).to_vec();
        let compiled = self.input.compiled;
        let ingress = classes.iter().flat_map(|&class| compiled.ingress_rules(class)).collect();
        let ingress_peers = self.named(ingress, |rule| &rule.sources);
        let egress = classes.iter().flat_map(|&class| compiled.egress_rules(class)).collect();
        let egress_peers = self.named(egress, |rule| &rule.destinations);
        let reaches = |peers: &BTreeSet<ClassId>, direction: Direction| -> FxHashMap<ClassId, Reach> {
            peers.iter().map(|&class| (class, self.reach(network, class, direction))).collect()
        };
        let (ingress, egress) = match self.identity {
            Identity::BothEnds => {
                let peers = ingress_peers.union(&egress_peers).copied().collect();
                (reaches(&peers, Direction::Ingress), None)
            }
            Identity::SourcesOnly | Identity::SourcesAtHome => {
                let egress = reaches(&egress_peers, Direction::Egress);
                (reaches(&ingress_peers, Direction::Ingress), Some(egress))
            }
        };
        Reaches { network, classes, ingress_peers, egress_peers, ingress, egress }
    }

    /// The classes on one side of rules.
    fn named(&self, rules: Vec<&'a CompiledRule>, side: fn(&CompiledRule) -> &Side) -> BTreeSet<ClassId> {
        let mut selectors: Vec<_> = rules.into_iter().flat_map(|rule| &side(rule).selectors).collect();
        selectors.sort_unstable();
        selectors.dedup();
        let selectors = selectors.into_iter().map(|id| &self.input.compiled.selectors[id.0 as usize]);
        selectors.flat_map(|selector| selector.classes.iter().copied()).collect()
    }

    fn reach(&self, network: &NetworkId, class: ClassId, direction: Direction) -> Reach {
        let (mut reach, mut addresses) = (Reach::default(), Vec::<IpAddr>::new());
        let by_identity = direction == Direction::Ingress || self.identity == Identity::BothEnds;
        for &place in self.members(class) {
            let group = if by_identity { self.referenced(network, place, class) } else { None };
            match group {
                Some(group) if reach.groups.contains(&group) => {}
                Some(group) => reach.groups.push(group),
                None => {
                    addresses.extend(self.directory.visible_addresses(Some(network), place));
                    reach.by_address.push(place);
                }
            }
        }
        reach.addresses = addresses.into_iter().collect();
        reach
    }

    /// The group by which an interface can be named from a network.
    fn referenced(&self, network: &NetworkId, place: Place, class: ClassId) -> Option<u32> {
        let interface = self.directory.interface(place);
        let there = interface.network.as_ref()?;
        // A group of an observed-only scope will never exist when this scope enforces.
        let enforce = self.scope().enforce;
        if self.nameless.contains(&interface.id) {
            return None;
        }
        let exists = self.writable.get(&interface.id).is_some_and(|&theirs| theirs || !enforce);
        let is_named = exists && self.names_groups_of(network, there) && self.is_enforced(place);
        if is_named { self.groups.of(there, class) } else { None }
    }

    /// Whether rules in a network may name groups of another.
    fn names_groups_of(&self, network: &NetworkId, there: &NetworkId) -> bool {
        network == there
            || self.identity != Identity::SourcesAtHome
                && self.peered.contains(&(network, there))
                && self.input.snapshot.connected(network, there)
    }
}
