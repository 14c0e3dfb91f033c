//! Hitless on the data plane: real driver, real SDK over HTTP, simulated cloud whose interfaces hear of each change
//! after their own delay. At every moment at which some interface sees something new, each pair keeps both bounds
//! of DESIGN 7.1: what passed before and passes after, passes; what passes, passed before or passes after. In the
//! end, what passes is what the oracle says.
//!
//! Single changes and pairs of them, in scopes that enforce ingress or both directions: calm, with a crash after
//! every step and a fresh pass, with throttling, lost answers, failures and stale reads, with the published token
//! buckets nearly empty, with one of two peered networks unreadable half-way, and with `settle` below the data
//! plane's delay, where the test must fail. A named transient excuses a packet only from the moment that its first
//! step is sent until its last one has settled; single changes name none.
//!
//! Every row prints what it saw and how long it took, and fails if it saw too little. The biggest products are
//! samples:
//!
//! ```text
//! BULKHEAD_HITLESS=all       runs the whole products (some quarter of an hour)
//! BULKHEAD_HITLESS_SEED=7    draws samples, delays and faults from another seed; a failure prints its case
//! ```

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod calm;
mod case;
mod change;
#[path = "../clouds/mod.rs"]
#[allow(dead_code, reason = "shared with the differential test, which uses the rest of it")]
mod clouds;
mod crashes;
mod crossing;
mod dark;
mod estate;
mod faults;
mod fear;
mod journal;
mod oracle;
mod packets;
mod shop;
mod tally;
mod three;
mod unreadable;
mod watch;
