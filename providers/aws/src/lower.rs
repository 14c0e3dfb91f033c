//! Label policy → security groups: one class group per network, at once identity and rule carrier.
//!
//! Peers are references inside a network and over a peering, addresses everywhere else. Pure. What is not about
//! security groups is in `provider::lowering`.
//!
//! INVARIANT: what is emitted admits exactly the intent. What cannot be expressed is a blocking finding;
//! nothing is widened and nothing is skipped in silence.

use std::collections::BTreeSet;

use plan::state::allow_everything;
use plan::{AttachClass, Attachment, Desired, DesiredGroup, Direction, GroupId, Membership};
use policy::ClassId;
use provider::LowerInput;
use provider::lowering::{Identity, Lowering, Reaches, Words, essential};

use crate::marks::{HASH_LENGTH, owned_name};

const WORDS: Words = Words {
    selective: "selective enforcement needs deny rules, and security groups can only allow",
    deny: "a deny rule matters here, and this version does not lower deny rules to security groups",
};

/// Lowers one scope of a domain. Cost follows rules × classes in them, and members.
pub fn lower(input: &LowerInput<'_>) -> Desired {
    let name = |hash: &str| owned_name(input.installation, &hash[..HASH_LENGTH]);
    let is_direct = |interface: &plan::InterfaceState| interface.attach == AttachClass::Direct;
    let lowering = Lowering::new(input, Identity::BothEnds, is_direct, name);
    let mut desired = Desired::default();
    let mut by_address = BTreeSet::new();
    for network in &lowering.observed().networks {
        let reaches = lowering.reaches(&network.id);
        desired.groups.extend(reaches.classes.iter().map(|&class| class_group(&lowering, &reaches, class)));
        by_address.extend(lowering.fallbacks(&reaches));
    }
    for interface in &lowering.observed().interfaces {
        let class = lowering.enforced_class(interface);
        if let Some(group) = class.and_then(|class| lowering.groups.id_of(&interface.network, class)) {
            let exclusive = lowering.scope().attachment == Attachment::Exclusive;
            desired
                .members
                .insert(interface.id.clone(), Membership { groups: vec![group.clone()], exclusive });
        }
    }
    desired.uncovered = lowering.uncovered(|_| None);
    desired.findings = lowering.inexpressible(&WORDS);
    if !desired.groups.is_empty() {
        desired.findings.extend(lowering.fallback_finding(&by_address));
    }
    desired
}

fn class_group(lowering: &Lowering<'_>, reaches: &Reaches<'_>, class: ClassId) -> DesiredGroup {
    // INVARIANT: the classes of `reaches` are those with a group in its network.
    let id = lowering.groups.id_of(reaches.network, class).cloned();
    let id = id.unwrap_or_else(|| GroupId::planned(reaches.network, ""));
    let name = id.planned_name().unwrap_or_default().to_owned();
    let ingress = lowering.rules(reaches, class, Direction::Ingress, essential());
    let egress = if lowering.scope().egress {
        lowering.rules(reaches, class, Direction::Egress, essential())
    } else {
        allow_everything().into_iter().map(|rule| (rule, Vec::new())).collect()
    };
    let description = lowering.input.compiled.class(class).description.clone();
    DesiredGroup { id, network: reaches.network.clone(), name, description, ingress, egress }
}
