//! The oracle: interprets the written rules one by one, slowly and obviously.
//!
//! Written from `pce-api.md` section 9 and the view rules of [`crate::snapshot`]; shares nothing with
//! `compile`. Each end decides for itself:
//!
//! - an end whose interface does not enforce the direction, or whose workload is idle or visibility only,
//!   lets everything pass;
//! - a rule counts at the destination only if its *destination side* names that workload (not its address),
//!   and its source side matches the peer by identity or by address; the mirror image at the source (S15);
//! - order: essential > override deny > allow > deny > default by mode (E1–E3).

use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::compiled::essential_services;
use crate::label::Label;
use crate::name::{LabelKey, LabelValue, Name, NetworkId};
use crate::ruleset::{Action, Actor, Policy, Rule, RuleRef, Ruleset, ScopeEntry, ScopeTarget};
use crate::snapshot::{Decision, End, EndDecision, Flow, Snapshot, Verdict};
use crate::workload::{EnforcementMode, Interface, Workload};

/// Decides one flow.
pub fn decide(snapshot: &Snapshot, flow: &Flow) -> Decision {
    let (egress, egress_in_full) = decide_end(snapshot, flow, Role::Source);
    let (ingress, ingress_in_full) = decide_end(snapshot, flow, Role::Destination);
    let verdict = match (egress.passes() && ingress.passes(), egress_in_full && ingress_in_full) {
        (false, _) => Verdict::Blocked,
        (true, true) => Verdict::Allowed,
        (true, false) => Verdict::PotentiallyBlocked,
    };
    Decision { egress, ingress, verdict }
}

/// Which end of the flow decides.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Role {
    Source,
    Destination,
}

impl Role {
    pub(crate) fn ends(self, flow: &Flow) -> (&End, &End) {
        match self {
            Self::Source => (&flow.source, &flow.destination),
            Self::Destination => (&flow.destination, &flow.source),
        }
    }
}

/// The decision at one end; and whether the flow would pass there if visibility only were full.
fn decide_end(snapshot: &Snapshot, flow: &Flow, role: Role) -> (EndDecision, bool) {
    let (own, peer) = role.ends(flow);
    let Some((workload, interface)) = find(snapshot, own) else {
        return (EndDecision::NotEnforced, true);
    };
    let enforces = match role {
        Role::Source => interface.enforces.egress,
        Role::Destination => interface.enforces.ingress,
    };
    if !enforces || workload.mode == EnforcementMode::Idle {
        return (EndDecision::NotEnforced, true);
    }
    let seen = seen_as(snapshot, interface, peer).ok();
    if workload.mode == EnforcementMode::VisibilityOnly {
        let full = judge(snapshot, flow, role, workload, seen, EnforcementMode::Full);
        return (EndDecision::NotEnforced, full.passes());
    }
    (judge(snapshot, flow, role, workload, seen, workload.mode), true)
}

fn judge(
    snapshot: &Snapshot,
    flow: &Flow,
    role: Role,
    own: &Workload,
    peer: Option<&Workload>,
    mode: EnforcementMode,
) -> EndDecision {
    if essential_services().contains(flow.service) {
        return EndDecision::Essential;
    }
    let address = role.ends(flow).1.address;
    let first = |action: Action| {
        let rules = all_rules(&snapshot.policy).filter(|(_, rule)| rule.action == action);
        let mut matching = rules.filter(|(ruleset, rule)| {
            rule.services.contains(flow.service)
                && rule_counts(&snapshot.policy, ruleset, rule, role, own, peer, address)
        });
        matching.next().map(|(ruleset, rule)| reference(ruleset, rule))
    };
    if let Some(rule) = first(Action::OverrideDeny) {
        return EndDecision::OverrideDenied(rule);
    }
    if let Some(rule) = first(Action::Allow) {
        return EndDecision::Allowed(rule);
    }
    if mode == EnforcementMode::Full {
        return EndDecision::DefaultDenied;
    }
    first(Action::Deny).map_or(EndDecision::DefaultAllowed, EndDecision::Denied)
}

