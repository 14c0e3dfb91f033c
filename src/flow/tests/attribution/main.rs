//! Attribution and summing: who talked to whom, whatever the log left out.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking and says what it covered"
)]

mod coverage;
mod limits;
mod merging;
mod timeline;
mod traps;
mod views;
mod world;
