//! The ends that are compared, and the comparison of one.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use policy::{AddressSet, ClassId, EnforcementMode, InterfaceId, NetworkId, RangeSet, ServiceSet, View};

use super::intent::Intent;
use super::{Context, address_outside, universe};
use crate::graph::{FilterList, NodeIndex, Peers, Stage};
use crate::plan::Witness;
use crate::scope::Direction;
use crate::state::Owner;

/// Interfaces that are compared together: same network, class, direction and lists.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct EndKey {
    pub(crate) network: NetworkId,
    pub(crate) class: ClassId,
    pub(crate) direction: Direction,
    pub(crate) stages: Vec<Stage>,
}

pub(crate) struct End<'a> {
    pub(crate) direction: Direction,
    pub(crate) key: EndKey,
    pub(crate) intent: Intent<'a>,
}

/// A peer that is compared: its address, the interface behind it, and the class that it is seen as.
type Point<'a> = (IpAddr, Option<(&'a InterfaceId, NodeIndex)>, Option<ClassId>);

/// Every end that the policy wants enforced, with the interfaces that share it.
pub(crate) fn ends<'a>(context: &Context<'a>) -> Vec<(End<'a>, Vec<&'a InterfaceId>)> {
    let mut by_key: BTreeMap<EndKey, Vec<&InterfaceId>> = BTreeMap::new();
    for (index, workload, interface) in context.snapshot.interfaces() {
        let (Some(network), EnforcementMode::Full) = (&interface.network, workload.mode) else { continue };
        let Some(node) = context.nodes.get(&interface.id) else { continue };
        let node = &context.graph.nodes[node.0 as usize];
        let class = context.compiled.class_of[index];
        for (direction, enforced, stages) in [
            (Direction::Ingress, interface.enforces.ingress, &node.ingress),
            (Direction::Egress, interface.enforces.egress, &node.egress),
        ] {
            if enforced {
                let key = EndKey { network: network.clone(), class, direction, stages: stages.clone() };
                by_key.entry(key).or_default().push(&interface.id);
            }
        }
    }
    let end = |key: EndKey| End {
        direction: key.direction,
        intent: Intent::new(context.compiled, key.class, key.direction),
        key,
    };
    by_key.into_iter().map(|(key, interfaces)| (end(key), interfaces)).collect()
}

/// The lists of ours at an end, read for comparison.
struct Ours<'a> {
    members: BTreeMap<NodeIndex, ServiceSet>,
    addresses: Vec<(&'a AddressSet, &'a ServiceSet)>,
}

