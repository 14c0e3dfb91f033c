//! What every driver is held to, whatever its cloud. Written for tests, without any of their tools.

pub mod facts;
pub mod policies;
