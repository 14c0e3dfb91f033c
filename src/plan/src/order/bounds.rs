//! The two bounds of DESIGN 7.1, checked for the pairs that a step touches.

use std::collections::BTreeSet;

use policy::{AddressSet, ServiceSet};
use rustc_hash::FxHashMap;

use super::model::{Model, Moment, PeerFact, Status, View};
use crate::scope::Direction;
use crate::state::Peer;
use crate::step::{StepAction, StepKind};

/// What a step can affect: flows between cells, and one end against the outside.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) enum Pair {
    /// From one cell to another.
    Inside(usize, usize),
    /// One cell and everything outside, in one direction.
    Outside(usize, Direction),
}

/// Which bound.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Bound {
    /// Nothing that neither old nor new allows.
    Upper,
    /// Everything that both allow.
    Lower,
}

impl Bound {
    /// The bound that a step of this kind can break.
    pub(super) fn of(kind: StepKind) -> Self {
        match kind {
            StepKind::Make => Self::Upper,
            StepKind::Break => Self::Lower,
        }
    }

    /// The view in which it would be broken.
    fn view(self) -> View {
        match self {
            Self::Upper => View::Upper,
            Self::Lower => View::Lower,
        }
    }
}

/// Services that a bound does not hold for; at the outside with the addresses.
pub(super) type Violation = Vec<(AddressSet, ServiceSet)>;

/// Violations that were accepted, are named and not over yet.
pub(super) type Named = FxHashMap<(Pair, Bound), Violation>;

impl Model {
    /// The pairs whose flows the step can change.
    pub(super) fn touched(&self, action: &StepAction) -> BTreeSet<Pair> {
        let mut pairs = BTreeSet::new();
        match action {
            StepAction::AddRules { group, direction, rules }
            | StepAction::RemoveRules { group, direction, rules } => {
                let group = self.index[group];
                let facts = self.groups[group as usize].rules(*direction);
                for fact in facts.iter().filter(|fact| rules.contains(&fact.spec)) {
                    self.touch_rule(group, *direction, &fact.peer, &mut pairs);
                }
            }
            StepAction::Attach { interface, add: groups }
            | StepAction::Detach { interface, remove: groups } => {
                let cell = self.cell_of[interface];
                for group in groups {
                    self.touch_membership(cell, self.index[group], &mut pairs);
                }
            }
            StepAction::CreateGroup { group, open_egress: true, .. } => {
                let group = self.index[group];
                for fact in crate::state::allow_everything() {
                    if let Peer::Cidr(block) = fact.peer {
                        self.touch_rule(group, Direction::Egress, &PeerFact::Block(block), &mut pairs);
                    }
                }
            }
            StepAction::CreateGroup { .. } | StepAction::Mark { .. } | StepAction::DeleteGroup { .. } => {}
        }
        pairs
    }

    fn touch_rule(&self, group: u32, direction: Direction, peer: &PeerFact, pairs: &mut BTreeSet<Pair>) {
        for &own in &self.members[group as usize] {
            for peer in self.peers_of(own, direction, peer) {
                self.touch_pair(own, direction, peer, pairs);
            }
            if !matches!(peer, PeerFact::Group(_)) {
                pairs.insert(Pair::Outside(own, direction));
            }
        }
    }

    fn touch_membership(&self, cell: usize, group: u32, pairs: &mut BTreeSet<Pair>) {
        for direction in [Direction::Ingress, Direction::Egress] {
            for rule in self.groups[group as usize].rules(direction) {
                for peer in self.peers_of(cell, direction, &rule.peer) {
                    self.touch_pair(cell, direction, peer, pairs);
                }
                if !matches!(rule.peer, PeerFact::Group(_)) {
                    pairs.insert(Pair::Outside(cell, direction));
                }
            }
        }
        for &(naming, direction) in &self.named_in[group as usize] {
            for &own in &self.members[naming as usize] {
                self.touch_pair(own, direction, cell, pairs);
            }
        }
    }

    fn touch_pair(&self, own: usize, direction: Direction, peer: usize, pairs: &mut BTreeSet<Pair>) {
        if own == peer && self.cells[own].members.len() < 2 {
            return;
        }
        pairs.insert(match direction {
            Direction::Ingress => Pair::Inside(peer, own),
            Direction::Egress => Pair::Inside(own, peer),
        });
    }

    /// What violates a bound at a pair; empty if nothing does.
    pub(super) fn violation(&self, pair: &Pair, bound: Bound, status: &[Status]) -> Violation {
        let mut all = Violation::new();
        for &unread in &self.readings {
            let at = |view| Moment { view, status, unread };
            match pair {
                Pair::Inside(source, destination) => {
                    let beyond = self.inside_violation((*source, *destination), bound, at);
                    if !beyond.is_empty() {
                        all.push((AddressSet::empty(), beyond));
                    }
                }
                Pair::Outside(own, direction) => {
                    all.extend(self.outside_violation(*own, *direction, bound, at));
                }
            }
        }
        all
    }

