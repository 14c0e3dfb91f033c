//! cli

pub mod config;
/// The demo.
pub mod demo {
    pub mod estate;
}
