//! One operation for each resource at a time, within this process.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{Mutex as Gate, OwnedMutexGuard};

/// The gates of all resources under a write, by id; a gate lives as long as somebody holds it or waits for it.
pub struct Locks<K> {
    gates: Arc<Mutex<BTreeMap<K, Weak<Gate<()>>>>>,
}

impl<K> Clone for Locks<K> {
    fn clone(&self) -> Self {
        Self { gates: self.gates.clone() }
    }
}

impl<K> Default for Locks<K> {
    fn default() -> Self {
        Self { gates: Arc::default() }
    }
}

/// Held while a write is under way.
pub struct Held {
    _gates: Vec<OwnedMutexGuard<()>>,
}

impl<K: Ord + Clone> Locks<K> {
    /// Waits until nobody else writes any of these. Taken in the order of ids, so that two writes cannot wait for each
    /// other. A gate is meant to be held across waiting: the operation of a write is what it keeps alone.
    pub async fn take(&self, ids: &[&K]) -> Held {
        let mut wanted: Vec<&K> = ids.to_vec();
        wanted.sort();
        wanted.dedup();
        let mut held = Vec::new();
        for id in wanted {
            let gate = self.gate(id);
            held.push(gate.lock_owned().await);
        }
        Held { _gates: held }
    }

    fn gate(&self, id: &K) -> Arc<Gate<()>> {
        let mut gates = self.gates.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(gate) = gates.get(id).and_then(Weak::upgrade) {
            return gate;
        }
        gates.retain(|_, gate| gate.strong_count() > 0);
        let gate = Arc::new(Gate::new(()));
        gates.insert(id.clone(), Arc::downgrade(&gate));
        gate
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn one_resource_has_one_holder_and_orders_do_not_deadlock() {
        let (locks, inside) = (Locks::default(), Arc::new(AtomicUsize::new(0)));
        let tasks: Vec<_> = (0..50)
            .map(|n| {
                let (locks, inside) = (locks.clone(), inside.clone());
                tokio::spawn(async move {
                    let _held = if n % 3 == 0 {
                        locks.take(&[&"b", &"a", &"b"]).await
                    } else {
                        locks.take(&[&"a", &"b"]).await
                    };
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
        let _other = locks.take(&[&"c"]).await;
        assert_eq!(locks.gates.lock().map_or(0, |gates| gates.len()), 1, "nothing is kept for later");
    }
}
