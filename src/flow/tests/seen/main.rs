//! What people see of flows: queries, tables and the map.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod golden;
mod hostile;
mod map;
mod naive;
mod query;
mod words;
mod world;
