//! How the members of classes are named from one network: by their groups where identity works, by the addresses
//! that are seen as theirs elsewhere.

use std::collections::BTreeSet;
use std::net::IpAddr;

use policy::{AddressSet, ClassId, CompiledRule, NetworkId, Place, Side};
use rustc_hash::FxHashMap;

use super::Lowering;

/// One class as it is named from a network.
#[derive(Default)]
pub(super) struct Reach {
    /// Its groups, by number.
    pub(super) groups: Vec<u32>,
    /// The addresses of the members that no group names.
    pub(super) addresses: AddressSet,
    /// These members.
    pub(super) by_address: Vec<Place>,
}

/// Everything that rules of groups in one network name, each class worked out once.
pub(super) struct Reaches<'a> {
    pub(super) network: &'a NetworkId,
    /// Classes with a group in the network.
    pub(super) classes: Vec<ClassId>,
    /// Classes that their ingress rules name.
    pub(super) ingress_peers: BTreeSet<ClassId>,
    of: FxHashMap<ClassId, Reach>,
}

impl Reaches<'_> {
    pub(super) fn of(&self, class: ClassId) -> &Reach {
        // INVARIANT: every class that a rule of `classes` names was worked out.
        &self.of[&class]
    }
}

impl<'a> Lowering<'a> {
    pub(super) fn reaches(&self, network: &'a NetworkId) -> Reaches<'a> {
        let classes = self.groups.classes_in(network).to_vec();
        let compiled = self.input.compiled;
        let named = |rules: Vec<&'a CompiledRule>, side: fn(&CompiledRule) -> &Side| {
            let mut selectors: Vec<_> = rules.into_iter().flat_map(|rule| &side(rule).selectors).collect();
            selectors.sort_unstable();
            selectors.dedup();
            let selectors = selectors.into_iter().map(|id| &compiled.selectors[id.0 as usize]);
            selectors.flat_map(|selector| selector.classes.iter().copied()).collect::<BTreeSet<ClassId>>()
        };
        let ingress = classes.iter().flat_map(|&class| compiled.ingress_rules(class)).collect();
        let ingress_peers = named(ingress, |rule| &rule.sources);
        let egress = classes.iter().flat_map(|&class| compiled.egress_rules(class)).collect();
        let egress_peers = named(egress, |rule| &rule.destinations);
        let peers = ingress_peers.union(&egress_peers);
        let of = peers.map(|&class| (class, self.reach(network, class))).collect();
        Reaches { network, classes, ingress_peers, of }
    }

    fn reach(&self, network: &NetworkId, class: ClassId) -> Reach {
        let (mut reach, mut addresses) = (Reach::default(), Vec::<IpAddr>::new());
        for &place in self.members(class) {
            match self.referenced(network, place, class) {
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
        let enforce = self.input.domain[self.input.scope].0.enforce;
        let exists = self.writable.get(&interface.id).is_some_and(|&theirs| theirs || !enforce);
        let is_named = exists && self.input.snapshot.connected(network, there) && self.is_enforced(place);
        if is_named { self.groups.of(there, class) } else { None }
    }
}
