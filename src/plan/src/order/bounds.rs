//! The two bounds of DESIGN 7.1, checked for the pairs that a step touches.

use std::collections::{BTreeSet, HashMap};

use policy::{AddressSet, ServiceSet};

use super::model::{Model, PeerFact, Status, View};
use crate::scope::Direction;
use crate::state::Peer;
use crate::step::StepAction;

/// What a step can affect: flows between cells, and one end against the outside.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) enum Pair {
    /// From one cell to another.
    Inside(usize, usize),
    /// One cell and everything outside, in one direction.
    Outside(usize, Direction),
}

/// Which bound.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Bound {
    /// Nothing that neither old nor new allows.
    Upper,
    /// Everything that both allow.
    Lower,
}

/// Violations that were accepted and named: services by pair; for the outside the whole end.
pub(super) type Named = HashMap<Pair, ServiceSet>;

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
        let peers = self.peers_of(peer);
        for &own in &self.members[group as usize] {
            for &peer in &peers {
                self.touch_pair(own, direction, peer, pairs);
            }
            if matches!(peer, PeerFact::Block(_)) {
                pairs.insert(Pair::Outside(own, direction));
            }
        }
    }

    fn touch_membership(&self, cell: usize, group: u32, pairs: &mut BTreeSet<Pair>) {
        for direction in [Direction::Ingress, Direction::Egress] {
            for rule in self.groups[group as usize].rules(direction) {
                for peer in self.peers_of(&rule.peer) {
                    self.touch_pair(cell, direction, peer, pairs);
                }
                if matches!(rule.peer, PeerFact::Block(_)) {
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

    /// What violates a bound at a pair; empty if nothing does. For the outside, also which addresses.
    pub(super) fn violation(
        &self,
        pair: &Pair,
        bound: Bound,
        status: &[Status],
    ) -> Vec<(AddressSet, ServiceSet)> {
        match pair {
            Pair::Inside(source, destination) => {
                let beyond = self.inside_violation((*source, *destination), bound, status);
                if beyond.is_empty() { Vec::new() } else { vec![(AddressSet::empty(), beyond)] }
            }
            Pair::Outside(own, direction) => self.outside_violation(*own, *direction, bound, status),
        }
    }

    fn inside_violation(&self, flow: (usize, usize), bound: Bound, status: &[Status]) -> ServiceSet {
        let mut beyond = ServiceSet::empty();
        for addresses in self.address_pairs(flow) {
            let admits = |view| self.admits(flow, addresses, view, status);
            let excess = match bound {
                Bound::Upper => {
                    let now = admits(View::Upper);
                    if now.is_empty() {
                        now
                    } else {
                        now.difference(&admits(View::Old)).difference(&admits(View::New))
                    }
                }
                Bound::Lower => {
                    let old = admits(View::Old);
                    if old.is_empty() {
                        old
                    } else {
                        old.intersection(&admits(View::New)).difference(&admits(View::Lower))
                    }
                }
            };
            beyond = beyond.union(&excess);
        }
        beyond
    }

    fn outside_violation(
        &self,
        own: usize,
        direction: Direction,
        bound: Bound,
        status: &[Status],
    ) -> Vec<(AddressSet, ServiceSet)> {
        let rules = |view| self.outside_rules(own, direction, view, status);
        let (old, new) = (rules(View::Old), rules(View::New));
        let now = rules(if bound == Bound::Upper { View::Upper } else { View::Lower });
        let mut violations = Vec::new();
        let suspects = match bound {
            Bound::Upper => {
                now.iter().filter(|rule| !old.contains(rule) && !new.contains(rule)).collect::<Vec<_>>()
            }
            Bound::Lower => old.iter().filter(|rule| !now.contains(rule)).collect(),
        };
        for (region, services) in suspects {
            let cuts = old.iter().chain(&new).chain(&now).map(|(cut, _)| cut);
            for piece in pieces(region, cuts) {
                let at = |rules: &[(AddressSet, &ServiceSet)]| -> ServiceSet {
                    let covering = rules.iter().filter(|(cut, _)| piece.is_subset(cut));
                    covering.fold(ServiceSet::empty(), |sum, (_, services)| sum.union(services))
                };
                let excess = match bound {
                    Bound::Upper => services.difference(&at(&old)).difference(&at(&new)),
                    Bound::Lower => services.intersection(&at(&new)).difference(&at(&now)),
                };
                if !excess.is_empty() {
                    violations.push((piece, excess));
                }
            }
        }
        violations
    }

    /// Whether every pair keeps the bound, named violations aside.
    pub(super) fn keeps(
        &self,
        pairs: &BTreeSet<Pair>,
        bound: Bound,
        status: &[Status],
        named: &Named,
    ) -> bool {
        pairs.iter().all(|pair| {
            let violation = self.violation(pair, bound, status);
            violation.is_empty()
                || named
                    .get(pair)
                    .is_some_and(|known| violation.iter().all(|(_, beyond)| beyond.is_subset(known)))
        })
    }
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
