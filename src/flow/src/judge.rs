//! What a policy does with summarised flows: ends that are labels or blocks, not interfaces.
//!
//! ```text
//! End ─faces─▶ who that can be ─pairs─▶ table of services ─▶ Judged
//! ```
//!
//! It decides as `policy::decide` does, for every pair of interfaces that the two ends can be, at once: ends become
//! *groups* (ends that no rule tells apart), a pair of groups becomes a table of ranges of services, and a row is then two
//! looks into tables. Where the pairs differ, [`Judged`] has the worst and the best of them.
//!
//! Cost: interfaces of the ends + pairs of groups that occur × rules of an end + rows.

use std::fmt;

use policy::{EndDecision, NetworkId, RuleRef, ServicePoint, Snapshot};
use rustc_hash::FxHashMap;

use crate::summary::{End, EndId, Ends};

mod faces;
mod ground;
mod line;
mod rules;
mod table;

use faces::{Faces, Mirror, Viewer};
use ground::{Ground, RuleSide};
use line::PartId;
use rules::RuleLists;
pub use table::JudgedId;
use table::{TableId, Tables};

/// What a policy does with a flow (`pce-api.md` 8.4).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Fate {
    /// Every enforcing end lets it pass.
    Allowed,
    /// It passes, because an end only watches; in full mode it would be blocked.
    PotentiallyBlocked,
    /// An enforcing end blocks it.
    Blocked,
    /// Nobody can tell: the workloads are gone, and what their labels do not say would decide.
    Unknown,
}

/// Where a rule is missing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Lacking {
    /// At the source: nothing lets it out.
    Source,
    /// At the destination: nothing lets it in.
    Destination,
    /// At both.
    Both,
}

/// The rule to blame, or to thank.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Why {
    /// No rule allows it, and full mode drops.
    NoRule(Lacking),
    /// A deny, and no rule that allows it.
    Deny(RuleRef),
    /// An override deny.
    OverrideDeny(RuleRef),
    /// A rule allows it.
    Allow(RuleRef),
    /// Networks break without it, so nothing blocks it.
    Essential,
    /// Selective mode, and no deny.
    NoDeny,
    /// Neither end is enforced.
    NotEnforced,
    /// The snapshot has nobody who could be the ends.
    Nobody,
}

impl Why {
    fn blocked(source: &EndDecision, destination: &EndDecision) -> Self {
        for end in [source, destination] {
            if let EndDecision::OverrideDenied(rule) = end {
                return Self::OverrideDeny(rule.clone());
            }
        }
        for end in [source, destination] {
            if let EndDecision::Denied(rule) = end {
                return Self::Deny(rule.clone());
            }
        }
        match [source, destination].map(EndDecision::passes) {
            [false, true] => Self::NoRule(Lacking::Source),
            [true, false] => Self::NoRule(Lacking::Destination),
            _ => Self::NoRule(Lacking::Both),
        }
    }

    /// What lets it in, else what lets it out.
    fn allowed(source: &EndDecision, destination: &EndDecision) -> Self {
        for end in [destination, source] {
            match end {
                EndDecision::Allowed(rule) => return Self::Allow(rule.clone()),
                EndDecision::Essential => return Self::Essential,
                _ => {}
            }
        }
        let no_deny = [source, destination].contains(&&EndDecision::DefaultAllowed);
        if no_deny { Self::NoDeny } else { Self::NotEnforced }
    }

    /// The rule, if it is one.
    pub fn rule(&self) -> Option<&RuleRef> {
        match self {
            Self::Deny(rule) | Self::OverrideDeny(rule) | Self::Allow(rule) => Some(rule),
            _ => None,
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRule(Lacking::Source) => f.write_str("no rule lets it out"),
            Self::NoRule(Lacking::Destination) => f.write_str("no rule lets it in"),
            Self::NoRule(Lacking::Both) => f.write_str("no rule allows it"),
            Self::Deny(rule) => write!(f, "deny {rule}"),
            Self::OverrideDeny(rule) => write!(f, "override deny {rule}"),
            Self::Allow(rule) => write!(f, "allowed by {rule}"),
            Self::Essential => f.write_str("networks break without it"),
            Self::NoDeny => f.write_str("selective mode, and no deny"),
            Self::NotEnforced => f.write_str("neither end is enforced"),
            Self::Nobody => f.write_str("nobody could be its ends"),
        }
    }
}

/// What is decided on flows between two ends.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Judged {
    /// For the pair of interfaces that fares worst; unknown if it is guessed and pairs differ.
    pub worst: (Fate, Why),
    /// For the pair that fares best.
    pub best: (Fate, Why),
    /// The written rules that match whichever pair it is, by number ([`Judge::rule`]), sorted. At a workload that is not
    /// enforced they count too: they would, if it were.
    pub matched: Vec<u32>,
    /// Those that match some pairs only.
    pub perhaps: Vec<u32>,
    /// Allow rules without which some end of some pair would have none.
    pub alone: Vec<u32>,
}

