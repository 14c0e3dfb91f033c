//! Label policy → security groups: one class group per network, at once identity and rule carrier.
//!
//! Peers are references inside a network and over a peering, addresses everywhere else. Pure.
//!
//! INVARIANT: what is emitted admits exactly the intent. What cannot be expressed is a blocking finding;
//! nothing is widened and nothing is skipped in silence.

mod merge;
mod naming;
mod reach;

use std::collections::{BTreeMap, BTreeSet};

use plan::state::allow_everything;
use plan::{AttachClass, Attachment, Desired, DesiredGroup, GroupId, Membership, Peer, RuleSpec, Uncovered};
use policy::compiled::essential_services;
use policy::service::protocol;
use policy::{
    Action, AddressDirectory, AddressSet, ClassId, CompiledRule, EnforcementMode, Finding, InterfaceId,
    Place, RuleRef, ServiceSet, Severity, Side, WorkloadId,
};
use provider::LowerInput;
use rustc_hash::FxHashMap;

use naming::ClassGroups;
use reach::Reaches;

/// Lowers one scope of a domain. Cost follows rules × classes in them, and members.
pub fn lower(input: &LowerInput<'_>) -> Desired {
    let lowering = Lowering::new(input);
    let mut desired = Desired::default();
    let (scope, observed) = input.domain[input.scope];
    let mut by_address = BTreeSet::new();
    for network in &observed.networks {
        let reaches = lowering.reaches(&network.id);
        desired.groups.extend(reaches.classes.iter().map(|&class| lowering.class_group(&reaches, class)));
        by_address.extend(lowering.fallbacks(&reaches));
    }
    for interface in &observed.interfaces {
        let Some(place) = lowering.places.get(&interface.id) else { continue };
        let class = input.compiled.class_of[place.workload as usize];
        if let Some(group) = lowering.groups.of(&interface.network, class)
            && lowering.is_enforced(*place)
        {
            let exclusive = scope.attachment == Attachment::Exclusive;
            let groups = vec![lowering.groups.id(group).clone()];
            desired.members.insert(interface.id.clone(), Membership { groups, exclusive });
        }
    }
    desired.uncovered = lowering.uncovered();
    desired.findings = lowering.findings(&desired, by_address);
    desired
}

struct Lowering<'a> {
    input: &'a LowerInput<'a>,
    directory: AddressDirectory<'a>,
    places: FxHashMap<&'a InterfaceId, Place>,
    /// Interfaces that can be written, in any scope of the domain, with whether the scope enforces.
    writable: FxHashMap<&'a InterfaceId, bool>,
    /// The group that each class has in each network.
    groups: ClassGroups<'a>,
    /// Interfaces of each class.
    members: Vec<Vec<Place>>,
}

/// What one peer may do, with the rules that say so.
#[derive(Default)]
struct Peers<'a> {
    /// By number of the group.
    groups: FxHashMap<u32, Vec<&'a CompiledRule>>,
    addresses: Vec<(AddressSet, ServiceSet, Option<RuleRef>)>,
}

impl<'a> Lowering<'a> {
    fn new(input: &'a LowerInput<'a>) -> Self {
        let mut places = FxHashMap::default();
        let mut members = vec![Vec::new(); input.compiled.classes.len()];
        for (w, workload) in input.snapshot.workloads.iter().enumerate() {
            for (i, interface) in workload.interfaces.iter().enumerate() {
                let place = Place { workload: w as u32, interface: i as u32 };
                places.insert(&interface.id, place);
                members[input.compiled.class_of[w].0 as usize].push(place);
            }
        }
        let mut writable = FxHashMap::default();
        for (scope, observed) in input.domain {
            for interface in observed.interfaces.iter().filter(|i| i.attach == AttachClass::Direct) {
                writable.insert(&interface.id, scope.enforce);
            }
        }
        let directory = AddressDirectory::new(input.snapshot);
        let mut lowering =
            Self { input, directory, places, writable, groups: ClassGroups::default(), members };
        lowering.groups = ClassGroups::new(&lowering);
        lowering
    }

    fn is_enforced(&self, place: Place) -> bool {
        let workload = &self.input.snapshot.workloads[place.workload as usize];
        let interface = &workload.interfaces[place.interface as usize];
        workload.mode == EnforcementMode::Full
            && interface.enforces.ingress
            && self.writable.contains_key(&interface.id)
    }

    fn members(&self, class: ClassId) -> &[Place] {
        &self.members[class.0 as usize]
    }

