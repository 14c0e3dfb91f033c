//! The policy core: labels and rules in, who may talk to whom out.
//!
//! ```text
//! YAML texts ─file─▶ Policy ─────┐
//!                                ├─▶ Snapshot ─compile─▶ CompiledPolicy ─▶ (lowering, proof)
//! inventory ─▶ Workload, Network ┘      │
//!                                       ├─decide──▶ Decision   (the oracle: slow and obvious)
//!                                       └─explain─▶ Explanation
//! ```
//!
//! PURE: no clock, no files, no sockets, no randomness: even the loader of policy files takes texts.
//!
//! INVARIANT: same input, same bytes out. `compile` and `decide` never fail; what is wrong with the
//! input comes back as [`Finding`]s.

pub mod address;
pub mod compile;
pub mod compiled;
pub mod decide;
pub mod directory;
pub mod explain;
pub mod few;
pub mod file;
pub mod finding;
pub mod label;
pub mod name;
pub mod range;
pub mod ruleset;
pub mod selector;
pub mod service;
pub mod snapshot;
pub mod sorted;
pub mod workload;

pub use address::AddressSet;
pub use compile::{compile, evaluate::Evaluator};
pub use compiled::{Class, ClassId, Compilation, CompiledPolicy, CompiledRule, Side, essential_services};
pub use decide::decide;
pub use directory::{AddressDirectory, Place, View};
pub use explain::{Explanation, explain};
pub use finding::{Finding, Severity};
pub use label::{Label, LabelSet};
pub use name::{InterfaceId, LabelKey, LabelValue, Name, NetworkId, WorkloadId};
pub use range::RangeSet;
pub use ruleset::{
    Action, Actor, IpList, LabelGroup, Policy, Rule, RuleRef, Ruleset, ScopeEntry, ScopeTarget,
};
pub use selector::Selector;
pub use service::{ServicePoint, ServiceSet};
pub use snapshot::{Decision, End, EndDecision, Flow, Snapshot, Verdict};
pub use workload::{Directions, EnforcementMode, Interface, Network, Translation, Workload};
