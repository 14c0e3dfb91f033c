//! Texts whose lines stand alone once it is known how to read them: they are split in order, and read in any order and on any thread.
//!
//! ```text
//! bytes ─Lines─▶ whole lines ─Split─▶ sections ─Section::read─▶ Sink
//!                            (in order)        (in any order, on any thread)
//! ```
//!
//! INVARIANT: whatever way the lines are cut and shared out, the same lines give the same records, gaps and faults.

use std::ops::Range;
use std::sync::Arc;

use super::aws_text::{self, Found, Sections};
use super::{Format, FormatError, gcp};
use crate::sink::{Fault, Sink};

/// Lines that are read alike.
#[derive(Clone, Debug)]
pub struct Section {
    /// Where they stand in the lines that were given.
    pub range: Range<usize>,
    how: How,
}

#[derive(Clone, Debug)]
enum How {
    AwsText(Arc<aws_text::Layout>),
    Gcp,
}

/// What a thread keeps from section to section. Belongs to one sink.
#[derive(Debug, Default)]
pub struct Memory {
    aws_text: aws_text::Points,
    gcp: gcp::Memory,
}

/// Splits a text into sections.
#[derive(Clone, Debug)]
pub struct Split(Of);

#[derive(Clone, Debug)]
enum Of {
    AwsText(Box<Sections>),
    Gcp,
}

impl Split {
    /// Of the texts of a format; `None` for one that is read in order.
    ///
    /// # Errors
    /// A LogFormat that cannot be read.
    pub fn of(format: &Format) -> Result<Option<Self>, FormatError> {
        Ok(match format {
            Format::AwsText => Some(Self(Of::AwsText(Box::new(Sections::with_header())))),
            Format::AwsLines(format) => Some(Self(Of::AwsText(Box::new(Sections::of_log_format(format)?)))),
            Format::GcpJsonLines => Some(Self(Of::Gcp)),
            Format::AwsParquet | Format::AzureJson => None,
        })
    }

    /// Splits whole lines, which are the next of the text and begin at `offset` in it.
    pub fn split(
        &mut self,
        offset: u64,
        lines: &[u8],
        sections: &mut Vec<Section>,
        fault: &mut impl FnMut(Fault),
    ) {
        match &mut self.0 {
            Of::AwsText(split) => split.split(offset, lines, &mut |found| match found {
                Found::Section(aws_text::Section { range, layout }) => {
                    sections.push(Section { range, how: How::AwsText(layout) });
                }
                Found::Fault(found) => fault(found),
            }),
            Of::Gcp => sections.push(Section { range: 0..lines.len(), how: How::Gcp }),
        }
    }
}

impl Section {
    /// Reads the section out of the lines that it was found in, which begin at `offset` in their text.
    pub fn read(&self, offset: u64, lines: &[u8], memory: &mut Memory, sink: &mut impl Sink) {
        let Some(lines) = lines.get(self.range.clone()) else { return };
        let offset = offset + self.range.start as u64;
        match &self.how {
            How::AwsText(layout) => layout.read(offset, lines, &mut memory.aws_text, sink),
            How::Gcp => gcp::read(offset, lines, &mut memory.gcp, sink),
        }
    }
}
