//! `compile` and the address directory: classes, findings and views as text, then properties and the
//! comparison with the oracle on generated worlds.

#![allow(clippy::disallowed_methods, reason = "a test takes its size from the environment")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "compiling/classes.rs"]
mod classes;
#[path = "compiling/directory.rs"]
mod directory;
mod dsl;
#[path = "compiling/findings.rs"]
mod findings;
#[path = "compiling/generate.rs"]
mod generate;
#[path = "compiling/properties.rs"]
mod properties;
