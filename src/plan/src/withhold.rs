//! Steps that are left out of a plan for now, together with everything that leans on them.
//!
//! INVARIANT: what is left in the plan waits for nothing that was taken out, so that every state on its way is one that the
//! schedule has looked at: the steps that were taken out have simply not run yet.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use crate::order::Steps;
use crate::plan::{Transient, Withheld, WithheldBecause};
use crate::step::{Step, StepId};

/// Why steps are out, and what they wait for.
type Reasons = BTreeMap<StepId, (WithheldBecause, Option<String>)>;

/// Takes out the steps for which there is a reason, and those that wait for them.
pub fn withhold(steps: &mut Steps, reason: impl Fn(&Step) -> Option<WithheldBecause>) {
    let mut out: Reasons =
        steps.steps.iter().filter_map(|step| Some((step.id, (reason(step)?, None)))).collect();
    let titles: BTreeMap<StepId, String> = steps.steps.iter().map(|s| (s.id, s.title.clone())).collect();
    let leaning = leaning(steps);
    let mut look: Vec<StepId> = out.keys().copied().collect();
    while let Some(id) = look.pop() {
        let because = out[&id].0.clone();
        for &next in leaning.get(&id).into_iter().flatten() {
            if let Entry::Vacant(place) = out.entry(next) {
                place.insert((because.clone(), titles.get(&id).cloned()));
                look.push(next);
            }
        }
    }
    if out.is_empty() {
        return;
    }
    let kept: Vec<StepId> = steps.steps.iter().map(|s| s.id).filter(|id| !out.contains_key(id)).collect();
    let new: BTreeMap<StepId, StepId> = (0..).map(StepId).zip(kept).map(|(new, old)| (old, new)).collect();
    let mut withheld = Vec::new();
    for mut step in std::mem::take(&mut steps.steps) {
        match out.remove(&step.id) {
            Some((because, waits_for)) => withheld.push(Withheld::new(step, because, waits_for)),
            None => {
                renumber(&mut step, &new);
                steps.steps.push(step);
            }
        }
    }
    // What was left out before never had a place: it comes after everything that has one.
    steps.withheld.splice(0..0, withheld);
    steps.transients = steps.transients.drain(..).filter_map(|transient| moved(transient, &new)).collect();
}

/// For each step those that wait for it, and those that begin a transient that it ends.
fn leaning(steps: &Steps) -> BTreeMap<StepId, Vec<StepId>> {
    let mut leaning: BTreeMap<StepId, Vec<StepId>> = BTreeMap::new();
    for step in &steps.steps {
        step.after.iter().for_each(|id| leaning.entry(*id).or_default().push(step.id));
    }
    for transient in &steps.transients {
        leaning.entry(transient.until).or_default().push(transient.from);
    }
    leaning
}

fn renumber(step: &mut Step, new: &BTreeMap<StepId, StepId>) {
    let of = |id: &StepId| new.get(id).copied();
    step.id = of(&step.id).unwrap_or(step.id);
    for list in [&mut step.after, &mut step.settled_after] {
        *list = list.iter().filter_map(of).collect::<BTreeSet<_>>().into_iter().collect();
    }
}

/// A transient under the new ids; none if it does not begin any more.
fn moved(mut transient: Transient, new: &BTreeMap<StepId, StepId>) -> Option<Transient> {
    transient.from = *new.get(&transient.from)?;
    transient.until = *new.get(&transient.until)?;
    Some(transient)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::step::StepAction;

    /// Steps named by letters; each line is `letter <what it waits for`.
    fn steps(lines: &[&str], transients: &[(u32, u32)]) -> Steps {
        let step = |(number, line): (usize, &&str)| {
            let (title, waits) = line.split_once(" <").unwrap_or((line, ""));
            let after: Vec<StepId> = waits.bytes().map(|b| StepId(u32::from(b - b'a'))).collect();
            Step {
                id: StepId(number as u32),
                scope: "s".into(),
                action: StepAction::Mark { group: title.into() },
                title: title.to_owned(),
                reasons: Vec::new(),
                settled_after: after.clone(),
                after,
            }
        };
        let transient = |&(from, until): &(u32, u32)| Transient {
            opens: true,
            source: String::new(),
            destination: String::new(),
            services: String::new(),
            from: StepId(from),
            until: StepId(until),
        };
        Steps {
            steps: lines.iter().enumerate().map(step).collect(),
            transients: transients.iter().map(transient).collect(),
            ..Steps::default()
        }
    }

    fn check(lines: &[&str], transients: &[(u32, u32)], out: &str, expected: &str) {
        let mut steps = steps(lines, transients);
        withhold(&mut steps, |step| (step.title == out).then(|| WithheldBecause::Drifted("x".to_owned())));
        let kept: Vec<String> = steps
            .steps
            .iter()
            .map(|step| {
                format!("{}{}{:?}", step.id.0, step.title, step.after.iter().map(|a| a.0).collect::<Vec<_>>())
            })
            .collect();
        let withheld: Vec<&str> = steps.withheld.iter().map(|w| w.step.title.as_str()).collect();
        let named: Vec<_> = steps.transients.iter().map(|t| (t.from.0, t.until.0)).collect();
        assert_eq!(format!("{} | {} | {named:?}", kept.join(" "), withheld.join(" ")), expected);
    }

    #[test]
    fn what_waits_for_a_step_that_is_out_is_out() {
        check(&["a", "b <a", "c", "d <bc", "e <c"], &[], "a", "0c[] 1e[0] | a b d | []");
    }

    #[test]
    fn a_transient_that_would_not_end_does_not_begin() {
        check(&["a", "b <a", "c"], &[(0, 1)], "b", "0c[] | a b | []");
    }

    #[test]
    fn transients_of_what_stays_keep_their_steps() {
        check(&["a", "b", "c <b"], &[(1, 2)], "a", "0b[] 1c[0] | a | [(0, 1)]");
    }

    #[test]
    fn without_a_reason_nothing_changes() {
        check(&["a", "b <a"], &[(0, 1)], "z", "0a[] 1b[0] |  | [(0, 1)]");
    }
}