pub(crate) fn reference(ruleset: &Ruleset, rule: &Rule) -> RuleRef {
    RuleRef { ruleset: ruleset.name.clone(), rule: rule.name.clone() }
}

/// Enabled rules of enabled rulesets, in the order of writing (S14).
pub(crate) fn all_rules(policy: &Policy) -> impl Iterator<Item = (&Ruleset, &Rule)> {
    let enabled = policy.rulesets.iter().filter(|ruleset| ruleset.enabled);
    enabled
        .flat_map(|ruleset| ruleset.rules.iter().filter(|rule| rule.enabled).map(move |rule| (ruleset, rule)))
}

/// Whether the rule, services aside, matches at this end, in any instance of the ruleset's scopes.
pub(crate) fn rule_counts(
    policy: &Policy,
    ruleset: &Ruleset,
    rule: &Rule,
    role: Role,
    own: &Workload,
    peer: Option<&Workload>,
    address: IpAddr,
) -> bool {
    let whole = [Vec::new()];
    let scopes: &[Vec<ScopeEntry>] = if ruleset.scopes.is_empty() { &whole } else { &ruleset.scopes };
    let instances = scopes.iter().flat_map(|scope| expand(policy, scope));
    let (own_actors, peer_actors) = match role {
        Role::Source => (&rule.sources, &rule.destinations),
        Role::Destination => (&rule.destinations, &rule.sources),
    };
    // S5, S6: both sides inside the same instance, except that sources of an extra-scope rule are global.
    let own_scoped = !(rule.extra_scope && role == Role::Source);
    let peer_scoped = !(rule.extra_scope && role == Role::Destination);
    instances.into_iter().any(|instance| {
        let inside = |scoped: bool, workload: &Workload| !scoped || in_scope(policy, &instance, workload);
        let named = |actors: &[Actor], scoped: bool, workload: &Workload| {
            by_identity(policy, actors, workload, inside(scoped, workload))
        };
        named(own_actors, own_scoped, own)
            && (peer.is_some_and(|peer| named(peer_actors, peer_scoped, peer))
                || by_address(policy, peer_actors, address))
    })
}

/// The instances of one scope: a label group that is included becomes one label at a time (S3).
fn expand(policy: &Policy, scope: &[ScopeEntry]) -> Vec<Vec<ScopeEntry>> {
    let mut instances = vec![Vec::new()];
    for entry in scope {
        let choices: Vec<ScopeEntry> = match &entry.target {
            ScopeTarget::LabelGroup(name) if !entry.exclusion => {
                let labels = members(policy, name);
                labels
                    .into_iter()
                    .map(|l| ScopeEntry { target: ScopeTarget::Label(l), exclusion: false })
                    .collect()
            }
            _ => vec![entry.clone()],
        };
        let mut grown = Vec::new();
        for instance in &instances {
            for choice in &choices {
                let mut longer: Vec<ScopeEntry> = instance.clone();
                longer.push(choice.clone());
                grown.push(longer);
            }
        }
        instances = grown;
    }
    instances
}

/// Whether a workload is in one scope: every included entry matches, no excluded one does (S1, S4).
pub(crate) fn in_scope(policy: &Policy, scope: &[ScopeEntry], workload: &Workload) -> bool {
    scope.iter().all(|entry| {
        let carries = match &entry.target {
            ScopeTarget::Label(label) => has(workload, label),
            ScopeTarget::LabelGroup(name) => members(policy, name).iter().any(|label| has(workload, label)),
        };
        carries != entry.exclusion
    })
}

/// The labels of a group, with those of the groups in it (S10).
pub(crate) fn members(policy: &Policy, name: &Name) -> Vec<Label> {
    let Some(group) = policy.label_groups.get(name) else {
        return Vec::new();
    };
    let own =
        group.labels.iter().map(|value: &LabelValue| Label { key: group.key.clone(), value: value.clone() });
    own.chain(group.sub_groups.iter().flat_map(|sub| members(policy, sub))).collect()
}

