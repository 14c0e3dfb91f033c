//! What the policy wants and Azure, or this version, cannot say; and what people should know.

use std::collections::BTreeSet;
use std::net::IpAddr;

use plan::{Desired, Direction, Owner};
use policy::{AddressSet, Finding, Severity, WorkloadId};
use provider::lowering::{Lowering, Words};

use super::paths::Paths;
use super::{elsewhere, exclusive};
use crate::band::PROBES;
use crate::marks;
use crate::resources::ArmId;

const WORDS: Words = Words {
    selective: "selective enforcement needs deny rules of the policy, and this version lowers allow rules only",
    deny: "a deny rule matters here, and this version does not lower deny rules to network security groups",
};

/// All findings.
pub(super) fn findings(
    lowering: &Lowering<'_>,
    paths: &Paths<'_>,
    desired: &Desired,
    by_address: &BTreeSet<&WorkloadId>,
    refused: BTreeSet<Finding>,
) -> Vec<Finding> {
    let mut findings = lowering.inexpressible(&WORDS);
    findings.extend(refused);
    findings.extend(exclusive::findings(lowering, paths));
    findings.extend(elsewhere::findings(lowering, paths));
    findings.extend(own_groups(paths));
    if lowering.enforces_anybody() {
        findings.extend(lowering.fallback_finding(by_address));
    }
    let open = |interface: &plan::InterfaceState| {
        let rest = paths.held_rest(interface, Direction::Ingress);
        rest.map(|rest| paths.ingress_of(rest)).unwrap_or_default()
    };
    if !paths.band().keeps_probes {
        findings.extend(lowering.probes_finding(desired, &AddressSet::from(IpAddr::V4(PROBES)), open));
    }
    findings
}

fn words(place: &ArmId) -> String {
    let network = place.parent().filter(|_| place.key().contains("/subnets/"));
    match network {
        Some(network) => format!("subnet {}/{}", network.name(), place.name()),
        None => format!("interface {}", place.name()),
    }
}

/// Security groups that will be made, and those that cannot be, for enforced interfaces.
fn own_groups(paths: &Paths<'_>) -> Vec<Finding> {
    let finding = |list: &plan::PathFilter| {
        if let Some(place) = marks::place_to_make(&list.owner) {
            let message = format!(
                "a network security group is made for {}, which has none: it lets everything pass that is not enforced",
                words(&place)
            );
            let hint = "to make none, write `azure: { security_groups: none }`";
            return Some(Finding::new(Severity::Note, "security-group-made", &list.name, message, hint));
        }
        let Owner::Suspect(why) = &list.owner else { return None };
        let hint = "rename or delete it, or put a network security group of your own on the subnet";
        Some(Finding::new(Severity::Blocking, "security-group-taken", &list.name, why.clone(), hint))
    };
    paths.all_occupied().into_iter().filter_map(finding).collect()
}
