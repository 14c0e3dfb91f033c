//! What every simulated cloud shares: virtual time, published buckets, faults, a call log, and a data plane
//! that lags behind the API.
//!
//! What is sent through the data planes is one [`traffic`] for all of them; each cloud logs what its own interfaces see
//! of it.
//!
//! Pure: no sockets and no wall clock. Everything is replayed from one seed.

pub mod bucket;
pub mod calls;
pub mod data_plane;
pub mod fault;
pub mod packet;
pub mod time;
pub mod traffic;
pub mod written;

pub use bucket::Buckets;
pub use calls::{CallLog, CallRecord};
pub use data_plane::DataPlane;
pub use fault::{CallKind, Fault, Faults};
pub use packet::{End, Packet};
pub use traffic::{Conversation, Edge, Passage};
pub use written::Written;
