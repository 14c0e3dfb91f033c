//! The Google Cloud driver: network firewall policies and secure tags as enforcement points.
//!
//! ```text
//! Api (timeout → pace → limit → send) ─▶ inventory ─▶ Estate      (one complete read, or an error)
//!        ▲                                   ▲           │
//!        │                               resources   observed ─▶ Observed ─┬─ semantics ─▶ FilterGraph
//!        │                                   ▼           ▲  band           └─ lower ─────▶ Desired
//!        └── paging, operations, errors ◀─ write ◀─ apply │   │
//!                                           (marks)    after ◀┴─ Step
//! ```
//!
//! Whoever only reads holds an [`Api`] and a [`GcpReader`]; only a [`GcpWriter`] can change anything. `band` says what
//! facts are as rules, for `after` and `apply` alike. Where an organisation has no secure tags, network tags stand for
//! classes and rules are classic ones ([`Identity::NetworkTags`]): the same road with other objects.

pub mod after;
pub mod band;
pub mod flow_logs;
pub mod ids;
pub mod inventory;
pub mod lower;
pub mod marks;
pub mod observed;
pub mod resources;
pub mod rest;
pub mod semantics;
pub mod services;
pub mod settings;
pub mod usage;
pub mod write;

mod apply;
mod estimate;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use plan::{Desired, FilterGraph, GroupId, Observed, Scope, Step, StepAction, Usage};
use provider::reread::{LastReads, Read};
use provider::{Applied, CallEstimate, CloudReader, CloudWriter, Failed, LowerInput, ProviderError};

pub use inventory::{Estate, Reach, observe};
use rest::answer::Request;

pub use rest::{Api, ApiSettings, Endpoint};
pub use semantics::semantics;
pub use settings::{GcpSettings, Identity};
pub use write::{Made, Writer, Written};

/// Reads Google Cloud and says what its objects mean.
#[derive(Clone)]
pub struct GcpReader {
    api: Api,
    settings: GcpSettings,
    last: Arc<LastReads<Request>>,
}

impl GcpReader {
    /// A reader over a connection.
    pub fn new(api: Api, settings: GcpSettings) -> Self {
        Self { api, settings, last: Arc::default() }
    }
}

#[async_trait]
impl CloudReader for GcpReader {
    async fn observe(&self, scope: &Scope) -> Result<Observed, ProviderError> {
        let tape = match self.last.again(scope, |request| self.api.send(request)).await {
            Read::AsBefore(observed) => return Ok(observed),
            Read::Anew(tape) => Arc::new(tape),
        };
        let api = self.api.taped(&tape);
        let estate = observe(&api, &Reach::of(std::slice::from_ref(&scope.account))).await?;
        let observed = observed::observed(&estate, &self.settings, scope)?;
        self.last.keep(scope, &tape, &observed);
        Ok(observed)
    }

    fn lower(&self, input: &LowerInput<'_>) -> Desired {
        lower::lower(&self.settings, input)
    }

    fn semantics(&self, domain: &[&Observed]) -> FilterGraph {
        semantics::semantics(domain)
    }

    fn after(&self, observed: &Observed, steps: &[&Step]) -> Observed {
        after::after(&self.settings, observed, steps)
    }

    /// A class that a network tag stands for can be used without being made. It is seen with rules or members only.
    fn holds(&self, step: &Step, observed: &Observed, ids: &BTreeMap<GroupId, GroupId>) -> bool {
        if self.settings.identity == Identity::SecureTags {
            return plan::holds(step, observed, ids);
        }
        let mut ids = ids.clone();
        for id in apply::groups_of(&step.action) {
            let real = ids::tagged_class(&self.settings.installation, id).filter(|_| id.is_planned());
            ids.extend(real.map(|real| (id.clone(), real)));
        }
        match &step.action {
            StepAction::CreateGroup { group, open_egress: false, .. } => {
                let real = ids.get(group).unwrap_or(group);
                !observed.groups.iter().any(|held| held.id == *real) || plan::holds(step, observed, &ids)
            }
            _ => plan::holds(step, observed, &ids),
        }
    }

    fn usage<'a>(&self, observed: &'a Observed) -> Vec<Usage<'a>> {
        usage::usage(&self.settings, observed)
    }

    fn estimate(&self, _scope: &Scope, observed: &Observed, batches: &[Vec<&Step>]) -> CallEstimate {
        estimate::estimate(&self.settings, observed, batches, self.api.share(), self.api.rates())
    }
}

/// Writes to Google Cloud. Clones share their locks and what they know.
#[derive(Clone)]
pub struct GcpWriter {
    api: Api,
    writer: Writer,
    settings: GcpSettings,
    known: Arc<apply::Known>,
}

impl GcpWriter {
    /// A writer over a connection. Writers that may touch the same networks must be clones of one.
    pub fn new(api: Api, settings: GcpSettings) -> Self {
        Self { writer: Writer::new(api.clone()), api, settings, known: Arc::default() }
    }

    fn work<'a>(
        &'a self,
        scope: &'a Scope,
        current: &'a [Observed],
        ids: &'a BTreeMap<GroupId, GroupId>,
    ) -> apply::Work<'a> {
        let hands = apply::Hands {
            api: &self.api,
            writer: &self.writer,
            settings: &self.settings,
            known: &self.known,
        };
        apply::Work::new(hands, scope, current, ids)
    }
}

#[async_trait]
impl CloudWriter for GcpWriter {
    async fn apply(
        &self,
        scope: &Scope,
        step: &Step,
        current: &[Observed],
        ids: &BTreeMap<GroupId, GroupId>,
    ) -> Result<Applied, Failed> {
        self.work(scope, current, ids).apply(step).await
    }

    fn document(
        &self,
        scope: &Scope,
        step: &Step,
        current: &[Observed],
        ids: &BTreeMap<GroupId, GroupId>,
    ) -> Option<String> {
        self.work(scope, current, ids).document(&step.action)
    }
}
