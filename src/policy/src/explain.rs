//! Why a flow passes or not: who each end is seen as, every rule that matches, the one that decides; and
//! where nothing lets it pass, which rules nearly do and the smallest one that would have to exist.
//!
//! Data first ([`Explanation`]); [`Explanation::to_text`] puts it in words. It stands on `decide`: what it says
//! is what the oracle does. What it proposes is a policy file: a test loads it beside the others and decides again.

mod missing;
mod near;
mod proposal;
mod text;

use std::net::IpAddr;

pub use crate::explain::missing::MissingRule;
pub use crate::explain::near::{Difference, NearMiss};

use crate::decide::matching::LocalSide;
use crate::decide::view::Seen;
use crate::decide::{Point, decide, find};
use crate::label::LabelSet;
use crate::name::WorkloadId;
use crate::ruleset::{Action, RuleRef};
use crate::service::ServicePoint;
use crate::snapshot::{Decision, End, EndDecision, Flow, Snapshot};
use crate::workload::{EnforcementMode, Workload};

/// Everything that there is to say about one flow.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Explanation {
    /// Who really opens it.
    pub source: Party,
    /// Who is really connected to.
    pub destination: Party,
    /// On what.
    pub service: ServicePoint,
    /// What the oracle decides.
    pub decision: Decision,
    /// What happens at the source.
    pub egress: EndExplanation,
    /// What happens at the destination.
    pub ingress: EndExplanation,
    /// A policy file that would let it pass, beside the files that there are; empty if nothing is missing, or if no
    /// rule can.
    pub proposal: String,
}

/// Somebody at an end of a flow.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Party {
    /// The workload and its labels; `None` outside all known interfaces.
    pub workload: Option<(WorkloadId, LabelSet)>,
    /// The address on the packet.
    pub address: IpAddr,
}

/// Whether an end filters.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Enforcement {
    /// It is no workload of ours.
    Outside,
    /// Its interface has no enforcement point in this direction.
    NoEnforcementPoint,
    /// It has one, in this mode.
    Mode(EnforcementMode),
}

/// Who an end takes the other one for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SeenAs {
    /// A workload, by identity or because its address tells.
    Workload(WorkloadId, LabelSet),
    /// One of several workloads whose addresses are translated to the one that is seen.
    OneOf(Vec<WorkloadId>),
    /// An address outside everything known.
    External,
    /// Nobody known: the address lies inside the network's own blocks, where nobody known holds it.
    Shadowed,
    /// Nobody known: several interfaces hold the address.
    Ambiguous {
        /// How many.
        holders: usize,
    },
}

/// What happens at one end.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EndExplanation {
    /// Whether the end filters.
    pub enforcement: Enforcement,
    /// Who it takes the other end for.
    pub seen: SeenAs,
    /// What it decides.
    pub decision: EndDecision,
    /// What it would decide in full mode; `None` without an enforcement point.
    pub in_full_mode: Option<EndDecision>,
    /// Every enabled rule that matches here, in the order of writing.
    pub matches: Vec<RuleMatch>,
    /// Where nothing lets it pass: the allow rules that differ in exactly one thing.
    pub near_misses: Vec<NearMiss>,
    /// Where nothing lets it pass: the smallest rule that would. `None` under an override deny: no rule can.
    pub missing: Option<MissingRule>,
}

/// A rule that matches at an end.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RuleMatch {
    /// The rule.
    pub rule: RuleRef,
    /// What it does.
    pub action: Action,
    /// Whether it is the one that decides, or would in full mode if the end only watches.
    pub decides: bool,
}

/// Explains one flow; linear in workloads, rules and scopes, for people and not for bulk.
pub fn explain(snapshot: &Snapshot, flow: &Flow) -> Explanation {
    let mut explanation = Explanation {
        source: Party::new(snapshot, &flow.source),
        destination: Party::new(snapshot, &flow.destination),
        service: flow.service,
        decision: decide(snapshot, flow),
        egress: EndExplanation::new(&Point::new(snapshot, flow, LocalSide::Source)),
        ingress: EndExplanation::new(&Point::new(snapshot, flow, LocalSide::Destination)),
        proposal: String::new(),
    };
    explanation.proposal = proposal::proposal(&snapshot.policy, &explanation.missing_rules());
    explanation
}

