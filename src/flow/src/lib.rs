//! Telemetry: bytes of flow logs in, who really talks to whom out, and what a draft would do to it.
//!
//! ```text
//! bytes ─format─▶ FlowRecord, Gap, Fault ─attribute─▶ Sighting ─summarise─▶ Summaries ─┬─▶ query, map
//!                                            ▲                                         ├─▶ replay (what-if), rule use
//!                             Timeline ──────┘ who held which address when             └─▶ suggest
//! ```
//!
//! PURE: no clock, no files, no sockets, no randomness. Whoever reads files and buckets is `ingest`.
//!
//! INVARIANT: nothing is lost silently. What is not a record is a [`Gap`] (the log says that it lost something)
//! or a [`Fault`] (we could not read it), and both are kept beside the summaries.

pub mod format;
pub mod judge;
pub mod moment;
pub mod record;
pub mod replay;
pub mod sink;
pub mod suggest;
pub mod summary;
pub mod usage;

pub use format::Format;
pub use record::{Counts, Direction, FlowRecord, Opener, Outcome};
pub use sink::{Cloud, Fault, Gap, GapKind, Point, PointId, Sink};
pub use summary::{End, EndId, Ends, Key, Side, Summaries, Tally};
