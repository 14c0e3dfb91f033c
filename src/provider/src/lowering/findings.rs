//! What every lowering has to say: interfaces that cannot be written, peers that only addresses name, and what a
//! cloud cannot express.

use std::collections::BTreeSet;

use plan::{
    AttachClass, Attachment, Desired, DesiredGroup, GroupState, InterfaceState, Peer, RuleSpec, Uncovered,
};
use policy::{Action, AddressSet, ClassId, EnforcementMode, Finding, Severity, WorkloadId};

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

    /// Whether an interface of the scope is enforced.
    pub fn enforces_anybody(&self) -> bool {
        self.observed().interfaces.iter().any(|interface| self.enforced_class(interface).is_some())
    }

    /// Blocks a scope that is `exclusive` where that cannot be, and says why.
    pub fn exclusive_finding(&self, why: &str) -> Option<Finding> {
        let scope = self.scope();
        let hint = "use `attachment: additive`; what others allow is shown as exposure";
        (scope.attachment == Attachment::Exclusive && self.enforces_anybody())
            .then(|| Finding::new(Severity::Blocking, "exclusive-on-cloud", &scope.id, why, hint))
    }

    /// Classes that are open to the probes of load balancers now, by `open` (what lets everybody in who is not closed),
    /// and will be closed to them.
    pub fn probes_finding<'o>(
        &self,
        desired: &Desired,
        probes: &AddressSet,
        open: impl Fn(&InterfaceState) -> &'o [RuleSpec],
    ) -> Option<Finding> {
        let lets_in = |rule: &RuleSpec| match &rule.peer {
            Peer::Cidr(block) => AddressSet::from(*block).intersects(probes),
            Peer::Group(_) | Peer::Opaque(_) => false,
        };
        let allowing = desired.groups.iter().filter(|group| group.ingress.keys().any(lets_in));
        let allowing: BTreeSet<_> = allowing.map(|group| &group.id).collect();
        let mut cut: BTreeSet<&str> = BTreeSet::new();
        for interface in &self.observed().interfaces {
            let (Some(class), Some(wanted)) =
                (self.enforced_class(interface), desired.members.get(&interface.id))
            else {
                continue;
            };
            let stays = wanted.groups.iter().any(|group| allowing.contains(group));
            if !stays && open(interface).iter().any(lets_in) {
                cut.insert(&self.input.compiled.class(class).description);
            }
        }
        let message = format!("health probes of a load balancer will not reach {}", sample(&cut));
        let hint = format!(
            "where a load balancer is in front of them, allow an IP list with {probes} to them, on the probe's port"
        );
        let subject = &self.scope().id;
        (!cut.is_empty())
            .then(|| Finding::new(Severity::Warning, "probes-not-allowed", subject, message, hint))
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

/// A group of ours that is not about the policy, wanted as it is.
pub fn as_observed(group: &GroupState, description: &str) -> DesiredGroup {
    let as_is = |rules: &[RuleSpec]| rules.iter().map(|rule| (rule.clone(), Vec::new())).collect();
    DesiredGroup {
        id: group.id.clone(),
        network: group.network.clone(),
        name: group.name.clone(),
        description: description.to_owned(),
        ingress: as_is(&group.ingress),
        egress: as_is(&group.egress),
    }
}
