//! The driver's reader and writer. Different values: whoever plans holds only the reader.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use plan::{Desired, FilterGraph, GroupId, Observed, Scope, Step, StepAction, Usage};
use provider::reread::{LastReads, Read};
use provider::{
    Applied, CallEstimate, CloudReader, CloudWriter, ErrorKind, Failed, LowerInput, ProviderError,
};

use crate::after;
use crate::apply::Applier;
use crate::arm::Arm;
use crate::arm::answer::Request;
use crate::estimate;
use crate::ids::{self, GroupKind};
use crate::inventory::{self, ACTION};
use crate::observed::observed;
use crate::settings::AzureSettings;
use crate::write::Writer;

/// Reads Azure and says what its objects mean.
#[derive(Clone)]
pub struct AzureReader {
    arm: Arm,
    settings: AzureSettings,
    last: Arc<LastReads<Request>>,
}

impl AzureReader {
    /// A reader over a connection.
    pub fn new(arm: Arm, settings: AzureSettings) -> Self {
        Self { arm, settings, last: Arc::default() }
    }
}

#[async_trait]
impl CloudReader for AzureReader {
    async fn observe(&self, scope: &Scope) -> Result<Observed, ProviderError> {
        if scope.account.is_empty() {
            let message = format!("scope {} names no subscription", scope.id);
            let mut error = ProviderError::new(ErrorKind::Rejected, ACTION, message);
            error.hint = "write the id of the subscription under `account` of the scope".to_owned();
            return Err(error);
        }
        let tape = match self.last.again(scope, |request| self.arm.send(request)).await {
            Read::AsBefore(observed) => return Ok(observed),
            Read::Anew(tape) => Arc::new(tape),
        };
        let arm = self.arm.taped(&tape);
        let estate = inventory::observe(&arm, std::slice::from_ref(&scope.account)).await?;
        let observed = observed(&estate, &self.settings, scope)?;
        self.last.keep(scope, &tape, &observed);
        Ok(observed)
    }

    fn lower(&self, input: &LowerInput<'_>) -> Desired {
        crate::lower::lower(&self.settings, input)
    }

    fn semantics(&self, domain: &[&Observed]) -> FilterGraph {
        crate::semantics::semantics(domain)
    }

    fn after(&self, observed: &Observed, steps: &[&Step]) -> Observed {
        after::after(&self.settings, observed, steps)
    }

    /// A carrier can be used as long as its application security group is there. It is seen with rules or members only,
    /// and without them as good as deleted.
    fn holds(&self, step: &Step, observed: &Observed, ids: &BTreeMap<GroupId, GroupId>) -> bool {
        let (StepAction::CreateGroup { group, .. } | StepAction::DeleteGroup { group, .. }) = &step.action
        else {
            return plan::holds(step, observed, ids);
        };
        let real = ids.get(group).unwrap_or(group);
        let GroupKind::Carrier { asg, .. } = ids::kind_of(real) else {
            return plan::holds(step, observed, ids);
        };
        let held = |id: &GroupId| observed.groups.iter().find(|held| held.id == *id);
        match (&step.action, held(real)) {
            (StepAction::CreateGroup { open_egress: false, .. }, None) => held(&ids::of_asg(&asg)).is_some(),
            (StepAction::DeleteGroup { .. }, Some(carrier)) => {
                carrier.ingress.is_empty()
                    && carrier.egress.is_empty()
                    && !observed.interfaces.iter().any(|interface| interface.groups.contains(real))
            }
            _ => plan::holds(step, observed, ids),
        }
    }

    fn usage<'a>(&self, observed: &'a Observed) -> Vec<Usage<'a>> {
        crate::usage::usage(&self.settings.band_of(observed.scope.as_ref()), observed)
    }

    fn estimate(&self, scope: &Scope, observed: &Observed, batches: &[Vec<&Step>]) -> CallEstimate {
        estimate::estimate(&self.settings, scope, observed, batches, self.arm.share())
    }
}

/// Writes to Azure.
#[derive(Clone)]
pub struct AzureWriter {
    writer: Writer,
    settings: AzureSettings,
}

impl AzureWriter {
    /// A writer; those that may touch the same resources are made over clones of one [`Writer`].
    pub fn new(writer: Writer, settings: AzureSettings) -> Self {
        Self { writer, settings }
    }
}

#[async_trait]
impl CloudWriter for AzureWriter {
    async fn apply(
        &self,
        scope: &Scope,
        step: &Step,
        current: &[Observed],
        ids: &BTreeMap<GroupId, GroupId>,
    ) -> Result<Applied, Failed> {
        Applier::new(&self.writer, &self.settings, scope, current, ids).apply(step).await
    }

    fn document(
        &self,
        scope: &Scope,
        step: &Step,
        current: &[Observed],
        ids: &BTreeMap<GroupId, GroupId>,
    ) -> Option<String> {
        Applier::new(&self.writer, &self.settings, scope, current, ids).document(&step.action)
    }
}
