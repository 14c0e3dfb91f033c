//! Label policy → tag values, and the rules for them in the policy of their network.
//!
//! ```text
//! class × network ─▶ tag value, at once identity and carrier of the rules of the class
//! interface ─▶ tag value, and the open rest of a direction that is not enforced
//! ```
//!
//! Sources are tag values inside a network and over a peering that takes them, addresses everywhere else; where network tags
//! stand for classes, these inside a network only, and of the first interface of an instance. Destinations
//! are always addresses: no rule of Google Cloud names tags there, which a note says. Rests are wanted as they are.
//! Pure; what is not about Google Cloud is in `provider::lowering`.
//!
//! No rule can tell ICMP types apart: path MTU messages have no rule of ours and pass with the connection that they
//! belong to. Whoever wants a load balancer's probes to pass says so in the policy; closing interfaces to them is a
//! warning.
//!
//! INVARIANT: what is emitted admits exactly the intent. What cannot be expressed is a blocking finding; nothing is widened
//! and nothing is skipped in silence. Whether it fits is counted on what it leads to ([`crate::usage`]).

mod exclusive;
mod rests;
mod services;
mod unsaid;

use std::collections::BTreeSet;

use plan::{AttachClass, Desired, DesiredGroup, Direction, GroupId, InterfaceState, Membership};
use policy::{ClassId, Finding};
use provider::LowerInput;
use provider::lowering::{Identity, Lowering, Reaches, Rules};

use crate::ids;
use crate::marks::{HASH_LENGTH, owned_name};
use crate::settings::{GcpSettings, Identity as Means};
use rests::Rests;

/// Lowers one scope of a domain. Cost follows rules × classes in it, and members.
pub fn lower(settings: &GcpSettings, input: &LowerInput<'_>) -> Desired {
    let name = |hash: &str| owned_name(input.installation, &hash[..HASH_LENGTH]);
    let is_direct = |interface: &InterfaceState| interface.attach == AttachClass::Direct;
    let identity = identity_of(settings.identity);
    let mut lowering = Lowering::new(input, identity, is_direct, name);
    if settings.identity == Means::NetworkTags {
        // As a source a network tag stands for the first interface of an instance, and for no other.
        lowering.name_by_address(|interface| !ids::is_first(&interface.id));
    }
    let band = settings.band();
    let rests = Rests::new(&lowering, &band);
    let mut desired = Desired::default();
    let mut unsaid = unsaid::Unsaid::default();
    for network in &lowering.observed().networks {
        let reaches = lowering.reaches(&network.id);
        unsaid.note(&lowering, &reaches);
        let groups = reaches.classes.iter();
        desired
            .groups
            .extend(groups.filter_map(|&class| class_group(&lowering, &reaches, class, &mut unsaid.refused)));
    }
    desired.groups.extend(rests.as_they_are());
    for interface in lowering.observed().interfaces.iter().filter(|interface| is_direct(interface)) {
        let groups = membership(&lowering, &rests, interface);
        desired.members.insert(interface.id.clone(), Membership { groups, exclusive: false });
    }
    desired.uncovered = lowering.uncovered(|_| None);
    desired.findings = unsaid.findings(&lowering, &band, &rests, &desired);
    desired
}

/// Which ends rules name by identity: secure tags are sources over peerings too, network tags at home only.
fn identity_of(means: Means) -> Identity {
    match means {
        Means::SecureTags => Identity::SourcesOnly,
        Means::NetworkTags => Identity::SourcesAtHome,
    }
}

fn class_group(
    lowering: &Lowering<'_>,
    reaches: &Reaches<'_>,
    class: ClassId,
    refused: &mut BTreeSet<Finding>,
) -> Option<DesiredGroup> {
    let id = lowering.groups.id_of(reaches.network, class)?.clone();
    let mut rules = |direction: Direction| {
        if !lowering.directions().contains(&direction) {
            return Rules::new();
        }
        services::sayable(lowering.rules(reaches, class, direction, Vec::new()), refused)
    };
    Some(DesiredGroup {
        network: reaches.network.clone(),
        name: id.planned_name().unwrap_or_default().to_owned(),
        description: lowering.input.compiled.class(class).description.clone(),
        ingress: rules(Direction::Ingress),
        egress: rules(Direction::Egress),
        id,
    })
}

/// The groups of ours that an interface should be in, its tag value first.
fn membership(lowering: &Lowering<'_>, rests: &Rests<'_>, interface: &InterfaceState) -> Vec<GroupId> {
    let of = |directions: &[Direction]| -> Vec<GroupId> {
        directions.iter().filter_map(|&direction| rests.of(interface, direction)).collect()
    };
    let class = lowering.enforced_class(interface);
    let Some(group) = class.and_then(|class| lowering.groups.id_of(&interface.network, class)) else {
        return of(&[Direction::Ingress, Direction::Egress]);
    };
    let open: &[Direction] = if lowering.scope().egress { &[] } else { &[Direction::Egress] };
    [vec![group.clone()], of(open)].concat()
}
