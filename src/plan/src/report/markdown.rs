//! The report for a pull request.

use std::fmt::Write as _;

use super::{change_line, duration, kind_word, plural, short_paths, verdict};
use crate::plan::{Exposure, Plan};
use crate::step::rounds;

/// Lists longer than this are folded.
const OPEN_LINES_MAX: usize = 20;

/// The report as Markdown: summary first, long lists folded.
pub fn markdown(plan: &Plan) -> String {
    let mut out = String::new();
    let sign = if plan.blocks.is_empty() && plan.proof.equivalent { "✅" } else { "⛔" };
    let _ = writeln!(out, "## {sign} {}\n", verdict(plan));
    let estate = &plan.estate;
    let commit =
        plan.policy_commit.as_deref().map(|commit| format!(", commit `{commit}`")).unwrap_or_default();
    let _ = writeln!(
        out,
        "{} in {}; {} of {} enforced, {} uncovered. {} open, {} close. {} calls in about {}. Policy `{}`{commit}, plan base `{}`.\n",
        plural(estate.workloads as usize, "workload"),
        plural(estate.networks as usize, "network"),
        estate.enforced,
        plural(estate.interfaces as usize, "interface"),
        plan.uncovered.len(),
        plan.changes.iter().filter(|c| c.opens).count(),
        plan.changes.iter().filter(|c| !c.opens).count(),
        plan.calls.values().sum::<u32>(),
        duration(plan.duration_ms),
        short(&plan.policy_digest),
        short(&plan.base),
    );
    section(
        &mut out,
        "Blocked",
        plan.blocks.iter().map(|b| format!("**{}** {}: {}. {}", b.code, b.subject, b.message, b.hint)),
    );
    section(&mut out, "Closes", plan.changes.iter().filter(|c| !c.opens).map(change_line));
    section(&mut out, "Opens", plan.changes.iter().filter(|c| c.opens).map(change_line));
    proof(&mut out, plan);
    section(
        &mut out,
        "Exposure: foreign objects admit more than the policy",
        plan.proof.exposures.iter().map(exposure),
    );
    section(
        &mut out,
        "Obstruction: foreign objects cut what the policy allows",
        plan.proof.obstructions.iter().map(exposure),
    );
    section(
        &mut out,
        "Uncovered",
        plan.uncovered.iter().map(|u| format!("{} `{}`: {}", u.name, u.interface, u.reason)),
    );
    section(&mut out, "Drift", plan.drift.iter().map(|d| format!("{}: {}", d.object, d.difference)));
    section(
        &mut out,
        "Transients",
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
    let depth = rounds(&plan.steps);
    section(
        &mut out,
        "Steps, in order",
        plan.steps.iter().map(|step| {
            format!(
                "{}. round {}: `{}` {}",
                step.id.0 + 1,
                depth[step.id.0 as usize] + 1,
                kind_word(step.action.kind()),
                step.title
            )
        }),
    );
    let withheld = plan.withheld.iter().map(ToString::to_string);
    section(&mut out, "Withheld: wanted, and not made by this plan", withheld);
    quota(&mut out, plan);
    section(
        &mut out,
        "Notes",
        plan.findings.iter().map(|f| format!("{}: {}: {}. {}", f.code, f.subject, f.message, f.hint)),
    );
    short_paths(&out)
}

fn short(digest: &str) -> &str {
    digest.get(..12).unwrap_or(digest)
}

fn section(out: &mut String, title: &str, lines: impl Iterator<Item = String>) {
    let lines: Vec<String> = lines.collect();
    if lines.is_empty() {
        return;
    }
    let folded = lines.len() > OPEN_LINES_MAX;
    if folded {
        let _ = writeln!(out, "<details><summary><b>{title}</b> ({})</summary>\n", lines.len());
    } else {
        let _ = writeln!(out, "### {title} ({})\n", lines.len());
    }
    for line in lines {
        let _ = writeln!(out, "- {line}");
    }
    let _ = writeln!(out, "{}", if folded { "\n</details>\n" } else { "" });
}

fn proof(out: &mut String, plan: &Plan) {
    let proof = &plan.proof;
    let word = if proof.equivalent {
        "Our groups admit exactly what the labels say"
    } else {
        "**Our groups do not mean what the labels say**"
    };
    let _ = writeln!(
        out,
        "### Proof\n\n{word}: {} ends against {} peers compared.\n",
        proof.checked_ends, proof.checked_pairs
    );
    for witness in &proof.witnesses {
        let what = if witness.admitted {
            "passes, and no rule allows it"
        } else {
            "is blocked, and a rule allows it"
        };
        let _ = writeln!(
            out,
            "- witness: {} → {} {} {what} ({})",
            witness.source, witness.destination, witness.service, witness.because
        );
    }
}

fn exposure(exposure: &Exposure) -> String {
    format!(
        "{} {} {}: {} by `{}`, e.g. {}",
        exposure.at, exposure.direction, exposure.peer, exposure.services, exposure.because, exposure.witness
    )
}

fn quota(out: &mut String, plan: &Plan) {
    if plan.quota.is_empty() {
        return;
    }
    let _ =
        writeln!(out, "### Quota\n\n| | before | peak | after | limit | worst |\n|---|---|---|---|---|---|");
    for line in &plan.quota {
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} |",
            line.name, line.before, line.peak, line.after, line.limit, line.subject
        );
    }
    let _ = writeln!(out);
}
