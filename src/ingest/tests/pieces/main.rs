//! Packed bytes of pieces in, what sinks are told and accounts of pieces out.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod pipeline;
mod seen;
mod unpack;
