//! The oracle: decides one flow by reading the rules one by one, slowly and obviously.
//!
//! No index, no class, no compiled form: linear scans over the [`Policy`](crate::Policy) as people wrote
//! it. Everything else in the system is checked against this file, so it shares no code with `compile`.
//!
//! **Ends.** The egress decision is made at the source's interface if that interface enforces egress, the
//! ingress decision at the destination's if it enforces ingress. Any other end is `NotEnforced`.
//!
//! **The peer.** If the other end is an interface in the same or a connected network, it is that workload
//! by identity. Otherwise it is what its address says from the deciding end's network (`decide/view.rs`).
//! An interface in an unconnected network whose address is ambiguous or shadowed is nobody. Behind a translated address
//! stand several workloads: a side that selects one of them matches.
//!
//! **A rule at an end** (`decide/matching.rs`). At the ingress end the destination side must select the
//! destination workload *by identity*; the source side must match the peer by identity, or hold its address,
//! whoever has it. The egress end is the mirror image. An address set programs nothing at the holder of the
//! address (S15). Both sides are judged in the same expanded scope instance (S3, S5): instances never mix.
//!
//! **Order** (E1). Essential > override deny > allow > deny > default by mode (E3). Full: a plain deny
//! changes nothing, the default drops already (E4). Selective: permit, except what a deny covers and no
//! allow. Visibility only and idle: the end is not enforced. Of several rules the first written is named.
//!
//! **Verdict.** Blocked if an end does not pass; else potentially blocked if an end that would enforce, but
//! is in visibility only, would not pass in full mode; else allowed. What is idle is not judged (E3).

pub(crate) mod matching;
pub(crate) mod view;

use crate::compiled::essential_services;
use crate::decide::matching::{LocalSide, rule_matches};
use crate::decide::view::{Seen, see};
use crate::ruleset::{Action, Rule, RuleRef, Ruleset};
use crate::snapshot::{Decision, End, EndDecision, Flow, Snapshot, Verdict};
use crate::workload::{EnforcementMode, Interface, Workload};

/// Decides one flow; linear in workloads, rules and scopes.
pub fn decide(snapshot: &Snapshot, flow: &Flow) -> Decision {
    let source = Point::new(snapshot, flow, LocalSide::Source);
    let destination = Point::new(snapshot, flow, LocalSide::Destination);
    let (egress, ingress) = (source.decision(), destination.decision());
    let verdict = if !egress.passes() || !ingress.passes() {
        Verdict::Blocked
    } else if source.would_block() || destination.would_block() {
        Verdict::PotentiallyBlocked
    } else {
        Verdict::Allowed
    };
    Decision { egress, ingress, verdict }
}

/// One end of a flow as the place where rules are applied.
pub(crate) struct Point<'a> {
    pub snapshot: &'a Snapshot,
    pub flow: &'a Flow,
    /// On which side of every rule this end stands.
    pub side: LocalSide,
    /// The workload and interface at this end; `None` outside all known interfaces.
    pub local: Option<(&'a Workload, &'a Interface)>,
    /// Who the other end is, from here.
    pub peer: Seen<'a>,
}

impl<'a> Point<'a> {
    pub fn new(snapshot: &'a Snapshot, flow: &'a Flow, side: LocalSide) -> Self {
        let (here, there) = match side {
            LocalSide::Source => (&flow.source, &flow.destination),
            LocalSide::Destination => (&flow.destination, &flow.source),
        };
        let local = find(snapshot, here);
        let peer = match local {
            Some((_, interface)) => peer_of(snapshot, interface, there),
            None => Seen::External,
        };
        Self { snapshot, flow, side, local, peer }
    }

    /// The end that this point sees as its peer.
    pub fn other_end(&self) -> &'a End {
        match self.side {
            LocalSide::Source => &self.flow.destination,
            LocalSide::Destination => &self.flow.source,
        }
    }

    /// The mode of the workload here, if the interface has an enforcement point for this direction.
    pub fn mode(&self) -> Option<EnforcementMode> {
        let (workload, interface) = self.local?;
        let enforces = match self.side {
            LocalSide::Source => interface.enforces.egress,
            LocalSide::Destination => interface.enforces.ingress,
        };
        enforces.then_some(workload.mode)
    }

    pub fn decision(&self) -> EndDecision {
        match self.mode() {
            Some(mode @ (EnforcementMode::Full | EnforcementMode::Selective)) => self.decision_in(mode),
            Some(EnforcementMode::VisibilityOnly | EnforcementMode::Idle) | None => EndDecision::NotEnforced,
        }
    }

    /// Whether the end only watches, and would not let the flow pass in full mode (E3).
    pub fn would_block(&self) -> bool {
        self.mode() == Some(EnforcementMode::VisibilityOnly)
            && !self.decision_in(EnforcementMode::Full).passes()
    }

    /// The decision if the end enforced in `mode`, full or selective.
    pub fn decision_in(&self, mode: EnforcementMode) -> EndDecision {
        if essential_services().contains(self.flow.service) {
            return EndDecision::Essential;
        }
        if let Some(rule) = self.first_match(Action::OverrideDeny) {
            return EndDecision::OverrideDenied(rule);
        }
        if let Some(rule) = self.first_match(Action::Allow) {
            return EndDecision::Allowed(rule);
        }
        if mode == EnforcementMode::Full {
            return EndDecision::DefaultDenied;
        }
        match self.first_match(Action::Deny) {
            Some(rule) => EndDecision::Denied(rule),
            None => EndDecision::DefaultAllowed,
        }
    }

    /// Every enabled rule that matches the flow at this end, in the order of writing.
    pub fn matching_rules(&self) -> Vec<(&'a Ruleset, &'a Rule)> {
        let mut matching = Vec::new();
        for ruleset in &self.snapshot.policy.rulesets {
            for rule in &ruleset.rules {
                // S14: what is disabled contributes nothing.
                if ruleset.enabled && rule.enabled && rule_matches(self, ruleset, rule) {
                    matching.push((ruleset, rule));
                }
            }
        }
        matching
    }

    fn first_match(&self, action: Action) -> Option<RuleRef> {
        let (ruleset, rule) = self.matching_rules().into_iter().find(|(_, rule)| rule.action == action)?;
        Some(RuleRef { ruleset: ruleset.name.clone(), rule: rule.name.clone() })
    }
}

/// The interface that really is at the end, if the snapshot knows it.
pub(crate) fn find<'a>(snapshot: &'a Snapshot, end: &End) -> Option<(&'a Workload, &'a Interface)> {
    let id = end.interface.as_ref()?;
    let found = snapshot.interfaces().find(|(_, _, interface)| interface.id == *id);
    found.map(|(_, workload, interface)| (workload, interface))
}

/// Who `there` is to an enforcement point at `here`: by identity where the networks carry it, else by address.
fn peer_of<'a>(snapshot: &'a Snapshot, here: &'a Interface, there: &End) -> Seen<'a> {
    if let (Some(network), Some((workload, interface))) = (&here.network, find(snapshot, there)) {
        let reached = interface.network.as_ref();
        if reached.is_some_and(|other| snapshot.connected(network, other)) {
            return Seen::OneOf(vec![workload]);
        }
    }
    see(snapshot, here.network.as_ref(), there.address)
}
