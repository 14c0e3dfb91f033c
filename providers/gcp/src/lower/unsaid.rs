//! What the policy wants and Google Cloud, or this version, cannot say; and what people should know.

use std::collections::BTreeSet;

use ipnet::{IpNet, Ipv4Net};
use plan::{Desired, Owner, PathRule};
use policy::{AddressSet, ClassId, Finding, Severity, WorkloadId};
use provider::lowering::{Lowering, Reaches, Words, sample};

use super::exclusive;
use super::rests::Rests;
use crate::band::Band;
use crate::ids;
use crate::settings::Identity;

const WORDS: Words = Words {
    selective: "selective enforcement needs deny rules of the policy, and this version lowers allow rules only",
    deny: "a deny rule matters here, and this version does not lower deny rules to firewall policies",
};

/// From where the probes of load balancers come: 35.191.0.0/16 and 130.211.0.0/22.
const PROBES: [([u8; 4], u8); 2] = [([35, 191, 0, 0], 16), ([130, 211, 0, 0], 22)];

/// What is found on the way.
#[derive(Default)]
pub(super) struct Unsaid<'a> {
    /// Services that have no words.
    pub(super) refused: BTreeSet<Finding>,
    by_address: BTreeSet<&'a WorkloadId>,
    /// Classes that egress rules name.
    destinations: BTreeSet<ClassId>,
}

impl<'a> Unsaid<'a> {
    /// Notes what is named by address in a network.
    pub(super) fn note(&mut self, lowering: &Lowering<'a>, reaches: &Reaches<'a>) {
        self.by_address.extend(lowering.fallbacks(reaches));
        if lowering.scope().egress {
            self.destinations.extend(&reaches.egress_peers);
        }
    }

    /// All findings but limits.
    pub(super) fn findings(
        self,
        lowering: &Lowering<'_>,
        band: &Band,
        rests: &Rests<'_>,
        desired: &Desired,
    ) -> Vec<Finding> {
        let mut findings = lowering.inexpressible(&WORDS);
        findings.extend(self.capability_gap(lowering));
        findings.extend(self.refused);
        findings.extend(exclusive::findings(lowering, band));
        match band.identity {
            Identity::SecureTags => findings.extend(taken_places(lowering)),
            Identity::NetworkTags => {
                findings.extend(weaker_identity(lowering));
                findings.extend(half_marked(lowering));
            }
        }
        if lowering.enforces_anybody() {
            findings.extend(lowering.fallback_finding(&self.by_address));
        }
        let probes = PROBES.iter().filter_map(|&(first, length)| Ipv4Net::new(first.into(), length).ok());
        let probes: AddressSet = probes.map(IpNet::V4).collect();
        findings.extend(lowering.probes_finding(desired, &probes, |interface| rests.open_to(interface)));
        findings
    }

    fn capability_gap(&self, lowering: &Lowering<'_>) -> Option<Finding> {
        let describe = |&class: &ClassId| lowering.input.compiled.class(class).description.as_str();
        let named: BTreeSet<&str> = self.destinations.iter().map(describe).collect();
        let message =
            format!("rules towards {} name their addresses: no egress rule can name tags", sample(&named));
        let hint = "whoever gets an address of theirs is reached until the next pass; enforce ingress there, which names tags";
        let scope = &lowering.scope().id;
        (!named.is_empty()).then(|| Finding::new(Severity::Note, "egress-by-address", scope, message, hint))
    }
}

/// What network tags cannot keep people from.
fn weaker_identity(lowering: &Lowering<'_>) -> Option<Finding> {
    let message = "network tags stand for classes: whoever may edit an instance may put it into any class, or take it out of one";
    let hint = "use `gcp: { identity: secure_tags }` where the organisation allows it; who has `compute.instances.setTags` is to be trusted until then";
    let (scope, code) = (&lowering.scope().id, "identity-by-network-tag");
    lowering.enforces_anybody().then(|| Finding::new(Severity::Warning, code, scope, message, hint))
}

/// Classic rules that are ours by half, which nobody touches.
fn half_marked(lowering: &Lowering<'_>) -> Vec<Finding> {
    let rules = lowering.observed().path_filters.iter().flat_map(|list| &list.rules);
    let finding = |(rule, why): (&PathRule, &String)| {
        let message = format!("the classic rule `{}` has {why}: it is left as it is", rule.name);
        let hint = "delete it, or give it our description again";
        Finding::new(Severity::Warning, "half-marked", &lowering.scope().id, message, hint)
    };
    let suspect = rules.filter_map(|rule| match &rule.owner {
        Owner::Suspect(why) => Some((rule, why)),
        Owner::Ours | Owner::Foreign => None,
    });
    suspect.map(finding).collect()
}

/// Networks in which ours would be the policy, and somebody else's is.
fn taken_places(lowering: &Lowering<'_>) -> Vec<Finding> {
    let mut findings = BTreeSet::new();
    let observed = lowering.observed();
    for interface in observed.interfaces.iter().filter(|i| lowering.enforced_class(i).is_some()) {
        let lists = observed.path_filters.iter().filter(|list| interface.path_filters.contains(&list.id));
        for list in lists.filter(|list| ids::is_global_policy(&list.id) && list.owner != Owner::Ours) {
            let message =
                format!("the firewall policy {} of somebody else is where ours has to be", list.name);
            let hint = "a network has one global policy: move its rules to classic rules or to a regional policy, and take it off the network";
            let subject = &interface.network;
            findings.insert(Finding::new(Severity::Blocking, "policy-taken", subject, message, hint));
        }
    }
    findings.into_iter().collect()
}
