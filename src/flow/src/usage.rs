//! Rule use: which rules carried seen flows, which never did, and which are wider than what was used.
//!
//! A rule carries a flow that it matches at a workload, on its side, and that passed; whether the workload is enforced
//! does not matter, so that a policy can be trimmed before it is enforced. Several rules may carry one flow. A deny stops a
//! flow that it matches and that was dropped.
//!
//! What a rule *could* carry is counted by label sets of workloads that exist: every pair of a label set that its sources select
//! and one that its destinations select, in one scope instance. Addresses of a list are one end, whatever their number.

use std::collections::{BTreeMap, BTreeSet};

use policy::compiled::Side;
use policy::selector::Term;
use policy::{Action, CompiledPolicy, CompiledRule, LabelKey, RuleRef, Selector, ServicePoint, ServiceSet};
use rustc_hash::FxHashMap;

use crate::judge::{Judge, JudgedId};
use crate::record::Outcome;
use crate::replay::{Draft, Seen, Uncovered, Who};
use crate::summary::Summaries;

mod text;

/// A rule with more possible pairs is only counted: which of them were not used is not told.
pub const PAIRS_MAX: usize = 100_000;

/// One end of what a rule can carry.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Party {
    /// Workloads with these labels.
    Labels(policy::LabelSet),
    /// Addresses: those of the rule's lists.
    Addresses,
}

/// The use of one rule.
#[derive(Clone, PartialEq, Debug)]
pub struct RuleUse {
    /// The rule.
    pub rule: RuleRef,
    /// What it does.
    pub action: Action,
    /// Its ends in words, one for each scope instance: selectors and whether there are lists.
    pub reach: Vec<(String, String)>,
    /// What it carried, or stopped if it is a deny.
    pub seen: Seen,
    /// What it may have carried: some workloads of these labels (or addresses of the block) are in it, others not.
    pub perhaps: Seen,
    /// Connections that no other allow rule matches at one of the ends.
    pub alone: u64,
    /// What it is for.
    pub services: ServiceSet,
    /// Services of it that no flow used, nor may have.
    pub unused: ServiceSet,
    /// How many pairs it can carry, and how many of them it carried or may have.
    pub pairs: (u64, u64),
    /// Pairs that it never carried; empty if there are more than [`PAIRS_MAX`] possible ones.
    pub unused_pairs: Vec<(Party, Party)>,
}

impl RuleUse {
    /// Whether it carried nothing, nor may have.
    pub fn is_unused(&self) -> bool {
        self.seen.rows == 0 && self.perhaps.rows == 0
    }

    /// Whether it is used, but for less than it is for.
    pub fn is_wide(&self) -> bool {
        !self.is_unused() && (!self.unused.is_empty() || self.pairs.1 < self.pairs.0)
    }
}

/// The use of every enabled rule, in the order of writing.
#[derive(Clone, PartialEq, Debug)]
pub struct Usage {
    /// The rules.
    pub rules: Vec<RuleUse>,
    /// What the window has no records of: what is unused here may have been used there.
    pub uncovered: Uncovered,
}

/// Finds the use of the draft's rules in merged summaries.
pub fn usage(summaries: &Summaries, draft: &Draft<'_>, uncovered: Uncovered) -> Usage {
    let mut judge = Judge::new(&summaries.ends, draft.snapshot, draft.policy);
    let mut rows: FxHashMap<(u32, u32, ServicePoint, JudgedId, bool), Seen> = FxHashMap::default();
    for (key, tally) in &summaries.rows {
        let id = judge.judge(key.source, key.destination, key.service);
        let dropped = key.outcome == Outcome::Rejected;
        rows.entry((key.source.0, key.destination.0, key.service, id, dropped)).or_default().add(key, tally);
    }
    let parties: Vec<Party> = summaries.ends.iter().map(|(_, end)| Party::from(&Who::from(end))).collect();
    let mut hits: Vec<Hits<'_>> = Vec::new();
    let rules = draft.policy.rules.chunk_by(|a, b| a.origin == b.origin);
    let rules: Vec<&[CompiledRule]> = rules.collect();
    hits.resize_with(rules.len(), Hits::default);
    for ((source, destination, service, id, dropped), seen) in rows {
        let judged = judge.judged(id);
        let pair = (&parties[source as usize], &parties[destination as usize]);
        for (list, surely) in [(&judged.matched, true), (&judged.perhaps, false)] {
            for &rule in list {
                let is_allow = rules[rule as usize][0].action == Action::Allow;
                if is_allow != dropped {
                    let alone = judged.alone.contains(&rule);
                    hits[rule as usize].add(pair, service, &seen, surely, alone);
                }
            }
        }
    }
    let rules = rules.iter().zip(&hits).map(|(rule, hits)| hits.rule_use(draft, rule));
    Usage { rules: rules.collect(), uncovered }
}

