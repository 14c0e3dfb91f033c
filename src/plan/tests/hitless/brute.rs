//! Every moment of a plan, by brute force: each set of steps that can be visible, at each end on its own.
//!
//! INVARIANT checked: what both states allow is always allowed, what neither allows never is, except the
//! transients that the plan names, from the step to the step that it names.

use plan::plan::Transient;
use plan::{Direction, Step, StepId, Steps};

use crate::cloud::{Cloud, End, PACKETS, Packet, flows};
use crate::world::Case;

/// Sets of steps as bits.
type Set = u32;

/// Plans up to this size are checked in every moment.
pub const EVERY_MOMENT_MAX: usize = 8;

/// What each end admits for one flow, packet and reading of unread peers, for every set of visible steps.
struct Table {
    flow: (End, End),
    packet: Packet,
    source: Vec<bool>,
    destination: Vec<bool>,
}

impl Table {
    fn allowed(&self, at_source: Set, at_destination: Set) -> bool {
        self.source[at_source as usize] && self.destination[at_destination as usize]
    }
}

pub struct Brute<'a> {
    steps: &'a [Step],
    clouds: Vec<Cloud>,
    tables: Vec<Table>,
}

impl<'a> Brute<'a> {
    pub fn new(case: &Case, steps: &'a [Step]) -> Self {
        assert!(steps.len() <= EVERY_MOMENT_MAX, "too many steps for every moment");
        let start = Cloud::of(&case.observed);
        let clouds: Vec<Cloud> = (0..1u32 << steps.len()).map(|set| with(&start, steps, set)).collect();
        let mut tables = Vec::new();
        for (flow, packet, unread) in flows()
            .into_iter()
            .flat_map(|flow| PACKETS.map(|packet| (flow, packet)))
            .flat_map(|(flow, packet)| case.readings().iter().map(move |&unread| (flow, packet, unread)))
        {
            let of = |own, direction, far| -> Vec<bool> {
                clouds.iter().map(|c| c.end_admits(own, direction, far, packet, unread)).collect()
            };
            let source = of(flow.0, Direction::Egress, flow.1);
            let destination = of(flow.1, Direction::Ingress, flow.0);
            let constant = |list: &[bool]| list.iter().all(|admits| *admits == list[0]);
            if !(constant(&source) && constant(&destination)) {
                tables.push(Table { flow, packet, source, destination });
            }
        }
        Self { steps, clouds, tables }
    }

    fn full(&self) -> Set {
        (1 << self.steps.len()) - 1
    }

    /// Checks every moment of the plan; the first thing that is wrong.
    pub fn check(&self, plan: &Steps) -> Result<(), String> {
        let bits = |ids: &[StepId]| ids.iter().fold(0, |set: Set, id| set | 1 << id.0);
        let after: Vec<Set> = self.steps.iter().map(|step| bits(&step.after)).collect();
        let settled: Vec<Set> = self.steps.iter().map(|step| bits(&step.settled_after)).collect();
        for run in 0..=self.full() {
            let members = || (0..self.steps.len()).filter(move |step| run & 1 << step != 0);
            if members().any(|step| (after[step] | settled[step]) & !run != 0) {
                continue;
            }
            let least = members().fold(0, |set, step| set | settled[step]);
            // Without transients the moment with the fewest settled steps contains all the others.
            let free = if plan.transients.is_empty() { 0 } else { run & !least };
            for more in subsets(free) {
                self.check_moment(plan, least | more, run)?;
            }
            self.check_calls(run)?;
        }
        Ok(())
    }

    /// Whatever has run, the cloud takes every step that may come next. (Steps that ran are in `run`.)
    fn check_calls(&self, run: Set) -> Result<(), String> {
        let cloud = &self.clouds[run as usize];
        let next = self.steps.iter().enumerate().filter(|(place, step)| {
            run & 1 << place == 0 && step.after.iter().all(|id| run & 1 << id.0 != 0)
        });
        for (place, step) in next {
            if let Some(why) = cloud.refuses(step) {
                return Err(format!("after {run:b} the cloud refuses step {place}: {why}"));
            }
        }
        Ok(())
    }

