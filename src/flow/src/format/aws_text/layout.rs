//! Which field stands in which column: from a header line, or from the LogFormat of the flow log.
//!
//! INVARIANT: a layout has every field that a flow cannot be told without. Columns are never guessed by position.

use thiserror::Error;

use super::fast::Places;

/// What a column of a line means to us.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[repr(u8)]
pub(super) enum Column {
    Version,
    Interface,
    Network,
    Source,
    Destination,
    PacketSource,
    PacketDestination,
    SourcePort,
    DestinationPort,
    Protocol,
    Packets,
    Bytes,
    Start,
    End,
    Action,
    Status,
    TcpFlags,
    Direction,
    /// A field that says nothing about who talks to whom, or one that is newer than this reader.
    Other,
}

/// The columns that are read, by the names of the fields.
const NAMES: [(&str, Column); 18] = [
    ("version", Column::Version),
    ("interface-id", Column::Interface),
    ("vpc-id", Column::Network),
    ("srcaddr", Column::Source),
    ("dstaddr", Column::Destination),
    ("pkt-srcaddr", Column::PacketSource),
    ("pkt-dstaddr", Column::PacketDestination),
    ("srcport", Column::SourcePort),
    ("dstport", Column::DestinationPort),
    ("protocol", Column::Protocol),
    ("packets", Column::Packets),
    ("bytes", Column::Bytes),
    ("start", Column::Start),
    ("end", Column::End),
    ("action", Column::Action),
    ("log-status", Column::Status),
    ("tcp-flags", Column::TcpFlags),
    ("flow-direction", Column::Direction),
];

/// What a flow cannot be told without: one of each.
const REQUIRED: [&[Column]; 7] = [
    &[Column::Source, Column::PacketSource],
    &[Column::Destination, Column::PacketDestination],
    &[Column::SourcePort],
    &[Column::DestinationPort],
    &[Column::Protocol],
    &[Column::Start],
    &[Column::End],
];

/// What is longer is no header: AWS has 42 fields.
const COLUMNS_MAX: usize = 256;
const HEADER_BYTES_MAX: usize = 1 << 14;

impl Column {
    fn named(name: &str) -> Self {
        NAMES.iter().find(|(known, _)| *known == name).map_or(Self::Other, |&(_, column)| column)
    }

    /// The name of the field.
    pub(super) fn name(self) -> &'static str {
        NAMES.iter().find(|(_, column)| *column == self).map_or("field", |(name, _)| name)
    }

    /// A set of one.
    pub(super) const fn bit(self) -> u32 {
        1 << self as u8
    }
}

/// Why lines cannot be read.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum LayoutError {
    /// There are no names of fields.
    #[error("`{0}` is no list of field names")]
    NoNames(String),
    /// A field that a flow cannot be told without.
    #[error("the field `{0}` is missing")]
    Missing(&'static str),
    /// Two columns for one field.
    #[error("the field `{0}` is there twice")]
    Twice(&'static str),
    /// Flow logs of a transit gateway (version 6) are of other things than interfaces.
    #[error("the field `{0}` is of a transit gateway flow log (version 6), which is not read")]
    TransitGateway(String),
}

/// Which field stands in which column.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Layout {
    pub(super) columns: Box<[Column]>,
    pub(super) places: Places,
}

impl Layout {
    /// From a header line, without its end; `None` if it is none: every word of it must look like a name, and one be known.
    pub(super) fn of_header(line: &[u8]) -> Option<Result<Self, LayoutError>> {
        let text = std::str::from_utf8(line).ok().filter(|text| text.len() <= HEADER_BYTES_MAX)?;
        let names: Vec<String> = text.split_ascii_whitespace().map(canonical).collect();
        let is_header = names.len() <= COLUMNS_MAX
            && names.iter().all(|name| is_name(name))
            && names.iter().any(|name| Column::named(name) != Column::Other);
        is_header.then(|| Self::of_names(&names))
    }

    /// From the LogFormat that `DescribeFlowLogs` gives: `${version} ${account-id} …`.
    ///
    /// # Errors
    /// What is no list of names, or lacks a field that is needed.
    pub fn of_log_format(format: &str) -> Result<Self, LayoutError> {
        let bare = |word: &str| canonical(word.strip_prefix("${")?.strip_suffix('}')?).into();
        let names: Option<Vec<String>> = format.split_ascii_whitespace().map(bare).collect();
        let names = names.filter(|names| !names.is_empty() && names.len() <= COLUMNS_MAX);
        let names = names.filter(|names| names.iter().all(|name| is_name(name)));
        Self::of_names(
            &names.ok_or_else(|| LayoutError::NoNames(super::quoted(format.as_bytes()).to_string()))?,
        )
    }

    fn of_names(names: &[String]) -> Result<Self, LayoutError> {
        if let Some(name) = names.iter().find(|name| is_of_transit_gateway(name)) {
            return Err(LayoutError::TransitGateway(super::quoted(name.as_bytes()).to_string()));
        }
        let columns: Box<[Column]> = names.iter().map(|name| Column::named(name)).collect();
        let mut seen = 0;
        for &column in columns.iter().filter(|&&column| column != Column::Other) {
            if seen & column.bit() != 0 {
                return Err(LayoutError::Twice(column.name()));
            }
            seen |= column.bit();
        }
        let has = |choice: &&[Column]| choice.iter().any(|column| seen & column.bit() != 0);
        match REQUIRED.iter().find(|choice| !has(choice)) {
            Some(choice) => Err(LayoutError::Missing(choice[0].name())),
            None => Ok(Self { places: Places::of(&columns), columns }),
        }
    }
}

/// Header lines are in small letters with hyphens; what was made from Parquet has underscores.
fn canonical(name: &str) -> String {
    name.to_ascii_lowercase().replace('_', "-")
}

fn is_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

fn is_of_transit_gateway(name: &str) -> bool {
    name.starts_with("tgw-") || name.starts_with("packets-lost-") || name == "resource-type"
}
