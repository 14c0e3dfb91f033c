//! What is wrong with the input, as data to report: compute never fails.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How bad it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing.
    Note,
    /// Somebody should act one day.
    Warning,
    /// No plan may be applied while it stands.
    Blocking,
}

/// One thing that is wrong, about whom, and what to do.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// A stable word for programs, such as `address-claimed-twice`.
    pub code: String,
    /// What it is about: a rule `ruleset/rule`, a workload, an interface, a group.
    pub subject: String,
    /// One line: what is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: String,
}

impl Finding {
    /// A finding of any severity.
    pub fn new(
        severity: Severity,
        code: &str,
        subject: impl fmt::Display,
        message: impl fmt::Display,
        hint: impl fmt::Display,
    ) -> Self {
        Self {
            severity,
            code: code.to_owned(),
            subject: subject.to_string(),
            message: message.to_string(),
            hint: hint.to_string(),
        }
    }

    /// Whether the finding keeps a plan from being applied.
    pub fn is_blocking(&self) -> bool {
        self.severity == Severity::Blocking
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.subject, self.message)
    }
}
