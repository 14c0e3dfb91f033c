//! Quota of the scopes whose drivers count for themselves, before a plan, at its peak and at its end. Pure.

use plan::plan::{Block, QuotaLine};
use plan::step::rounds;
use plan::usage::{Tally, worst_of_each};
use plan::{Observed, Step, StepKind};

use crate::CloudReader;

/// The worst object of each kind, and a block for each object that a plan brings over its limit, or further over it.
///
/// While a round is in flight every make of it may have happened and no break: removals make room when they have
/// settled. Each round costs a prediction of the state.
pub fn quota(reader: &dyn CloudReader, domain: &[&Observed], steps: &[Step]) -> (Vec<QuotaLine>, Vec<Block>) {
    let (mut lines, mut blocks) = (Vec::new(), Vec::new());
    let rounds = rounds(steps);
    let last = rounds.iter().copied().max().unwrap_or(0);
    for observed in domain {
        let mut tally = Tally::new(reader.usage(observed));
        if tally.is_empty() {
            continue;
        }
        let own = |step: &&Step| observed.scope.as_ref() == Some(&step.scope);
        let mut pass = |made: Vec<&Step>| tally.pass(reader.usage(&reader.after(observed, &made)));
        for round in 0..=last {
            let is_make = |step: &Step| step.action.kind() == StepKind::Make;
            let placed = || steps.iter().zip(&rounds).filter(|(step, _)| own(step));
            if placed().any(|(step, at)| *at == round && is_make(step)) {
                let made = placed().filter(|(step, at)| **at < round || **at == round && is_make(step));
                pass(made.map(|(step, _)| step).collect());
            }
        }
        if steps.iter().any(|step| own(&step)) {
            pass(steps.iter().filter(own).collect());
        }
        let (worst, over) = tally.lines();
        lines.extend(worst);
        blocks.extend(over);
    }
    (worst_of_each(lines), blocks)
}
