//! What a step that is about to settle has waited for: as little as its bound demands.

use std::collections::BTreeMap;

use super::bounds::{Bound, Pair};
use super::candidate::Reach;
use super::model::Status;
use super::schedule::Scheduler;

/// With more steps on a pair than this, all of them are waited for.
const THINNED_MAX: usize = 48;

impl Scheduler<'_> {
    /// The steps of the other kind that must have settled before this one, which is in flight.
    ///
    /// INVARIANT: with every step of its own kind so far visible and only these of the other kind settled, the
    /// bound holds at every pair. So no other progress of the plan can break it.
    pub(super) fn waits(&mut self, step: usize) -> BTreeMap<usize, Reach> {
        let mut waits = BTreeMap::new();
        if self.rounds.is_empty() {
            return waits;
        }
        let pairs = std::mem::take(&mut self.candidates[step].pairs);
        for pair in &pairs {
            self.wait_at(step, pair, &mut waits);
        }
        self.candidates[step].pairs = pairs;
        waits
    }

    fn wait_at(&mut self, step: usize, pair: &Pair, waits: &mut BTreeMap<usize, Reach>) {
        let kind = self.candidates[step].kind();
        let others: Vec<(usize, Reach)> = self
            .settled_on
            .get(pair)
            .into_iter()
            .flatten()
            .filter(|&&other| self.candidates[other].kind() != kind)
            .map(|&other| (other, self.reach(step, other, pair)))
            .collect();
        let open: Vec<_> = others
            .iter()
            .filter(|(other, reach)| waits.get(other).is_none_or(|has| has < reach))
            .copied()
            .collect();
        let bound = Bound::of(kind);
        if open.is_empty() || self.holds_without(pair, bound, &open) {
            return;
        }
        let mut dropped = Vec::new();
        if open.len() <= THINNED_MAX {
            for &one in &open {
                dropped.push(one);
                if !self.holds_without(pair, bound, &dropped) {
                    dropped.pop();
                }
            }
        }
        for (other, reach) in open.into_iter().filter(|one| !dropped.contains(one)) {
            let has = waits.entry(other).or_insert(reach);
            *has = (*has).max(reach);
        }
    }

    /// Whether the bound holds at a pair as if some settled steps had not run.
    fn holds_without(&mut self, pair: &Pair, bound: Bound, without: &[(usize, Reach)]) -> bool {
        without.iter().for_each(|&(other, _)| self.status[other] = Status::Pending);
        let holds = self.model.keeps_at(pair, bound, &self.status, &self.open);
        without.iter().for_each(|&(other, _)| self.status[other] = Status::Settled);
        holds
    }

    /// At a pair with another cell, an interface of a cell depends on its own steps, not on those of its like.
    fn reach(&self, step: usize, other: usize, pair: &Pair) -> Reach {
        let cell = |step: usize| self.model.cell_of_step(self.candidates[step].action());
        let same = cell(step).is_some() && cell(step) == cell(other);
        match pair {
            Pair::Inside(source, destination) if same && source == destination => Reach::All,
            _ if same => Reach::Own,
            _ => Reach::All,
        }
    }
}
