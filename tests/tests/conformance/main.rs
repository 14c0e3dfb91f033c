//! The conformance suite over a simulated AWS account, over HTTP.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod account;
mod foreign;
mod hand;
mod seed;

provider::conformance!(account::Aws);
