//! The columns of a part. What each means is in `docs/flow-store.md`; a change here is a new [`FORMAT_VERSION`].

use std::fmt::Write;

use parquet::errors::ParquetError;
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::Type;

/// The version of the schema, written into every file.
pub const FORMAT_VERSION: u32 = 1;
/// The key in the file's metadata under which the version stands.
pub const FORMAT_VERSION_KEY: &str = "bulkhead.flow_store.format_version";

/// How a column is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// UTF-8 text that is always there.
    Text,
    /// UTF-8 text or null.
    OptionalText,
    /// 32 bits, signed.
    Small,
    /// 64 bits, signed: unsigned numbers are not known to every engine.
    Large,
    /// Milliseconds since 1970 in UTC: whole seconds, but Parquet has no coarser unit.
    Time,
}

/// Names and kinds of the columns, in order.
pub const COLUMNS: [(&str, Kind); 21] = [
    ("window_start", Kind::Time),
    ("window_s", Kind::Small),
    ("source_labels", Kind::OptionalText),
    ("source_network", Kind::OptionalText),
    ("source_address", Kind::OptionalText),
    ("destination_labels", Kind::OptionalText),
    ("destination_network", Kind::OptionalText),
    ("destination_address", Kind::OptionalText),
    ("protocol", Kind::Small),
    ("port", Kind::Small),
    ("outcome", Kind::Text),
    ("reporter", Kind::Text),
    ("connections", Kind::Large),
    ("packets", Kind::Large),
    ("bytes", Kind::Large),
    ("reply_packets", Kind::Large),
    ("reply_bytes", Kind::Large),
    ("first_seen", Kind::Time),
    ("last_seen", Kind::Time),
    ("guessed", Kind::Large),
    ("rejected_replies", Kind::Large),
];

/// The schema as Parquet has it.
pub(super) fn schema() -> Result<Type, ParquetError> {
    let mut text = "message flows {\n".to_owned();
    for (name, kind) in COLUMNS {
        let (before, after) = match kind {
            Kind::Text => ("REQUIRED BYTE_ARRAY", " (STRING)"),
            Kind::OptionalText => ("OPTIONAL BYTE_ARRAY", " (STRING)"),
            Kind::Small => ("REQUIRED INT32", ""),
            Kind::Large => ("REQUIRED INT64", ""),
            Kind::Time => ("REQUIRED INT64", " (TIMESTAMP(MILLIS,true))"),
        };
        // Writing into a text does not fail.
        let _ = writeln!(text, "  {before} {name}{after};");
    }
    text.push('}');
    parse_message_type(&text)
}
