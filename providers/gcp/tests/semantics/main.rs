//! What the filter graph of Google Cloud says: sentence by sentence, and against a slow evaluator over thousands of
//! estates.

#![allow(clippy::unwrap_used, clippy::panic, clippy::unreachable, reason = "a test fails by panicking")]

mod brute;
mod estates;
#[path = "../../../../src/plan/tests/ordered/filter.rs"]
mod filter;
mod said;
#[path = "../../../../src/plan/tests/ordered/text.rs"]
mod text;
mod truth;
mod unread;
