//! The behaviour of the simulated EC2, driven through its front with form bodies.
//!
//! One module for each family; every line of a script is one call and what the real cloud answers to it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod data_plane;
mod faults;
mod flow_logs;
mod groups;
mod harness;
mod interfaces;
mod networks;
mod reads;
mod rules;
