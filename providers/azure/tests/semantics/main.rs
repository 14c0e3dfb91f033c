//! What the filter graph of Azure says: sentence by sentence, and against a slow evaluator over thousands of estates.

#![allow(clippy::unwrap_used, clippy::panic, clippy::unreachable, reason = "a test fails by panicking")]

mod brute;
mod estates;
#[path = "../../../../src/plan/tests/ordered/filter.rs"]
mod filter;
mod said;
#[path = "../../../../src/plan/tests/ordered/text.rs"]
mod text;
mod truth;
mod unread;

/// The id of a list by a short name: a security group, unless the name says that it holds admin rules.
fn id_of(name: &str) -> String {
    if name.starts_with("admin") {
        return format!(
            "admin:/subscriptions/s/resourcegroups/g/providers/microsoft.network/virtualnetworks/{name}"
        );
    }
    format!("/subscriptions/s/resourcegroups/g/providers/microsoft.network/networksecuritygroups/{name}")
}
