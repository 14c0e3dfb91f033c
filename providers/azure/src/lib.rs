//! The Azure driver: network security groups as enforcement points. So far connection and resources.
//!
//! Calls go through [`Arm`]: timeout → pace → limit → send.

pub mod arm;
pub mod resources;

pub use arm::{Arm, ArmSettings, Endpoint};
