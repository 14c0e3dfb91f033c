//! One write for each resource at a time, within this process.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{Mutex as Gate, OwnedMutexGuard};

/// The gates of all resources under a write; a gate lives as long as somebody holds it or waits for it.
#[derive(Clone, Default)]
pub(crate) struct Locks {
    gates: Arc<Mutex<BTreeMap<String, Weak<Gate<()>>>>>,
}

/// Held while a write is under way.
pub(crate) struct Held {
    _gate: OwnedMutexGuard<()>,
}

impl Locks {
    /// Waits until nobody else writes this. A gate is meant to be held across waiting: the operation of a write is
    /// what it keeps alone. No write takes two, so none can wait for another.
    pub(crate) async fn take(&self, name: &str) -> Held {
        Held { _gate: self.gate(name).lock_owned().await }
    }

    fn gate(&self, name: &str) -> Arc<Gate<()>> {
        let mut gates = self.gates.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(gate) = gates.get(name).and_then(Weak::upgrade) {
            return gate;
        }
        gates.retain(|_, gate| gate.strong_count() > 0);
        let gate = Arc::new(Gate::new(()));
        gates.insert(name.to_owned(), Arc::downgrade(&gate));
        gate
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn one_resource_has_one_holder() {
        let (locks, inside) = (Locks::default(), Arc::new(AtomicUsize::new(0)));
        let tasks: Vec<_> = (0..50)
            .map(|_| {
                let (locks, inside) = (locks.clone(), inside.clone());
                tokio::spawn(async move {
                    let _held = locks.take("a").await;
                    let others = inside.fetch_add(1, Ordering::SeqCst);
                    tokio::task::yield_now().await;
                    inside.fetch_sub(1, Ordering::SeqCst);
                    others
                })
            })
            .collect();
        for task in tasks {
            assert_eq!(task.await.ok(), Some(0));
        }
        let _other = locks.take("c").await;
        assert_eq!(locks.gates.lock().map_or(0, |gates| gates.len()), 1, "nothing is kept for later");
    }
}
