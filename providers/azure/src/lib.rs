//! The Azure driver: network security groups as enforcement points. So far its lower half.
//!
//! ```text
//! Arm (timeout → pace → limit → send) ─▶ inventory ─▶ Estate      (one complete read, or an error)
//!        ▲                                   ▲
//!        │                               resources                (typed, unknown fields kept)
//!        │                                   ▼
//!        └── paging, operations, errors ◀─ write ◀── one change ── (one operation for each resource)
//! ```
//!
//! Whoever only reads holds an [`Arm`]; only a [`Writer`] can change anything.

pub mod arm;
pub mod inventory;
pub mod resources;
pub mod semantics;
pub mod write;

pub use arm::{Arm, ArmSettings, Endpoint};
pub use inventory::{Estate, observe};
pub use semantics::semantics;
pub use write::{Writer, Written};
