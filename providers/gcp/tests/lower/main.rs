//! The lowering to Google Cloud, without a cloud: exact texts, what cannot be said, and random policies against
//! the oracle.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod estate;
mod exact;
mod exclusive;
mod random;
mod text;
mod unsaid;
