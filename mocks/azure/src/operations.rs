//! Long-running operations: one on each resource at a time; their end gives a new etag.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::error::ArmError;
use crate::path::Kind;
use crate::resources::{interface, manager, network};
use crate::state::{Provisioning, State};

/// What an operation does when it ends.
#[derive(Clone, PartialEq, Debug)]
pub enum Work {
    /// The resource is as it was written.
    Write,
    /// The resource goes.
    Delete,
    /// There is an answer.
    Answer(Value),
}

/// One long-running operation.
#[derive(Clone, PartialEq, Debug)]
pub struct Operation {
    /// What is locked: the key of a resource without its parts.
    pub owner: String,
    /// What kind the owner is of.
    pub kind: Kind,
    /// What is written.
    pub key: String,
    /// What it does at its end.
    pub work: Work,
    /// When it ends.
    pub ends_ms: u64,
    /// How it fails, if it does: code and message.
    pub failure: Option<(String, String)>,
    /// Whether its end has come.
    pub is_over: bool,
}

impl Operation {
    /// As its status is read.
    pub fn status(&self) -> Value {
        match (&self.failure, self.is_over) {
            (_, false) => json!({ "status": "InProgress" }),
            (None, true) => json!({ "status": "Succeeded" }),
            (Some((code, message)), true) => {
                json!({ "status": "Failed", "error": { "code": code, "message": message, "details": [] } })
            }
        }
    }
}

/// All operations by id.
#[derive(Clone, Debug, Default)]
pub struct Operations {
    all: BTreeMap<String, Operation>,
    open: Vec<String>,
}

impl Operations {
    /// Starts one.
    pub fn start(&mut self, id: String, operation: Operation) {
        self.open.push(id.clone());
        self.all.insert(id, operation);
    }

    /// One by id.
    pub fn get(&self, id: &str) -> Option<&Operation> {
        self.all.get(id)
    }

    /// The operation under way on a resource, with its id.
    pub fn on(&self, owner: &str) -> Option<(&String, &Operation)> {
        let mut open = self.open.iter().filter_map(|id| self.all.get(id).map(|operation| (id, operation)));
        open.find(|(_, operation)| operation.owner == owner)
    }

    /// When the next one ends.
    pub fn next_end_ms(&self) -> Option<u64> {
        self.open.iter().filter_map(|id| self.all.get(id)).map(|operation| operation.ends_ms).min()
    }

    /// Ends those whose time has come; gives the owners of what was deleted.
    pub fn settle(&mut self, state: &mut State, now_ms: u64) -> Vec<(String, Kind)> {
        let due: Vec<String> = self
            .open
            .iter()
            .filter(|id| self.all.get(*id).is_some_and(|operation| operation.ends_ms <= now_ms))
            .cloned()
            .collect();
        let mut written = Vec::new();
        for id in due {
            self.open.retain(|open| *open != id);
            if let Some(operation) = self.all.get_mut(&id) {
                operation.is_over = true;
                finish(state, operation);
                if operation.failure.is_none() && operation.work == Work::Delete {
                    written.push((operation.owner.clone(), operation.kind));
                }
            }
        }
        written
    }
}

fn finish(state: &mut State, operation: &Operation) {
    if matches!(operation.work, Work::Answer(_)) {
        return;
    }
    let failed = operation.failure.is_some();
    if operation.work == Work::Delete && !failed {
        delete(state, &operation.key);
    }
    let prefix = format!("{}/", operation.owner);
    let end = if failed { Provisioning::Failed } else { Provisioning::Succeeded };
    let etag = state.new_etag();
    if let Some(owner) = state.resources.get_mut(&operation.owner) {
        owner.etag = etag;
        owner.provisioning = end;
    }
    let parts = state.resources.range_mut(prefix.clone()..).take_while(|(key, _)| key.starts_with(&prefix));
    for (_, part) in parts.filter(|(_, part)| part.provisioning.is_busy()) {
        part.provisioning = end;
    }
}

/// Takes a resource away, with what hangs on it elsewhere.
pub fn delete(state: &mut State, key: &str) {
    let kind = state.get(key).map(|held| held.kind);
    match kind {
        Some(Kind::Peering | Kind::VirtualNetwork) => network::disconnect(state, key),
        Some(Kind::Machine) => interface::detach(state, key),
        Some(Kind::Manager) => manager::forget(state, key),
        _ => {}
    }
    state.remove(key);
}

/// The refusal of a second operation on a resource.
pub fn refuse_second(kind: Kind, id: &str, operation: &str, now_ms: u64, ends_ms: u64) -> ArmError {
    let seconds = ends_ms.saturating_sub(now_ms).div_ceil(1000).max(1);
    if matches!(kind, Kind::VirtualNetwork | Kind::Subnet | Kind::Peering) {
        let message = format!(
            "Another operation on this or dependent resource is in progress. To retrieve status of the operation use uri: {operation}."
        );
        return ArmError::new(429, "AnotherOperationInProgress", message).retry_after(seconds);
    }
    let message = format!(
        "Operation ({operation}) is updating resource {id}. The call can be retried in {seconds} seconds."
    );
    ArmError::new(429, "RetryableErrorDueToAnotherOperation", message).retry_after(seconds)
}