    fn class_group(&self, reaches: &Reaches<'_>, class: ClassId) -> DesiredGroup {
        // INVARIANT: the classes of `reaches` are those with a group in its network.
        let id = self.groups.of(reaches.network, class).map(|number| self.groups.id(number).clone());
        let id = id.unwrap_or_else(|| GroupId::planned(reaches.network, ""));
        let name = id.planned_name().unwrap_or_default().to_owned();
        let compiled = self.input.compiled;
        let ingress = self.rules(reaches, compiled.ingress_rules(class), |rule| &rule.sources);
        let scope = self.input.domain[self.input.scope].0;
        let egress = if scope.egress {
            self.rules(reaches, compiled.egress_rules(class), |rule| &rule.destinations)
        } else {
            allow_everything().into_iter().map(|rule| (rule, Vec::new())).collect()
        };
        let description = compiled.class(class).description.clone();
        DesiredGroup { id, network: reaches.network.clone(), name, description, ingress, egress }
    }

    /// The allow rules at one end as rules of its group, and the essential ones.
    fn rules(
        &self,
        reaches: &Reaches<'_>,
        rules: impl Iterator<Item = &'a CompiledRule>,
        side: fn(&CompiledRule) -> &Side,
    ) -> BTreeMap<RuleSpec, Vec<RuleRef>> {
        let mut peers = Peers { groups: FxHashMap::default(), addresses: essential() };
        for rule in rules.filter(|rule| rule.action == Action::Allow) {
            let side = side(rule);
            for class in self.input.compiled.classes_of(side) {
                let reach = reaches.of(class);
                for &group in &reach.groups {
                    peers.groups.entry(group).or_default().push(rule);
                }
                peers.add_addresses(&reach.addresses, rule);
            }
            peers.add_addresses(&side.addresses, rule);
        }
        peers.into_rules(&self.groups)
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

    fn findings(&self, desired: &Desired, by_address: BTreeSet<&WorkloadId>) -> Vec<Finding> {
        let mut findings = self.inexpressible();
        let scope = &self.input.domain[self.input.scope].0.id;
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

    /// Members of classes that ingress rules name and a network of the scope cannot name by identity.
    fn fallbacks(&self, reaches: &Reaches<'a>) -> impl Iterator<Item = &'a WorkloadId> {
        let peers = reaches.ingress_peers.iter().map(|&class| reaches.of(class));
        let places = peers.flat_map(|reach| reach.by_address.iter());
        places.map(|place| &self.input.snapshot.workloads[place.workload as usize].id)
    }
}

fn sample(names: &BTreeSet<&WorkloadId>) -> String {
    const SHOWN_MAX: usize = 4;
    let shown = names.iter().take(SHOWN_MAX).map(|name| name.as_str()).collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN_MAX { format!("{shown} and {} more", names.len() - SHOWN_MAX) } else { shown }
}

/// Path MTU messages from and to everywhere, each in the family in which its protocol exists.
fn essential() -> Vec<(AddressSet, ServiceSet, Option<RuleRef>)> {
    merge::by_family(&AddressSet::any(), &essential_services())
        .map(|(block, services)| (block, services, None))
        .collect()
}

impl Peers<'_> {
    fn add_addresses(&mut self, addresses: &AddressSet, rule: &CompiledRule) {
        if !addresses.is_empty() {
            self.addresses.push((addresses.clone(), rule.services.clone(), Some(rule.origin.clone())));
        }
    }

    fn into_rules(self, groups: &ClassGroups<'_>) -> BTreeMap<RuleSpec, Vec<RuleRef>> {
        let mut rules = merge::address_rules(&self.addresses);
        for (group, grants) in self.groups {
            let services: ServiceSet = grants.iter().map(|rule| rule.services.clone()).collect();
            for service in merge::pieces(&services) {
                let set = service.to_set();
                let reasons = grants.iter().filter(|rule| rule.services.intersects(&set));
                let mut reasons: Vec<RuleRef> = reasons.map(|rule| rule.origin.clone()).collect();
                reasons.sort_unstable();
                reasons.dedup();
                rules.insert(RuleSpec { peer: Peer::Group(groups.id(group).clone()), service }, reasons);
            }
        }
        rules
    }
}

/// Whether a protocol exists between addresses of a family.
fn exists_in(number: u8, is_ipv6: bool) -> bool {
    !(number == protocol::ICMP && is_ipv6 || number == protocol::ICMPV6 && !is_ipv6)
}
