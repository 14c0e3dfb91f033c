//! Whether the facts of a state agree with the policy, flow by flow, as the oracle decides it.
//!
//! Reads groups and members only: what the plan's schedule works on, and what a lowering makes.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use plan::{AttachClass, Direction, GroupId, GroupState, InterfaceState, Observed, Peer};
use policy::service::protocol;
use policy::{
    AddressDirectory, AddressSet, End, EnforcementMode, Flow, InterfaceId, ServicePoint, View, decide,
    essential_services,
};

use crate::LowerInput;

/// What was compared, and where facts and oracle differ.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Agreement {
    /// Flows that both let pass.
    pub passed: usize,
    /// Flows that both stop.
    pub stopped: usize,
    /// One line for each flow on which they differ.
    pub differ: Vec<String>,
}

/// Compares every flow between interfaces of the domain, and from and to some addresses outside, at every end in the
/// scope that is enforced. `after` is the scope when what is desired is so; `covered` says who can be enforced at all.
pub fn compare(
    input: &LowerInput<'_>,
    after: &Observed,
    outside: &[IpAddr],
    services: &[ServicePoint],
    covered: impl Fn(&InterfaceState) -> bool,
) -> Agreement {
    let facts = Facts::new(after);
    let directory = AddressDirectory::new(input.snapshot);
    let peers = peers(input, &directory, outside);
    let modes: BTreeMap<&InterfaceId, EnforcementMode> =
        input.snapshot.interfaces().map(|(_, workload, i)| (&i.id, workload.mode)).collect();
    let is_enforced = |own: &&InterfaceState| {
        let is_full = modes.get(&own.id) == Some(&EnforcementMode::Full);
        own.attach == AttachClass::Direct && covered(own) && is_full
    };
    let egress = input.domain[input.scope].0.egress;
    let directions =
        if egress { &[Direction::Ingress, Direction::Egress][..] } else { &[Direction::Ingress] };
    let mut agreement = Agreement::default();
    for own in after.interfaces.iter().filter(is_enforced) {
        for peer in peers.iter().filter(|peer| can_meet(&directory, own, peer)) {
            for (&direction, &service) in directions.iter().flat_map(|d| services.iter().map(move |s| (d, s)))
            {
                let Some(flow) = flow(own, direction, peer, service) else { continue };
                let decision = decide(input.snapshot, &flow);
                let wanted = match direction {
                    Direction::Ingress => decision.ingress.passes(),
                    Direction::Egress => decision.egress.passes(),
                };
                match (facts.pass(own, direction, peer, service), wanted) {
                    (true, true) => agreement.passed += 1,
                    (false, false) => agreement.stopped += 1,
                    (passes, _) => {
                        agreement
                            .differ
                            .push(format!("facts {passes}, oracle {wanted}: {direction} {flow:?}"));
                    }
                }
            }
        }
    }
    agreement
}

/// A flow that there can be and that rules decide.
fn flow(own: &InterfaceState, direction: Direction, peer: &End, service: ServicePoint) -> Option<Flow> {
    let absent = if peer.address.is_ipv6() { protocol::ICMP } else { protocol::ICMPV6 };
    if service.protocol == absent || essential_services().contains(service) {
        return None;
    }
    let address = *own.addresses.iter().find(|address| address.is_ipv6() == peer.address.is_ipv6())?;
    let own = End { interface: Some(own.id.clone()), address };
    Some(match direction {
        Direction::Ingress => Flow { source: peer.clone(), destination: own, service },
        Direction::Egress => Flow { source: own, destination: peer.clone(), service },
    })
}

/// Nobody meets himself, and an address that an interface in reach holds is met from nobody else.
fn can_meet(directory: &AddressDirectory<'_>, own: &InterfaceState, peer: &End) -> bool {
    if peer.interface.as_ref() == Some(&own.id) {
        return false;
    }
    match directory.holder(Some(&own.network), peer.address) {
        View::Interface(place) => Some(&directory.interface(place).id) == peer.interface.as_ref(),
        View::Translated => looks_like(directory, own, peer),
        View::Shadowed | View::Ambiguous | View::External => {
            let is_translated = directory.translated().any(|address| address == peer.address);
            !is_translated || peer.interface.is_none() || looks_like(directory, own, peer)
        }
    }
}

/// Whether a peer comes to an interface under an address that its own are translated to.
fn looks_like(directory: &AddressDirectory<'_>, own: &InterfaceState, peer: &End) -> bool {
    let behind = directory.behind(Some(&own.network), peer.address);
    behind.iter().any(|place| Some(&directory.interface(*place).id) == peer.interface.as_ref())
}

/// Every interface under each of its addresses and of those that they are translated to, and the addresses outside that
/// nobody holds.
fn peers(input: &LowerInput<'_>, directory: &AddressDirectory<'_>, outside: &[IpAddr]) -> Vec<End> {
    let interfaces = input.snapshot.interfaces().flat_map(|(_, _, interface)| {
        let end = |&address| End { interface: Some(interface.id.clone()), address };
        interface.addresses.iter().map(end)
    });
    let mut peers: Vec<End> = interfaces.collect();
    let translated = directory.translated().flat_map(|address| {
        let behind = directory.behind_anywhere(address).into_iter();
        behind.map(move |place| End { interface: Some(directory.interface(place).id.clone()), address })
    });
    peers.extend(translated);
    let held: BTreeSet<IpAddr> = peers.iter().map(|end| end.address).collect();
    let free = outside.iter().filter(|address| !held.contains(address));
    peers.extend(free.map(|&address| End { interface: None, address }));
    peers
}

struct Facts<'a> {
    groups: BTreeMap<&'a GroupId, &'a GroupState>,
    members: BTreeMap<&'a InterfaceId, &'a [GroupId]>,
}

impl<'a> Facts<'a> {
    fn new(after: &'a Observed) -> Self {
        let groups = after.groups.iter().map(|group| (&group.id, group)).collect();
        let members = after.interfaces.iter().map(|i| (&i.id, i.groups.as_slice())).collect();
        Self { groups, members }
    }

    fn pass(&self, own: &InterfaceState, direction: Direction, peer: &End, service: ServicePoint) -> bool {
        let peer_groups = peer.interface.as_ref().and_then(|id| self.members.get(id));
        let matches = |wanted: &Peer| match wanted {
            Peer::Group(id) => peer_groups.is_some_and(|groups| groups.contains(id)),
            Peer::Cidr(block) => AddressSet::from(*block).contains(peer.address),
            Peer::Opaque(_) => false,
        };
        own.groups.iter().filter_map(|id| self.groups.get(id)).any(|group| {
            let rules = if direction == Direction::Ingress { &group.ingress } else { &group.egress };
            rules.iter().any(|rule| rule.service.to_set().contains(service) && matches(&rule.peer))
        })
    }
}
