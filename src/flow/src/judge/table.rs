//! What becomes of a flow between two faces, for every service at once: a table of ranges of services.
//!
//! A table depends on the stances and on the rules that match at either end, so there are few tables, however many ends.

use policy::{Action, EndDecision, RuleRef, ServicePoint, ServiceSet, essential_services};
use rustc_hash::FxHashMap;

use super::faces::Stance;
use super::ground::Ground;
use super::rules::{RuleLists, RulesId};
use super::{Fate, Judged, Why};

/// What is decided on some services, by its number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct JudgedId(pub u32);

/// Sorted by the first service of each range; the first is service 0.
type Table = Box<[(u32, JudgedId)]>;

/// A table by its number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) struct TableId(pub u32);

/// Stance and matching rules at the source, then at the destination.
type Cause = (Stance, RulesId, Stance, RulesId);

/// Every table that was met.
pub(super) struct Tables {
    tables: Vec<Table>,
    by_content: FxHashMap<Table, TableId>,
    by_cause: FxHashMap<Cause, TableId>,
    by_parts: FxHashMap<(Vec<TableId>, bool), TableId>,
    judged: Vec<Judged>,
    judged_ids: FxHashMap<Judged, JudgedId>,
    essential: ServiceSet,
}

pub(super) fn bits(service: ServicePoint) -> u32 {
    u32::from(service.protocol) << 16 | u32::from(service.detail)
}

fn point(bits: u32) -> ServicePoint {
    ServicePoint { protocol: (bits >> 16) as u8, detail: bits as u16 }
}

impl Tables {
    pub(super) fn new() -> Self {
        Self {
            tables: Vec::new(),
            by_content: FxHashMap::default(),
            by_cause: FxHashMap::default(),
            by_parts: FxHashMap::default(),
            judged: Vec::new(),
            judged_ids: FxHashMap::default(),
            essential: essential_services(),
        }
    }

    pub(super) fn judged(&self, id: JudgedId) -> &Judged {
        &self.judged[id.0 as usize]
    }

    pub(super) fn look_up(&self, table: TableId, service: ServicePoint) -> JudgedId {
        let table = &self.tables[table.0 as usize];
        let bits = bits(service);
        let (mut at, mut rest) = (0, table.len());
        // Most tables have one to eight ranges.
        while rest > 1 {
            let half = rest / 2;
            if table[at + half].0 <= bits {
                at += half;
            }
            rest -= half;
        }
        table[at].1
    }

    /// The table of two faces.
    pub(super) fn of_cause(&mut self, ground: &Ground<'_>, rules: &RuleLists, cause: Cause) -> TableId {
        if let Some(&table) = self.by_cause.get(&cause) {
            return table;
        }
        let (egress, ingress) = (rules.get(cause.1), rules.get(cause.3));
        let matching = egress.iter().chain(ingress);
        let services = matching.map(|&rule| &ground.policy.rules[rule as usize].services);
        let starts = starts(services.chain([&self.essential]));
        let mut table = Vec::with_capacity(starts.len());
        for start in starts {
            let at = point(start);
            let is_essential = self.essential.contains(at);
            let source = AtEnd::new(ground, cause.0, egress, at, is_essential);
            let destination = AtEnd::new(ground, cause.2, ingress, at, is_essential);
            table.push((start, self.keep(together(&source, &destination))));
        }
        let table = self.intern(table);
        self.by_cause.insert(cause, table);
        table
    }

    /// The table of several pairs of faces: what is worst and what is best, and whether they differ.
    pub(super) fn of_parts(&mut self, mut parts: Vec<TableId>, guessed: bool) -> TableId {
        parts.sort_unstable();
        parts.dedup();
        if let [only] = parts.as_slice() {
            return *only;
        }
        let key = (parts, guessed);
        if let Some(&table) = self.by_parts.get(&key) {
            return table;
        }
        let mut starts: Vec<u32> = vec![0];
        for part in &key.0 {
            starts.extend(self.tables[part.0 as usize].iter().map(|&(start, _)| start));
        }
        starts.sort_unstable();
        starts.dedup();
        let mut table = Vec::with_capacity(starts.len());
        for start in starts {
            let parts = key.0.iter().map(|&part| self.judged(self.look_up(part, point(start))));
            let judged = Judged::of_parts(parts, guessed);
            table.push((start, self.keep(judged)));
        }
        let table = self.intern(table);
        self.by_parts.insert(key, table);
        table
    }

    fn keep(&mut self, judged: Judged) -> JudgedId {
        let next = JudgedId(self.judged.len() as u32);
        *self.judged_ids.entry(judged).or_insert_with_key(|judged| {
            self.judged.push(judged.clone());
            next
        })
    }

