//! The compiled policy as an evaluator of single flows: what the differential test holds against the oracle.

use std::net::IpAddr;

use rustc_hash::FxHashMap;

use crate::compiled::{ClassId, CompiledPolicy, CompiledRule, Side, essential_services};
use crate::directory::{AddressDirectory, Place, View};
use crate::name::InterfaceId;
use crate::ruleset::Action;
use crate::snapshot::{Decision, End, EndDecision, Flow, Snapshot, Verdict};
use crate::workload::EnforcementMode;

/// Decides flows by a compiled policy.
pub struct Evaluator<'a> {
    policy: &'a CompiledPolicy,
    snapshot: &'a Snapshot,
    directory: AddressDirectory<'a>,
    places: FxHashMap<&'a InterfaceId, Place>,
}

impl<'a> Evaluator<'a> {
    /// Indexes the snapshot that the policy was compiled from.
    pub fn new(policy: &'a CompiledPolicy, snapshot: &'a Snapshot) -> Self {
        let mut places = FxHashMap::default();
        for (w, workload) in snapshot.workloads.iter().enumerate() {
            for (i, interface) in workload.interfaces.iter().enumerate() {
                places.insert(&interface.id, Place { workload: w as u32, interface: i as u32 });
            }
        }
        Self { policy, snapshot, directory: AddressDirectory::new(snapshot), places }
    }

    /// The decision of both ends.
    pub fn decide(&self, flow: &Flow) -> Decision {
        let (egress, egress_if_full) = self.at(&flow.source, &flow.destination, flow, false);
        let (ingress, ingress_if_full) = self.at(&flow.destination, &flow.source, flow, true);
        let verdict = if !egress.passes() || !ingress.passes() {
            Verdict::Blocked
        } else if egress_if_full && ingress_if_full {
            Verdict::Allowed
        } else {
            Verdict::PotentiallyBlocked
        };
        Decision { egress, ingress, verdict }
    }

    /// The decision at one end, and whether it would pass if a visibility-only end were in full mode.
    fn at(&self, end: &End, peer: &End, flow: &Flow, ingress: bool) -> (EndDecision, bool) {
        let Some(&place) = end.interface.as_ref().and_then(|id| self.places.get(id)) else {
            return (EndDecision::NotEnforced, true);
        };
        let interface = self.directory.interface(place);
        let enforces = if ingress { interface.enforces.ingress } else { interface.enforces.egress };
        if !enforces {
            return (EndDecision::NotEnforced, true);
        }
        let class = self.policy.class_of[place.workload as usize];
        let mode = self.policy.class(class).mode;
        let seen = self.seen(place, peer);
        match mode {
            EnforcementMode::Idle => (EndDecision::NotEnforced, true),
            EnforcementMode::VisibilityOnly => {
                let full = self.judge(class, &seen, peer.address, flow, ingress, EnforcementMode::Full);
                (EndDecision::NotEnforced, full.passes())
            }
            mode => (self.judge(class, &seen, peer.address, flow, ingress, mode), true),
        }
    }

    /// The classes that the deciding end takes its peer for one of.
    fn seen(&self, place: Place, peer: &End) -> Vec<ClassId> {
        let here = self.directory.interface(place).network.as_ref();
        let class_of = |place: Place| self.policy.class_of[place.workload as usize];
        if let Some(&there) = peer.interface.as_ref().and_then(|id| self.places.get(id)) {
            let network = self.directory.interface(there).network.as_ref();
            if let (Some(here), Some(network)) = (here, network)
                && self.snapshot.connected(here, network)
            {
                return vec![class_of(there)];
            }
        }
        match self.directory.holder(here, peer.address) {
            View::Interface(place) => vec![class_of(place)],
            View::Translated => {
                let behind = self.directory.behind(here, peer.address);
                behind.iter().copied().map(class_of).collect()
            }
            View::Shadowed | View::Ambiguous | View::External => Vec::new(),
        }
    }

    fn judge(
        &self,
        class: ClassId,
        seen: &[ClassId],
        address: IpAddr,
        flow: &Flow,
        ingress: bool,
        mode: EnforcementMode,
    ) -> EndDecision {
        if essential_services().contains(flow.service) {
            return EndDecision::Essential;
        }
        let matches_peer = |side: &Side| {
            seen.iter().any(|seen| self.policy.selects(side, *seen)) || side.addresses.contains(address)
        };
        let counts = |rule: &&CompiledRule| {
            let peer = if ingress { &rule.sources } else { &rule.destinations };
            rule.services.contains(flow.service) && matches_peer(peer)
        };
        let entry = self.policy.class(class);
        let ids = if ingress { &entry.ingress } else { &entry.egress };
        let matching: Vec<&CompiledRule> =
            ids.iter().map(|&id| self.policy.rule(id)).filter(counts).collect();
        let first = |action: Action| {
            matching.iter().find(|rule| rule.action == action).map(|rule| rule.origin.clone())
        };
        if let Some(rule) = first(Action::OverrideDeny) {
            return EndDecision::OverrideDenied(rule);
        }
        if let Some(rule) = first(Action::Allow) {
            return EndDecision::Allowed(rule);
        }
        match (mode, first(Action::Deny)) {
            (EnforcementMode::Selective, Some(rule)) => EndDecision::Denied(rule),
            (EnforcementMode::Selective, None) => EndDecision::DefaultAllowed,
            _ => EndDecision::DefaultDenied,
        }
    }
}
