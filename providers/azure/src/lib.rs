//! The Azure driver: network security groups as enforcement points.
//!
//! ```text
//! Arm (timeout → pace → limit → send) ─▶ inventory ─▶ Estate ─ observed ─▶ Observed ─┬─ semantics ─▶ FilterGraph
//!        ▲                                   ▲                                 ▲       └─ lower ────▶ Desired
//!        │                               resources                            after
//!        │                                   ▼                                 ▲
//!        └── paging, operations, errors ◀─ write ◀─ apply ◀─ Step ─────────────┴─ band (facts ↔ rules)
//! ```
//!
//! Reader and writer are different values; whoever plans holds only the reader.

pub mod after;
pub mod arm;
pub mod band;
pub mod cloud;
pub mod estimate;
pub mod ids;
pub mod inventory;
pub mod lower;
pub mod marks;
pub mod observed;
pub mod resources;
pub mod semantics;
pub mod settings;
pub mod usage;
pub mod write;

mod apply;

pub use arm::{Arm, ArmSettings, Endpoint};
pub use cloud::{AzureReader, AzureWriter};
pub use inventory::{Estate, observe};
pub use semantics::semantics;
pub use settings::{AzureSettings, OwnGroups};
pub use write::{Writer, Written};
