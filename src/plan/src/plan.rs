//! The plan: a value that can be read, stored, refused.

use std::collections::BTreeMap;
use std::fmt;

use policy::{Finding, NetworkId};
use serde::{Deserialize, Serialize};

use crate::scope::{Scope, ScopeId};
use crate::state::Uncovered;
use crate::step::{Step, StepId};

/// Version of the JSON form; grows when a reader of the old form would misread the new one.
pub const FORMAT_VERSION: u32 = 1;

/// Everything that a reviewer needs, and everything that apply needs.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Plan {
    /// [`FORMAT_VERSION`].
    pub format_version: u32,
    /// The installation whose objects it changes.
    pub installation: String,
    /// Digest of the policy files; git commit beside it if there is one.
    pub policy_digest: String,
    /// The commit of the policy folder, if it is a git checkout.
    pub policy_commit: Option<String>,
    /// Digest of what the plan was computed from: policy, the objects that its steps touch, their members.
    pub base: String,
    /// The scopes of the domain, with their settings.
    pub scopes: Vec<Scope>,
    /// The changes, in an order in which they can run.
    pub steps: Vec<Step>,
    /// Changes that the policy wants and that this plan does not make, each with the reason.
    #[serde(default)]
    pub withheld: Vec<Withheld>,
    /// What opens and closes, by labels.
    pub changes: Vec<Change>,
    /// Moments in which neither bound of DESIGN 7.1 can be kept: each is named.
    pub transients: Vec<Transient>,
    /// What keeps the plan from being applied: blocking findings, tripped guards, quota, a failed proof.
    pub blocks: Vec<Block>,
    /// Everything else worth knowing.
    pub findings: Vec<Finding>,
    /// Drift that was found in objects of ours, repaired or only reported.
    pub drift: Vec<DriftItem>,
    /// Quota before, at the peak of the transition and after; the worst object of each kind.
    pub quota: Vec<QuotaLine>,
    /// Mutating calls by action.
    pub calls: BTreeMap<String, u32>,
    /// Time that the provider's token buckets and the settle waits make the calls take, in milliseconds.
    pub duration_ms: u64,
    /// The proof.
    pub proof: ProofSummary,
    /// Interfaces that the policy wants enforced and that cannot be written.
    pub uncovered: Vec<Uncovered>,
    /// How much there is: for the head of the report.
    pub estate: EstateSummary,
}

impl Plan {
    /// Whether there is nothing to do, now or later.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty() && self.withheld.is_empty()
    }

    /// The step.
    pub fn step(&self, id: StepId) -> Option<&Step> {
        self.steps.get(id.0 as usize)
    }
}

/// A step that the policy wants and that is not made now.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Withheld {
    /// The step; its id and what it waits for mean nothing here.
    pub step: Step,
    /// Why.
    pub because: WithheldBecause,
    /// The title of the withheld step that it waits for, if that is what keeps it.
    pub waits_for: Option<String>,
}

/// Why a step is not made now.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WithheldBecause {
    /// Something of the domain could not be read, and nothing is broken on half a read.
    ScopeUnread(String),
    /// Somebody else changed the object, which is named, and the scope only reports that.
    Drifted(String),
    /// The scope has no `enforce: true`, and others of the domain have.
    ScopeObservedOnly(ScopeId),
}

impl Withheld {
    /// A step that is left out.
    pub fn new(mut step: Step, because: WithheldBecause, waits_for: Option<String>) -> Self {
        (step.after, step.settled_after) = (Vec::new(), Vec::new());
        Self { step, because, waits_for }
    }
}

impl fmt::Display for Withheld {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.step.title, self.because)?;
        self.waits_for.iter().try_for_each(|title| write!(f, ", and it waits for `{title}`"))
    }
}

impl fmt::Display for WithheldBecause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ScopeUnread(names) => write!(f, "scope {names} could not be read"),
            Self::Drifted(object) => {
                write!(f, "{object} was changed by somebody else, and the scope only reports that")
            }
            Self::ScopeObservedOnly(scope) => write!(f, "scope {scope} is observed only"),
        }
    }
}

