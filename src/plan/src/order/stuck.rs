//! What to do when no step can fly: search, split, give up on quota, accept a violation and name it.

use std::collections::BTreeSet;

use rustc_hash::FxHashMap;

use super::bounds::{Bound, Pair, Violation};
use super::candidate::link;
use super::model::Status;
use super::schedule::{Record, Scheduler, Script};
use super::search;
use crate::state::RuleSpec;
use crate::step::{StepAction, StepKind};

/// More steps that depend on each other than this are not searched.
const SEARCH_STEPS_MAX: usize = 12;

/// With more pairs than this, what depends on what is not worked out.
const SEARCH_PAIRS_MAX: usize = 50_000;

/// Of more steps that could break a bound than this, only those that touch the fewest pairs are compared.
const OPTIONS_MAX: usize = 24;

impl Scheduler<'_> {
    /// False: nothing helps, the rest is withheld.
    pub(super) fn unstick(&mut self) -> bool {
        if self.withhold_breaks {
            return self.split_batches();
        }
        if self.search() || self.split_batches() || self.search_split() {
            return true;
        }
        let tight = |step: usize| self.is_ready(step) && !self.has_room(step);
        if !self.ignore_quota && self.pending().any(|step| tight(step) && self.keeps_lower(step)) {
            self.ignore_quota = true;
            return true;
        }
        self.accept_violation()
    }

    /// Looks for an order of the steps that hold each other up; starts over with it if there is one.
    fn search(&mut self) -> bool {
        for steps in self.conflicts() {
            if !self.searched.insert(steps.clone()) {
                continue;
            }
            if let Some(order) = search::order(&self.model, &self.candidates, &steps) {
                self.scripts.push(Script { order, ..Script::default() });
                self.reset();
                return true;
            }
        }
        false
    }

    /// The same with every rule on its own.
    fn search_split(&mut self) -> bool {
        for steps in self.conflicts() {
            let mut trial = self.clone();
            let rules: usize = steps.iter().map(|&step| trial.candidates[step].rules().len().max(1)).sum();
            if rules == steps.len() || rules > SEARCH_STEPS_MAX {
                continue;
            }
            for step in steps {
                while let [_, rest @ ..] = trial.candidates[step].rules()
                    && !rest.is_empty()
                {
                    let moved = rest[..1].to_vec();
                    trial.split(step, &moved);
                }
            }
            link(&trial.model, &mut trial.candidates);
            if trial.search() {
                *self = trial;
                return true;
            }
        }
        false
    }

    /// Sets of steps that share pairs, each with a pending step; only small ones.
    fn conflicts(&self) -> Vec<Vec<usize>> {
        let counted = |step: &usize| {
            let action = self.candidates[*step].action();
            !matches!(action, StepAction::CreateGroup { .. }) && !self.candidates[*step].pairs.is_empty()
        };
        let steps: Vec<usize> = (0..self.candidates.len()).filter(counted).collect();
        if steps.iter().map(|&step| self.candidates[step].pairs.len()).sum::<usize>() > SEARCH_PAIRS_MAX {
            return Vec::new();
        }
        let mut on: FxHashMap<&Pair, Vec<usize>> = FxHashMap::default();
        for &step in &steps {
            self.candidates[step].pairs.iter().for_each(|pair| on.entry(pair).or_default().push(step));
        }
        let mut seen = BTreeSet::new();
        let mut all = Vec::new();
        for step in steps {
            let mut part = BTreeSet::new();
            let mut rest = vec![step];
            while let Some(step) = rest.pop().filter(|_| !seen.contains(&step)) {
                if part.insert(step) {
                    rest.extend(self.candidates[step].pairs.iter().flat_map(|pair| &on[pair]));
                }
            }
            seen.extend(part.iter().copied());
            if part.len() <= SEARCH_STEPS_MAX && part.iter().any(|&s| self.status[s] == Status::Pending) {
                all.push(part.into_iter().collect());
            }
        }
        all
    }

    /// Splits batches whose parts could fly on their own.
    fn split_batches(&mut self) -> bool {
        let ready: Vec<usize> = self.pending().filter(|&step| self.is_ready(step)).collect();
        let mut split = false;
        for step in ready {
            let rules = self.candidates[step].rules().to_vec();
            if rules.len() < 2 {
                continue;
            }
            let rest: Vec<_> = rules.iter().filter(|rule| !self.rule_may_fly(step, rule)).cloned().collect();
            if !rest.is_empty() && rest.len() < rules.len() {
                self.split(step, &rest);
                split = true;
            }
        }
        if split {
            link(&self.model, &mut self.candidates);
        }
        split
    }

    /// Whether one rule of a batch could fly alone.
    fn rule_may_fly(&mut self, step: usize, rule: &RuleSpec) -> bool {
        let whole = self.candidates[step].clone();
        let twin = self.candidates.len();
        let rest: Vec<_> = whole.rules().iter().filter(|other| *other != rule).cloned().collect();
        self.split(step, &rest);
        let flies = self.may_fly(step);
        // The split was only a trial.
        self.relabel(&whole, &rest, twin, step);
        self.candidates.truncate(twin);
        self.status.truncate(twin);
        self.candidates[step] = whole;
        flies
    }

    /// Moves some rules of a batch into a candidate of their own.
    fn split(&mut self, step: usize, moved: &[RuleSpec]) {
        let whole = self.candidates[step].clone();
        let mut twin = whole.clone();
        twin.set_rules(moved.to_vec());
        let kept = whole.rules().iter().filter(|rule| !moved.contains(rule)).cloned().collect();
        self.candidates[step].set_rules(kept);
        self.relabel(&whole, moved, step, self.candidates.len());
        twin.pairs = self.model.touched(twin.action());
        self.candidates[step].pairs = self.model.touched(self.candidates[step].action());
        self.candidates.push(twin);
        self.status.push(Status::Pending);
    }

    /// Gives the facts of some rules to another candidate.
    fn relabel(&mut self, batch: &super::candidate::Candidate, rules: &[RuleSpec], from: usize, to: usize) {
        let (StepAction::AddRules { group, direction, .. }
        | StepAction::RemoveRules { group, direction, .. }) = batch.action()
        else {
            return;
        };
        let group = self.model.group(group) as usize;
        for fact in self.model.groups[group].rules_mut(*direction) {
            if rules.contains(&fact.spec) {
                for owner in [&mut fact.life.added_by, &mut fact.life.removed_by] {
                    *owner = owner.map(|step| if step == from { to } else { step });
                }
            }
        }
    }

    /// Lets one step fly that breaks a bound, and names what it breaks.
    fn accept_violation(&mut self) -> bool {
        let mut options: Vec<usize> = self.pending().filter(|&step| self.is_ready(step)).collect();
        // `keep`: a make that opens too much; `cut`: a break that cuts too much. Whatever is left, if there is none.
        let preferred = |step: &usize| {
            let wanted = if self.keeps_lower(*step) { StepKind::Make } else { StepKind::Break };
            self.candidates[*step].kind() == wanted
        };
        if options.iter().any(preferred) {
            options.retain(preferred);
        }
        options.sort_by_key(|&step| (self.candidates[step].pairs.len(), step));
        options.truncate(OPTIONS_MAX);
        let Some(step) = options.into_iter().min_by_key(|&step| (self.broken_by(step).len(), step)) else {
            return false;
        };
        let bound = Bound::of(self.candidates[step].kind());
        let broken = self.broken_by(step);
        self.fly(step);
        for (pair, violation) in broken {
            self.open.entry((pair.clone(), bound)).or_default().extend(violation.iter().cloned());
            self.transients.push(Record { pair, bound, violation, from: step, until: None });
        }
        self.settle(vec![step]);
        true
    }

    /// The pairs that a step would break now, beyond what is named.
    fn broken_by(&mut self, step: usize) -> Vec<(Pair, Violation)> {
        let bound = Bound::of(self.candidates[step].kind());
        self.status[step] = Status::InFlight;
        let mut broken = Vec::new();
        for pair in &self.candidates[step].pairs {
            if !self.model.keeps_at(pair, bound, &self.status, &self.open) {
                broken.push((pair.clone(), self.model.violation(pair, bound, &self.status)));
            }
        }
        self.status[step] = Status::Pending;
        broken
    }
}