impl Explanation {
    /// The override deny that stands at an end: no rule can let the flow pass while it does.
    pub fn override_deny(&self) -> Option<&RuleRef> {
        [&self.egress, &self.ingress].into_iter().find_map(|end| match end.judged() {
            EndDecision::OverrideDenied(rule) => Some(rule),
            _ => None,
        })
    }

    /// The rules that together would let the flow pass, each once.
    fn missing_rules(&self) -> Vec<&MissingRule> {
        if self.override_deny().is_some() {
            return Vec::new();
        }
        let mut missing: Vec<&MissingRule> = Vec::new();
        for rule in [&self.egress.missing, &self.ingress.missing].into_iter().flatten() {
            if !missing.contains(&rule) {
                missing.push(rule);
            }
        }
        missing
    }
}

impl Party {
    fn new(snapshot: &Snapshot, end: &End) -> Self {
        let identity = |workload: &Workload| (workload.id.clone(), workload.labels.clone());
        Self { workload: find(snapshot, end).map(|(workload, _)| identity(workload)), address: end.address }
    }
}

impl EndExplanation {
    fn new(point: &Point<'_>) -> Self {
        let enforcement = match (point.local, point.mode()) {
            (None, _) => Enforcement::Outside,
            (Some(_), None) => Enforcement::NoEnforcementPoint,
            (Some(_), Some(mode)) => Enforcement::Mode(mode),
        };
        let seen = match &point.peer {
            Seen::OneOf(workloads) => match workloads.as_slice() {
                [workload] => SeenAs::Workload(workload.id.clone(), workload.labels.clone()),
                several => SeenAs::OneOf(several.iter().map(|workload| workload.id.clone()).collect()),
            },
            Seen::External => SeenAs::External,
            Seen::Shadowed => SeenAs::Shadowed,
            Seen::Ambiguous(holders) => SeenAs::Ambiguous { holders: *holders },
        };
        let decision = point.decision();
        let in_full_mode = point.mode().map(|_| point.decision_in(EnforcementMode::Full));
        let judged = judged(enforcement, &decision, in_full_mode.as_ref());
        let lacks_an_allow = matches!(judged, EndDecision::DefaultDenied | EndDecision::Denied(_));
        Self {
            enforcement,
            seen,
            matches: matches_at(point, judged),
            near_misses: if lacks_an_allow { near::near_misses(point) } else { Vec::new() },
            missing: if lacks_an_allow { missing::missing_rule(point) } else { None },
            decision,
            in_full_mode,
        }
    }

    /// The decision that counts: in visibility only what full mode would do, else the decision itself.
    pub fn judged(&self) -> &EndDecision {
        judged(self.enforcement, &self.decision, self.in_full_mode.as_ref())
    }
}

fn judged<'a>(
    enforcement: Enforcement,
    decision: &'a EndDecision,
    in_full_mode: Option<&'a EndDecision>,
) -> &'a EndDecision {
    match (enforcement, in_full_mode) {
        (Enforcement::Mode(EnforcementMode::VisibilityOnly), Some(full)) => full,
        _ => decision,
    }
}

fn matches_at(point: &Point<'_>, judged: &EndDecision) -> Vec<RuleMatch> {
    // Without an enforcement point no rule counts, whatever it says.
    if point.mode().is_none() {
        return Vec::new();
    }
    let deciding = match judged {
        EndDecision::Allowed(rule) | EndDecision::Denied(rule) | EndDecision::OverrideDenied(rule) => {
            Some(rule)
        }
        _ => None,
    };
    let matching = point.matching_rules().into_iter().map(|(ruleset, rule)| {
        let reference = RuleRef { ruleset: ruleset.name.clone(), rule: rule.name.clone() };
        RuleMatch { action: rule.action, decides: deciding == Some(&reference), rule: reference }
    });
    matching.collect()
}
