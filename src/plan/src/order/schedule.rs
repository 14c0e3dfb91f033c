//! The rounds: what flies together, and what is known when it has settled.

use std::collections::{BTreeMap, BTreeSet};

use rustc_hash::FxHashMap;

use super::bounds::{Bound, Named, Pair, Violation};
use super::candidate::{Candidate, Reach};
use super::model::{Model, Status};
use crate::diff::ScopeInput;
use crate::quota::{Peaks, Room};
use crate::scope::{ScopeId, Transients};
use crate::step::StepKind;

#[derive(Clone)]
pub(super) struct Scheduler<'a> {
    pub(super) domain: &'a [ScopeInput<'a>],
    pub(super) model: Model,
    pub(super) candidates: Vec<Candidate>,
    pub(super) status: Vec<Status>,
    pub(super) rounds: Vec<Vec<usize>>,
    /// Steps that have settled, by the pairs that they touch; empty if all steps are of one kind, since steps only
    /// ever wait for the other kind.
    pub(super) settled_on: FxHashMap<Pair, Vec<usize>>,
    is_mixed: bool,
    /// Accepted violations that are not over yet, and the steps that brought them.
    pub(super) open: Named,
    pub(super) transients: Vec<Record>,
    /// Orders that the search found: these steps run in them, one a round.
    pub(super) scripts: Vec<Script>,
    /// Sets of steps whose orders were tried.
    pub(super) searched: BTreeSet<Vec<usize>>,
    pub(super) ignore_quota: bool,
    pub(super) withhold_breaks: bool,
    pub(super) peaks: Peaks<'a>,
    keep: BTreeMap<ScopeId, bool>,
}

/// A violation that was accepted.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) pair: Pair,
    pub(super) bound: Bound,
    pub(super) violation: Violation,
    pub(super) from: usize,
    pub(super) until: Option<usize>,
}

/// Steps in a fixed order.
#[derive(Clone, Debug, Default)]
pub(super) struct Script {
    pub(super) order: Vec<usize>,
    pub(super) next: usize,
    pub(super) flying: bool,
}