/// Counts for the head of a report.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct EstateSummary {
    /// Networks read.
    pub networks: u32,
    /// Workloads known.
    pub workloads: u32,
    /// Interfaces read.
    pub interfaces: u32,
    /// Interfaces that our groups enforce at the end of the plan.
    pub enforced: u32,
    /// Classes with an enforced member.
    pub classes: u32,
    /// Classes of enforced workloads by labels, with their number of interfaces.
    pub members: BTreeMap<String, u32>,
}

/// One change of who may talk to whom, by labels: `role=web … → role=db … tcp/5432 opens`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Change {
    /// Whether it opens or closes.
    pub opens: bool,
    /// Who opens the connection: labels of a class, or addresses.
    pub source: String,
    /// Who is connected to.
    pub destination: String,
    /// On what.
    pub services: String,
    /// Pairs of interfaces (or interface and address set) behind the line.
    pub pairs: u64,
    /// The rules behind it, where one opens it.
    pub rules: Vec<String>,
}

/// A moment in which a pair is outside its bounds: named, and nothing beyond what is named.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Transient {
    /// Whether the pair is open (true) or cut (false) for a moment.
    pub opens: bool,
    /// Who opens the connection: interface id, or a CIDR block.
    pub source: String,
    /// Who is connected to: interface id, or a CIDR block.
    pub destination: String,
    /// On what.
    pub services: String,
    /// From the moment that this step runs…
    pub from: StepId,
    /// …until this one has settled.
    pub until: StepId,
}

/// Something that keeps the plan from being applied.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Block {
    /// A stable word: the name of a guard (`lose-peer`, `remove-rules`, `lose-all-ingress`, `protect`), `quota`,
    /// `proof`, `exposure`, `obstruction`, or the code of a blocking finding.
    pub code: String,
    /// What it is about.
    pub subject: String,
    /// One line with the number that is over.
    pub message: String,
    /// What to do about it.
    pub hint: String,
    /// Whether `--allow CODE` may override it (guards only); an override is recorded.
    pub can_override: bool,
}

/// One difference between an object of ours and what was last intended.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct DriftItem {
    /// The scope.
    pub scope: ScopeId,
    /// The object for people.
    pub object: String,
    /// What is different.
    pub difference: String,
    /// Whether this plan repairs it.
    pub repaired: bool,
}

/// One quota: the worst object before, at the peak and after.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct QuotaLine {
    /// `rules per group (ingress, IPv4)`, `groups per interface`, `groups in the region`.
    pub name: String,
    /// The worst object at the peak.
    pub subject: String,
    /// Used before.
    pub before: u32,
    /// Used at the peak of the transition.
    pub peak: u32,
    /// Used at the end.
    pub after: u32,
    /// Allowed at most.
    pub limit: u32,
}

/// The proof as it stands in a plan (DESIGN 6).
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct ProofSummary {
    /// Statement 1: our objects alone admit exactly the intent, both ways.
    pub equivalent: bool,
    /// What was compared: ends and directions.
    pub checked_ends: u64,
    /// What was compared: pairs of an end and a peer (class, interface or address range).
    pub checked_pairs: u64,
    /// Packets that objects and policy treat differently; at most a handful.
    pub witnesses: Vec<Witness>,
    /// Statement 2: what foreign objects admit beyond the intent.
    pub exposures: Vec<Exposure>,
    /// Statement 3: what the intent allows and a foreign object blocks.
    pub obstructions: Vec<Exposure>,
}

/// One concrete packet, with both ends, that objects and policy treat differently.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Witness {
    /// True: the objects let it pass and the policy does not. False: the other way round.
    pub admitted: bool,
    /// Whose filter: the interface at which they differ.
    pub at: String,
    /// `ingress` or `egress`.
    pub direction: crate::scope::Direction,
    /// Interface id (or `external`) and address of the source.
    pub source: String,
    /// Interface id (or `external`) and address of the destination.
    pub destination: String,
    /// On what.
    pub service: String,
    /// The object and rule, or the policy rule, behind it.
    pub because: String,
}

/// What one foreign rule does to the intent.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Exposure {
    /// The network of the interfaces.
    pub network: NetworkId,
    /// Whose filter, by labels, with the number of interfaces.
    pub at: String,
    /// `ingress` or `egress`.
    pub direction: crate::scope::Direction,
    /// The peer: labels or addresses.
    pub peer: String,
    /// On what.
    pub services: String,
    /// The foreign object and its rule.
    pub because: String,
    /// A packet that shows it.
    pub witness: String,
}
