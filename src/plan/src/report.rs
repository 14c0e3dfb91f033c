//! The report: a plan for people, in the terminal and on a pull request, and for programs as JSON.
//!
//! Labels first, cloud ids second. In five seconds a reviewer sees: is it proven, is it blocked and by which
//! number, what opens, what closes, how long it takes.

mod markdown;
mod terminal;

pub use markdown::markdown;
pub use terminal::{Style, terminal};

use crate::plan::{Change, FORMAT_VERSION, Plan};
use crate::step::{StepKind, rounds};

/// The plan as JSON, with its format version.
///
/// # Errors
/// Never for a plan that this library made; the error is serde's.
pub fn json(plan: &Plan) -> Result<String, serde_json::Error> {
    serde_json::to_string_pretty(plan)
}

/// Why a text is not a plan.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// Not JSON, or not of this shape.
    #[error("the file is not a plan")]
    Unreadable(#[source] serde_json::Error),
    /// Another version of the format.
    #[error("the plan has format version {found}, and this program reads {FORMAT_VERSION}")]
    Version {
        /// What the file says.
        found: u64,
    },
}

/// Reads a plan back.
///
/// # Errors
/// See [`PlanError`].
pub fn from_json(text: &str) -> Result<Plan, PlanError> {
    let value: serde_json::Value = serde_json::from_str(text).map_err(PlanError::Unreadable)?;
    let found = value.get("format_version").and_then(serde_json::Value::as_u64).unwrap_or(0);
    if found != u64::from(FORMAT_VERSION) {
        return Err(PlanError::Version { found });
    }
    serde_json::from_value(value).map_err(PlanError::Unreadable)
}

/// The one line that matters most.
fn verdict(plan: &Plan) -> String {
    let (steps, later) = (plan.steps.len(), plan.withheld.len());
    let withheld = format!("{} withheld", plural(later, "step"));
    match (plan.blocks.is_empty(), plan.proof.equivalent, steps, later) {
        (false, ..) => {
            format!("BLOCKED by {}; nothing will be written", plural(plan.blocks.len(), "reason"))
        }
        (true, false, ..) => "NOT PROVEN; nothing will be written".to_owned(),
        (true, true, 0, 0) => "nothing to do: the cloud is equal to the policy (proven)".to_owned(),
        (true, true, 0, _) => format!("nothing to do now: {withheld}; with them the policy is met (proven)"),
        (true, true, _, 0) => format!("PROVEN: {} bring the cloud to the policy", plural(steps, "step")),
        (true, true, ..) => {
            format!("PROVEN: {} towards the policy, {withheld}", plural(steps, "step"))
        }
    }
}

fn plural(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

fn duration(ms: u64) -> String {
    match ms.div_ceil(1000) {
        seconds @ 0..60 => format!("{seconds} s"),
        seconds => format!("{} min {} s", seconds / 60, seconds % 60),
    }
}

fn change_line(change: &Change) -> String {
    let word = if change.opens { "opens" } else { "closes" };
    let pairs = plural(change.pairs as usize, "pair");
    format!("{} → {}  {}  {word} ({pairs})", change.source, change.destination, change.services)
}

/// A text with every long path cut to its last part: `/subscriptions/…/networkInterfaces/web-1` is `web-1` for people. The
/// JSON form has whole ids. Services and blocks have fewer slashes.
pub fn short_paths(text: &str) -> String {
    const SLASHES: usize = 4;
    let short = |word: &str| -> String {
        if word.matches('/').count() < SLASHES {
            return word.to_owned();
        }
        let core = word.trim_start_matches(['(', '`']).trim_end_matches([')', '`', ',', ':', '\n']);
        let last = core.rsplit('/').next().unwrap_or_default();
        word.replace(core, last)
    };
    text.split_inclusive(' ').map(|word| word.split_inclusive('\n').map(short).collect::<String>()).collect()
}

/// How many settle waits the plan's longest chain has.
pub fn settle_waits(plan: &Plan) -> usize {
    rounds(&plan.steps).into_iter().max().unwrap_or(0)
}

fn kind_word(kind: StepKind) -> &'static str {
    match kind {
        StepKind::Make => "+",
        StepKind::Break => "-",
    }
}

#[cfg(test)]
mod tests {
    use super::short_paths;

    #[test]
    fn only_paths_are_cut() {
        let path = "/subscriptions/1/resourcegroups/rg/providers/x/networkinterfaces/web-1";
        let text = format!(
            "web ({path}), `{path}`:\n  10.0.0.0/8 icmp/0/0-3/3 from/to projects/p/zones/z/instances/i#nic0\nend"
        );
        let expected = "web (web-1), `web-1`:\n  10.0.0.0/8 icmp/0/0-3/3 from/to i#nic0\nend";
        assert_eq!(short_paths(&text), expected);
    }
}
