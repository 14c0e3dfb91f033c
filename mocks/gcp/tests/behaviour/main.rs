//! The behaviour of the simulated Google Cloud, driven through its front.
//!
//! One module for each area; every line of a script is one request and what the real cloud answers to it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod balancers;
mod calls;
mod data_plane;
mod firewalls;
mod flow_logs;
mod harness;
mod http;
mod instances;
mod networks;
mod operations;
mod packets;
mod policies;
mod reads;
mod schema;
mod tags;
