//! Changes → steps in a hitless order, with what each waits for (DESIGN 7.1).
//!
//! The schedule goes in rounds. In each round every pending make that keeps the upper bound and every pending
//! break that keeps the lower bound goes into flight together; then all of them settle. When a round is empty, every
//! order of the steps that depend on each other is tried (if they are few), batches of rules are split, and only
//! when nothing keeps both bounds a violation is accepted, by the scope's setting, and named.
//!
//! What a step waits for is not its round but the earlier steps without which it would break its bound, so that
//! a scope that cannot be read blocks only what depends on it.

mod bounds;
mod candidate;
mod emit;
mod model;
mod schedule;
mod search;
mod stuck;
mod waits;

use std::collections::BTreeMap;

use policy::Finding;

use crate::diff::{ScopeInput, diff};
use crate::plan::{Block, QuotaLine, Transient, Withheld};
use crate::scope::ScopeId;
use crate::state::GroupId;
use crate::step::Step;

/// The steps of a domain, and everything that was found while making them.
#[derive(Clone, Debug, Default)]
pub struct Steps {
    /// In an order in which they can run.
    pub steps: Vec<Step>,
    /// Steps that are left out for now.
    pub withheld: Vec<Withheld>,
    /// Moments in which a bound is broken.
    pub transients: Vec<Transient>,
    /// Names taken, quota over.
    pub blocks: Vec<Block>,
    /// Notes and warnings.
    pub findings: Vec<Finding>,
    /// Quota before, at the peak and after.
    pub quota: Vec<QuotaLine>,
    /// The group that stands for each desired group.
    pub assignment: BTreeMap<GroupId, GroupId>,
}

/// Up to this many interfaces that change, each is ordered by itself: a search can then part them. Above, those
/// that change in the same way are ordered as one, with one call each.
const SINGLE_INTERFACES_MAX: usize = 48;

/// Plans the steps of a domain. Scopes that could not be observed keep every break from being planned.
pub fn plan_steps(domain: &[ScopeInput<'_>], unobserved: &[ScopeId]) -> Steps {
    plan_steps_grouped(domain, unobserved, SINGLE_INTERFACES_MAX)
}

/// The same with another limit from which on interfaces are ordered together; for tests on small domains.
#[doc(hidden)]
pub fn plan_steps_grouped(
    domain: &[ScopeInput<'_>],
    unobserved: &[ScopeId],
    single_interfaces_max: usize,
) -> Steps {
    let changes = diff(domain);
    let apart = changes.members.len() <= single_interfaces_max;
    // Where nothing changes nothing has to be ordered.
    let is_same = changes.groups.is_empty() && changes.members.is_empty();
    let involved = if is_same { &[][..] } else { domain };
    let (model, candidates) = candidate::candidates(involved, &changes, apart);
    let mut scheduler = schedule::Scheduler::new(domain, model, candidates, !unobserved.is_empty());
    scheduler.run();
    let mut steps = Steps {
        blocks: changes.blocks,
        findings: changes.findings,
        assignment: changes.assignment,
        ..Steps::default()
    };
    scheduler.finish(&mut steps, unobserved);
    steps
}
