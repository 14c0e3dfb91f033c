//! Every order of a few steps: finds one that keeps both bounds, if there is one.

use rustc_hash::FxHashSet;

use super::bounds::{Bound, Named};
use super::candidate::Candidate;
use super::model::{Model, Status};

/// Steps tried before the search gives up.
const TRIES_MAX: u32 = 30_000;

/// An order of these steps, each settled before the next, that keeps both bounds.
///
/// They share no pair with other steps, so those do not matter. At most 63 steps.
pub(super) fn order(model: &Model, candidates: &[Candidate], steps: &[usize]) -> Option<Vec<usize>> {
    let status = vec![Status::Pending; candidates.len()];
    let mut search =
        Search { model, candidates, steps, status, order: Vec::new(), dead: FxHashSet::default(), tries: 0 };
    search.extend(0).then_some(search.order)
}

struct Search<'a> {
    model: &'a Model,
    candidates: &'a [Candidate],
    steps: &'a [usize],
    status: Vec<Status>,
    order: Vec<usize>,
    /// Sets of done steps from which no order leads on.
    dead: FxHashSet<u64>,
    tries: u32,
}

impl Search<'_> {
    fn extend(&mut self, done: u64) -> bool {
        if self.order.len() == self.steps.len() {
            return true;
        }
        if self.dead.contains(&done) {
            return false;
        }
        for (place, &step) in self.steps.iter().enumerate() {
            if self.status[step] != Status::Pending || !self.allowed(step) {
                continue;
            }
            self.status[step] = Status::Settled;
            self.order.push(step);
            if self.extend(done | 1 << place) {
                return true;
            }
            self.order.pop();
            self.status[step] = Status::Pending;
        }
        self.dead.insert(done);
        false
    }

    fn allowed(&mut self, step: usize) -> bool {
        self.tries += 1;
        let candidate = &self.candidates[step];
        let missing = |need: &usize| self.steps.contains(need) && self.status[*need] == Status::Pending;
        if self.tries > TRIES_MAX || candidate.needs.iter().any(missing) {
            return false;
        }
        self.status[step] = Status::InFlight;
        let bound = Bound::of(candidate.kind());
        let keeps = self.model.keeps(&candidate.pairs, bound, &self.status, &Named::default());
        self.status[step] = Status::Pending;
        keeps
    }
}
