//! Every call that was made, for tests and for the audit of a rehearsal.

use std::collections::BTreeMap;

/// One call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CallRecord {
    /// Its place among all calls, from 1.
    pub ordinal: u64,
    /// The action.
    pub action: String,
    /// Virtual time in milliseconds.
    pub at_ms: u64,
    /// Whether it changes something when it succeeds.
    pub mutating: bool,
    /// `ok`, or the error code.
    pub outcome: String,
    /// The request, shortened.
    pub request: String,
}

/// All calls, in order.
#[derive(Clone, Debug, Default)]
pub struct CallLog {
    calls: Vec<CallRecord>,
}

impl CallLog {
    /// Notes a call; returns its ordinal.
    pub fn note(&mut self, action: &str, at_ms: u64, mutating: bool, outcome: &str, request: &str) -> u64 {
        let ordinal = self.calls.len() as u64 + 1;
        let call = CallRecord {
            ordinal,
            action: action.to_owned(),
            at_ms,
            mutating,
            outcome: outcome.to_owned(),
            request: request.to_owned(),
        };
        self.calls.push(call);
        ordinal
    }

    /// All calls, in order.
    pub fn all(&self) -> &[CallRecord] {
        &self.calls
    }

    /// The action of every call that would change something, in order: refused ones and those whose answer was lost too.
    pub fn writes(&self) -> Vec<String> {
        self.calls.iter().filter(|call| call.mutating).map(|call| call.action.clone()).collect()
    }

    /// How many calls changed nothing.
    pub fn reads(&self) -> usize {
        self.calls.iter().filter(|call| !call.mutating).count()
    }

    /// Calls that succeeded and changed something, by action.
    pub fn mutations(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for call in self.calls.iter().filter(|call| call.mutating && call.outcome == "ok") {
            *counts.entry(call.action.clone()).or_default() += 1;
        }
        counts
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.calls.clear();
    }
}
