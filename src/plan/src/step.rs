//! One change of the cloud: what, why, and what it waits for.

use std::collections::BTreeMap;
use std::fmt;

use policy::{InterfaceId, NetworkId};
use serde::{Deserialize, Serialize};

use crate::scope::{Direction, ScopeId};
use crate::state::{GroupId, RuleSpec};

/// Index of a step in its plan.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StepId(pub u32);

/// Whether a step can only let more pass, or only less.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepKind {
    /// Creates, adds, attaches.
    Make,
    /// Revokes, detaches, deletes.
    Break,
}

/// One change: one step is as few calls as the cloud allows, all for one object.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Step {
    /// Its index in the plan; steps are listed in an order in which they can run.
    pub id: StepId,
    /// The scope in which it writes.
    pub scope: ScopeId,
    /// What it changes.
    pub action: StepAction,
    /// Labels first, for people: `role=web app=shop env=prod: add 2 ingress rules`.
    pub title: String,
    /// Why: the rules or the label change behind it, and `drift` where somebody else changed it.
    pub reasons: Vec<String>,
    /// Steps that must be verified before this one runs and, if `settles`, settled too.
    pub after: Vec<StepId>,
    /// The subset of `after` that must have settled on the data plane, not only be verified.
    pub settled_after: Vec<StepId>,
}

/// What a step changes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepAction {
    /// Creates a group with no ingress rule, and with exactly the egress named.
    CreateGroup {
        /// Its planned id.
        group: GroupId,
        /// Where.
        network: NetworkId,
        /// Its name.
        name: String,
        /// Its description, for people.
        description: String,
        /// True: egress rules that let everything pass in both families; false: none. Never what the cloud
        /// puts there by default.
        open_egress: bool,
    },
    /// Sets our tags on a group back.
    Mark {
        /// The group.
        group: GroupId,
    },
    /// Adds rules to a group, in one call.
    AddRules {
        /// The group.
        group: GroupId,
        /// Which list.
        direction: Direction,
        /// The rules; none is there yet.
        rules: Vec<RuleSpec>,
    },
    /// Puts groups on an interface beside those that it has, in one call.
    Attach {
        /// The interface.
        interface: InterfaceId,
        /// The groups to add.
        add: Vec<GroupId>,
    },
    /// Takes rules out of a group, in one call.
    RemoveRules {
        /// The group.
        group: GroupId,
        /// Which list.
        direction: Direction,
        /// The rules.
        rules: Vec<RuleSpec>,
    },
    /// Takes groups off an interface, in one call; never the last one.
    Detach {
        /// The interface.
        interface: InterfaceId,
        /// The groups to take off.
        remove: Vec<GroupId>,
    },
    /// Deletes a group of ours that nothing uses any more.
    DeleteGroup {
        /// The group.
        group: GroupId,
        /// Its name, for people.
        name: String,
    },
}

impl StepAction {
    /// Whether the step can only let more pass, or only less.
    pub fn kind(&self) -> StepKind {
        match self {
            Self::CreateGroup { .. } | Self::Mark { .. } | Self::AddRules { .. } | Self::Attach { .. } => {
                StepKind::Make
            }
            Self::RemoveRules { .. } | Self::Detach { .. } | Self::DeleteGroup { .. } => StepKind::Break,
        }
    }
}

impl fmt::Display for StepKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Make => "make",
            Self::Break => "break",
        })
    }
}

/// The number of settle waits in the longest chain before each step of a plan: steps with the same one may run together.
pub fn rounds(steps: &[Step]) -> Vec<usize> {
    let mut depth = vec![0usize; steps.len()];
    for step in steps {
        let waits = step.settled_after.iter().map(|id| depth[id.0 as usize] + 1);
        let orders = step.after.iter().map(|id| depth[id.0 as usize]);
        depth[step.id.0 as usize] = waits.chain(orders).max().unwrap_or(0);
    }
    depth
}

/// Steps in the batches in which they are sent if nothing fails: each as soon as what it waits for is seen, or settled.
pub fn batches(steps: &[Step]) -> Vec<Vec<&Step>> {
    let mut places: BTreeMap<StepId, (usize, usize)> = BTreeMap::new();
    let mut found: BTreeMap<(usize, usize), Vec<&Step>> = BTreeMap::new();
    for step in steps {
        let settled = step.settled_after.iter().filter_map(|id| places.get(id));
        let seen = step.after.iter().filter_map(|id| places.get(id));
        let waits =
            settled.map(|(waits, _)| (waits + 1, 0)).chain(seen.map(|(waits, looks)| (*waits, looks + 1)));
        let place = waits.max().unwrap_or_default();
        places.insert(step.id, place);
        found.entry(place).or_default().push(step);
    }
    found.into_values().collect()
}
