//! The driver against the simulated Azure, over HTTP.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod emitted;
mod facts;
mod failures;
mod gaps;
mod harness;
mod inventory;
mod memberships;
mod overheard;
mod predicted;
mod road;
mod rules;
mod scene;
mod steps;
mod stubs;
