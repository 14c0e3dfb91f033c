//! What the lowerings of all clouds share: who is enforced, which group stands for a class in a network, who is named
//! by identity and who by address, and exact merging. Pure.
//!
//! ```text
//! LowerInput ─▶ Lowering ─reaches─▶ Reaches (groups, addresses) ─rules─▶ RuleSpec → policy rules
//!                  └─ groups: class × network → planned id
//! ```
//!
//! A driver decides what its groups are and what its cloud cannot say. Nothing here is for `semantics`.
//!
//! INVARIANT: what is emitted admits exactly the intent: nothing is widened and nothing is skipped in silence.

mod findings;
mod groups;
pub mod merge;
mod reach;
mod rules;

use std::collections::BTreeSet;

use plan::{Direction, InterfaceState, Observed, Scope};
use policy::{AddressDirectory, ClassId, EnforcementMode, InterfaceId, NetworkId, Place};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::LowerInput;
pub use findings::{Words, as_observed, sample};
pub use groups::ClassGroups;
pub use reach::{Reach, Reaches};
pub use rules::{Rules, essential};

/// Which ends the rules of a cloud may name by identity.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Identity {
    /// Sources and destinations.
    BothEnds,
    /// Sources: destinations are named by address.
    SourcesOnly,
    /// Sources in the same network, and none over a peering.
    SourcesAtHome,
}

/// The tables that lowering one scope of a domain looks things up in.
pub struct Lowering<'a> {
    /// What is lowered.
    pub input: &'a LowerInput<'a>,
    /// Who holds an address.
    pub directory: AddressDirectory<'a>,
    /// The place of each interface.
    pub places: FxHashMap<&'a InterfaceId, Place>,
    /// The group that each class has in each network.
    pub groups: ClassGroups<'a>,
    /// Interfaces that can be written, in any scope of this cloud in the domain, with whether the scope enforces.
    writable: FxHashMap<&'a InterfaceId, bool>,
    /// Ordered pairs of networks of which the first may name groups of the second.
    peered: FxHashSet<(&'a NetworkId, &'a NetworkId)>,
    /// Interfaces of each class.
    members: Vec<Vec<Place>>,
    identity: Identity,
    /// Interfaces of groups that rules know by address only.
    nameless: FxHashSet<&'a InterfaceId>,
}

impl<'a> Lowering<'a> {
    /// Indexes a domain.
    ///
    /// `writable` says which interfaces can be members of groups; `name` makes the name of a class group of a hash in
    /// hexadecimal digits.
    pub fn new(
        input: &'a LowerInput<'a>,
        identity: Identity,
        writable: impl Fn(&InterfaceState) -> bool,
        name: impl Fn(&str) -> String,
    ) -> Self {
        let cloud = input.domain[input.scope].0.cloud;
        let here = || input.domain.iter().filter(|(scope, _)| scope.cloud == cloud);
        let (places, members) = places(input);
        let mut lowering = Self {
            input,
            directory: AddressDirectory::new(input.snapshot),
            places,
            groups: ClassGroups::default(),
            writable: FxHashMap::default(),
            peered: FxHashSet::default(),
            members,
            identity,
            nameless: FxHashSet::default(),
        };
        for (scope, observed) in here() {
            let interfaces = observed.interfaces.iter().filter(|interface| writable(interface));
            lowering.writable.extend(interfaces.map(|interface| (&interface.id, scope.enforce)));
            for network in &observed.networks {
                let named = network.peerings.iter().filter(|peering| peering.identity);
                lowering.peered.extend(named.map(|peering| (&network.id, &peering.peer)));
            }
        }
        lowering.groups = ClassGroups::new(input.compiled, lowering.present(), name);
        lowering
    }

    /// Has some interfaces named by address wherever they are: members of groups that rules do not know them by.
    pub fn name_by_address(&mut self, is_nameless: impl Fn(&InterfaceState) -> bool) {
        let cloud = self.scope().cloud;
        let here = self.input.domain.iter().filter(|(scope, _)| scope.cloud == cloud);
        let nameless = here.flat_map(|(_, observed)| &observed.interfaces).filter(|one| is_nameless(one));
        self.nameless = nameless.map(|interface| &interface.id).collect();
    }

    /// The scope that is lowered.
    pub fn scope(&self) -> &'a Scope {
        self.input.domain[self.input.scope].0
    }

    /// What was seen in it.
    pub fn observed(&self) -> &'a Observed {
        self.input.domain[self.input.scope].1
    }

    /// The directions that its scope filters.
    pub fn directions(&self) -> &'static [Direction] {
        if self.scope().egress { &[Direction::Ingress, Direction::Egress] } else { &[Direction::Ingress] }
    }

    /// Whether the policy wants an interface enforced and it can be.
    pub fn is_enforced(&self, place: Place) -> bool {
        let workload = &self.input.snapshot.workloads[place.workload as usize];
        let interface = &workload.interfaces[place.interface as usize];
        workload.mode == EnforcementMode::Full
            && interface.enforces.ingress
            && self.writable.contains_key(&interface.id)
    }

    /// The class of an observed interface that is enforced, and has a group in its network.
    pub fn enforced_class(&self, interface: &InterfaceState) -> Option<ClassId> {
        let &place = self.places.get(&interface.id)?;
        let class = self.input.compiled.class_of[place.workload as usize];
        self.groups.of(&interface.network, class)?;
        self.is_enforced(place).then_some(class)
    }

    /// The interfaces of a class, everywhere.
    pub fn members(&self, class: ClassId) -> &[Place] {
        &self.members[class.0 as usize]
    }

    /// Every network with every class that has an enforced interface in it.
    fn present(&self) -> BTreeSet<(&'a NetworkId, ClassId)> {
        let mut present = BTreeSet::new();
        for (class, places) in self.members.iter().enumerate() {
            for &place in places.iter().filter(|place| self.is_enforced(**place)) {
                let network = self.directory.interface(place).network.as_ref();
                present.extend(network.map(|network| (network, ClassId(class as u32))));
            }
        }
        present
    }
}

/// The place of each interface of a snapshot, and the places of each class.
fn places<'a>(input: &LowerInput<'a>) -> (FxHashMap<&'a InterfaceId, Place>, Vec<Vec<Place>>) {
    let mut places = FxHashMap::default();
    let mut members = vec![Vec::new(); input.compiled.classes.len()];
    for (w, workload) in input.snapshot.workloads.iter().enumerate() {
        for (i, interface) in workload.interfaces.iter().enumerate() {
            let place = Place { workload: w as u32, interface: i as u32 };
            places.insert(&interface.id, place);
            members[input.compiled.class_of[w].0 as usize].push(place);
        }
    }
    (places, members)
}
