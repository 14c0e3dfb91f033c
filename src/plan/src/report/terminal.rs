//! The report as terminal text; readable without colour.

use std::fmt::Write as _;

use super::{change_line, duration, kind_word, plural, short_paths, verdict};
use crate::plan::{Exposure, Plan};
use crate::step::rounds;

/// How to print.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Style {
    /// Whether to colour; never needed to understand the text.
    pub color: bool,
}

impl Style {
    fn paint(self, code: &str, text: &str) -> String {
        if self.color { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    fn head(self, text: &str) -> String {
        self.paint("1", text)
    }
}

/// Lines of one list that are printed before it is cut; the JSON form has them all.
const LINES_MAX: usize = 25;
/// Steps of one round that are printed before it is cut.
const STEPS_MAX: usize = 12;

/// The report.
pub fn terminal(plan: &Plan, style: Style) -> String {
    let mut out = String::new();
    let good = plan.blocks.is_empty() && plan.proof.equivalent;
    let _ = writeln!(out, "{}", style.paint(if good { "1;32" } else { "1;31" }, &verdict(plan)));
    let estate = &plan.estate;
    let _ = writeln!(
        out,
        "{} in {}: {} of {} enforced, {} of labels, {} uncovered",
        plural(estate.workloads as usize, "workload"),
        plural(estate.networks as usize, "network"),
        estate.enforced,
        plural(estate.interfaces as usize, "interface"),
        if estate.classes == 1 { "1 class".to_owned() } else { format!("{} classes", estate.classes) },
        plan.uncovered.len(),
    );
    list(
        &mut out,
        style,
        "Blocked",
        plan.blocks.iter().map(|b| format!("{}: {}: {}\n      → {}", b.code, b.subject, b.message, b.hint)),
    );
    let closing = plan.changes.iter().filter(|c| !c.opens).map(change_line);
    list(&mut out, style, "Closes", closing);
    list(&mut out, style, "Opens", plan.changes.iter().filter(|c| c.opens).map(change_line));
    proof(&mut out, style, plan);
    list(
        &mut out,
        style,
        "Exposure (foreign objects admit more than the policy)",
        plan.proof.exposures.iter().map(exposure),
    );
    list(
        &mut out,
        style,
        "Obstruction (foreign objects cut what the policy allows)",
        plan.proof.obstructions.iter().map(exposure),
    );
    list(
        &mut out,
        style,
        "Uncovered (the policy wants them enforced; nobody can write them)",
        plan.uncovered.iter().map(|u| format!("{} {}: {}", u.name, u.interface, u.reason)),
    );
    list(
        &mut out,
        style,
        "Drift",
        plan.drift.iter().map(|d| {
            format!(
                "{}: {} ({})",
                d.object,
                d.difference,
                if d.repaired { "repaired by this plan" } else { "reported, left as it is" }
            )
        }),
    );
    list(
        &mut out,
        style,
        "Transients (no order avoids them)",
        plan.transients.iter().map(|t| {
            let word = if t.opens { "open" } else { "cut" };
            format!(
                "{} → {} {} is {word} from step {} until step {} has settled",
                t.source,
                t.destination,
                t.services,
                t.from.0 + 1,
                t.until.0 + 1
            )
        }),
    );
    steps(&mut out, style, plan);
    let withheld = plan.withheld.iter().map(ToString::to_string);
    list(&mut out, style, "Withheld (wanted, and not made by this plan)", withheld);
    quota(&mut out, style, plan);
    list(
        &mut out,
        style,
        "Notes",
        plan.findings.iter().map(|f| {
            format!("{:?} {}: {}: {}\n      → {}", f.severity, f.code, f.subject, f.message, f.hint)
        }),
    );
    short_paths(&out)
}

fn list(out: &mut String, style: Style, title: &str, lines: impl Iterator<Item = String>) {
    // Two parts of one object may be said in the same words.
    let mut lines: Vec<String> = lines.collect();
    lines.dedup();
    if lines.is_empty() {
        return;
    }
    let _ = writeln!(out, "\n{} ({})", style.head(title), lines.len());
    for line in lines.iter().take(LINES_MAX) {
        let _ = writeln!(out, "  {line}");
    }
    if lines.len() > LINES_MAX {
        let _ = writeln!(out, "  … and {} more (see the JSON form)", lines.len() - LINES_MAX);
    }
}

fn proof(out: &mut String, style: Style, plan: &Plan) {
    let proof = &plan.proof;
    let _ = writeln!(out, "\n{}", style.head("Proof"));
    let word = if proof.equivalent {
        "our groups admit exactly what the labels say"
    } else {
        "our groups do NOT mean what the labels say"
    };
    let _ =
        writeln!(out, "  {word}: {} ends against {} peers compared", proof.checked_ends, proof.checked_pairs);
    for witness in &proof.witnesses {
        let what = if witness.admitted {
            "passes, and no rule allows it"
        } else {
            "is blocked, and a rule allows it"
        };
        let _ = writeln!(
            out,
            "  witness: {} → {} {} {what} ({} at {}; {})",
            witness.source,
            witness.destination,
            witness.service,
            witness.direction,
            witness.at,
            witness.because
        );
    }
}

fn exposure(exposure: &Exposure) -> String {
    format!(
        "{} {} from/to {}: {}; by {}; e.g. {}",
        exposure.at, exposure.direction, exposure.peer, exposure.services, exposure.because, exposure.witness
    )
}

fn steps(out: &mut String, style: Style, plan: &Plan) {
    if plan.steps.is_empty() {
        return;
    }
    let depth = rounds(&plan.steps);
    let waits = depth.iter().copied().max().unwrap_or(0);
    let calls: Vec<String> = plan.calls.iter().map(|(action, count)| format!("{count} {action}")).collect();
    let _ = writeln!(out, "\n{} ({})", style.head("Steps"), plan.steps.len());
    for round in 0..=waits {
        if round > 0 {
            let settle = plan.scopes.iter().map(|scope| scope.settle_ms).max().unwrap_or(0);
            let _ = writeln!(out, "  … verified and settled for {}", duration(settle));
        }
        let in_round: Vec<_> = plan.steps.iter().filter(|step| depth[step.id.0 as usize] == round).collect();
        for step in in_round.iter().take(STEPS_MAX) {
            let because = if step.reasons.is_empty() {
                String::new()
            } else {
                format!("  [{}]", shortened(&step.reasons))
            };
            let _ = writeln!(
                out,
                "  {:>3} {} {}{because}",
                step.id.0 + 1,
                kind_word(step.action.kind()),
                step.title
            );
        }
        if in_round.len() > STEPS_MAX {
            let _ = writeln!(out, "  … and {} more", in_round.len() - STEPS_MAX);
        }
    }
    let _ = writeln!(
        out,
        "  calls: {}; about {}",
        if calls.is_empty() { "none".to_owned() } else { calls.join(", ") },
        duration(plan.duration_ms)
    );
}

fn shortened(reasons: &[String]) -> String {
    const SHOWN_MAX: usize = 2;
    let shown = reasons.iter().take(SHOWN_MAX).cloned().collect::<Vec<_>>().join(", ");
    if reasons.len() > SHOWN_MAX { format!("{shown} and {} more", reasons.len() - SHOWN_MAX) } else { shown }
}

fn quota(out: &mut String, style: Style, plan: &Plan) {
    if plan.quota.is_empty() {
        return;
    }
    let _ = writeln!(
        out,
        "\n{}",
        style.head("Quota (the worst object of each kind: before, peak, after of limit)")
    );
    let width = plan.quota.iter().map(|line| line.name.len()).max().unwrap_or(0).max(34);
    for line in &plan.quota {
        let _ = writeln!(
            out,
            "  {:<width$} {:>4} {:>4} {:>4} of {:<5} {}",
            line.name, line.before, line.peak, line.after, line.limit, line.subject
        );
    }
}
