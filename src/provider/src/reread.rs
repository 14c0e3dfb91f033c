//! A read whose every answer is as it was the last time is the last read: nothing is parsed or worked out again.
//!
//! ```text
//! calls of the last read, in their order ─ send ─▶ all answers alike ──▶ what was observed then
//!                                              └─▶ one differs ──▶ Tape with the answers so far ─▶ an ordinary read
//! ```
//!
//! INVARIANT: what a read finds, and the calls that it makes, follow from the answers alone. So a call of the last read
//! is made again only once everything that had been answered before it is known to be as it was: no call is made that an
//! ordinary read would not make, and none twice. Answers are compared by digest, never by what the cloud says of
//! their version.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use plan::{Observed, Scope};

use crate::ProviderError;

/// One call as a tape keeps it.
pub trait Call: Clone {
    /// What tells it from every other call that reads something else.
    fn key(&self) -> String;
}

/// What came of a call.
pub type Outcome<A> = Result<A, ProviderError>;

/// The calls of one read under way, with what is known of them before they are made.
pub struct Tape<C, A> {
    inner: Mutex<Inner<C, A>>,
}

struct Inner<C, A> {
    /// Answers of calls that were made already, by their keys.
    ready: HashMap<String, VecDeque<Outcome<A>>>,
    made: Vec<Made<C>>,
    /// Indices into `made` in the order in which they were answered.
    answered: Vec<usize>,
}

/// A call that was made.
struct Made<C> {
    call: C,
    /// How many calls had been answered when it was made.
    after: usize,
    digest: Option<blake3::Hash>,
}

impl<C: Call, A: AsRef<[u8]>> Tape<C, A> {
    fn new(ready: HashMap<String, VecDeque<Outcome<A>>>) -> Self {
        Self { inner: Mutex::new(Inner { ready, made: Vec::new(), answered: Vec::new() }) }
    }

    /// Makes a call, or takes its answer where it was made already.
    ///
    /// # Errors
    /// Those of the call.
    pub async fn call<F: Future<Output = Outcome<A>>>(
        &self,
        call: C,
        send: impl FnOnce(C) -> F,
    ) -> Outcome<A> {
        let (index, ready) = self.begin(&call);
        let outcome = match ready {
            Some(outcome) => outcome,
            None => send(call).await,
        };
        self.end(index, &outcome);
        outcome
    }

    fn begin(&self, call: &C) -> (usize, Option<Outcome<A>>) {
        let mut inner = self.inner();
        let made = Made { call: call.clone(), after: inner.answered.len(), digest: None };
        inner.made.push(made);
        let ready = inner.ready.get_mut(&call.key()).and_then(VecDeque::pop_front);
        (inner.made.len() - 1, ready)
    }

    fn end(&self, index: usize, outcome: &Outcome<A>) {
        let digest = digest(outcome);
        let mut inner = self.inner();
        inner.answered.push(index);
        if let Some(made) = inner.made.get_mut(index) {
            made.digest = Some(digest);
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner<C, A>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The last complete read of each scope.
pub struct LastReads<C> {
    reads: Mutex<Vec<(Scope, Arc<LastRead<C>>)>>,
}

struct LastRead<C> {
    made: Vec<Made<C>>,
    answered: Vec<usize>,
    observed: Observed,
}

impl<C> Default for LastReads<C> {
    fn default() -> Self {
        Self { reads: Mutex::default() }
    }
}

/// How a scope is read.
pub enum Read<C, A> {
    /// Every answer is as it was.
    AsBefore(Observed),
    /// By an ordinary read that makes its calls through this.
    Anew(Tape<C, A>),
}

impl<C: Call, A: AsRef<[u8]>> Read<C, A> {
    /// Without anything that is known before.
    fn afresh() -> Self {
        Self::Anew(Tape::new(HashMap::new()))
    }
}

impl<C: Call> LastReads<C> {
    /// Makes the calls of the last read of a scope again, as long as their answers are as they were.
    pub async fn again<A, F>(&self, scope: &Scope, send: impl Fn(C) -> F) -> Read<C, A>
    where
        A: AsRef<[u8]>,
        F: Future<Output = Outcome<A>>,
    {
        let Some(last) = self.of(scope) else { return Read::afresh() };
        let mut under_way = FuturesUnordered::new();
        let mut ready: HashMap<String, VecDeque<Outcome<A>>> = HashMap::new();
        let mut alike = vec![false; last.made.len()];
        // The first `confirmed` answers of the last read are as they were, and the first `begun` calls are made.
        let (mut confirmed, mut begun) = (0, 0);
        loop {
            while let Some(next) = last.made.get(begun).filter(|next| next.after <= confirmed) {
                let (index, call) = (begun, next.call.clone());
                let sent = send(next.call.clone());
                under_way.push(async move { (index, call.key(), sent.await) });
                begun += 1;
            }
            let Some((index, key, outcome)) = under_way.next().await else { break };
            let is_alike = last.made.get(index).is_some_and(|made| made.digest == Some(digest(&outcome)));
            if let Some(place) = alike.get_mut(index) {
                *place = is_alike;
            }
            while last.answered.get(confirmed).is_some_and(|index| alike.get(*index) == Some(&true)) {
                confirmed += 1;
            }
            ready.entry(key).or_default().push_back(outcome);
        }
        if confirmed == last.made.len() {
            Read::AsBefore(last.observed.clone())
        } else {
            Read::Anew(Tape::new(ready))
        }
    }

    /// Keeps a complete read.
    pub fn keep<A>(&self, scope: &Scope, tape: &Tape<C, A>, observed: &Observed)
    where
        A: AsRef<[u8]>,
    {
        let mut inner = tape.inner();
        let (made, answered) = (std::mem::take(&mut inner.made), std::mem::take(&mut inner.answered));
        drop(inner);
        let read = LastRead { made, answered, observed: observed.clone() };
        let mut reads = self.reads.lock().unwrap_or_else(PoisonError::into_inner);
        reads.retain(|(held, _)| held.id != scope.id);
        reads.push((scope.clone(), Arc::new(read)));
    }

    fn of(&self, scope: &Scope) -> Option<Arc<LastRead<C>>> {
        let reads = self.reads.lock().unwrap_or_else(PoisonError::into_inner);
        reads.iter().find(|(held, _)| held == scope).map(|(_, read)| read.clone())
    }
}

/// What an answer says, a refusal too: some readers go on without what they may not see.
fn digest<A: AsRef<[u8]>>(outcome: &Outcome<A>) -> blake3::Hash {
    match outcome {
        Ok(answer) => blake3::hash(answer.as_ref()),
        Err(error) => {
            let said = format!("{:?}\n{}\n{}", error.kind, error.code, error.message);
            blake3::keyed_hash(blake3::hash(b"refused").as_bytes(), said.as_bytes())
        }
    }
}

#[cfg(test)]
#[path = "reread/tests.rs"]
mod tests;
