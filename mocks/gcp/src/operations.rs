//! Operations: what every change answers with, in Compute Engine and in Resource Manager.
//!
//! A change is true at once; its operation is PENDING, then RUNNING, and DONE when its end has come. Its status
//! follows from the time alone.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::link::link;
use crate::text::{spread, time};

/// How an operation fails at its end.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    /// Such as `QUOTA_EXCEEDED`.
    pub code: String,
    /// What is wrong.
    pub message: String,
    /// The HTTP status that it would have been.
    pub http: u16,
}

/// One operation of Compute Engine.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Operation {
    /// The cloud's number.
    pub id: u64,
    /// Where it lives, such as `projects/p/zones/z`.
    pub scope: String,
    /// Such as `insert`.
    pub word: String,
    /// The path of what is changed.
    pub target: String,
    /// The number of what is changed.
    pub target_id: u64,
    /// When it was asked for.
    pub start_ms: u64,
    /// When it is done.
    pub end_ms: u64,
    /// How it fails, if it does.
    pub failure: Option<Failure>,
    /// The `requestId`.
    pub client_id: Option<String>,
}

impl Operation {
    /// Its own name.
    pub fn name(&self) -> String {
        format!("operation-{}-{:016x}", self.start_ms, spread(self.id))
    }

    /// Its path.
    pub fn path(&self) -> String {
        format!("{}/operations/{}", self.scope, self.name())
    }

    /// As it is read at a time.
    pub fn show(&self, now_ms: u64) -> Value {
        let running = self.start_ms + (self.end_ms - self.start_ms) / 4;
        let (status, progress) = match now_ms {
            now if now >= self.end_ms => ("DONE", 100),
            now if now >= running => ("RUNNING", 50),
            _ => ("PENDING", 0),
        };
        let mut shown = json!({
            "kind": "compute#operation",
            "id": self.id.to_string(),
            "name": self.name(),
            "operationType": self.word,
            "targetLink": link(&self.target),
            "targetId": self.target_id.to_string(),
            "status": status,
            "user": "bulkhead@example.com",
            "progress": progress,
            "insertTime": time(self.start_ms),
            "selfLink": link(&self.path()),
        });
        for (place, field) in [("/zones/", "zone"), ("/regions/", "region")] {
            if self.scope.contains(place) {
                shown[field] = json!(link(&self.scope));
            }
        }
        if let Some(id) = &self.client_id {
            shown["clientOperationId"] = json!(id);
        }
        if status != "PENDING" {
            shown["startTime"] = json!(time(running));
        }
        if status == "DONE" {
            shown["endTime"] = json!(time(self.end_ms));
            if let Some(failure) = &self.failure {
                shown["error"] = json!({ "errors": [{ "code": failure.code, "message": failure.message }] });
                shown["httpErrorStatusCode"] = json!(failure.http);
                shown["httpErrorMessage"] = json!(reason_phrase(failure.http));
            }
        }
        shown
    }
}

fn reason_phrase(http: u16) -> &'static str {
    match http {
        400 => "BAD REQUEST",
        403 => "FORBIDDEN",
        404 => "NOT FOUND",
        409 => "CONFLICT",
        412 => "PRECONDITION FAILED",
        503 => "SERVICE UNAVAILABLE",
        _ => "INTERNAL SERVER ERROR",
    }
}

/// One operation of Resource Manager.
#[derive(Clone, PartialEq, Debug)]
pub struct LongOperation {
    /// Such as `operations/rctb.europe-west1-b.1`.
    pub name: String,
    /// Which Resource Manager it came to.
    pub location: String,
    /// When it is done.
    pub end_ms: u64,
    /// What it answers when it is done.
    pub response: Value,
    /// How it fails, if it does.
    pub failure: Option<Failure>,
}

impl LongOperation {
    /// As it is read at a time.
    pub fn show(&self, now_ms: u64) -> Value {
        if now_ms < self.end_ms {
            return json!({ "name": self.name });
        }
        match &self.failure {
            None => json!({ "name": self.name, "done": true, "response": self.response }),
            Some(failure) => {
                let error = json!({ "code": rpc_code(failure.http), "message": failure.message });
                json!({ "name": self.name, "done": true, "error": error })
            }
        }
    }
}

/// The number of a canonical word.
fn rpc_code(http: u16) -> u8 {
    match http {
        400 => 3,
        403 => 7,
        404 => 5,
        409 => 6,
        412 => 9,
        429 => 8,
        503 => 14,
        _ => 13,
    }
}

/// All operations.
#[derive(Clone, Debug, Default)]
pub struct Operations {
    /// By path.
    all: BTreeMap<String, Operation>,
    /// By name.
    long: BTreeMap<String, LongOperation>,
    ends: BTreeSet<u64>,
    /// target → when the last operation on it ends.
    busy: BTreeMap<String, u64>,
    /// Where and `requestId` → the path of the operation.
    requests: BTreeMap<(String, String), String>,
}

impl Operations {
    /// Notes a new one.
    pub fn start(&mut self, operation: Operation) {
        self.ends.insert(operation.end_ms);
        let busy = self.busy.entry(operation.target.clone()).or_default();
        *busy = operation.end_ms.max(*busy);
        if let Some(client_id) = &operation.client_id {
            self.requests.insert((operation.scope.clone(), client_id.clone()), operation.path());
        }
        self.all.insert(operation.path(), operation);
    }

    /// Notes a new one of Resource Manager.
    pub fn start_long(&mut self, operation: LongOperation) {
        self.ends.insert(operation.end_ms);
        self.long.insert(operation.name.clone(), operation);
    }

    /// One by path, with a name or a number at its end.
    pub fn get(&self, path: &str) -> Option<&Operation> {
        let by_number = || {
            let (collection, id) = path.rsplit_once('/')?;
            let id: u64 = id.parse().ok()?;
            self.all.values().find(|one| one.id == id && collection == format!("{}/operations", one.scope))
        };
        self.all.get(path).or_else(by_number)
    }

    /// One of Resource Manager by name.
    pub fn get_long(&self, name: &str) -> Option<&LongOperation> {
        self.long.get(name)
    }

    /// The operation that an earlier request with the same id started.
    pub fn repeated(&self, scope: &str, client_id: &str) -> Option<&Operation> {
        self.all.get(self.requests.get(&(scope.to_owned(), client_id.to_owned()))?)
    }

    /// Those of a scope.
    pub fn within<'a>(&'a self, scope: &'a str) -> impl Iterator<Item = &'a Operation> {
        self.all.values().filter(move |operation| operation.scope == scope)
    }

    /// Whether an operation on something is under way.
    pub fn is_busy(&self, target: &str, now_ms: u64) -> bool {
        self.busy.get(target).is_some_and(|end| *end > now_ms)
    }

    /// When the next one ends.
    pub fn next_end_ms(&self, now_ms: u64) -> Option<u64> {
        self.ends.range(now_ms + 1..).next().copied()
    }
}
