//! Edits of one document by several steps → one write.
//!
//! A cloud that keeps many rules in one document takes one write for all of them, but one at a time. Who comes to the
//! document first takes the edits of everybody who waits for it along, and tells each what became of its own.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot::error::TryRecvError;
use tokio::sync::oneshot::{Receiver, Sender, channel};

use crate::locks::Locks;
use crate::{CallRecord, Failed};

/// The calls that made an edit true, none if it was; or why it is not.
pub type Answer = Result<Vec<CallRecord>, Failed>;

/// A write of several edits under way: an answer to each, or what failed for all of them.
pub type Writing<'a> = Pin<Box<dyn Future<Output = Result<Vec<Answer>, Failed>> + Send + 'a>>;

/// Writes edits in one call. What fails fails for all of them; but where the cloud refuses what is asked for, each is
/// written alone, so that none suffers for another, and each tells the refused call too.
pub async fn all_or_each_alone<'a, E>(edits: &'a [E], write: impl Fn(&'a [E]) -> Writing<'a>) -> Vec<Answer> {
    let failed = match write(edits).await {
        Ok(answers) => return answers,
        Err(failed) => failed,
    };
    if edits.len() < 2 || !failed.error.is_of_what_was_asked() {
        return edits.iter().map(|_| Err(failed.clone())).collect();
    }
    let mut answers = Vec::new();
    for edit in edits {
        match write(std::slice::from_ref(edit)).await {
            Ok(alone) => answers.extend(alone),
            Err(failed) => answers.push(Err(failed)),
        }
    }
    answers.into_iter().map(|answer| after(&failed.calls, answer)).collect()
}

/// An answer with the calls that were made before it.
fn after(calls: &[CallRecord], answer: Answer) -> Answer {
    let all = |later: Vec<CallRecord>| [calls, &later].concat();
    match answer {
        Ok(later) => Ok(all(later)),
        Err(failed) => Err(Failed { calls: all(failed.calls), error: failed.error }),
    }
}

/// Edits `E` that wait for their document, by its id `K`; each is answered with an `A`.
pub struct Together<K, E, A> {
    locks: Locks<K>,
    waiting: Arc<Mutex<Waiting<K, E, A>>>,
}

type Waiting<K, E, A> = BTreeMap<K, Vec<(E, Sender<A>)>>;

impl<K, E, A> Clone for Together<K, E, A> {
    fn clone(&self) -> Self {
        Self { locks: self.locks.clone(), waiting: self.waiting.clone() }
    }
}

impl<K: Ord, E, A> Together<K, E, A> {
    /// A queue whose writers hold the lock of the document.
    pub fn new(locks: Locks<K>) -> Self {
        Self { locks, waiting: Arc::default() }
    }
}

impl<K: Ord + Clone, E, A> Together<K, E, A> {
    /// Has an edit written, by `write` or by whoever got to the document before. `write` gets all edits that wait, in
    /// order of arrival, and gives an answer to each, in the same order.
    ///
    /// `None` when whoever had taken the edit along was given up before it was answered: whether it was written is
    /// not known.
    pub async fn submit<W, F>(&self, document: &K, edit: E, write: W) -> Option<A>
    where
        W: FnOnce(Vec<E>) -> F,
        F: Future<Output = Vec<A>>,
    {
        let mut answer = self.wait_for(document, edit);
        // Whoever is sent together with this one comes to wait as well.
        tokio::task::yield_now().await;
        let _held = self.locks.take(&[document]).await;
        match answer.try_recv() {
            Ok(found) => return Some(found),
            Err(TryRecvError::Closed) => return None,
            Err(TryRecvError::Empty) => {}
        }
        let (edits, answers): (Vec<E>, Vec<Sender<A>>) = self.take(document).into_iter().unzip();
        for (sender, found) in answers.into_iter().zip(write(edits).await) {
            // Nobody waits for the answer of a step that was given up.
            let _ = sender.send(found);
        }
        answer.try_recv().ok()
    }

    fn wait_for(&self, document: &K, edit: E) -> Receiver<A> {
        let (sender, receiver) = channel();
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.entry(document.clone()).or_default().push((edit, sender));
        receiver
    }

    fn take(&self, document: &K) -> Vec<(E, Sender<A>)> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.remove(document).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Writes numbers, and answers each with how many were written with it.
    struct Book {
        together: Together<&'static str, u32, (u32, usize)>,
        writes: Arc<AtomicUsize>,
    }

    impl Book {
        fn new() -> Self {
            Self { together: Together::new(Locks::default()), writes: Arc::default() }
        }

        async fn write(&self, document: &'static str, number: u32) -> Option<(u32, usize)> {
            let writes = self.writes.clone();
            let write = |edits: Vec<u32>| async move {
                writes.fetch_add(1, Ordering::SeqCst);
                tokio::time::sleep(std::time::Duration::from_millis(1)).await;
                edits.iter().map(|edit| (*edit, edits.len())).collect()
            };
            self.together.submit(&document, number, write).await
        }
    }

    #[tokio::test]
    async fn who_comes_together_is_written_together_and_each_gets_its_own_answer() {
        let book = Book::new();
        let (a, b, c) = tokio::join!(book.write("x", 1), book.write("x", 2), book.write("y", 3));
        assert_eq!((a, b, c), (Some((1, 2)), Some((2, 2)), Some((3, 1))));
        assert_eq!(book.writes.load(Ordering::SeqCst), 2, "one write for each document");
        assert_eq!(book.write("x", 4).await, Some((4, 1)));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn nothing_is_lost_and_nothing_is_written_twice() {
        let book = Arc::new(Book::new());
        let spawned = |number: u32| {
            let book = book.clone();
            tokio::spawn(async move { book.write(["x", "y"][number as usize % 2], number).await })
        };
        let tasks: Vec<_> = (0..200).map(spawned).collect();
        for (number, task) in tasks.into_iter().enumerate() {
            let answer = task.await.ok().flatten().map(|(number, _)| number);
            assert_eq!(answer, Some(number as u32));
        }
        assert!(book.writes.load(Ordering::SeqCst) < 200);
        assert!(book.together.waiting.lock().is_ok_and(|waiting| waiting.is_empty()));
    }

    #[tokio::test]
    async fn who_gives_up_takes_its_companions_answers_along_and_nothing_hangs() {
        let book = Book::new();
        let never = |_: Vec<u32>| std::future::pending::<Vec<(u32, usize)>>();
        let mut first = Box::pin(book.together.submit(&"x", 1, never));
        let mut second = Box::pin(book.write("x", 2));
        for _ in 0..3 {
            assert!(polled(first.as_mut()).await.is_none());
            assert!(polled(second.as_mut()).await.is_none());
        }
        drop(first);
        assert_eq!(second.await, None, "whether it was written is not known");
        assert_eq!(book.write("x", 3).await, Some((3, 1)));
    }

    /// What a future is ready with after one poll.
    async fn polled<F: Future>(mut future: std::pin::Pin<&mut F>) -> Option<F::Output> {
        std::future::poll_fn(|context| match future.as_mut().poll(context) {
            std::task::Poll::Ready(found) => std::task::Poll::Ready(Some(found)),
            std::task::Poll::Pending => std::task::Poll::Ready(None),
        })
        .await
    }
}
