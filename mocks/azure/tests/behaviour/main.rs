//! The behaviour of the simulated Azure, driven through its front.
//!
//! One module for each area; every line of a script is one request and what the real cloud answers to it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod admin;
mod calls;
mod data_plane;
mod flow_logs;
mod groups;
mod harness;
mod http;
mod interfaces;
mod networks;
mod operations;
mod packets;
mod reads;
mod rules;
mod schema;