impl<'a> End<'a> {
    /// The lists of the end with one kind of owner, in its first stage.
    pub(crate) fn lists<'g>(&self, context: &Context<'g>, ours: bool) -> Vec<&'g FilterList> {
        let stage = self.key.stages.first().map(|stage| stage.lists.as_slice()).unwrap_or_default();
        let lists = stage.iter().map(|&list| &context.graph.lists[list as usize]);
        lists.filter(|list| (list.owner == Owner::Ours) == ours).collect()
    }

    /// Compares what our lists admit with the intent; an empty answer is a proof.
    pub(crate) fn compare(
        &self,
        context: &Context<'_>,
        interfaces: &[&InterfaceId],
        pairs: &mut u64,
    ) -> Vec<Witness> {
        let ours = self.read_ours(context);
        let special = self.special_peers(context, &ours);
        let mut taken = AddressSet::empty();
        let mut witnesses = Vec::new();
        let mut points: Vec<Point<'_>> = Vec::new();
        for place in special {
            let peer = context.directory.interface(place);
            let class = context.compiled.class_of[place.workload as usize];
            let node = context.nodes.get(&peer.id).copied();
            for &address in &peer.addresses {
                let identity =
                    peer.network.as_ref().is_some_and(|n| context.snapshot.connected(&self.key.network, n));
                let seen = identity
                    || context.directory.holder(Some(&self.key.network), address) == View::Interface(place);
                if !seen {
                    continue;
                }
                taken = taken.union(&AddressSet::from(address));
                let node = node.filter(|_| identity).unwrap_or(NodeIndex(u32::MAX));
                points.push((address, Some((&peer.id, node)), Some(class)));
            }
        }
        for region in self.regions(&ours) {
            if let Some(address) = address_outside(&region, &taken) {
                points.push((address, None, self.class_of_plain(context, address)));
            }
        }
        *pairs += points.len() as u64 * interfaces.len() as u64;
        for (address, peer, class) in points {
            let admitted = ours.at(peer.map(|(_, node)| node), address);
            let intended = self.intent.at(class, address);
            if admitted != intended {
                let peer = (peer.map(|(id, _)| id), address);
                witnesses.extend(self.describe(context, interfaces, peer, &admitted, &intended));
            }
        }
        witnesses
    }

    /// The class that a plain address is seen as, if an interface without any identity rule here holds it.
    fn class_of_plain(&self, context: &Context<'_>, address: IpAddr) -> Option<ClassId> {
        match context.directory.holder(Some(&self.key.network), address) {
            View::Interface(place) => Some(context.compiled.class_of[place.workload as usize]),
            _ => None,
        }
    }

    fn read_ours<'g>(&self, context: &Context<'g>) -> Ours<'g> {
        let mut ours = Ours { members: BTreeMap::new(), addresses: Vec::new() };
        for entry in self.lists(context, true).into_iter().flat_map(|list| &list.entries) {
            match &entry.peers {
                Peers::Addresses(set) => ours.addresses.push((set, &entry.services)),
                Peers::Members(nodes) => {
                    for node in nodes.iter() {
                        let network = &context.graph.nodes[node.0 as usize].network;
                        if context.snapshot.connected(&self.key.network, network) {
                            let known = ours.members.entry(*node).or_default();
                            *known = known.union(&entry.services);
                        }
                    }
                }
            }
        }
        ours
    }

    /// Interfaces that a class of the intent or a member list of ours names.
    fn special_peers(&self, context: &Context<'_>, ours: &Ours<'_>) -> BTreeSet<policy::Place> {
        let members =
            self.intent.classes().flat_map(|class| context.compiled.class(class).members.iter().copied());
        let mut places: BTreeSet<policy::Place> = members
            .flat_map(|workload| {
                let interfaces = context.snapshot.workloads[workload as usize].interfaces.len() as u32;
                (0..interfaces).map(move |interface| policy::Place { workload, interface })
            })
            .collect();
        for node in ours.members.keys() {
            places.extend(context.places.get(&context.graph.nodes[node.0 as usize].interface));
        }
        places
    }

    /// The address space of both families, cut along every address set at the end.
    fn regions(&self, ours: &Ours<'_>) -> Vec<AddressSet> {
        let sets: Vec<&AddressSet> =
            self.intent.address_sets().chain(ours.addresses.iter().map(|(set, _)| *set)).collect();
        let mut starts_v4: BTreeSet<u32> = BTreeSet::from([0]);
        let mut starts_v6: BTreeSet<u128> = BTreeSet::from([0]);
        for set in sets {
            for &(first, last) in set.v4().ranges() {
                starts_v4.extend([Some(first), last.checked_add(1)].into_iter().flatten());
            }
            for &(first, last) in set.v6().ranges() {
                starts_v6.extend([Some(first), last.checked_add(1)].into_iter().flatten());
            }
        }
        let v4 = spans(&starts_v4, u32::MAX, |n| n - 1)
            .map(|(a, b)| AddressSet::from_parts(RangeSet::range(a, b), RangeSet::default()));
        let v6 = spans(&starts_v6, u128::MAX, |n| n - 1)
            .map(|(a, b)| AddressSet::from_parts(RangeSet::default(), RangeSet::range(a, b)));
        v4.chain(v6).collect()
    }

    fn describe(
        &self,
        context: &Context<'_>,
        interfaces: &[&InterfaceId],
        peer: (Option<&InterfaceId>, IpAddr),
        admitted: &ServiceSet,
        intended: &ServiceSet,
    ) -> Vec<Witness> {
        let own = interfaces.iter().find_map(|id| {
            let own = context.directory.interface(*context.places.get(*id)?);
            let address = own.addresses.iter().find(|a| a.is_ipv6() == peer.1.is_ipv6())?;
            (peer.0 != Some(&own.id)).then_some((&own.id, *address))
        });
        // No interface here can exchange such a packet (no address of the family, or only with itself).
        let Some(own) = own else { return Vec::new() };
        let mut witnesses = Vec::new();
        let excess = admitted.difference(intended);
        if !excess.is_empty() {
            let because = self.rules_behind(context, peer.1, &excess);
            witnesses.push(self.witness(own, peer, &excess, true, because));
        }
        let missing = intended.difference(admitted);
        if !missing.is_empty() {
            witnesses.push(self.witness(own, peer, &missing, false, self.intent.reasons(&missing)));
        }
        witnesses
    }

    fn rules_behind(&self, context: &Context<'_>, address: IpAddr, services: &ServiceSet) -> String {
        let entries = self
            .lists(context, true)
            .into_iter()
            .flat_map(|list| list.entries.iter().map(move |e| (list, e)));
        let behind = entries.filter(|(_, entry)| {
            let peers = match &entry.peers {
                Peers::Addresses(set) => set.contains(address),
                Peers::Members(_) => true,
            };
            peers && !entry.services.intersection(services).is_empty()
        });
        behind.map(|(list, entry)| format!("{} allows {}", list.name, entry.rule)).next().unwrap_or_default()
    }
}

impl Ours<'_> {
    fn at(&self, node: Option<NodeIndex>, address: IpAddr) -> ServiceSet {
        let by_member = node.and_then(|node| self.members.get(&node)).cloned().unwrap_or_default();
        let covering = self.addresses.iter().filter(|(set, _)| set.contains(address));
        let all = covering.fold(by_member, |sum, (_, services)| sum.union(services));
        all.intersection(&universe(address))
    }
}

/// Sorted starts → inclusive spans up to `last`.
fn spans<T: Copy + Ord>(
    starts: &BTreeSet<T>,
    last: T,
    before: impl Fn(T) -> T,
) -> impl Iterator<Item = (T, T)> {
    let starts: Vec<T> = starts.iter().copied().collect();
    let ends: Vec<T> = starts.iter().skip(1).map(|&next| before(next)).chain([last]).collect();
    starts.into_iter().zip(ends)
}
