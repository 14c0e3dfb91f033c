//! The Azure driver: network security groups as enforcement points. So far what it reads.
//!
//! ```text
//! Arm (timeout → pace → limit → send) ─▶ inventory ─▶ Estate      (one complete read, or an error)
//!        ▲                                   ▲
//!        └── operations, paging, errors      └── resources        (typed, unknown fields kept)
//! ```

pub mod arm;
pub mod inventory;
pub mod resources;

pub use arm::{Arm, ArmSettings, Endpoint};
pub use inventory::{Estate, observe};
