//! Label policy → security groups: one class group per network, at once identity and rule carrier.
//!
//! Peers are references inside a network and over a peering, addresses everywhere else. Pure.
//!
//! INVARIANT: what is emitted admits exactly the intent. What cannot be expressed is a blocking finding;
//! nothing is widened and nothing is skipped in silence.

mod merge;
mod naming;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use plan::state::allow_everything;
use plan::{AttachClass, Attachment, Desired, DesiredGroup, GroupId, Membership, Peer, RuleSpec, Uncovered};
use policy::compiled::essential_services;
use policy::service::protocol;
use policy::{
    Action, AddressDirectory, AddressSet, ClassId, CompiledRule, EnforcementMode, Finding, InterfaceId,
    NetworkId, Place, RuleRef, ServiceSet, Severity, Side,
};
use provider::LowerInput;

/// Lowers one scope of a domain. Cost follows rules × classes in them, and members.
pub fn lower(input: &LowerInput<'_>) -> Desired {
    let lowering = Lowering::new(input);
    let mut desired = Desired::default();
    let (scope, observed) = input.domain[input.scope];
    for network in &observed.networks {
        for class in lowering.classes_in(&network.id) {
            desired.groups.push(lowering.class_group(&network.id, class));
        }
    }
    for interface in &observed.interfaces {
        let Some(place) = lowering.places.get(&interface.id) else { continue };
        let class = input.compiled.class_of[place.workload as usize];
        if let Some(group) = lowering.groups.get(&(interface.network.clone(), class))
            && lowering.is_enforced(*place)
        {
            let exclusive = scope.attachment == Attachment::Exclusive;
            desired
                .members
                .insert(interface.id.clone(), Membership { groups: vec![group.clone()], exclusive });
        }
    }
    desired.uncovered = lowering.uncovered();
    desired.findings = lowering.findings(&desired);
    desired
}

struct Lowering<'a> {
    input: &'a LowerInput<'a>,
    directory: AddressDirectory<'a>,
    places: BTreeMap<&'a InterfaceId, Place>,
    /// Interfaces that can be written, in any scope of the domain, with whether the scope enforces.
    writable: BTreeMap<&'a InterfaceId, bool>,
    /// The group that each class has in each network.
    groups: BTreeMap<(NetworkId, ClassId), GroupId>,
    /// Interfaces of each class.
    members: BTreeMap<ClassId, Vec<Place>>,
}

/// What one peer may do, with the rules that say so.
#[derive(Default)]
struct Peers {
    groups: BTreeMap<GroupId, Vec<(ServiceSet, RuleRef)>>,
    addresses: Vec<(AddressSet, ServiceSet, Option<RuleRef>)>,
}

impl<'a> Lowering<'a> {
    fn new(input: &'a LowerInput<'a>) -> Self {
        let mut places = BTreeMap::new();
        let mut members: BTreeMap<ClassId, Vec<Place>> = BTreeMap::new();
        for (w, workload) in input.snapshot.workloads.iter().enumerate() {
            for (i, interface) in workload.interfaces.iter().enumerate() {
                let place = Place { workload: w as u32, interface: i as u32 };
                places.insert(&interface.id, place);
                members.entry(input.compiled.class_of[w]).or_default().push(place);
            }
        }
        let mut writable = BTreeMap::new();
        for (scope, observed) in input.domain {
            for interface in observed.interfaces.iter().filter(|i| i.attach == AttachClass::Direct) {
                writable.insert(&interface.id, scope.enforce);
            }
        }
        let directory = AddressDirectory::new(input.snapshot);
        let mut lowering = Self { input, directory, places, writable, groups: BTreeMap::new(), members };
        lowering.groups = naming::group_ids(&lowering);
        lowering
    }

    fn is_enforced(&self, place: Place) -> bool {
        let workload = &self.input.snapshot.workloads[place.workload as usize];
        let interface = &workload.interfaces[place.interface as usize];
        workload.mode == EnforcementMode::Full
            && interface.enforces.ingress
            && self.writable.contains_key(&interface.id)
    }

    /// Classes with a group in a network.
    fn classes_in(&self, network: &NetworkId) -> BTreeSet<ClassId> {
        let first = (network.clone(), ClassId(0));
        let range = self.groups.range(first..);
        range.take_while(|((n, _), _)| n == network).map(|((_, class), _)| *class).collect()
    }

