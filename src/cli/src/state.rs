//! What a process leaves for the next one: audit lines, the journal of an apply, what was last applied.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use plan::{Direction, GroupId, Plan, RuleSpec, ScopeId, StepAction};
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
    /// Those of the command line and those of the configuration.
    overridden_guards: &'a BTreeSet<String>,
    steps: Vec<AuditStep<'a>>,
}

/// What an apply that died did not write itself.
#[derive(Serialize)]
struct DeathLine<'a> {
    at: String,
    who: String,
    plan: &'a str,
    outcome: &'a str,
}

/// Behind the plan in the journal: its audit line is written.
const AUDITED: &str = " audited";

/// One step of an audit line, with what it changed as texts: what it takes away and what it puts there.
#[derive(Serialize)]
struct AuditStep<'a> {
    #[serde(flatten)]
    status: &'a StepStatus,
    scope: Option<&'a ScopeId>,
    /// The group or interface: the cloud's id, or `new:NETWORK/NAME` for a group that the step creates.
    object: String,
    before: Vec<String>,
    after: Vec<String>,
}

impl<'a> AuditStep<'a> {
    fn new(plan: &'a Plan, status: &'a StepStatus) -> Self {
        let step = plan.step(status.id);
        let (object, before, after) = step.map(|step| before_and_after(&step.action)).unwrap_or_default();
        Self { status, scope: step.map(|step| &step.scope), object, before, after }
    }
}

/// The object of an action, with what of it is there before and after.
fn before_and_after(action: &StepAction) -> (String, Vec<String>, Vec<String>) {
    let rules = |direction: &Direction, rules: &[RuleSpec]| -> Vec<String> {
        rules.iter().map(|rule| format!("{direction} {rule}")).collect()
    };
    let texts = |groups: &[GroupId]| groups.iter().map(|group| format!("group {group}")).collect();
    let none = Vec::new;
    match action {
        StepAction::CreateGroup { group, open_egress, .. } => {
            let egress = if *open_egress { "everything" } else { "nothing" };
            (group.to_string(), none(), vec![format!("a group with ingress nothing, egress {egress}")])
        }
        StepAction::Mark { group } => {
            (group.to_string(), vec!["other tags".to_owned()], vec!["our tags".to_owned()])
        }
        StepAction::AddRules { group, direction, rules: added } => {
            (group.to_string(), none(), rules(direction, added))
        }
        StepAction::RemoveRules { group, direction, rules: removed } => {
            (group.to_string(), rules(direction, removed), none())
        }
        StepAction::Attach { interface, add } => (interface.to_string(), none(), texts(add)),
        StepAction::Detach { interface, remove } => (interface.to_string(), texts(remove), none()),
        StepAction::DeleteGroup { group, name } => (group.to_string(), vec![format!("group {name}")], none()),
    }
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

    /// The folder for reading only; it need not be there.
    pub fn to_read(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    /// Appends one audit line.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn audit(&self, plan: &Plan, allowed: &BTreeSet<String>, steps: &[StepStatus]) -> io::Result<()> {
        let line = AuditLine {
            at: jiff::Timestamp::now().to_string(),
            who: who(),
            installation: &plan.installation,
            policy_digest: &plan.policy_digest,
            policy_commit: plan.policy_commit.as_deref(),
            plan: &plan.base,
            overridden_guards: allowed,
            steps: steps.iter().map(|status| AuditStep::new(plan, status)).collect(),
        };
        self.append(&line)
    }

    fn append(&self, line: &impl Serialize) -> io::Result<()> {
        let mut text = serde_json::to_string(line).map_err(io::Error::other)?;
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

    /// Notes that an apply did not do all of its plan, and has its audit line.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn leave_unfinished(&self, base: &str) -> io::Result<()> {
        write_whole(&self.path.join("journal"), &format!("{base}{AUDITED}"))
    }

    /// The plan whose apply did not get to its end, if there is one. An apply that died left no audit line: it gets one
    /// now, without the calls that nobody noted.
    ///
    /// # Errors
    /// If the audit line cannot be written.
    pub fn unfinished(&self) -> io::Result<Option<String>> {
        let Ok(text) = fs::read_to_string(self.path.join("journal")) else { return Ok(None) };
        if let Some(base) = text.strip_suffix(AUDITED) {
            return Ok(Some(base.to_owned()));
        }
        let line = DeathLine {
            at: jiff::Timestamp::now().to_string(),
            who: who(),
            plan: &text,
            outcome: "an earlier apply of this plan died; what it wrote shows in the next read",
        };
        self.append(&line)?;
        self.leave_unfinished(&text)?;
        Ok(Some(text))
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn an_apply_that_died_gets_one_audit_line() {
        let folder = tempfile::tempdir().unwrap();
        let state = StateFolder::open(folder.path()).unwrap();
        assert_eq!(state.unfinished().unwrap(), None);
        state.begin("abc").unwrap();
        assert_eq!(state.unfinished().unwrap().as_deref(), Some("abc"));
        assert_eq!(state.unfinished().unwrap().as_deref(), Some("abc"));
        let lines = fs::read_to_string(folder.path().join("audit.jsonl")).unwrap();
        assert_eq!(lines.lines().count(), 1, "{lines}");
        assert!(lines.contains(r#""plan":"abc""#) && lines.contains("died"), "{lines}");
        state.end().unwrap();
        assert_eq!(state.unfinished().unwrap(), None);
    }

    #[test]
    fn an_apply_that_failed_has_its_line_and_may_be_tried_again() {
        let folder = tempfile::tempdir().unwrap();
        let state = StateFolder::open(folder.path()).unwrap();
        state.begin("abc").unwrap();
        state.leave_unfinished("abc").unwrap();
        assert_eq!(state.unfinished().unwrap().as_deref(), Some("abc"));
        assert!(!folder.path().join("audit.jsonl").exists());
    }
}
