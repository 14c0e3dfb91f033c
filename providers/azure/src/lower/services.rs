//! Which services a rule of a security group can say.

use std::collections::BTreeSet;

use policy::compiled::essential_services;
use policy::service::protocol;
use policy::{Finding, NetworkId, ServiceSet, Severity};
use provider::lowering::{Lowering, Rules};

use crate::band;

/// Whether a network has IPv6 addresses.
pub(super) fn has_v6(lowering: &Lowering<'_>, network: &NetworkId) -> bool {
    let state = lowering.observed().networks.iter().find(|state| state.id == *network);
    state.is_some_and(|state| state.cidrs.iter().any(|block| block.addr().is_ipv6()))
}

/// The rules that Azure can say. ICMPv6 in a network without IPv6 never happens, and what is essential passes anyway;
/// everything else that cannot be said is `refused`, for each policy rule behind it.
pub(super) fn sayable(rules: Rules, has_v6: bool, refused: &mut BTreeSet<Finding>) -> Rules {
    let mut said = Rules::new();
    for (rule, reasons) in rules {
        let set = rule.service.to_set();
        let never = !has_v6 && set.is_subset(&ServiceSet::protocol(protocol::ICMPV6));
        if band::is_expressible(rule.service) {
            said.insert(rule, reasons);
        } else if !never && !set.is_subset(&essential_services()) {
            let message = format!("no rule of a network security group can say `{}`", rule.service);
            let hint =
                "rules name TCP and UDP ports, and the protocols ICMP (all types), ESP and AH, or everything";
            let severity = Severity::Blocking;
            let finding = |reason| Finding::new(severity, "service-on-cloud", reason, message.clone(), hint);
            refused.extend(reasons.iter().map(finding));
        }
    }
    said
}
