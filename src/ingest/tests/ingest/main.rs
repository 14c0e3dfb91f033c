//! Transports and store, as whoever uses them sees them: files appear, processes die, totals stay.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod compaction;
mod crash;
mod faulty;
mod growing;
mod killed;
mod lock;
mod sources;
#[path = "../../examples/follow/toy.rs"]
mod toy;
mod world;
