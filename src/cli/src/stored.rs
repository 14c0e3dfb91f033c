//! A plan as a file: with the guards that whoever made it overrode, so that a reviewer sees them and `apply` honours them.
//!
//! Absent means none: a plan that says nothing of guards overrides none, and a program that does not know of them
//! blocks where this one would not.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use flow::replay::Replay;
use plan::{Plan, report};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::config::{Config, GUARDS};
use crate::session::Failure;

/// Overridden guards, and who overrode them.
pub type Overrides = BTreeMap<String, By>;

/// Who overrode a guard.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// Whoever made the plan, by `--allow`: it holds for the plan, wherever it is applied.
    CommandLine,
    /// The configuration: it holds as long as the configuration says so.
    Configuration,
}

/// A plan that was read.
pub struct StoredPlan {
    /// The plan.
    pub plan: Plan,
    /// The guards that it overrides wherever it is applied.
    pub allow: BTreeSet<String>,
}

#[derive(Serialize)]
struct Written<'a> {
    #[serde(flatten)]
    plan: &'a Plan,
    overridden_guards: &'a Overrides,
    #[serde(skip_serializing_if = "Option::is_none")]
    replay: Option<Value>,
}

#[derive(Deserialize)]
struct ReadBesides {
    #[serde(default)]
    overridden_guards: Overrides,
}

/// The guards that are overridden, by a configuration and a command line.
pub fn overrides(config: &Config, allow: &[String]) -> Overrides {
    let configured = config.guards.allow.iter().map(|guard| (guard.clone(), By::Configuration));
    configured.chain(allow.iter().map(|guard| (guard.clone(), By::CommandLine))).collect()
}

/// The form that is printed and stored.
///
/// # Errors
/// Never for a plan that was just made.
pub fn json(plan: &Plan, overridden_guards: &Overrides) -> Result<String, Failure> {
    json_with(plan, overridden_guards, None)
}

/// The same with what the policy would do to flows that were seen.
///
/// # Errors
/// As [`json`].
pub fn json_with(
    plan: &Plan,
    overridden_guards: &Overrides,
    replay: Option<&Replay>,
) -> Result<String, Failure> {
    let replay = replay.map(Replay::to_json);
    serde_json::to_string_pretty(&Written { plan, overridden_guards, replay })
        .map_err(|error| Failure::new(format!("the plan cannot be written as JSON: {error}"), ""))
}

/// Reads a stored plan.
///
/// # Errors
/// The file cannot be read, or holds no plan that this program understands.
pub fn read(path: &Path) -> Result<StoredPlan, Failure> {
    const HINT: &str = "make it with `bulkhead plan -o FILE`";
    let wrong = |error: &dyn std::fmt::Display| Failure::new(format!("`{}`: {error}", path.display()), HINT);
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::new(format!("cannot read `{}`: {error}", path.display()), HINT))?;
    let plan = report::from_json(&text).map_err(|error| wrong(&error))?;
    let besides: ReadBesides =
        serde_json::from_str(&text).map_err(|error| wrong(&format!("the overridden guards: {error}")))?;
    if let Some(name) = besides.overridden_guards.keys().find(|name| !GUARDS.contains(&name.as_str())) {
        return Err(wrong(&format!("the plan overrides `{name}`, which is no guard")));
    }
    let held = besides.overridden_guards.into_iter().filter(|(_, by)| *by == By::CommandLine);
    Ok(StoredPlan { plan, allow: held.map(|(guard, _)| guard).collect() })
}

/// The overridden guards as the last lines of a report for a terminal.
pub fn terminal(overrides: &Overrides) -> String {
    const HEAD: anstyle::Style = anstyle::Style::new().bold();
    let head = format!("{HEAD}Overridden guards{HEAD:#} ({})", overrides.len());
    lines(overrides, &head, "  ", |guard| guard.to_owned())
}

/// The same for a pull request.
pub fn markdown(overrides: &Overrides) -> String {
    let head = format!("### Overridden guards ({})\n", overrides.len());
    lines(overrides, &head, "- ", |guard| format!("`{guard}`"))
}

fn lines(overrides: &Overrides, head: &str, before: &str, guard: impl Fn(&str) -> String) -> String {
    if overrides.is_empty() {
        return String::new();
    }
    let mut out = format!("\n{head}\n");
    for (name, by) in overrides {
        let by = match by {
            By::CommandLine => "--allow, stored in the plan",
            By::Configuration => "the configuration",
        };
        let _ = writeln!(out, "{before}{}: by {by}", guard(name));
    }
    out
}
