//! What the summarisers of several threads sum into.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::groups::{Group, Groups, Hashed, PARTS, Packed, part_of};
use super::points::Points;
use crate::coverage::Coverage;
use crate::summary::Tally;

/// Groups that wait for their part: many against the cost of a lock, few against the caches of a processor.
const WAITING_MAX: usize = 128;

/// Groups in parts, each of which one thread adds to at a time; and what each thread leaves here at its end.
#[derive(Default)]
pub(super) struct Shared {
    parts: [Mutex<Groups>; PARTS],
    rest: Mutex<Rest>,
}

/// What is not groups.
#[derive(Default)]
pub(super) struct Rest {
    /// Summarisers that have something that is not here yet.
    pub(super) out: usize,
    pub(super) coverage: Coverage,
    pub(super) points: Points,
}

impl Shared {
    pub(super) fn rest(&self) -> MutexGuard<'_, Rest> {
        self.rest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands out all groups and is empty.
    pub(super) fn take(&self, mut take: impl FnMut(Packed, Tally)) {
        for part in &self.parts {
            let mut part = locked(part);
            part.iter().for_each(|(key, tally)| take(key, tally));
            part.clear();
        }
    }

    pub(super) fn groups(&self) -> usize {
        self.parts.iter().map(|part| locked(part).len()).sum()
    }
}

fn locked(part: &Mutex<Groups>) -> MutexGuard<'_, Groups> {
    part.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Groups of one thread on their way.
pub(super) struct Waiting([Vec<Hashed>; PARTS]);

impl Waiting {
    pub(super) fn new() -> Self {
        Self(std::array::from_fn(|_| Vec::new()))
    }

    #[inline]
    pub(super) fn push(&mut self, key: Packed, tally: &Tally, shared: &Shared) {
        let (number, hash) = part_of(key);
        let (Some(waiting), Some(part)) = (self.0.get_mut(number), shared.parts.get(number)) else { return };
        match Group::new(key, tally) {
            Some(group) => waiting.push((hash, group)),
            None => locked(part).add_large(key, tally),
        }
        if waiting.len() >= WAITING_MAX {
            locked(part).add(waiting);
            waiting.clear();
        }
    }

    /// Adds all that waits.
    pub(super) fn flush(&mut self, shared: &Shared) {
        for (waiting, part) in self.0.iter_mut().zip(&shared.parts) {
            locked(part).add(waiting);
            waiting.clear();
        }
    }
}