    fn check_moment(&self, plan: &Steps, settled: Set, run: Set) -> Result<(), String> {
        for table in &self.tables {
            for opens in [true, false] {
                if self.broken(table, settled, run, opens) && !self.is_named(plan, table, settled, run, opens)
                {
                    let word = if opens { "opens" } else { "is cut" };
                    return Err(format!(
                        "{} → {} {:?} {word} with {settled:b} settled of {run:b}",
                        table.flow.0, table.flow.1, table.packet
                    ));
                }
            }
        }
        Ok(())
    }

    /// Whether a bound is broken in a moment, with any visible steps at either end.
    fn broken(&self, table: &Table, settled: Set, run: Set, opens: bool) -> bool {
        let (old, new) = (table.allowed(0, 0), table.allowed(self.full(), self.full()));
        let bounded = if opens { !old && !new } else { old && new };
        if !bounded {
            return false;
        }
        let visible = || subsets(run & !settled).map(|more| (settled | more) as usize);
        if opens {
            visible().any(|set| table.source[set]) && visible().any(|set| table.destination[set])
        } else {
            visible().any(|set| !table.source[set]) || visible().any(|set| !table.destination[set])
        }
    }

    fn is_named(&self, plan: &Steps, table: &Table, settled: Set, run: Set, opens: bool) -> bool {
        let during = |named: &&Transient| {
            named.opens == opens && run & 1 << named.from.0 != 0 && settled & 1 << named.until.0 == 0
        };
        plan.transients.iter().filter(during).any(|named| names(named, table.flow, table.packet))
    }

    /// An order of the steps, each settled before the next, that breaks no bound and that the cloud takes.
    pub fn order_without_violation(&self) -> Option<Vec<usize>> {
        let mut dead = vec![false; self.clouds.len()];
        let mut order = Vec::new();
        self.extend(0, &mut dead, &mut order).then_some(order)
    }

    fn extend(&self, done: Set, dead: &mut [bool], order: &mut Vec<usize>) -> bool {
        if done == self.full() {
            return true;
        }
        if dead[done as usize] {
            return false;
        }
        for step in 0..self.steps.len() {
            let run = done | 1 << step;
            if run == done || self.clouds[done as usize].refuses(&self.steps[step]).is_some() {
                continue;
            }
            let broken =
                |table: &Table| self.broken(table, done, run, true) || self.broken(table, done, run, false);
            if !self.tables.iter().any(broken) {
                order.push(step);
                if self.extend(run, dead, order) {
                    return true;
                }
                order.pop();
            }
        }
        dead[done as usize] = true;
        false
    }
}

/// Whether a named transient is about this flow.
pub fn names(named: &Transient, flow: (End, End), packet: Packet) -> bool {
    let is_end = |text: &str, end: End| match end.interface {
        Some(name) => text == name,
        None => text.parse::<policy::AddressSet>().is_ok_and(|set| set.contains(end.address)),
    };
    is_end(&named.source, flow.0)
        && is_end(&named.destination, flow.1)
        && services_have(&named.services, packet)
}

fn services_have(text: &str, packet: Packet) -> bool {
    let number = if packet.protocol == 1 { packet.number << 8 } else { packet.number };
    let point = policy::ServicePoint::port(packet.protocol, number);
    text.split(", ").any(|part| part.parse::<policy::ServiceSet>().unwrap().contains(point))
}

/// The cloud as it looks when exactly these steps are visible.
pub fn with(start: &Cloud, steps: &[Step], set: Set) -> Cloud {
    let mut cloud = start.clone();
    for (_, step) in steps.iter().enumerate().filter(|(place, _)| set & 1 << place != 0) {
        cloud.see(&step.action);
    }
    cloud
}

/// Every subset of a set, the empty one first.
fn subsets(set: Set) -> impl Iterator<Item = Set> {
    let mut next = Some(0);
    std::iter::from_fn(move || {
        let this = next?;
        next = (this != set).then(|| (this.wrapping_sub(set)) & set);
        Some(this)
    })
}
