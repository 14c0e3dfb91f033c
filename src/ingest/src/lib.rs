//! Flow logs from where they lie to summaries that are kept: each record once, whatever dies on the way.
//!
//! ```text
//! FlowSource ─pieces─▶ open ─unpack─▶ flow::format ─▶ flow::attribute ─▶ Summaries ─▶ store (parts + cursor, one commit)
//!                                          └─ faults ─▶ quarantine
//! ```
//!
//! INVARIANT: a cursor and the summaries of what it says was read become true in one write.

pub mod failure;
pub mod intake;
pub mod pass;
pub mod pipeline;
pub mod place;
pub mod quarantine;
pub mod source;
pub mod store;
pub mod unpack;
