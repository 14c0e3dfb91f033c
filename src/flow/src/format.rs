//! The formats of flow logs, and the reader of each.
//!
//! A reader is fed the decompressed bytes of one piece in order, cut anywhere; it never keeps more than one line or
//! element, of at most [`LINE_BYTES_MAX`].

use serde::{Deserialize, Serialize};

use crate::sink::Sink;

pub mod aws_parquet;
pub mod azure;
mod field;
pub mod gcp;
mod json;
mod points;

/// The longest line or JSON element that is read; a longer one is a [`crate::Fault`] and is skipped.
pub const LINE_BYTES_MAX: usize = 1 << 20;

/// What bytes of a piece are, once decompressed.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// AWS VPC flow log text with a header line of field names (S3).
    AwsText,
    /// AWS VPC flow log text without a header: fields in the order of the flow log's own LogFormat (CloudWatch), for
    /// example `${version} ${account-id} …`.
    AwsLines(String),
    /// AWS VPC flow log in Parquet (S3). Is read whole: not a stream.
    AwsParquet,
    /// Azure VNet flow logs (version 4) or NSG flow logs (versions 1 and 2): one JSON document of records, which grows.
    AzureJson,
    /// Google Cloud log entries, one JSON object a line: VPC flows and firewall logs.
    GcpJsonLines,
}

/// A reader of any format that is a stream.
pub enum Reader {
    /// Azure's documents.
    Azure(azure::Azure),
    /// Google Cloud's log entries.
    Gcp(gcp::Gcp),
}

impl Reader {
    /// The reader of a format from the beginning of a piece; `None` for a format that is no stream.
    pub fn new(format: &Format) -> Option<Self> {
        match format {
            Format::AzureJson => Some(Self::Azure(azure::Azure::new())),
            Format::GcpJsonLines => Some(Self::Gcp(gcp::Gcp::new())),
            Format::AwsText | Format::AwsLines(_) | Format::AwsParquet => None,
        }
    }

    /// The reader of what a piece has after the position that an earlier `finish` gave.
    pub fn resume(format: &Format) -> Option<Self> {
        match format {
            Format::AzureJson => Some(Self::Azure(azure::Azure::resume())),
            other => Self::new(other),
        }
    }

    /// Reads on. The bytes may be cut anywhere.
    pub fn feed(&mut self, bytes: &[u8], sink: &mut impl Sink) {
        match self {
            Self::Azure(reader) => reader.feed(bytes, sink),
            Self::Gcp(reader) => reader.feed(bytes, sink),
        }
    }

    /// Reads what is left and gives the position one past the last byte that was dealt with, from the first byte fed.
    pub fn finish(&mut self, sink: &mut impl Sink) -> u64 {
        match self {
            Self::Azure(reader) => reader.finish(sink),
            Self::Gcp(reader) => reader.finish(sink),
        }
    }
}
