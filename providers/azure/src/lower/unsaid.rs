//! What the policy wants and Azure, or this version, cannot say; and what people should know.

use std::collections::BTreeSet;
use std::net::IpAddr;

use plan::{Desired, Direction};
use policy::{AddressSet, Finding, WorkloadId};
use provider::lowering::{Lowering, Words};

use super::exclusive;
use super::paths::Paths;
use crate::band::PROBES;

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