impl From<&Who> for Party {
    fn from(who: &Who) -> Self {
        match who {
            Who::Labels(labels) => Self::Labels(labels.clone()),
            Who::Address(_) => Self::Addresses,
        }
    }
}

/// What hit one rule.
#[derive(Default)]
struct Hits<'p> {
    seen: Seen,
    perhaps: Seen,
    alone: u64,
    services: BTreeSet<ServicePoint>,
    pairs: BTreeSet<(&'p Party, &'p Party)>,
}

impl<'p> Hits<'p> {
    fn add(
        &mut self,
        pair: (&'p Party, &'p Party),
        service: ServicePoint,
        seen: &Seen,
        surely: bool,
        alone: bool,
    ) {
        if surely {
            self.seen.join(seen)
        } else {
            self.perhaps.join(seen)
        };
        if alone {
            self.alone = self.alone.saturating_add(seen.connections);
        }
        self.services.insert(service);
        self.pairs.insert(pair);
    }

    fn rule_use(&self, draft: &Draft<'_>, instances: &[CompiledRule]) -> RuleUse {
        let first = &instances[0];
        let used: ServiceSet = self.services.iter().map(|&point| ServiceSet::point(point)).collect();
        let reach = instances.iter().map(|rule| {
            (side_text(draft.policy, &rule.sources), side_text(draft.policy, &rule.destinations))
        });
        let reach = reach.collect();
        let (pairs, unused_pairs) = self.pairs(draft, instances);
        RuleUse {
            rule: first.origin.clone(),
            action: first.action,
            reach,
            seen: self.seen,
            perhaps: self.perhaps,
            alone: self.alone,
            services: first.services.clone(),
            unused: first.services.difference(&used),
            pairs,
            unused_pairs,
        }
    }

    fn pairs(&self, draft: &Draft<'_>, instances: &[CompiledRule]) -> ((u64, u64), Vec<(Party, Party)>) {
        let sides: Vec<(BTreeSet<Party>, BTreeSet<Party>)> = instances
            .iter()
            .map(|rule| (parties(draft, &rule.sources), parties(draft, &rule.destinations)))
            .collect();
        let count = |(from, to): &(BTreeSet<Party>, BTreeSet<Party>)| from.len() as u64 * to.len() as u64;
        let most: u64 = sides.iter().map(count).sum();
        let is_possible = |pair: &&(&Party, &Party)| {
            sides.iter().any(|(from, to)| from.contains(pair.0) && to.contains(pair.1))
        };
        let used = self.pairs.iter().filter(is_possible).count() as u64;
        if most > PAIRS_MAX as u64 {
            return ((most, used), Vec::new());
        }
        let mut possible: BTreeMap<(&Party, &Party), ()> = BTreeMap::new();
        for (from, to) in &sides {
            possible.extend(from.iter().flat_map(|from| to.iter().map(move |to| ((from, to), ()))));
        }
        let all = possible.len() as u64;
        let unused = possible.into_keys().filter(|pair| !self.pairs.contains(pair));
        let unused = unused.map(|(from, to)| (from.clone(), to.clone())).collect();
        ((all, used), unused)
    }
}

/// The label sets that exist and that a side selects, and whether it has addresses.
fn parties(draft: &Draft<'_>, side: &Side) -> BTreeSet<Party> {
    let classes = draft.policy.classes_of(side).into_iter();
    let members = classes.flat_map(|class| draft.policy.class(class).members.iter());
    let labels = members.map(|&member| &draft.snapshot.workloads[member as usize].labels);
    let labels: BTreeSet<&policy::LabelSet> = labels.collect();
    let addresses = (!side.addresses.is_empty()).then_some(Party::Addresses);
    labels.into_iter().map(|labels| Party::Labels(labels.clone())).chain(addresses).collect()
}

/// `role=web app=shop or role=lb app=shop or addresses`.
fn side_text(policy: &CompiledPolicy, side: &Side) -> String {
    let selectors = side.selectors.iter().map(|id| selector_text(&policy.selectors[id.0 as usize].selector));
    let addresses = (!side.addresses.is_empty()).then(|| "addresses of a list".to_owned());
    selectors.chain(addresses).collect::<Vec<_>>().join(" or ")
}

/// The terms in the order in which people read them: role, app, env, loc, others by key.
fn selector_text(selector: &Selector) -> String {
    let Selector::Labels(terms) = selector else { return selector.to_string() };
    let place = |key: &str| ["role", "app", "env", "loc"].iter().position(|known| *known == key).unwrap_or(4);
    let mut terms: Vec<_> = terms.iter().collect();
    terms.sort_by_key(|(key, _)| place(key.as_str()));
    let one = |(key, term): (&LabelKey, &Term)| {
        Selector::Labels([(key.clone(), term.clone())].into_iter().collect()).to_string()
    };
    let texts: Vec<String> = terms.into_iter().map(one).collect();
    if texts.is_empty() { selector.to_string() } else { texts.join(" ") }
}
