//! One pass over a domain of scopes, and the loop that drives passes.
//!
//! ```text
//! observe ─▶ inventory ─▶ compile ─▶ lower ─▶ diff, order ─▶ prove, guard ─▶ Plan ─▶ apply ─▶ status
//!    └────────────────────────── planning (readers only) ──────────────────────┘   └ applying ┘
//! ```
//!
//! Knows clouds only by the contract in `provider`.

pub mod applying;
pub mod inventory;
pub mod last_applied;
pub mod mapping;
pub mod pass;
pub mod planning;

mod waiting;