    fn class_group(&self, network: &NetworkId, class: ClassId) -> DesiredGroup {
        let id = self.groups[&(network.clone(), class)].clone();
        let name = id.as_str().rsplit('/').next().unwrap_or_default().to_owned();
        let compiled = self.input.compiled;
        let ingress = self.peers(network, compiled.ingress_rules(class), |rule| &rule.sources).into_rules();
        let scope = self.input.domain[self.input.scope].0;
        let egress = if scope.egress {
            self.peers(network, compiled.egress_rules(class), |rule| &rule.destinations).into_rules()
        } else {
            allow_everything().into_iter().map(|rule| (rule, Vec::new())).collect()
        };
        DesiredGroup {
            id,
            network: network.clone(),
            name,
            description: compiled.class(class).description.clone(),
            ingress,
            egress,
        }
    }

    /// The peers of the allow rules at one end, as groups and addresses, and the essential services.
    fn peers<'r>(
        &self,
        network: &NetworkId,
        rules: impl Iterator<Item = &'r CompiledRule>,
        side: fn(&CompiledRule) -> &Side,
    ) -> Peers {
        let mut peers = Peers { groups: BTreeMap::new(), addresses: essential() };
        for rule in rules.filter(|rule| rule.action == Action::Allow) {
            let side = side(rule);
            for class in self.input.compiled.classes_of(side) {
                self.add_class(network, class, rule, &mut peers);
            }
            if !side.addresses.is_empty() {
                peers.addresses.push((
                    side.addresses.clone(),
                    rule.services.clone(),
                    Some(rule.origin.clone()),
                ));
            }
        }
        peers
    }

    fn add_class(&self, network: &NetworkId, class: ClassId, rule: &CompiledRule, peers: &mut Peers) {
        let (groups, addresses) = self.reach(network, class);
        for group in groups {
            peers.groups.entry(group).or_default().push((rule.services.clone(), rule.origin.clone()));
        }
        if !addresses.is_empty() {
            peers.addresses.push((addresses, rule.services.clone(), Some(rule.origin.clone())));
        }
    }

    /// How the members of a class are named from a network: by their groups where identity works, by the
    /// addresses that are seen as theirs elsewhere.
    fn reach(&self, network: &NetworkId, class: ClassId) -> (BTreeSet<GroupId>, AddressSet) {
        let (mut groups, mut addresses) = (BTreeSet::new(), Vec::<IpAddr>::new());
        for &place in self.members.get(&class).into_iter().flatten() {
            match self.referenced(network, place, class) {
                Some(group) => {
                    groups.insert(group.clone());
                }
                None => addresses.extend(self.directory.visible_addresses(Some(network), place)),
            }
        }
        (groups, addresses.into_iter().collect())
    }

    /// The group by which an interface can be named from a network.
    fn referenced(&self, network: &NetworkId, place: Place, class: ClassId) -> Option<&GroupId> {
        let interface = self.directory.interface(place);
        let there = interface.network.as_ref()?;
        let connected = self.input.snapshot.connected(network, there);
        // A group of an observed-only scope will never exist when this scope enforces.
        let enforce = self.input.domain[self.input.scope].0.enforce;
        let exists = self.writable.get(&interface.id).is_some_and(|&theirs| theirs || !enforce);
        if connected && exists && self.is_enforced(place) {
            self.groups.get(&(there.clone(), class))
        } else {
            None
        }
    }

    fn uncovered(&self) -> Vec<Uncovered> {
        let (_, observed) = self.input.domain[self.input.scope];
        let mut uncovered = Vec::new();
        for interface in &observed.interfaces {
            let reason = match &interface.attach {
                AttachClass::Direct => continue,
                AttachClass::ThroughService(service) => format!("its groups are set through {service} only"),
                AttachClass::Never(why) => why.clone(),
            };
            let Some(place) = self.places.get(&interface.id) else { continue };
            let workload = &self.input.snapshot.workloads[place.workload as usize];
            if workload.mode == EnforcementMode::Full {
                let name = format!("{} ({})", interface.name, policy::label::describe(&workload.labels));
                uncovered.push(Uncovered { interface: interface.id.clone(), name, reason });
            }
        }
        uncovered
    }

    fn findings(&self, desired: &Desired) -> Vec<Finding> {
        let mut findings = self.inexpressible();
        let scope = &self.input.domain[self.input.scope].0.id;
        let by_address = self.fallbacks();
        if !by_address.is_empty() && !desired.groups.is_empty() {
            let message = format!(
                "{} interfaces are named by address and not by identity: {}",
                by_address.len(),
                sample(&by_address)
            );
            let hint =
                "they are in a network that is not connected, unmanaged, not enforced, or cannot be written";
            findings.push(Finding::new(Severity::Note, "fallback-to-addresses", scope, message, hint));
        }
        findings
    }

    /// Selective mode and deny rules: what security groups cannot say.
    fn inexpressible(&self) -> Vec<Finding> {
        let (_, observed) = self.input.domain[self.input.scope];
        let mut classes: BTreeSet<ClassId> = BTreeSet::new();
        for interface in observed.interfaces.iter().filter(|i| i.attach == AttachClass::Direct) {
            classes.extend(
                self.places.get(&interface.id).map(|p| self.input.compiled.class_of[p.workload as usize]),
            );
        }
        let mut findings = BTreeSet::new();
        for id in classes {
            let class = self.input.compiled.class(id);
            if class.mode == EnforcementMode::Selective {
                let message = "selective enforcement needs deny rules, and security groups can only allow";
                let hint = "use `full` (or `visibility_only`) for these workloads";
                findings.insert(Finding::new(
                    Severity::Blocking,
                    "selective-on-cloud",
                    &class.description,
                    message,
                    hint,
                ));
            }
            if class.mode != EnforcementMode::Full {
                continue;
            }
            let rules = self.input.compiled.ingress_rules(id).chain(self.input.compiled.egress_rules(id));
            for rule in
                rules.filter(|rule| rule.action == Action::OverrideDeny || rule.action == Action::Deny)
            {
                let message =
                    "a deny rule matters here, and this version does not lower deny rules to security groups";
                let hint = "narrow the allow rules instead, or disable the deny rule";
                findings.insert(Finding::new(
                    Severity::Blocking,
                    "deny-on-cloud",
                    &rule.origin,
                    message,
                    hint,
                ));
            }
        }
        findings.into_iter().collect()
    }

    /// Members of classes that rules name, that no network of the scope can name by identity.
    fn fallbacks(&self) -> Vec<String> {
        let (_, observed) = self.input.domain[self.input.scope];
        let mut names = BTreeSet::new();
        for network in &observed.networks {
            for class in self.classes_in(&network.id) {
                let compiled = self.input.compiled;
                let ingress = compiled.ingress_rules(class).map(|rule| &rule.sources);
                for peer in ingress.flat_map(|side| compiled.classes_of(side)).collect::<BTreeSet<_>>() {
                    for &place in self.members.get(&peer).into_iter().flatten() {
                        if self.referenced(&network.id, place, peer).is_none() {
                            names.insert(
                                self.input.snapshot.workloads[place.workload as usize].id.to_string(),
                            );
                        }
                    }
                }
            }
        }
        names.into_iter().collect()
    }
}

