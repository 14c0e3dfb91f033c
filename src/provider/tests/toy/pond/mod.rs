//! Pond, a toy cloud: **zones** with **ports** in them, and **teams**. A port is in teams; a team has grants that let
//! packets in or out. What no grant of a team of the port lets pass stops. A grant names a team (over peerings too) or
//! a block of addresses.
//!
//! ```text
//! cloud (API state, quotas, faults, pages) ─notes─▶ plane (what each port has heard of) ─▶ packets
//!    ▲ calls
//! driver: observe, lower, semantics, apply          world: what the conformance suite asks for
//! ```

mod apply;
mod cloud;
mod convert;
mod flaw;
mod lower;
mod observe;
mod plane;
mod semantics;
mod world;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use plan::{Desired, FilterGraph, GroupId, Observed, Scope, Step, StepAction};
use provider::{Applied, CallEstimate, CloudReader, CloudWriter, Failed, LowerInput, ProviderError};

pub use flaw::Flaw;
pub use world::Pond;

use cloud::Cloud;

/// The way to the cloud; reader and writer each have one.
#[derive(Clone)]
pub struct Wire {
    cloud: Arc<Mutex<Cloud>>,
    installation: String,
    flaw: Flaw,
}

impl Wire {
    fn cloud(&self) -> MutexGuard<'_, Cloud> {
        self.cloud.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads a pond.
pub struct Reader(Wire);

/// Writes to a pond.
pub struct Writer(Wire);

#[async_trait]
impl CloudReader for Reader {
    async fn observe(&self, scope: &Scope) -> Result<Observed, ProviderError> {
        observe::observe(&self.0, scope)
    }

    fn lower(&self, input: &LowerInput<'_>) -> Desired {
        lower::lower(input)
    }

    fn semantics(&self, domain: &[&Observed]) -> FilterGraph {
        semantics::semantics(domain, self.0.flaw)
    }

    fn after(&self, observed: &Observed, steps: &[&Step]) -> Observed {
        let is_seen = |step: &&&Step| {
            self.0.flaw != Flaw::PredictsNoDeletion || !matches!(step.action, StepAction::DeleteGroup { .. })
        };
        plan::after(observed, steps.iter().filter(is_seen).copied())
    }

    fn estimate(&self, _scope: &Scope, _observed: &Observed, batches: &[Vec<&Step>]) -> CallEstimate {
        let mut estimate = CallEstimate::default();
        for step in batches.iter().flatten() {
            let (name, count) = self.0.flaw.calls(&step.action);
            *estimate.calls.entry(name.to_owned()).or_default() += count;
        }
        estimate
    }
}

#[async_trait]
impl CloudWriter for Writer {
    async fn apply(
        &self,
        _scope: &Scope,
        step: &Step,
        current: &[Observed],
        ids: &std::collections::BTreeMap<GroupId, GroupId>,
    ) -> Result<Applied, Failed> {
        apply::Application::new(&self.0, current, ids).apply(&step.action)
    }
}
