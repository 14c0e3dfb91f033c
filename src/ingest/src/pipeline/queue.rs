//! Full blocks on their way from the thread that unpacks to those that read, and read ones on their way back.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::blocks::Block;

/// Blocks that may wait for each thread.
const WAITING_MAX: usize = 4;

/// Full blocks in order, and empty ones.
#[derive(Debug)]
pub(super) struct Queue {
    inside: Mutex<Inside>,
    /// There is a block, or there will be none any more.
    changed: Condvar,
    waiting_max: usize,
}

#[derive(Debug, Default)]
struct Inside {
    full: VecDeque<Block>,
    empty: Vec<Block>,
    is_closed: bool,
}

/// Closes a queue at the end of its life.
pub(super) struct Closing<'a>(&'a Queue);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.0.inside().is_closed = true;
        self.0.changed.notify_all();
    }
}

impl Queue {
    /// For so many threads that wait for blocks.
    pub(super) fn new(readers: usize) -> Self {
        let waiting_max = readers * WAITING_MAX;
        Self { inside: Mutex::default(), changed: Condvar::new(), waiting_max }
    }

    pub(super) fn close_at_end(&self) -> Closing<'_> {
        Closing(self)
    }

    /// Puts a block at the end. If there is no room it gives one to read instead: the first.
    pub(super) fn push(&self, block: Block) -> Option<Block> {
        let mut inside = self.inside();
        inside.full.push_back(block);
        if inside.full.len() > self.waiting_max {
            return inside.full.pop_front();
        }
        drop(inside);
        self.changed.notify_one();
        None
    }

    /// The first block; waits for one. `None` when there will be none any more.
    pub(super) fn pop(&self) -> Option<Block> {
        let mut inside = self.inside();
        loop {
            if let Some(block) = inside.full.pop_front() {
                return Some(block);
            }
            if inside.is_closed {
                return None;
            }
            inside = self.changed.wait(inside).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The first block, if there is one.
    pub(super) fn pop_now(&self) -> Option<Block> {
        self.inside().full.pop_front()
    }

    /// Takes back the memory of a block that was read.
    pub(super) fn give_back(&self, block: Block) {
        self.inside().empty.push(block);
    }

    /// A block to fill: an old one if there is one.
    pub(super) fn spare(&self) -> Block {
        self.inside().empty.pop().unwrap_or_default()
    }

    /// A thread that panicked leaves the queue as it is: each step under the lock is whole.
    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