fn sample(names: &[String]) -> String {
    const SHOWN_MAX: usize = 4;
    let shown = names.iter().take(SHOWN_MAX).cloned().collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN_MAX { format!("{shown} and {} more", names.len() - SHOWN_MAX) } else { shown }
}

/// Path MTU messages from and to everywhere, each in the family in which its protocol exists.
fn essential() -> Vec<(AddressSet, ServiceSet, Option<RuleRef>)> {
    merge::by_family(&AddressSet::any(), &essential_services())
        .map(|(block, services)| (block, services, None))
        .collect()
}

impl Peers {
    fn into_rules(self) -> BTreeMap<RuleSpec, Vec<RuleRef>> {
        let mut rules: BTreeMap<RuleSpec, Vec<RuleRef>> = BTreeMap::new();
        for (group, grants) in self.groups {
            let services: ServiceSet = grants.iter().map(|(services, _)| services.clone()).collect();
            for service in merge::pieces(&services) {
                let spec = RuleSpec { peer: Peer::Group(group.clone()), service };
                let reasons =
                    grants.iter().filter(|(granted, _)| !granted.intersection(&service.to_set()).is_empty());
                let reasons: BTreeSet<RuleRef> = reasons.map(|(_, origin)| origin.clone()).collect();
                rules.insert(spec, reasons.into_iter().collect());
            }
        }
        for (spec, reasons) in merge::address_rules(&self.addresses) {
            rules.insert(spec, reasons);
        }
        rules
    }
}

/// Whether a protocol exists between addresses of a family.
fn exists_in(number: u8, is_ipv6: bool) -> bool {
    !(number == protocol::ICMP && is_ipv6 || number == protocol::ICMPV6 && !is_ipv6)
}
