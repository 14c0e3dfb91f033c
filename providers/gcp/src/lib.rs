//! The Google Cloud driver: network firewall policies, classic firewall rules and tags as enforcement points. So far
//! its lower half.
//!
//! ```text
//! Api (timeout → pace → limit → send) ─▶ inventory ─▶ Estate      (one complete read, or an error)
//!        ▲                                   ▲
//!        │                               resources                (typed, unknown fields kept)
//!        │                                   ▼
//!        └── paging, operations, errors ◀─ write ◀── one change ── (marks say whose an object is)
//! ```
//!
//! Whoever only reads holds an [`Api`]; only a [`Writer`] can change anything.

pub mod inventory;
pub mod marks;
pub mod resources;
pub mod rest;
pub mod semantics;
pub mod write;

pub use inventory::{Estate, Reach, observe};
pub use rest::{Api, ApiSettings, Endpoint};
pub use semantics::semantics;
pub use write::{Made, Writer, Written};
