//! A thin client of Azure Resource Manager: one request loop under every call.
//!
//! It sends each call once, keeps every error code, follows long-running operations to their end and reads lists
//! completely or not at all. It knows nothing about networks: resources are the business of [`crate::resources`].

pub mod client;
pub mod credential;
pub mod endpoint;
pub mod errors;
pub mod operation;
pub mod pace;
pub mod paging;
pub mod transport;
pub mod versions;

pub(crate) mod answer;
mod stack;

pub use client::{Arm, ArmSettings};
pub use credential::CredentialSettings;
pub use endpoint::Endpoint;
