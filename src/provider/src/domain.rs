//! A domain over several clouds: each scope with the driver of its cloud, behind one reader and one writer.
//!
//! Everything that is about one scope goes to the scope's driver. What is about the whole domain is done cloud by
//! cloud: a driver's `semantics` sees the scopes of its cloud, and the graphs are put side by side. No cloud's rule
//! names an interface of another by identity, so nothing is lost between them; addresses are matched by the proof.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use plan::{Cloud, Desired, FilterGraph, GroupId, Observed, Scope, ScopeId, Step, Usage};

use crate::{Applied, CallEstimate, CloudReader, CloudWriter, ErrorKind, Failed, LowerInput, ProviderError};

/// Readers by scope.
#[derive(Clone, Default)]
pub struct DomainReader {
    by_scope: BTreeMap<ScopeId, (Cloud, Arc<dyn CloudReader>)>,
}

/// Writers by scope. A scope without one cannot be written.
#[derive(Clone, Default)]
pub struct DomainWriter {
    by_scope: BTreeMap<ScopeId, Arc<dyn CloudWriter>>,
}

impl DomainReader {
    /// Adds the reader of a scope: one of the scope's cloud.
    pub fn add(&mut self, scope: &Scope, reader: Arc<dyn CloudReader>) {
        self.by_scope.insert(scope.id.clone(), (scope.cloud, reader));
    }

    fn of(&self, scope: &ScopeId) -> Option<&dyn CloudReader> {
        self.by_scope.get(scope).map(|(_, reader)| &**reader)
    }

    fn of_state(&self, observed: &Observed) -> Option<&(Cloud, Arc<dyn CloudReader>)> {
        self.by_scope.get(observed.scope.as_ref()?)
    }
}

impl DomainWriter {
    /// Adds the writer of a scope.
    pub fn add(&mut self, scope: &Scope, writer: Arc<dyn CloudWriter>) {
        self.by_scope.insert(scope.id.clone(), writer);
    }
}

#[async_trait]
impl CloudReader for DomainReader {
    async fn observe(&self, scope: &Scope) -> Result<Observed, ProviderError> {
        let missing = || {
            ProviderError::new(ErrorKind::Rejected, "observe", format!("scope {} has no reader", scope.id))
        };
        self.of(&scope.id).ok_or_else(missing)?.observe(scope).await
    }

    fn lower(&self, input: &LowerInput<'_>) -> Desired {
        let scope = input.domain.get(input.scope).map(|(scope, _)| &scope.id);
        scope.and_then(|scope| self.of(scope)).map(|reader| reader.lower(input)).unwrap_or_default()
    }

    fn semantics(&self, domain: &[&Observed]) -> FilterGraph {
        let mut clouds: BTreeMap<Cloud, (&dyn CloudReader, Vec<&Observed>)> = BTreeMap::new();
        for observed in domain {
            if let Some((cloud, reader)) = self.of_state(observed) {
                clouds.entry(*cloud).or_insert((&**reader, Vec::new())).1.push(observed);
            }
        }
        let mut graph = FilterGraph::default();
        for (reader, states) in clouds.values() {
            graph.append(reader.semantics(states));
        }
        graph
    }

    fn after(&self, observed: &Observed, steps: &[&Step]) -> Observed {
        match self.of_state(observed) {
            Some((_, reader)) => reader.after(observed, steps),
            None => plan::after(observed, steps.iter().copied()),
        }
    }

    fn holds(&self, step: &Step, observed: &Observed, ids: &BTreeMap<GroupId, GroupId>) -> bool {
        match self.of_state(observed) {
            Some((_, reader)) => reader.holds(step, observed, ids),
            None => plan::holds(step, observed, ids),
        }
    }

    fn usage<'a>(&self, observed: &'a Observed) -> Vec<Usage<'a>> {
        self.of_state(observed).map(|(_, reader)| reader.usage(observed)).unwrap_or_default()
    }

    fn estimate(&self, scope: &Scope, observed: &Observed, batches: &[Vec<&Step>]) -> CallEstimate {
        self.of(&scope.id).map(|reader| reader.estimate(scope, observed, batches)).unwrap_or_default()
    }
}

#[async_trait]
impl CloudWriter for DomainWriter {
    async fn apply(
        &self,
        scope: &Scope,
        step: &Step,
        current: &[Observed],
        ids: &BTreeMap<GroupId, GroupId>,
    ) -> Result<Applied, Failed> {
        let missing = || {
            ProviderError::new(ErrorKind::Rejected, "apply", format!("scope {} is observed only", scope.id))
        };
        self.by_scope.get(&scope.id).ok_or_else(missing)?.apply(scope, step, current, ids).await
    }

    fn document(
        &self,
        scope: &Scope,
        step: &Step,
        current: &[Observed],
        ids: &BTreeMap<GroupId, GroupId>,
    ) -> Option<String> {
        self.by_scope.get(&scope.id)?.document(scope, step, current, ids)
    }
}
