//! The driver's lower half against the simulated Google Cloud, over HTTP.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod failures;
mod firewalls;
mod harness;
mod inventory;
mod lost;
mod partial;
mod policies;
mod stubs;
mod tags;