impl Judged {
    /// Whether the policy treats the interfaces that the ends can be differently.
    pub fn is_partly(&self) -> bool {
        self.worst != self.best
    }

    /// Of several pairs.
    fn of_parts<'j>(parts: impl Iterator<Item = &'j Judged> + Clone, guessed: bool) -> Self {
        let mut judged = match parts.clone().next() {
            Some(first) => first.clone(),
            None => {
                let nobody = (Fate::Unknown, Why::Nobody);
                let none = Vec::new;
                return Self {
                    worst: nobody.clone(),
                    best: nobody,
                    matched: none(),
                    perhaps: none(),
                    alone: none(),
                };
            }
        };
        let mut any: Vec<u32> = Vec::new();
        for part in parts {
            judged.worst = judged.worst.max(part.worst.clone());
            judged.best = judged.best.min(part.best.clone());
            judged.matched.retain(|rule| part.matched.contains(rule));
            any.extend(part.matched.iter().chain(&part.perhaps));
            judged.alone.extend(&part.alone);
        }
        for list in [&mut any, &mut judged.alone] {
            list.sort_unstable();
            list.dedup();
        }
        any.retain(|rule| !judged.matched.contains(rule));
        judged.perhaps = any;
        if guessed && judged.worst.0 != judged.best.0 {
            (judged.worst.0, judged.best.0) = (Fate::Unknown, Fate::Unknown);
        }
        judged
    }
}

/// Ends that no rule tells apart, by number.
type Group = u32;
const UNSET: u32 = u32::MAX;

/// Judges rows of one table of ends by one policy. Keeps what it found: ask one of these, not many.
pub struct Judge<'a> {
    ends: &'a Ends,
    ground: Ground<'a>,
    rules: RuleLists,
    mirror: Mirror,
    tables: Tables,
    /// The place of each end's network in `viewers`.
    network_of: Vec<u32>,
    viewers: Vec<Viewer<'a>>,
    sources: Groups,
    destinations: Groups,
    /// Of addresses that nobody holds, by their part of the line and family.
    outside: FxHashMap<(PartId, bool, RuleSide), Group>,
    pairs: Pairs,
    last: (EndId, EndId, TableId),
    scratch: Vec<u32>,
}

impl<'a> Judge<'a> {
    /// Indexes a snapshot and the policy that was compiled from it.
    pub fn new(ends: &'a Ends, snapshot: &'a Snapshot, policy: &'a policy::CompiledPolicy) -> Self {
        let mut known: FxHashMap<Option<&NetworkId>, u32> = FxHashMap::default();
        let mut viewers = vec![Viewer::Outside];
        let network_of = ends.iter().map(|(_, end)| match end {
            End::Address(_) => 0,
            End::Workload { network, .. } => *known.entry(network.as_ref()).or_insert_with(|| {
                viewers.push(Viewer::Inside(network.as_ref()));
                viewers.len() as u32 - 1
            }),
        });
        let network_of: Vec<u32> = network_of.collect();
        let (sources, destinations) = (Groups::new(viewers.len()), Groups::new(viewers.len()));
        Self {
            ends,
            ground: Ground::new(snapshot, policy),
            rules: RuleLists::new(),
            mirror: Mirror::new(),
            tables: Tables::new(),
            network_of,
            viewers,
            sources,
            destinations,
            outside: FxHashMap::default(),
            pairs: Pairs::default(),
            last: (EndId(UNSET), EndId(UNSET), TableId(0)),
            scratch: Vec::new(),
        }
    }

    /// What becomes of flows from one end to another on a service.
    #[inline]
    pub fn judge(&mut self, source: EndId, destination: EndId, service: ServicePoint) -> JudgedId {
        let table = if (self.last.0, self.last.1) == (source, destination) {
            self.last.2
        } else {
            self.table(source, destination)
        };
        self.tables.look_up(table, service)
    }

    /// What was decided.
    pub fn judged(&self, id: JudgedId) -> &Judged {
        self.tables.judged(id)
    }

