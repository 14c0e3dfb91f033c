//! The schedule as steps with ids, waits and named transients.

use std::collections::BTreeSet;

use policy::{AddressSet, InterfaceId};
use rustc_hash::FxHashMap;

use super::Steps;
use super::bounds::{Bound, Pair};
use super::candidate::Reach;
use super::schedule::{Record, Scheduler};
use crate::plan::{Transient, Withheld, WithheldBecause};
use crate::quota;
use crate::scope::{Direction, ScopeId};
use crate::step::{Step, StepAction, StepId};

/// Ids of the parts of a placed candidate: the first, and how many.
type Ids = FxHashMap<usize, (u32, u32)>;

impl Scheduler<'_> {
    pub(super) fn finish(&self, out: &mut Steps, unobserved: &[ScopeId]) {
        let mut placed: Vec<usize> = self.rounds.iter().flatten().copied().collect();
        placed.sort_by_key(|&step| (self.candidates[step].round, self.candidates[step].rank(), step));
        let mut ids = Ids::default();
        let mut next = 0;
        for &step in &placed {
            let parts = self.candidates[step].parts.len() as u32;
            ids.insert(step, (next, parts));
            next += parts;
        }
        for &step in &placed {
            self.emit(step, &ids, &mut out.steps);
        }
        self.name_transients(&ids, out);
        self.name_withheld(out, unobserved);
        let (lines, over) = quota::lines(self.domain, &self.peaks);
        out.quota = lines;
        out.blocks.extend(over);
    }

    /// The steps of one candidate. The first of several waits for what all of them wait for, the others for it.
    fn emit(&self, step: usize, ids: &Ids, steps: &mut Vec<Step>) {
        let candidate = &self.candidates[step];
        let first = StepId(steps.len() as u32);
        let reach_of_need = |need: usize| match (candidate.action(), self.candidates[need].action()) {
            (StepAction::Detach { .. }, StepAction::Attach { .. }) => Reach::Own,
            _ => Reach::All,
        };
        let needs = candidate.needs.iter().map(|&need| (need, reach_of_need(need)));
        let verified: Vec<_> =
            needs.chain(candidate.after.iter().map(|&other| (other, Reach::All))).collect();
        // A cloud puts egress into a new group by itself. That it was taken out again must have reached every
        // interface before one joins.
        let closed_first = candidate.needs.iter().filter(|&&need| {
            matches!(candidate.action(), StepAction::Attach { .. })
                && matches!(
                    self.candidates[need].action(),
                    StepAction::CreateGroup { open_egress: false, .. }
                )
        });
        let settled: Vec<_> = candidate
            .waits
            .iter()
            .map(|(&other, &reach)| (other, reach))
            .chain(closed_first.map(|&need| (need, Reach::All)))
            .collect();
        for (place, part) in (0u32..).zip(&candidate.parts) {
            let pick = |list: &[(usize, Reach)]| -> BTreeSet<StepId> {
                let own = list.iter().filter(|(_, reach)| *reach == Reach::Own);
                let own = own.filter_map(|(other, _)| Some(StepId(ids.get(other)?.0 + place)));
                let all = list.iter().filter(|(_, reach)| *reach == Reach::All && place == 0);
                let all = all.filter_map(|(other, _)| ids.get(other));
                own.chain(all.flat_map(|&(from, count)| (from..from + count).map(StepId))).collect()
            };
            let shared = verified.iter().chain(&settled).any(|(_, reach)| *reach == Reach::All);
            let is_from = self.transients.iter().any(|record| record.from == step);
            let mut settled_after = pick(&settled);
            let mut after = pick(&verified);
            if place > 0 && (shared || is_from) {
                after.insert(first);
            }
            if place > 0 && place + 1 == candidate.parts.len() as u32 && self.is_until(step) {
                settled_after.extend((0..place).map(|other| StepId(first.0 + other)));
            }
            after.extend(settled_after.iter().copied());
            steps.push(Step {
                id: StepId(first.0 + place),
                scope: candidate.scope.clone(),
                action: part.action.clone(),
                title: part.title.clone(),
                reasons: part.reasons.clone(),
                after: after.into_iter().collect(),
                settled_after: settled_after.into_iter().collect(),
            });
        }
    }

    fn is_until(&self, step: usize) -> bool {
        self.transients.iter().any(|record| record.until == Some(step))
    }

    fn name_transients(&self, ids: &Ids, out: &mut Steps) {
        let last = StepId(out.steps.len().saturating_sub(1) as u32);
        for record in &self.transients {
            let until = record.until.and_then(|step| ids.get(&step));
            let until = until.map_or(last, |&(first, parts)| StepId(first + parts - 1));
            let Some(&(from, _)) = ids.get(&record.from) else { continue };
            for (addresses, services) in &record.violation {
                let ends = self.ends(record, addresses).into_iter();
                out.transients.extend(ends.map(|(source, destination)| Transient {
                    opens: record.bound == Bound::Upper,
                    source,
                    destination,
                    services: services.words(),
                    from: StepId(from),
                    until,
                }));
            }
        }
        out.transients.sort();
        out.transients.dedup();
    }

    /// Sources and destinations by interface or block.
    fn ends(&self, record: &Record, addresses: &AddressSet) -> Vec<(String, String)> {
        let members = |cell: usize| self.model.cells[cell].members.iter().map(InterfaceId::to_string);
        let blocks: Vec<String> = addresses.to_cidrs().iter().map(ToString::to_string).collect();
        let product = |own: usize| {
            members(own).flat_map(|own| blocks.iter().map(move |block| (own.clone(), block.clone())))
        };
        match &record.pair {
            Pair::Inside(source, destination) => members(*source)
                .flat_map(|source| members(*destination).map(move |end| (source.clone(), end)))
                .filter(|(source, destination)| source != destination)
                .collect(),
            Pair::Outside(own, Direction::Ingress) => {
                product(*own).map(|(own, block)| (block, own)).collect()
            }
            Pair::Outside(own, Direction::Egress) => product(*own).collect(),
        }
    }

    /// What was not placed: breaks that an unread scope keeps from being planned, and makes that need room of theirs.
    fn name_withheld(&self, out: &mut Steps, unobserved: &[ScopeId]) {
        let names: Vec<&str> = unobserved.iter().map(ScopeId::as_str).collect();
        let names = names.join(", ");
        let mut pending: Vec<usize> = self.pending().collect();
        pending.sort_by_key(|&step| (self.candidates[step].rank(), step));
        for step in pending {
            let candidate = &self.candidates[step];
            for part in &candidate.parts {
                let step = Step {
                    id: StepId((out.steps.len() + out.withheld.len()) as u32),
                    scope: candidate.scope.clone(),
                    action: part.action.clone(),
                    title: part.title.clone(),
                    reasons: part.reasons.clone(),
                    after: Vec::new(),
                    settled_after: Vec::new(),
                };
                out.withheld.push(Withheld::new(step, WithheldBecause::ScopeUnread(names.clone()), None));
            }
        }
    }
}