    fn intern(&mut self, mut table: Vec<(u32, JudgedId)>) -> TableId {
        table.dedup_by(|next, last| next.1 == last.1);
        let next = TableId(self.tables.len() as u32);
        *self.by_content.entry(table.into()).or_insert_with_key(|table| {
            self.tables.push(table.clone());
            next
        })
    }
}

/// Where the services of any of the sets begin or end, and 0.
fn starts<'s>(sets: impl Iterator<Item = &'s ServiceSet>) -> Vec<u32> {
    let mut starts = vec![0];
    for set in sets {
        starts.extend(set.points().ranges().iter().flat_map(|&(first, last)| [first, last + 1]));
    }
    starts.sort_unstable();
    starts.dedup();
    starts
}

/// What happens at one end.
struct AtEnd {
    decision: EndDecision,
    /// What it would be in full mode, where the end only watches.
    watched: Option<EndDecision>,
    /// The rules that match, as written, in order, each once.
    allows: Vec<u32>,
    denies: Vec<u32>,
}

impl AtEnd {
    fn new(
        ground: &Ground<'_>,
        stance: Stance,
        rules: &[u32],
        service: ServicePoint,
        is_essential: bool,
    ) -> Self {
        let compiled = |&rule: &u32| &ground.policy.rules[rule as usize];
        let matching: Vec<u32> =
            rules.iter().copied().filter(|rule| compiled(rule).services.contains(service)).collect();
        let of = |wanted: fn(Action) -> bool| {
            let rules = matching.iter().filter(|rule| wanted(compiled(rule).action));
            let mut origins: Vec<u32> = rules.map(|&rule| ground.origin_of[rule as usize]).collect();
            origins.dedup();
            origins
        };
        let first =
            |action| matching.iter().map(compiled).find(|rule| rule.action == action).map(|r| &r.origin);
        let full = || decide(Stance::Full, is_essential, &first);
        let (decision, watched) = match stance {
            Stance::Open => (EndDecision::NotEnforced, None),
            Stance::Watch => (EndDecision::NotEnforced, Some(full())),
            stance => (decide(stance, is_essential, &first), None),
        };
        let allows = of(|action| action == Action::Allow);
        Self { decision, watched, allows, denies: of(|action| action != Action::Allow) }
    }

    fn would_block(&self) -> bool {
        self.watched.as_ref().is_some_and(|watched| !watched.passes())
    }
}

/// The order of `policy::decide` (E1 to E4).
fn decide<'a>(
    stance: Stance,
    is_essential: bool,
    first: &impl Fn(Action) -> Option<&'a RuleRef>,
) -> EndDecision {
    if is_essential {
        return EndDecision::Essential;
    }
    if let Some(rule) = first(Action::OverrideDeny) {
        return EndDecision::OverrideDenied(rule.clone());
    }
    if let Some(rule) = first(Action::Allow) {
        return EndDecision::Allowed(rule.clone());
    }
    match (stance, first(Action::Deny)) {
        (Stance::Selective, Some(rule)) => EndDecision::Denied(rule.clone()),
        (Stance::Selective, None) => EndDecision::DefaultAllowed,
        _ => EndDecision::DefaultDenied,
    }
}

fn together(source: &AtEnd, destination: &AtEnd) -> Judged {
    let judged = |end: &AtEnd| end.watched.clone().unwrap_or_else(|| end.decision.clone());
    let blocked = [&source.decision, &destination.decision].map(|decision| !decision.passes());
    let watched = [source.would_block(), destination.would_block()];
    let (fate, why) = if blocked.contains(&true) {
        (Fate::Blocked, Why::blocked(&source.decision, &destination.decision))
    } else if watched.contains(&true) {
        (Fate::PotentiallyBlocked, Why::blocked(&judged(source), &judged(destination)))
    } else {
        (Fate::Allowed, Why::allowed(&judged(source), &judged(destination)))
    };
    let mut matched = [&source.allows, &source.denies, &destination.allows, &destination.denies]
        .map(Vec::as_slice)
        .concat();
    matched.sort_unstable();
    matched.dedup();
    let mut alone: Vec<u32> = [&source.allows, &destination.allows]
        .into_iter()
        .filter(|allows| allows.len() == 1)
        .flat_map(|allows| allows.iter().copied())
        .collect();
    alone.sort_unstable();
    alone.dedup();
    Judged { worst: (fate, why.clone()), best: (fate, why), matched, perhaps: Vec::new(), alone }
}
