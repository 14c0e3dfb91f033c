//! Formats of flow logs: text in, what a sink is told out. Traps of each cloud are tests of their names.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod aws_bad;
mod aws_cuts;
mod aws_text;
mod told;
