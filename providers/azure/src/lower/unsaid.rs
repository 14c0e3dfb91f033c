//! What the policy wants and Azure, or this version, cannot say; and what people should know.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use plan::{Attachment, Desired, Direction, Peer, RuleSpec};
use policy::{AddressSet, Finding, Severity, WorkloadId};
use provider::lowering::{Lowering, Words, sample};

use super::paths::Paths;

const WORDS: Words = Words {
    selective: "selective enforcement needs deny rules of the policy, and this version lowers allow rules only",
    deny: "a deny rule matters here, and this version does not lower deny rules to network security groups",
};

/// From where a load balancer's probes come, and the platform's own messages.
const PROBES: IpAddr = IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16));

/// All findings but limits.
pub(super) fn findings(
    lowering: &Lowering<'_>,
    paths: &Paths<'_>,
    desired: &Desired,
    by_address: &BTreeSet<&WorkloadId>,
    refused: BTreeSet<Finding>,
) -> Vec<Finding> {
    let mut findings = lowering.inexpressible(&WORDS);
    findings.extend(refused);
    let is_any_enforced = lowering.observed().interfaces.iter().any(|i| lowering.enforced_class(i).is_some());
    if is_any_enforced {
        findings.extend(exclusive(lowering));
        findings.extend(lowering.fallback_finding(by_address));
    }
    findings.extend(probes(lowering, paths, desired));
    findings
}

fn exclusive(lowering: &Lowering<'_>) -> Option<Finding> {
    let scope = lowering.scope();
    let message = "rules of others in a network security group cannot be taken off one interface";
    let hint = "use `attachment: additive`; what others allow is shown as exposure";
    (scope.attachment == Attachment::Exclusive)
        .then(|| Finding::new(Severity::Blocking, "exclusive-on-cloud", &scope.id, message, hint))
}

/// Classes that are open to a load balancer's probes now and will be closed to them.
fn probes(lowering: &Lowering<'_>, paths: &Paths<'_>, desired: &Desired) -> Option<Finding> {
    let mut cut: BTreeSet<&str> = BTreeSet::new();
    let open: BTreeSet<&plan::GroupId> =
        desired.groups.iter().filter(|g| lets_in(g.ingress.keys())).map(|g| &g.id).collect();
    for interface in &lowering.observed().interfaces {
        let (Some(class), Some(wanted)) =
            (lowering.enforced_class(interface), desired.members.get(&interface.id))
        else {
            continue;
        };
        let rest = paths.rest_of(interface, Direction::Ingress);
        let is_open = rest
            .is_some_and(|rest| interface.groups.contains(&rest) && lets_in(paths.ingress_of(&rest).iter()));
        if is_open && !wanted.groups.iter().any(|group| open.contains(group)) {
            cut.insert(&lowering.input.compiled.class(class).description);
        }
    }
    let message = format!("health probes of a load balancer will not reach {}", sample(&cut));
    let hint = "where a load balancer is in front of them, allow the IP list `168.63.129.16/32` to them on the probe's port";
    let subject = &lowering.scope().id;
    (!cut.is_empty()).then(|| Finding::new(Severity::Warning, "probes-not-allowed", subject, message, hint))
}

/// Whether rules let the probes in on some service.
fn lets_in<'r>(mut rules: impl Iterator<Item = &'r RuleSpec>) -> bool {
    rules.any(|rule| matches!(&rule.peer, Peer::Cidr(block) if AddressSet::from(*block).contains(PROBES)))
}
