//! What may go wrong, drawn from the seed or planted by ordinal.

use std::collections::{BTreeMap, BTreeSet};

/// One fault.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Fault {
    /// The cloud answers that there are too many calls; nothing is applied.
    Throttle,
    /// The cloud fails; nothing is applied.
    ServerError,
    /// The call is applied, and its answer never arrives.
    LostAnswer,
    /// The caller may not do this; nothing is applied.
    AccessDenied,
}

/// Faults of one simulation.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    /// Probability of each fault for every call, 0 to 1.
    pub rates: BTreeMap<Fault, f64>,
    /// Faults planted on the n-th call (from 1) of an action.
    planted: BTreeMap<(String, u64), Fault>,
    seen: BTreeMap<String, u64>,
    /// Scopes (networks) whose reads are denied.
    pub denied: BTreeSet<String>,
    /// Reads may show the state of up to this long ago, in milliseconds.
    pub stale_ms: u64,
    /// How often each fault took effect; a front notes it, since only it knows (an answer is lost on writes only).
    pub fired: BTreeMap<Fault, u64>,
    /// Reads that were answered from an earlier state; noted by the front.
    pub stale_reads: u64,
}

impl Faults {
    /// Plants a fault on the n-th call (from 1, counted from now) of an action.
    pub fn plant(&mut self, action: &str, nth: u64, fault: Fault) {
        let seen = self.seen.get(action).copied().unwrap_or(0);
        self.planted.insert((action.to_owned(), seen + nth), fault);
    }

    /// The fault of the next call of an action, if it has one.
    pub fn next(&mut self, action: &str, random: &mut fastrand::Rng) -> Option<Fault> {
        let seen = self.seen.entry(action.to_owned()).or_default();
        *seen += 1;
        if let Some(fault) = self.planted.remove(&(action.to_owned(), *seen)) {
            return Some(fault);
        }
        self.rates.iter().find(|(_, rate)| random.f64() < **rate).map(|(fault, _)| *fault)
    }
}
