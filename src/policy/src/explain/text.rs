//! An explanation in words: labels first, names of workloads only where there are no labels.

use std::fmt::Write;

use crate::explain::{
    Difference, EndExplanation, Enforcement, Explanation, NearMiss, Party, RuleMatch, SeenAs,
};
use crate::label::{LabelSet, describe};
use crate::name::WorkloadId;
use crate::ruleset::{Action, Actor, ScopeEntry, ScopeTarget};
use crate::snapshot::{EndDecision, Verdict};
use crate::workload::EnforcementMode;

/// More rules than this of one kind at one end are counted, not listed.
const LISTED_MAX: usize = 5;

impl Explanation {
    /// The explanation as plain text, several lines, each with its line end.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        let (source, destination) = (party_text(&self.source), party_text(&self.destination));
        let verdict = match self.decision.verdict {
            Verdict::Allowed => "allowed",
            Verdict::PotentiallyBlocked => "passes today, full enforcement would block it",
            Verdict::Blocked => "blocked",
        };
        line(&mut text, format_args!("{source} → {destination} on {}: {verdict}", self.service));
        self.end_text(&mut text, &self.egress, End::Egress);
        self.end_text(&mut text, &self.ingress, End::Ingress);
        self.missing_text(&mut text);
        text
    }

    fn end_text(&self, text: &mut String, end: &EndExplanation, which: End) {
        let (name, other, really) = match which {
            End::Egress => ("egress at the source", "destination", &self.destination),
            End::Ingress => ("ingress at the destination", "source", &self.source),
        };
        line(text, format_args!("{name}: {}", decision_text(end)));
        if !matches!(end.enforcement, Enforcement::Mode(_)) {
            return;
        }
        if let Some(seen) = surprise(&end.seen, really) {
            line(text, format_args!("  the {other} {seen}"));
        }
        list(text, &others(&end.matches), |rule| {
            format!("also matches: {} ({})", rule.rule, action_text(rule.action))
        });
        list(text, &end.near_misses.iter().collect::<Vec<_>>(), |miss| self.near_text(miss, end, which));
    }

    fn near_text(&self, miss: &NearMiss, end: &EndExplanation, which: End) -> String {
        let seen = match &end.seen {
            SeenAs::Workload(id, labels) => name_text(id, labels),
            SeenAs::OneOf(_) => "a translated address".to_owned(),
            SeenAs::External | SeenAs::Shadowed | SeenAs::Ambiguous { .. } => {
                "not a known workload".to_owned()
            }
        };
        let is = |party: &Party, here: End| if here == which { party_text(party) } else { seen.clone() };
        let (rule, wanted) = (&miss.rule, &miss.wanted);
        match miss.difference {
            Difference::Disabled => format!("almost: {rule} would allow it, but is disabled"),
            Difference::Service => format!("almost: {rule} allows {wanted}, not {}", self.service),
            Difference::Scope => {
                format!("almost: {rule}, but the ends are not together in its scope {wanted}")
            }
            Difference::Sources => {
                format!(
                    "almost: {rule} wants sources {wanted}; the source is {}",
                    is(&self.source, End::Egress)
                )
            }
            Difference::Destinations => {
                let destination = is(&self.destination, End::Ingress);
                format!("almost: {rule} wants destinations {wanted}; the destination is {destination}")
            }
        }
    }

    fn missing_text(&self, text: &mut String) {
        if let Some(rule) = self.override_deny() {
            line(text, format_args!("no rule can let it pass while {rule} stands"));
        }
        if !self.proposal.is_empty() {
            line(text, format_args!("to let it pass, save this as a new file of the policy folder:"));
            text.extend(self.proposal.lines().map(|written| format!("  {written}\n")));
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Egress,
    Ingress,
}

fn line(text: &mut String, what: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{what}");
}

fn list<T>(text: &mut String, items: &[&T], show: impl Fn(&T) -> String) {
    for item in items.iter().take(LISTED_MAX) {
        line(text, format_args!("  {}", show(item)));
    }
    if items.len() > LISTED_MAX {
        line(text, format_args!("  and {} more", items.len() - LISTED_MAX));
    }
}

fn others(matches: &[RuleMatch]) -> Vec<&RuleMatch> {
    matches.iter().filter(|one| !one.decides).collect()
}

fn decision_text(end: &EndExplanation) -> String {
    let by_mode = |mode: EnforcementMode| match mode {
        EnforcementMode::Idle => "not judged, the workload is idle".to_owned(),
        EnforcementMode::VisibilityOnly => {
            format!("passes, the workload is only watched; full mode: {}", outcome(end.judged()))
        }
        EnforcementMode::Selective => format!("{} (selective mode)", outcome(end.judged())),
        EnforcementMode::Full => outcome(end.judged()),
    };
    match end.enforcement {
        Enforcement::Outside => "not enforced, it is outside".to_owned(),
        Enforcement::NoEnforcementPoint => "not enforced, nothing filters this direction there".to_owned(),
        Enforcement::Mode(mode) => by_mode(mode),
    }
}

fn outcome(decision: &EndDecision) -> String {
    match decision {
        EndDecision::NotEnforced => "not enforced".to_owned(),
        EndDecision::Essential => "passes, networks break without it".to_owned(),
        EndDecision::OverrideDenied(rule) => format!("blocked by override deny {rule}"),
        EndDecision::Allowed(rule) => format!("allowed by {rule}"),
        EndDecision::Denied(rule) => format!("blocked by deny {rule}"),
        EndDecision::DefaultAllowed => "passes, no rule blocks it".to_owned(),
        EndDecision::DefaultDenied => "blocked, no rule allows it".to_owned(),
    }
}

/// What the deciding end takes the other one for, where that is not what it is.
fn surprise(seen: &SeenAs, really: &Party) -> Option<String> {
    match (seen, &really.workload) {
        (SeenAs::Workload(seen, _), Some((id, _))) if seen == id => None,
        (SeenAs::External, None) => None,
        (SeenAs::Workload(id, labels), _) => {
            Some(format!("is taken for {}: {} is its address", name_text(id, labels), really.address))
        }
        (SeenAs::OneOf(several), _) => Some(format!(
            "is one of {} workloads that look alike from here: their addresses are translated to {}",
            several.len(),
            really.address
        )),
        (SeenAs::External, Some(_)) => {
            Some(format!("is nobody known here: {} has no holder", really.address))
        }
        (SeenAs::Shadowed, _) => Some(format!(
            "is nobody known here: {} lies in an address block of this network or a peered one, and nobody known \
             holds it there",
            really.address
        )),
        (SeenAs::Ambiguous { holders }, _) => Some(format!(
            "is nobody known here: {holders} interfaces hold {}, and nothing tells which it is",
            really.address
        )),
    }
}

fn action_text(action: Action) -> &'static str {
    match action {
        Action::Allow => "allow",
        Action::Deny => "deny",
        Action::OverrideDeny => "override deny",
    }
}

