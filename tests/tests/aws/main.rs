//! The AWS driver against the simulated cloud, call by call: each step through the real SDK over HTTP, with what goes
//! wrong on the way.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod audit;
mod cloud;
mod credentials;
mod groups;
mod members;
mod pace;
mod pages;
mod peering;
