//! The driver against the simulated Google Cloud, over HTTP.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod crash;
mod driver;
mod facts;
mod failures;
mod firewalls;
mod harness;
mod inventory;
mod logging;
mod lost;
mod normal;
mod partial;
mod policies;
mod predict;
mod road;
mod steps;
mod stubs;
mod tagged;
mod tags;
