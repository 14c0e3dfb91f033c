//! The formats of flow logs, and the reader of each.
//!
//! A reader is fed the decompressed bytes of one piece in order, cut anywhere; it never keeps more than one line or
//! element, of at most [`LINE_BYTES_MAX`].

use serde::{Deserialize, Serialize};

pub mod apart;
pub mod aws_parquet;
pub mod aws_text;
pub mod azure;
mod field;
pub mod gcp;
mod ipv4;
mod json;
pub mod lines;
mod points;
mod reader;

pub use reader::{FormatError, Reader};

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
