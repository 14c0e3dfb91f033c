//! Label policy → teams: one team for each class and zone, named by what makes the class one.

use std::collections::{BTreeMap, BTreeSet};

use plan::state::allow_everything;
use plan::{Attachment, Desired, DesiredGroup, GroupId, Membership, Peer, RuleService, RuleSpec};
use policy::compiled::essential_services;
use policy::service::has_ports;
use policy::{
    Action, AddressDirectory, AddressSet, ClassId, CompiledRule, EnforcementMode, NetworkId, Place, RuleRef,
    ServiceSet, Side,
};
use provider::LowerInput;

use super::observe::{HASH_LENGTH, owned_name};

/// Lowers a scope: the whole domain of a pond.
pub fn lower(input: &LowerInput<'_>) -> Desired {
    let lowering = Lowering { input, directory: AddressDirectory::new(input.snapshot) };
    let (scope, observed) = input.domain[input.scope];
    let mut desired = Desired::default();
    for network in &observed.networks {
        for class in lowering.classes_in(&network.id) {
            desired.groups.push(lowering.team(&network.id, class));
        }
    }
    for (place, interface) in lowering.places() {
        if let (Some(network), Some(class)) = (&interface.network, lowering.enforced(place)) {
            let membership = Membership {
                groups: vec![lowering.id(network, class)],
                exclusive: scope.attachment == Attachment::Exclusive,
            };
            desired.members.insert(interface.id.clone(), membership);
        }
    }
    desired
}

struct Lowering<'a> {
    input: &'a LowerInput<'a>,
    directory: AddressDirectory<'a>,
}

type Rules = BTreeMap<RuleSpec, Vec<RuleRef>>;

impl<'a> Lowering<'a> {
    fn places(&self) -> impl Iterator<Item = (Place, &'a policy::Interface)> + '_ {
        let workloads = self.input.snapshot.workloads.iter().enumerate();
        workloads.flat_map(|(w, workload)| {
            let interfaces = workload.interfaces.iter().enumerate();
            interfaces
                .map(move |(i, interface)| (Place { workload: w as u32, interface: i as u32 }, interface))
        })
    }

    /// The class of an interface, if it is enforced.
    fn enforced(&self, place: Place) -> Option<ClassId> {
        let workload = &self.input.snapshot.workloads[place.workload as usize];
        let is_enforced = workload.mode == EnforcementMode::Full
            && workload.interfaces[place.interface as usize].enforces.ingress;
        is_enforced.then(|| self.input.compiled.class_of[place.workload as usize])
    }

    fn classes_in(&self, network: &NetworkId) -> BTreeSet<ClassId> {
        let here = self.places().filter(|(_, interface)| interface.network.as_ref() == Some(network));
        here.filter_map(|(place, _)| self.enforced(place)).collect()
    }

    /// Deterministic, so that a lost answer to a create is found again.
    fn id(&self, network: &NetworkId, class: ClassId) -> GroupId {
        let class = self.input.compiled.class(class);
        let selectors =
            class.selectors.iter().map(|id| &self.input.compiled.selectors[id.0 as usize].selector);
        let mut texts: Vec<String> = selectors.map(ToString::to_string).collect();
        texts.sort();
        // FNV-1a: the same on every machine.
        let hash = texts.join("\n").bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        let hash = format!("{hash:016x}");
        GroupId::planned(network, &owned_name(self.input.installation, &hash[..HASH_LENGTH]))
    }

    fn team(&self, network: &NetworkId, class: ClassId) -> DesiredGroup {
        let (id, compiled) = (self.id(network, class), self.input.compiled);
        let egress = if self.input.domain[self.input.scope].0.egress {
            self.rules(network, compiled.egress_rules(class), |rule| &rule.destinations)
        } else {
            allow_everything().map(|rule| (rule, Vec::new())).into()
        };
        DesiredGroup {
            network: network.clone(),
            name: id.planned_name().unwrap_or_default().to_owned(),
            description: compiled.class(class).description.clone(),
            ingress: self.rules(network, compiled.ingress_rules(class), |rule| &rule.sources),
            egress,
            id,
        }
    }

    fn rules(
        &self,
        network: &NetworkId,
        rules: impl Iterator<Item = &'a CompiledRule>,
        side: fn(&CompiledRule) -> &Side,
    ) -> Rules {
        let mut found = Rules::new();
        for block in AddressSet::any().to_cidrs() {
            for service in pieces(&essential_services()) {
                found.insert(RuleSpec { peer: Peer::Cidr(block), service }, Vec::new());
            }
        }
        for rule in rules.filter(|rule| rule.action == Action::Allow) {
            for peer in self.peers(network, side(rule)) {
                for service in pieces(&rule.services) {
                    let spec = RuleSpec { peer: peer.clone(), service };
                    found.entry(spec).or_default().push(rule.origin.clone());
                }
            }
        }
        found
    }

    /// Who a side is from a zone: teams where identity works, addresses elsewhere.
    fn peers(&self, network: &NetworkId, side: &Side) -> BTreeSet<Peer> {
        let classes = self.input.compiled.classes_of(side);
        let mut peers: BTreeSet<Peer> = side.addresses.to_cidrs().into_iter().map(Peer::Cidr).collect();
        for (place, interface) in self.places() {
            if !classes.contains(&self.input.compiled.class_of[place.workload as usize]) {
                continue;
            }
            let near =
                interface.network.as_ref().filter(|there| self.input.snapshot.connected(network, there));
            match (near, self.enforced(place)) {
                (Some(there), Some(class)) => {
                    peers.insert(Peer::Group(self.id(there, class)));
                }
                _ => {
                    let seen = self.directory.visible_addresses(Some(network), place);
                    peers.extend(seen.into_iter().map(|address| Peer::Cidr(address.into())));
                }
            }
        }
        peers
    }
}

/// A set of services as the pieces that a rule can say.
fn pieces(services: &ServiceSet) -> Vec<RuleService> {
    if *services == ServiceSet::all() {
        return vec![RuleService::All];
    }
    let mut pieces = Vec::new();
    for (protocol, low, high) in services.by_protocol() {
        if (low, high) == (0, u16::MAX) {
            pieces.push(RuleService::Protocol(protocol));
        } else if has_ports(protocol) {
            pieces.push(RuleService::ports(protocol, low, high));
        } else if low & 0xff == 0 && high & 0xff == 0xff {
            let kinds = (low >> 8) as u8..=(high >> 8) as u8;
            pieces.extend(kinds.map(|kind| RuleService::Icmp { protocol, kind, code: None }));
        } else {
            let points = low..=high;
            pieces.extend(points.map(|point| RuleService::Icmp {
                protocol,
                kind: (point >> 8) as u8,
                code: Some(point as u8),
            }));
        }
    }
    pieces
}
