//! What a process leaves for the next one: audit lines, the journal of an apply, what was last applied.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use plan::Plan;
use reconcile::applying::StepStatus;
use reconcile::last_applied::LastApplied;
use serde::Serialize;

/// The state folder.
pub struct StateFolder {
    path: PathBuf,
}

/// One apply, as one line.
#[derive(Serialize)]
struct AuditLine<'a> {
    at: String,
    who: String,
    installation: &'a str,
    policy_digest: &'a str,
    policy_commit: Option<&'a str>,
    plan: &'a str,
    overridden_guards: Vec<&'a str>,
    steps: Vec<AuditStep<'a>>,
}

/// One step of an audit line: the action holds what was before and after.
#[derive(Serialize)]
struct AuditStep<'a> {
    action: Option<&'a plan::StepAction>,
    #[serde(flatten)]
    status: &'a StepStatus,
}

impl StateFolder {
    /// Opens the folder, making it if it is not there.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn open(path: &Path) -> io::Result<Self> {
        fs::create_dir_all(path)?;
        Ok(Self { path: path.to_owned() })
    }

    /// Appends one audit line.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn audit(&self, plan: &Plan, allow: &[String], steps: &[StepStatus]) -> io::Result<()> {
        let line = AuditLine {
            at: jiff::Timestamp::now().to_string(),
            who: who(),
            installation: &plan.installation,
            policy_digest: &plan.policy_digest,
            policy_commit: plan.policy_commit.as_deref(),
            plan: &plan.base,
            overridden_guards: allow.iter().map(String::as_str).collect(),
            steps: steps
                .iter()
                .map(|status| AuditStep { action: plan.step(status.id).map(|step| &step.action), status })
                .collect(),
        };
        let mut text = serde_json::to_string(&line).map_err(io::Error::other)?;
        text.push('\n');
        let mut file = OpenOptions::new().create(true).append(true).open(self.path.join("audit.jsonl"))?;
        file.write_all(text.as_bytes())?;
        file.sync_data()
    }

    /// Notes that an apply of a plan begins; it stays if the process dies.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn begin(&self, base: &str) -> io::Result<()> {
        write_whole(&self.path.join("journal"), base)
    }

    /// The plan whose apply was interrupted, if one was.
    pub fn interrupted(&self) -> Option<String> {
        fs::read_to_string(self.path.join("journal")).ok()
    }

    /// Notes that an apply ended.
    ///
    /// # Errors
    /// If the journal cannot be removed.
    pub fn end(&self) -> io::Result<()> {
        match fs::remove_file(self.path.join("journal")) {
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
}

/// Writes a file so that a reader sees the old text or the new, never half.
fn write_whole(path: &Path, text: &str) -> io::Result<()> {
    let fresh = path.with_extension("new");
    let mut file = fs::File::create(&fresh)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&fresh, path)
}

fn who() -> String {
    let named = ["BULKHEAD_ACTOR", "USER", "LOGNAME"].iter().find_map(|name| std::env::var(name).ok());
    named.unwrap_or_else(|| "unknown".to_owned())
}
