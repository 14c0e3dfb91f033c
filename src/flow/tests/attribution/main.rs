//! Attribution and summing: who talked to whom, whatever the log left out.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "a generated test says what it covered")]

mod batches;
mod conversations;
mod coverage;
mod limits;
mod merging;
mod timeline;
mod traps;
mod views;
mod world;