    fn inside_violation<'a>(
        &self,
        flow: (usize, usize),
        bound: Bound,
        at: impl Fn(View) -> Moment<'a>,
    ) -> ServiceSet {
        let mut beyond = ServiceSet::empty();
        for addresses in self.address_pairs(flow) {
            let admits = |view| self.admits(flow, addresses, at(view));
            let excess = match bound {
                Bound::Upper => {
                    let now = admits(View::Upper);
                    if now.is_empty() {
                        continue;
                    }
                    now.difference(&admits(View::Old)).difference(&admits(View::New))
                }
                Bound::Lower => {
                    let old = admits(View::Old);
                    if old.is_empty() {
                        continue;
                    }
                    old.intersection(&admits(View::New)).difference(&admits(View::Lower))
                }
            };
            beyond = beyond.union(&excess);
        }
        beyond
    }

    fn outside_violation<'a>(
        &self,
        own: usize,
        direction: Direction,
        bound: Bound,
        at: impl Fn(View) -> Moment<'a>,
    ) -> Violation {
        let rules = |view| self.outside_rules(own, direction, at(view));
        let (old, new, now) = (rules(View::Old), rules(View::New), rules(bound.view()));
        let suspects: Vec<_> = match bound {
            Bound::Upper => now.iter().filter(|rule| !old.contains(rule) && !new.contains(rule)).collect(),
            Bound::Lower => old.iter().filter(|rule| !now.contains(rule)).collect(),
        };
        let mut violations = Violation::new();
        for suspect @ (region, services) in suspects {
            let (old, new, now) = (near(&old, suspect), near(&new, suspect), near(&now, suspect));
            let cuts = old.iter().chain(&new).chain(&now).map(|(cut, _)| cut);
            for piece in pieces(region, cuts) {
                let covered = |rules: &[&OutsideRule<'_>]| -> ServiceSet {
                    let covering = rules.iter().filter(|(cut, _)| piece.is_subset(cut));
                    covering.fold(ServiceSet::empty(), |sum, (_, services)| sum.union(services))
                };
                let excess = match bound {
                    Bound::Upper => services.difference(&covered(&old)).difference(&covered(&new)),
                    Bound::Lower => services.intersection(&covered(&new)).difference(&covered(&now)),
                };
                // Addresses of interfaces are looked at pair by pair, with their groups.
                let outside = if excess.is_empty() { piece } else { piece.difference(&self.held) };
                if !excess.is_empty() && !outside.is_empty() {
                    violations.push((outside, excess));
                }
            }
        }
        violations
    }

    /// Whether a pair keeps the bound, named violations aside.
    pub(super) fn keeps_at(&self, pair: &Pair, bound: Bound, status: &[Status], named: &Named) -> bool {
        let violation = self.violation(pair, bound, status);
        if violation.is_empty() {
            return true;
        }
        let known = if named.is_empty() { None } else { named.get(&(pair.clone(), bound)) };
        known.is_some_and(|known| violation.iter().all(|part| is_named(part, known)))
    }

    /// Whether every pair keeps the bound, named violations aside.
    pub(super) fn keeps(
        &self,
        pairs: &BTreeSet<Pair>,
        bound: Bound,
        status: &[Status],
        named: &Named,
    ) -> bool {
        pairs.iter().all(|pair| self.keeps_at(pair, bound, status, named))
    }
}

fn is_named((addresses, services): &(AddressSet, ServiceSet), known: &Violation) -> bool {
    let covering = known.iter().filter(|(named, _)| addresses.is_subset(named));
    services.is_subset(&covering.fold(ServiceSet::empty(), |sum, (_, services)| sum.union(services)))
}

/// Addresses that may be talked to on some services.
type OutsideRule<'a> = (AddressSet, &'a ServiceSet);

/// The rules that share an address and a service with one of them: no other says anything about what it says. What a
/// cloud opens by itself is hundreds of protocols, and each is near itself.
fn near<'r, 'a>(rules: &'r [OutsideRule<'a>], suspect: &OutsideRule<'_>) -> Vec<&'r OutsideRule<'a>> {
    let is_near = |rule: &&OutsideRule<'_>| rule.1.intersects(suspect.1) && rule.0.intersects(&suspect.0);
    rules.iter().filter(is_near).collect()
}

/// A region cut along other sets, so that each piece is inside or outside each of them.
fn pieces<'a>(region: &AddressSet, cuts: impl Iterator<Item = &'a AddressSet>) -> Vec<AddressSet> {
    let mut pieces = vec![region.clone()];
    for cut in cuts {
        pieces = pieces
            .into_iter()
            .flat_map(|piece| [piece.intersection(cut), piece.difference(cut)])
            .filter(|piece| !piece.is_empty())
            .collect();
    }
    pieces
}
