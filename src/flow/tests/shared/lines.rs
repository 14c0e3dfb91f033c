//! Findings as lines of text: what tests compare, and what `examples/records.rs` prints for other programs to compare.
//!
//! A record is `record CLOUD INTERFACE NETWORK START END SOURCE DESTINATION PORT PORT PROTOCOL DIRECTION OPENER FLAGS OUTCOME
//! CONNECTIONS PACKETS BYTES PACKETS BYTES`; what is absent is `-`.

use std::fmt::Write;

use flow::{Cloud, Direction, Fault, FlowRecord, Gap, GapKind, Opener, Outcome, Point, PointId, Sink};

/// A sink that keeps everything as lines, in order.
#[derive(Default)]
pub struct Lines {
    /// One line for each finding.
    pub lines: Vec<String>,
    points: Vec<String>,
    numbers: std::collections::BTreeMap<String, PointId>,
}

impl Sink for Lines {
    fn point(&mut self, point: Point<'_>) -> PointId {
        let cloud = match point.cloud {
            Cloud::Aws => "aws",
            Cloud::Azure => "azure",
            Cloud::Gcp => "gcp",
        };
        let name = format!("{cloud} {} {}", point.interface.unwrap_or("-"), point.network.unwrap_or("-"));
        let next = PointId(self.points.len() as u32);
        let number = *self.numbers.entry(name.clone()).or_insert(next);
        if number == next {
            self.points.push(name);
        }
        number
    }

    fn record(&mut self, record: &FlowRecord) {
        let FlowRecord { start, end, source, destination, source_port, destination_port, protocol, .. } =
            record;
        let FlowRecord { tcp_flags, connections, forward, backward, .. } = record;
        let direction = match record.direction {
            None => "-",
            Some(Direction::Ingress) => "ingress",
            Some(Direction::Egress) => "egress",
        };
        let opener = match record.opener {
            Opener::Source => "source",
            Opener::Destination => "destination",
            Opener::Unknown => "-",
        };
        let outcome = match record.outcome {
            Outcome::Accepted => "accepted",
            Outcome::Rejected => "rejected",
            Outcome::Unknown => "-",
        };
        let mut line = format!("record {} {start} {end} ", self.points[record.point.0 as usize]);
        let _ = write!(line, "{source} {destination} {source_port} {destination_port} {protocol} ");
        let _ = write!(line, "{direction} {opener} {tcp_flags} {outcome} {connections} ");
        let _ = write!(line, "{} {} {} {}", forward.packets, forward.bytes, backward.packets, backward.bytes);
        self.lines.push(line);
    }

    fn gap(&mut self, gap: Gap) {
        let kind = match gap.kind {
            GapKind::NoData => "no-data",
            GapKind::Skipped => "skipped",
        };
        self.lines
            .push(format!("gap {} {} {} {kind}", self.points[gap.point.0 as usize], gap.start, gap.end));
    }

    fn fault(&mut self, fault: Fault) {
        self.lines.push(format!("fault {} {}", fault.offset, fault.reason));
    }
}