pub(crate) fn has(workload: &Workload, label: &Label) -> bool {
    workload.labels.get(&label.key) == Some(&label.value)
}

/// Whether one side of a rule names the workload, whatever its addresses.
fn by_identity(policy: &Policy, actors: &[Actor], workload: &Workload, inside: bool) -> bool {
    let named = actors.iter().any(|actor| matches!(actor, Actor::Workload(id) if *id == workload.id));
    let all = actors.contains(&Actor::AllWorkloads);
    named || (inside && (all || by_labels(policy, actors, workload)))
}

/// S8: for every key that is included, one of its labels; S4: then none of the excluded ones.
fn by_labels(policy: &Policy, actors: &[Actor], workload: &Workload) -> bool {
    let (mut included, mut excluded) = (Vec::new(), Vec::new());
    for actor in actors {
        let (labels, exclusion) = match actor {
            Actor::Label { label, exclusion } => (vec![label.clone()], *exclusion),
            Actor::LabelGroup { group, exclusion } => (members(policy, group), *exclusion),
            _ => continue,
        };
        if exclusion { excluded.extend(labels) } else { included.extend(labels) }
    }
    if included.is_empty() && excluded.is_empty() {
        return false;
    }
    let keys: BTreeSet<_> = included.iter().map(|label| &label.key).collect();
    let matches_key = |key: &LabelKey| included.iter().any(|label| label.key == *key && has(workload, label));
    keys.into_iter().all(matches_key) && !excluded.iter().any(|label| has(workload, label))
}

fn by_address(policy: &Policy, actors: &[Actor], address: IpAddr) -> bool {
    actors.iter().any(|actor| match actor {
        Actor::IpList(name) => policy.ip_lists.get(name).is_some_and(|list| list.addresses.contains(address)),
        _ => false,
    })
}

/// The workload and interface of an end, if it is known.
pub(crate) fn find<'a>(snapshot: &'a Snapshot, end: &End) -> Option<(&'a Workload, &'a Interface)> {
    let wanted = end.interface.as_ref()?;
    snapshot.interfaces().find(|(_, _, interface)| interface.id == *wanted).map(|(_, w, i)| (w, i))
}

/// Why an end's address is nobody known at the other end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unseen {
    /// Outside everything known.
    External,
    /// Inside the blocks of the deciding network or its peers, and held by nobody known there.
    Shadowed,
    /// Held in several unconnected networks.
    Ambiguous,
}

/// The workload that the deciding interface takes its peer for (view rules of [`crate::snapshot`]).
pub(crate) fn seen_as<'a>(
    snapshot: &'a Snapshot,
    own: &Interface,
    peer: &End,
) -> Result<&'a Workload, Unseen> {
    let here = own.network.as_ref();
    let connected = |there: &Option<NetworkId>| match (here, there) {
        (Some(here), Some(there)) => snapshot.connected(here, there),
        _ => false,
    };
    if let Some((workload, interface)) = find(snapshot, peer)
        && connected(&interface.network)
    {
        return Ok(workload);
    }
    let holders: Vec<_> = snapshot
        .interfaces()
        .filter(|(_, _, interface)| interface.addresses.contains(&peer.address))
        .collect();
    if let Some((_, workload, _)) = holders.iter().find(|(_, _, interface)| connected(&interface.network)) {
        return Ok(workload);
    }
    let mut local = snapshot.networks.values().filter(|network| connected(&Some(network.id.clone())));
    if local.any(|network| network.cidrs.iter().any(|block| block.contains(&peer.address))) {
        return Err(Unseen::Shadowed);
    }
    match holders.as_slice() {
        [] => Err(Unseen::External),
        [(_, workload, _)] => Ok(workload),
        _ => Err(Unseen::Ambiguous),
    }
}
