//! What a process leaves for the next one: audit lines, the journal of an apply, what was last applied.
//!
//! INVARIANT: no call that writes is sent before its step is in the journal, and a journal is only taken away when its
//! audit line is written. What was called is on record, whenever the process dies.

mod audit;
mod journal;
mod noting;

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use plan::Plan;
use reconcile::applying::StepStatus;
use reconcile::last_applied::LastApplied;
use serde::Serialize;

use audit::{AuditLine, Head};
use journal::{Journal, Note};
pub use noting::Noting;

/// The state folder.
pub struct StateFolder {
    path: PathBuf,
    /// Of the apply that this process is in.
    journal: Mutex<Option<Journal>>,
}

/// Behind the plan in the journal: its audit line is written.
const AUDITED: &str = " audited";

impl StateFolder {
    /// Opens the folder, making it if it is not there.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn open(path: &Path) -> io::Result<Self> {
        fs::create_dir_all(path)?;
        Ok(Self::to_read(path))
    }

    /// The folder for reading only; it need not be there.
    pub fn to_read(path: &Path) -> Self {
        Self { path: path.to_owned(), journal: Mutex::default() }
    }

    /// Appends the audit line of an apply.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn audit(&self, plan: &Plan, allowed: &BTreeSet<String>, steps: &[StepStatus]) -> io::Result<()> {
        self.append(&AuditLine::new(Head::new(plan, &plan.base, allowed), plan, steps))
    }

    fn append(&self, line: &impl Serialize) -> io::Result<()> {
        let mut text = serde_json::to_string(line).map_err(io::Error::other)?;
        text.push('\n');
        let mut file = OpenOptions::new().create(true).append(true).open(self.path.join("audit.jsonl"))?;
        file.write_all(text.as_bytes())?;
        file.sync_data()
    }

    /// Notes that an apply of a plan begins; `base` is that of the plan that people know. What is noted stays if the
    /// process dies.
    ///
    /// # Errors
    /// If it cannot be written, or another process is applying.
    pub fn begin(&self, base: &str, plan: &Plan, allowed: &BTreeSet<String>) -> io::Result<()> {
        let lock = self.lock()?;
        self.record_death()?;
        let head = Note::Began { at: now(), head: Head::new(plan, base, allowed) };
        *self.journal() = Some(Journal::create(&self.path_of_journal(), base, &head, lock)?);
        Ok(())
    }

    /// Notes something of the apply that this process is in.
    fn note(&self, note: &Note) -> io::Result<()> {
        match self.journal().as_mut() {
            Some(journal) => journal.append(note),
            None => Err(io::Error::other("no journal was begun")),
        }
    }

    /// Notes that the apply that was begun did not do all of its plan, and has its audit line.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn leave_unfinished(&self, base: &str) -> io::Result<()> {
        let Some(_lock) = self.journal().take() else { return Ok(()) };
        write_whole(&self.path_of_journal(), &format!("{base}{AUDITED}"))
    }

    /// Leaves the journal as that of a process that died: its audit line could not be written.
    pub fn abandon(&self) {
        drop(self.journal().take());
    }

    /// The plan whose apply did not get to its end, if there is one. An apply that died left no audit line: it gets one
    /// now.
    ///
    /// # Errors
    /// If the audit line cannot be written, or another process is applying.
    pub fn unfinished(&self) -> io::Result<Option<String>> {
        let _lock = self.lock()?;
        self.record_death()
    }

    /// As [`StateFolder::unfinished`], by the process that holds the lock.
    fn record_death(&self) -> io::Result<Option<String>> {
        let Some(left) = journal::read(&self.path_of_journal())? else { return Ok(None) };
        if !left.audited {
            self.append(&AuditLine::of_the_dead(&left.base, left.notes))?;
            write_whole(&self.path_of_journal(), &format!("{}{AUDITED}", left.base))?;
        }
        Ok(Some(left.base))
    }

    /// Notes that nothing is left of any apply: of the own one, which has its audit line, or of an earlier one.
    ///
    /// # Errors
    /// If the journal cannot be removed, its audit line cannot be written, or another process is applying.
    pub fn end(&self) -> io::Result<()> {
        let own = self.journal().take();
        let _lock = if own.is_none() { Some(self.lock()?) } else { None };
        if own.is_none() {
            self.record_death()?;
        }
        match fs::remove_file(self.path_of_journal()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// What was last applied, if that is known. A file that cannot be read is as good as none.
    pub fn last_applied(&self) -> Option<LastApplied> {
        serde_json::from_str(&fs::read_to_string(self.path.join("last-applied.json")).ok()?).ok()
    }

    /// Stores what is applied now.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn store_last_applied(&self, last: &LastApplied) -> io::Result<()> {
        write_whole(
            &self.path.join("last-applied.json"),
            &serde_json::to_string(last).map_err(io::Error::other)?,
        )
    }

    fn path_of_journal(&self) -> PathBuf {
        self.path.join("journal")
    }

    fn journal(&self) -> std::sync::MutexGuard<'_, Option<Journal>> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps other processes from taking the journal of this one for that of a dead one; gone with the process.
    fn lock(&self) -> io::Result<File> {
        let file = OpenOptions::new().create(true).append(true).open(self.path.join("lock"))?;
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => {
                let message =
                    format!("another process is applying with the state folder `{}`", self.path.display());
                Err(io::Error::new(io::ErrorKind::WouldBlock, message))
            }
            // Not every file system has locks; there nobody is kept out.
            Ok(()) | Err(TryLockError::Error(_)) => Ok(file),
        }
    }
}

/// Writes a file so that a reader sees the old text or the new, never half.
fn write_whole(path: &Path, text: &str) -> io::Result<()> {
    let fresh = path.with_extension("new");
    let mut file = File::create(&fresh)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&fresh, path)
}

fn who() -> String {
    let named = ["BULKHEAD_ACTOR", "USER", "LOGNAME"].iter().find_map(|name| std::env::var(name).ok());
    named.unwrap_or_else(|| "unknown".to_owned())
}

fn now() -> String {
    jiff::Timestamp::now().to_string()
}

#[cfg(test)]
#[path = "state/tests.rs"]
mod tests;