fn party_text(party: &Party) -> String {
    match &party.workload {
        Some((id, labels)) => format!("{} ({})", name_text(id, labels), party.address),
        None => party.address.to_string(),
    }
}

/// The labels, or the identity where there are none.
fn name_text(id: &WorkloadId, labels: &LabelSet) -> String {
    if labels.is_empty() { format!("workload {id}") } else { describe(labels) }
}

/// The side as a policy file has it: `[role=web, not loc=us, list:office]`.
pub(super) fn actors_text(actors: &[Actor]) -> String {
    format!("[{}]", actors.iter().map(actor_text).collect::<Vec<_>>().join(", "))
}

/// One entry of a side as a policy file has it.
pub(super) fn actor_text(actor: &Actor) -> String {
    let not = |exclusion: bool| if exclusion { "not " } else { "" };
    match actor {
        Actor::AllWorkloads => "all-workloads".to_owned(),
        Actor::Label { label, exclusion } => format!("{}{label}", not(*exclusion)),
        Actor::LabelGroup { group, exclusion } => format!("{}group:{group}", not(*exclusion)),
        Actor::IpList(name) => format!("list:{name}"),
        Actor::Workload(id) => format!("workload:{id}"),
    }
}

/// Scopes as a policy file has them: `[app=shop, env=prod]`, with ` or ` between several.
pub(super) fn scopes_text(scopes: &[Vec<ScopeEntry>]) -> String {
    let entry = |entry: &ScopeEntry| {
        let not = if entry.exclusion { "not " } else { "" };
        match &entry.target {
            ScopeTarget::Label(label) => format!("{not}{label}"),
            ScopeTarget::LabelGroup(group) => format!("{not}group:{group}"),
        }
    };
    let scope =
        |scope: &Vec<ScopeEntry>| format!("[{}]", scope.iter().map(entry).collect::<Vec<_>>().join(", "));
    scopes.iter().map(scope).collect::<Vec<_>>().join(" or ")
}
