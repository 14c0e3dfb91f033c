//! AWS VPC flow logs as text: versions 2 to 5 and 7 to 10, with any choice of fields in any order.
//!
//! ```text
//! bytes ─Lines─▶ whole lines ─Sections─▶ lines of one layout ─Layout::read─▶ Sink
//!                            (in order)                      (in any order, on any thread)
//! ```
//!
//! Columns are read by name: from the header line of the file, or from the LogFormat of the flow log. Fields that we do not
//! know are skipped, and so what AWS adds later is no fault. Version 6 is of transit gateways and refused.
//!
//! INVARIANT: whatever way the lines are cut and shared out, the same lines give the same records, gaps and faults.

mod batch;
mod bits;
mod digits;
mod fast;
mod fields;
mod layout;
mod line;
mod points;
mod sections;
mod window;

pub use layout::{Layout, LayoutError};
pub use points::Points;
pub use sections::{Found, Section, Sections};

use super::lines::{Cut, Lines};
use crate::sink::{Fault, Sink};

/// So much of what could not be read is shown.
const QUOTED_BYTES_MAX: usize = 60;

/// Reads a text in order.
#[derive(Clone, Debug)]
pub struct AwsText {
    lines: Lines,
    sections: Sections,
    points: Points,
}

impl AwsText {
    /// A text with a header line (S3).
    pub fn with_header() -> Self {
        Self::new(Sections::with_header())
    }

    /// A text without a header (CloudWatch), from the LogFormat of its flow log.
    ///
    /// # Errors
    /// What is no LogFormat, or lacks a field that is needed.
    pub fn of_log_format(format: &str) -> Result<Self, LayoutError> {
        Sections::of_log_format(format).map(Self::new)
    }

    fn new(sections: Sections) -> Self {
        Self { lines: Lines::default(), sections, points: Points::default() }
    }

    /// Reads the next bytes, cut anywhere.
    pub fn feed(&mut self, bytes: &[u8], sink: &mut impl Sink) {
        let Self { lines, sections, points } = self;
        lines.feed(bytes, &mut |cut| read_cut(cut, sections, points, sink));
    }

    /// Reads a last line that has no end, and says how long the text was.
    pub fn finish(&mut self, sink: &mut impl Sink) -> u64 {
        let Self { lines, sections, points } = self;
        lines.finish(&mut |cut| read_cut(cut, sections, points, sink))
    }
}

fn read_cut(cut: Cut<'_>, sections: &mut Sections, points: &mut Points, sink: &mut impl Sink) {
    match cut {
        Cut::TooLong { offset } => sink.fault(Fault::too_long(offset)),
        Cut::Lines { offset, lines } => sections.split(offset, lines, &mut |found| match found {
            Found::Fault(fault) => sink.fault(fault),
            Found::Section(Section { range, layout }) => {
                layout.read(offset + range.start as u64, &lines[range], points, sink);
            }
        }),
    }
}

/// Bytes of a user as text for a message: short, and nothing that a terminal obeys.
fn quoted(bytes: &[u8]) -> std::slice::EscapeAscii<'_> {
    bytes[..bytes.len().min(QUOTED_BYTES_MAX)].escape_ascii()
}
