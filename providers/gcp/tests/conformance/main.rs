//! The conformance suite over a simulated Google Cloud organisation, over HTTP.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod foreign;
mod hand;
mod organization;
mod seed;

provider::conformance!(organization::Google);
