//! Graphs built exactly from the intent: what the oracle lets pass, piece by piece.
//!
//! The address line and the services are cut into atoms that no set of the world tells apart; one packet of each
//! says what the whole atom may do. Nothing of a driver's lowering is used.

use std::net::IpAddr;
use std::sync::Arc;

use plan::graph::{Entry, FilterGraph, NodeIndex, Peers, Stage};
use plan::{Direction, Owner};
use policy::service::protocol;
use policy::{AddressSet, End, EnforcementMode, Flow, Interface, ServiceSet, Snapshot, decide};

use crate::graphs::{bare, list, permit};

/// The graph that lets pass exactly what the oracle does, at every end in full mode.
pub fn intended_graph(snapshot: &Snapshot) -> FilterGraph {
    let mut graph = bare(snapshot);
    let atoms = Atoms::new(snapshot);
    for (_, workload, interface) in snapshot.interfaces() {
        let Some(at) = graph.nodes.iter().position(|node| node.interface == interface.id) else { continue };
        for (direction, enforced) in
            [(Direction::Ingress, interface.enforces.ingress), (Direction::Egress, interface.enforces.egress)]
        {
            if !enforced || workload.mode != EnforcementMode::Full {
                continue;
            }
            let entries = Filter { snapshot, atoms: &atoms, own: interface, direction }.entries(&graph);
            let name = format!("{}-{direction}", interface.id);
            graph.lists.push(list(&name, Owner::Ours, entries));
            let stages = vec![Stage { lists: vec![graph.lists.len() as u32 - 1] }];
            match direction {
                Direction::Ingress => graph.nodes[at].ingress = stages,
                Direction::Egress => graph.nodes[at].egress = stages,
            }
        }
    }
    graph
}

/// Pieces that no set of the world cuts.
struct Atoms {
    addresses: Vec<AddressSet>,
    services: Vec<ServiceSet>,
}

impl Atoms {
    fn new(snapshot: &Snapshot) -> Self {
        let lists = snapshot.policy.ip_lists.values().map(|list| list.addresses.clone());
        let held = snapshot.interfaces().flat_map(|(_, _, interface)| interface.addresses.clone());
        let blocks = snapshot.networks.values().flat_map(|network| network.cidrs.clone());
        let v4 = "0.0.0.0/0".parse().unwrap();
        let sets = lists.chain(held.map(AddressSet::from)).chain(blocks.map(AddressSet::from)).chain([v4]);
        let mut addresses = vec![AddressSet::any()];
        for set in sets {
            let halves = addresses.iter().flat_map(|atom| [atom.intersection(&set), atom.difference(&set)]);
            addresses = halves.filter(|half| !half.is_empty()).collect();
        }
        let rules = snapshot.policy.rulesets.iter().flat_map(|ruleset| &ruleset.rules);
        let icmp = [ServiceSet::protocol(protocol::ICMP), ServiceSet::protocol(protocol::ICMPV6)];
        let sets = rules.map(|rule| rule.services.clone()).chain(icmp).chain([policy::essential_services()]);
        let mut services = vec![ServiceSet::all()];
        for set in sets {
            let halves = services.iter().flat_map(|atom| [atom.intersection(&set), atom.difference(&set)]);
            services = halves.filter(|half| !half.is_empty()).collect();
        }
        Self { addresses, services }
    }
}

/// One end whose entries are asked of the oracle.
struct Filter<'a> {
    snapshot: &'a Snapshot,
    atoms: &'a Atoms,
    own: &'a Interface,
    direction: Direction,
}

impl Filter<'_> {
    fn entries(&self, graph: &FilterGraph) -> Vec<Entry> {
        let mut entries = Vec::new();
        let in_reach = |there: &Interface| match (&self.own.network, &there.network) {
            (Some(here), Some(there)) => self.snapshot.connected(here, there),
            _ => false,
        };
        let others: Vec<&Interface> = self.snapshot.interfaces().map(|(_, _, i)| i).collect();
        for peer in others.iter().copied().filter(|peer| peer.id != self.own.id && in_reach(peer)) {
            let node = graph.nodes.iter().position(|node| node.interface == peer.id).unwrap();
            let family = |address: &IpAddr| self.own_of(*address).is_some();
            let addresses: Vec<IpAddr> = peer.addresses.iter().copied().filter(family).collect();
            let each: Vec<ServiceSet> = addresses.iter().map(|&a| self.passing(Some(peer), a)).collect();
            let common = each.iter().fold(ServiceSet::all(), |common, one| common.intersection(one));
            entries.push(permit(
                "by identity",
                Peers::Members(Arc::from([NodeIndex(node as u32)])),
                common.clone(),
            ));
            for (&address, services) in addresses.iter().zip(&each) {
                let rest = services.difference(&common);
                entries.push(permit("of one address", Peers::Addresses(AddressSet::from(address)), rest));
            }
        }
        for atom in &self.atoms.addresses {
            let address = atom.first().unwrap();
            // What one interface in reach holds comes from nobody else.
            if others.iter().filter(|i| in_reach(i) && i.addresses.contains(&address)).count() != 1 {
                entries.push(permit(
                    "by address",
                    Peers::Addresses(atom.clone()),
                    self.passing(None, address),
                ));
            }
        }
        entries.retain(|entry| !entry.services.is_empty());
        entries
    }

    /// The address of the end in a family.
    fn own_of(&self, address: IpAddr) -> Option<IpAddr> {
        self.own.addresses.iter().copied().find(|own| own.is_ipv6() == address.is_ipv6())
    }

    /// Everything that the oracle lets pass between the end and a peer.
    fn passing(&self, peer: Option<&Interface>, address: IpAddr) -> ServiceSet {
        let Some(own) = self.own_of(address) else { return ServiceSet::empty() };
        let own = End { interface: Some(self.own.id.clone()), address: own };
        let peer = End { interface: peer.map(|peer| peer.id.clone()), address };
        let absent = if address.is_ipv6() { protocol::ICMP } else { protocol::ICMPV6 };
        let passes = |atom: &&ServiceSet| {
            let (own, peer, service) = (own.clone(), peer.clone(), atom.first().unwrap());
            service.protocol != absent
                && match self.direction {
                    Direction::Ingress => {
                        decide(self.snapshot, &Flow { source: peer, destination: own, service })
                            .ingress
                            .passes()
                    }
                    Direction::Egress => {
                        decide(self.snapshot, &Flow { source: own, destination: peer, service })
                            .egress
                            .passes()
                    }
                }
        };
        self.atoms.services.iter().filter(passes).cloned().collect()
    }
}
