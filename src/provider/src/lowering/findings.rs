//! What every lowering has to say: interfaces that cannot be written, peers that only addresses name, and what a
//! cloud cannot express.

use std::collections::BTreeSet;

use plan::{AttachClass, InterfaceState, Uncovered};
use policy::{Action, ClassId, EnforcementMode, Finding, Severity, WorkloadId};

use super::{Lowering, Reaches};

/// What a cloud calls things, for the findings of [`Lowering::inexpressible`].
pub struct Words {
    /// Why selective mode cannot be lowered.
    pub selective: &'static str,
    /// Why deny rules are not lowered.
    pub deny: &'static str,
}

impl<'a> Lowering<'a> {
    /// Interfaces of the scope that the policy wants enforced and that cannot be; `gap` names a further reason.
    pub fn uncovered(&self, gap: impl Fn(&InterfaceState) -> Option<String>) -> Vec<Uncovered> {
        let mut uncovered = Vec::new();
        for interface in &self.observed().interfaces {
            let reason = match &interface.attach {
                AttachClass::Direct => gap(interface),
                AttachClass::ThroughService(service) => {
                    Some(format!("its groups are set through {service} only"))
                }
                AttachClass::Never(why) => Some(why.clone()),
            };
            let (Some(reason), Some(place)) = (reason, self.places.get(&interface.id)) else { continue };
            let workload = &self.input.snapshot.workloads[place.workload as usize];
            if workload.mode == EnforcementMode::Full {
                let name = format!("{} ({})", interface.name, policy::label::describe(&workload.labels));
                uncovered.push(Uncovered { interface: interface.id.clone(), name, reason });
            }
        }
        uncovered
    }

    /// A note about workloads that are named by address; none if there are none.
    pub fn fallback_finding(&self, by_address: &BTreeSet<&WorkloadId>) -> Option<Finding> {
        let message = format!(
            "{} interfaces are named by address and not by identity: {}",
            by_address.len(),
            sample(by_address)
        );
        let hint =
            "they are in a network that is not connected, unmanaged, not enforced, or cannot be written";
        let scope = &self.scope().id;
        (!by_address.is_empty())
            .then(|| Finding::new(Severity::Note, "fallback-to-addresses", scope, message, hint))
    }

    /// Members of classes that ingress rules name and a network of the scope cannot name by identity.
    pub fn fallbacks(&self, reaches: &Reaches<'a>) -> impl Iterator<Item = &'a WorkloadId> {
        let peers = reaches.ingress_peers.iter().map(|&class| reaches.of(plan::Direction::Ingress, class));
        let places = peers.flat_map(|reach| reach.by_address.iter());
        places.map(|place| &self.input.snapshot.workloads[place.workload as usize].id)
    }

    /// Selective mode and deny rules, blocking, where an interface that can be written would need them.
    pub fn inexpressible(&self, words: &Words) -> Vec<Finding> {
        let mut classes: BTreeSet<ClassId> = BTreeSet::new();
        for interface in self.observed().interfaces.iter().filter(|i| i.attach == AttachClass::Direct) {
            let place = self.places.get(&interface.id);
            classes.extend(place.map(|p| self.input.compiled.class_of[p.workload as usize]));
        }
        let mut findings = BTreeSet::new();
        for id in classes {
            let class = self.input.compiled.class(id);
            if class.mode == EnforcementMode::Selective {
                let hint = "use `full` (or `visibility_only`) for these workloads";
                let subject = &class.description;
                let severity = Severity::Blocking;
                findings.insert(Finding::new(severity, "selective-on-cloud", subject, words.selective, hint));
            }
            if class.mode != EnforcementMode::Full {
                continue;
            }
            let rules = self.input.compiled.ingress_rules(id).chain(self.input.compiled.egress_rules(id));
            let is_deny = |action: Action| matches!(action, Action::OverrideDeny | Action::Deny);
            for rule in rules.filter(|rule| is_deny(rule.action)) {
                let hint = "narrow the allow rules instead, or disable the deny rule";
                let severity = Severity::Blocking;
                findings.insert(Finding::new(severity, "deny-on-cloud", &rule.origin, words.deny, hint));
            }
        }
        findings.into_iter().collect()
    }
}

/// The first few names, and how many more.
pub fn sample<T: std::fmt::Display>(names: &BTreeSet<T>) -> String {
    const SHOWN_MAX: usize = 4;
    let shown = names.iter().take(SHOWN_MAX).map(ToString::to_string).collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN_MAX { format!("{shown} and {} more", names.len() - SHOWN_MAX) } else { shown }
}
