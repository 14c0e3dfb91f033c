#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use super::*;
use plan::{Step, StepAction, StepId};
use provider::{CallRecord, Failed};
use serde_json::Value;

fn plan(base: &str) -> Plan {
    let empty = serde_json::json!({
        "format_version": 1, "installation": "lab", "policy_digest": "d", "policy_commit": null, "base": base,
        "scopes": [], "steps": [], "changes": [], "transients": [], "blocks": [], "findings": [], "drift": [],
        "quota": [], "calls": {}, "duration_ms": 0, "uncovered": [],
        "proof": { "equivalent": true, "checked_ends": 0, "checked_pairs": 0, "witnesses": [], "exposures": [],
            "obstructions": [] },
        "estate": { "networks": 0, "workloads": 0, "interfaces": 0, "enforced": 0, "classes": 0, "members": {} },
    });
    serde_json::from_value(empty).unwrap()
}

fn step(id: u32) -> Step {
    Step {
        id: StepId(id),
        scope: "s".into(),
        action: StepAction::Attach { interface: "eni-1".into(), add: vec!["sg-1".into()] },
        title: format!("attach {id}"),
        reasons: Vec::new(),
        after: Vec::new(),
        settled_after: Vec::new(),
    }
}

struct Lab {
    folder: tempfile::TempDir,
}

impl Lab {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// The folder as a process of its own sees it.
    fn state(&self) -> StateFolder {
        StateFolder::open(self.folder.path()).unwrap()
    }

    /// A process begins an apply, and dies.
    fn dies(&self, base: &str, notes: &[Note]) {
        let state = self.state();
        state.begin(base, &plan(base), &BTreeSet::from(["protect".to_owned()])).unwrap();
        notes.iter().for_each(|note| state.note(note).unwrap());
    }

    fn audit(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.folder.path().join("audit.jsonl")).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

#[test]
fn an_apply_that_died_gets_one_audit_line() {
    let lab = Lab::new();
    assert_eq!(lab.state().unfinished().unwrap(), None);
    lab.dies("abc", &[]);
    assert_eq!(lab.state().unfinished().unwrap().as_deref(), Some("abc"));
    assert_eq!(lab.state().unfinished().unwrap().as_deref(), Some("abc"));
    let [line] = lab.audit().try_into().unwrap();
    assert_eq!((&line["plan"], &line["installation"]), (&"abc".into(), &"lab".into()), "{line}");
    assert_eq!(line["overridden_guards"], serde_json::json!(["protect"]));
    assert!(line["died"]["outcome"].as_str().unwrap().contains("died"), "{line}");
    lab.state().end().unwrap();
    assert_eq!(lab.state().unfinished().unwrap(), None);
}

#[test]
fn the_line_of_the_dead_has_what_was_called() {
    let lab = Lab::new();
    let call = |action: &str| CallRecord { action: action.to_owned(), request_id: format!("id of {action}") };
    let refused = Failed::from(provider::ProviderError::new(provider::ErrorKind::Denied, "C", "no"));
    let answers = [
        Note::answered(StepId(0), &[call("A"), call("B")], None),
        Note::answered(StepId(1), &[call("C")], Some(&refused)),
        Note::answered(StepId(2), &[], None),
    ];
    let sent: Vec<Note> = (0..4).map(|id| Note::sent(&step(id))).collect();
    lab.dies("abc", &sent.into_iter().chain(answers).collect::<Vec<_>>());
    lab.state().unfinished().unwrap();
    let [line] = lab.audit().try_into().unwrap();
    let steps = line["steps"].as_array().unwrap();
    let outcomes: Vec<&str> = steps.iter().map(|step| step["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["unverified", "failed", "already_true", "unanswered"]);
    assert_eq!(steps[0]["calls"], serde_json::json!([["A", "id of A"], ["B", "id of B"]]));
    assert_eq!(steps[1]["error"], "C failed: no");
    assert_eq!((&steps[3]["object"], &steps[3]["after"][0]), (&"eni-1".into(), &"group sg-1".into()));
}

#[test]
fn a_torn_note_hides_no_other() {
    let lab = Lab::new();
    lab.dies("abc", &[Note::sent(&step(0))]);
    let mut file = OpenOptions::new().append(true).open(lab.folder.path().join("journal")).unwrap();
    file.write_all(b"{\"note\":\"sent\",\"id\":1,\"ti").unwrap();
    lab.state().unfinished().unwrap();
    assert_eq!(lab.audit()[0]["steps"].as_array().unwrap().len(), 1);
}

/// A journal of the form before this one holds the plan alone.
#[test]
fn a_journal_without_notes_is_understood() {
    let lab = Lab::new();
    fs::write(lab.folder.path().join("journal"), "abc").unwrap();
    assert_eq!(lab.state().unfinished().unwrap().as_deref(), Some("abc"));
    let [line] = lab.audit().try_into().unwrap();
    assert_eq!((&line["plan"], &line["who"]), (&"abc".into(), &"unknown".into()));
}

#[test]
fn an_apply_that_failed_has_its_line_and_may_be_tried_again() {
    let lab = Lab::new();
    let state = lab.state();
    state.begin("abc", &plan("abc"), &BTreeSet::new()).unwrap();
    state.leave_unfinished("abc").unwrap();
    assert_eq!(lab.state().unfinished().unwrap().as_deref(), Some("abc"));
    assert_eq!(lab.audit(), [] as [Value; 0]);
}

#[test]
fn a_journal_without_its_line_is_not_taken_away() {
    let lab = Lab::new();
    lab.dies("abc", &[Note::sent(&step(0))]);
    let state = lab.state();
    state.begin("def", &plan("def"), &BTreeSet::new()).unwrap();
    assert_eq!(lab.audit().len(), 1);
    // What this process could not write itself it writes when it begins again.
    state.abandon();
    state.begin("ghi", &plan("ghi"), &BTreeSet::new()).unwrap();
    state.abandon();
    state.end().unwrap();
    let plans: Vec<Value> = lab.audit().into_iter().map(|line| line["plan"].clone()).collect();
    assert_eq!(plans, ["abc", "def", "ghi"]);
}

#[test]
fn the_journal_of_the_living_is_left_alone() {
    let lab = Lab::new();
    let living = lab.state();
    living.begin("abc", &plan("abc"), &BTreeSet::new()).unwrap();
    let other = lab.state();
    let error = other.unfinished().unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    assert!(error.to_string().contains("another process is applying"), "{error}");
    assert!(other.begin("def", &plan("def"), &BTreeSet::new()).is_err());
    living.end().unwrap();
    assert_eq!(other.unfinished().unwrap(), None);
    assert_eq!(lab.audit(), [] as [Value; 0]);
}

#[test]
fn nothing_is_noted_before_a_journal_is_begun() {
    let lab = Lab::new();
    assert!(lab.state().note(&Note::sent(&step(0))).is_err());
}
