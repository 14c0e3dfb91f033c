//! The driver against the simulated Google Cloud, over HTTP.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod driver;
mod facts;
mod failures;
mod firewalls;
mod harness;
mod inventory;
mod lost;
mod partial;
mod policies;
mod steps;
mod stubs;
mod tags;