impl<'a> Scheduler<'a> {
    pub(super) fn new(
        domain: &'a [ScopeInput<'a>],
        model: Model,
        candidates: Vec<Candidate>,
        withhold_breaks: bool,
    ) -> Self {
        let keeps = |input: &ScopeInput<'_>| input.scope.transients == Transients::Keep;
        Self {
            domain,
            model,
            status: vec![Status::Pending; candidates.len()],
            is_mixed: candidates.windows(2).any(|two| two[0].kind() != two[1].kind()),
            candidates,
            rounds: Vec::new(),
            settled_on: FxHashMap::default(),
            open: Named::default(),
            transients: Vec::new(),
            scripts: Vec::new(),
            searched: BTreeSet::new(),
            ignore_quota: false,
            withhold_breaks,
            peaks: Peaks::before(domain),
            keep: domain.iter().map(|input| (input.scope.id.clone(), keeps(input))).collect(),
        }
    }

    /// Whether the scope of a step lets the lower bound win.
    pub(super) fn keeps_lower(&self, step: usize) -> bool {
        self.keep.get(&self.candidates[step].scope).copied().unwrap_or(true)
    }

    pub(super) fn run(&mut self) {
        loop {
            let placed = self.place_round();
            if !placed.is_empty() {
                self.settle(placed);
            } else if self.pending().next().is_none() || !self.unstick() {
                return;
            }
        }
    }

    pub(super) fn pending(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.candidates.len()).filter(|&step| self.status[step] == Status::Pending)
    }

    /// Back to the start, with what was learned.
    pub(super) fn reset(&mut self) {
        self.status = vec![Status::Pending; self.candidates.len()];
        self.rounds.clear();
        self.settled_on.clear();
        self.open.clear();
        self.transients.clear();
        self.peaks = Peaks::before(self.domain);
        for script in &mut self.scripts {
            (script.next, script.flying) = (0, false);
        }
        for candidate in &mut self.candidates {
            candidate.waits.clear();
            candidate.after.clear();
        }
    }

    /// Puts everything into flight that keeps its bound.
    fn place_round(&mut self) -> Vec<usize> {
        let mut placed = Vec::new();
        // Groups before their rules, rules before members: what a step needs can fly in the same round.
        let mut steps: Vec<usize> = (0..self.candidates.len()).collect();
        steps.sort_by_key(|&step| (self.candidates[step].rank(), step));
        for step in steps {
            if self.status[step] == Status::Pending && self.may_fly(step) {
                self.fly(step);
                placed.push(step);
            }
        }
        placed
    }

    /// Whether a step can go into flight beside those that are.
    pub(super) fn may_fly(&mut self, step: usize) -> bool {
        let kind = self.candidates[step].kind();
        if !self.is_ready(step) || !self.has_turn(step) || !self.has_room(step) {
            return false;
        }
        self.status[step] = Status::InFlight;
        let pairs = &self.candidates[step].pairs;
        let keeps = self.model.keeps(pairs, Bound::of(kind), &self.status, &self.open);
        self.status[step] = Status::Pending;
        keeps
    }

    /// Whether the cloud would take the step.
    pub(super) fn is_ready(&self, step: usize) -> bool {
        let candidate = &self.candidates[step];
        let withheld = self.withhold_breaks && candidate.kind() == StepKind::Break;
        !withheld && candidate.needs.iter().all(|&need| self.status[need] != Status::Pending)
    }

    fn has_turn(&self, step: usize) -> bool {
        let script = self.scripts.iter().find(|script| script.order.contains(&step));
        script.is_none_or(|script| !script.flying && script.order.get(script.next) == Some(&step))
    }

    pub(super) fn has_room(&self, step: usize) -> bool {
        let mut parts = self.candidates[step].parts.iter();
        self.ignore_quota || parts.all(|part| self.peaks.room(&part.action) != Room::None)
    }

    pub(super) fn fly(&mut self, step: usize) {
        self.after_removals(step);
        self.after_openers(step);
        self.status[step] = Status::InFlight;
        self.candidates[step].parts.iter().for_each(|part| self.peaks.raise(&part.action));
        for script in self.scripts.iter_mut().filter(|script| script.order.contains(&step)) {
            script.flying = true;
        }
    }

    /// A step that only fits because something was removed waits for the removal.
    fn after_removals(&mut self, step: usize) {
        let parts = &self.candidates[step].parts;
        let tight: Vec<_> =
            parts.iter().filter(|part| self.peaks.room(&part.action) != Room::Always).collect();
        let frees = |other: &usize| {
            let freed = self.candidates[*other].parts.iter();
            freed
                .flat_map(|freed| tight.iter().map(move |part| (part, freed)))
                .any(|(part, freed)| self.peaks.same_object(&part.action, &freed.action))
        };
        let settled = (0..self.candidates.len()).filter(|&other| self.status[other] == Status::Settled);
        let after: Vec<usize> = if tight.is_empty() { Vec::new() } else { settled.filter(frees).collect() };
        self.candidates[step].after.extend(after);
    }

    /// A step that widens a named violation runs after the step from which it is named.
    fn after_openers(&mut self, step: usize) {
        if self.open.is_empty() {
            return;
        }
        let bound = Bound::of(self.candidates[step].kind());
        let named = |record: &&Record| {
            record.until.is_none()
                && record.bound == bound
                && record.from != step
                && self.candidates[step].pairs.contains(&record.pair)
        };
        let openers: Vec<usize> = self.transients.iter().filter(named).map(|record| record.from).collect();
        self.candidates[step].after.extend(openers);
    }

    pub(super) fn settle(&mut self, placed: Vec<usize>) {
        for &step in &placed {
            self.candidates[step].round = self.rounds.len();
            let waits = self.waits(step);
            self.candidates[step].waits = waits;
        }
        for &step in &placed {
            self.status[step] = Status::Settled;
            let candidate = &self.candidates[step];
            candidate.parts.iter().for_each(|part| self.peaks.settle(&part.action));
            for pair in candidate.pairs.iter().filter(|_| self.is_mixed) {
                self.settled_on.entry(pair.clone()).or_default().push(step);
            }
            for script in self.scripts.iter_mut().filter(|script| script.order.contains(&step)) {
                script.flying = false;
                script.next += 1;
            }
        }
        self.close_transients(&placed);
        self.rounds.push(placed);
    }

    /// Notes the step after which a named violation is over; it waits for all that end it.
    fn close_transients(&mut self, placed: &[usize]) {
        for place in 0..self.transients.len() {
            let Record { pair, bound, until, .. } = &self.transients[place];
            let (pair, bound) = (pair.clone(), *bound);
            if until.is_some() || !self.model.violation(&pair, bound, &self.status).is_empty() {
                continue;
            }
            let ends = |step: &&usize| {
                Bound::of(self.candidates[**step].kind()) != bound
                    && self.candidates[**step].pairs.contains(&pair)
            };
            let last = placed.iter().filter(ends).max_by_key(|&&step| (self.candidates[step].rank(), step));
            let Some(&last) = last.or(placed.last()) else { continue };
            let settled = self.settled_on.get(&pair).into_iter().flatten();
            let others: Vec<usize> = settled.filter(ends).filter(|&&step| step != last).copied().collect();
            self.candidates[last].waits.extend(others.into_iter().map(|step| (step, Reach::All)));
            self.transients[place].until = Some(last);
            self.open.remove(&(pair, bound));
        }
    }
}
