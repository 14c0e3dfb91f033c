//! A thin client of Compute Engine v1 and Resource Manager v3: one request loop under every call.
//!
//! It sends each call once, keeps every error reason, follows operations to their end and reads lists completely or not
//! at all. It knows nothing about networks: resources are the business of [`crate::resources`].
//!
//! Google's own crate (`google-cloud-compute-v1`) is not used, though it keeps unknown fields, fingerprints and
//! reasons. Its patches leave out empty lists and nulls, so the last source of a rule cannot be taken away; it has
//! connections of its own (redirects followed, the proxy of the environment even in front of this machine, answers
//! without a bound, the crypto provider of the process); tags need this stack anyway; and it would add 200 s and
//! 3.5 GiB to every build.

pub mod client;
pub mod credential;
pub mod endpoint;
pub mod errors;
pub mod operation;
pub mod pace;
pub mod paging;
pub mod transport;

pub(crate) mod answer;
pub(crate) mod long_operation;
mod page;
mod stack;

pub(crate) use answer::Answer;
pub use client::{Api, ApiSettings};
pub use credential::{CredentialSettings, Token, TokenSource};
pub use endpoint::{Endpoint, Service};
