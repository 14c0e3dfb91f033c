//! A sink that writes down what it is told, one line each.

use std::fmt::Write;

use flow::format::Reader;
use flow::{Direction, Fault, FlowRecord, Format, Gap, Point, PointId, Sink};

/// What was told, in order.
#[derive(Default)]
pub struct Told {
    pub lines: Vec<String>,
    pub points: Vec<String>,
    /// How often a point was asked for.
    pub asked: usize,
}

impl Sink for Told {
    fn point(&mut self, point: Point<'_>) -> PointId {
        self.asked += 1;
        let name = format!("{}/{}", point.network.unwrap_or("-"), point.interface.unwrap_or("-"));
        let known = self.points.iter().position(|known| *known == name);
        let at = known.unwrap_or_else(|| {
            self.points.push(name);
            self.points.len() - 1
        });
        PointId(at as u32)
    }

    fn record(&mut self, record: &FlowRecord) {
        let FlowRecord { source, source_port, destination, destination_port, protocol, .. } = record;
        let mut line = format!("{} ", self.points[record.point.0 as usize]);
        write!(line, "{source} {source_port} > {destination} {destination_port} {protocol} ").unwrap();
        write!(line, "{}/{} {}..{}", record.forward.packets, record.forward.bytes, record.start, record.end)
            .unwrap();
        write!(line, " {:?}", record.outcome).unwrap();
        if record.tcp_flags != 0 {
            write!(line, " flags {}", record.tcp_flags).unwrap();
        }
        match record.direction {
            Some(Direction::Ingress) => line.push_str(" in"),
            Some(Direction::Egress) => line.push_str(" out"),
            None => {}
        }
        assert_eq!((record.connections, record.opener), (1, flow::Opener::Unknown));
        self.lines.push(line);
    }

    fn gap(&mut self, gap: Gap) {
        let point = &self.points[gap.point.0 as usize];
        self.lines.push(format!("{point} {:?} {}..{}", gap.kind, gap.start, gap.end));
    }

    fn fault(&mut self, fault: Fault) {
        assert!(!fault.reason.contains('\n') && fault.reason.is_ascii(), "{}", fault.reason);
        self.lines.push(format!("fault at {}: {}", fault.offset, fault.reason));
    }
}

/// What is told of a text that comes in one piece.
pub fn read(format: &Format, text: &[u8]) -> Told {
    let mut told = Told::default();
    let mut reader = Reader::new(format).unwrap();
    reader.feed(text, &mut told);
    assert_eq!(reader.finish(&mut told), text.len() as u64);
    told
}

/// Checks what is told of an AWS text with a header.
pub fn check(text: &str, expected: &[&str]) {
    assert_eq!(read(&Format::AwsText, text.as_bytes()).lines, expected, "{text}");
}

/// The fields of version 2 in their default order.
pub const V2: &str = "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status";
/// The same as a LogFormat.
pub const V2_FORMAT: &str = "${version} ${account-id} ${interface-id} ${srcaddr} ${dstaddr} ${srcport} ${dstport} ${protocol} ${packets} ${bytes} ${start} ${end} ${action} ${log-status}";
