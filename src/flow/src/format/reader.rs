//! The readers of streams behind one type, chosen by [`Format`].

use thiserror::Error;

use super::aws_text::{AwsText, LayoutError};
use super::azure::Azure;
use super::gcp::Gcp;
use super::{Format, LINE_BYTES_MAX};
use crate::sink::{Fault, Sink};

/// Why there is no reader for a format.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum FormatError {
    /// The LogFormat of a flow log.
    #[error("log format: {0}")]
    LogFormat(#[from] LayoutError),
    /// What cannot be read from beginning to end.
    #[error("is not read as a stream")]
    NoStream,
}

/// Reads bytes of one piece in order.
pub enum Reader {
    /// AWS VPC flow log text.
    AwsText(Box<AwsText>),
    /// Azure's documents.
    Azure(Box<Azure>),
    /// Google Cloud's log entries.
    Gcp(Box<Gcp>),
}

impl Reader {
    /// The reader of a format.
    ///
    /// # Errors
    /// A LogFormat that cannot be read, and formats that are no streams.
    pub fn new(format: &Format) -> Result<Self, FormatError> {
        match format {
            Format::AwsText => Ok(Self::AwsText(Box::new(AwsText::with_header()))),
            Format::AwsLines(format) => Ok(Self::AwsText(Box::new(AwsText::of_log_format(format)?))),
            Format::AzureJson => Ok(Self::Azure(Box::default())),
            Format::GcpJsonLines => Ok(Self::Gcp(Box::default())),
            Format::AwsParquet => Err(FormatError::NoStream),
        }
    }

    /// The reader of what a piece has after the position that an earlier [`Reader::finish`] gave.
    ///
    /// # Errors
    /// As [`Reader::new`].
    pub fn resume(format: &Format) -> Result<Self, FormatError> {
        match format {
            Format::AzureJson => Ok(Self::Azure(Box::new(Azure::resume()))),
            other => Self::new(other),
        }
    }

    /// Reads the next bytes, cut anywhere.
    pub fn feed(&mut self, bytes: &[u8], sink: &mut impl Sink) {
        match self {
            Self::AwsText(reader) => reader.feed(bytes, sink),
            Self::Azure(reader) => reader.feed(bytes, sink),
            Self::Gcp(reader) => reader.feed(bytes, sink),
        }
    }

    /// Deals with what is left at the end, and says how many of the bytes are dealt with: a document that grows is gone on
    /// with from there.
    pub fn finish(&mut self, sink: &mut impl Sink) -> u64 {
        match self {
            Self::AwsText(reader) => reader.finish(sink),
            Self::Azure(reader) => reader.finish(sink),
            Self::Gcp(reader) => reader.finish(sink),
        }
    }

    /// Where a document breaks off that may grow, or is not whole; `None` for texts of lines, which say nothing of their end.
    pub fn breaks_off(&self) -> Option<u64> {
        match self {
            Self::Azure(reader) => reader.breaks_off(),
            Self::AwsText(_) | Self::Gcp(_) => None,
        }
    }
}

impl Fault {
    /// A line that is left out because of its length.
    pub fn too_long(offset: u64) -> Self {
        Self { offset, reason: format!("a line of more than {LINE_BYTES_MAX} bytes is left out") }
    }
}