    /// A rule by the number that [`Judged`] has it by.
    pub fn rule(&self, number: u32) -> &'a RuleRef {
        self.ground.origins[number as usize]
    }

    #[inline]
    fn table(&mut self, source: EndId, destination: EndId) -> TableId {
        let viewer_of = |end: EndId| self.network_of[end.0 as usize];
        let (of_source, of_destination) = (viewer_of(source), viewer_of(destination));
        let source_group = self.group(source, of_destination, RuleSide::Source);
        let destination_group = self.group(destination, of_source, RuleSide::Destination);
        let table = match self.pairs.get(source_group, destination_group) {
            Some(table) => table,
            None => {
                let table = self.table_of_groups(source_group, destination_group);
                self.pairs.put(source_group, destination_group, table);
                table
            }
        };
        self.last = (source, destination, table);
        table
    }

    #[inline]
    fn group(&mut self, end: EndId, viewer: u32, side: RuleSide) -> Group {
        let groups = if side == RuleSide::Source { &self.sources } else { &self.destinations };
        match groups.by_viewer[viewer as usize].get(end.0 as usize) {
            Some(&known) if known != UNSET => known,
            _ => self.find_group(end, viewer, side),
        }
    }

    #[cold]
    fn find_group(&mut self, end: EndId, viewer: u32, side: RuleSide) -> Group {
        let group =
            self.outside_group(end, viewer, side).unwrap_or_else(|| self.new_group(end, viewer, side));
        let groups = if side == RuleSide::Source { &mut self.sources } else { &mut self.destinations };
        let of_viewer = &mut groups.by_viewer[viewer as usize];
        if of_viewer.is_empty() {
            of_viewer.resize(self.ends.len(), UNSET);
        }
        of_viewer[end.0 as usize] = group;
        group
    }

    fn new_group(&mut self, end: EndId, viewer: u32, side: RuleSide) -> Group {
        let from = self.viewers[viewer as usize];
        let faces = self.mirror.faces(&self.ground, &mut self.rules, self.ends.get(end), from, side);
        let groups = if side == RuleSide::Source { &mut self.sources } else { &mut self.destinations };
        groups.intern(faces)
    }

    /// The group of an address that nobody holds, without looking twice at addresses that the same lists hold: there may
    /// be millions, and they look alike from everywhere but outside.
    fn outside_group(&mut self, end: EndId, viewer: u32, side: RuleSide) -> Option<Group> {
        let End::Address(block) = self.ends.get(end) else { return None };
        let is_one = block.prefix_len() == block.max_prefix_len();
        if !is_one || viewer == 0 || !self.ground.is_nobody(block.addr()) {
            return None;
        }
        let key = (self.ground.line.part(block.addr()), block.addr().is_ipv6(), side);
        if let Some(&group) = self.outside.get(&key) {
            return Some(group);
        }
        let group = self.new_group(end, viewer, side);
        self.outside.insert(key, group);
        Some(group)
    }

    #[cold]
    fn table_of_groups(&mut self, source: Group, destination: Group) -> TableId {
        let sources = &self.sources.faces[source as usize];
        let destinations = &self.destinations.faces[destination as usize];
        let mut parts = Vec::new();
        for from in &sources.list {
            for to in destinations.list.iter().filter(|to| to.is_v6 == from.is_v6) {
                let egress = self.rules.intersection(from.own, to.seen, &mut self.scratch);
                let ingress = self.rules.intersection(to.own, from.seen, &mut self.scratch);
                let cause = (from.stance, egress, to.stance, ingress);
                parts.push(self.tables.of_cause(&self.ground, &self.rules, cause));
            }
        }
        self.tables.of_parts(parts, sources.guessed || destinations.guessed)
    }
}

/// The groups of one side.
struct Groups {
    /// For each viewer the group of each end; empty until it is asked for.
    by_viewer: Vec<Vec<Group>>,
    faces: Vec<Faces>,
    ids: FxHashMap<Faces, Group>,
}

impl Groups {
    fn new(viewers: usize) -> Self {
        Self { by_viewer: vec![Vec::new(); viewers], faces: Vec::new(), ids: FxHashMap::default() }
    }

    fn intern(&mut self, faces: Faces) -> Group {
        let next = self.faces.len() as Group;
        *self.ids.entry(faces).or_insert_with_key(|faces| {
            self.faces.push(faces.clone());
            next
        })
    }
}

/// Pairs of groups in a square table as long as it is small, in a hash table beyond.
const SQUARE_MAX: usize = 1 << 24;

/// The table of each pair of groups that was met.
#[derive(Default)]
struct Pairs {
    rows: Vec<Vec<u32>>,
    cells: usize,
    others: FxHashMap<(Group, Group), TableId>,
}

impl Pairs {
    fn get(&self, source: Group, destination: Group) -> Option<TableId> {
        let row = self.rows.get(source as usize);
        match row.and_then(|row| row.get(destination as usize)) {
            Some(&UNSET) => None,
            Some(&table) => Some(TableId(table)),
            None => self.others.get(&(source, destination)).copied(),
        }
    }

    fn put(&mut self, source: Group, destination: Group, table: TableId) {
        let (at, column) = (source as usize, destination as usize);
        if self.rows.len() <= at {
            self.rows.resize_with(at + 1, Vec::new);
        }
        let row = &mut self.rows[at];
        if row.len() <= column {
            let wanted = (column + 1).next_power_of_two();
            if self.cells + wanted - row.len() > SQUARE_MAX {
                self.others.insert((source, destination), table);
                return;
            }
            self.cells += wanted - row.len();
            row.resize(wanted, UNSET);
            // What went to the hash table while there was no room stays right: it holds the same.
        }
        row[column] = table.0;
    }
}
