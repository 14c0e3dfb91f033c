//! The Azure driver: network security groups as enforcement points. So far its connection to the cloud.
//!
//! Calls go through [`Arm`]: timeout → pace → limit → send.

pub mod arm;

pub use arm::{Arm, ArmSettings, Endpoint};
