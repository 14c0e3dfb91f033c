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

pub mod attribute;
pub mod coverage;
mod eni;
mod figure;
pub mod format;
mod index;
pub mod judge;
pub mod map;
pub mod moment;
pub mod query;
pub mod record;
pub mod replay;
pub mod sink;
pub mod stored;
pub mod suggest;
pub mod summarise;
pub mod summary;
pub mod timeline;
pub mod usage;

pub use attribute::{Attributor, NamedServices, Sighting, Way};
pub use coverage::{Coverage, Lost, SourceFacts};
pub use format::Format;
pub use record::{Counts, Direction, FlowRecord, Opener, Outcome};
pub use sink::{Cloud, Fault, Gap, GapKind, Point, PointId, Sink};
pub use summarise::{Settings, Sum, Summariser};
pub use summary::{End, EndId, Ends, Key, Side, Summaries, Tally};
pub use timeline::{Aliases, Holders, Timeline};
