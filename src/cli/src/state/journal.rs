//! The journal of one apply: the plan on the first line, then what was begun and answered, a note on each line.
//!
//! A note that was torn when the machine died is no note: it was not on the disk, so what it announces was not sent.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use plan::{ScopeId, Step, StepId};
use provider::{CallRecord, Failed};
use serde::{Deserialize, Serialize};

use super::audit::{Changed, Head};
use super::{AUDITED, write_whole};

/// The journal of the apply that this process is in.
pub(super) struct Journal {
    file: File,
    _lock: File,
}

/// One line of a journal.
#[derive(Serialize, Deserialize)]
#[serde(tag = "note", rename_all = "snake_case")]
pub(super) enum Note {
    /// The apply begins.
    Began {
        /// When.
        at: String,
        /// Who applies what.
        head: Head,
    },
    /// A step is about to be sent.
    Sent(SentStep),
    /// What was called for a step, and how it went.
    Answered {
        /// The step.
        id: StepId,
        /// Calls with their request ids.
        calls: Vec<(String, String)>,
        /// Error and hint, if it failed.
        failed: Option<(String, String)>,
    },
}

/// A step with what it changes.
#[derive(Serialize, Deserialize)]
pub(super) struct SentStep {
    pub id: StepId,
    pub title: String,
    pub scope: ScopeId,
    #[serde(flatten)]
    pub changed: Changed,
}

/// What a process left.
pub(super) struct Left {
    /// Of the plan.
    pub base: String,
    /// Whether its audit line is written.
    pub audited: bool,
    /// What it noted.
    pub notes: Vec<Note>,
}

impl Journal {
    pub fn create(path: &Path, base: &str, head: &Note, lock: File) -> io::Result<Self> {
        write_whole(path, &format!("{base}\n{}", line(head)?))?;
        Ok(Self { file: OpenOptions::new().append(true).open(path)?, _lock: lock })
    }

    /// Returns when the note is on the disk.
    pub fn append(&mut self, note: &Note) -> io::Result<()> {
        self.file.write_all(line(note)?.as_bytes())?;
        self.file.sync_data()
    }
}

fn line(note: &Note) -> io::Result<String> {
    Ok(serde_json::to_string(note).map_err(io::Error::other)? + "\n")
}

impl Note {
    pub fn sent(step: &Step) -> Self {
        let (id, title, scope) = (step.id, step.title.clone(), step.scope.clone());
        Self::Sent(SentStep { id, title, scope, changed: Changed::by(&step.action) })
    }

    pub fn answered(id: StepId, calls: &[CallRecord], failed: Option<&Failed>) -> Self {
        let calls = calls.iter().map(|call| (call.action.clone(), call.request_id.clone())).collect();
        let failed = failed.map(|failed| (failed.error.to_string(), failed.error.hint.clone()));
        Self::Answered { id, calls, failed }
    }
}

/// The journal that is there, if there is one.
pub(super) fn read(path: &Path) -> io::Result<Option<Left>> {
    let text = match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        text => text?,
    };
    let (first, rest) = text.split_once('\n').unwrap_or((&text, ""));
    let notes = rest.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let (base, audited) = first.strip_suffix(AUDITED).map_or((first, false), |base| (base, true));
    Ok(Some(Left { base: base.to_owned(), audited, notes }))
}
