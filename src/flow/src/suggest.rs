//! The first recommendation: the smallest set of label rules that covers chosen flows, within bounds that the user sets.
//!
//! A *label rule* is labels at the source, labels at the destination, and services. What bounds it:
//! - [`Bounds::keys`]: the only keys that a rule names, and it names all of them that the workload has. By default role, app and
//!   env: no rule is wider than the roles of an application in an environment. Who wants narrower rules adds keys.
//! - [`Bounds::droppable`]: keys that a rule may leave out, which makes fewer and wider rules. None by default.
//! - [`Bounds::widening_max`]: how many pairs of label sets (of `keys`) a rule may admit on a service that exist today and were
//!   never seen to talk. None by default: a rule admits what was seen, and nothing beside it. A security engineer wants to be asked
//!   before something is opened that nobody used.
//! - No rule admits a flow that was dropped, unless it was chosen; nor every workload, unless asked.
//! - Addresses only when asked: by lists that the policy has, or by new lists of the very addresses.
//! - A rule names services that were seen, never ranges around them; [`Bounds::merge_services`] says whether one rule may name several.
//!
//! Smallest is the number of label rules; of equally many the fewest pairs that were never seen, then the more specific. Rules that
//! differ in the scope alone are written as one rule of several scopes.
//!
//! INVARIANT: what is suggested was compiled and judged: every flow that counts as covered is allowed then, no dropped one passes
//! that did not before, and without any one of the rules some flow would not be covered ([`NEEDED_CHECKED_MAX`]).

use std::collections::{BTreeMap, BTreeSet};

use policy::{
    CompiledPolicy, LabelKey, LabelSet, Name, RuleRef, ServicePoint, ServiceSet, Snapshot, compile,
};

use crate::judge::{Fate, Judge};
use crate::replay::{Draft, Seen, Who};
use crate::summary::{Key, Summaries, Tally};

mod candidates;
pub mod cover;
mod flows;
mod text;
mod write;

use candidates::Offer;
use flows::Flows;
use write::Written;

/// With more rules than that nobody tries whether each is needed. The cover has none too many; but an address that a rule names may
/// be one that another rule means by labels.
pub const NEEDED_CHECKED_MAX: usize = 64;

/// What a suggestion may name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Bounds {
    /// The keys that rules name.
    pub keys: Vec<LabelKey>,
    /// Those of them that a rule may leave out.
    pub droppable: BTreeSet<LabelKey>,
    /// Pairs of label sets that a rule may admit on one service without their having been seen.
    pub widening_max: u64,
    /// Whether a side may be every workload.
    pub any: bool,
    /// Whether and how rules name addresses.
    pub addresses: Addresses,
    /// Whether one rule may name several services.
    pub merge_services: bool,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            keys: ["role", "app", "env"].map(LabelKey::from).to_vec(),
            droppable: BTreeSet::new(),
            widening_max: 0,
            any: false,
            addresses: Addresses::Never,
            merge_services: true,
        }
    }
}

/// Whether rules may name addresses.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Addresses {
    /// Not at all.
    Never,
    /// By IP lists that the policy has; the list of everything only if every workload may be named too.
    Lists,
    /// By those, and by new lists of the very addresses that were seen.
    ListsAndHosts,
}

/// One side of a label rule.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum RuleEnd {
    /// Workloads with these labels.
    Labels(LabelSet),
    /// Every workload.
    Any,
    /// An IP list of the policy.
    List(Name),
    /// A new IP list.
    Hosts(BTreeSet<ipnet::IpNet>),
}

/// A label rule.
#[derive(Clone, PartialEq, Debug)]
pub struct SuggestedRule {
    /// Who opens the connection.
    pub source: RuleEnd,
    /// Who is connected to.
    pub destination: RuleEnd,
    /// On what.
    pub services: BTreeSet<ServicePoint>,
    /// The chosen flows that it covers.
    pub seen: Seen,
}

/// Chosen flows that no rule within the bounds covers.
#[derive(Clone, PartialEq, Debug)]
pub struct Uncoverable {
    /// Who opens the connections.
    pub source: Who,
    /// Who is connected to.
    pub destination: Who,
    /// On what.
    pub service: ServicePoint,
    /// How much of it there was.
    pub seen: Seen,
    /// Why not.
    pub reason: Reason,
}

/// Why a flow is not covered.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Reason {
    /// Neither end is a workload.
    NoWorkload,
    /// No rule can let it pass while this one stands.
    OverrideDeny(RuleRef),
    /// No workload has the labels of an end any more.
    Gone,
    /// An end has none of the keys that rules may name.
    NoLabel,
    /// A policy file cannot hold the label.
    Label(String),
    /// Rules may not name addresses.
    Address,
    /// No list of the policy holds the address, and new lists are not asked for.
    NoList,
    /// The narrowest rule would admit this flow, which was dropped.
    Dropped(Who, Who),
    /// The narrowest rule would admit so many pairs that were never seen.
    Wide(u64),
    /// A rule by labels does not reach it, or not in every network.
    NotReached(String),
}

/// What a suggestion admits beside the chosen flows, by label sets of workloads that exist.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Widening {
    /// Who could connect.
    pub source: RuleEnd,
    /// To whom.
    pub destination: RuleEnd,
    /// On what.
    pub services: ServiceSet,
}

