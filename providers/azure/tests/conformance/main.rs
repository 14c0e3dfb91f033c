//! The conformance suite over a simulated Azure subscription, over HTTP.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod foreign;
mod hand;
mod seed;
mod subscription;

provider::conformance!(subscription::Azure);
