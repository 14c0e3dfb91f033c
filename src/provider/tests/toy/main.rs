//! A fourth cloud, made the way `docs/new-provider.md` says: it passes the whole suite.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

#[allow(dead_code, reason = "the flaws are tried in `teeth.rs`")]
mod pond;

provider::conformance!(pond::Pond::honest());