/// Rules to have, and what they do not do.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Suggestion {
    /// The rules, sorted.
    pub rules: Vec<SuggestedRule>,
    /// Whether nobody can do with fewer.
    pub is_smallest: bool,
    /// Nobody can do with fewer than these.
    pub rules_min: usize,
    /// Chosen flows that the draft allows already.
    pub allowed: Seen,
    /// Chosen flows that the rules cover.
    pub covered: Seen,
    /// Chosen flows that stay uncovered.
    pub uncovered: Vec<Uncoverable>,
    /// What the rules admit beside the chosen flows; at most [`WIDENING_LISTED_MAX`] entries.
    pub widening: Vec<Widening>,
    /// How many entries there are.
    pub widening_count: u64,
    /// A policy file that loads beside the draft's; empty if there is no rule.
    pub file: String,
}

/// So many entries of what is admitted beside the chosen flows are kept.
pub const WIDENING_LISTED_MAX: usize = 10_000;

/// Suggests rules for the chosen rows of merged summaries. All rows say what was seen and what was dropped.
pub fn suggest(
    summaries: &Summaries,
    chosen: &dyn Fn(&Key, &Tally) -> bool,
    draft: &Draft<'_>,
    bounds: &Bounds,
) -> Suggestion {
    let mut flows = Flows::new(summaries, chosen, draft, bounds);
    let mut refused: BTreeSet<(RuleEnd, RuleEnd, ServicePoint)> = BTreeSet::new();
    // Each round refuses a candidate or gives up a flow, so it ends.
    let (offer, mut rules) = loop {
        let offer = Offer::new(&flows, draft, bounds, &refused);
        let rules = offer.choose(&flows);
        let check = Check::new(summaries, draft, &flows, &rules);
        let before = refused.len();
        for (rule, service) in &check.admits_dropped {
            let SuggestedRule { source, destination, .. } = &rules[*rule];
            refused.insert((source.clone(), destination.clone(), *service));
        }
        if refused.len() > before {
            continue;
        }
        if check.failed.is_empty() || !flows.give_up(&check.failed) {
            break (offer, rules);
        }
    };
    if rules.len() <= NEEDED_CHECKED_MAX {
        without_needless(summaries, draft, &flows, &mut rules);
    }
    offer.uncovered(&mut flows);
    finish(draft, flows, &offer, rules)
}

fn finish(draft: &Draft<'_>, flows: Flows, offer: &Offer, rules: Vec<SuggestedRule>) -> Suggestion {
    let mut covered = Seen::default();
    flows.needs.iter().filter(|need| !need.is_uncovered).for_each(|need| covered.join(&need.seen));
    let (widening, widening_count) = offer.widening(&flows, &rules);
    let mut uncovered = flows.uncovered;
    let order = |one: &Uncoverable| (one.source.clone(), one.destination.clone(), one.service);
    uncovered.sort_by_key(order);
    let file = Written::new(&draft.snapshot.policy, &rules, write::Scopes::Joined).file();
    Suggestion {
        is_smallest: offer.is_exact,
        rules_min: offer.count_min.min(rules.len()),
        allowed: flows.allowed,
        covered,
        uncovered,
        widening,
        widening_count,
        file,
        rules,
    }
}

/// The snapshot with the rules in its policy, each in a ruleset of its own, and the compiled policy.
fn with_rules(
    snapshot: &Snapshot,
    rules: &[SuggestedRule],
) -> (Snapshot, CompiledPolicy, BTreeMap<Name, usize>) {
    let written = Written::new(&snapshot.policy, rules, write::Scopes::Apart);
    let mut with = snapshot.clone();
    let names = written.apply(&mut with.policy);
    let policy = compile(&with).policy;
    (with, policy, names)
}

/// What the policy does with the rules in it.
struct Check {
    /// Needs with a row that is not allowed; with how many of its rows, and why.
    failed: Vec<(usize, usize, String)>,
    /// Rules that let a dropped row in, with its service.
    admits_dropped: Vec<(usize, ServicePoint)>,
}

impl Check {
    fn new(summaries: &Summaries, draft: &Draft<'_>, flows: &Flows, rules: &[SuggestedRule]) -> Self {
        let (snapshot, policy, names) = with_rules(draft.snapshot, rules);
        let mut judge = Judge::new(&summaries.ends, &snapshot, &policy);
        let mut check = Self { failed: Vec::new(), admits_dropped: Vec::new() };
        for (number, need) in flows.needs.iter().enumerate().filter(|(_, need)| !need.is_given_up) {
            let mut why = None;
            let mut failed = 0;
            for &(source, destination) in &need.rows {
                let id = judge.judge(source, destination, need.service);
                let judged = judge.judged(id);
                if judged.worst.0 != Fate::Allowed {
                    failed += 1;
                    why = Some(judged.worst.1.to_string());
                }
            }
            check.failed.extend(why.map(|why| (number, failed, why)));
        }
        for dropped in &flows.dropped {
            let id = judge.judge(dropped.ends.0, dropped.ends.1, dropped.service);
            let judged = judge.judged(id);
            if judged.best.0 == dropped.best {
                continue;
            }
            let matching = judged.matched.iter().chain(&judged.perhaps);
            let ours = matching.filter_map(|&rule| names.get(&judge.rule(rule).ruleset));
            check.admits_dropped.extend(ours.map(|&rule| (rule, dropped.service)));
        }
        check
    }
}

/// Takes off rules without which every covered flow is allowed all the same: addresses that several share can do that.
fn without_needless(summaries: &Summaries, draft: &Draft<'_>, flows: &Flows, rules: &mut Vec<SuggestedRule>) {
    let failures = |rules: &[SuggestedRule]| {
        let failed = Check::new(summaries, draft, flows, rules).failed;
        failed.iter().map(|(_, rows, _)| rows).sum::<usize>()
    };
    let least = failures(rules);
    for at in (0..rules.len()).rev() {
        let removed = rules.remove(at);
        if failures(rules) > least {
            rules.insert(at, removed);
        }
    }
}
