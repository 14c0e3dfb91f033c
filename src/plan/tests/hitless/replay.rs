//! Plans that are too large for every moment: random runs, with random steps visible at each end.

use std::collections::BTreeSet;

use plan::{Direction, Step, StepId, StepKind, Steps};

use crate::brute::names;
use crate::cloud::{Cloud, End, PACKETS, Packet, flows};
use crate::world::Case;

struct Run<'a> {
    case: &'a Case,
    plan: &'a Steps,
    run: BTreeSet<StepId>,
    settled: BTreeSet<StepId>,
    /// Flows that both states treat alike, and how.
    bounded: Vec<(Flow, Packet, bool, bool)>,
}

type Flow = (End, End);

/// Runs the plan once in a random order that its waits allow.
pub fn replay(case: &Case, plan: &Steps, rng: &mut fastrand::Rng) -> Result<(), String> {
    let mut called = Cloud::of(&case.observed);
    let mut new = called.clone();
    plan.steps.iter().for_each(|step| new.see(&step.action));
    let mut state = Run { case, plan, run: BTreeSet::new(), settled: BTreeSet::new(), bounded: Vec::new() };
    for (flow, packet) in flows().into_iter().flat_map(|flow| PACKETS.map(|packet| (flow, packet))) {
        for &unread in case.readings() {
            let (was, will) = (called.admits(flow, packet, unread), new.admits(flow, packet, unread));
            if was == will {
                state.bounded.push((flow, packet, unread, was));
            }
        }
    }
    while state.settled.len() < plan.steps.len() {
        let ready: Vec<&Step> = plan.steps.iter().filter(|step| state.may_run(step)).collect();
        let flying: Vec<StepId> = state.run.difference(&state.settled).copied().collect();
        if let Some(&step) = rng.choice(&ready).filter(|_| flying.is_empty() || rng.u8(0..4) > 0) {
            if let Some(why) = called.refuses(step) {
                return Err(format!("the cloud refuses {}: {why}", step.title));
            }
            called.see(&step.action);
            state.run.insert(step.id);
            state.check(rng)?;
        } else if let Some(&id) = rng.choice(&flying) {
            state.settled.insert(id);
        } else {
            return Err("no step can run".to_owned());
        }
    }
    Ok(())
}

impl Run<'_> {
    fn may_run(&self, step: &Step) -> bool {
        !self.run.contains(&step.id)
            && step.after.iter().all(|id| self.run.contains(id))
            && step.settled_after.iter().all(|id| self.settled.contains(id))
    }

    /// One moment: the extremes, and a few random sets of visible steps for each end.
    fn check(&self, rng: &mut fastrand::Rng) -> Result<(), String> {
        let view = |seen: &mut dyn FnMut(&Step) -> bool| {
            let mut cloud = Cloud::of(&self.case.observed);
            for step in self.plan.steps.iter().filter(|step| self.run.contains(&step.id)) {
                if self.settled.contains(&step.id) || seen(step) {
                    cloud.see(&step.action);
                }
            }
            cloud
        };
        let mut views = vec![
            view(&mut |step| step.action.kind() == StepKind::Make),
            view(&mut |step| step.action.kind() == StepKind::Break),
        ];
        views.extend((0..2).map(|_| view(&mut |_| rng.bool())));
        for &(flow, packet, unread, allowed) in &self.bounded {
            let at = |own: End, direction: Direction, far: End| -> Vec<bool> {
                views.iter().map(|view| view.end_admits(own, direction, far, packet, unread)).collect()
            };
            let source = at(flow.0, Direction::Egress, flow.1);
            let destination = at(flow.1, Direction::Ingress, flow.0);
            let open = source.contains(&true) && destination.contains(&true);
            let cut = source.contains(&false) || destination.contains(&false);
            if open && !allowed && !self.is_named(true, flow, packet) {
                return Err(format!("{} → {} {packet:?} opens in {:?}", flow.0, flow.1, self.run));
            }
            if cut && allowed && !self.is_named(false, flow, packet) {
                return Err(format!("{} → {} {packet:?} is cut in {:?}", flow.0, flow.1, self.run));
            }
        }
        Ok(())
    }

    fn is_named(&self, opens: bool, flow: (End, End), packet: Packet) -> bool {
        self.plan.transients.iter().any(|named| {
            named.opens == opens
                && self.run.contains(&named.from)
                && !self.settled.contains(&named.until)
                && names(named, flow, packet)
        })
    }
}
