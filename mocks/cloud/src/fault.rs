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
    /// Somebody else has changed the object since it was read; nothing is applied.
    Conflict,
}

/// What an ordinal counts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum CallKind {
    /// Calls that change nothing.
    Read,
    /// Calls that change something when they succeed.
    Write,
}

impl CallKind {
    /// The kind of a call.
    pub fn of(is_mutating: bool) -> Self {
        if is_mutating { Self::Write } else { Self::Read }
    }
}

/// Faults of one simulation.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    /// Probability of each fault for every call, 0 to 1.
    pub rates: BTreeMap<Fault, f64>,
    /// Faults planted on the n-th call (from 1) of an action.
    planted: BTreeMap<(String, u64), Fault>,
    seen: BTreeMap<String, u64>,
    /// Faults planted on the n-th call (from 1) of a kind, whatever the action.
    planted_by_ordinal: BTreeMap<(CallKind, u64), Fault>,
    counts: BTreeMap<CallKind, u64>,
    /// After so many writes nothing gets through any more.
    last_write: Option<u64>,
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

    /// Plants a fault on the n-th call (from 1, counted from now) of a kind, whatever its action.
    pub fn plant_nth(&mut self, kind: CallKind, nth: u64, fault: Fault) {
        self.planted_by_ordinal.insert((kind, self.count(kind) + nth), fault);
    }

    /// After so many more writes no call gets through: whoever calls is dead, or cut off.
    pub fn die_after(&mut self, writes: u64) {
        self.last_write = Some(self.count(CallKind::Write) + writes);
    }

    /// Whether no call gets through. A front looks before anything else, and notes nothing of such a call.
    pub fn is_dead(&self) -> bool {
        self.last_write.is_some_and(|last| self.count(CallKind::Write) >= last)
    }

    /// Whether everything that was planted has struck, death too.
    pub fn have_struck(&self) -> bool {
        self.planted.is_empty()
            && self.planted_by_ordinal.is_empty()
            && (self.last_write.is_none() || self.is_dead())
    }

    /// Takes back what was planted and has not struck, death too.
    pub fn heal(&mut self) {
        self.planted.clear();
        self.planted_by_ordinal.clear();
        self.last_write = None;
    }

    fn count(&self, kind: CallKind) -> u64 {
        self.counts.get(&kind).copied().unwrap_or(0)
    }

    /// The fault of the next call of an action, if it has one. Calls that are refused for another reason (credentials,
    /// limits of calls) do not come here and are not counted.
    pub fn next(&mut self, action: &str, kind: CallKind, random: &mut fastrand::Rng) -> Option<Fault> {
        let seen = self.seen.entry(action.to_owned()).or_default();
        *seen += 1;
        let by_action = self.planted.remove(&(action.to_owned(), *seen));
        let count = self.counts.entry(kind).or_default();
        *count += 1;
        let by_ordinal = self.planted_by_ordinal.remove(&(kind, *count));
        if let Some(fault) = by_action.or(by_ordinal) {
            return Some(fault);
        }
        self.rates.iter().find(|(_, rate)| random.f64() < **rate).map(|(fault, _)| *fault)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calls(faults: &mut Faults, text: &str) -> Vec<Option<Fault>> {
        let mut random = fastrand::Rng::with_seed(1);
        let mut call = |word: &str| faults.next(word, CallKind::of(word.starts_with("Put")), &mut random);
        text.split(' ').map(&mut call).collect()
    }

    #[test]
    fn an_ordinal_counts_all_calls_of_its_kind_from_when_it_was_planted() {
        let mut faults = Faults::default();
        assert_eq!(calls(&mut faults, "PutA Get"), [None, None]);
        faults.plant_nth(CallKind::Write, 2, Fault::Conflict);
        faults.plant_nth(CallKind::Read, 1, Fault::ServerError);
        let struck = calls(&mut faults, "PutA Get PutB PutB Get");
        assert_eq!(struck, [None, Some(Fault::ServerError), Some(Fault::Conflict), None, None]);
        assert!(faults.have_struck());
    }

    #[test]
    fn who_is_dead_stays_so_until_healed() {
        let mut faults = Faults::default();
        calls(&mut faults, "PutA");
        faults.die_after(1);
        assert!(!faults.is_dead() && !faults.have_struck());
        calls(&mut faults, "Get PutB");
        assert!(faults.is_dead());
        faults.heal();
        assert!(!faults.is_dead());
        faults.plant_nth(CallKind::Write, 1, Fault::Throttle);
        faults.heal();
        assert_eq!(calls(&mut faults, "PutA"), [None], "taken back before it struck");
        faults.die_after(0);
        assert!(faults.is_dead());
    }
}
