//! Which services a rule of a firewall policy can say.

use std::collections::BTreeSet;

use policy::compiled::essential_services;
use policy::{Finding, Severity};
use provider::lowering::Rules;

use crate::services::is_expressible;

/// The rules that Google Cloud can say. What is essential passes anyway; everything else that cannot be said is
/// `refused`, for each policy rule behind it.
pub(super) fn sayable(rules: Rules, refused: &mut BTreeSet<Finding>) -> Rules {
    let mut said = Rules::new();
    for (rule, reasons) in rules {
        if is_expressible(rule.service) {
            said.insert(rule, reasons);
        } else if !rule.service.to_set().is_subset(&essential_services()) {
            let message = format!("no rule of a firewall policy can say `{}`", rule.service);
            let hint = "rules name protocols, and ports of TCP and UDP, but no ICMP types: allow `icmp` or `icmpv6` as a whole";
            let severity = Severity::Blocking;
            let finding = |reason| Finding::new(severity, "service-on-cloud", reason, message.clone(), hint);
            refused.extend(reasons.iter().map(finding));
        }
    }
    said
}
