//! Label policy → application security groups, and the rules for them in the security groups on the path (carriers).
//!
//! ```text
//! class × virtual network ─▶ class group (no rules)
//! class group × security group with members of the class behind it ─▶ carrier (the rules of the class)
//! interface ─▶ class group, carrier, and the open rest of a direction that is not enforced
//! ```
//!
//! Peers are groups inside one virtual network and addresses everywhere else, peered networks included. Rests are
//! wanted as they are. Pure; what is not about Azure is in `provider::lowering`.
//!
//! No rule of Azure can tell ICMP types apart: path MTU messages have no rule of ours and pass with the connection
//! that they belong to. Health probes of load balancers are let through where interfaces are closed (`band::close`), unless
//! the settings leave them to the policy; then closing interfaces to them is a warning.
//!
//! INVARIANT: what is emitted admits exactly the intent. What cannot be expressed is a blocking finding; nothing is widened
//! and nothing is skipped in silence. Whether it fits is counted on what it leads to ([`crate::usage`]).

mod carriers;
mod elsewhere;
mod exclusive;
mod paths;
mod services;
mod unsaid;

use std::collections::BTreeSet;

use plan::{AttachClass, Desired, Direction, InterfaceState, Membership};
use provider::LowerInput;
use provider::lowering::{Identity, Lowering};

use crate::ids;
use crate::marks::{HASH_LENGTH, owned_name};
use crate::settings::AzureSettings;
use paths::Paths;

/// Lowers one scope of a domain. Cost follows rules × classes in it × security groups in force, and members.
pub fn lower(settings: &AzureSettings, input: &LowerInput<'_>) -> Desired {
    let name = |hash: &str| owned_name(input.installation, &hash[..HASH_LENGTH]);
    let lowering = Lowering::new(input, Identity::BothEnds, is_enforceable, name);
    let paths = Paths::new(settings.band_of(Some(&lowering.scope().id)), &lowering);
    let mut desired = Desired::default();
    let mut by_address = BTreeSet::new();
    let mut refused = BTreeSet::new();
    for network in &lowering.observed().networks {
        let reaches = lowering.reaches(&network.id);
        by_address.extend(lowering.fallbacks(&reaches));
        for &class in &reaches.classes {
            let rules = carriers::class_rules(&lowering, &reaches, class, &mut refused);
            desired.groups.extend(carriers::groups(&lowering, &paths, &reaches, class, rules));
        }
    }
    desired.groups.extend(paths.rests());
    for interface in &lowering.observed().interfaces {
        let groups = membership(&lowering, &paths, interface);
        if let Some(groups) = groups.filter(|_| interface.attach == AttachClass::Direct) {
            desired.members.insert(interface.id.clone(), Membership { groups, exclusive: false });
        }
    }
    desired.uncovered =
        lowering.uncovered(|i| ids::managed(&i.path_filters).is_none().then(|| NO_LIST.to_owned()));
    desired.findings = unsaid::findings(&lowering, &paths, &desired, &by_address, refused);
    desired
}

const NO_LIST: &str = "no network security group is on its path";

/// Whether an interface can be a member of a class group and have rules.
fn is_enforceable(interface: &InterfaceState) -> bool {
    interface.attach == AttachClass::Direct && ids::managed(&interface.path_filters).is_some()
}

/// The groups of ours that an interface should be in, the class group first; none where no list is on its path.
fn membership(
    lowering: &Lowering<'_>,
    paths: &Paths<'_>,
    interface: &InterfaceState,
) -> Option<Vec<plan::GroupId>> {
    let nsg = ids::managed(&interface.path_filters)?;
    let rests = |directions: &[Direction]| -> Vec<plan::GroupId> {
        directions.iter().filter_map(|&direction| paths.rest_of(interface, direction)).collect()
    };
    let class = lowering.enforced_class(interface);
    let Some(group) = class.and_then(|class| lowering.groups.id_of(&interface.network, class)) else {
        return Some(rests(&[Direction::Ingress, Direction::Egress]));
    };
    let mut groups = vec![group.clone(), paths.carrier(nsg, group, &interface.network)];
    if !lowering.scope().egress {
        groups.extend(rests(&[Direction::Egress]));
    }
    Some(groups)
}
