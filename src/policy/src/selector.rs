//! Selectors: which workloads a rule names, with label groups and scopes already expanded.

use std::fmt;

use crate::name::{LabelKey, LabelValue, WorkloadId};
use crate::sorted::{SortedMap, SortedSet};
use crate::workload::Workload;

/// Which values of one key match. A workload without the key matches only when nothing is included.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Term {
    /// The values that match; `None` means any value, and no value too.
    pub included: Option<SortedSet<LabelValue>>,
    /// Values that do not match, taken off after the inclusion (S4).
    pub excluded: SortedSet<LabelValue>,
}

impl Term {
    /// Whether a workload with this value (or none) under the key matches.
    pub fn matches(&self, value: Option<&LabelValue>) -> bool {
        let included = match (&self.included, value) {
            (None, _) => true,
            (Some(values), Some(value)) => values.contains(value),
            (Some(_), None) => false,
        };
        included && !value.is_some_and(|value| self.excluded.contains(value))
    }
}

/// A set of workloads by what they are: all terms must match (AND over keys, OR inside one).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Selector {
    /// By labels; no term at all selects every workload.
    Labels(SortedMap<LabelKey, Term>),
    /// One workload by identity, never narrowed by a scope (S7).
    Workload(WorkloadId),
}

impl Selector {
    /// Whether the workload is selected.
    pub fn matches(&self, workload: &Workload) -> bool {
        match self {
            Self::Labels(terms) => terms.iter().all(|(key, term)| term.matches(workload.labels.get(key))),
            Self::Workload(id) => workload.id == *id,
        }
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let terms = match self {
            Self::Workload(id) => return write!(f, "workload {id}"),
            Self::Labels(terms) if terms.is_empty() => return f.write_str("all workloads"),
            Self::Labels(terms) => terms,
        };
        let join = |values: &SortedSet<LabelValue>| {
            values.iter().map(LabelValue::as_str).collect::<Vec<_>>().join("|")
        };
        let mut texts = Vec::new();
        for (key, term) in terms {
            if let Some(included) = &term.included {
                texts.push(format!("{key}={}", join(included)));
            }
            if !term.excluded.is_empty() {
                texts.push(format!("{key}!={}", join(&term.excluded)));
            }
        }
        f.write_str(&texts.join(" "))
    }
}
