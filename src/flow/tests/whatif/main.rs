//! Replay, rule use and suggestions, held against `policy::decide` on generated worlds; and what they say, as text.

#![allow(clippy::disallowed_methods, reason = "a test takes its size from the environment")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

#[path = "../../../policy/tests/dsl/mod.rs"]
mod dsl;
mod gone;
mod oracle;
mod replaying;
mod rows;
mod suggesting;
mod using;
mod verdicts;
mod world;
