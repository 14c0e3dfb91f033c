//! The driver's lower half against the simulated Azure, over HTTP.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod emitted;
mod failures;
mod gaps;
mod harness;
mod inventory;
mod memberships;
mod overheard;
mod rules;
mod stubs;
