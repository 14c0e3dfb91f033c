//! The conformance suite over a simulated Google Cloud organisation, over HTTP.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod foreign;
mod hand;
mod organization;
mod seed;
mod tagged_hand;

provider::conformance!(organization::Google(provider_gcp::Identity::SecureTags));

/// The fall-back: network tags stand for classes, and rules are classic ones.
mod tagged {
    provider::conformance!(crate::organization::Google(provider_gcp::Identity::NetworkTags));
}
