//! From two states to a proven list of steps.
//!
//! ```text
//! Observed (per scope) ─┐
//!                       ├─diff─▶ changes ─order─▶ steps with what they wait for ─┐
//! Desired  (per scope) ─┘                                                        ├─▶ Plan ─▶ report
//! FilterGraph of the end state (the driver's `semantics`) ─prove─▶ Proof ────────┤
//! guards, quota at the end and at the peak ──────────────────────────────────────┘
//! ```
//!
//! PURE: no clock, no files, no sockets, no randomness. Time is an argument in milliseconds.
//!
//! INVARIANT: a plan with a blocking finding, a failed proof or a tripped guard is never applied.
//! The words here are cloud-neutral: a *group* is at once an identity (its members) and a carrier of
//! rules; a driver says which object of its cloud that is.

pub mod apply;
pub mod changes;
pub mod diff;
pub mod digest;
pub mod graph;
pub mod guard;
pub mod order;
pub mod ordered;
pub mod plan;
pub mod prove;
mod quota;
pub mod report;
pub mod scope;
pub mod state;
pub mod step;
pub mod usage;
mod withhold;

pub use apply::{after, holds};
pub use diff::ScopeInput;
pub use graph::{Effect, Entry, FilterGraph, FilterList, Node, NodeIndex, Peers, Stage};
pub use order::{Steps, plan_steps};
pub use plan::{Plan, Withheld, WithheldBecause};
pub use prove::prove;
pub use scope::{Attachment, Cloud, Direction, Drift, Gates, Scope, ScopeId, Transients};
pub use state::{
    AttachClass, Desired, DesiredGroup, GroupId, GroupState, InterfaceState, Limits, Membership,
    NetworkState, Observed, Owner, PathEffect, PathFilter, PathRule, Peer, Peering, RuleService, RuleSpec,
    Uncovered,
};
pub use step::{Step, StepAction, StepId, StepKind, batches};
pub use usage::Usage;
pub use withhold::withhold;
