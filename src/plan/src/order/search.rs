//! Every order of a small plan: finds one that keeps both bounds, if there is one.

use std::collections::HashSet;

use super::bounds::{Bound, Named};
use super::model::{Model, Status};
use super::{Candidate, is_done};
use crate::step::StepKind;

/// An order, one step at a time, each settled before the next, that keeps both bounds.
pub(super) fn order(model: &Model, candidates: &[Candidate]) -> Option<Vec<usize>> {
    let mut search = Search { model, candidates, dead: HashSet::new() };
    let mut status = vec![Status::Pending; candidates.len()];
    let mut order = Vec::new();
    search.extend(&mut status, &mut order).then_some(order)
}

struct Search<'a> {
    model: &'a Model,
    candidates: &'a [Candidate],
    /// Sets of done steps from which no order leads on.
    dead: HashSet<u64>,
}

impl Search<'_> {
    fn extend(&mut self, status: &mut [Status], order: &mut Vec<usize>) -> bool {
        if is_done(status) {
            return true;
        }
        let done = order.iter().fold(0u64, |mask, &step| mask | 1 << step);
        if self.dead.contains(&done) {
            return false;
        }
        for step in 0..self.candidates.len() {
            if status[step] != Status::Pending || !self.allowed(step, status) {
                continue;
            }
            status[step] = Status::Settled;
            order.push(step);
            if self.extend(status, order) {
                return true;
            }
            order.pop();
            status[step] = Status::Pending;
        }
        self.dead.insert(done);
        false
    }

    fn allowed(&self, step: usize, status: &mut [Status]) -> bool {
        let candidate = &self.candidates[step];
        if candidate.needs.iter().any(|&need| status[need] == Status::Pending) {
            return false;
        }
        let bound = if candidate.action.kind() == StepKind::Make { Bound::Upper } else { Bound::Lower };
        status[step] = Status::InFlight;
        let keeps = self.model.keeps(&candidate.pairs, bound, status, &Named::new());
        status[step] = Status::Pending;
        keeps
    }
}
