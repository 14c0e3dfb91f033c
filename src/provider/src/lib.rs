//! The contract between Bulkhead and a cloud.
//!
//! A driver gives a [`CloudReader`] and a [`CloudWriter`]. They are different values on purpose: whoever
//! plans holds only the reader, and a dry run cannot write because it holds no writer.
//!
//! `lower` and `semantics` are pure. INVARIANT: `semantics` must not use anything of `lower`: the proof
//! is worth what the two do not share.

pub mod clock;
pub mod conformance;
pub mod domain;
pub mod error;
pub mod flows;
pub mod locks;
pub mod lowering;
pub mod quota;
pub mod reread;
pub mod together;

use async_trait::async_trait;
use plan::{Desired, FilterGraph, GroupId, Observed, Scope, Step, Usage};
use policy::{CompiledPolicy, Snapshot};
use std::collections::BTreeMap;

pub use clock::{Clock, WallClock};
pub use domain::{DomainReader, DomainWriter};
pub use error::{ErrorKind, ProviderError};
pub use flows::{FlowCursor, FlowSource, Packing, Piece, Progress};

/// What lowering looks at: the whole domain, and which of its scopes to lower.
pub struct LowerInput<'a> {
    /// The installation whose objects are made.
    pub installation: &'a str,
    /// Who may talk to whom.
    pub compiled: &'a CompiledPolicy,
    /// What it was compiled from.
    pub snapshot: &'a Snapshot,
    /// Every scope of the domain that could be read, with its settings.
    pub domain: &'a [(&'a Scope, &'a Observed)],
    /// The index in `domain` of the scope to lower.
    pub scope: usize,
}

/// How many calls an action needs, and how long the cloud's buckets make them take.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CallEstimate {
    /// Mutating calls by action.
    pub calls: BTreeMap<String, u32>,
    /// Time that the token buckets make them take, in milliseconds, without settle waits.
    pub duration_ms: u64,
}

/// Reads a cloud and says what its objects mean. Holds no right to write.
#[async_trait]
pub trait CloudReader: Send + Sync {
    /// Reads everything in the scope, completely or not at all.
    ///
    /// # Errors
    /// Any failure of any page: half an observation would plan deletions.
    async fn observe(&self, scope: &Scope) -> Result<Observed, ProviderError>;

    /// The policy as objects of this cloud. Pure.
    fn lower(&self, input: &LowerInput<'_>) -> Desired;

    /// What objects let pass, ours and foreign. Pure, and shares nothing with `lower`.
    fn semantics(&self, domain: &[&Observed]) -> FilterGraph;

    /// What a scope looks like when the steps are done, planned groups under their planned ids; pure. A driver whose
    /// `semantics` reads more than groups says here what becomes of the rest.
    fn after(&self, observed: &Observed, steps: &[&Step]) -> Observed {
        plan::after(observed, steps.iter().copied())
    }

    /// Whether a step's effect is visible in a fresh read; `ids` gives what planned groups became. Pure.
    ///
    /// A driver with groups that are no objects of the cloud says here when they are as good as deleted.
    fn holds(&self, step: &Step, observed: &Observed, ids: &BTreeMap<GroupId, GroupId>) -> bool {
        plan::holds(step, observed, ids)
    }

    /// How much of each limit a state uses, where the cloud counts something else than [`plan::Limits`]: an observation
    /// with [`plan::Limits::UNCOUNTED`]. Nothing means that the driver leaves counting to them. Pure; what [`CloudReader::after`] predicts is counted as it is, also over a limit.
    fn usage<'a>(&self, _observed: &'a Observed) -> Vec<Usage<'a>> {
        Vec::new()
    }

    /// The calls that steps need, which come in the batches in which they are sent ([`plan::batches`]). Pure.
    fn estimate(&self, scope: &Scope, observed: &Observed, batches: &[Vec<&Step>]) -> CallEstimate;
}

/// What a step did.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Applied {
    /// The calls that were made, in order.
    pub calls: Vec<CallRecord>,
    /// The id of the group that a [`plan::StepAction::CreateGroup`] created.
    pub created: Option<GroupId>,
}

/// A step that could not be made true, with what was called on the way: something may have changed.
#[derive(Clone, Debug)]
pub struct Failed {
    /// The calls that were made, in order; the last one is the one that failed, if it was a call that writes.
    pub calls: Vec<CallRecord>,
    /// Why.
    pub error: ProviderError,
}

impl From<ProviderError> for Failed {
    fn from(error: ProviderError) -> Self {
        Self { calls: Vec::new(), error }
    }
}

/// One mutating call, for the audit line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CallRecord {
    /// The action's name in the cloud's words.
    pub action: String,
    /// The request id that the cloud gave; empty if it gave none.
    pub request_id: String,
}

/// Writes one step. Only `reconcile` calls it, and only in a scope with `enforce: true`.
#[async_trait]
pub trait CloudWriter: Send + Sync {
    /// Makes the step true. Idempotent: a step that is true already needs no call.
    ///
    /// `current` holds fresh reads of the scopes of the domain. `ids` gives the cloud's id of each planned group that was
    /// created since the plan was made. A call that fails is not sent again. Steps at one [`CloudWriter::document`] at a
    /// time may share a call: each tells it.
    ///
    /// # Errors
    /// By what the caller does next, see [`ErrorKind`]; with the calls that were made before.
    async fn apply(
        &self,
        scope: &Scope,
        step: &Step,
        current: &[Observed],
        ids: &BTreeMap<GroupId, GroupId>,
    ) -> Result<Applied, Failed>;

    /// The document that a step rewrites, in the words of the driver; nothing if none. Steps of one document should be
    /// sent at one time, since they share a write. Pure.
    fn document(
        &self,
        _scope: &Scope,
        _step: &Step,
        _current: &[Observed],
        _ids: &BTreeMap<GroupId, GroupId>,
    ) -> Option<String> {
        None
    }
}
