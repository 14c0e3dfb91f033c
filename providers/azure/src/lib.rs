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
pub mod band;
pub mod ids;
pub mod inventory;
pub mod lower;
pub mod marks;
pub mod observed;
pub mod resources;
pub mod settings;
pub mod write;

pub use arm::{Arm, ArmSettings, Endpoint};
pub use inventory::{Estate, observe};
pub use settings::AzureSettings;
pub use write::{Writer, Written};
